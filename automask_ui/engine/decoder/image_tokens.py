"""The image tokens of many points of one picture, as a product of small factors instead of N×C numbers a point.

The transformer changes a point's thousands of image tokens in every block: each takes up a weighted sum of a few
vectors, and is normalised. So after some blocks, a point's N image tokens of width C are

    K = r ∘ (X + Uᵀ V)

with ``X`` (N×C) the same for all points of the picture; ``r`` (N) what the normalisations multiplied it by; ``U``
(R×N) the weights of all that was taken up; ``V`` (R×C) the few vectors themselves. Whatever is asked of the image
tokens follows from that, with the projections ``W`` of upstream's attentions folded into the few:

* scores of a token ``t`` of width d: ``t · W K = r ∘ (t · W X + (t W Vᵀ) U)``, and ``W X`` is shared by all points;
* what a token gathers with weights ``p``: ``W (p · K) = (p ∘ r) · W X + W ((p ∘ r) Uᵀ) V``;
* what is taken up with weights ``p`` joins U as ``p / r``, since r comes after;
* the variance of a layer norm, where X and V have mean 0 over their width:
  ``|K|² = r² ∘ (|X|² + Σ_r U ∘ (2 V Xᵀ + (V Vᵀ) U))``, and V's dot products with X are again ``v · W X``, W X shared,
  since V came from tokens of width d project one projection;
* a layer norm then divides r by the standard deviation, multiplies X and V by its weight, and its bias is one more
  vector that every image token takes up once.

The weights with which an image token takes up from a head's tokens add up to 1, so the last token's is what the others
leave: it is taken up by all alike, and the others' vectors are differences from it. Biases that add the same to every
score of a softmax are left out. Scores are to the base 2, whose powers are computed twice as fast as e's.

A mask as input is the first that image tokens take up: its code is a few vectors too (see ``mask_code``), so it needs
nothing of its own for the whole picture.

All of this is done for one tile of the picture after the other, since only a softmax over the image tokens needs them
all, and those of tiles can be joined. In memory a row of N lies for each head, each of its tokens, and each point, in
this order: so products with what all points share are of one matrix a head, and those with a point's own of one matrix
a point, whatever comes before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn

from automask_ui.engine.decoder.mask_code import MaskCode
from automask_ui.engine.decoder.shared_tokens import (
    SharedBlock,
    SharedKeysValues,
    SharedProjection,
    SharedTokens,
    by_head,
    centred,
)
from automask_ui.engine.runtime.scratch import Scratch

__all__ = ["ImageTokens"]


@dataclass(frozen=True)
class _Tokens:
    """A point's own tokens as an attention with image tokens sees them."""

    heads: Tensor  # H×T×B×d, so that their products are scores to the base 2
    folded: Tensor | None  # B×HT×R: their dot products with V; none before image tokens have changed


@dataclass(frozen=True)
class _Change:
    """Update of the image tokens in one block, the same for all tiles."""

    index: int  # of the block
    tokens: _Tokens  # differences from the last token
    offered: Sequence[_Offered]  # in this and each earlier block
    gram: Tensor  # B×R×R: mean products of V's rows; those of this block with earlier ones doubled
    earlier: int  # rows of V from earlier blocks
    eps: float  # of the norm


@dataclass(frozen=True)
class _Offered:
    """Values that a point's tokens add to image tokens in one block, before the output projection."""

    last: Tensor  # B×Hd: the last token's, which all take up
    others: Tensor  # H×T×B×d: differences from it


class ImageTokens:
    """The image tokens of B points; valid until the same thread makes others.

    Args:
        tiles: what the points have in common, for one part of the picture after the other.
        batch: B.
        tokens: how many tokens a point has of its own.
        scratch: memory to work in.
        mask: the code of a mask as input, of each point or of all; None for none.
    """

    def __init__(
        self, tiles: Sequence[SharedTokens], batch: int, tokens: int, scratch: Scratch, mask: MaskCode | None = None
    ) -> None:
        mask_rows = 0 if mask is None else len(mask.vectors)
        rows = mask_rows + sum(len(block.queries.fixed) * (tokens - 1) + 1 for block in tiles[0].blocks) + 1
        counts = [len(shared.tokens) for shared in tiles]
        weights = scratch.take("weights", (rows * batch * sum(counts),), tiles[0].tokens)
        parts = weights.split([rows * batch * count for count in counts])
        self._tiles = [
            _Tile(shared, part.view(rows, batch, -1), scratch) for shared, part in zip(tiles, parts, strict=True)
        ]
        self._vectors = weights.new_zeros(batch, mask_rows + 1, tiles[0].tokens.shape[1], dtype=torch.float32)  # V
        if mask is not None:
            self._vectors[:, :mask_rows] = mask.vectors
            for tile, taken in zip(self._tiles, mask.weights.flatten(2).split(counts, dim=2), strict=True):
                tile.begin_with(taken)
        self._offered: list[_Offered] = []
        self._pending: _Change | None = None

    def gather(self, index: int, attention: Attention, queries: Tensor) -> Tensor:
        """Attend from ``queries`` (B×T×C) to the image tokens of a block (or after the last): B×T×C, projected."""
        tokens = self._attention_tokens(attention.q_proj(queries), attention.num_heads, attention.k_proj)
        found = [tile.gather(index, tokens) for tile in self._changed_tiles()]
        # Each tile's softmax is of its own image tokens, from its own largest score.
        largest = torch.stack([tile.largest for tile in found])
        shares = torch.exp2(largest - largest.amax(dim=0))
        total = sum(share * tile.total for share, tile in zip(shares, found, strict=True))
        shares = shares / total
        values = sum(share * tile.values for share, tile in zip(shares, found, strict=True))
        if tokens.folded is not None:
            # H×T×B×1 to B×HT×1.
            taken = sum(
                share.flatten(0, 1).transpose(0, 1) * tile.taken for share, tile in zip(shares, found, strict=True)
            )
            pooled = (taken @ self._vectors).unflatten(1, values.shape[:2])
            values = values + torch.einsum("bhtc,hdc->htbd", pooled, by_head(attention.v_proj.weight, len(values)))
        return attention.out_proj(values.permute(2, 1, 0, 3).flatten(2) + attention.v_proj.bias)

    def take_up(self, attention: Attention, norm: nn.LayerNorm, keys: Tensor, offers: Tensor) -> None:
        """Attend from the image tokens to their point's tokens (values ``offers``, B×T×C), add, and normalise.

        ``keys`` (B×T×C) are those tokens as the attention sees them.
        """
        heads = attention.num_heads
        keys, offers = attention.k_proj(keys), attention.v_proj(offers)
        last = offers[:, -1]
        offered = _Offered(last, _by_heads(_differences(offers), heads))
        tokens = self._attention_tokens(_differences(keys), heads, attention.q_proj)
        vectors = torch.einsum("htbd,hdc->bhtc", offered.others, by_head(attention.out_proj.weight.T, heads))
        # What all take up alike joins the bias of the norm before.
        self._vectors[:, -1] += attention.out_proj(last)
        earlier = self._vectors.shape[1]
        self._vectors = centred(torch.cat([self._vectors, vectors.flatten(1, 2)], dim=1))
        self._offered.append(offered)

        gram = self._vectors @ self._vectors.transpose(1, 2) / self._vectors.shape[2]
        # Products of earlier rows with those of this block come twice: once, doubled, is enough.
        gram[:, earlier:, :earlier] *= 2
        self._pending = _Change(len(self._offered) - 1, tokens, list(self._offered), gram, earlier, norm.eps)
        bias = norm.bias.expand(len(gram), 1, -1)
        self._vectors = torch.cat([self._vectors * norm.weight, bias], dim=1)

    def vectors_through(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Apply a linear layer, ``weight`` (C×D) and ``bias``, to V: B×D×R, to `project` with."""
        vectors = self._vectors @ weight.float()
        # The last row of V is what is taken up with weight 1 / r.
        vectors[:, -1] += bias
        return vectors.to(weight.dtype).transpose(1, 2)

    def project(
        self, points: slice | Tensor, vectors: Tensor, shared: Sequence[Tensor], width: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Apply a linear layer to the image tokens of some points, and divide by r.

        Args:
            points: which.
            vectors: what `vectors_through` makes of the layer.
            shared: for each tile, D×h×w: what its weight makes of X, on the part of its grid that is asked for.
            width: of the grid of image tokens.

        Yields:
            B×D×hw and 1 / r, B×1×hw, for each tile, valid until the next.
        """
        for tile, part in zip(self._changed_tiles(), shared, strict=False):
            yield tile.project(points, vectors[points], part, width)

    def _attention_tokens(self, projected: Tensor, heads: int, image: nn.Linear) -> _Tokens:
        """Prepare projected tokens (B×T×Hd) for an attention that projects image tokens with ``image``."""
        tokens = _by_heads(projected, heads)
        tokens = tokens / (math.sqrt(tokens.shape[-1]) * math.log(2))
        if self._vectors.shape[1] == 1:
            return _Tokens(tokens, None)
        folded = torch.einsum("htbd,hdc->bhtc", tokens, by_head(image.weight, heads))
        return _Tokens(tokens, folded.flatten(1, 2) @ self._vectors.transpose(1, 2))

    def _changed_tiles(self) -> Iterator[_Tile]:
        """Yield the tiles, each after the pending update: its numbers are in the CPU's cache for both."""
        change, self._pending = self._pending, None
        for tile in self._tiles:
            if change is not None:
                tile.take_up(change)
            yield tile


@dataclass(frozen=True)
class _TileAttention:
    """One tile's part of an attention to image tokens, with weights 2 to the power of (score - largest score)."""

    largest: Tensor  # H×T×B×1: of the scores
    total: Tensor  # H×T×B×1: of the weights
    values: Tensor  # H×T×B×d
    taken: Tensor | None  # B×HT×R: how much of each row of V


class _Tile:
    """The image tokens of B points on one part of the picture.

    Args:
        shared: what the points have in common there.
        weights: R×B×N, memory for U at its largest.
        scratch: memory to work in.
    """

    def __init__(self, shared: SharedTokens, weights: Tensor, scratch: Scratch) -> None:
        self._shared = shared
        self._scratch = scratch
        self._scale = weights.new_ones(weights.shape[1:], dtype=torch.float32)  # r
        self._weights = weights  # U; the last of its rows in use is 1 / r, the weight of a norm's bias
        self._weights[0] = 1
        self._rows = 1  # of U, in use

    def begin_with(self, taken: Tensor) -> None:
        """Let the image tokens, which nothing has changed yet, take up a mask's code: B×M×N, or the same for all."""
        self._rows = 1 + taken.shape[1]
        self._weights[: self._rows - 1] = taken.transpose(0, 1)
        self._weights[self._rows - 1] = 1

    @property
    def _used_weights(self) -> Tensor:
        """The rows of U that are in use: B×R×N."""
        return self._weights[: self._rows].transpose(0, 1)

    def gather(self, index: int, tokens: _Tokens) -> _TileAttention:
        """Attend from tokens to this tile in a block, or after the last."""
        seen: SharedKeysValues = [*self._shared.blocks, self._shared.last][index]
        scores = self._scores(seen.keys, tokens)
        largest = scores.amax(dim=3, keepdim=True)
        weights = scores.sub_(largest).exp2_()
        total = weights.sum(dim=3, keepdim=True, dtype=torch.float32)
        taken = None
        if tokens.folded is not None:
            weights *= self._scale.to(weights.dtype)
            taken = (weights.flatten(0, 1).transpose(0, 1) @ self._used_weights.transpose(1, 2)).float()
        values = (weights.flatten(1, 2) @ seen.values).float().unflatten(1, weights.shape[1:3])
        return _TileAttention(largest.float(), total, values, taken)

    def take_up(self, change: _Change) -> None:
        """Add a block's update to this tile's image tokens, and normalise them."""
        block = self._shared.blocks[change.index]
        scores = self._scores(block.queries, change.tokens)
        # A softmax over a head's tokens, where the last token's score, from which all are differences, is 0.
        largest = scores.amax(dim=1, keepdim=True).clamp_(min=0)
        weights = scores.sub_(largest).exp2_()
        total = weights.sum(dim=1, keepdim=True).add_(largest.neg_().exp2_())
        rows = self._weights[self._rows : change.gram.shape[1]]
        torch.mul(weights, self._weights[self._rows - 1] / total, out=rows.unflatten(0, weights.shape[:2]))
        self._rows = change.gram.shape[1] + 1
        square = self._scale.square() * self._mean_square(block, change)
        self._scale *= torch.rsqrt(square + change.eps)
        torch.reciprocal(self._scale, out=self._weights[self._rows - 1])

    def project(self, points: slice | Tensor, vectors: Tensor, shared: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Apply a linear layer to this tile, as ``ImageTokens.project``; ``vectors``, B×D×R, is what it makes of V."""
        shown = (..., slice(shared.shape[1]), slice(shared.shape[2]))
        weights = self._used_weights[points].unflatten(2, (-1, width))[shown].flatten(2)
        projected = self._scratch.take("projected", (len(weights), len(shared), weights.shape[2]), shared)
        torch.baddbmm(shared.flatten(1), vectors, weights, out=projected)
        return projected, weights[:, -1:]

    def _scores(self, sight: SharedProjection, tokens: _Tokens) -> Tensor:
        """Compute the scores (H×T×B×N) of tokens with their points' image tokens; valid until the next call."""
        scores = self._scratch.take("scores", (*tokens.heads.shape[:3], sight.fixed.shape[2]), sight.fixed)
        _multiply(tokens.heads, sight.fixed if sight.scaled is None else sight.scaled, out=scores)
        if tokens.folded is not None:
            scores.flatten(0, 1).transpose(0, 1).baddbmm_(tokens.folded.to(scores.dtype), self._used_weights)
        if sight.scaled is None:  # in the first block, where r is 1
            return scores
        fixed = _multiply(tokens.heads, sight.fixed, out=self._scratch.take("products", scores.shape, scores))
        return torch.addcmul(fixed, scores, self._scale.to(scores.dtype), out=scores)

    def _mean_square(self, block: SharedBlock, change: _Change) -> Tensor:
        """Compute the mean square of X + UᵀV over its width: B×N."""
        earlier, gram = change.earlier, change.gram.to(self._weights.dtype)
        taken = self._weights[: len(gram[0])]
        # A row of U adds U ∘ (2 V Xᵀ + (V Vᵀ) U).
        parts = self._scratch.take("products", taken.shape, taken)
        self._dots_with_shared(block, change, out=parts)
        by_point, taken_by_point = parts.transpose(0, 1), taken.transpose(0, 1)
        by_point[:, :earlier].baddbmm_(gram[:, :earlier, :earlier], taken_by_point[:, :earlier])
        by_point[:, earlier:].baddbmm_(gram[:, earlier:], taken_by_point)
        squares = block.power + parts.mul_(taken).sum(dim=0, dtype=torch.float32)
        # Where all cancels, rounding can leave less than nothing.
        return squares.clamp_min_(0)

    def _dots_with_shared(self, block: SharedBlock, change: _Change, out: Tensor) -> None:
        """Compute twice the mean over the width of V's products with X, into ``out`` (R×B×N)."""
        # The rows of a mask as input come first; an update has one for its bias.
        end = len(out) - sum(1 + offered.others.shape[0] * offered.others.shape[1] for offered in change.offered)
        torch.mul(block.mask_dots[:end, None].expand_as(out[:end]), 2, out=out[:end])
        for offered, likeness, constant in zip(change.offered, block.likeness, block.constants, strict=True):
            begin, end = end, end + 1 + offered.others.shape[0] * offered.others.shape[1]
            _multiply(2 * offered.others, likeness, out=out[begin + 1 : end].unflatten(0, offered.others.shape[:2]))
            # What all take up alike comes first.
            last = offered.last.to(out.dtype)
            torch.addmm(constant, last, likeness.flatten(0, 1), beta=2, alpha=2, out=out[begin])


def _multiply(tokens: Tensor, image: Tensor, out: Tensor) -> Tensor:
    """Multiply every token (H×T×B×d) with every image token (H×d×N), into ``out`` (H×T×B×N)."""
    torch.bmm(tokens.flatten(1, 2).to(image.dtype), image, out=out.flatten(1, 2))
    return out


def _differences(tokens: Tensor) -> Tensor:
    """Subtract the last token from the others: B×T×C to B×(T-1)×C."""
    return tokens[:, :-1] - tokens[:, -1:]


def _by_heads(x: Tensor, heads: int) -> Tensor:
    """B×T×Hd to H×T×B×d."""
    return x.unflatten(-1, (heads, -1)).permute(2, 1, 0, 3)
