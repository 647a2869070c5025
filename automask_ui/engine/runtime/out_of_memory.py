"""Recognise out-of-memory errors: PyTorch raises three different kinds."""

from __future__ import annotations

import torch

__all__ = ["is_out_of_memory"]


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether ``error`` means out of memory: on a GPU, in Python, or on the CPU (a RuntimeError there)."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
