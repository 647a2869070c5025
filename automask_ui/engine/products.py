"""Batched matrix products that do not copy their factors.

In half precision, PyTorch's batched products on a CPU first copy a transposed matrix, which takes longer than the
product; those of two matrices do not.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["add_products_", "times_transposed"]


def times_transposed(left: Tensor, right: Tensor) -> Tensor:
    """``left @ rightᵀ``: B×m×k and B×n×k to B×m×n."""
    if not _copies(left):
        return left @ right.transpose(1, 2)
    return torch.stack([one @ other.T for one, other in zip(left, right, strict=True)])


def add_products_(target: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """``target += left @ right``: B×m×n, B×m×k and B×k×n."""
    if not _copies(left):
        return target.baddbmm_(left, right)
    for one, first, second in zip(target, left, right, strict=True):
        one.addmm_(first, second)
    return target


def _copies(factor: Tensor) -> bool:
    return factor.device.type == "cpu" and factor.dtype != torch.float32
