"""The mask decoder's upscaling as matrix products."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from segment_anything.modeling import MaskDecoder
from torch import Tensor

__all__ = ["Upscaling"]

# Image tokens that are upscaled together on a CPU: 1 MB a step, which stays in the cache of a core.
POSITIONS_TOGETHER_ON_CPU = 1024


class Upscaling:
    """``output_upscaling`` and the product with a mask's weights.

    A 2×2 transposed convolution of stride 2 takes each position to four of its own, so it is a product with a
    C × 4C' matrix. The four are kept side by side instead of being moved to their place in the picture; only the
    finished one-channel masks are.
    """

    def __init__(self, decoder: MaskDecoder, dtype: torch.dtype) -> None:
        first, norm, self._act, second, self._last_act = decoder.output_upscaling.children()
        self._dtype = dtype
        self._weights = [_as_matrix(layer.weight).to(dtype) for layer in (first, second)]
        self._biases = [layer.bias.repeat(4).to(dtype) for layer in (first, second)]
        self._norm = norm.weight.to(dtype), norm.bias.to(dtype), norm.eps

    def masks(self, image_tokens: Tensor, weights: Tensor) -> Tensor:
        """Logits B×L×4h×4w float32 of image tokens B×h×w×C and the masks' weights B×L×C/8."""
        weights = weights.to(self._dtype)
        height, width = image_tokens.shape[1:3]
        on_cpu = image_tokens.device.type == "cpu"
        strips = image_tokens.split(max(1, POSITIONS_TOGETHER_ON_CPU // width) if on_cpu else height, dim=1)
        # Masks times positions and not the other way round: so few columns make a slow product.
        blocks = torch.cat([weights @ self._upscale(strip).transpose(1, 2) for strip in strips], dim=2)
        return _to_rows(blocks.float(), height, width)

    def _upscale(self, image_tokens: Tensor) -> Tensor:
        """B×h×w×C image tokens to B×16hw×C/8 upscaled ones, each position's 4×4 in a row."""
        weight, bias, eps = self._norm
        x = torch.addmm(self._biases[0], image_tokens.flatten(0, 2), self._weights[0])
        x = self._act(F.layer_norm(x.reshape(-1, len(weight)), weight.shape, weight, bias, eps))
        x = self._last_act(torch.addmm(self._biases[1], x, self._weights[1]))
        return x.reshape(len(image_tokens), -1, x.shape[1] // 4)


def _as_matrix(weight: Tensor) -> Tensor:
    """Weight C×C'×2×2 of a transposed convolution as C × 4C'."""
    return weight.permute(0, 2, 3, 1).flatten(1).contiguous()


def _to_rows(masks: Tensor, height: int, width: int) -> Tensor:
    """B×L×16N masks, each position's 4×4 in a row, to B×L×4h×4w."""
    blocks = masks.unflatten(2, (height, width, 2, 2, 2, 2))  # h, w, first 2×2, second 2×2
    return blocks.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(*masks.shape[:2], 4 * height, 4 * width)
