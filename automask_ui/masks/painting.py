"""Paint masks: areas inside outlines, and strokes of a round brush.

A pixel is painted by its centre. Coordinates are px of the picture, with 0 at its left and upper edge, so that the
first pixel's centre lies at (0.5, 0.5). What lies outside of the picture is cut off. Everything is computed as the runs
of each column, without a picture in between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from automask_ui.errors import OptionError
from automask_ui.masks.rle import Rle, encode_borders

__all__ = ["THINNEST_BRUSH", "polygon_to_mask", "stroke_to_mask"]

# Diameter of a brush that has a pixel's centre under it wherever it is put, px.
THINNEST_BRUSH = math.sqrt(2)

MAX_COORDINATE = 1e7  # px; larger ones come from nothing that a person draws


FillRule = Literal["evenodd", "nonzero"]


def polygon_to_mask(rings: Sequence[ArrayLike], size_hw: tuple[int, int], fill_rule: FillRule = "evenodd") -> Rle:
    """Make the mask of what lies inside rings.

    A centre exactly on a left or upper edge is inside, on a right or lower edge outside. So polygons with a common edge
    share no pixel, and ``outlines`` of :mod:`automask_ui.masks.geometry` become their own mask again.

    Args:
        rings: n×2 numbers (x, y) each, n of 3 or more; the last point is joined to the first.
        size_hw: of the picture, px.
        fill_rule: as in SVG. "evenodd": inside is what an odd number of rings, or of a ring's turns, goes around, so
            that a ring in another one is a hole; "nonzero": inside is what they go around more often in one direction
            than in the other, so that a ring that crosses itself leaves no hole where its turns overlap.

    Raises:
        OptionError: a ring is nothing of the kind.
    """
    corners = [_points("A ring", ring, fewest=3) for ring in rings]
    starts = np.concatenate([np.zeros((0, 2)), *corners])
    ends = np.concatenate([np.zeros((0, 2)), *(np.roll(ring, -1, axis=0) for ring in corners)])
    height, width = size_hw
    # Edges are walked to the right. Those along a column cross no other.
    goes_right = starts[:, 0] < ends[:, 0]
    starts, ends = (np.where(goes_right[:, None], *pair) for pair in ((starts, ends), (ends, starts)))
    edge, column = _columns(_first_centre(starts[:, 0]), _first_centre(ends[:, 0]), width)
    share = (column + 0.5 - starts[edge, 0]) / (ends[edge, 0] - starts[edge, 0])
    crossed = starts[edge, 1] + share * (ends[edge, 1] - starts[edge, 1])
    row = np.clip(_first_centre(crossed), 0, height)
    place = column * height + row.astype(np.int64)
    order = np.argsort(place, kind="stable")
    # Each column is crossed to the right as often as to the left: going in and out by turns.
    is_border = np.ones(len(order), bool)
    if fill_rule == "nonzero":
        is_inside = np.cumsum(np.where(goes_right, 1, -1)[edge[order]]) != 0
        is_border = np.diff(is_inside, prepend=False)
    return encode_borders(place[order][is_border], size_hw)


def stroke_to_mask(points_xy: ArrayLike, diameter: float, size_hw: tuple[int, int]) -> Rle:
    """Make the mask of a brush's stroke: what is at most half the ``diameter`` away from the line through the points.

    Args:
        points_xy: n×2 numbers (x, y), n of 1 or more; one alone is a dab.
        diameter: px, above 0; thinner than ``THINNEST_BRUSH`` it would leave no trace between pixels, so is taken as
            that.
        size_hw: of the picture, px.

    Raises:
        OptionError: points or diameter are nothing of the kind.
    """
    points = _points("A stroke", points_xy, fewest=1)
    if not (isinstance(diameter, Real) and 0 < diameter <= MAX_COORDINATE):
        raise OptionError(f"The brush's diameter is {diameter!r}, but must be a number of pixels above 0.")
    radius = max(float(diameter), THINNEST_BRUSH) / 2
    starts, ends = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    height, width = size_hw
    left, right = np.minimum(starts[:, 0], ends[:, 0]) - radius, np.maximum(starts[:, 0], ends[:, 0]) + radius
    piece, column = _columns(_first_centre(left), _first_centre(right) + 1, width)
    lowest, highest = _capsules(starts[piece], ends[piece], column + 0.5, radius)
    # Last centres are those before the first one beyond.
    begin = np.clip(_first_centre(lowest), 0, height)
    end = np.clip(np.floor(highest - 0.5) + 1, 0, height)
    is_met = begin < end
    begin, end = (column[is_met] * height + rows[is_met].astype(np.int64) for rows in (begin, end))
    return encode_borders(_joined(begin, end), size_hw)


def _capsules(starts: np.ndarray, ends: np.ndarray, x: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Where columns at ``x`` (n) enter and leave what is within ``radius`` of lines (n×2 each): NaN where they do not.

    That is a disc around either end, and a rectangle between them; together convex, so that it is one run a column.
    """
    along = ends - starts
    length = np.hypot(along[:, 0], along[:, 1])
    across = radius * np.stack([-along[:, 1], along[:, 0]], axis=1) / np.where(length > 0, length, 1.0)[:, None]
    crossed = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for centre in (starts, ends):
            half = np.sqrt(radius**2 - (x - centre[:, 0]) ** 2)
            crossed += [centre[:, 1] - half, centre[:, 1] + half]
        corners = [starts + across, ends + across, ends - across, starts - across]
        for corner, following in zip(corners, [*corners[1:], corners[0]], strict=True):
            share = (x - corner[:, 0]) / (following[:, 0] - corner[:, 0])
            is_met = (share >= 0) & (share <= 1)
            crossed.append(np.where(is_met, corner[:, 1] + share * (following[:, 1] - corner[:, 1]), np.nan))
    return np.fmin.reduce(crossed), np.fmax.reduce(crossed)


def _joined(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Borders of everything that runs from ``begin`` to ``end`` (exclusive), which may overlap, cover."""
    order = np.argsort(begin, kind="stable")
    begin, reached = begin[order], np.maximum.accumulate(end[order])
    if not len(begin):
        return begin
    is_new = np.append(True, begin[1:] > reached[:-1])
    last = np.append(np.flatnonzero(is_new)[1:] - 1, len(begin) - 1)
    return np.stack([begin[is_new], reached[last]], axis=1).ravel()


def _first_centre(place: np.ndarray) -> np.ndarray:
    """The first row or column whose centre does not lie before ``place``."""
    return np.ceil(place - 0.5)


def _columns(first: np.ndarray, end: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """All columns of the picture from ``first`` to ``end`` (exclusive): index into these, and column, both int64."""
    first, end = (np.clip(edge, 0, width).astype(np.int64) for edge in (first, end))
    counts = np.maximum(end - first, 0)
    index = np.repeat(np.arange(len(first)), counts)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts - first, counts)


def _points(what: str, points_xy: ArrayLike, fewest: int) -> np.ndarray:
    """``points_xy`` as n×2 float64."""
    try:
        points = np.asarray(points_xy, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"{what} must be n×2 numbers (x, y), but is {str(points_xy)[:60]}.") from None
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < fewest:
        raise OptionError(f"{what} must be n×2 numbers, n of {fewest} or more, but its shape is {points.shape}.")
    if not (np.abs(points) <= MAX_COORDINATE).all():
        raise OptionError(f"{what} has a coordinate that is not finite or beyond {MAX_COORDINATE:,.0f} px.")
    return points
