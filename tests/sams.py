"""Small SAMs with random weights, of the same classes as the published ones, a picture, and what is the same mask."""

import copy
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from automask_ui.engine.bench.random_weights import make_lifelike
from automask_ui.engine.encoders.sam2.hiera import HieraConfig
from automask_ui.engine.loading.architecture import build_sam2


@cache
def small_sam(seed: int = 0, depth: int = 2, heads: int = 4, width: int = 32, image_size: int = 128) -> Sam:
    """A ViT SAM with one windowed and one global block, a decoder of ``depth`` layers and a 128 px input."""
    torch.manual_seed(seed)
    grid = image_size // 16
    sam = Sam(
        ImageEncoderViT(
            img_size=image_size,
            depth=2,
            embed_dim=48,
            num_heads=3,
            mlp_ratio=2,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=3,
            global_attn_indexes=(1,),
            out_chans=width,
        ),
        PromptEncoder(
            embed_dim=width,
            image_embedding_size=(grid, grid),
            input_image_size=(image_size, image_size),
            mask_in_chans=16,
        ),
        MaskDecoder(
            transformer_dim=width,
            transformer=TwoWayTransformer(depth=depth, embedding_dim=width, mlp_dim=64, num_heads=heads),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=width,
        ),
    )
    return make_lifelike(sam, seed)


SMALL_HIERA = HieraConfig(16, 1, stages=(1, 2, 3, 2), windows=(8, 4, 7, 3), global_blocks=(4,), image_size=256)


@cache
def small_sam2() -> Sam:
    """A SAM 2 with blocks of every kind, the published decoder and a 256 px input."""
    torch.manual_seed(0)
    sam = build_sam2(SMALL_HIERA)
    with torch.no_grad():
        for name, tensor in sam.image_encoder.named_parameters():
            if "pos_embed" in name or "no_mem" in name:
                tensor.normal_(0, 0.2)
    return make_lifelike(sam)


@torch.no_grad()
def with_lively_single(sam: torch.nn.Module) -> Any:
    """A copy in which the first mask of a point, the single one, varies as the others do."""
    sam = copy.deepcopy(sam)
    decoder = sam.mask_decoder if hasattr(sam, "mask_decoder") else sam.sam_mask_decoder
    first, _, third, *_ = decoder.output_hypernetworks_mlps
    first.load_state_dict(third.state_dict())
    scores = decoder.iou_prediction_head.layers[-1]
    scores.weight[0], scores.bias[0] = scores.weight[2], scores.bias[2]
    return sam


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Even patches of colour with a little noise, H×W×3 uint8."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (5, 7, 3))
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 7 // width
    return (patches[rows][:, columns] + rng.integers(0, 9, (height, width, 3))).clip(0, 255).astype(np.uint8)


def assert_same_masks(ours: list[dict], upstream: list[dict], output_mode: str = "binary_mask") -> None:
    """Same masks in the same order, within what re-ordered sums allow."""
    assert len(ours) == len(upstream)
    for mine, theirs in zip(ours, upstream, strict=True):
        assert mine.keys() == theirs.keys()
        assert mine["point_coords"] == theirs["point_coords"]
        assert mine["crop_box"] == theirs["crop_box"]
        assert mine["predicted_iou"] == pytest.approx(theirs["predicted_iou"], abs=1e-3)
        assert mine["stability_score"] == pytest.approx(theirs["stability_score"], abs=1e-3, nan_ok=True)
        np.testing.assert_allclose(mine["bbox"], theirs["bbox"], atol=1)
        if output_mode == "binary_mask":
            assert mine["segmentation"].dtype == theirs["segmentation"].dtype == bool
            differing = np.mean(mine["segmentation"] != theirs["segmentation"])
            assert differing <= 1e-4
            assert mine["area"] == mine["segmentation"].sum()
        else:
            assert mine["segmentation"] == theirs["segmentation"]
            assert mine["area"] == theirs["area"]
