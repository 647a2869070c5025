"""The candidate table of a run: a row for every point and level, planned at the start and filled in chunk by chunk.

Every row exists from the start, so the columns say which rows still have to be decoded. A first run, a lower threshold,
resuming a stopped run and a single mask on demand all decode different rows of the same table.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from segment_anything.utils.amg import build_all_layer_point_grids, generate_crop_boxes

from automask_ui.engine.pipeline.adaptive_points import FoundMasks
from automask_ui.engine.pipeline.resample import MeasuredMask
from automask_ui.masks import Candidates, Verdict
from automask_ui.options import FilterOptions, GridOptions

__all__ = ["CandidateTable", "RunStats"]


@dataclass(frozen=True)
class RunStats:
    """Seconds that a run spent in each stage, and notes for its user."""

    seconds: defaultdict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # by stage and by part of a stage
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str) -> Generator[None, None, None]:
        """Add the time that the block takes to ``stage``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


class CandidateTable:
    """Writable columns of :class:`Candidates`; one row for each planned point and multimask level."""

    def __init__(self, candidates: Candidates, levels: int) -> None:
        self.size_hw = candidates.size_hw
        self.crop_boxes_xyxy = candidates.crop_boxes_xyxy
        self.levels = levels
        self._columns = {name: getattr(candidates, name).copy() for name in candidates.column_names()}

    @classmethod
    def plan(cls, size_hw: tuple[int, int], grid: GridOptions, levels: int) -> CandidateTable:
        """Plan every point of every crop, as upstream lays them; nothing is decoded yet."""
        crops, layers = generate_crop_boxes(size_hw, grid.crop_n_layers, grid.crop_overlap_ratio)
        # Cropping a picture of few pixels leaves crops without any.
        sized = [(crop, layer) for crop, layer in zip(crops, layers, strict=True) if _has_pixels(crop)]
        grids = _grids(grid)
        points = [grids[layer] * [x1 - x0, y1 - y0] + [x0, y0] for (x0, y0, x1, y1), layer in sized]
        crop_index = np.repeat(np.arange(len(points)), [len(group) for group in points])
        return cls(_undecoded(size_hw, [crop for crop, _ in sized], np.concatenate(points), crop_index, levels), levels)

    def freeze(self) -> Candidates:
        """Copy the table into immutable :class:`Candidates`; verdicts are those of the last selection."""
        columns = {name: column.copy() for name, column in self._columns.items()}
        return Candidates(self.size_hw, self.crop_boxes_xyxy, **columns)

    def missing(self, options: FilterOptions) -> np.ndarray:
        """Find the rows that selection under ``options`` needs but that are not decoded or have no mask: (n,) bool."""
        scores = self._columns["predicted_iou"]
        needed = scores > np.float32(options.pred_iou_thresh) if options.pred_iou_thresh > 0 else ~np.isnan(scores)
        return np.isnan(scores) | (needed & (self._columns["area"] < 0))

    def is_missing(self, points: np.ndarray, filters: FilterOptions) -> np.ndarray:
        """Find the ``points`` with a row that :meth:`missing` finds: (len(points),) bool."""
        return self.missing(filters).reshape(-1, self.levels)[points].any(axis=1)

    def masks_above(self, pred_iou: float, points: np.ndarray) -> FoundMasks:
        """Look up the masks of decoded ``points`` with a predicted IoU above ``pred_iou``."""
        scores, area = (self._columns[name].reshape(-1, self.levels)[points] for name in ("predicted_iou", "area"))
        boxes = self._columns["box_xyxy"].reshape(-1, self.levels, 4)[points]
        return FoundMasks((scores > np.float32(pred_iou)) & (area > 0), boxes, area)

    def skip(self, points: np.ndarray) -> None:
        """Mark ``points`` as left out: adaptive points are elsewhere."""
        self._columns["verdict"].reshape(-1, self.levels)[points] = Verdict.SKIPPED

    def points_of_crop(self, crop: int) -> np.ndarray:
        """Find all points of ``crop`` (indices into the plan), as they were laid: (k,) int64."""
        return np.flatnonzero(self._columns["crop_index"][:: self.levels] == crop)

    def points_of(self, rows: np.ndarray, crop: int) -> np.ndarray:
        """Find the points of ``crop`` (indices into the plan) with at least one of ``rows`` ((n,) bool): (k,) int64."""
        here = rows & (self._columns["crop_index"] == crop)
        return np.flatnonzero(here.reshape(-1, self.levels).any(axis=1))

    def points_xy(self, points: np.ndarray) -> np.ndarray:
        """Look up where points lie in the picture: len(points)×2 float64, px."""
        return self._columns["point_xy"][points * self.levels]

    def unmeasured(self, points: np.ndarray) -> np.ndarray:
        """Find the rows of ``points`` without a measured mask: len(points)×levels bool."""
        return self._columns["area"].reshape(-1, self.levels)[points] < 0

    def store_scores(self, points: np.ndarray, predicted_iou: np.ndarray) -> None:
        """Store the predicted IoU of points: len(points)×levels float32."""
        self._columns["predicted_iou"].reshape(-1, self.levels)[points] = predicted_iou

    def store_mask(self, point: int, level: int, mask: MeasuredMask) -> None:
        """Store one mask with its area, box and stability score."""
        row = point * self.levels + level
        self._columns["stability_score"][row] = mask.stability_score
        self._columns["area"][row] = mask.area
        self._columns["box_xyxy"][row] = mask.box_xyxy
        self._columns["rle"][row] = mask.rle

    def forget_masks(self) -> None:
        """Drop every mask but keep the predicted IoUs, since stability must be measured again at another offset."""
        self._columns["stability_score"][:] = np.nan
        self._columns["area"][:] = -1
        self._columns["rle"][:] = None


def _has_pixels(crop_xyxy: list[int]) -> bool:
    return crop_xyxy[2] > crop_xyxy[0] and crop_xyxy[3] > crop_xyxy[1]


def _grids(grid: GridOptions) -> list[np.ndarray]:
    """Points of each layer, N×2 in 0 to 1."""
    if grid.point_grids is not None:
        return [np.array(layer, dtype=np.float64).reshape(-1, 2) for layer in grid.point_grids]
    return build_all_layer_point_grids(grid.points_per_side, grid.crop_n_layers, grid.crop_n_points_downscale_factor)


def _undecoded(
    size_hw: tuple[int, int], crops: list[list[int]], points_xy: np.ndarray, crop_index: np.ndarray, levels: int
) -> Candidates:
    """Make one row per point and level, none decoded yet."""
    count = len(points_xy) * levels
    return Candidates(
        size_hw,
        np.array(crops, np.int64).reshape(-1, 4),
        point_xy=np.repeat(points_xy, levels, axis=0),
        crop_index=np.repeat(crop_index, levels),
        level=np.tile(np.arange(levels), len(points_xy)),
        predicted_iou=np.full(count, np.nan, np.float32),
        stability_score=np.full(count, np.nan, np.float32),
        area=np.full(count, -1, np.int64),
        box_xyxy=np.zeros((count, 4), np.int64),
        rle=np.full(count, None, dtype=object),
        verdict=np.full(count, Verdict.PENDING, np.int8),
        dropped_by=np.full(count, -1, np.int64),
    )
