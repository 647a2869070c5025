"""The image tokens of many points of one picture, never written down: only what is asked of them is computed.

The transformer changes a point's thousands of image tokens in every block: each takes up a weighted sum of a few
vectors, and is normalised. So after some blocks, a point's N image tokens of width C are

    K = s ∘ X + Uᵀ V

with ``X`` (N×C) the same for all points of the picture; ``s`` (N) what the normalisations left of it; ``U`` (R×N) the
weights of all that was taken up; ``V`` (R×C) the few vectors themselves. Whatever is asked of the image tokens follows
from that, with the projections ``W`` of upstream's attentions folded into the few:

* scores of a token ``t`` of width d: ``t · W K = s ∘ (t · W X) + (t W Vᵀ) U``, and ``W X`` is shared by all points;
* what a token gathers with weights ``p``: ``W (p · K) = (p ∘ s) · W X + W ((p Uᵀ) V)``;
* the variance of a layer norm, where X and V have mean 0 over their width:
  ``|K|² = s² ∘ |X|² + Σ_r U ∘ (2 s ∘ (V Xᵀ) + (V Vᵀ) U)``, and V's dot products with X are again ``v · W X``, W X
  shared, since V came from tokens of width d through one projection;
* a layer norm then divides s and U by the standard deviation, multiplies X and V by its weight, and its bias is one
  more vector that every image token takes up once.

The weights with which an image token takes up from a head's tokens add up to 1, so the last token's is what the others
leave: it is taken up by all alike, and the others' vectors are differences from it. Biases that add the same to every
score of a softmax are left out.

All of this is done for one tile of the picture after the other, since only a softmax over the image tokens needs them
all, and those of tiles can be joined.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn

from automask_ui.engine.scratch import Scratch
from automask_ui.engine.shared_tokens import Block, Seen, SharedTokens, Sight, by_head, centred

__all__ = ["ImageTokens"]


@dataclass(frozen=True)
class _Tokens:
    """A point's own tokens as an attention with image tokens sees them."""

    heads: Tensor  # B×H×T×d, divided by √d
    folded: Tensor | None  # B×HT×R: their dot products with V; none before image tokens have changed


@dataclass(frozen=True)
class _Change:
    """What image tokens take up in a block, the same for all tiles."""

    index: int  # of the block
    tokens: _Tokens
    offered: Sequence[Tensor]  # for this and each earlier block, B×H×T×d: differences from the last token, and that
    gram: Tensor  # B×R×R: mean products of V's rows; those of this block with earlier ones doubled
    earlier: int  # rows of V from earlier blocks
    eps: float  # of the norm


class ImageTokens:
    """The image tokens of B points; valid until the same thread makes others.

    Args:
        tiles: what the points have in common, for one part of the picture after the other.
        batch: B.
        tokens: how many tokens a point has of its own.
        scratch: memory to work in.
    """

    def __init__(self, tiles: Sequence[SharedTokens], batch: int, tokens: int, scratch: Scratch) -> None:
        rows = sum(len(block.queries.fixed) * (tokens - 1) + 1 for block in tiles[0].blocks) + 1
        counts = [len(shared.tokens) for shared in tiles]
        weights = scratch.take("weights", (batch * rows * sum(counts),), tiles[0].tokens)
        parts = weights.split([batch * rows * count for count in counts])
        self._tiles = [
            _Tile(shared, part.view(batch, rows, -1), scratch) for shared, part in zip(tiles, parts, strict=True)
        ]
        self._vectors = weights.new_zeros(batch, 1, tiles[0].tokens.shape[1], dtype=torch.float32)  # V
        self._offered: list[Tensor] = []
        self._pending: _Change | None = None

    def gather(self, index: int, attention: Attention, queries: Tensor) -> Tensor:
        """What ``queries`` (B×T×C) gather from the image tokens in a block (or after the last): B×T×C, projected."""
        tokens = self._as_seen(attention, attention.q_proj(queries), attention.k_proj)
        found = [tile.gather(index, tokens) for tile in self._changed_tiles()]
        # Each tile's softmax is of its own image tokens; its share in that of all is the softmax of the tiles' sums.
        shares = torch.stack([tile.logsumexp for tile in found]).softmax(dim=0)
        values = sum(share * tile.values for share, tile in zip(shares, found, strict=True))
        if tokens.folded is not None:
            taken = sum(share.flatten(1, 2) * tile.taken for share, tile in zip(shares, found, strict=True))
            pooled = (taken @ self._vectors).unflatten(1, values.shape[1:3])
            values = values + torch.einsum("bhtc,hdc->bhtd", pooled, by_head(attention.v_proj.weight, values.shape[1]))
        return attention.out_proj(values.transpose(1, 2).flatten(2) + attention.v_proj.bias)

    def take_up(self, attention: Attention, norm: nn.LayerNorm, keys: Tensor, offers: Tensor) -> None:
        """Image tokens take up from their point's tokens what ``offers`` (B×T×C) they have, and are normalised.

        ``keys`` (B×T×C) are those tokens as the attention sees them.
        """
        tokens = self._as_seen(attention, attention.k_proj(keys), attention.q_proj)
        offered = _heads_of_batch(attention.v_proj(offers), attention.num_heads)
        last = offered[:, :, -1:]
        others = offered[:, :, :-1] - last
        vectors = torch.einsum("bhtd,hdc->bhtc", others, by_head(attention.out_proj.weight.T, attention.num_heads))
        # What all take up alike joins the bias of the norm before.
        self._vectors[:, -1] += attention.out_proj(last.flatten(1))
        earlier = self._vectors.shape[1]
        self._vectors = centred(torch.cat([self._vectors, vectors.flatten(1, 2)], dim=1))
        self._offered.append(torch.cat([others, last], dim=2))

        gram = self._vectors @ self._vectors.transpose(1, 2) / self._vectors.shape[2]
        # Products of earlier rows with those of this block come twice: once, doubled, is enough.
        gram[:, earlier:, :earlier] *= 2
        self._pending = _Change(len(self._offered) - 1, tokens, list(self._offered), gram, earlier, norm.eps)
        bias = norm.bias.expand(len(gram), 1, -1)
        self._vectors = torch.cat([self._vectors * norm.weight, bias], dim=1)

    def through(
        self, points: slice | Tensor, weight: Tensor, bias: Tensor, shared: Sequence[Tensor], width: int
    ) -> Iterator[Tensor]:
        """What the linear layer of ``weight`` (C×D) and ``bias`` makes of image tokens of some points.

        Args:
            points: which.
            weight, bias: the layer's.
            shared: for each tile, h×w×D: what the weight makes of X, on the part of its grid that is asked for.
            width: of the grid of image tokens.

        Yields:
            B×hw×D for each tile, valid until the next.
        """
        vectors = (self._vectors[points] @ weight.float()).to(weight.dtype)
        for tile, part in zip(self._changed_tiles(), shared, strict=False):
            yield tile.through(points, vectors, bias, part, width)

    def _as_seen(self, attention: Attention, projected: Tensor, image: nn.Linear) -> _Tokens:
        """Projected tokens B×T×Hd for an attention that projects image tokens with ``image``."""
        heads = _heads_of_batch(projected, attention.num_heads)
        heads = heads / math.sqrt(heads.shape[-1])
        if not self._offered:
            return _Tokens(heads, None)
        folded = torch.einsum("bhtd,hdc->bhtc", heads, by_head(image.weight, attention.num_heads))
        return _Tokens(heads, folded.flatten(1, 2) @ self._vectors.transpose(1, 2))

    def _changed_tiles(self) -> Iterator[_Tile]:
        """The tiles, each once the last change has come to it: what it needs for both is in the cache then."""
        change, self._pending = self._pending, None
        for tile in self._tiles:
            if change is not None:
                tile.take_up(change)
            yield tile


@dataclass(frozen=True)
class _Found:
    """What tokens gather from a tile of the image tokens alone."""

    values: Tensor  # B×H×T×d
    taken: Tensor | None  # B×HT×R: how much of each row of V
    logsumexp: Tensor  # B×H×T×1: of the scores


class _Tile:
    """The image tokens of B points on one part of the picture.

    Args:
        shared: what the points have in common there.
        weights: B×R×N, memory for U at its largest.
        scratch: memory to work in.
    """

    def __init__(self, shared: SharedTokens, weights: Tensor, scratch: Scratch) -> None:
        self._shared = shared
        self._scratch = scratch
        self._scale = weights.new_ones(len(weights), weights.shape[2], dtype=torch.float32)  # s
        self._weights = weights  # U
        self._weights[:, 0] = 1
        self._rows = 1  # of U, in use

    @property
    def _taken(self) -> Tensor:
        """The rows of U that are in use: B×R×N."""
        return self._weights[:, : self._rows]

    def gather(self, index: int, tokens: _Tokens) -> _Found:
        """What tokens gather in a block, or after the last."""
        seen: Seen = [*self._shared.blocks, self._shared.last][index]
        scores = self._scores(seen.keys, tokens)
        largest = scores.amax(dim=3, keepdim=True).float()
        weights = _softmax_(scores, dim=3)
        logsumexp = largest - weights.amax(dim=3, keepdim=True).float().log()
        taken = None if tokens.folded is None else (weights.flatten(1, 2) @ self._taken.transpose(1, 2)).float()
        by_heads = weights.transpose(0, 1)  # H×B×T×N
        if seen.keys.scaled is not None:
            scaled = self._scratch.take("products", by_heads.shape, by_heads)
            by_heads = torch.mul(by_heads, self._scale.to(weights.dtype)[:, None], out=scaled)
        values = (by_heads.flatten(1, 2) @ seen.values).float().unflatten(1, (len(scores), -1)).transpose(0, 1)
        return _Found(values, taken, logsumexp)

    def take_up(self, change: _Change) -> None:
        """Image tokens take up what a block offers, and are normalised."""
        block = self._shared.blocks[change.index]
        scores = self._scores(block.queries, change.tokens)
        weights = _softmax_(scores, dim=2)[:, :, :-1]
        self._rows = change.gram.shape[1]
        self._taken[:, change.earlier :].unflatten(1, weights.shape[1:3]).copy_(weights)
        rstd = torch.rsqrt(self._mean_square(block, change) + change.eps)
        self._scale *= rstd
        self._taken.mul_(rstd[:, None].to(weights.dtype))
        self._weights[:, self._rows] = 1
        self._rows += 1

    def through(self, points: slice | Tensor, vectors: Tensor, bias: Tensor, shared: Tensor, width: int) -> Tensor:
        """``ImageTokens.through`` for this tile; ``vectors`` is what its weight makes of V."""
        shown = (slice(None), slice(None), slice(shared.shape[0]), slice(shared.shape[1]))
        weights = self._taken[points].unflatten(2, (-1, width))[shown]
        scale = self._scale[points, None].unflatten(2, (-1, width))[shown].to(shared.dtype)
        tokens = self._scratch.take("tokens", (len(scale), *shared.shape), shared)
        torch.addcmul(bias, scale[:, 0, ..., None], shared, out=tokens)
        return tokens.flatten(1, 2).baddbmm_(weights.flatten(2).transpose(1, 2), vectors)

    def _scores(self, sight: Sight, tokens: _Tokens) -> Tensor:
        """Scores B×H×T×N of tokens with the image tokens; valid until the next."""
        if sight.scaled is None or tokens.folded is None:
            return self._products(tokens.heads, sight.fixed)
        scores = self._scratch.take("scores", (*tokens.heads.shape[:3], sight.fixed.shape[2]), sight.fixed)
        torch.mul(self._products(tokens.heads, sight.scaled), self._scale[:, None, None].to(scores.dtype), out=scores)
        scores += self._products(tokens.heads, sight.fixed)
        scores.flatten(1, 2).baddbmm_(tokens.folded.to(scores.dtype), self._taken)
        return scores

    def _products(self, tokens: Tensor, image: Tensor) -> Tensor:
        """Every token (B×H×T×d) with every image token (H×d×N): B×H×T×N, valid until the next."""
        batch, heads, count, _ = tokens.shape
        products = self._scratch.take("products", (heads, batch * count, image.shape[2]), image)
        torch.bmm(tokens.transpose(0, 1).flatten(1, 2).to(image.dtype), image, out=products)
        return products.unflatten(1, (batch, count)).transpose(0, 1)

    def _mean_square(self, block: Block, change: _Change) -> Tensor:
        """Mean square of every image token over its width, B×N."""
        taken, earlier = self._taken, change.earlier
        # A row of U adds U ∘ (2 s ∘ (V Xᵀ) + (V Vᵀ) U).
        parts = self._dots_with_shared(block, change).mul_(2 * self._scale[:, None].to(taken.dtype))
        gram = change.gram.to(taken.dtype)
        parts[:, :earlier].baddbmm_(gram[:, :earlier, :earlier], taken[:, :earlier])
        parts[:, earlier:].baddbmm_(gram[:, earlier:], taken)
        squares = self._scale.square() * block.power + parts.mul_(taken).sum(dim=1, dtype=torch.float32)
        # Where all cancels, rounding can leave less than nothing.
        return squares.clamp_min_(0)

    def _dots_with_shared(self, block: Block, change: _Change) -> Tensor:
        """Mean over the width of V's products with X: B×R×N, valid until the next."""
        dots = self._scratch.take("dots", self._taken.shape, self._taken)
        end = 0
        for offered, likeness, constant in zip(change.offered, block.likeness, block.constants, strict=True):
            products = self._products(offered, likeness)
            # First what all take up alike.
            torch.add(products[:, :, -1].sum(dim=1), constant, out=dots[:, end])
            begin, end = end + 1, end + 1 + offered.shape[1] * (offered.shape[2] - 1)
            dots[:, begin:end].unflatten(1, (offered.shape[1], -1)).copy_(products[:, :, :-1])
        return dots


def _softmax_(scores: Tensor, dim: int) -> Tensor:
    """Softmax of B×H×T×N in place, whether points or heads come first in memory; ``dim`` is 2 or 3."""
    lying = scores if scores.is_contiguous() else scores.transpose(0, 1)
    torch.softmax(lying, dim, out=lying)
    return scores


def _heads_of_batch(x: Tensor, heads: int) -> Tensor:
    """B×T×Hd to B×H×T×d."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)
