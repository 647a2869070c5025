"""SAM 2 around its encoder: what its mask decoder has beside SAM's, and how a picture is encoded for it."""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import MaskDecoder, Sam
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional

from automask_ui.engine.encoders.embedding import ImageEmbedding

__all__ = ["SAM2MaskDecoder", "encode_for_sam2", "stretched", "with_settled_single"]

# A single mask is stable where at least this share of its area stays, when its logits have to exceed a little more.
_STABLE = 0.98
_OFFSET = 0.05


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


def with_settled_single(logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Put the best of the other masks in the place of the first, the single one, where that is not stable.

    Args:
        logits: M×h×w.
        scores: M, the predicted IoU.

    Returns:
        Both, changed or not.
    """
    inner, outer = ((logits[0] > offset).sum() for offset in (_OFFSET, -_OFFSET))
    if outer == 0 or inner / outer >= _STABLE:
        return logits, scores
    best = 1 + scores[1:].argmax()
    return torch.cat([logits[best][None], logits[1:]]), torch.cat([scores[best][None], scores[1:]])
