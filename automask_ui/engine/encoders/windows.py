"""Maps cut into square windows, and put together again."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["join_windows", "split_windows"]


def split_windows(cells: Tensor, side: int) -> Tensor:
    """Cut (B, H, W, C) into windows, (B × rows × columns, side, side, C).

    The map is padded with zeros below and to the right to whole windows, and the padding takes part as in training.
    """
    height, width = cells.shape[1:3]
    padded = functional.pad(cells, (0, 0, 0, -width % side, 0, -height % side))
    return padded.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3).flatten(0, 2)


def join_windows(windows: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Put windows, (B × rows × columns, side, side, C), together to maps (B, H, W, C) of this size, without padding."""
    (height, width), side = size_hw, windows.shape[1]
    rows, columns = -(-height // side), -(-width // side)
    maps = windows.unflatten(0, (-1, rows, columns)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return maps[:, :height, :width]
