"""Attention between a point's few tokens and the picture's thousands, with the projections folded into the few.

Upstream projects the image tokens anew for every point, though a point has only seven tokens of its own. With tokens
``x``, image tokens ``Y`` and their positional code ``P``, head ``h``,

* token to image, scores: ``(W_q x)_h · W_k,h (Y + P) = (W_k,hᵀ (W_q x)_h) · Y + (W_q x)_h · W_k,h P``; the bias of
  ``W_k`` adds the same to every score of a token, which the softmax cancels;
* token to image, output: ``softmax(S) (W_v,h Y) = W_v,h (softmax(S) Y)``: pool first, project seven vectors after;
* image to token: ``W_q`` folds into the keys and ``W_out`` into the values, with its bias shared among the heads, whose
  weights each sum to one.

A point's image tokens change in every layer, and a CPU's cache holds those of a few points. So a layer's taking up and
the next one's gathering are one sweep: a point's image tokens take up, are normalised and gathered from before the next
point's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor

from automask_ui.engine.scratch import Scratch

__all__ = ["Gathering", "TakingUp", "gather", "heads_first", "products", "scaled_heads", "sweep"]


@dataclass(frozen=True)
class Scores:
    """What the scores of a point's tokens with image tokens ``Y`` are made of: ``tokens · position + folded · Y``."""

    tokens: Tensor  # B×H×T×d float32
    position: Tensor  # H×d×N: what does not depend on the point
    folded: Tensor | None = None  # B×HT×C: the tokens with Y's projection; none where ``position`` says it all

    @classmethod
    def folding(cls, tokens: Tensor, weight: Tensor, position: Tensor) -> Scores:
        """Scores with image tokens that ``weight`` (Hd×C) would project."""
        folded = torch.einsum("bhtd,hdc->bhtc", tokens, _by_head(weight, tokens.shape[1]))
        return cls(tokens, position, folded.flatten(1, 2).to(position.dtype))

    def of(self, keys: Tensor, points: slice, scratch: Scratch) -> Tensor:
        """B×H×T×N scores with those points' image tokens (B×N×C); valid until the next."""
        tokens = self.tokens[points]
        scores = products(tokens, self.position, scratch).transpose(0, 1)
        if self.folded is None:
            return scores
        if len(tokens) > 1:
            scores = scratch.take("scores", scores.shape, scores).copy_(scores)
        scores.view(len(tokens), -1, scores.shape[3]).baddbmm_(self.folded[points], keys.transpose(1, 2))
        return scores


class Gathering:
    """Tokens that gather from image tokens, some points after others."""

    def __init__(self, attention: Attention, queries: Tensor, position: Tensor) -> None:
        self._attention = attention
        tokens = scaled_heads(attention, attention.q_proj(queries))
        self._scores = Scores.folding(tokens, attention.k_proj.weight, position)
        self._pooled: list[Tensor] = []

    def add(self, keys: Tensor, points: slice, scratch: Scratch) -> None:
        """Gather from those points' image tokens (B×N×C), which follow on the points before."""
        weights = scratch.softmax(self._scores.of(keys, points, scratch).flatten(1, 2), dim=2)
        self._pooled.append((weights @ keys).float())

    def result(self) -> Tensor:
        """What the tokens gathered, B×T×C, projected."""
        attention, tokens = self._attention, self._scores.tokens
        pooled = torch.cat(self._pooled).unflatten(1, tokens.shape[1:3])  # B×H×T×C
        values = torch.einsum("bhtc,hdc->bhtd", pooled, _by_head(attention.v_proj.weight, attention.num_heads))
        return attention.out_proj(values.transpose(1, 2).flatten(2) + attention.v_proj.bias)


class TakingUp:
    """What image tokens take up from the tokens of their point at the end of a block, and the normalisation after it.

    Args:
        block: the block; its attention from image to token is used.
        queries: B×T×C, the points' tokens after the block.
        point_tokens: B×T×C, what they were at first.
        position: H×d×N, queries of the image tokens as far as they do not depend on the point.
        shared: N×C, the image tokens before, where they are the same for all points and ``position`` holds their
            queries whole.
    """

    def __init__(
        self,
        block: TwoWayAttentionBlock,
        queries: Tensor,
        point_tokens: Tensor,
        position: Tensor,
        shared: Tensor | None = None,
    ) -> None:
        back = block.cross_attn_image_to_token
        tokens = scaled_heads(back, back.k_proj(queries + point_tokens))
        folding = shared is None
        self._scores = Scores.folding(tokens, back.q_proj.weight, position) if folding else Scores(tokens, position)
        values = torch.einsum(
            "bhtd,hdc->bhtc",
            _heads_of_batch(back.v_proj(queries), back.num_heads),
            _by_head(back.out_proj.weight.T, back.num_heads),
        )
        self._values = (values + back.out_proj.bias / back.num_heads).flatten(1, 2).to(position.dtype)  # B×HT×C
        self._shared = shared
        self._norm = block.norm4

    def into(self, keys: Tensor, points: slice, scratch: Scratch) -> None:
        """Update those points' image tokens (B×N×C), in place."""
        weights = scratch.softmax(self._scores.of(keys, points, scratch), dim=2).flatten(1, 2)
        before = keys if self._shared is None else self._shared.expand_as(keys)
        torch.baddbmm(before, weights.transpose(1, 2), self._values[points], out=keys)
        scratch.layer_norm_(keys, self._norm)


def sweep(keys: Tensor, taking_up: TakingUp, gathering: Gathering, scratch: Scratch) -> Tensor:
    """Image tokens ``keys`` (B×N×C, overwritten) take up, then tokens gather from them: B×T×C."""
    for points in _together(keys):
        taking_up.into(keys[points], points, scratch)
        gathering.add(keys[points], points, scratch)
    return gathering.result()


def gather(keys: Tensor, gathering: Gathering, scratch: Scratch) -> Tensor:
    """Tokens gather from image tokens (B×N×C) that stay as they are: B×T×C."""
    for points in _together(keys):
        gathering.add(keys[points], points, scratch)
    return gathering.result()


def _together(keys: Tensor) -> Iterator[slice]:
    """Points (rows of B×N×C) whose image tokens are worked on together: one on a CPU, all on a GPU."""
    step = 1 if keys.device.type == "cpu" else len(keys)
    return (slice(begin, begin + step) for begin in range(0, len(keys), step))


def products(tokens: Tensor, image: Tensor, scratch: Scratch) -> Tensor:
    """Every token (B×H×T×d) with every image token (H×d×N), in the latter's type: H×B×T×N, valid until the next."""
    batch, heads, count, _ = tokens.shape
    result = scratch.take("products", (heads, batch * count, image.shape[2]), image)
    torch.bmm(tokens.transpose(0, 1).flatten(1, 2).to(image.dtype), image, out=result)
    return result.unflatten(1, (batch, count))


def heads_first(x: Tensor, heads: int) -> Tensor:
    """N×Hd to H×N×d."""
    return x.unflatten(-1, (heads, -1)).transpose(0, 1).contiguous()


def scaled_heads(attention: Attention, x: Tensor) -> Tensor:
    """Projected tokens B×T×Hd to B×H×T×d, divided by √d."""
    tokens = _heads_of_batch(x, attention.num_heads)
    return tokens / math.sqrt(tokens.shape[-1])


def _heads_of_batch(x: Tensor, heads: int) -> Tensor:
    """B×T×Hd to B×H×T×d."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _by_head(weight: Tensor, heads: int) -> Tensor:
    """Weight Hd×C to H×d×C."""
    return weight.unflatten(0, (heads, -1))
