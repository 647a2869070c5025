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

Biases that add the same to every score of a softmax are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from segment_anything.modeling.transformer import Attention, TwoWayTransformer
from torch import Tensor, nn

from automask_ui.engine.products import add_products_, times_transposed
from automask_ui.engine.scratch import Scratch

__all__ = ["ImageTokens", "Projected", "SharedTokens"]

# Rows of the grid of image tokens to what a layer makes of them, B×n×D, valid until the next.
Projected = Callable[[slice], Tensor]


@dataclass(frozen=True)
class _Sight:
    """One attention's keys (or queries) of the image tokens, as far as all points share them."""

    scaled: Tensor | None  # H×d×N: of X; a point multiplies it by s
    fixed: Tensor  # H×d×N: of the positional code; of X too, where no point has changed anything yet
    weight: Tensor  # H×d×C: folds into the tokens what they have in common with V

    @classmethod
    def of(cls, linear: nn.Linear, heads: int, shared: Tensor, position: Tensor, changed: bool, biased: bool) -> _Sight:
        """The projection ``linear`` of shared tokens (N×C) and their positional code (N×C)."""
        bias = linear.bias if biased else None
        scaled = _by_head(linear.weight @ shared.T, heads)
        fixed = _by_head(nn.functional.linear(position, linear.weight, bias).T, heads)
        weight = _by_head(linear.weight, heads)
        return cls(scaled, fixed, weight) if changed else cls(None, fixed + scaled, weight)


@dataclass(frozen=True)
class _Seen:
    """What tokens see of X, the image tokens' shared part, in an attention."""

    keys: _Sight
    values: Tensor  # H×N×d


@dataclass(frozen=True)
class _Layer(_Seen):
    """What all points of a picture share in one block."""

    queries: _Sight  # of the attention from image to tokens
    likeness: list[Tensor]  # for this and each earlier block, H×d×N: dot products of what is taken up with X
    constants: list[Tensor]  # for each earlier block, N: dot products of its norm's bias with X
    power: Tensor  # N: mean square of X over its width


class SharedTokens:
    """What all points of a picture have in common.

    Args:
        transformer: the mask decoder's.
        image_tokens: N×C float32, before the first block.
        position: N×C float32, their positional code.
        dtype: type of the large products.
    """

    def __init__(
        self, transformer: TwoWayTransformer, image_tokens: Tensor, position: Tensor, dtype: torch.dtype
    ) -> None:
        self.dtype = dtype
        self.layers: list[_Layer] = []
        shared, width = image_tokens, image_tokens.shape[1]
        factors: list[Tensor] = []  # for each block, H×d×C: takes what a head offers to what image tokens take up
        constants: list[Tensor] = []  # for each block, C: its norm's bias
        for block in transformer.layers:
            there, back = block.cross_attn_token_to_image, block.cross_attn_image_to_token
            changed = bool(self.layers)
            seen = self._seen(there, shared, position, changed)
            queries = _Sight.of(back.q_proj, back.num_heads, shared, position, changed, biased=True)
            factors.append(_by_head(back.out_proj.weight.T, back.num_heads))
            if changed:
                constants[-1] = constants[-1] + back.out_proj.bias
            else:
                shared = shared + back.out_proj.bias
            shared, *constants = (_centred(x) for x in (shared, *constants))
            likeness = [self._own(_centred(factor) @ (shared.T / width)) for factor in factors]
            dots = [self._own(shared @ constant / width) for constant in constants]
            power = shared.square().mean(dim=1)
            layer = _Layer(seen.keys, seen.values, self._sight(queries), likeness, dots, power)
            self.layers.append(layer)
            shared = shared * block.norm4.weight
            factors = [_centred(factor) * block.norm4.weight for factor in factors]
            constants = [*(constant * block.norm4.weight for constant in constants), block.norm4.bias]
        self.last = self._seen(transformer.final_attn_token_to_image, shared, position, True)
        self.tokens = self._own(shared)  # N×C: X after the last block

    def _seen(self, attention: Attention, shared: Tensor, position: Tensor, changed: bool) -> _Seen:
        keys = _Sight.of(attention.k_proj, attention.num_heads, shared, position, changed, biased=False)
        values = _by_head((shared @ attention.v_proj.weight.T).T, attention.num_heads).transpose(1, 2)
        return _Seen(self._sight(keys), self._own(values))

    def _sight(self, sight: _Sight) -> _Sight:
        scaled = None if sight.scaled is None else self._own(sight.scaled)
        return _Sight(scaled, self._own(sight.fixed), sight.weight)

    def _own(self, x: Tensor) -> Tensor:
        return x.to(self.dtype).contiguous()


class ImageTokens:
    """The image tokens of B points; valid until the same thread makes others.

    Args:
        shared: what the points have in common.
        batch: B.
        tokens: how many tokens a point has of its own.
        scratch: memory to work in.
    """

    def __init__(self, shared: SharedTokens, batch: int, tokens: int, scratch: Scratch) -> None:
        self._shared = shared
        self._scratch = scratch
        count, width = shared.tokens.shape
        rows = sum(len(layer.queries.fixed) * tokens + 1 for layer in shared.layers)
        self._scale = shared.tokens.new_ones(batch, count, dtype=torch.float32)  # s
        self._weights = scratch.take("weights", (batch, rows, count), shared.tokens)  # U
        self._vectors = self._scale.new_empty(batch, 0, width)  # V
        self._offers: list[Tensor] = []  # for each block, B×H×T×d: what its tokens offer to image tokens

    @property
    def _taken(self) -> Tensor:
        """The rows of U that are in use: B×R×N."""
        return self._weights[:, : self._vectors.shape[1]]

    def gather(self, seen: _Seen, attention: Attention, queries: Tensor) -> Tensor:
        """What ``queries`` (B×T×C) gather from the image tokens: B×T×C, projected."""
        heads, scratch = attention.num_heads, self._scratch
        scores = self._scores(seen.keys, _scaled_heads(attention, attention.q_proj(queries)))
        weights = scratch.softmax(scores, dim=3)
        by_head = weights.transpose(0, 1)  # H×B×T×N
        if seen.keys.scaled is not None:
            scaled = scratch.take("products", by_head.shape, by_head)
            by_head = torch.mul(by_head, self._scale.to(weights.dtype)[:, None], out=scaled)
        values = (by_head.flatten(1, 2) @ seen.values).float().unflatten(1, queries.shape[:2]).transpose(0, 1)
        if self._vectors.shape[1]:
            shares = times_transposed(weights.flatten(1, 2), self._taken).float()  # B×HT×R
            pooled = (shares @ self._vectors).unflatten(1, weights.shape[1:3])
            values = values + torch.einsum("bhtc,hdc->bhtd", pooled, _by_head(attention.v_proj.weight, heads))
        return attention.out_proj(values.transpose(1, 2).flatten(2) + attention.v_proj.bias)

    def take_up(self, layer: _Layer, attention: Attention, norm: nn.LayerNorm, keys: Tensor, offers: Tensor) -> None:
        """Image tokens take up from their point's tokens what ``offers`` (B×T×C) they have, and are normalised.

        ``keys`` (B×T×C) are those tokens as the attention sees them.
        """
        scores = self._scores(layer.queries, _scaled_heads(attention, attention.k_proj(keys)))
        offered = _heads_of_batch(attention.v_proj(offers), attention.num_heads)
        vectors = torch.einsum("bhtd,hdc->bhtc", offered, _by_head(attention.out_proj.weight.T, attention.num_heads))
        if self._vectors.shape[1]:
            # The last row is the bias of the norm before, which every image token takes up once, like this bias.
            self._vectors[:, -1] += attention.out_proj.bias
        taken = self._vectors.shape[1]
        self._vectors = torch.cat([self._vectors, vectors.flatten(1, 2)], dim=1)
        self._offers.append(offered)
        self._weights[:, taken : self._vectors.shape[1]] = self._scratch.softmax(scores, dim=2).flatten(1, 2)
        self._normalise(layer, norm)

    def through(
        self, points: slice | Tensor, weight: Tensor, bias: Tensor, shared: Tensor, shown_hw: tuple[int, int]
    ) -> Projected:
        """What the linear layer of ``weight`` (C×D) and ``bias`` makes of the image tokens of some points.

        Args:
            points: which.
            weight, bias: the layer's.
            shared: h×w×D, what the weight makes of X, on the grid of image tokens.
            shown_hw: the part of that grid that is asked for.
        """
        grid = shared.shape[:2]
        scale = self._scale[points].to(shared.dtype).unflatten(1, grid)[:, :, : shown_hw[1], None]
        weights = self._taken[points].unflatten(2, grid)[..., : shown_hw[1]]
        vectors = (self._vectors[points] @ weight.float()).to(shared.dtype)

        def project(rows: slice) -> Tensor:
            part = shared[rows, : shown_hw[1]]
            tokens = self._scratch.take("tokens", (len(scale), *part.shape), shared)
            torch.addcmul(bias, scale[:, rows], part, out=tokens)
            return add_products_(tokens.flatten(1, 2), weights[:, :, rows].flatten(2).transpose(1, 2), vectors)

        return project

    def _scores(self, sight: _Sight, tokens: Tensor) -> Tensor:
        """Scores B×H×T×N of tokens (B×H×T×d) with the image tokens; valid until the next."""
        scratch, shape = self._scratch, (*tokens.shape[:3], sight.fixed.shape[2])
        scores = scratch.take("scores", shape, sight.fixed)
        if sight.scaled is None:
            return scores.copy_(self._products(tokens, sight.fixed))
        scale = self._scale[:, None, None].to(scores.dtype)
        torch.mul(self._products(tokens, sight.scaled), scale, out=scores)
        scores += self._products(tokens, sight.fixed)
        # The tokens' dot products with V, B×HT×R.
        folded = torch.einsum("bhtd,hdc->bhtc", tokens, sight.weight).flatten(1, 2) @ self._vectors.transpose(1, 2)
        add_products_(scores.view(*folded.shape[:2], -1), folded.to(scores.dtype), self._taken)
        return scores

    def _products(self, tokens: Tensor, image: Tensor) -> Tensor:
        """Every token (B×H×T×d) with every image token (H×d×N): B×H×T×N, valid until the next."""
        batch, heads, count, _ = tokens.shape
        products = self._scratch.take("products", (heads, batch * count, image.shape[2]), image)
        torch.bmm(tokens.transpose(0, 1).flatten(1, 2).to(image.dtype), image, out=products)
        return products.unflatten(1, (batch, count)).transpose(0, 1)

    def _normalise(self, layer: _Layer, norm: nn.LayerNorm) -> None:
        """Layer norm of every image token."""
        vectors = _centred(self._vectors)
        rstd = torch.rsqrt(self._mean_square(layer, vectors) + norm.eps)
        self._scale = self._scale * rstd
        self._taken.mul_(rstd[:, None].to(self._shared.dtype))
        bias = norm.bias.expand(len(vectors), 1, -1)
        self._vectors = torch.cat([vectors * norm.weight, bias], dim=1)
        self._taken[:, -1] = 1

    def _mean_square(self, layer: _Layer, vectors: Tensor) -> Tensor:
        """Mean square of every image token over its width, B×N; ``vectors`` is V with mean 0 over that."""
        taken = self._taken
        # A row of U adds U ∘ (2 s ∘ (V Xᵀ) + (V Vᵀ) U).
        parts = self._dots_with_shared(layer).mul_(2 * self._scale[:, None].to(taken.dtype))
        gram = (vectors @ vectors.transpose(1, 2) / vectors.shape[2]).to(taken.dtype)
        # Products of earlier rows with those of this block come twice: once, doubled, is enough.
        earlier = taken.shape[1] - self._offers[-1].shape[1] * self._offers[-1].shape[2]
        gram[:, earlier:, :earlier] *= 2
        add_products_(parts[:, :earlier], gram[:, :earlier, :earlier], taken[:, :earlier])
        add_products_(parts[:, earlier:], gram[:, earlier:], taken)
        squares = self._scale.square() * layer.power + parts.mul_(taken).sum(dim=1, dtype=torch.float32)
        # Where all cancels, rounding can leave less than nothing.
        return squares.clamp_min_(0)

    def _dots_with_shared(self, layer: _Layer) -> Tensor:
        """Mean over the width of V's products with X: B×R×N, valid until the next."""
        dots = self._scratch.take("dots", self._taken.shape, self._taken)
        end = 0
        for block, (offered, likeness) in enumerate(zip(self._offers, layer.likeness, strict=True)):
            begin, end = end, end + offered.shape[1] * offered.shape[2]
            dots[:, begin:end].unflatten(1, offered.shape[1:3]).copy_(self._products(offered, likeness))
            if block < len(layer.constants):
                dots[:, end] = layer.constants[block]
                end += 1
        return dots


def _centred(x: Tensor) -> Tensor:
    """``x`` with mean 0 over its last axis."""
    return x - x.mean(dim=-1, keepdim=True)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """Hd×n to H×d×n."""
    return x.unflatten(0, (heads, -1))


def _heads_of_batch(x: Tensor, heads: int) -> Tensor:
    """B×T×Hd to B×H×T×d."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _scaled_heads(attention: Attention, x: Tensor) -> Tensor:
    """Projected tokens B×T×Hd to B×H×T×d, divided by √d."""
    tokens = _heads_of_batch(x, attention.num_heads)
    return tokens / math.sqrt(tokens.shape[-1])
