"""Answer prompts (clicks, a box, an earlier mask) on one picture, from its embedding.

What the prompts of a picture share is computed once and kept, as for the points of a grid: the first click pays for it,
and each of the following, while the pointer moves, for its own tokens and its mask only. The work on a prompt grows
with the square of its clicks; above a few, upstream's decoder, where it does not, takes less time.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from automask_ui.cache import ByteLRU
from automask_ui.engine.decoder.heads import is_decoded_by_upstream
from automask_ui.engine.decoder.mask_code import mask_code
from automask_ui.engine.decoder.point_decoder import PointDecoder
from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.geometry import Geometry
from automask_ui.engine.encoders.sam2.model import SAM2MaskDecoder, as_mask_input, settled_single
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline.resample import Resampler
from automask_ui.engine.runtime.out_of_memory import is_out_of_memory
from automask_ui.engine.runtime.scratch import Scratch
from automask_ui.engine.runtime.threads import run_on_worker
from automask_ui.errors import EngineOutOfMemoryError
from automask_ui.masks import MaskSet
from automask_ui.masks.prompt import PicturePrompt, Prediction
from automask_ui.options import FilterOptions

__all__ = ["Predictor"]

# Tokens of a prompt (a click has one, a box two) up to which the decoder that shares work was measured to be faster.
# SAM-HQ and SAM 2 have no other.
MOST_SHARED_TOKENS = 28
# The pool that answers prompts: that of runs has seconds of work ahead.
WORKERS = "prompt"


class Predictor:
    """Decode prompts with one model; safe for threads.

    Args:
        model: whose prompt encoder and mask decoder are used.
        dtype: type of the large products on a GPU; a CPU computes in float32.
        cache_bytes: bound of what is kept of pictures between two prompts.
    """

    def __init__(self, model: SamModel, dtype: torch.dtype, cache_bytes: int) -> None:
        self._sam = model.sam
        self._geometry = Geometry.of(model.sam)
        self._is_sam2 = isinstance(model.sam.mask_decoder, SAM2MaskDecoder)
        self._dtype = dtype
        # Keys name the picture only: one predictor has one model.
        self._decoders: ByteLRU[PointDecoder] = ByteLRU(cache_bytes, lambda decoder: decoder.nbytes)
        self._resamplers: ByteLRU[Resampler] = ByteLRU(cache_bytes, lambda resampler: resampler.nbytes)
        # One for all decoders: every worker keeps its buffers.
        self._scratch = Scratch()

    @property
    def mask_hw(self) -> tuple[int, int]:
        """Size of the logits that the model takes and gives."""
        height, width = self._sam.prompt_encoder.mask_input_size
        return height, width

    def predict(
        self, embedding: ImageEmbedding, image_key: str, size_hw: tuple[int, int], prompt: PicturePrompt
    ) -> Prediction:
        """Decode ``prompt``.

        Args:
            embedding: of the whole picture.
            image_key: content key of the picture.
            size_hw: the picture's size, px.

        Raises:
            EngineOutOfMemoryError: memory ran out.
        """
        on_cpu = embedding.device.type == "cpu"
        try:
            # A setup is for all workers, so none of them may wait for it.
            is_shared = _tokens(prompt) <= MOST_SHARED_TOKENS or not is_decoded_by_upstream(self._sam.mask_decoder)
            decoder = self._decoder(embedding, image_key) if is_shared else None
            answer = partial(self._answer, embedding, size_hw, prompt, decoder)
            # For a single prompt, threads wait for each other longer than they compute.
            return run_on_worker(answer, WORKERS) if on_cpu else answer()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise EngineOutOfMemoryError(
                f"Memory on {embedding.device} ran out. Close other programs, or choose a smaller model."
            ) from error

    @torch.inference_mode()
    def _answer(
        self,
        embedding: ImageEmbedding,
        size_hw: tuple[int, int],
        prompt: PicturePrompt,
        decoder: PointDecoder | None,
    ) -> Prediction:
        """Decode ``prompt``, by upstream's decoder where no other is given."""
        tokens = self._prompt_tokens(prompt, size_hw)
        mask = None if prompt.mask is None else self._as_tensor(prompt.mask)[None]
        if decoder is not None:
            code = None if mask is None else mask_code(self._sam.prompt_encoder, mask)
            decoded = decoder.decode_prompts(tokens, with_single=True, mask=code)
            scores = decoded.predicted_iou[0]
            logits = decoder.masks(decoded, torch.ones_like(decoded.predicted_iou, dtype=torch.bool))
        else:
            logits, scores = self._decode_many_tokens(embedding, tokens, mask)
        if self._is_sam2:
            # SAM 2 answers with its multiple masks where the single one is unsure, and cuts logits off for later use.
            level = settled_single(logits[:1], scores[None])
            logits, scores = (torch.cat([values[level], values[1:]]) for values in (logits, scores))
        # The model has the single mask first.
        logits, scores = (torch.cat([values[1:], values[:1]]).float() for values in (logits, scores))
        masks = self._masks(logits, scores, size_hw)
        best = int(masks.predicted_iou[:-1].argmax()) if prompt.is_ambiguous else len(masks) - 1
        lowres = (as_mask_input(logits) if self._is_sam2 else logits).cpu().numpy()
        lowres.setflags(write=False)
        return Prediction(masks, lowres, best)

    def _masks(self, logits: Tensor, scores: Tensor, size_hw: tuple[int, int]) -> MaskSet:
        """The masks of the picture that low-resolution logits (M×h×w) stand for, with their scores (M)."""
        resampler = self._resampler(logits, size_hw)
        rows, columns = resampler.used_hw
        threshold, offset = float(self._sam.mask_threshold), FilterOptions().stability_score_offset
        measured = resampler.measure(logits[:, :rows, :columns], threshold, offset)
        return MaskSet.from_rles(
            [mask.rle for mask in measured],
            size_hw,
            predicted_iou=scores.tolist(),
            stability_score=[mask.stability_score for mask in measured],
        )

    @torch.inference_mode()
    def _prompt_tokens(self, prompt: PicturePrompt, size_hw: tuple[int, int]) -> Tensor:
        """Encode clicks and box: 1×T×C."""
        points = box = None
        if len(prompt.points_xy):
            in_model = self._geometry.in_input(prompt.points_xy, size_hw)
            points = self._as_tensor(in_model)[None], torch.as_tensor(prompt.labels, device=self._sam.device)[None]
        if prompt.box_xyxy is not None:
            box = self._as_tensor(self._geometry.in_input(prompt.box_xyxy.reshape(2, 2), size_hw).reshape(1, 4))
        if self._is_sam2 and box is not None:
            return self._sam2_box_tokens(points, box)
        sparse, _ = self._sam.prompt_encoder(points=points, boxes=box, masks=None)
        return sparse.float()  # upstream pads them with the caller's default type

    def _sam2_box_tokens(self, points: tuple[Tensor, Tensor] | None, box: Tensor) -> Tensor:
        """As `_prompt_tokens`: for SAM 2 the corners of a box are points before the others, and all end with a pad."""
        corners, _ = self._sam.prompt_encoder(points=None, boxes=box, masks=None)
        if points is None:
            others = self._sam.prompt_encoder.not_a_point_embed.weight[None]
        else:
            others, _ = self._sam.prompt_encoder(points=points, boxes=None, masks=None)
        return torch.cat([corners, others], dim=1)

    def _as_tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self._sam.device)

    @torch.inference_mode()
    def _decoder(self, embedding: ImageEmbedding, image_key: str) -> PointDecoder:
        """The decoder for prompts on this picture, set up once."""
        decoder = self._decoders.get(image_key)
        if decoder is None:
            dtype = torch.float32 if embedding.device.type == "cpu" else self._dtype
            decoder = PointDecoder(
                self._sam, embedding, dtype=dtype, takes_masks=True, scratch=self._scratch, workers=WORKERS
            )
            self._decoders.put(image_key, decoder)
        return decoder

    def _decode_many_tokens(
        self, embedding: ImageEmbedding, tokens: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Decode one prompt, with a mask (1×h×w) or without, by upstream's decoder.

        Returns:
            Logits M×h×w and scores M, the single mask's first.
        """
        masks = None if mask is None else mask[None]
        _, dense = self._sam.prompt_encoder(points=None, boxes=None, masks=masks)
        logits, scores = self._sam.mask_decoder.predict_masks(
            image_embeddings=embedding.tokens[None],
            image_pe=self._sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=tokens,
            dense_prompt_embeddings=dense,
        )
        return logits[0], scores[0]

    def _resampler(self, logits: Tensor, size_hw: tuple[int, int]) -> Resampler:
        """What makes masks of a picture of this size from low-resolution logits (M×h×w), set up once."""
        resampler = self._resamplers.get(size_hw)
        if resampler is None:
            box = (0, 0, size_hw[1], size_hw[0])
            resampler = Resampler(*self._geometry.of_logits(logits.shape[1], size_hw), box, size_hw, logits.device)
            self._resamplers.put(size_hw, resampler)
        return resampler


def _tokens(prompt: PicturePrompt) -> int:
    """How many tokens the prompt encoder makes of clicks and box: the box has two corners, and stands for the pad."""
    return len(prompt.points_xy) + (1 if prompt.box_xyxy is None else 2)
