"""MobileSAM's encoder against numbers that the original code gave on the same weights.

The numbers come from `mobile_sam/modeling/tiny_vit_sam.py` of github.com/ChaoningZhang/MobileSAM, run with PyTorch 2.15
on weights and an input made by `waves` below, batch-norm statistics included.
"""

import hashlib
import zlib

import numpy as np
import pytest
import torch

from automask_ui.engine.encoders.tiny_vit import TinyViTConfig, TinyViTEncoder

# The original's stride rule asks for a last width of 320 and its reshape for 1024 pixels; all else is small.
SMALL = TinyViTConfig(widths=(8, 16, 24, 320), depths=(1, 1, 2, 1), heads=(1, 2, 3, 10), classes=0)


def waves(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Numbers in [-0.5, 0.5) without visible order, the same for the same name on every machine."""
    steps = np.arange(int(np.prod(shape)), dtype=np.float64)
    values = np.sin(steps * 12.9898 + zlib.crc32(name.encode()) % 1000) * 43758.5453
    return torch.from_numpy((values - np.floor(values) - 0.5).reshape(shape).astype(np.float32))


def make_weights(encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights by name: 1 + wave for scales and variances, wave for shifts, 3.5 · wave / √fan-in for the others."""
    weights = {}
    for name, tensor in encoder.state_dict().items():
        shape = tuple(tensor.shape)
        if not tensor.is_floating_point():
            weights[name] = tensor
        elif name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            weights[name] = 1 + waves(name, shape)
        elif tensor.ndim == 1 or name.endswith("attention_biases"):
            weights[name] = waves(name, shape)
        else:
            weights[name] = 3.5 * waves(name, shape) / tensor[0].numel() ** 0.5
    return weights


def make_image() -> torch.Tensor:
    """(1, 3, 1024, 1024): slow waves of another length in every channel and direction, and some noise."""
    y, x = np.mgrid[:1024, :1024] / 1024
    slow = [np.sin(2 * np.pi * (a * x + b * y)) for a, b in ((3, 1), (-2, 5), (7, 11))]
    return torch.from_numpy(np.stack(slow)[None].astype(np.float32)) * 2 + waves("image", (1, 3, 1024, 1024))


# channel, row, column -> value of the original's embedding
EXPECTED = [
    (207, 5, 11, 0.97350),
    (60, 11, 51, 0.57115),
    (222, 37, 2, 0.05294),
    (24, 21, 27, -2.90457),
    (159, 30, 16, -0.36341),
    (40, 44, 47, 0.26904),
    (8, 7, 28, -0.07688),
    (100, 56, 33, 2.85773),
    (107, 27, 42, 0.05547),
    (150, 11, 47, -1.90482),
    (193, 61, 50, -0.98184),  # in a window that is mostly padding
    (72, 20, 41, 1.28310),
    (166, 44, 55, -1.04929),
    (74, 60, 0, -2.05307),
]


def test_same_embedding_as_the_original() -> None:
    encoder = TinyViTEncoder(SMALL).eval()
    encoder.load_state_dict(make_weights(encoder))
    with torch.inference_mode():
        embedding = encoder(make_image())
    assert embedding.shape == (1, 256, 64, 64)
    found = [float(embedding[0, channel, row, column]) for channel, row, column, _ in EXPECTED]
    np.testing.assert_allclose(found, [value for *_, value in EXPECTED], atol=1e-4)


def test_names_shapes_and_order_of_the_published_file() -> None:
    lines = [f"{name} {tuple(tensor.shape)}" for name, tensor in TinyViTEncoder().state_dict().items()]
    # Of the same listing of the original's state dict.
    assert len(lines) == 302
    expected = "25ffb0bc1b3eca8f0b5b17771a12b46dfe33d3e91b586bc67707d9bc49e13897"
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == expected


@pytest.mark.parametrize(
    ("size_hw", "grid_hw"),
    [
        ((128, 128), (8, 8)),  # padded to whole windows of 7
        ((224, 224), (14, 14)),  # whole windows, no padding
        ((96, 160), (6, 10)),  # not square
    ],
)
def test_works_at_other_sizes(size_hw: tuple[int, int], grid_hw: tuple[int, int]) -> None:
    with torch.inference_mode():
        embedding = TinyViTEncoder(SMALL).eval()(torch.zeros(2, 3, *size_hw))
    assert embedding.shape == (2, 256, *grid_hw)
    assert torch.isfinite(embedding).all()
