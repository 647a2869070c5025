"""Where a run is to look: points of the grid inside, or outside, of what a person has drawn on the picture."""

from __future__ import annotations

import numpy as np

from automask_ui.masks.rle import Rle, run_counts

__all__ = ["grid_points"]


def grid_points(points_per_side: int, area: Rle, *, inside: bool) -> np.ndarray:
    """The points of SAM's grid that lie in a pixel of an area of the picture, or in one outside.

    Args:
        points_per_side: of the grid.
        area: as a mask.
        inside: the points in the area; else those outside.

    Returns:
        (m, 2) float64: x and y in 0 to 1, row by row.
    """
    # As upstream's build_point_grid lays them.
    offset = 1 / (2 * points_per_side)
    one_side = np.linspace(offset, 1 - offset, points_per_side)
    grid = np.stack([np.tile(one_side, points_per_side), np.repeat(one_side, points_per_side)], axis=1)
    height, width = area["size"]
    column, row = np.floor(grid * (width, height)).astype(np.int64).T
    # Runs of zeros and ones take turns: a pixel of the area lies in a run of odd number.
    run = np.searchsorted(np.cumsum(run_counts(area)), column * height + row, side="right")
    return grid[(run % 2 == 1) == inside]
