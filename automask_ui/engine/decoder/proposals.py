"""Which masks a run asks the decoder for at a point: several or one, as they come or given back to it once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling import MaskDecoder, Sam
from torch import Tensor

from automask_ui.engine.decoder.heads import masks_per_point
from automask_ui.engine.decoder.mask_code import mask_code
from automask_ui.engine.decoder.point_decoder import DecodedPoints, PointDecoder
from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.sam2.model import SAM2MaskDecoder, as_mask_input
from automask_ui.options import GridOptions

__all__ = ["Decoded", "Proposals", "RefinedPoints", "proposals_per_point"]


def proposals_per_point(decoder: MaskDecoder, grid: GridOptions) -> int:
    """How many masks a model proposes for a point of ``grid``."""
    return masks_per_point(decoder) if grid.multimask_output else 1


@dataclass(frozen=True)
class RefinedPoints:
    """Scores and masks of B points that were given back to the decoder."""

    predicted_iou: Tensor  # B×L float32
    logits: Tensor  # B×L×4h×4w float32, of the shown part


Decoded = DecodedPoints | RefinedPoints


class Proposals:
    """Decodes the points of one picture (or crop) as ``grid`` asks for it: as :class:`PointDecoder`, with L masks.

    Refining runs the decoder once more for every mask, with that as its input: see ``mask_code.py``.

    Args:
        sam: the model.
        embedding: the picture's.
        shown_hw: the part of the embedding's grid that shows the picture.
        dtype: type of the large products.
        grid: whether points have several masks, and whether these are refined.
    """

    def __init__(
        self, sam: Sam, embedding: ImageEmbedding, shown_hw: tuple[int, int], dtype: torch.dtype, grid: GridOptions
    ) -> None:
        self._sam, self._grid = sam, grid
        # What is given back is a mask of the whole input, padding included.
        self._decoder = PointDecoder(sam, embedding, None if grid.use_m2m else shown_hw, dtype)
        self._refiner = PointDecoder(sam, embedding, shown_hw, dtype, takes_masks=True) if grid.use_m2m else None

    @torch.inference_mode()
    def decode(self, points_xy: Tensor) -> Decoded:
        """Decode points, B×2, in pixels of the model's square input."""
        prompts = self._decoder.prompts(points_xy)
        several = self._grid.multimask_output
        decoded = self._decoder.decode_prompts(prompts) if several else self._decoder.decode_single(prompts)
        return decoded if self._refiner is None else self._refined(self._refiner, decoded, prompts)

    @torch.inference_mode()
    def masks(self, decoded: Decoded, wanted: Tensor) -> Tensor:
        """Low-resolution logits of the ``wanted`` (B×L bool) masks only: M×4h×4w float32 of the shown part."""
        if isinstance(decoded, RefinedPoints):
            return decoded.logits[wanted]
        return self._decoder.masks(decoded, wanted)

    def _refined(self, refiner: PointDecoder, decoded: DecodedPoints, prompts: Tensor) -> RefinedPoints:
        """Give every mask back to the decoder, with the prompt (of B×T×C) that it came of."""
        given = torch.ones_like(decoded.predicted_iou, dtype=torch.bool)
        logits = self._decoder.masks(decoded, given)
        if isinstance(self._sam.mask_decoder, SAM2MaskDecoder):
            logits = as_mask_input(logits)
        scores, refined = [], []
        for masks in logits.unflatten(0, given.shape).unbind(dim=1):
            single = refiner.decode_single(prompts, mask_code(self._sam.prompt_encoder, masks))
            scores.append(single.predicted_iou)
            # The refiner's next masks take the place of these.
            refined.append(refiner.masks(single, torch.ones_like(single.predicted_iou, dtype=torch.bool)).clone())
        return RefinedPoints(torch.cat(scores, dim=1), torch.stack(refined, dim=1))
