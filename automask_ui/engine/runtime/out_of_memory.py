"""One question about errors that PyTorch answers in three ways."""

from __future__ import annotations

import torch

__all__ = ["is_out_of_memory"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: on a GPU, in Python, or on the CPU, where PyTorch has no error of its own for it."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
