"""Measure what a share of the grid's points finds of what the whole grid finds, on many pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automask_ui.engine.bench.speed import BenchSettings, bench_model, report_head
from automask_ui.engine.pipeline.candidate_table import CandidateTable
from automask_ui.engine.pipeline.crop_work import plan_run
from automask_ui.engine.pipeline.generator import MaskEngine
from automask_ui.engine.pipeline.select import select
from automask_ui.errors import OptionError
from automask_ui.masks import MaskResult, MaskSet, Verdict
from automask_ui.masks.rle import iou_matrix
from automask_ui.options import GeneratorOptions

__all__ = ["measure_shares", "run_adaptive_bench"]

SHARES = (0.2, 0.25, 0.35, 0.5, 0.65, 0.8)
FOUND_IOU = 0.9  # with a mask of the whole grid, to count as found again
# Classes of the whole grid's masks: by predicted IoU, and by share of the picture.
SCORES = ((0.0, 0.5), (0.5, 0.8), (0.8, np.inf))
SIZES = ((0.0, 0.005), (0.005, 0.05), (0.05, np.inf))


@dataclass(frozen=True, eq=False)
class _Measured:
    """What became of the masks that the whole grid finds in one picture."""

    name: str
    masks: int  # of the whole grid
    points: dict[float, int]  # share that was asked for -> points decoded
    iou: dict[float, np.ndarray]  # share -> IoU of each of the whole grid's masks with the best of the share's, (n,)
    score: np.ndarray  # (n,) predicted IoU
    size: np.ndarray  # (n,) share of the picture

    def recall(self, share: float, iou: float = FOUND_IOU) -> float:
        """Share of the masks that was found again, with an IoU of at least ``iou``; 1 where there are none."""
        return float(np.mean(self.iou[share] >= iou)) if self.masks else 1.0


def run_adaptive_bench(settings: BenchSettings, pictures: Iterable[tuple[str, np.ndarray]]) -> dict[str, Any]:
    """Measure pictures, given as name and H×W×3 uint8.

    Each is looked at once, with all points: what a share of them finds follows from their candidates.

    Returns:
        Plain values: settings; by share the points decoded, the mean recall over the pictures, and the recall of masks
        by predicted IoU and by size over all pictures together; by picture its masks and its recall by share.

    Raises:
        OptionError: there are no pictures.
    """
    model, weights = bench_model(settings)
    engine = MaskEngine(model, cache_bytes=0)
    options = GeneratorOptions(points_per_side=settings.grid)
    measured = [measure_shares(name, engine.generate(image, options), engine) for name, image in pictures]
    if not measured:
        raise OptionError("There are no pictures in that folder: --adaptive needs twenty or more to tell much.")
    return {
        **report_head(settings, model, weights),
        "grid": settings.grid,
        "found_iou": FOUND_IOU,
        "shares": [_of_share(share, settings.grid**2, measured) for share in SHARES],
        "pictures": [
            {"name": one.name, "masks": one.masks, "recall": {str(share): one.recall(share) for share in SHARES}}
            for one in measured
        ],
    }


def measure_shares(name: str, whole: MaskResult, engine: MaskEngine) -> _Measured:
    """Compare the masks of the whole grid with those that each share of its points would have found.

    Args:
        name: of the picture.
        whole: what ``engine`` has found in it with all points.
        engine: decodes nothing more.
    """
    points, ious = {}, {}
    height, width = whole.candidates.size_hw
    for share in SHARES:
        masks, points[share] = _found_by(whole, share, engine)
        ious[share] = iou_matrix(list(whole.masks.rle), list(masks.rle)).max(axis=1, initial=0.0)
    size = whole.masks.area / (height * width)
    return _Measured(name, len(whole.masks), points, ious, whole.masks.predicted_iou, size)


def _found_by(whole: MaskResult, share: float, engine: MaskEngine) -> tuple[MaskSet, int]:
    """Find the masks that a run with this share of the points finds, and how many points it decodes."""
    levels = int(whole.candidates.level.max()) + 1
    table = CandidateTable(whole.candidates, levels)
    options = whole.options.replace(adaptive_points=share)
    # Everything is known already: the plan ends at once, with the points marked that it leaves out.
    work, _ = plan_run(table, options, engine.model.pred_iou_thresh)
    assert not work, "the whole grid has everything that a share of it needs"
    candidates = table.freeze()
    is_skipped = candidates.verdict == Verdict.SKIPPED
    scores = np.where(is_skipped, np.float32(np.nan), candidates.predicted_iou)
    return select(replace(candidates, predicted_iou=scores), options)[1], int((~is_skipped).sum()) // levels


def _of_share(share: float, grid_points: int, measured: list[_Measured]) -> dict[str, Any]:
    found = np.concatenate([one.iou[share] >= FOUND_IOU for one in measured])
    score, size = (np.concatenate([getattr(one, name) for one in measured]) for name in ("score", "size"))
    return {
        "share": share,
        "points": float(np.mean([one.points[share] for one in measured])),
        "points_share": float(np.mean([one.points[share] for one in measured])) / grid_points,
        "recall": float(np.mean([one.recall(share) for one in measured])),
        "recall_at_iou_0.75": float(np.mean([one.recall(share, 0.75) for one in measured])),
        "by_score": _by_class(found, score, SCORES),
        "by_size": _by_class(found, size, SIZES),
    }


def _by_class(found: np.ndarray, values: np.ndarray, classes: tuple[tuple[float, float], ...]) -> list[dict[str, Any]]:
    """Count the masks whose value is from ``low`` up to ``high`` (None: no bound), and those that were found again."""
    rows = []
    for low, high in classes:
        here = (values >= low) & (values < high)
        bound = None if np.isinf(high) else high
        rows.append({"low": low, "high": bound, "masks": int(here.sum()), "found": int((found & here).sum())})
    return rows
