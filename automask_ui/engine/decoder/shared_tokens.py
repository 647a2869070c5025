"""What the image tokens of all points of a picture have in common, computed once; ``image_tokens`` has the algebra."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling.transformer import Attention, TwoWayTransformer
from torch import Tensor, nn

__all__ = ["Block", "Seen", "SharedTokens", "Sight", "by_head", "centred"]


@dataclass(frozen=True)
class Sight:
    """One attention's keys (or queries) of the image tokens, as far as all points share them."""

    scaled: Tensor | None  # H×d×N: of X; a point multiplies it by s
    fixed: Tensor  # H×d×N: of the positional code; of X too, where no point has changed anything yet


@dataclass(frozen=True)
class Seen:
    """What tokens see of X, the image tokens' shared part, in an attention."""

    keys: Sight
    values: Tensor  # H×N×d


@dataclass(frozen=True)
class Block(Seen):
    """What all points of a picture share in one block."""

    queries: Sight  # of the attention from image to tokens
    likeness: list[Tensor]  # for this and each earlier block, H×d×N: dot products of what is taken up with X
    constants: list[Tensor]  # for this and each earlier block, N: dot products of the biases taken up in it with X
    power: Tensor  # N: mean square of X over its width


class SharedTokens:
    """What some image tokens are for all points, in every block and after the last.

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
        self.blocks: list[Block] = []
        shared, width = image_tokens, image_tokens.shape[1]
        factors: list[Tensor] = []  # for each block, H×d×C: takes what a head offers to what image tokens take up
        biases = [torch.zeros_like(image_tokens[0])]  # for each block, C: what every image token takes up
        for block in transformer.layers:
            there, back = block.cross_attn_token_to_image, block.cross_attn_image_to_token
            changed = bool(self.blocks)
            seen = self._seen(there, shared, position, changed)
            queries = self._sight(back.q_proj, back.num_heads, shared, position, changed, biased=True)
            factors.append(by_head(back.out_proj.weight.T, back.num_heads))
            biases[-1] = biases[-1] + back.out_proj.bias
            shared, *biases = (centred(x) for x in (shared, *biases))
            likeness = [self._own(centred(factor) @ (shared.T / width)) for factor in factors]
            constants = [self._own(shared @ bias / width) for bias in biases]
            power = shared.square().mean(dim=1)
            self.blocks.append(Block(seen.keys, seen.values, queries, likeness, constants, power))
            shared = shared * block.norm4.weight
            factors = [centred(factor) * block.norm4.weight for factor in factors]
            biases = [*(bias * block.norm4.weight for bias in biases), block.norm4.bias]
        self.last = self._seen(transformer.final_attn_token_to_image, shared, position, True)
        self.tokens = self._own(shared)  # N×C: X after the last block

    def _seen(self, attention: Attention, shared: Tensor, position: Tensor, changed: bool) -> Seen:
        keys = self._sight(attention.k_proj, attention.num_heads, shared, position, changed, biased=False)
        values = by_head((shared @ attention.v_proj.weight.T).T, attention.num_heads).transpose(1, 2)
        return Seen(keys, self._own(values))

    def _sight(
        self, linear: nn.Linear, heads: int, shared: Tensor, position: Tensor, changed: bool, biased: bool
    ) -> Sight:
        """The projection ``linear`` of shared tokens (N×C) and their positional code (N×C)."""
        bias = linear.bias if biased else None
        scaled = by_head(linear.weight @ shared.T, heads)
        fixed = by_head(nn.functional.linear(position, linear.weight, bias).T, heads)
        if not changed:
            return Sight(None, self._own(fixed + scaled))
        return Sight(self._own(scaled), self._own(fixed))

    def _own(self, x: Tensor) -> Tensor:
        return x.to(self.dtype).contiguous()


def centred(x: Tensor) -> Tensor:
    """``x`` with mean 0 over its last axis."""
    return x - x.mean(dim=-1, keepdim=True)


def by_head(x: Tensor, heads: int) -> Tensor:
    """Hd×n to H×d×n."""
    return x.unflatten(0, (heads, -1))
