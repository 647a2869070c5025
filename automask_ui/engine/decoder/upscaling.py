"""The mask decoder's upscaling as matrix products."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import torch
from segment_anything.modeling import MaskDecoder
from torch import Tensor, nn

from automask_ui.engine.runtime.scratch import Scratch

__all__ = ["HighResUpscaling", "Upscaling"]


class Upscaling:
    """``output_upscaling`` and the product with a mask's weights.

    A 2×2 transposed convolution of stride 2 takes each position to four of its own, so it is a product with a
    C × 4C' matrix. The four are kept apart instead of being moved to their place in the picture; only the finished
    one-channel masks are. Positions lie side by side and channels apart, so that every step goes along positions.

    The norm over the C' channels after the first layer subtracts their mean; that is linear, so the layer's weights do
    it. What is left of a position is ``y = z / u``, with ``u`` the same for all its channels, and

        y / √(mean y² + eps) = z / √(mean z² + eps u²),

    so that image tokens need not be multiplied by what normalised them.

    Args:
        decoder: the model's.
        dtype: of the products.
        scratch: memory to work in.
    """

    def __init__(self, decoder: MaskDecoder, dtype: torch.dtype, scratch: Scratch) -> None:
        first, norm, act, second, last_act = decoder.output_upscaling.children()
        weight = first.weight.permute(0, 2, 3, 1)  # C×2×2×C'
        #: The first layer, without the mean over C': weight C×4C' and bias 4C'.
        self.first = _centred(weight).flatten(1).to(dtype), _centred(first.bias).repeat(4).to(dtype)
        # 4C'×C' and 4C'×1, with C' half of the first layer's.
        self._second = (
            second.weight.permute(2, 3, 1, 0).flatten(0, 2).to(dtype),
            second.bias.repeat(4)[:, None].to(dtype),
        )
        self._norm = norm.weight[:, None].to(dtype), norm.bias[:, None].to(dtype), norm.eps
        self._act, self._last_act = act, last_act
        self._scratch = scratch

    def masks(self, tiles: Iterable[tuple[Tensor, Tensor]], shown_hw: tuple[int, int], weights: Tensor) -> Tensor:
        """Upscale image tokens and multiply them with the masks' weights: logits, B×L×4h×4w float32.

        Args:
            tiles: z, B×4C'×n, what the first layer makes of the image tokens, some rows of h×w at a time, and u, B×1×n.
            shown_hw: h and w.
            weights: B×L×C/8, the masks' weights.
        """
        weights = weights[:, None].to(self.first[0].dtype)
        return _to_rows([weights @ upscaled for upscaled in self._upscale(tiles, shown_hw)], shown_hw)

    def features(self, tiles: Iterable[tuple[Tensor, Tensor]], shown_hw: tuple[int, int]) -> Tensor:
        """Upscale image tokens, arguments as in `masks`, to features at their places: B×C/8×4h×4w float32."""
        return _to_rows([upscaled.clone() for upscaled in self._upscale(tiles, shown_hw)], shown_hw)

    def _upscale(self, tiles: Iterable[tuple[Tensor, Tensor]], shown_hw: tuple[int, int]) -> Iterable[Tensor]:
        """Upscale tile by tile, arguments as in `masks`: B×16×C/8×n, each position's 4×4; valid until the next."""
        for z, u in tiles:
            yield self._upscale_tile(z, u)

    def _upscale_tile(self, z: Tensor, u: Tensor, added: Tensor | None = None) -> Tensor:
        """Upscale positions ``z``, B×4C'×n, with their ``u``, B×1×n; adds ``added``, 4×2C'×n, to the second layer."""
        weight, bias, eps = self._norm
        batch, _, count = z.shape
        z = z.view(batch, 4, -1, count)
        wide = z.float()
        squares = torch.mul(wide, wide, out=self._scratch.take("squares", z.shape, wide))
        factors = torch.rsqrt(squares.mean(dim=2) + eps * u.float().square())
        inner = _activated(self._act, z.mul_(factors[:, :, None]).mul_(weight).add_(bias)).flatten(0, 1)
        matrix, constant = self._second
        x = self._scratch.take("upscaled", (len(inner), len(matrix), count), z)
        torch.baddbmm(constant, matrix.expand(len(inner), -1, -1), inner, out=x)
        if added is not None:
            x.view(batch, 4, -1, count).add_(added)
        return _activated(self._last_act, x).view(batch, 16, -1, count)


class HighResUpscaling(Upscaling):
    """SAM 2's: features of the encoder are added after each of the two layers.

    Args:
        decoder: the model's.
        fine: C/8×4h×4w and C/4×2h×2w, of the picture.
        dtype: of the products.
        scratch: memory to work in.
    """

    def __init__(self, decoder: MaskDecoder, fine: tuple[Tensor, ...], dtype: torch.dtype, scratch: Scratch) -> None:
        super().__init__(decoder, dtype, scratch)
        finest, finer = fine
        channels, rows, columns = finer.shape
        # 4C'×h×w and 4×2C'×h×w: for each position what lies inside of it, in the order of the products.
        inside = finer.view(channels, rows // 2, 2, columns // 2, 2)
        inside = _centred(inside.permute(2, 4, 1, 3, 0)).permute(0, 1, 4, 2, 3)
        self._after_first = inside.flatten(0, 2).to(dtype).contiguous()
        inside = finest.view(len(finest), rows // 2, 2, 2, columns // 2, 2, 2)
        inside = inside.permute(2, 5, 3, 6, 0, 1, 4)
        self._after_second = inside.flatten(2, 4).flatten(0, 1).to(dtype).contiguous()

    def _upscale(self, tiles: Iterable[tuple[Tensor, Tensor]], shown_hw: tuple[int, int]) -> Iterable[Tensor]:
        """As `Upscaling._upscale`."""
        shown = (..., slice(shown_hw[0]), slice(shown_hw[1]))
        after_first, after_second = (added[shown].flatten(-2) for added in (self._after_first, self._after_second))
        begin = 0
        for z, u in tiles:
            columns = slice(begin, begin + z.shape[2])
            begin = columns.stop
            yield self._upscale_tile(z.addcmul_(after_first[:, columns], u), u, after_second[..., columns])


def _activated(act: nn.Module, x: Tensor) -> Tensor:
    """Apply ``act``, in place where PyTorch can: its name for that is not in ``torch.nn.functional``."""
    return torch.ops.aten.gelu_(x, approximate=act.approximate) if isinstance(act, nn.GELU) else act(x)


def _centred(x: Tensor) -> Tensor:
    """Subtract the mean over the last axis."""
    return x - x.mean(dim=-1, keepdim=True)


def _to_rows(tiles: list[Tensor], size_hw: tuple[int, int]) -> Tensor:
    """Move tiles of B×16×L×n, each position's 4×4 apart, to B×L×4h×4w float32."""
    blocks = torch.cat(tiles, dim=3).float()
    batch, _, levels, _ = blocks.shape
    height, width = size_hw
    result = blocks.new_empty(batch, levels, 4 * height, 4 * width)
    # Rows and columns of the first 2×2, then of the second.
    source = blocks.view(batch, 2, 2, 2, 2, levels, height, width)
    target = result.view(batch, levels, height, 2, 2, width, 2, 2)
    # On a CPU, NumPy copies what does not lie together three times as fast as PyTorch.
    pixels: Any = (source, target) if blocks.device.type != "cpu" else (source.numpy(), target.numpy())
    source, target = pixels
    # Sixteen copies of whole planes: one of all would go two numbers at a time.
    for row, column, inner_row, inner_column in product((0, 1), repeat=4):
        target[..., row, inner_row, :, column, inner_column] = source[:, row, column, inner_row, inner_column]
    return result
