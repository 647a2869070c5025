"""Which points of each crop a run decodes, and in which groups: all that are missing, or those that say most first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from automask_ui.engine.pipeline.adaptive_points import adaptive_rounds
from automask_ui.engine.pipeline.candidate_table import CandidateTable
from automask_ui.options import FilterOptions, GeneratorOptions, GridOptions

__all__ = ["CropWork", "plan_rows", "plan_run"]


@dataclass(frozen=True)
class CropWork:
    """Points of one crop, to be decoded group by group."""

    crop: int
    count: int  # points in all groups together
    groups: Iterable[np.ndarray]  # (k,) int64 indices into the plan; the next may depend on what one finds


def plan_rows(table: CandidateTable, rows: np.ndarray) -> list[CropWork]:
    """Plan to decode the points of ``rows`` ((n,) bool)."""
    groups = [(crop, table.points_of(rows, crop)) for crop in range(len(table.crop_boxes_xyxy))]
    return [CropWork(crop, len(points), [points]) for crop, points in groups if len(points)]


def plan_run(table: CandidateTable, options: GeneratorOptions, sure_iou: float) -> tuple[list[CropWork], FilterOptions]:
    """Plan what selection under ``options`` needs and ``table`` does not have yet.

    Args:
        sure_iou: predicted IoU above which a mask says where to look next.

    Returns:
        The work, and the filter whose masks are to be made.
    """
    grid, filters = options.grid, options.filter
    plans = [(crop, table.points_of_crop(crop)) for crop in range(len(table.crop_boxes_xyxy))]
    if all(grid.decoded_of(len(points)) == len(points) for _, points in plans):
        return plan_rows(table, table.missing(filters)), filters
    # Where to look depends on the picture, the model and the grid alone, so that no threshold changes it.
    filters = replace(filters, pred_iou_thresh=min(filters.pred_iou_thresh, sure_iou))
    work = (_adaptive_work(table, crop, points, grid, filters, sure_iou) for crop, points in plans)
    return [one for one in work if one.count], filters


def _adaptive_work(
    table: CandidateTable, crop: int, points: np.ndarray, grid: GridOptions, filters: FilterOptions, sure_iou: float
) -> CropWork:
    """Plan one crop: what is not decoded of as many ``points`` as are asked for, and what lacks a mask."""
    count = grid.decoded_of(len(points))

    def rounds() -> Iterable[np.ndarray]:
        return adaptive_rounds(points, count, partial(table.masks_above, sure_iou)) if count < len(points) else [points]

    # Go through the rounds of an earlier run, up to the first whose masks do not say yet what the next one is.
    known = np.zeros(0, np.int64)
    for group in rounds():
        known = np.concatenate([known, group])
        if table.is_missing(group, replace(filters, pred_iou_thresh=sure_iou)).any():
            break
    todo = count - len(known) + int(table.is_missing(known, filters).sum())
    if not todo:
        table.skip(np.setdiff1d(points, known))
    return CropWork(crop, todo, _still_missing(table, points, rounds(), filters))


def _still_missing(
    table: CandidateTable, points: np.ndarray, rounds: Iterable[np.ndarray], filters: FilterOptions
) -> Iterator[np.ndarray]:
    """Yield what is missing of each round; after the last, mark the points that no round has chosen as skipped."""
    chosen = []
    for group in rounds:
        chosen.append(group)
        if len(missing := group[table.is_missing(group, filters)]):
            yield missing
    table.skip(np.setdiff1d(points, np.concatenate(chosen)))
