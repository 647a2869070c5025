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
import torch.nn.functional as F
from segment_anything.modeling import MaskDecoder, Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor

__all__ = ["DecodedPoints", "PointDecoder"]


@dataclass(frozen=True)
class DecodedPoints:
    """What the transformer made of B points."""

    predicted_iou: Tensor  # B×L float32: the model's guess for each of its L masks a point
    mask_tokens: Tensor  # B×L×C float32
    image_tokens: Tensor  # B×N×C

    def __len__(self) -> int:
        return len(self.predicted_iou)


class PointDecoder:
    """Decodes single foreground points of one picture (or crop).

    Args:
        sam: the model; its prompt encoder and mask decoder are used.
        embedding: the picture's embedding, C×h×w float32, from the image encoder.
        dtype: type of the large products; the point's own tokens stay float32.
    """

    def __init__(self, sam: Sam, embedding: Tensor, dtype: torch.dtype = torch.float32) -> None:
        self._prompt_encoder = sam.prompt_encoder
        self._decoder = sam.mask_decoder
        self._dtype = dtype
        self._grid_hw = embedding.shape[-2:]
        tokens = embedding + sam.prompt_encoder.no_mask_embed.weight.reshape(-1, 1, 1)
        self._image_tokens = tokens.flatten(1).T.contiguous()  # N×C
        self._position = sam.prompt_encoder.get_dense_pe()[0].flatten(1).T.contiguous()  # N×C
        transformer = self._decoder.transformer
        first, *others = transformer.layers
        self._first = _SharedImageAttention(first, self._image_tokens, self._position, dtype)
        self._others = [_BlockPositions.of(block, self._position, dtype) for block in others]
        self._final = _key_position(transformer.final_attn_token_to_image, self._position).to(dtype)
        self._upscaling = _Upscaling(self._decoder, dtype)

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

        transformer = self._decoder.transformer
        queries, keys = self._first.run(point_tokens)
        for block, positions in zip(transformer.layers[1:], self._others, strict=True):
            queries, keys = _run_block(block, positions, queries, keys, point_tokens)
        attended = _attend_to_image(transformer.final_attn_token_to_image, queries + point_tokens, keys, self._final)
        queries = transformer.norm_final_attn(queries + attended)

        # Token 0 guesses the IoU; the mask token after it is for single-mask output and is not used here.
        predicted_iou = self._decoder.iou_prediction_head(queries[:, 0])[:, 1:]
        return DecodedPoints(predicted_iou, queries[:, 2 : 2 + self.levels], keys)

    @torch.inference_mode()
    def masks(self, decoded: DecodedPoints, wanted: Tensor) -> Tensor:
        """Low-resolution logits of the wanted masks only.

        Args:
            wanted: B×L bool.

        Returns:
            M×4h×4w float32 logits, in the order of ``wanted.nonzero()``.
        """
        used = wanted.any(dim=1)
        rows = wanted[used]
        weights = torch.stack(
            [
                mlp(decoded.mask_tokens[used, level])
                for level, mlp in enumerate(self._decoder.output_hypernetworks_mlps[1:])
            ],
            dim=1,
        )
        upscaled = self._upscaling(decoded.image_tokens[used])
        logits = upscaled @ weights.to(self._dtype).transpose(1, 2)
        chosen = logits.transpose(1, 2)[rows].float()
        return self._upscaling.to_rows(chosen, self._grid_hw)


@dataclass(frozen=True)
class _BlockPositions:
    """Positional parts of a block's attentions, per head: the same for all points of all pictures of a model."""

    token_to_image: Tensor  # H×N×d: W_k P
    image_to_token: Tensor  # H×N×d: W_q P + b_q

    @classmethod
    def of(cls, block: TwoWayAttentionBlock, position: Tensor, dtype: torch.dtype) -> _BlockPositions:
        back = block.cross_attn_image_to_token
        return cls(
            _key_position(block.cross_attn_token_to_image, position).to(dtype),
            _heads(back.q_proj(position), back.num_heads).to(dtype),
        )


class _SharedImageAttention:
    """Layer 0, where all points share the image tokens: keys, values and queries are projected once a picture."""

    def __init__(self, block: TwoWayAttentionBlock, image_tokens: Tensor, position: Tensor, dtype: torch.dtype) -> None:
        self._block = block
        self._image_tokens = image_tokens.to(dtype)
        there, back = block.cross_attn_token_to_image, block.cross_attn_image_to_token
        located = image_tokens + position
        self._keys = _heads(there.k_proj(located), there.num_heads).to(dtype)  # H×N×d
        self._values = _heads(there.v_proj(image_tokens), there.num_heads).to(dtype)
        self._queries = _heads(back.q_proj(located), back.num_heads).to(dtype)

    def run(self, point_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output for B points: queries B×T×C and image tokens B×N×C."""
        block, (batch, count, _) = self._block, point_tokens.shape
        queries = _self_attention(block, point_tokens, point_tokens)

        there = block.cross_attn_token_to_image
        tokens = _scaled_heads(there, there.q_proj(queries + point_tokens))  # B×H×T×d
        tokens = tokens.transpose(0, 1).flatten(1, 2).to(self._keys.dtype)  # H×BT×d
        pooled = torch.softmax(tokens @ self._keys.transpose(1, 2), dim=-1) @ self._values
        pooled = pooled.float().unflatten(1, (batch, count)).permute(1, 2, 0, 3).flatten(2)
        queries = block.norm2(queries + there.out_proj(pooled))
        queries = block.norm3(queries + block.mlp(queries))

        back = block.cross_attn_image_to_token
        keys = _scaled_heads(back, back.k_proj(queries + point_tokens)).transpose(0, 1).flatten(1, 2)
        scores = (keys.to(self._queries.dtype) @ self._queries.transpose(1, 2)).unflatten(1, (batch, count))
        weights = torch.softmax(scores, dim=2).transpose(0, 1).flatten(1, 2)  # B×HT×N
        return queries, _update_image(block, queries, self._image_tokens.expand(batch, -1, -1), weights)


def _run_block(
    block: TwoWayAttentionBlock, positions: _BlockPositions, queries: Tensor, keys: Tensor, point_tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """One two-way block: queries B×T×C and image tokens ``keys`` B×N×C to the same."""
    queries = _self_attention(block, queries, point_tokens)
    there = block.cross_attn_token_to_image
    attended = _attend_to_image(there, queries + point_tokens, keys, positions.token_to_image)
    queries = block.norm2(queries + attended)
    queries = block.norm3(queries + block.mlp(queries))

    back = block.cross_attn_image_to_token
    tokens = _scaled_heads(back, back.k_proj(queries + point_tokens))
    scores = _image_scores(tokens, back.q_proj.weight, keys, positions.image_to_token)
    weights = torch.softmax(scores.unflatten(1, tokens.shape[1:3]), dim=2).flatten(1, 2)
    return queries, _update_image(block, queries, keys, weights)


def _self_attention(block: TwoWayAttentionBlock, queries: Tensor, point_tokens: Tensor) -> Tensor:
    """Self-attention among a point's own tokens; only seven, so upstream's module does it."""
    if block.skip_first_layer_pe:
        return block.norm1(block.self_attn(q=queries, k=queries, v=queries))
    located = queries + point_tokens
    return block.norm1(queries + block.self_attn(q=located, k=located, v=queries))


def _attend_to_image(attention: Attention, queries: Tensor, keys: Tensor, key_position: Tensor) -> Tensor:
    """Tokens (B×T×C) gather from image tokens (B×N×C), with the projections folded into the tokens."""
    tokens = _scaled_heads(attention, attention.q_proj(queries))
    scores = _image_scores(tokens, attention.k_proj.weight, keys, key_position)
    pooled = (torch.softmax(scores, dim=-1) @ keys).float().unflatten(1, tokens.shape[1:3])  # B×H×T×C
    values = torch.einsum("bhtc,hdc->bhtd", pooled, _by_head(attention.v_proj.weight, attention.num_heads))
    return attention.out_proj(values.transpose(1, 2).flatten(2) + attention.v_proj.bias)


def _image_scores(tokens: Tensor, weight: Tensor, keys: Tensor, position: Tensor) -> Tensor:
    """Scores B×HT×N of tokens (B×H×T×d) with image tokens (B×N×C) that ``weight`` (Hd×C) would project.

    ``position`` (H×N×d) holds what does not depend on the point.
    """
    batch, heads, count, _ = tokens.shape
    folded = torch.einsum("bhtd,hdc->bhtc", tokens, _by_head(weight, heads)).flatten(1, 2).to(keys.dtype)
    located = tokens.transpose(0, 1).flatten(1, 2).to(keys.dtype) @ position.transpose(1, 2)  # H×BT×N
    located = located.unflatten(1, (batch, count)).transpose(0, 1).flatten(1, 2)
    return torch.baddbmm(located, folded, keys.transpose(1, 2))


def _update_image(block: TwoWayAttentionBlock, queries: Tensor, keys: Tensor, weights: Tensor) -> Tensor:
    """Image tokens (B×N×C) take up what they attend to: ``weights`` (B×HT×N) over the values of ``queries``."""
    back = block.cross_attn_image_to_token
    values = _heads_of_batch(back.v_proj(queries), back.num_heads)  # B×H×T×d
    folded = torch.einsum("bhtd,hdc->bhtc", values, _by_head(back.out_proj.weight.T, back.num_heads))
    folded = folded + back.out_proj.bias / back.num_heads
    keys = torch.baddbmm(keys, weights.transpose(1, 2), folded.flatten(1, 2).to(keys.dtype))
    norm = block.norm4
    return F.layer_norm(keys, norm.normalized_shape, norm.weight.to(keys.dtype), norm.bias.to(keys.dtype), norm.eps)


class _Upscaling:
    """``output_upscaling`` as two matrix products.

    A 2×2 transposed convolution of stride 2 takes each position to four of its own, so it is a product with a
    C × 4C' matrix. The four are kept side by side instead of being moved to their place in the picture; only the
    finished one-channel masks are, by :meth:`to_rows`.
    """

    def __init__(self, decoder: MaskDecoder, dtype: torch.dtype) -> None:
        first, self._norm, self._act, second, self._last_act = decoder.output_upscaling.children()
        self._weights = [_as_matrix(layer.weight).to(dtype) for layer in (first, second)]
        self._biases = [layer.bias.repeat(4).to(dtype) for layer in (first, second)]

    def __call__(self, image_tokens: Tensor) -> Tensor:
        """B×N×C image tokens to B×16N×C/8 upscaled ones, each position's 4×4 in a row."""
        x = torch.addmm(self._biases[0], image_tokens.flatten(0, 1), self._weights[0])
        x = x.reshape(-1, self._weights[1].shape[0])
        weight, bias = self._norm.weight.to(x.dtype), self._norm.bias.to(x.dtype)
        x = self._act(F.layer_norm(x, weight.shape, weight, bias, self._norm.eps))
        x = self._last_act(torch.addmm(self._biases[1], x, self._weights[1]))
        return x.reshape(len(image_tokens), -1, x.shape[1] // 4)

    @staticmethod
    def to_rows(masks: Tensor, grid_hw: torch.Size) -> Tensor:
        """M×16N masks, each position's 4×4 in a row, to M×4h×4w."""
        blocks = masks.reshape(len(masks), *grid_hw, 2, 2, 2, 2)  # h, w, first 2×2, second 2×2
        return blocks.permute(0, 1, 3, 5, 2, 4, 6).reshape(len(masks), 4 * grid_hw[0], 4 * grid_hw[1])


def _as_matrix(weight: Tensor) -> Tensor:
    """Weight C×C'×2×2 of a transposed convolution as C × 4C'."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _key_position(attention: Attention, position: Tensor) -> Tensor:
    """``W_k P`` per head, H×N×d; the bias is left out since the softmax cancels it."""
    return _heads(position @ attention.k_proj.weight.T, attention.num_heads)


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
