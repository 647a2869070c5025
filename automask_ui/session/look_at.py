"""Where a run is to look: points of the grid inside, or outside, of what a person has drawn on the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automask_ui.masks.rle import run_counts
from automask_ui.session.drawing import Piece, area_of

__all__ = ["grid_points"]


def grid_points(points_per_side: int, drawn: Sequence[Piece], size_hw: tuple[int, int], *, inside: bool) -> np.ndarray:
    """The points of SAM's grid that lie in a pixel that is drawn, or in one that is not.

    Args:
        points_per_side: of the grid.
        drawn: what was outlined and painted, one after the other; at least one piece.
        size_hw: of the picture, px.
        inside: the points in the drawing; else those outside.

    Returns:
        (m, 2) float64: x and y in 0 to 1, row by row.

    Raises:
        EditError: nothing is left of the drawing inside the picture, or it is too long.
    """
    # As upstream's build_point_grid lays them.
    offset = 1 / (2 * points_per_side)
    one_side = np.linspace(offset, 1 - offset, points_per_side)
    grid = np.stack([np.tile(one_side, points_per_side), np.repeat(one_side, points_per_side)], axis=1)
    height, width = size_hw
    column, row = np.floor(grid * (width, height)).astype(np.int64).T
    area = area_of(drawn, size_hw)
    # Runs of zeros and ones take turns: a drawn pixel lies in a run of odd number.
    run = np.searchsorted(np.cumsum(run_counts(area)), column * height + row, side="right")
    return grid[(run % 2 == 1) == inside]
