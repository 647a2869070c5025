"""SAM's mask decoder for many points of one picture, with the same numbers and a fraction of the work.

Upstream projects the thousands of image tokens anew for every point, though a point has only seven tokens of its own.
Here every projection of image tokens is folded into the point's tokens instead: with tokens ``x``, image tokens ``Y``
and their positional code ``P``, head ``h``,

* token to image, scores: ``(W_q x)_h · W_k,h (Y + P) = (W_k,hᵀ (W_q x)_h) · Y + (W_q x)_h · W_k,h P``; the bias of
  ``W_k`` adds the same to every score of a token, which the softmax cancels;
* token to image, output: ``softmax(S) (W_v,h Y) = W_v,h (softmax(S) Y)``: pool first, project seven vectors after;
* image to token: ``W_q`` folds into the keys and ``W_out`` into the values, with its bias shared among the heads, whose
  weights each sum to one.

In layer 0 the image tokens are the same for all points, so there the projections are computed once a picture.
The predicted IoU comes from one token alone: only the masks that are asked for are upscaled.

The weights are read from the ``Sam`` given. Works for any width, depth, number of heads and embedding size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor

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
        self._final = _key_position(transformer.final_attn_token_to_image, position).to(dtype)
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

        queries, keys = self._first.run(point_tokens, self._scratch)
        for block, positions in zip(self._decoder.transformer.layers[1:], self._others, strict=True):
            queries, keys = _run_block(block, positions, queries, keys, point_tokens, self._scratch)

        # Token 0 guesses the IoU of every mask; the first guess is for single-mask output, which is not used here.
        iou_token = self._attend_last(queries[:, :1], point_tokens[:, :1], keys)[:, 0]
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
        # Tokens 2 and on stand for the masks of multi-mask output.
        tokens = slice(2, 2 + self.levels)
        mask_tokens = self._attend_last(decoded.queries[rows][:, tokens], decoded.point_tokens[rows][:, tokens], keys)
        mlps = self._decoder.output_hypernetworks_mlps[1:]
        weights = torch.stack([mlp(mask_tokens[:, level]) for level, mlp in enumerate(mlps)], dim=1)
        shown = keys.unflatten(1, self._grid_hw)[:, : self._shown_hw[0], : self._shown_hw[1]]
        return self._upscaling.masks(shown, weights)[wanted]

    def _attend_last(self, queries: Tensor, point_tokens: Tensor, keys: Tensor) -> Tensor:
        """The transformer's last attention, for those tokens (B×T'×C) that are needed."""
        transformer = self._decoder.transformer
        attention = transformer.final_attn_token_to_image
        attended = _attend_to_image(attention, queries + point_tokens, keys, self._final, self._scratch)
        return transformer.norm_final_attn(queries + attended)


@dataclass(frozen=True)
class _BlockPositions:
    """Positional parts of a block's attentions, per head: the same for all points of all pictures of a model."""

    token_to_image: Tensor  # H×d×N: W_k P
    image_to_token: Tensor  # H×d×N: W_q P + b_q

    @classmethod
    def of(cls, block: TwoWayAttentionBlock, position: Tensor, dtype: torch.dtype) -> _BlockPositions:
        back = block.cross_attn_image_to_token
        return cls(
            _key_position(block.cross_attn_token_to_image, position).to(dtype),
            _heads(back.q_proj(position), back.num_heads).transpose(1, 2).to(dtype),
        )


class _SharedImageAttention:
    """Layer 0, where all points share the image tokens: keys, values and queries are projected once a picture."""

    def __init__(self, block: TwoWayAttentionBlock, image_tokens: Tensor, position: Tensor, dtype: torch.dtype) -> None:
        self._block = block
        self._image_tokens = image_tokens.to(dtype)
        there, back = block.cross_attn_token_to_image, block.cross_attn_image_to_token
        located = image_tokens + position
        self._keys = _heads(there.k_proj(located), there.num_heads).transpose(1, 2).to(dtype)  # H×d×N
        self._values = _heads(there.v_proj(image_tokens), there.num_heads).to(dtype)  # H×N×d
        self._queries = _heads(back.q_proj(located), back.num_heads).transpose(1, 2).to(dtype)  # H×d×N

    def run(self, point_tokens: Tensor, scratch: Scratch) -> tuple[Tensor, Tensor]:
        """The block's output for B points: queries B×T×C and image tokens B×N×C."""
        block, (batch, count, _) = self._block, point_tokens.shape
        queries = _self_attention(block, point_tokens, point_tokens)

        there = block.cross_attn_token_to_image
        scores = _products(_scaled_heads(there, there.q_proj(queries + point_tokens)), self._keys, scratch)
        weights = scratch.softmax(scores, dim=-1).flatten(1, 2)  # H×BT×N
        pooled = (weights @ self._values).float().unflatten(1, (batch, count))
        queries = block.norm2(queries + there.out_proj(pooled.permute(1, 2, 0, 3).flatten(2)))
        queries = block.norm3(queries + block.mlp(queries))

        back = block.cross_attn_image_to_token
        tokens, values = _scaled_heads(back, back.k_proj(queries + point_tokens)), _folded_values(block, queries)
        keys = scratch.take("keys", (batch, *self._image_tokens.shape), self._image_tokens)
        for part in _parts(keys):
            scores = _products(tokens[part], self._queries, scratch)
            weights = scratch.softmax(scores, dim=2).transpose(0, 1).flatten(1, 2)  # B×HT×N
            _update_image(block, keys[part].copy_(self._image_tokens), weights, values[part], scratch)
        return queries, keys


def _run_block(
    block: TwoWayAttentionBlock,
    positions: _BlockPositions,
    queries: Tensor,
    keys: Tensor,
    point_tokens: Tensor,
    scratch: Scratch,
) -> tuple[Tensor, Tensor]:
    """One two-way block: queries B×T×C and image tokens ``keys`` B×N×C, which are overwritten, to the same."""
    queries = _self_attention(block, queries, point_tokens)
    there = block.cross_attn_token_to_image
    attended = _attend_to_image(there, queries + point_tokens, keys, positions.token_to_image, scratch)
    queries = block.norm2(queries + attended)
    queries = block.norm3(queries + block.mlp(queries))

    back = block.cross_attn_image_to_token
    tokens, values = _scaled_heads(back, back.k_proj(queries + point_tokens)), _folded_values(block, queries)
    for part in _parts(keys):
        scores = _image_scores(tokens[part], back.q_proj.weight, keys[part], positions.image_to_token, scratch)
        weights = scratch.softmax(scores.unflatten(1, tokens.shape[1:3]), dim=2).flatten(1, 2)
        _update_image(block, keys[part], weights, values[part], scratch)
    return queries, keys


def _parts(keys: Tensor) -> list[slice]:
    """Points (rows of B×N×C) whose image tokens are worked on together: a CPU's cache holds those of one."""
    step = 1 if keys.device.type == "cpu" else len(keys)
    return [slice(begin, begin + step) for begin in range(0, len(keys), step)]


def _self_attention(block: TwoWayAttentionBlock, queries: Tensor, point_tokens: Tensor) -> Tensor:
    """Self-attention among a point's own tokens; only seven, so upstream's module does it."""
    if block.skip_first_layer_pe:
        return block.norm1(block.self_attn(q=queries, k=queries, v=queries))
    located = queries + point_tokens
    return block.norm1(queries + block.self_attn(q=located, k=located, v=queries))


def _attend_to_image(
    attention: Attention, queries: Tensor, keys: Tensor, key_position: Tensor, scratch: Scratch
) -> Tensor:
    """Tokens (B×T×C) gather from image tokens (B×N×C), with the projections folded into the tokens."""
    tokens = _scaled_heads(attention, attention.q_proj(queries))
    gathered = []
    for part in _parts(keys):
        scores = _image_scores(tokens[part], attention.k_proj.weight, keys[part], key_position, scratch)
        gathered.append(scratch.softmax(scores, dim=-1) @ keys[part])
    pooled = torch.cat(gathered).float().unflatten(1, tokens.shape[1:3])  # B×H×T×C
    values = torch.einsum("bhtc,hdc->bhtd", pooled, _by_head(attention.v_proj.weight, attention.num_heads))
    return attention.out_proj(values.transpose(1, 2).flatten(2) + attention.v_proj.bias)


def _image_scores(tokens: Tensor, weight: Tensor, keys: Tensor, position: Tensor, scratch: Scratch) -> Tensor:
    """Scores B×HT×N of tokens (B×H×T×d) with image tokens (B×N×C) that ``weight`` (Hd×C) would project.

    ``position`` (H×d×N) holds what does not depend on the point.
    """
    folded = torch.einsum("bhtd,hdc->bhtc", tokens, _by_head(weight, tokens.shape[1])).flatten(1, 2).to(keys.dtype)
    located = _products(tokens, position, scratch).transpose(0, 1)  # B×H×T×N
    scores = scratch.take("scores", located.shape, keys).copy_(located).flatten(1, 2)
    return scores.baddbmm_(folded, keys.transpose(1, 2))


def _products(tokens: Tensor, image: Tensor, scratch: Scratch) -> Tensor:
    """Every token (B×H×T×d) with every image token (H×d×N): H×B×T×N."""
    batch, heads, count, _ = tokens.shape
    rows = tokens.transpose(0, 1).flatten(1, 2).to(image.dtype)
    products = scratch.take("products", (heads, batch * count, image.shape[2]), image)
    return torch.bmm(rows, image, out=products).unflatten(1, (batch, count))


def _folded_values(block: TwoWayAttentionBlock, queries: Tensor) -> Tensor:
    """What image tokens take up from each head of each of ``queries``, projected already: B×HT×C."""
    back = block.cross_attn_image_to_token
    values = _heads_of_batch(back.v_proj(queries), back.num_heads)  # B×H×T×d
    folded = torch.einsum("bhtd,hdc->bhtc", values, _by_head(back.out_proj.weight.T, back.num_heads))
    return (folded + back.out_proj.bias / back.num_heads).flatten(1, 2)


def _update_image(block: TwoWayAttentionBlock, keys: Tensor, weights: Tensor, values: Tensor, scratch: Scratch) -> None:
    """Image tokens (B×N×C, overwritten) take up ``weights`` (B×HT×N) of ``values`` (B×HT×C)."""
    keys.baddbmm_(weights.transpose(1, 2), values.to(keys.dtype))
    scratch.layer_norm_(keys, block.norm4)


def _key_position(attention: Attention, position: Tensor) -> Tensor:
    """``W_k P`` per head, H×d×N; the bias is left out since the softmax cancels it."""
    return _heads(position @ attention.k_proj.weight.T, attention.num_heads).transpose(1, 2)


def _heads(x: Tensor, heads: int) -> Tensor:
    """N×Hd to H×N×d."""
    return x.unflatten(-1, (heads, -1)).transpose(0, 1).contiguous()


def _heads_of_batch(x: Tensor, heads: int) -> Tensor:
    """B×T×Hd to B×H×T×d."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _scaled_heads(attention: Attention, x: Tensor) -> Tensor:
    """B×T×Hd to B×H×T×d, divided by √d."""
    tokens = _heads_of_batch(x, attention.num_heads)
    return tokens / math.sqrt(tokens.shape[-1])


def _by_head(weight: Tensor, heads: int) -> Tensor:
    """Weight Hd×C to H×d×C."""
    return weight.unflatten(0, (heads, -1))
