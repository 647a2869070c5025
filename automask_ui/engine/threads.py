"""Points side by side instead of threads inside each product.

Decoding a few points is many small steps. Split over threads, every step waits for the slowest of them, and on a busy
machine for one that is not even running. Each worker here computes its own points on one thread and waits for nobody.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

__all__ = ["side_by_side"]

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``[work(item) for item in items]`` on as many workers as PyTorch has threads, each of them single-threaded.

    The first exception, in the order of ``items``, is raised once all have ended.
    """
    count = torch.get_num_threads()
    if count == 1 or len(items) < 2:
        return [work(item) for item in items]
    futures = [_workers(count).submit(work, item) for item in items]
    failures = [error for future in futures if (error := future.exception()) is not None]
    if failures:
        raise failures[0]
    return [future.result() for future in futures]


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    """The process's workers; PyTorch is told of the single thread in each of them."""
    ready = threading.Barrier(count + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        # Asked for the first time in a thread, PyTorch sets it to the process's number: so ask while that is 1.
        torch.get_num_threads()
        ready.wait()

    pool = ThreadPoolExecutor(count, "decode", initializer=begin)
    for _ in range(count):
        pool.submit(lambda: None)
    ready.wait()
    # The setting is partly the process's own: threads that are not workers keep what they had.
    torch.set_num_threads(count)
    return pool


if hasattr(os, "register_at_fork"):
    # Of this process's threads, a forked one has only that which forked.
    os.register_at_fork(after_in_child=_workers.cache_clear)
