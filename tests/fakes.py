"""Engines without a model: made-up masks around the grid's points, found in chunks, selected by the real rules."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from automask_ui.cache import array_key
from automask_ui.engine.pipeline.candidate_table import CandidateTable
from automask_ui.engine.pipeline.resample import MeasuredMask
from automask_ui.engine.pipeline.select import select
from automask_ui.masks import Candidates, MaskResult, MaskSet, Step, rle
from automask_ui.masks.prompt import PicturePrompt, Prediction
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.options import GeneratorOptions, GridOptions
from automask_ui.protocol import Steps, run_to_end

LEVELS = 3  # masks a point, like SAM's multimask output
FAKE_MASK_HW = (256, 256)  # the logits of an earlier prediction


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
        self.predicted = 0  # prompts
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
                began = time.perf_counter()
                time.sleep(self.encode_seconds)
                self._embeddings.add(key)
                seconds["encode"] = time.perf_counter() - began
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

    def predict(
        self,
        picture: np.ndarray | MaskResult,
        *,
        points_xy: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box_xyxy: ArrayLike | None = None,
        mask: ArrayLike | rle.Rle | None = None,
    ) -> Prediction:
        """Discs around the clicks on the object, and the box, and the mask, without discs around the other clicks.

        The first alternative is the smallest, with discs of half the radius; the last row has those of the second.
        """
        image = picture.image if isinstance(picture, MaskResult) else picture
        size_hw = (image.shape[0], image.shape[1])
        prompt = PicturePrompt.checked(size_hw, FAKE_MASK_HW, points_xy, labels, box_xyxy, mask)
        if self.error is not None:
            raise self.error
        self._embeddings.add(array_key(image))
        self.predicted += 1
        shown = [_shown(prompt, size_hw, 0.06 * scale * min(size_hw)) for scale in (0.5, 1.0, 2.0, 1.0)]
        masks = MaskSet.from_rles(
            [rle.encode(pixels) for pixels in shown],
            size_hw,
            predicted_iou=[0.9, 0.95, 0.85, 0.97],
            stability_score=[0.96, 0.97, 0.95, 0.98],
        )
        return Prediction(masks, np.stack([_fake_logits(pixels) for pixels in shown]), 1 if prompt.is_ambiguous else 3)


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

    def predict(self, picture: np.ndarray | MaskResult, **shown: ArrayLike | rle.Rle | None) -> Prediction:
        """The bright thing, whatever is shown."""
        image = picture.image if isinstance(picture, MaskResult) else picture
        prompt = PicturePrompt.checked((image.shape[0], image.shape[1]), FAKE_MASK_HW, **shown)  # type: ignore[arg-type]
        masks = _brightest(image)[1][[0] * 4]
        return Prediction(masks, np.stack([_fake_logits(image[..., 0] > 200)] * 4), 0 if prompt.is_ambiguous else 3)


def _shown(prompt: PicturePrompt, size_hw: tuple[int, int], radius: float) -> np.ndarray:
    """H×W bool: what a prompt shows, with discs of ``radius`` px around its clicks."""
    pixels = np.zeros(size_hw, bool)
    rows, columns = np.ogrid[: size_hw[0], : size_hw[1]]
    if prompt.mask is not None:
        # Of the square input, as much as the picture fills.
        scale = FAKE_MASK_HW[0] / max(size_hw)
        rows_there, columns_there = (np.arange(size) * scale for size in size_hw)
        pixels |= prompt.mask[rows_there.astype(int)][:, columns_there.astype(int)] > 0
    if prompt.box_xyxy is not None:
        left, top, right, bottom = prompt.box_xyxy
        pixels |= (left <= columns + 0.5) & (columns + 0.5 < right) & (top <= rows + 0.5) & (rows + 0.5 < bottom)
    # Clicks on the object first: those beside it cut from whatever there is.
    for row in np.argsort(-prompt.labels, kind="stable"):
        x, y = prompt.points_xy[row]
        disc = (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= max(radius, 0.8) ** 2
        pixels = pixels | disc if prompt.labels[row] else pixels & ~disc
    return pixels


def _fake_logits(pixels: np.ndarray) -> np.ndarray:
    """h×w float32: 8 in the mask, -8 around it, sampled."""
    height, width = FAKE_MASK_HW
    scale = max(pixels.shape) / height
    logits = np.full(FAKE_MASK_HW, -8, np.float32)
    rows, columns = (((np.arange(size) + 0.5) * scale).astype(int) for size in (height, width))
    rows, columns = rows[rows < pixels.shape[0]], columns[columns < pixels.shape[1]]
    logits[: len(rows), : len(columns)][pixels[rows][:, columns]] = 8
    return logits


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
        AvailableModel(name, f"{name.title()} model", "SAM", "Tests", "CC0", None, Path(name))
        for name in names or ("fake",)
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
