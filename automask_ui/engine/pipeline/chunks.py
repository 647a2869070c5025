"""Decode the points of one crop in chunks, with smaller chunks when memory runs out."""

from __future__ import annotations

import copy
import logging
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch
from segment_anything.modeling import Sam

from automask_ui.cache import ByteLRU
from automask_ui.engine.decoder.proposals import Proposals, proposals_per_point
from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.encode import encode_image
from automask_ui.engine.encoders.geometry import Geometry
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline.candidate_table import CandidateTable, RunStats
from automask_ui.engine.pipeline.resample import MeasuredMask, Resampler
from automask_ui.engine.runtime.out_of_memory import is_out_of_memory
from automask_ui.engine.runtime.threads import map_in_order
from automask_ui.errors import EngineOutOfMemoryError
from automask_ui.options import FilterOptions, GridOptions

__all__ = ["ChunkDecoder", "CropTask"]

_log = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}

# A CPU works on as many points together as would have this many bytes of image tokens: more do not stay in its cache.
CACHE_BYTES = 32 << 20
# Parts for each of its threads that a CPU goes on with while the caller looks at the last batch.
PARTS_AHEAD = 2

# How much longer a point takes whose masks are refined, about: Stop and the page's updates wait for whole batches.
REFINING_COST = 8

# Logits to a token of the embedding along each axis: the mask decoder's two upscalings by two.
UPSCALING = 4


class ChunkDecoder:
    """Encode crops with one model and decode points of them; embeddings are cached within ``cache_bytes``."""

    def __init__(self, model: SamModel, cache_bytes: int) -> None:
        self.model = model
        self.dtype = DTYPES[model.precision]
        self._embeddings: ByteLRU[ImageEmbedding] = ByteLRU(cache_bytes, lambda embedding: embedding.nbytes)

    def levels(self, grid: GridOptions) -> int:
        """How many masks the model proposes for a point of ``grid``."""
        return proposals_per_point(self.model.sam.mask_decoder, grid)

    def open(
        self, image: np.ndarray, image_key: str, table: CandidateTable, crop: int, grid: GridOptions, stats: RunStats
    ) -> CropTask:
        """Encode ``crop`` of an H×W×3 uint8 picture, unless its embedding is cached, to decode points of it."""
        left, top, right, bottom = table.crop_boxes_xyxy[crop].tolist()
        embedding = self.embed(image, image_key, (left, top, right, bottom))
        return CropTask(self.model.sam, embedding, self.dtype, table, crop, grid, stats)

    def cached(self, image_key: str, box_xyxy: tuple[int, int, int, int]) -> ImageEmbedding | None:
        """The embedding of a crop of a picture, if it is cached."""
        return self._embeddings.get((image_key, self.model.key, self.model.precision, box_xyxy))

    def embed(self, image: np.ndarray, image_key: str, box_xyxy: tuple[int, int, int, int]) -> ImageEmbedding:
        """Encode a crop of an H×W×3 uint8 picture, unless its embedding is cached.

        Raises:
            EngineOutOfMemoryError: memory runs out.
        """
        embedding = self.cached(image_key, box_xyxy)
        if embedding is None:
            left, top, right, bottom = box_xyxy
            pixels = image[top:bottom, left:right]
            try:
                embedding = encode_image(self.model.sam, pixels, self.dtype)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                raise EngineOutOfMemoryError(
                    f"Memory on {self.model.device} ran out while the picture was read. Close other programs, "
                    "or choose a smaller model."
                ) from error
            self._embeddings.put((image_key, self.model.key, self.model.precision, box_xyxy), embedding)
        return embedding


class CropTask:
    """Decode points of one crop into ``table``, and add the seconds of each part to ``stats``."""

    def __init__(
        self,
        sam: Sam,
        embedding: ImageEmbedding,
        dtype: torch.dtype,
        table: CandidateTable,
        crop: int,
        grid: GridOptions,
        stats: RunStats,
    ) -> None:
        self._stats = stats
        self._grid = grid
        self._sam = sam
        self._embedding = embedding
        self._dtype = dtype
        self._table = table
        self._box = tuple(table.crop_boxes_xyxy[crop].tolist())
        self._use(sam, embedding)

    @torch.inference_mode()
    def _use(self, sam: Sam, embedding: ImageEmbedding) -> None:
        """Decode with this copy of the model, on its device, from here on."""
        size_hw = (self._box[3] - self._box[1], self._box[2] - self._box[0])
        self._device = embedding.device
        self._geometry = Geometry.of(sam)
        self._size_hw = size_hw
        self._mask_threshold = float(sam.mask_threshold)
        enlarging = self._geometry.of_logits(UPSCALING * embedding.tokens.shape[1], size_hw)
        self._resampler = Resampler(*enlarging, self._box, self._table.size_hw, self._device)
        rows, columns = self._resampler.used_hw
        shown_hw = (-(-rows // UPSCALING), -(-columns // UPSCALING))
        # A CPU's decoder spends its time on what fewer bits do not speed up, and outlines would suffer from them.
        dtype = torch.float32 if self._device.type == "cpu" else self._dtype
        self._decoder = Proposals(sam, embedding, shown_hw, dtype, self._grid)
        points_in_cache = max(1, CACHE_BYTES // (embedding.tokens.numel() * 4))
        self._together = points_in_cache if self._device.type == "cpu" else None

    def decode(
        self, points: np.ndarray, filters: FilterOptions, wanted: np.ndarray | None
    ) -> Generator[int, None, None]:
        """Decode ``points`` ((n,) indices into the plan), and make the masks above ``pred_iou_thresh`` or ``wanted``.

        A CPU begins the next batch before the last has ended, but stores its masks only when the caller asks for them.

        Args:
            wanted: len(points)×levels bool: the masks to make, instead of those above the threshold.

        Yields:
            How many points a batch had, once they are stored.

        Raises:
            EngineOutOfMemoryError: not even one point fits on the CPU.
        """
        # From one yield to the next; a refined point takes many times as long.
        batch_size = max(1, self._grid.points_per_batch // (REFINING_COST if self._grid.use_m2m else 1))
        done = 0
        while done < len(points):
            together = min(self._together or batch_size, batch_size, self._for_each_worker(len(points) - done))
            batches = [_cut(batch, together) for batch in _cut(slice(done, len(points)), batch_size)]
            try:
                for count in self._decode_batches(points, batches, filters, wanted):
                    done += count
                    yield count
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self._use_less_memory(together, error)

    def _for_each_worker(self, count: int) -> int:
        """How many of ``count`` points are decoded together at most, so that every core has work."""
        return -(-count // torch.get_num_threads()) if self._device.type == "cpu" else count

    def _decode_batches(
        self, points: np.ndarray, batches: list[list[slice]], filters: FilterOptions, wanted: np.ndarray | None
    ) -> Generator[int, None, None]:
        """Decode the parts of each batch; yield the number of points of a batch once they are stored."""
        parts = list(chain.from_iterable(batches))
        ahead = PARTS_AHEAD * torch.get_num_threads()
        on_cpu = self._device.type == "cpu"
        decode = partial(self._decode_part, points, filters, wanted)
        outcomes = map_in_order(decode, parts, ahead) if on_cpu else (decode(part) for part in parts)
        with closing(outcomes):
            for batch in batches:
                start = time.perf_counter()
                busy = defaultdict[str, float](float)
                for part, found in zip(batch, outcomes, strict=False):
                    self._store(points[part], found)
                    for name, seconds in found.seconds.items():
                        busy[name] += seconds
                # Parts that ran side by side share the time that passed.
                passed = (time.perf_counter() - start) / (sum(busy.values()) or 1.0)
                for name, seconds in busy.items():
                    self._stats.seconds[name] += seconds * passed
                yield batch[-1].stop - batch[0].start

    def _store(self, points: np.ndarray, found: _DecodedPart) -> None:
        self._table.store_scores(points, found.scores)
        for row, level, mask in found.masks:
            self._table.store_mask(points[row], level, mask)

    def _use_less_memory(self, together: int, error: Exception) -> None:
        """Halve the points that are decoded together, or move from the GPU to the CPU and note it.

        Raises:
            EngineOutOfMemoryError: a single point does not fit on the CPU.
        """
        _log.warning("out of memory on %s with %d points at a time", self._device, together)
        # The decoder keeps the memory that it took for so many points.
        del self._decoder
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if together > 1:
            self._use(self._sam, self._embedding)
            self._together = together // 2
            return
        if self._device.type == "cpu":
            raise EngineOutOfMemoryError(
                "Memory ran out even with one point at a time. Close other programs, or choose a smaller model."
            ) from error
        self._stats.notes.append(f"Memory on {self._device} ran out even with one point at a time: went on on the CPU.")
        self._move_to_cpu()

    def _move_to_cpu(self) -> None:
        """Copy the model to the CPU and decode there from here on."""
        self._sam, self._embedding = copy.deepcopy(self._sam).cpu(), self._embedding.cpu()
        self._use(self._sam, self._embedding)

    def _decode_part(
        self, points: np.ndarray, filters: FilterOptions, wanted: np.ndarray | None, part: slice
    ) -> _DecodedPart:
        """Decode a ``part`` of ``points`` in one batch of the decoder."""
        points, wanted = points[part], None if wanted is None else wanted[part]
        # Where the points lie in the model's input.
        in_crop = self._table.points_xy(points) - self._box[:2]
        in_model = self._geometry.in_input(in_crop, self._size_hw)
        # Upstream keeps double precision up to the positional code; Apple's GPUs have none.
        dtype = torch.float32 if self._device.type == "mps" else torch.float64
        start = time.perf_counter()
        decoded = self._decoder.decode(torch.as_tensor(in_model, dtype=dtype, device=self._device))
        scores = decoded.predicted_iou.float().cpu().numpy()
        seconds = {"transformer": time.perf_counter() - start}

        # Only masks that may be kept and are not known yet are upscaled.
        if wanted is None:
            passing = scores > np.float32(filters.pred_iou_thresh) if filters.pred_iou_thresh > 0 else scores > -np.inf
            wanted = passing & self._table.unmeasured(points)
        if not wanted.any():
            return _DecodedPart(scores, [], seconds)
        start = time.perf_counter()
        logits = self._decoder.masks(decoded, torch.from_numpy(wanted).to(self._device))
        upscaled = time.perf_counter()
        measured = self._resampler.measure(logits, self._mask_threshold, filters.stability_score_offset)
        seconds |= {"upscaling": upscaled - start, "resampling": time.perf_counter() - upscaled}
        return _DecodedPart(scores, list(zip(*np.nonzero(wanted), measured, strict=True)), seconds)


@dataclass(frozen=True)
class _DecodedPart:
    """Scores and masks of some points."""

    scores: np.ndarray  # points×levels float32: the predicted IoU
    masks: list[tuple[int, int, MeasuredMask]]  # index among these points, level, mask
    seconds: dict[str, float]  # by part


def _cut(whole: slice, step: int) -> list[slice]:
    """Cut the slice ``whole`` into parts of ``step``; the last may be smaller."""
    return [slice(begin, min(begin + step, whole.stop)) for begin in range(whole.start, whole.stop, step)]
