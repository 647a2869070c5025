"""A least-recently-used cache bounded in bytes, and the content keys it is used with."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

__all__ = ["ByteLRU", "array_key"]

T = TypeVar("T")


def array_key(array: np.ndarray) -> str:
    """Key of an array's content: equal exactly for equal shape, dtype and bytes.

    Shape and dtype are hashed too: a 2×3 and a 3×2 picture can share their bytes.
    """
    digest = hashlib.blake2b(f"{array.shape}{array.dtype.str}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class ByteLRU(Generic[T]):
    """Thread-safe mapping that drops its least recently used values above ``max_bytes``.

    ``size_of`` gives the bytes of a value. A value larger than the whole bound is not kept at all.
    """

    def __init__(self, max_bytes: int, size_of: Callable[[T], int]) -> None:
        self.max_bytes = max_bytes
        self._size_of = size_of
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def total_bytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def get(self, key: Hashable) -> T | None:
        """The value of ``key``, which thereby becomes the most recently used, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def peek(self, key: Hashable) -> T | None:
        """The value of ``key``, which stays as old as it is, or None."""
        with self._lock:
            return self._values[key][0] if key in self._values else None

    def put(self, key: Hashable, value: T) -> list[T]:
        """Keep ``value``; returns the values that had to go for it."""
        size = self._size_of(value)
        with self._lock:
            self._remove(key)
            if size > self.max_bytes:
                return []
            self._values[key] = (value, size)
            self._bytes += size
            dropped = []
            while self._bytes > self.max_bytes:
                oldest = next(iter(self._values))
                dropped.append(self._values[oldest][0])
                self._remove(oldest)
            return dropped

    def pop(self, key: Hashable) -> T | None:
        """Remove ``key`` and return its value, or None where there is none."""
        with self._lock:
            value = self._values.get(key)
            self._remove(key)
            return value[0] if value else None

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            self._values.clear()
            self._bytes = 0

    def _remove(self, key: Hashable) -> None:
        _, size = self._values.pop(key, (None, 0))
        self._bytes -= size
