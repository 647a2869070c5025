"""Scratch memory that is reused from one chunk to the next.

A large array that is freed goes back to the operating system, and the next one is paid for page by page: on a CPU that
costs more than the arithmetic on it.
"""

from __future__ import annotations

import math
import threading

import torch
from torch import Tensor

__all__ = ["Scratch"]


class Scratch(threading.local):
    """Named buffers that grow to the largest size asked for; every thread has its own."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...] | torch.Size, like: Tensor) -> Tensor:
        """Get the buffer ``name`` in this shape, with type and device of ``like``; its content is undefined."""
        count = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < count or buffer.dtype != like.dtype or buffer.device != like.device:
            buffer = self._buffers[name] = torch.empty(count, dtype=like.dtype, device=like.device)
        return buffer[:count].view(shape)
