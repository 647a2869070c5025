"""Keep loaded models in memory: each is loaded once per process and shared, and only a few are held at a time."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

from automask_ui.engine.loading.load import ModelFile, SamModel, load_file, pick_device

__all__ = ["ModelPool", "free_gpu_bytes"]

T = TypeVar("T")


class ModelPool(Generic[T]):
    """Hold one object per model, made by ``make``, such as its engine; safe for threads.

    Asking for something that is held never waits for another model's loading; a file that has changed on the disk since
    is loaded anew. What is dropped to make
    room gives its memory back as soon as nobody else refers to it.
    """

    def __init__(self, make: Callable[[SamModel], T], *, max_on_cpu: int = 2, max_on_gpu: int = 1) -> None:
        self._make = make
        self._max_on_cpu = max_on_cpu
        self._max_on_gpu = max_on_gpu
        self._held: OrderedDict[ModelFile, T] = OrderedDict()
        self._held_lock = threading.Lock()
        self._loading = threading.Lock()

    def get(self, file: ModelFile) -> T:
        """Get the object of a model's file, loading the model first if need be; errors as of `load_model`."""
        held = self._take(file)
        if held is not None:
            return held
        with self._loading:
            # Another thread may have loaded it while this one waited.
            held = self._take(file)
            if held is None:
                self._make_room(file.device)
                held = self._make(load_file(file))
                with self._held_lock:
                    self._held[file] = held
        return held

    def clear(self) -> None:
        """Drop every model."""
        with self._held_lock:
            self._held.clear()
        _free_memory()

    def __len__(self) -> int:
        return len(self._held)

    def _take(self, file: ModelFile) -> T | None:
        with self._held_lock:
            if file in self._held:
                self._held.move_to_end(file)
            return self._held.get(file)

    def _make_room(self, device: torch.device) -> None:
        """Drop the least recently used models on this device, before the next one takes its memory."""
        limit = self._max_on_cpu if device.type == "cpu" else self._max_on_gpu
        with self._held_lock:
            here = [file for file in self._held if file.device == device]
            surplus = here[: max(len(here) + 1 - limit, 0)]
            for file in surplus:
                del self._held[file]
        if surplus:
            _free_memory()


def free_gpu_bytes(device: torch.device | str | None = None) -> int | None:
    """Measure the free memory of the GPU ``device`` (None = the best); None where it is no CUDA device.

    Raises:
        OptionError: no such device.
    """
    where = pick_device(device)
    return torch.cuda.mem_get_info(where)[0] if where.type == "cuda" else None


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
