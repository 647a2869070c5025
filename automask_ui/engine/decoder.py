"""SAM's mask decoder for many points of one picture, with the same numbers and a fraction of the work.

Projections of image tokens are folded into the point's tokens (see ``image_tokens``). In layer 0 the image tokens are
the same for all points, so there the projections are computed once a picture. The predicted IoU comes from one token
alone: only the masks that are asked for are upscaled.

The weights are read from the ``Sam`` given. Works for any width, depth, number of heads and embedding size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor, nn

from automask_ui.engine.image_tokens import Gathering, TakingUp, gather, heads_first, products, scaled_heads, sweep
from automask_ui.engine.scratch import Scratch
from automask_ui.engine.upscaling import Upscaling

__all__ = ["DecodedPoints", "PointDecoder"]


@dataclass(frozen=True)
class DecodedPoints:
    """What the transformer made of B points; valid until the decoder is asked for other points."""

    predicted_iou: Tensor  # B×L float32: the model's guess for each of its L masks a point
    queries: Tensor  # B×T×C float32: the points' tokens before the last attention
    point_tokens: Tensor  # B×T×C float32: what they were at first
    image_tokens: Tensor  # B×N×C


class PointDecoder:
    """Decodes single foreground points of one picture (or crop).

    Args:
        sam: the model; its prompt encoder and mask decoder are used.
        embedding: the picture's embedding, C×h×w float32, from the image encoder.
        shown_hw: the part of the embedding's grid that shows the picture; masks are made of it alone. The rest is
            padding, which the model attends to all the same.
        dtype: type of the large products; the point's own tokens stay float32.
    """

    def __init__(
        self,
        sam: Sam,
        embedding: Tensor,
        shown_hw: tuple[int, int] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._prompt_encoder = sam.prompt_encoder
        self._decoder = sam.mask_decoder
        self._grid_hw = (embedding.shape[1], embedding.shape[2])
        self._shown_hw = shown_hw or self._grid_hw
        tokens = embedding + sam.prompt_encoder.no_mask_embed.weight.reshape(-1, 1, 1)
        image_tokens = tokens.flatten(1).T.contiguous()  # N×C
        position = sam.prompt_encoder.get_dense_pe()[0].flatten(1).T.contiguous()  # N×C
        transformer = self._decoder.transformer
        first, *others = transformer.layers
        self._scratch = Scratch()
        self._first = _SharedImageAttention(first, image_tokens, position, dtype)
        self._others = [_BlockPositions.of(block, position, dtype) for block in others]
        self._final = _key_position(transformer.final_attn_token_to_image, position, dtype)
        self._upscaling = Upscaling(self._decoder, dtype)
        # A CPU upscales one point at a time, which stays in its cache; a GPU wants them all.
        self._upscaled_together = 1 if embedding.device.type == "cpu" else None

    @property
    def levels(self) -> int:
        """Masks that the model proposes for a point."""
        return self._decoder.num_multimask_outputs

    @torch.inference_mode()
    def decode(self, points_xy: Tensor) -> DecodedPoints:
        """Run the transformer for points.

        Args:
            points_xy: B×2, in pixels of the model's square input.
        """
        labels = torch.ones(len(points_xy), 1, dtype=torch.int, device=points_xy.device)
        prompt, _ = self._prompt_encoder(points=(points_xy[:, None], labels), boxes=None, masks=None)
        own = torch.cat([self._decoder.iou_token.weight, self._decoder.mask_tokens.weight])
        point_tokens = torch.cat([own.expand(len(points_xy), -1, -1), prompt], dim=1)

        # A block ends with what the image tokens take up; the next attention gathers from them in the same sweep.
        queries, taking_up, keys = self._first.run(point_tokens, self._scratch)
        for block, positions in zip(self._decoder.transformer.layers[1:], self._others, strict=True):
            queries = _self_attention(block, queries, point_tokens)
            there = block.cross_attn_token_to_image
            gathering = Gathering(there, queries + point_tokens, positions.token_to_image)
            queries = block.norm2(queries + sweep(keys, taking_up, gathering, self._scratch))
            queries = block.norm3(queries + block.mlp(queries))
            taking_up = TakingUp(block, queries, point_tokens, positions.image_to_token)

        # Token 0 guesses the IoU of every mask; the first guess is for single-mask output, which is not used here.
        gathering = self._gathering_last(queries[:, :1], point_tokens[:, :1])
        iou_token = self._norm_last(queries[:, :1] + sweep(keys, taking_up, gathering, self._scratch))[:, 0]
        return DecodedPoints(self._decoder.iou_prediction_head(iou_token)[:, 1:], queries, point_tokens, keys)

    @torch.inference_mode()
    def masks(self, decoded: DecodedPoints, wanted: Tensor) -> Tensor:
        """Low-resolution logits of the wanted masks only.

        Args:
            wanted: B×L bool, at least one of them true.

        Returns:
            M×4h×4w float32 logits of the shown part, in the order of ``wanted.nonzero()``.
        """
        points = wanted.any(dim=1).nonzero().flatten()
        parts = points.split(self._upscaled_together or len(points))
        return torch.cat([self._masks_of(decoded, part, wanted[part]) for part in parts])

    def _masks_of(self, decoded: DecodedPoints, points: Tensor, wanted: Tensor) -> Tensor:
        # A slice, where there is one point, spares a copy of its image tokens.
        rows = slice(int(points), int(points) + 1) if len(points) == 1 else points
        keys = decoded.image_tokens[rows]
        levels = wanted.any(dim=0).nonzero().flatten().tolist()
        # Tokens 2 and on stand for the masks of multi-mask output.
        tokens = [2 + level for level in levels]
        queries = decoded.queries[rows][:, tokens]
        gathering = self._gathering_last(queries, decoded.point_tokens[rows][:, tokens])
        mask_tokens = self._norm_last(queries + gather(keys, gathering, self._scratch))
        mlps = [self._decoder.output_hypernetworks_mlps[1 + level] for level in levels]
        weights = torch.stack([mlp(mask_tokens[:, row]) for row, mlp in enumerate(mlps)], dim=1)
        shown = keys.unflatten(1, self._grid_hw)[:, : self._shown_hw[0], : self._shown_hw[1]]
        return self._upscaling.masks(shown, weights)[wanted[:, levels]]

    def _gathering_last(self, queries: Tensor, point_tokens: Tensor) -> Gathering:
        """The transformer's last attention, for those tokens (B×T'×C) that are needed."""
        attention = self._decoder.transformer.final_attn_token_to_image
        return Gathering(attention, queries + point_tokens, self._final)

    @property
    def _norm_last(self) -> nn.LayerNorm:
        return self._decoder.transformer.norm_final_attn


@dataclass(frozen=True)
class _BlockPositions:
    """Positional parts of a block's attentions, per head: the same for all points of all pictures of a model."""

    token_to_image: Tensor  # H×d×N: W_k P
    image_to_token: Tensor  # H×d×N: W_q P + b_q

    @classmethod
    def of(cls, block: TwoWayAttentionBlock, position: Tensor, dtype: torch.dtype) -> _BlockPositions:
        back = block.cross_attn_image_to_token
        return cls(
            _key_position(block.cross_attn_token_to_image, position, dtype),
            heads_first(back.q_proj(position), back.num_heads).transpose(1, 2).to(dtype),
        )


class _SharedImageAttention:
    """Layer 0, where all points share the image tokens: keys, values and queries are projected once a picture."""

    def __init__(self, block: TwoWayAttentionBlock, image_tokens: Tensor, position: Tensor, dtype: torch.dtype) -> None:
        self._block = block
        self._image_tokens = image_tokens.to(dtype)
        there, back = block.cross_attn_token_to_image, block.cross_attn_image_to_token
        located = image_tokens + position
        self._keys = heads_first(there.k_proj(located), there.num_heads).transpose(1, 2).to(dtype)  # H×d×N
        self._values = heads_first(there.v_proj(image_tokens), there.num_heads).to(dtype)  # H×N×d
        self._queries = heads_first(back.q_proj(located), back.num_heads).transpose(1, 2).to(dtype)  # H×d×N

    def run(self, point_tokens: Tensor, scratch: Scratch) -> tuple[Tensor, TakingUp, Tensor]:
        """The block for B points: queries B×T×C, what image tokens take up, and where to put these (B×N×C, empty)."""
        block, (batch, count, _) = self._block, point_tokens.shape
        queries = _self_attention(block, point_tokens, point_tokens)

        there = block.cross_attn_token_to_image
        tokens = scaled_heads(there, there.q_proj(queries + point_tokens))
        weights = scratch.softmax(products(tokens, self._keys, scratch), dim=-1).flatten(1, 2)  # H×BT×N
        pooled = (weights @ self._values).float().unflatten(1, (batch, count))
        queries = block.norm2(queries + there.out_proj(pooled.permute(1, 2, 0, 3).flatten(2)))
        queries = block.norm3(queries + block.mlp(queries))

        taking_up = TakingUp(block, queries, point_tokens, self._queries, self._image_tokens)
        keys = scratch.take("keys", (batch, *self._image_tokens.shape), self._image_tokens)
        return queries, taking_up, keys


def _self_attention(block: TwoWayAttentionBlock, queries: Tensor, point_tokens: Tensor) -> Tensor:
    """Self-attention among a point's own tokens; only seven, so upstream's module does it."""
    if block.skip_first_layer_pe:
        return block.norm1(block.self_attn(q=queries, k=queries, v=queries))
    located = queries + point_tokens
    return block.norm1(queries + block.self_attn(q=located, k=located, v=queries))


def _key_position(attention: Attention, position: Tensor, dtype: torch.dtype) -> Tensor:
    """``W_k P`` per head, H×d×N; the bias is left out since the softmax cancels it."""
    return heads_first(position @ attention.k_proj.weight.T, attention.num_heads).transpose(1, 2).to(dtype)
