"""Why there is no mask at a place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import fake_result

from automask_ui.masks import MaskResult, Verdict, object_column, rle
from automask_ui.masks.explain import explain
from automask_ui.options import GeneratorOptions

SIZE = (37, 53)


def result_of(*rows: tuple[Verdict, tuple[int, int, int, int] | None, float, float]) -> MaskResult:
    """Candidates with a verdict, a box of pixels (x0, y0, x1, y1) or no known mask, predicted IoU and stability."""
    empty = fake_result(np.zeros((*SIZE, 3), np.uint8), GeneratorOptions(points_per_side=1))
    masks = []
    for _, box, _, _ in rows:
        pixels = np.zeros(SIZE, bool)
        if box is not None:
            pixels[box[1] : box[3], box[0] : box[2]] = True
        masks.append(None if box is None else rle.encode(pixels))
    n = len(rows)
    candidates = empty.candidates
    columns = {name: np.repeat(getattr(candidates, name)[:1], n, axis=0) for name in candidates.column_names()}
    columns |= {
        "verdict": np.array([row[0] for row in rows], np.int8),
        "rle": object_column(masks),
        "area": np.array([-1 if mask is None else rle.area(mask) for mask in masks]),
        "predicted_iou": np.array([row[2] for row in rows], np.float32),
        "stability_score": np.array([row[3] for row in rows], np.float32),
        "point_xy": np.tile([26.5, 18.5], (n, 1)),
    }
    return replace(empty, candidates=replace(candidates, **columns))


LEFT, RIGHT, ALL = (0, 0, 10, 37), (40, 0, 53, 37), (0, 0, 53, 37)


@pytest.mark.parametrize(
    ("rows", "place", "kind", "verdict", "score"),
    [
        ([(Verdict.KEPT, LEFT, 0.9, 0.9)], (5, 30), "kept", Verdict.KEPT, None),  # kept, so somebody hides it
        ([(Verdict.LOW_STABILITY, LEFT, 0.9, 0.7)], (5, 30), "dropped", Verdict.LOW_STABILITY, 0.7),  # its stability
        ([(Verdict.LOW_STABILITY, LEFT, 0.9, 0.7)], (10, 30), "none", None, None),  # one pixel beside it
        ([(Verdict.LOW_PREDICTED_IOU, RIGHT, 0.6, 0.9)], (52, 36), "dropped", Verdict.LOW_PREDICTED_IOU, 0.6),  # corner
        (
            [(Verdict.LOW_STABILITY, ALL, 0.9, 0.9), (Verdict.DUPLICATE, ALL, 0.8, 0.9)],
            (5, 5),
            "dropped",
            Verdict.DUPLICATE,  # came further than the other
            0.8,
        ),
        (
            [(Verdict.LOW_STABILITY, ALL, 0.9, 0.7), (Verdict.LOW_STABILITY, ALL, 0.9, 0.8)],
            (5, 5),
            "dropped",
            Verdict.LOW_STABILITY,
            0.8,  # the better of two
        ),
        ([(Verdict.LOW_PREDICTED_IOU, None, 0.6, np.nan)], (20, 20), "near", Verdict.LOW_PREDICTED_IOU, 0.6),  # unknown
        ([(Verdict.KEPT, LEFT, 0.9, 0.9)], (30, 30), "none", None, None),  # nothing near
        ([(Verdict.KEPT, LEFT, 0.9, 0.9)], (-5, 99), "kept", Verdict.KEPT, None),  # outside: the nearest pixel
    ],
)
def test_reason(
    rows: list[tuple[Verdict, tuple[int, int, int, int] | None, float, float]],
    place: tuple[int, int],
    kind: str,
    verdict: Verdict | None,
    score: float | None,
) -> None:
    reason = explain(result_of(*rows), *place)
    assert (reason.kind, reason.verdict) == (kind, verdict)
    if score is not None:
        assert reason.score == pytest.approx(score)
