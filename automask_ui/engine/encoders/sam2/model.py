"""SAM 2 around its encoder: what its mask decoder has beside SAM's, and how a picture is encoded for it."""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import MaskDecoder, Sam
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional

from automask_ui.engine.encoders.embedding import ImageEmbedding

__all__ = ["SAM2MaskDecoder", "as_mask_input", "encode_for_sam2", "settled_single", "stretched"]

# A single mask is stable where at least this share of its area stays, when its logits have to exceed a little more.
_STABLE = 0.98
_OFFSET = 0.05
# Logits that are given back as a mask lie within plus and minus this.
_MOST = 32.0


class SAM2MaskDecoder(MaskDecoder):
    """SAM's mask decoder with the weights that SAM 2 adds; called by itself, it answers as SAM would.

    Args:
        transformer_dim: C, width of the image tokens.
        options: upstream's others.
    """

    def __init__(self, *, transformer_dim: int, **options: Any) -> None:
        super().__init__(transformer_dim=transformer_dim, **options)
        width = transformer_dim
        self.obj_score_token = nn.Embedding(1, width)
        self.pred_obj_score_head = MLP(width, width, 1, 3)  # used by video alone
        self.conv_s0 = nn.Conv2d(width, width // 8, 1)
        self.conv_s1 = nn.Conv2d(width, width // 4, 1)


def stretched(pixels: Tensor, size: int) -> Tensor:
    """Resize 1×3×H×W uint8 to 1×3×size×size float32 as upstream does, with antialiasing, whatever the shape."""
    return functional.interpolate(pixels.float(), (size, size), mode="bilinear", align_corners=False, antialias=True)


def encode_for_sam2(sam: Sam, inputs: Tensor) -> ImageEmbedding:
    """Encode the model's input, 1×3×S×S float32, for a ``sam`` whose mask decoder is SAM 2's."""
    finest, finer, tokens = (features.float() for features in sam.image_encoder.pyramid(inputs))
    decoder = sam.mask_decoder
    return ImageEmbedding(tokens[0], (decoder.conv_s0(finest)[0], decoder.conv_s1(finer)[0]))


def settled_single(logits: Tensor, scores: Tensor) -> Tensor:
    """Choose for each prompt between its single mask and, where that is not stable, the best of the others.

    Args:
        logits: B×h×w, of the single mask.
        scores: B×M, the predicted IoU of all masks, the single one's first.

    Returns:
        B int64: the number of the mask; 0 is the single one.
    """
    inner, outer = ((logits > offset).sum(dim=(1, 2)) for offset in (_OFFSET, -_OFFSET))
    is_stable = (outer == 0) | (inner / outer >= _STABLE)
    return torch.where(is_stable, 0, 1 + scores[:, 1:].argmax(dim=1))


def as_mask_input(logits: Tensor) -> Tensor:
    """Cut logits off as SAM 2 does before it takes them for a mask."""
    return logits.clamp(-_MOST, _MOST)
