"""SAM's mask decoder for many points of one picture, with the same numbers and a fraction of the work.

A point has seven tokens of its own and shares the thousands of the image with all others; ``image_tokens`` keeps only
what sets its own apart. The predicted IoU comes before the masks: only those that are asked for are upscaled.

The weights are read from the ``Sam`` given. Works for any width, depth, number of heads and embedding size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import TwoWayAttentionBlock
from torch import Tensor

from automask_ui.engine.decoder.heads import head_of
from automask_ui.engine.decoder.image_tokens import ImageTokens
from automask_ui.engine.decoder.mask_code import MaskCode, mask_vectors
from automask_ui.engine.decoder.shared_tokens import SharedTokens
from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.sam2.model import settled_single
from automask_ui.engine.runtime.scratch import Scratch
from automask_ui.engine.runtime.threads import map_parallel

__all__ = ["DecodedPoints", "PointDecoder"]

# Image tokens that a CPU works on together: what a few points make of them stays in the cache of a core.
TILE_TOKENS_ON_CPU = 1024


@dataclass(frozen=True)
class DecodedPoints:
    """Scores and mask weights of B points; valid until the decoder decodes other points."""

    predicted_iou: Tensor  # B×L float32: the model's guess for each of its L masks a point
    mask_weights: Tensor  # B×L×D float32: what makes each mask of the upscaled image tokens
    image_tokens: ImageTokens


class PointDecoder:
    """Decodes single foreground points, or other prompts, of one picture (or crop).

    Args:
        sam: the model; its prompt encoder and mask decoder are used.
        embedding: the picture's, from the image encoder.
        shown_hw: the part of the embedding's grid that shows the picture; masks are made of it alone. The rest is
            padding, which the model attends to all the same.
        dtype: type of the large products; the point's own tokens stay float32.
        takes_masks: whether prompts can have a mask as input.
        scratch: memory to work in, its own by default.
        workers: the pool that does the setup on a CPU.
    """

    def __init__(
        self,
        sam: Sam,
        embedding: ImageEmbedding,
        shown_hw: tuple[int, int] | None = None,
        dtype: torch.dtype = torch.float32,
        takes_masks: bool = False,
        scratch: Scratch | None = None,
        workers: str = "decode",
    ) -> None:
        self._prompt_encoder = sam.prompt_encoder
        self._decoder = sam.mask_decoder
        _, height, width = embedding.tokens.shape
        self._grid_hw = (height, width)
        self._shown_hw = shown_hw or self._grid_hw
        self._scratch = scratch or Scratch()
        self._head = head_of(sam.mask_decoder, embedding, dtype, self._scratch)
        margin, (shown_rows, shown_columns) = self._head.margin, self._shown_hw
        self._drawn_hw = (min(shown_rows + margin, height), min(shown_columns + margin, width))
        no_mask = sam.prompt_encoder.no_mask_embed.weight.reshape(-1, 1, 1)
        tokens = (embedding.tokens + no_mask).permute(1, 2, 0)  # h×w×C
        vectors = mask_vectors(sam.prompt_encoder)[: None if takes_masks else 0]
        position = sam.prompt_encoder.get_dense_pe()[0].permute(1, 2, 0)
        rows = max(1, TILE_TOKENS_ON_CPU // width) if embedding.device.type == "cpu" else height

        @torch.inference_mode()
        def share(top: int) -> tuple[SharedTokens, Tensor]:
            """Set up the tile whose first row is ``top``, and what upscaling makes of it."""
            transformer, band = self._decoder.transformer, slice(top, top + rows)
            tile = SharedTokens(transformer, tokens[band].flatten(0, 1), position[band].flatten(0, 1), vectors, dtype)
            drawn = tile.tokens.unflatten(0, (-1, width))[: max(0, self._drawn_hw[0] - top), : self._drawn_hw[1]]
            return tile, (drawn @ self._head.upscaling.first[0]).permute(2, 0, 1).contiguous()

        shared = map_parallel(share, range(0, height, rows), workers)
        self._tiles = [tile for tile, _ in shared]
        #: What the first upscaling makes of the shared part of each tile that masks are drawn from at all.
        self._upscaled = [upscaled for _, upscaled in shared if upscaled.numel()]

    @property
    def levels(self) -> int:
        """Masks that the model proposes for a point."""
        return self._head.levels

    @property
    def nbytes(self) -> int:
        """Memory of what the points share."""
        return sum(tile.nbytes for tile in self._tiles) + sum(part.nbytes for part in self._upscaled)

    @torch.inference_mode()
    def decode(self, points_xy: Tensor) -> DecodedPoints:
        """Run the transformer for points.

        Args:
            points_xy: B×2, in pixels of the model's square input.
        """
        return self.decode_prompts(self.prompts(points_xy))

    @torch.inference_mode()
    def prompts(self, points_xy: Tensor) -> Tensor:
        """Encode points, B×2, in pixels of the model's square input: B×T×C float32."""
        labels = torch.ones(len(points_xy), 1, dtype=torch.int, device=points_xy.device)
        prompts: Tensor = self._prompt_encoder(points=(points_xy[:, None], labels), boxes=None, masks=None)[0]
        return prompts.float()  # upstream pads them with the caller's default type

    @torch.inference_mode()
    def decode_single(self, prompts: Tensor, mask: MaskCode | None = None) -> DecodedPoints:
        """Run the transformer for prompts that leave no doubt: one mask each. Arguments as of `decode_prompts`."""
        decoded = self.decode_prompts(prompts, with_single=True, mask=mask)
        scores, weights = decoded.predicted_iou, decoded.mask_weights
        levels = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
        if self._head.settles_single:
            is_single = torch.zeros_like(scores, dtype=torch.bool)
            is_single[:, 0] = True
            levels = settled_single(self.masks(decoded, is_single), scores)
        chosen = levels[:, None]
        return DecodedPoints(
            scores.take_along_dim(chosen, dim=1), weights.take_along_dim(chosen[..., None], dim=1), decoded.image_tokens
        )

    @torch.inference_mode()
    def decode_prompts(self, prompts: Tensor, with_single: bool = False, mask: MaskCode | None = None) -> DecodedPoints:
        """Run the transformer for prompts.

        Args:
            prompts: B×T×C float32, from the prompt encoder.
            with_single: decode the mask for prompts that leave no doubt too, before the L others.
            mask: the code of the mask that each prompt, or all, have as input; only where this decoder takes masks.
        """
        point_tokens = torch.cat([self._head.tokens.expand(len(prompts), -1, -1), prompts], dim=1)

        transformer, queries = self._decoder.transformer, point_tokens
        image = ImageTokens(self._tiles, len(point_tokens), point_tokens.shape[1], self._scratch, mask)
        for index, block in enumerate(transformer.layers):
            queries = _self_attention(block, queries, point_tokens)
            gathered = image.gather(index, block.cross_attn_token_to_image, queries + point_tokens)
            queries = block.norm2(queries + gathered)
            queries = block.norm3(queries + block.mlp(queries))
            image.take_up(block.cross_attn_image_to_token, block.norm4, queries + point_tokens, queries)

        used = self._head.used(with_single)
        queries, located = queries[:, used], (queries + point_tokens)[:, used]
        gathered = image.gather(len(transformer.layers), transformer.final_attn_token_to_image, located)
        answers = transformer.norm_final_attn(queries + gathered).unbind(dim=1)
        return DecodedPoints(*self._head.answer(answers, with_single), image)

    @torch.inference_mode()
    def masks(self, decoded: DecodedPoints, wanted: Tensor) -> Tensor:
        """Low-resolution logits of the wanted masks only.

        Args:
            wanted: B×L bool, at least one of them true.

        Returns:
            M×4h×4w float32 logits of the shown part, in the order of ``wanted.nonzero()``; valid until the same thread
            asks for others.
        """
        points = wanted.any(dim=1).nonzero().flatten()
        # A CPU upscales one point at a time, which stays in its cache; a slice of them spares a copy.
        on_cpu = points.device.type == "cpu"
        parts = [slice(point, point + 1) for point in points.tolist()] if on_cpu else [points]
        # Four logits to an image token along each axis.
        rows, columns = (4 * side for side in self._shown_hw)
        logits = self._scratch.take("logits", (int(wanted.sum()), rows, columns), decoded.mask_weights)
        vectors = decoded.image_tokens.vectors_through(*self._head.upscaling.first)
        begin = 0
        for part in parts:
            masks = self._masks_of(decoded, part, vectors, wanted[part])
            end = begin + len(masks)
            logits[begin:end] = masks[:, :rows, :columns]
            begin = end
        return logits

    def _masks_of(self, decoded: DecodedPoints, points: slice | Tensor, vectors: Tensor, wanted: Tensor) -> Tensor:
        levels = wanted.any(dim=0)
        first = decoded.image_tokens.project(points, vectors, self._upscaled, self._grid_hw[1])
        masks = self._head.masks(first, self._drawn_hw, decoded.mask_weights[points][:, levels])
        return masks[0] if len(wanted) == 1 else masks[wanted[:, levels]]


def _self_attention(block: TwoWayAttentionBlock, queries: Tensor, point_tokens: Tensor) -> Tensor:
    """Self-attention among a point's own tokens; only seven, so upstream's module does it."""
    if block.skip_first_layer_pe:
        return block.norm1(block.self_attn(q=queries, k=queries, v=queries))
    located = queries + point_tokens
    return block.norm1(queries + block.self_attn(q=located, k=located, v=queries))
