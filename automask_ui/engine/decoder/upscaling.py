"""The mask decoder's upscaling as matrix products."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import torch
import torch.nn.functional as F
from segment_anything.modeling import MaskDecoder
from torch import Tensor

__all__ = ["HighResUpscaling", "Upscaling"]


class Upscaling:
    """``output_upscaling`` and the product with a mask's weights.

    A 2×2 transposed convolution of stride 2 takes each position to four of its own, so it is a product with a
    C × 4C' matrix. The four are kept side by side instead of being moved to their place in the picture; only the
    finished one-channel masks are.
    """

    def __init__(self, decoder: MaskDecoder, dtype: torch.dtype) -> None:
        first, norm, self._act, second, self._last_act = decoder.output_upscaling.children()
        # Weights C×C'×2×2 of the transposed convolutions as C × 4C'.
        matrices = [layer.weight.permute(0, 2, 3, 1).flatten(1).contiguous().to(dtype) for layer in (first, second)]
        #: The first layer: weight C×4C' and bias 4C'.
        self.first = matrices[0], first.bias.repeat(4).to(dtype)
        self._second = matrices[1], second.bias.repeat(4).to(dtype)
        self._norm = norm.weight.to(dtype), norm.bias.to(dtype), norm.eps

    def masks(self, tiles: Iterable[Tensor], shown_hw: tuple[int, int], weights: Tensor) -> Tensor:
        """Upscale image tokens and multiply them with the masks' weights: logits, B×L×4h×4w float32.

        Args:
            tiles: B×n×4C', what the first layer makes of the image tokens, some rows of h×w at a time.
            shown_hw: h and w.
            weights: B×L×C/8, the masks' weights.
        """
        weights = weights.to(self.first[0].dtype)
        # Masks times positions and not the other way round: so few columns make a slow product.
        blocks = torch.cat([weights @ self._upscale(tile).transpose(1, 2) for tile in tiles], dim=2)
        return _to_rows(blocks.float(), *shown_hw)

    def features(self, tiles: Iterable[Tensor], shown_hw: tuple[int, int]) -> Tensor:
        """Upscale image tokens, arguments as in `masks`, to features at their places: B×C/8×4h×4w."""
        return _to_rows(torch.cat([self._upscale(tile).transpose(1, 2) for tile in tiles], dim=2), *shown_hw)

    def _upscale(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """B×n×4C' positions after the first layer to B×16n×C/8, each position's 4×4 in a row; adds ``added``, n×2C."""
        weight, bias, eps = self._norm
        batch = len(x)
        x = self._act(F.layer_norm(x.reshape(-1, len(weight)), weight.shape, weight, bias, eps))
        x = torch.addmm(self._second[1], x, self._second[0])
        if added is not None:
            x.view(batch, *added.shape).add_(added)
        x = self._last_act(x)
        return x.reshape(batch, -1, x.shape[1] // 4)


class HighResUpscaling(Upscaling):
    """SAM 2's: features of the encoder are added after each of the two layers.

    Args:
        decoder: the model's.
        fine: C/8×4h×4w and C/4×2h×2w, of the picture.
        dtype: of the products.
    """

    def __init__(self, decoder: MaskDecoder, fine: tuple[Tensor, ...], dtype: torch.dtype) -> None:
        super().__init__(decoder, dtype)
        finest, finer = (features.to(dtype) for features in fine)
        channels, rows, columns = finer.shape
        # h×w×4C' and h×w×2C: at each position what lies inside of it, in the order of the products.
        inside = finer.view(channels, rows // 2, 2, columns // 2, 2)
        self._after_first = inside.permute(1, 3, 2, 4, 0).flatten(2).contiguous()
        inside = finest.view(len(finest), rows // 2, 2, 2, columns // 2, 2, 2)
        self._after_second = inside.permute(1, 4, 2, 5, 3, 6, 0).flatten(2).contiguous()

    def masks(self, tiles: Iterable[Tensor], shown_hw: tuple[int, int], weights: Tensor) -> Tensor:
        """As `Upscaling.masks`."""
        shown = (slice(shown_hw[0]), slice(shown_hw[1]))
        after_first, after_second = (added[shown].flatten(0, 1) for added in (self._after_first, self._after_second))
        weights = weights.to(self.first[0].dtype)
        blocks, begin = [], 0
        for tile in tiles:
            rows = slice(begin, begin + tile.shape[1])
            begin = rows.stop
            upscaled = self._upscale(tile + after_first[rows], after_second[rows])
            blocks.append(weights @ upscaled.transpose(1, 2))
        return _to_rows(torch.cat(blocks, dim=2).float(), *shown_hw)


def _to_rows(masks: Tensor, height: int, width: int) -> Tensor:
    """B×L×16N masks, each position's 4×4 in a row, to B×L×4h×4w."""
    blocks = masks.unflatten(2, (height, width, 2, 2, 2, 2))  # rows and columns of the first 2×2, then of the second
    result = masks.new_empty(*masks.shape[:2], height, 2, 2, width, 2, 2)
    # Sixteen copies of whole planes: one of all would go two numbers at a time.
    for row, column, inner_row, inner_column in product((0, 1), repeat=4):
        result[..., row, inner_row, :, column, inner_column] = blocks[..., row, column, inner_row, inner_column]
    return result.view(*masks.shape[:2], 4 * height, 4 * width)
