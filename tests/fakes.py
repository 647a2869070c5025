"""Engines without a model: made-up masks around the grid's points, found in chunks, selected by the real rules."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automask_ui.cache import array_key
from automask_ui.engine.pipeline.candidate_table import CandidateTable
from automask_ui.engine.pipeline.resample import MeasuredMask
from automask_ui.engine.pipeline.select import select
from automask_ui.masks import Candidates, MaskResult, MaskSet, Step, rle
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.options import GeneratorOptions, GridOptions
from automask_ui.protocol import Steps, run_to_end

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
            table = CandidateTable(earlier.candidates, LEVELS)
        else:
            table = CandidateTable.plan(image.shape[:2], options.grid, LEVELS)
        seconds = {"encode": 0.0, "decode": 0.0}

        def result(partial: bool) -> MaskResult:
            candidates, masks = select(table.freeze(), options)
            return MaskResult(image, key, self.model.key, options, candidates, masks, partial, dict(seconds))

        points = np.unique(np.flatnonzero(table.missing(options.filter)) // LEVELS)
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
            _decode(table, chunk, options)
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
        candidates, masks = _brightest(image)
        result = MaskResult(image, array_key(image), self.model.key, options, candidates, masks, False)
        points = (options.grid.points_per_side or 1) ** 2
        yield Step("encode", 0, points, lambda: replace(result, partial=True))
        for start in range(0, points, options.grid.points_per_batch):
            time.sleep(self.chunk_seconds)
            done = min(points, start + options.grid.points_per_batch)
            yield Step("decode", done, points, lambda: replace(result, partial=True))
        return result


def _brightest(image: np.ndarray) -> tuple[Candidates, MaskSet]:
    """One candidate, kept: the pixels above 200."""
    table = CandidateTable.plan(image.shape[:2], GridOptions(points_per_side=1), levels=1)
    table.store_scores(np.array([0]), np.array([[0.99]], np.float32))
    table.store_mask(0, 0, _measured(image[..., 0] > 200, (0, 0), image.shape[:2], 0.99))
    return select(table.freeze(), GeneratorOptions())


def fake_result(image: np.ndarray, options: GeneratorOptions) -> MaskResult:
    """What the fake engine finds in the end."""
    return run_to_end(FakeEngine().steps(image, options))


def fake_models(*names: str) -> list[AvailableModel]:
    """Rows for a service whose engines are fakes."""
    return [
        AvailableModel(name, f"{name.title()} model", "Tests", "CC0", None, Path(name)) for name in names or ("fake",)
    ]


def _decode(table: CandidateTable, points: np.ndarray, options: GeneratorOptions) -> None:
    """Score these points, and make masks for what passes the quality threshold."""
    rows = points[:, None] * LEVELS + np.arange(LEVELS)
    scores = (0.6 + 0.4 * _noise(rows, 1)).astype(np.float32)
    table.store_scores(points, scores)
    size_hw = (table.size_hw[0], table.size_hw[1])
    for place, level in zip(*np.nonzero(scores > options.filter.pred_iou_thresh), strict=True):
        row, point_xy = int(rows[place, level]), table.points_xy(points[place])
        window, left, top = _ellipse(size_hw, point_xy, int(level), row)
        mask = _measured(window, (left, top), size_hw, float(0.85 + 0.15 * _noise(row, 2)))
        table.store_mask(int(points[place]), int(level), mask)


def _measured(
    window: np.ndarray, offset_xy: tuple[int, int], size_hw: tuple[int, int], stability: float
) -> MeasuredMask:
    encoded = rle.encode_window(window, offset_xy, size_hw)
    left, top, width, height = rle.bbox_xywh(encoded)
    return MeasuredMask(encoded, rle.area(encoded), (left, top, left + width - 1, top + height - 1), stability)


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
