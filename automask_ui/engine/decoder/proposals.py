"""Which masks a run asks the decoder for at a point: several or one, as they come or given back to it once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling import MaskDecoder, Sam
from torch import Tensor

from automask_ui.engine.decoder.heads import masks_per_point
from automask_ui.engine.decoder.point_decoder import DecodedPoints, PointDecoder
from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.geometry import Geometry
from automask_ui.engine.encoders.sam2.model import as_mask_input
from automask_ui.engine.runtime.scratch import Scratch
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

    Refining runs the decoder once more for every mask, with that as its input: image tokens are then no longer shared
    with other points, and nearly all of the work comes anew.

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
        self._sam, self._embedding, self._shown_hw, self._dtype = sam, embedding, shown_hw, dtype
        self._grid = grid
        self._scratch = Scratch()
        # What is given back is a mask of the whole input, padding included.
        self._decoder = PointDecoder(sam, embedding, None if grid.use_m2m else shown_hw, dtype)

    @torch.inference_mode()
    def decode(self, points_xy: Tensor) -> Decoded:
        """Decode points, B×2, in pixels of the model's square input."""
        prompts = self._decoder.prompts(points_xy)
        several = self._grid.multimask_output
        decoded = self._decoder.decode_prompts(prompts) if several else self._decoder.decode_single(prompts)
        return self._refined(decoded, prompts) if self._grid.use_m2m else decoded

    @torch.inference_mode()
    def masks(self, decoded: Decoded, wanted: Tensor) -> Tensor:
        """Low-resolution logits of the ``wanted`` (B×L bool) masks only: M×4h×4w float32 of the shown part."""
        if isinstance(decoded, RefinedPoints):
            return decoded.logits[wanted]
        return self._decoder.masks(decoded, wanted)

    def _refined(self, decoded: DecodedPoints, prompts: Tensor) -> RefinedPoints:
        """Give every mask back to the decoder, with the prompt (of B×T×C) that it came of."""
        scores = torch.empty_like(decoded.predicted_iou)
        logits = self._decoder.masks(decoded, torch.ones_like(scores, dtype=torch.bool))
        if Geometry.of(self._sam).is_stretched:
            logits = as_mask_input(logits)
        refined: list[Tensor] = []
        for row, mask in enumerate(logits):
            point, level = divmod(row, scores.shape[1])
            _, code = self._sam.prompt_encoder(points=None, boxes=None, masks=mask[None, None])
            decoder = PointDecoder(
                self._sam, self._embedding, self._shown_hw, self._dtype, mask_code=code[0], scratch=self._scratch
            )
            single = decoder.decode_single(prompts[point : point + 1])
            scores[point, level] = single.predicted_iou[0, 0]
            refined.append(decoder.masks(single, torch.ones_like(single.predicted_iou, dtype=torch.bool)))
        return RefinedPoints(scores, torch.cat(refined).unflatten(0, scores.shape))
