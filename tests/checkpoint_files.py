"""Checkpoint files of small SAMs with random weights, for tests of what reads them."""

from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import Sam

from automask_ui.engine.encoders.tiny_vit import TinyViTConfig
from automask_ui.engine.loading.architecture import DecoderConfig, ViTConfig, build_vit_sam

DECODER = DecoderConfig(embed_dim=32, mask_in_chans=8, mlp_dim=48, iou_head_hidden_dim=24)
SMALL = ViTConfig(embed_dim=48, depth=3, num_heads=3, global_attn_indexes=(1,), window_size=3, image_size=128)
SMALL_TINY_VIT = TinyViTConfig(widths=(8, 16, 24, 40), depths=(1, 2, 1, 1), heads=(1, 2, 3, 5), out_channels=32)


def small_sam(seed: int = 0) -> Sam:
    """A ViT SAM of sizes of its own, with random weights."""
    torch.manual_seed(seed)
    return build_vit_sam(SMALL, DECODER)


def save(content: Any, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def is_same(sam: Sam, state: dict[str, torch.Tensor]) -> bool:
    loaded = sam.state_dict()
    return loaded.keys() == state.keys() and all(torch.equal(loaded[key], state[key]) for key in state)
