"""Keep loaded models in memory: each is loaded once per process and shared, and only a few are held at a time."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import torch

from automask_ui.engine.loading.load import (
    SamModel,
    check_precision,
    file_key,
    load_model,
    locate_checkpoint,
    pick_device,
)
from automask_ui.models.download import DownloadProgress

__all__ = ["ModelPool", "free_gpu_bytes"]

T = TypeVar("T")


class ModelPool(Generic[T]):
    """Hold one object per model, made by ``make``, such as its engine; safe for threads.

    Asking for something that is held never waits for another model's download or loading. What is dropped to make
    room gives its memory back as soon as nobody else refers to it.
    """

    def __init__(self, make: Callable[[SamModel], T], *, max_on_cpu: int = 2, max_on_gpu: int = 1) -> None:
        self._make = make
        self._max_on_cpu = max_on_cpu
        self._max_on_gpu = max_on_gpu
        self._held: OrderedDict[tuple[str, str, torch.device, str], T] = OrderedDict()
        self._held_lock = threading.Lock()
        self._loading = threading.Lock()

    def get(
        self,
        name: str | None = None,
        checkpoint: Path | str | None = None,
        device: torch.device | str | None = None,
        precision: str | None = None,
        *,
        folders: Sequence[Path | str] = (),
        progress: DownloadProgress | None = None,
    ) -> T:
        """Get the object of a model, loading the model first if need be; arguments and errors as of `load_model`.

        A file that has changed on the disk since is loaded anew.
        """
        where = pick_device(device)
        how = check_precision(precision, where)
        path = locate_checkpoint(name, checkpoint, folders, progress)
        key = (file_key(path), name or "", where, how)

        held = self._take(key)
        if held is not None:
            return held
        with self._loading:
            # Another thread may have loaded it while this one waited.
            held = self._take(key)
            if held is None:
                self._make_room(where)
                held = self._make(load_model(name, checkpoint, where, how, folders=folders))
                with self._held_lock:
                    self._held[key] = held
        return held

    def clear(self) -> None:
        """Drop every model."""
        with self._held_lock:
            self._held.clear()
        _free_memory()

    def __len__(self) -> int:
        return len(self._held)

    def _take(self, key: tuple[str, str, torch.device, str]) -> T | None:
        with self._held_lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def _make_room(self, device: torch.device) -> None:
        """Drop the least recently used models on this device, before the next one takes its memory."""
        limit = self._max_on_cpu if device.type == "cpu" else self._max_on_gpu
        with self._held_lock:
            here = [key for key in self._held if key[2] == device]
            surplus = here[: max(len(here) + 1 - limit, 0)]
            for key in surplus:
                del self._held[key]
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
