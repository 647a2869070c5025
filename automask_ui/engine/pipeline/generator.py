"""From a picture to its masks: encode, decode, select, clean, with everything kept that a later question may need."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from segment_anything.modeling import Sam

from automask_ui.cache import ByteLRU, array_key
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline.candidate_table import Account, Work
from automask_ui.engine.pipeline.chunks import ChunkDecoder
from automask_ui.engine.pipeline.cleanup import remove_small_regions
from automask_ui.engine.pipeline.select import select
from automask_ui.errors import OptionError
from automask_ui.masks import Candidates, MaskResult, MaskSet, Step
from automask_ui.masks.rle import Rle
from automask_ui.options import GeneratorOptions

__all__ = ["AutomaticMaskGenerator", "MaskEngine", "Progress"]

# Called with (points done, points in all, stage).
Progress = Callable[[int, int, str], None]


class MaskEngine:
    """Finds every object in pictures with one model, and answers changed options from what it has kept.

    Embeddings and candidates are cached by the picture's content, the model and the options of the stage, within
    ``cache_bytes``. Safe for threads; the model itself is used by one thread at a time, chunk by chunk.

    Args:
        model: from :func:`automask_ui.load_model`.
        cache_bytes: bound of each of the two caches; 0 keeps nothing from one call to the next.
        keep_empty: keep masks without a pixel, as upstream does when the stability threshold is 0.
    """

    def __init__(self, model: SamModel, *, cache_bytes: int = 256 << 20, keep_empty: bool = False) -> None:
        self.model = model
        self._keep_empty = keep_empty
        self._lock = threading.Lock()
        self._decoder = ChunkDecoder(model, cache_bytes)
        self._candidates: ByteLRU[tuple[Candidates, float]] = ByteLRU(cache_bytes, _candidates_bytes)
        self._cleaned: ByteLRU[tuple[Rle, bool]] = ByteLRU(cache_bytes, lambda pair: len(pair[0]["counts"]) + 200)

    def generate(
        self,
        image: np.ndarray,
        options: GeneratorOptions | None = None,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> MaskResult:
        """All masks of a picture.

        Args:
            image: H×W×3 uint8 RGB.
            options: upstream's defaults where None.
            progress: called at least once per decoded chunk.
            cancel: setting it stops within one chunk; what was found so far is returned with ``partial`` set.

        Raises:
            OptionError: ``image`` has another shape or dtype.
            EngineOutOfMemoryError: not even one point at a time fits into memory.
        """
        return _finish(self.steps(image, options or GeneratorOptions()), progress, cancel)

    def refilter(
        self,
        result: MaskResult,
        options: GeneratorOptions,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> MaskResult:
        """``result`` under other options. No model runs unless masks are asked for that were never decoded."""
        return _finish(self.steps(None, options, result), progress, cancel)

    def resume(
        self, result: MaskResult, progress: Progress | None = None, cancel: threading.Event | None = None
    ) -> MaskResult:
        """Go on with a run that was stopped."""
        return self.refilter(result, result.options, progress, cancel)

    def materialize(self, result: MaskResult, rows: Sequence[int] | np.ndarray) -> MaskResult:
        """``result`` with the masks of candidate ``rows`` decoded, whatever their scores; verdicts stay.

        Decodes just the points of these rows (about 20 ms each on a CPU).
        """
        work = Work(result.candidates, self._decoder.levels)
        wanted = np.zeros(len(result.candidates), dtype=bool)
        wanted[rows] = True
        account = Account()
        for _ in self._complete(work, wanted & ~result.candidates.has_mask, result, account, force=True):
            pass
        return _with_account(replace(result, candidates=work.freeze()), account)

    def steps(
        self, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None = None
    ) -> Generator[Step, None, MaskResult]:
        """The run as a generator: a :class:`Step` before each encoding and after each decoded chunk.

        Args:
            image: H×W×3 uint8 RGB; None takes that of ``earlier``.
            options: what to look for.
            earlier: a result whose candidates are used again where the picture, the model and the grid are the same.

        Returns:
            The final result, as the value of ``StopIteration``.
        """
        pixels = _own_pixels(earlier.image if image is None and earlier is not None else image)
        account = Account()
        key = earlier.image_key if earlier is not None and pixels is earlier.image else array_key(pixels)
        work = self._start(pixels, key, options, earlier)
        start = MaskResult(
            pixels, key, self.model.key, options, work.freeze(), MaskSet.empty(work.size_hw), partial=True
        )

        def result(partial: bool) -> MaskResult:
            with account.timed("select"):
                candidates, masks = select(work.freeze(), options, self._keep_empty, self._clean)
            return _with_account(replace(start, candidates=candidates, masks=masks, partial=partial), account)

        try:
            with closing(self._complete(work, work.missing(options.filter), start, account)) as stages:
                for stage, done, total in stages:
                    yield Step(stage, done, total, lambda: result(partial=True))
        finally:
            # Also when the caller stops here: what was decoded is not decoded again.
            found = (work.freeze(), options.filter.stability_score_offset)
            self._candidates.put(self._key(key, options), found)
        return result(partial=False)

    def _start(self, image: np.ndarray, key: str, options: GeneratorOptions, earlier: MaskResult | None) -> Work:
        """The plan, with everything filled in that is known already."""
        offset = options.filter.stability_score_offset
        known = self._candidates.get(self._key(key, options))
        is_same_work = earlier is not None and self._key(earlier.image_key, earlier.options) == self._key(key, options)
        if earlier is not None and is_same_work and earlier.model_key == self.model.key:
            known = (earlier.candidates, earlier.options.filter.stability_score_offset)
        if known is None:
            return Work.plan((image.shape[0], image.shape[1]), options.grid, self._decoder.levels)
        candidates, measured_at = known
        work = Work(candidates, self._decoder.levels)
        if measured_at != offset:
            work.forget_masks()
        return work

    def _key(self, image_key: str, options: GeneratorOptions) -> tuple[Any, ...]:
        """What candidates depend on. The batch size is left out: it changes nothing."""
        grid = options.grid
        grids = (grid.points_per_side, grid.crop_n_points_downscale_factor, grid.point_grids)
        return (image_key, self.model.key, self.model.precision, grid.crop_n_layers, grid.crop_overlap_ratio, *grids)

    def _complete(
        self, work: Work, rows: np.ndarray, run: MaskResult, account: Account, force: bool = False
    ) -> Generator[tuple[str, int, int], None, None]:
        """Decode the points of ``rows`` (bool), crop by crop and batch by batch.

        Yields (stage, points done, points in all), before each encoding and after each batch. ``force`` makes masks
        of these rows even where the predicted IoU is below the threshold.
        """
        groups = [(crop, work.points_of(rows, crop)) for crop in range(len(work.crop_boxes_xyxy))]
        groups = [(crop, points) for crop, points in groups if len(points)]
        total = sum(len(points) for _, points in groups)
        done = 0
        filters = run.options.filter
        wanted = rows.reshape(-1, work.levels) if force else None
        for crop, points in groups:
            yield "encode", done, total
            with self._lock, _own_precision(self.model), account.timed("encode"):
                task = self._decoder.open(run.image, run.image_key, work, crop, account)
            batches = task.decode(
                points, run.options.grid.points_per_batch, filters, None if wanted is None else wanted[points]
            )
            with closing(batches):
                while True:
                    with self._lock, _own_precision(self.model), account.timed("decode"):
                        count = next(batches, 0)
                    if not count:
                        break
                    done += count
                    yield "decode", done, total

    def _clean(self, rle: Rle, min_area: int) -> tuple[Rle, bool]:
        """``remove_small_regions``, remembered: sliders ask for the same masks again and again."""
        key = (rle["counts"], *rle["size"], min_area)
        known = self._cleaned.get(key)
        if known is None:
            known = remove_small_regions(rle, min_area)
            self._cleaned.put(key, known)
        return known


class AutomaticMaskGenerator:
    """Stands in for ``segment_anything.SamAutomaticMaskGenerator``: same arguments, same result, less time and memory.

    Where upstream raises because nothing is left to keep, the result is an empty list. Values that make no sense, which
    upstream lets pass, are refused.

    Args:
        model: a ``Sam`` on its device. The other arguments are upstream's.

    Attributes:
        options: all of them; may be set. There are no others, so that none is set in vain.

    Raises:
        OptionError: for options that cannot work.
    """

    __slots__ = ("_engine", "options")

    def __init__(
        self,
        model: Sam,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[np.ndarray] | None = None,
        min_mask_region_area: int = 0,
        output_mode: str = "binary_mask",
    ) -> None:
        self.options = GeneratorOptions(
            points_per_side=points_per_side,
            points_per_batch=points_per_batch,
            pred_iou_thresh=pred_iou_thresh,
            stability_score_thresh=stability_score_thresh,
            stability_score_offset=stability_score_offset,
            box_nms_thresh=box_nms_thresh,
            crop_n_layers=crop_n_layers,
            crop_nms_thresh=crop_nms_thresh,
            crop_overlap_ratio=crop_overlap_ratio,
            crop_n_points_downscale_factor=crop_n_points_downscale_factor,
            point_grids=point_grids,
            min_mask_region_area=min_mask_region_area,
            output_mode=output_mode,
        )
        # Nothing is cached: the caller may change the model's weights between two calls.
        self._engine = MaskEngine(SamModel.wrap(model), cache_bytes=0, keep_empty=True)

    def generate(self, image: np.ndarray) -> list[dict[str, Any]]:
        """Masks of an H×W×3 uint8 RGB picture, as the dicts that upstream returns, in the same order."""
        result = self._engine.generate(image, self.options)
        return result.masks.to_sam_dicts(self.options.output_mode)


def _finish(
    steps: Generator[Step, None, MaskResult], progress: Progress | None, cancel: threading.Event | None
) -> MaskResult:
    """Run ``steps`` to the end, or to the step after which ``cancel`` is set."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        if progress is not None:
            progress(step.done, step.total, step.stage)
        if cancel is not None and cancel.is_set() and step.done < step.total:
            result = step.snapshot()
            steps.close()
            return result


def _own_pixels(image: np.ndarray | None) -> np.ndarray:
    """The picture, which nobody can change any more: results and what is cached for it stay true."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        found = f"{image.dtype} array of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise OptionError(f"image must be an H×W×3 uint8 RGB array, but is {found}. open_image() makes one of a file.")
    if 0 in image.shape:
        raise OptionError(f"image has no pixels: its shape is {image.shape}.")
    if image.flags.writeable or image.base is not None:
        image = image.copy()
        image.setflags(write=False)
    return image


def _own_precision(model: SamModel) -> torch.autocast:
    """Autocast of the caller's off: types are the engine's own business, and what it caches is of these types."""
    return torch.autocast(model.device.type, enabled=False)


def _with_account(result: MaskResult, account: Account) -> MaskResult:
    return replace(result, seconds=dict(account.seconds), notes=tuple(account.notes))


def _candidates_bytes(kept: tuple[Candidates, float]) -> int:
    """About what candidates take in memory."""
    candidates = kept[0]
    masks = sum(len(rle["counts"]) + 400 for rle in candidates.rle if rle is not None)
    return masks + 120 * len(candidates)
