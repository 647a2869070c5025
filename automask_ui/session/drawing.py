"""What a person draws on the picture, as masks: strokes of a brush and outlines, bounded in the work that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from automask_ui.errors import EditError
from automask_ui.masks import operations
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.painting import polygon_to_mask, stroke_to_mask
from automask_ui.masks.rle import Rle

__all__ = ["Piece", "Stroke", "area_of"]

# Columns of pixels that all pieces of a drawing pass, which is what painting them costs: about 3 s, and 100 MB at once.
MOST_COLUMNS = 20_000_000
_COLUMNS_AT_ONCE = 500_000


class Stroke(NamedTuple):
    """A line painted with a round brush."""

    width: float  # px
    points_xy: np.ndarray  # (n, 2) float64, px of the picture; n of 1 or more


class Piece(NamedTuple):
    """A piece of a drawing: it covers what is under its strokes and inside its outline."""

    strokes: tuple[Stroke, ...] = ()
    outline: np.ndarray | None = None  # a polygon, (n, 2) float64, px of the picture; n of 3 or more
    cut: bool = False  # it is cut out of the pieces before it; else it is added to them


def area_of(pieces: Sequence[Piece], size_hw: tuple[int, int]) -> Rle:
    """Everything inside the picture that ``pieces`` of a drawing cover, one after the other: it may be nothing.

    Args:
        pieces: any number.
        size_hw: of the picture, px.

    Raises:
        EditError: it is too much to paint at once.
    """
    _refuse_too_long(pieces, size_hw)
    area = rle_codec.encode_borders(np.zeros(0, np.int64), size_hw)
    for cut, group in groupby(pieces, lambda piece: piece.cut):
        painted = [mask for piece in group for mask in _painted(piece, size_hw)]
        area = operations.difference(area, painted) if cut else operations.union([area, *painted])
    return area


def _refuse_too_long(pieces: Sequence[Piece], size_hw: tuple[int, int]) -> None:
    strokes = [stroke for piece in pieces for stroke in piece.strokes]
    outlines = [piece.outline for piece in pieces if piece.outline is not None]
    lengths = [float(_columns(stroke.points_xy, stroke.width, size_hw).sum()) for stroke in strokes]
    around = [float(_columns(np.concatenate([line, line[:1]]), 0, size_hw).sum()) for line in outlines]
    if sum(lengths) + sum(around) > MOST_COLUMNS or max(around, default=0) > MOST_COLUMNS / 10:
        raise EditError("This drawing is too long to be painted at once: draw it in several pieces.")


def _painted(piece: Piece, size_hw: tuple[int, int]) -> Iterator[Rle]:
    """Masks that together are what ``piece`` covers."""
    if piece.outline is not None:
        # Who draws around a thing crosses the line's own beginning, and means no hole there.
        yield polygon_to_mask([piece.outline], size_hw, "nonzero")
    for width, points_xy in piece.strokes:
        for part in _parts(points_xy, _columns(points_xy, width, size_hw)):
            yield stroke_to_mask(part, width, size_hw)


def _columns(points_xy: np.ndarray, width: float, size_hw: tuple[int, int]) -> np.ndarray:
    """How many columns of pixels each step of a line touches, about: as many as its points, less one, or one."""
    x = np.clip(points_xy[:, 0], 0, size_hw[1])
    steps = np.abs(np.diff(x)) if len(x) > 1 else np.zeros(1)
    return np.minimum(steps + width, size_hw[1]) + 2


def _parts(points_xy: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """A line in parts that go on where the one before ends, each cheap enough to be painted at once."""
    number = (np.cumsum(columns) // _COLUMNS_AT_ONCE).astype(int)
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    ends = np.append(begins[1:], len(columns))
    return [points_xy[begin : end + 1] for begin, end in zip(begins, ends, strict=True)]
