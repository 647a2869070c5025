"""Running the model on one crop, a few points at a time, and going on when memory runs out."""

from __future__ import annotations

import copy
import logging
import time
from collections import defaultdict

import numpy as np
import torch
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from automask_ui.cache import ByteLRU
from automask_ui.engine.decoder import PointDecoder
from automask_ui.engine.encoder import encode_image, resized_hw
from automask_ui.engine.memory import is_out_of_memory
from automask_ui.engine.models import SamModel
from automask_ui.engine.resample import Resampler
from automask_ui.engine.work import Work
from automask_ui.errors import EngineOutOfMemoryError, OptionError
from automask_ui.options import FilterOptions

__all__ = ["ChunkDecoder", "CropTask"]

_log = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}

# Image tokens of the points that a CPU works on together: more do not stay in its cache.
CACHE_BYTES = 16 << 20

# Logits to a token of the embedding along each axis: the mask decoder's two upscalings by two.
UPSCALING = 4


class ChunkDecoder:
    """The model with the embeddings of the crops that it has seen, within ``cache_bytes``."""

    def __init__(self, model: SamModel, cache_bytes: int) -> None:
        if model.precision == "float16" and model.device.type == "cpu":
            raise OptionError("precision float16 needs a GPU: on a CPU use float32 (exact) or bf16 (faster).")
        self.model = model
        self.dtype = DTYPES[model.precision]
        self._embeddings: ByteLRU[Tensor] = ByteLRU(cache_bytes, lambda tensor: tensor.nbytes)

    @property
    def levels(self) -> int:
        """Masks that the model proposes for a point."""
        return self.model.sam.mask_decoder.num_multimask_outputs

    def open(self, image: np.ndarray, image_key: str, work: Work, crop: int) -> CropTask:
        """Make ready to decode points of ``crop`` of an H×W×3 uint8 picture; encodes it unless it has been before."""
        box = tuple(work.crop_boxes_xyxy[crop].tolist())
        key = (image_key, self.model.key, self.model.precision, box)
        embedding = self._embeddings.get(key)
        if embedding is None:
            pixels = image[box[1] : box[3], box[0] : box[2]]
            try:
                embedding = encode_image(self.model.sam, pixels, self.dtype)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                raise EngineOutOfMemoryError(
                    f"Memory on {self.model.device} ran out while the picture was read. Close other programs, "
                    "or choose a smaller model."
                ) from error
            self._embeddings.put(key, embedding)
        return CropTask(self.model.sam, embedding, self.dtype, work, crop)


class CropTask:
    """Decodes points of one crop into the columns of ``work``."""

    def __init__(self, sam: Sam, embedding: Tensor, dtype: torch.dtype, work: Work, crop: int) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)  # time by part of the decoding
        self._sam = sam
        self._embedding = embedding
        self._dtype = dtype
        self._work = work
        self._box = tuple(work.crop_boxes_xyxy[crop].tolist())
        self._use(sam, embedding)

    def _use(self, sam: Sam, embedding: Tensor) -> None:
        """Take this copy of the model from here on."""
        size_hw = (self._box[3] - self._box[1], self._box[2] - self._box[0])
        input_size = sam.image_encoder.img_size
        self._device = embedding.device
        self._transform = ResizeLongestSide(input_size)
        self._size_hw = size_hw
        self._mask_threshold = float(sam.mask_threshold)
        stride = input_size // (UPSCALING * embedding.shape[1])
        resized = resized_hw(size_hw, input_size)
        self._resampler = Resampler(stride, input_size, resized, self._box, self._work.size_hw, self._device)
        rows, columns = self._resampler.used_hw
        shown_hw = (-(-rows // UPSCALING), -(-columns // UPSCALING))
        self._decoder = PointDecoder(sam, embedding, shown_hw, self._dtype)
        self._together = self._points_in_cache(embedding) if self._device.type == "cpu" else None

    @staticmethod
    def _points_in_cache(embedding: Tensor) -> int:
        return max(1, CACHE_BYTES // (embedding.numel() * 4))

    def decode(self, points: np.ndarray, filters: FilterOptions, wanted: np.ndarray | None) -> list[str]:
        """Decode ``points`` (numbers in the plan), and the masks above ``pred_iou_thresh`` or ``wanted``.

        Args:
            wanted: len(points)×levels bool: the masks to make, instead of those above the threshold.

        Returns:
            What the user should know, if memory ran out on the way.

        Raises:
            EngineOutOfMemoryError: not even one point fits on the CPU.
        """
        notes: list[str] = []
        together = min(self._together or len(points), len(points))
        begin = 0
        while begin < len(points):
            part = slice(begin, begin + together)
            try:
                self._decode_together(points[part], filters, None if wanted is None else wanted[part])
                begin += together
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                _log.warning("out of memory on %s with %d points at a time", self._device, together)
                if together > 1:
                    together = self._together = max(1, together // 2)
                elif self._device.type != "cpu":
                    notes.append(f"Memory on {self._device} ran out even with one point at a time: went on on the CPU.")
                    self._move_to_cpu()
                    together = min(self._together or 1, len(points))
                else:
                    raise EngineOutOfMemoryError(
                        "Memory ran out even with one point at a time. Close other programs, or choose a smaller model."
                    ) from error
            if self._device.type == "cuda" and together != len(points):
                torch.cuda.empty_cache()
        return notes

    def _move_to_cpu(self) -> None:
        """Go on with a copy of the model on the CPU, in float32, which every CPU computes well."""
        self._dtype = torch.float32
        self._sam, self._embedding = copy.deepcopy(self._sam).cpu(), self._embedding.cpu()
        self._use(self._sam, self._embedding)

    def _decode_together(self, points: np.ndarray, filters: FilterOptions, wanted: np.ndarray | None) -> None:
        # Where the points lie in the model's input.
        in_crop = self._work.points_xy(points) - self._box[:2]
        in_model = self._transform.apply_coords(in_crop, self._size_hw)
        # Upstream keeps double precision up to the positional code; Apple's GPUs have none.
        dtype = torch.float32 if self._device.type == "mps" else torch.float64
        start = time.perf_counter()
        decoded = self._decoder.decode(torch.as_tensor(in_model, dtype=dtype, device=self._device))
        scores = decoded.predicted_iou.float().cpu().numpy()
        self._work.store_scores(points, scores)
        self.seconds["transformer"] += time.perf_counter() - start

        # Only masks that may be kept and are not known yet are upscaled.
        if wanted is None:
            passing = scores > np.float32(filters.pred_iou_thresh) if filters.pred_iou_thresh > 0 else scores > -np.inf
            wanted = passing & self._work.unmeasured(points)
        if not wanted.any():
            return
        start = time.perf_counter()
        logits = self._decoder.masks(decoded, torch.from_numpy(wanted).to(self._device))
        upscaled = time.perf_counter()
        measured = self._resampler.measure(logits, self._mask_threshold, filters.stability_score_offset)
        for (row, level), mask in zip(np.argwhere(wanted), measured, strict=True):
            self._work.store_mask(points[row], level, mask)
        self.seconds["upscaling"] += upscaled - start
        self.seconds["resampling"] += time.perf_counter() - upscaled
