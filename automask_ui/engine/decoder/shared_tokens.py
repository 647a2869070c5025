"""The part of the image tokens that all points of a picture share, computed once; algebra in ``image_tokens``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling.transformer import Attention, TwoWayTransformer
from torch import Tensor, nn

__all__ = ["SharedBlock", "SharedKeysValues", "SharedProjection", "SharedTokens", "by_head", "centred"]


@dataclass(frozen=True)
class SharedProjection:
    """Keys (or queries) of image tokens in one attention, as far as all points share them."""

    scaled: Tensor | None  # H×d×N: of X; a point multiplies it by s
    fixed: Tensor  # H×d×N: of the positional code; of X too, where no point has changed anything yet


@dataclass(frozen=True)
class SharedKeysValues:
    """Keys and values of X, the shared part of the image tokens, in one attention."""

    keys: SharedProjection
    values: Tensor  # H×N×d


@dataclass(frozen=True)
class SharedBlock(SharedKeysValues):
    """Everything that all points of a picture share in one block."""

    queries: SharedProjection  # of the attention from image to tokens
    likeness: list[Tensor]  # for this and each earlier block, H×d×N: dot products of what is taken up with X
    constants: list[Tensor]  # for this and each earlier block, N: dot products of the biases taken up in it with X
    power: Tensor  # N: mean square of X over its width
    mask_dots: Tensor  # M×N: mean products over the width of what a mask as input adds with X


class SharedTokens:
    """The shared part of some image tokens, in every block and after the last.

    Args:
        transformer: the mask decoder's.
        image_tokens: N×C float32, before the first block.
        position: N×C float32, their positional code.
        mask_vectors: M×C float32, what a mask as input adds to image tokens, each so many times; M may be 0.
        dtype: type of the large products.
    """

    def __init__(
        self,
        transformer: TwoWayTransformer,
        image_tokens: Tensor,
        position: Tensor,
        mask_vectors: Tensor,
        dtype: torch.dtype,
    ) -> None:
        self.dtype = dtype
        self.blocks: list[SharedBlock] = []
        shared, width = image_tokens, image_tokens.shape[1]
        factors: list[Tensor] = []  # for each block, H×d×C: takes what a head offers to what image tokens take up
        biases = [torch.zeros_like(image_tokens[0])]  # for each block, C: what every image token takes up
        for block in transformer.layers:
            there, back = block.cross_attn_token_to_image, block.cross_attn_image_to_token
            changed = bool(self.blocks)
            seen = self._keys_values(there, shared, position, changed)
            queries = self._projection(back.q_proj, back.num_heads, shared, position, changed, biased=True)
            factors.append(by_head(back.out_proj.weight.T, back.num_heads))
            biases[-1] = biases[-1] + back.out_proj.bias
            shared, mask_vectors, *biases = (centred(x) for x in (shared, mask_vectors, *biases))
            likeness = [self._compact(centred(factor) @ (shared.T / width)) for factor in factors]
            constants = [self._compact(shared @ bias / width) for bias in biases]
            power = shared.square().mean(dim=1)
            mask_dots = self._compact(mask_vectors @ (shared.T / width))
            self.blocks.append(SharedBlock(seen.keys, seen.values, queries, likeness, constants, power, mask_dots))
            shared, mask_vectors = shared * block.norm4.weight, mask_vectors * block.norm4.weight
            factors = [centred(factor) * block.norm4.weight for factor in factors]
            biases = [*(bias * block.norm4.weight for bias in biases), block.norm4.bias]
        self.last = self._keys_values(transformer.final_attn_token_to_image, shared, position, True)
        self.tokens = self._compact(shared)  # N×C: X after the last block

    @property
    def nbytes(self) -> int:
        """Memory of all that is kept here."""
        seen: list[SharedKeysValues] = [*self.blocks, self.last]
        tensors = [self.tokens, *(keys_values.values for keys_values in seen)]
        tensors += [
            part for block in self.blocks for part in (*block.likeness, *block.constants, block.power, block.mask_dots)
        ]
        for projection in (*(keys_values.keys for keys_values in seen), *(block.queries for block in self.blocks)):
            tensors += [part for part in (projection.scaled, projection.fixed) if part is not None]
        return sum(tensor.nbytes for tensor in tensors)

    def _keys_values(self, attention: Attention, shared: Tensor, position: Tensor, changed: bool) -> SharedKeysValues:
        keys = self._projection(attention.k_proj, attention.num_heads, shared, position, changed, biased=False)
        values = by_head((shared @ attention.v_proj.weight.T).T, attention.num_heads).transpose(1, 2)
        return SharedKeysValues(keys, self._compact(values))

    def _projection(
        self, linear: nn.Linear, heads: int, shared: Tensor, position: Tensor, changed: bool, biased: bool
    ) -> SharedProjection:
        """Apply ``linear`` to shared tokens (N×C) and to their positional code (N×C)."""
        bias = linear.bias if biased else None
        if not changed:
            both = nn.functional.linear(position + shared, linear.weight, bias)
            return SharedProjection(None, self._compact(by_head(both.T, heads)))
        scaled = by_head(linear.weight @ shared.T, heads)
        fixed = by_head(nn.functional.linear(position, linear.weight, bias).T, heads)
        return SharedProjection(self._compact(scaled), self._compact(fixed))

    def _compact(self, x: Tensor) -> Tensor:
        return x.to(self.dtype).contiguous()


def centred(x: Tensor) -> Tensor:
    """Subtract the mean over the last axis from ``x``."""
    return x - x.mean(dim=-1, keepdim=True)


def by_head(x: Tensor, heads: int) -> Tensor:
    """Hd×n to H×d×n."""
    return x.unflatten(0, (heads, -1))
