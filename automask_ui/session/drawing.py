"""What a person draws on the picture, as masks: strokes of a brush and outlines, bounded in the work that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from automask_ui.errors import EditError
from automask_ui.masks import operations
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.painting import polygon_to_mask, stroke_to_mask
from automask_ui.masks.rle import Rle

__all__ = ["Stroke", "area_of"]

# Columns of pixels that all pieces of a drawing pass, which is what painting them costs: about 3 s, and 100 MB at once.
MOST_COLUMNS = 20_000_000
_COLUMNS_AT_ONCE = 500_000


class Stroke(NamedTuple):
    """A line painted with a round brush."""

    width: float  # px
    points_xy: np.ndarray  # (n, 2) float64, px of the picture; n of 1 or more


def area_of(strokes: Sequence[Stroke], outlines: Sequence[np.ndarray], size_hw: tuple[int, int]) -> Rle:
    """Everything that is under a stroke or inside an outline.

    Args:
        strokes: any number.
        outlines: polygons, (n, 2) float64 each, px of the picture; n of 3 or more.
        size_hw: of the picture, px.

    Raises:
        EditError: it is too much to paint at once, or nothing is drawn inside the picture.
    """
    lengths = [_columns(stroke.points_xy, stroke.width, size_hw) for stroke in strokes]
    around = [_columns(np.concatenate([outline, outline[:1]]), 0, size_hw) for outline in outlines]
    if sum(float(columns.sum()) for columns in (*lengths, *around)) > MOST_COLUMNS or any(
        columns.sum() > MOST_COLUMNS / 10 for columns in around
    ):
        raise EditError("This drawing is too long to be painted at once: draw it in several pieces.")
    # Who draws around a thing crosses the line's own beginning, and means no hole there.
    painted = [polygon_to_mask([outline], size_hw, "nonzero") for outline in outlines]
    for stroke, columns in zip(strokes, lengths, strict=True):
        painted += [stroke_to_mask(points, stroke.width, size_hw) for points in _pieces(stroke.points_xy, columns)]
    area = operations.union(painted) if painted else None
    if area is None or not rle_codec.area(area):
        raise EditError("Nothing is drawn inside the picture.")
    return area


def _columns(points_xy: np.ndarray, width: float, size_hw: tuple[int, int]) -> np.ndarray:
    """How many columns of pixels each step of a line touches, about: as many as its points, less one, or one."""
    x = np.clip(points_xy[:, 0], 0, size_hw[1])
    steps = np.abs(np.diff(x)) if len(x) > 1 else np.zeros(1)
    return np.minimum(steps + width, size_hw[1]) + 2


def _pieces(points_xy: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """A line in pieces that go on where the one before ends, each cheap enough to be painted at once."""
    number = (np.cumsum(columns) // _COLUMNS_AT_ONCE).astype(int)
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    ends = np.append(begins[1:], len(columns))
    return [points_xy[begin : end + 1] for begin, end in zip(begins, ends, strict=True)]
