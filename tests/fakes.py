"""A model that needs no torch: ellipses around the grid's points, found in chunks like the real engine's masks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automask_ui.cache import array_key
from automask_ui.masks import Candidates, MaskResult, MaskSet, Step, Verdict, object_column, rle
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.options import GeneratorOptions
from automask_ui.protocol import Steps

LEVELS = 3  # masks a point, like SAM's multimask output


@dataclass(frozen=True)
class FakeModel:
    name: str = "fake"
    title: str = "Fake model"
    good_for: str = "Tests"
    device: str = "cpu"
    precision: str = "float32"
    key: str = "fake"
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95


class FakeEngine:
    """The engine's protocol, with times and failures to choose."""

    def __init__(
        self,
        model: FakeModel | None = None,
        *,
        encode_seconds: float = 0.0,
        chunk_seconds: float = 0.0,
        error: Exception | None = None,
    ) -> None:
        self.model = model or FakeModel()
        self.encode_seconds = encode_seconds
        self.chunk_seconds = chunk_seconds
        self.error = error
        self.decoded = 0  # points
        self._embeddings: set[str] = set()

    @property
    def encoded(self) -> int:
        """Pictures read."""
        return len(self._embeddings)

    def steps(self, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None = None) -> Steps:
        if image is None:
            assert earlier is not None
            image = earlier.image
        key = array_key(image)
        if earlier is not None and earlier.image_key == key and earlier.options.grid == options.grid:
            candidates = earlier.candidates
        else:
            candidates = _undecoded(image.shape[:2], options)
        seconds = {"encode": 0.0, "decode": 0.0}

        def result(partial: bool) -> MaskResult:
            judged, masks = _select(candidates, options)
            return MaskResult(image, key, self.model.key, options, judged, masks, partial, dict(seconds))

        wanted = candidates.predicted_iou > options.filter.pred_iou_thresh
        points = np.unique(np.flatnonzero(~candidates.has_mask & (~candidates.decoded | wanted)) // LEVELS)
        if len(points):
            yield Step("encode", 0, len(points), lambda: result(True))
            if key not in self._embeddings:
                time.sleep(self.encode_seconds)
                self._embeddings.add(key)
                seconds["encode"] = self.encode_seconds
        for start in range(0, len(points), options.grid.points_per_batch):
            chunk = points[start : start + options.grid.points_per_batch]
            time.sleep(self.chunk_seconds)
            seconds["decode"] += self.chunk_seconds
            if self.error is not None:
                raise self.error
            candidates = _decode(candidates, chunk, options)
            self.decoded += len(chunk)
            yield Step("decode", start + len(chunk), len(points), lambda: result(True))
        return result(False)


class BrightEngine:
    """Finds the one bright thing of a picture, so that an answer shows which picture it belongs to."""

    def __init__(self, *, chunk_seconds: float = 0.0) -> None:
        self.model = FakeModel("bright", "Bright things", key="bright")
        self.chunk_seconds = chunk_seconds

    def steps(self, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None = None) -> Steps:
        if image is None:
            assert earlier is not None
            image = earlier.image
        candidates = _brightest(image)
        result = MaskResult(
            image, array_key(image), self.model.key, options, candidates, _mask_set(candidates, [0]), False
        )
        points = (options.grid.points_per_side or 1) ** 2
        yield Step("encode", 0, points, lambda: replace(result, partial=True))
        for start in range(0, points, options.grid.points_per_batch):
            time.sleep(self.chunk_seconds)
            done = min(points, start + options.grid.points_per_batch)
            yield Step("decode", done, points, lambda: replace(result, partial=True))
        return result


def _brightest(image: np.ndarray) -> Candidates:
    """One candidate: the pixels above 200."""
    bright = image[..., 0] > 200
    ys, xs = np.nonzero(bright)
    one = _undecoded(image.shape[:2], GeneratorOptions(points_per_side=1))[np.array([0])]
    columns = {
        "rle": object_column([rle.encode(bright)]),
        "area": np.array([len(xs)]),
        "box_xyxy": np.array([[xs.min(), ys.min(), xs.max(), ys.max()]]),
        "predicted_iou": np.array([0.99], np.float32),
        "stability_score": np.array([0.99], np.float32),
        "verdict": np.array([Verdict.KEPT], np.int8),
    }
    return replace(one, **columns)


def fake_result(image: np.ndarray, options: GeneratorOptions) -> MaskResult:
    """What the fake engine finds in the end."""
    steps = FakeEngine().steps(image, options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def fake_models(*names: str) -> list[AvailableModel]:
    """Rows for a service whose engines are fakes."""
    return [
        AvailableModel(name, f"{name.title()} model", "Tests", "CC0", None, Path(name)) for name in names or ("fake",)
    ]


def _undecoded(size_hw: tuple[int, int], options: GeneratorOptions) -> Candidates:
    height, width = size_hw
    if options.grid.point_grids is not None:
        shares = np.array(options.grid.point_grids[0])
    else:
        side = options.grid.points_per_side or 1
        ticks = (np.arange(side) + 0.5) / side
        shares = np.stack([np.tile(ticks, side), np.repeat(ticks, side)], axis=1)
    points = np.repeat(shares * (width, height), LEVELS, axis=0)
    n = len(points)
    return Candidates(
        size_hw=(height, width),
        crop_boxes_xyxy=np.array([[0, 0, width, height]]),
        point_xy=points,
        crop_index=np.zeros(n, np.int64),
        level=np.arange(n) % LEVELS,
        predicted_iou=np.full(n, np.nan, np.float32),
        stability_score=np.full(n, np.nan, np.float32),
        area=np.full(n, -1, np.int64),
        box_xyxy=np.zeros((n, 4), np.int64),
        rle=object_column([None] * n),
        verdict=np.full(n, Verdict.PENDING, np.int8),
        dropped_by=np.full(n, -1, np.int64),
    )


def _decode(candidates: Candidates, points: np.ndarray, options: GeneratorOptions) -> Candidates:
    """The same rows, with scores for these points and masks for what passes the quality threshold."""
    columns = {name: getattr(candidates, name).copy() for name in Candidates.column_names()}
    rows = (points[:, None] * LEVELS + np.arange(LEVELS)).ravel()
    columns["predicted_iou"][rows] = 0.6 + 0.4 * _noise(rows, 1)
    for row in rows[columns["predicted_iou"][rows] > options.filter.pred_iou_thresh]:
        window, left, top = _ellipse(candidates.size_hw, candidates.point_xy[row], int(candidates.level[row]), int(row))
        columns["rle"][row] = rle.encode_window(window, (left, top), candidates.size_hw)
        columns["area"][row] = int(window.sum())
        columns["box_xyxy"][row] = (left, top, left + window.shape[1] - 1, top + window.shape[0] - 1)
        columns["stability_score"][row] = 0.85 + 0.15 * _noise(row, 2)
    return replace(candidates, **columns)


def _ellipse(size_hw: tuple[int, int], point: np.ndarray, level: int, row: int) -> tuple[np.ndarray, int, int]:
    height, width = size_hw
    radius = min(size_hw) * (0.03, 0.07, 0.16)[level] * (0.6 + 0.8 * _noise(row, 3))
    x, y = point
    left, right = max(0, int(x - radius)), min(width, int(x + radius) + 2)
    top, bottom = max(0, int(y - radius)), min(height, int(y + radius) + 2)
    rows, columns = np.ogrid[top:bottom, left:right]
    return ((columns - x) ** 2 + 2 * (rows - y) ** 2) <= radius**2, left, top


def _noise(rows: np.ndarray | int, salt: int) -> np.ndarray:
    """Numbers in 0 to 1 that look random and are always the same."""
    return np.modf(np.abs(np.sin((np.asarray(rows) + 1) * 12.9898 * salt)) * 43758.5453)[0]


def _select(candidates: Candidates, options: GeneratorOptions) -> tuple[Candidates, MaskSet]:
    """Verdicts and masks: thresholds, then box NMS by quality."""
    verdict = np.full(len(candidates), Verdict.KEPT, np.int8)
    dropped_by = np.full(len(candidates), -1, np.int64)
    verdict[candidates.has_mask & (candidates.stability_score < options.filter.stability_score_thresh)] = (
        Verdict.LOW_STABILITY
    )
    verdict[~(candidates.predicted_iou > options.filter.pred_iou_thresh)] = Verdict.LOW_PREDICTED_IOU
    passes = candidates.predicted_iou > options.filter.pred_iou_thresh
    verdict[~candidates.decoded | (passes & ~candidates.has_mask)] = Verdict.PENDING
    rows = np.flatnonzero(verdict == Verdict.KEPT)
    rows = rows[np.argsort(-candidates.predicted_iou[rows], kind="stable")]
    kept: list[int] = []
    for row in rows:
        overlaps = _box_iou(candidates.box_xyxy[row], candidates.box_xyxy[kept])
        if len(kept) and overlaps.max() > options.filter.box_nms_thresh:
            verdict[row], dropped_by[row] = Verdict.DUPLICATE, kept[int(overlaps.argmax())]
        else:
            kept.append(int(row))
    judged = replace(candidates, verdict=verdict, dropped_by=dropped_by)
    return judged, _mask_set(judged, kept)


def _box_iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / (_box_area(box[None]) + _box_area(others) - shared)


def _box_area(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(1, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1))


def _mask_set(candidates: Candidates, rows: Iterable[int]) -> MaskSet:
    chosen = candidates[np.array(list(rows), dtype=np.int64)]
    height, width = candidates.size_hw
    boxes = chosen.box_xyxy
    return MaskSet(
        size_hw=candidates.size_hw,
        rle=chosen.rle,
        area=chosen.area,
        bbox_xywh=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        predicted_iou=chosen.predicted_iou,
        stability_score=chosen.stability_score,
        point_xy=chosen.point_xy,
        crop_box_xywh=np.tile([0, 0, width, height], (len(chosen), 1)),
        candidate=np.array(list(rows), dtype=np.int64),
    )
