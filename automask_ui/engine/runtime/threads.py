"""Parallel maps with single-threaded workers: points in parallel, instead of threads inside each matrix product.

Decoding a few points is many small steps. Split over threads, every step waits for the slowest of them, and on a busy
machine for one that is not even running. Each worker here computes its own points on one thread and waits for nobody,
not even for the caller to take what it has found.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch

__all__ = ["map_in_order", "map_parallel", "run_on_worker"]

T = TypeVar("T")
R = TypeVar("R")


def run_on_worker(work: Callable[[], R], pool: str) -> R:
    """Run ``work`` on one of the workers of ``pool``, so on one thread."""
    count = torch.get_num_threads()
    return work() if count == 1 else _workers(count, pool).submit(work).result()


def map_parallel(work: Callable[[T], R], items: Sequence[T], pool: str = "decode") -> list[R]:
    """Compute ``[work(item) for item in items]`` on as many single-threaded workers as PyTorch has threads.

    The first exception, in the order of ``items``, is raised once no worker computes any more. ``pool`` names the
    workers: each pool has its own.
    """
    return list(map_in_order(work, items, len(items), pool))


def map_in_order(
    work: Callable[[T], R], items: Sequence[T], ahead: int, pool: str = "decode"
) -> Generator[R, None, None]:
    """Compute ``map(work, items)`` on the same workers, up to ``ahead`` items before they are asked for.

    Closed early, or after an exception, it waits for what is being computed, and nothing more is begun.
    """
    count = torch.get_num_threads()
    if count == 1 or len(items) < 2:
        yield from map(work, items)
        return
    begun: deque[Future[R]] = deque()
    try:
        for item in items:
            begun.append(_workers(count, pool).submit(work, item))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
        wait(begun)


@cache
def _workers(count: int, name: str) -> ThreadPoolExecutor:
    """Start the process's workers of this name, each with PyTorch limited to one thread."""
    ready = threading.Barrier(count + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        # Asked for the first time in a thread, PyTorch sets it to the process's number: so ask while that is 1.
        torch.get_num_threads()
        ready.wait()

    pool = ThreadPoolExecutor(count, name, initializer=begin)
    for _ in range(count):
        pool.submit(lambda: None)
    ready.wait()
    # The setting is partly the process's own: threads that are not workers keep what they had.
    torch.set_num_threads(count)
    return pool


if hasattr(os, "register_at_fork"):
    # Of this process's threads, a forked one has only that which forked.
    os.register_at_fork(after_in_child=_workers.cache_clear)
