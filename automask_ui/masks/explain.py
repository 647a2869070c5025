"""Explain why there is no mask at a place: the best candidate there, and the rule that dropped it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automask_ui.masks import Candidates, MaskResult, Verdict
from automask_ui.masks.rle import Rle, run_counts

__all__ = ["Reason", "explain"]

# Rules, the most promising first: the later a rule applies, the closer to being kept is a candidate that it dropped.
_ORDER = (
    Verdict.KEPT,
    Verdict.DUPLICATE,
    Verdict.CROP_DUPLICATE,
    Verdict.CLEANED_AWAY,
    Verdict.CROP_EDGE,
    Verdict.LOW_STABILITY,
    Verdict.LOW_PREDICTED_IOU,
)


@dataclass(frozen=True)
class Reason:
    """The verdict on the best candidate at a place, or around it."""

    kind: str  # "kept", "dropped" (both cover the place), "near" (its mask is not known) or "none"
    verdict: Verdict | None = None
    score: float = float("nan")  # the score that the rule compares: predicted IoU or stability
    candidate: int | None = None  # its row, where it covers the place


def explain(result: MaskResult, x: float, y: float) -> Reason:
    """Explain why there is, or is not, a mask at (x, y), in px of the picture."""
    height, width = result.masks.size_hw
    place = int(np.clip(x, 0, width - 1)) * height + int(np.clip(y, 0, height - 1))
    candidates = result.candidates
    covering = [row for row in np.flatnonzero(candidates.has_mask).tolist() if _covers(candidates.rle[row], place)]
    for verdict in _ORDER:
        rows = [row for row in covering if candidates.verdict[row] == verdict]
        if rows:
            scores = _scores(candidates, verdict)
            best = max(rows, key=lambda row: float(scores[row]))
            if verdict == Verdict.KEPT:
                return Reason("kept", verdict, candidate=best)
            return Reason("dropped", verdict, float(scores[best]), best)
    return _nearest(result, x, y)


def _covers(rle: Rle | None, place: int) -> bool:
    """Whether the mask has the pixel ``place`` (column-major)."""
    if rle is None:
        return False
    # Runs of zeros and ones take turns: the pixel lies in a run of odd number.
    return bool(np.searchsorted(np.cumsum(run_counts(rle)), place, side="right") % 2)


def _scores(candidates: Candidates, verdict: Verdict) -> np.ndarray:
    return candidates.stability_score if verdict == Verdict.LOW_STABILITY else candidates.predicted_iou


def _nearest(result: MaskResult, x: float, y: float) -> Reason:
    """Find the best score that was too low among points within one grid step of the place."""
    candidates = result.candidates
    low = np.flatnonzero(candidates.verdict == Verdict.LOW_PREDICTED_IOU)
    if not len(low):
        return Reason("none")
    distance = np.hypot(*(candidates.point_xy[low] - (x, y)).T)
    height, width = result.masks.size_hw
    points = max(1, len(np.unique(candidates.point_xy, axis=0)))
    step = float(np.sqrt(height * width / points))
    near = low[distance <= 1.5 * step]
    if not len(near):
        return Reason("none")
    return Reason("near", Verdict.LOW_PREDICTED_IOU, float(candidates.predicted_iou[near].max()))
