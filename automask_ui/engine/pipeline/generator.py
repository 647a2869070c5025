"""Generate the masks of a picture: encode, decode, select and clean, with candidates cached for later thresholds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from segment_anything.modeling import Sam

from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline.candidate_cache import CandidateCache
from automask_ui.engine.pipeline.candidate_table import CandidateTable, RunStats
from automask_ui.engine.pipeline.chunks import ChunkDecoder
from automask_ui.engine.pipeline.cleanup import CachedCleanup
from automask_ui.engine.pipeline.crop_work import CropWork, plan_rows, plan_run
from automask_ui.engine.pipeline.picture_keys import PictureKeys
from automask_ui.engine.pipeline.predict import Predictor
from automask_ui.engine.pipeline.select import select
from automask_ui.errors import OptionError
from automask_ui.masks import MaskResult, MaskSet, Step
from automask_ui.masks.prompt import PicturePrompt, Prediction
from automask_ui.masks.rle import Rle
from automask_ui.options import FilterOptions, GeneratorOptions
from automask_ui.protocol import own_thresholds

__all__ = ["AutomaticMaskGenerator", "MaskEngine", "ProgressCallback"]

# Called with (points done, points in all, stage).
ProgressCallback = Callable[[int, int, str], None]


class MaskEngine:
    """Find every object in pictures with one model, or what a prompt shows; results are cached at every stage.

    Embeddings and candidates are cached by the picture's content, the model and the options of the stage, within
    ``cache_bytes``. Safe for threads; runs use the model one at a time, chunk by chunk, and prompts need not wait.

    Args:
        model: from :func:`automask_ui.load_model`.
        cache_bytes: bound of each of the caches; 0 keeps nothing from one call to the next.
        keep_empty: keep masks without a pixel, as upstream does when the stability threshold is 0.
    """

    def __init__(self, model: SamModel, *, cache_bytes: int = 256 << 20, keep_empty: bool = False) -> None:
        self.model = model
        self._cache_bytes, self._keep_empty = cache_bytes, keep_empty
        self._lock = threading.Lock()
        self._decoder = ChunkDecoder(model, cache_bytes)
        self._predictor = Predictor(model, self._decoder.dtype, cache_bytes)
        self._picture_keys = PictureKeys()
        self._candidates = CandidateCache(model, self._decoder.levels, cache_bytes)
        self._clean = CachedCleanup(cache_bytes)

    def __getstate__(self) -> dict[str, Any]:
        """Give what a copy is made of, here or in another process: locks cannot be copied, and caches fill anew."""
        return {"model": self.model, "cache_bytes": self._cache_bytes, "keep_empty": self._keep_empty}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # as it was made

    def generate(
        self,
        image: np.ndarray,
        options: GeneratorOptions | None = None,
        progress: ProgressCallback | None = None,
        cancel: threading.Event | None = None,
    ) -> MaskResult:
        """Generate all masks of a picture.

        Args:
            image: H×W×3 uint8 RGB.
            options: what to look for. Thresholds that are not given are the model's own, and so is the clean-up.
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
        progress: ProgressCallback | None = None,
        cancel: threading.Event | None = None,
    ) -> MaskResult:
        """Apply other options to ``result``; the model runs only for masks that were never decoded."""
        return _finish(self.steps(None, options, result), progress, cancel)

    def resume(
        self, result: MaskResult, progress: ProgressCallback | None = None, cancel: threading.Event | None = None
    ) -> MaskResult:
        """Decode what a stopped run has left to do."""
        return self.refilter(result, result.options, progress, cancel)

    def materialize(self, result: MaskResult, rows: Sequence[int] | np.ndarray) -> MaskResult:
        """Decode the masks of candidate ``rows``, whatever their scores; verdicts stay as they are.

        Only the points of these rows are decoded (about 20 ms each on a CPU).

        Args:
            result: of this engine's model, with its picture (H×W×3 uint8) and n candidates.
            rows: row numbers, (k,) integers from 0 to n - 1, or (n,) bool.

        Returns:
            ``result`` whose candidates have a mask (``rle``, ``area``, ``box_xyxy``, ``stability_score``) in ``rows``.
        """
        table = CandidateTable(result.candidates, self._decoder.levels(result.options.grid))
        wanted = np.zeros(len(result.candidates), dtype=bool)
        wanted[rows] = True
        stats = RunStats()
        wanted &= ~result.candidates.has_mask
        for _ in self._decode(table, plan_rows(table, wanted), result, result.options.filter, stats, force=wanted):
            pass
        return _with_stats(replace(result, candidates=table.freeze()), stats)

    def predict(
        self,
        picture: np.ndarray | MaskResult,
        *,
        points_xy: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box_xyxy: ArrayLike | None = None,
        mask: ArrayLike | Rle | None = None,
    ) -> Prediction:
        """Predict the masks of what a prompt shows; equal to ``segment_anything.SamPredictor.predict``.

        It takes the picture's embedding if that is cached, and waits for no run then.

        Args:
            picture: H×W×3 uint8 RGB, or a result with its picture. Read-only pictures spare a look at all pixels, and
                must not change any more.
            points_xy: n×2 clicks, px of the picture; 0 is its left or upper edge.
            labels: n of 1 (on the object) or 0 (beside it).
            box_xyxy: a box around the object, left, top, right, bottom, px of the picture.
            mask: what to begin with: ``logits`` of an earlier prediction (h×w float), or pixels: H×W bool, or COCO's
                RLE with counts of any kind (bytes, text, a list).

        Raises:
            OptionError: nothing was shown, or what makes no sense, such as a point outside of the picture.
            EngineOutOfMemoryError: memory ran out.
        """
        pixels, key = self._picture_keys.identify(picture)
        height, width, _ = pixels.shape
        prompt = PicturePrompt.checked((height, width), self._predictor.mask_hw, points_xy, labels, box_xyxy, mask)
        whole = (0, 0, width, height)
        embedding = self._decoder.cached(key, whole)
        if embedding is None:
            with self._lock, _own_settings(self.model):
                embedding = self._decoder.embed(pixels, key, whole)
        with _own_settings(self.model):  # and without the lock, which a run holds for a whole chunk
            return self._predictor.predict(embedding, key, (height, width), prompt)

    def steps(
        self, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None = None
    ) -> Generator[Step, None, MaskResult]:
        """Run step by step: yield a :class:`Step` before each encoding and after each decoded chunk.

        Args:
            image: H×W×3 uint8 RGB; None takes that of ``earlier``.
            options: what to look for; what is not given, as in :meth:`generate`.
            earlier: a result whose candidates are used again where the picture, the model and the grid are the same.

        Returns:
            The final result, as the value of ``StopIteration``.
        """
        options = options.for_model(own_thresholds(self.model))
        is_known = earlier is not None and (image is None or image is earlier.image)
        pixels, key = self._picture_keys.identify(earlier if is_known else image)
        stats = RunStats()
        table = self._candidates.table((pixels.shape[0], pixels.shape[1]), key, options, earlier)
        start = MaskResult(
            pixels, key, self.model.key, options, table.freeze(), MaskSet.empty(table.size_hw), partial=True
        )

        def result(partial: bool) -> MaskResult:
            with _own_settings(self.model), stats.timed("select"):
                candidates, masks = select(table.freeze(), options, self._keep_empty, self._clean)
            return _with_stats(replace(start, candidates=candidates, masks=masks, partial=partial), stats)

        try:
            work, filters = plan_run(table, options, self.model.pred_iou_thresh)
            with closing(self._decode(table, work, start, filters, stats)) as stages:
                for stage, done, total in stages:
                    yield Step(stage, done, total, lambda: result(partial=True))
        finally:
            # Also when the caller stops here: what was decoded is not decoded again.
            self._candidates.put(key, options, table.freeze())
        return result(partial=False)

    def _decode(
        self,
        table: CandidateTable,
        work: Sequence[CropWork],
        run: MaskResult,
        filters: FilterOptions,
        stats: RunStats,
        force: np.ndarray | None = None,
    ) -> Generator[tuple[str, int, int], None, None]:
        """Decode ``work`` crop by crop and batch by batch, and make the masks that pass ``filters``.

        Yields (stage, points done, points in all), before each encoding and after each batch. ``force`` names the rows
        ((n,) bool) whose masks are made, instead of those above the predicted IoU.
        """
        total, done = sum(one.count for one in work), 0
        wanted = None if force is None else force.reshape(-1, table.levels)
        for one in work:
            yield "encode", done, total
            with self._lock, _own_settings(self.model), stats.timed("encode"):
                task = self._decoder.open(run.image, run.image_key, table, one.crop, run.options.grid, stats)
            for points in one.groups:
                batches = task.decode(points, filters, None if wanted is None else wanted[points])
                with closing(batches):
                    while True:
                        with self._lock, _own_settings(self.model), stats.timed("decode"):
                            count = next(batches, 0)
                        if not count:
                            break
                        done += count
                        yield "decode", done, total


class AutomaticMaskGenerator:
    """Drop-in for ``segment_anything.SamAutomaticMaskGenerator``: same arguments, same result, less time and memory.

    Where upstream raises because nothing is left to keep, the result is an empty list. Values that make no sense, which
    upstream lets pass, are refused.

    Args:
        model: a ``Sam`` on its device, or what :func:`automask_ui.load_model` gives. All others but the last three are
            upstream's.
        adaptive_points: our own: the share of the points that is decoded, where answers differ; 1 decodes all.
        use_m2m, multimask_output: those of ``SAM2AutomaticMaskGenerator``, for every model.

    Attributes:
        options: all of them; may be set. There are no others, so that none is set in vain.

    Raises:
        OptionError: for options that cannot work, or a model that is none.
    """

    __slots__ = ("_engine", "options")

    def __init__(
        self,
        model: Sam | SamModel,
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
        adaptive_points: float = 1.0,
        use_m2m: bool = False,
        multimask_output: bool = True,
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
            adaptive_points=adaptive_points,
            use_m2m=use_m2m,
            multimask_output=multimask_output,
        )
        self._engine = _uncached_engine(model)

    def generate(self, image: np.ndarray) -> list[dict[str, Any]]:
        """Generate the masks of an H×W×3 uint8 RGB picture, as the dicts that upstream returns, in the same order."""
        result = self._engine.generate(image, self.options)
        return result.masks.to_sam_dicts(self.options.output_mode)


def _uncached_engine(model: Sam | SamModel) -> MaskEngine:
    """Make an engine that caches nothing: the caller may change the model's weights between two calls."""
    if not isinstance(model, SamModel):
        if not hasattr(model, "mask_decoder"):
            raise OptionError(f"model must be a Sam, or what load_model() gives, but is {type(model).__name__}.")
        model = SamModel.wrap(model)
    return MaskEngine(model, cache_bytes=0, keep_empty=True)


def _finish(
    steps: Generator[Step, None, MaskResult], progress: ProgressCallback | None, cancel: threading.Event | None
) -> MaskResult:
    """Run ``steps`` to the end, or until ``cancel`` is set; report each step to ``progress``."""
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


@contextmanager
def _own_settings(model: SamModel) -> Iterator[None]:
    """Switch off the caller's autocast and default device: the engine chooses types and devices, and caches tensors."""
    on_cpu = torch.get_default_device().type == "cpu"
    with torch.autocast(model.device.type, enabled=False), nullcontext() if on_cpu else torch.device("cpu"):
        yield


def _with_stats(result: MaskResult, stats: RunStats) -> MaskResult:
    return replace(result, seconds=dict(stats.seconds), notes=tuple(stats.notes))
