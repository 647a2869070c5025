"""What a mask as input adds to the embedding of a picture, as a product of two small factors.

The prompt encoder's last layer makes C numbers of each image token's few (16 in all of SAM's models). So a mask's code
is never more than a sum of 16 vectors of the model, and its bias, each taken so many times.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling import PromptEncoder
from torch import Tensor

__all__ = ["MaskCode", "mask_code", "mask_vectors"]


@dataclass(frozen=True)
class MaskCode:
    """What masks add to image tokens that were set up for no mask: ``weights`` times ``vectors``."""

    weights: Tensor  # B×M×h×w float32, of B points, or 1×M×h×w where all have the same mask
    vectors: Tensor  # M×C float32, of the model


@torch.inference_mode()
def mask_vectors(encoder: PromptEncoder) -> Tensor:
    """The vectors of all codes of a model, M×C float32; the last one is what any mask adds everywhere."""
    last = encoder.mask_downscaling[-1]
    return torch.cat([last.weight.flatten(1).T, last.bias[None] - encoder.no_mask_embed.weight])


@torch.inference_mode()
def mask_code(encoder: PromptEncoder, masks: Tensor) -> MaskCode:
    """The code of masks, B×4h×4w float32 logits of the model's input."""
    weights = encoder.mask_downscaling[:-1](masks[:, None])
    return MaskCode(torch.cat([weights, torch.ones_like(weights[:, :1])], dim=1), mask_vectors(encoder))
