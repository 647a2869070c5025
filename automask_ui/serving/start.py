"""From a machine to a service: which model, on which device, on a GPU that is lent where there is one to borrow."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automask_ui.models.checkpoints import (
    ASSETS_FOLDER,
    AvailableModel,
    available_models,
    cache_folder,
    default_model,
    own_checkpoint,
)
from automask_ui.protocol import Engine
from automask_ui.serving import zero_gpu
from automask_ui.serving.service import Service
from automask_ui.serving.speeds import speeds_here
from automask_ui.session.run import Speeds

__all__ = ["SAMPLES", "build_service"]

_log = logging.getLogger(__name__)

SAMPLES = [
    ASSETS_FOLDER.parent / "samples" / name
    for name in ("coffee.jpg", "chelsea.jpg", "astronaut.jpg", "rocket.jpg", "coins.png")
]


def build_service(
    model: str | None = None,
    checkpoint: Path | None = None,
    folders: Sequence[Path | str] = (),
    device: str | None = None,
    samples: Sequence[Path] = (),
) -> Service:
    """The service on real engines.

    PyTorch takes longer to import than the rest of the program. So it is imported when the first model is loaded,
    unless it has to be asked for a device: what has no need of it, such as the page, is there sooner.

    Args:
        model: name of the one to begin with; None is ``checkpoint``, or the best that is here.
        checkpoint: a model file of one's own.
        folders: further places with model files.
        device: such as "cpu" or "cuda:1"; None is the best that works.
        samples: sample photographs; whoever gives some also calls ``service.samples.prepare``.

    Raises:
        CheckpointNotFoundError: ``checkpoint`` or a folder is not there.
        OptionError: no such device.
    """
    # Before PyTorch: on ZeroGPU, spaces must be there first.
    spaces = zero_gpu.load_spaces()
    where = "cpu" if spaces else device
    checkpoint = None if checkpoint is None else own_checkpoint(checkpoint)
    places = [*folders, *([checkpoint] if checkpoint is not None else [])]
    models = available_models(places)
    free_bytes = _free_gpu_bytes(where)
    first = model or _own(models, checkpoint)
    if first is None:
        choice = default_model(free_bytes, places)
        first = choice.name
        _log.info("Beginning with %s. %s", first, choice.note)
    engines = _Engines(where, places)
    if spaces is None:
        return Service(engines, models, first, samples, speeds=_speeds_on(where, free_bytes is not None))
    # Before any process forks: a lock that an import holds at that moment would stay held there.
    import automask_ui.engine.pipeline.generator  # noqa: F401

    # A pool that nobody here touches: a lock of it that is held while the process forks would stay so.
    on_gpu = zero_gpu.on_loaned_gpu(engines, _Engines("cuda", places), spaces)
    return Service(on_gpu, models, first, samples, background_engines=engines)


def _speeds_on(device: str | None, has_gpu: bool) -> Speeds:
    """What was measured on this machine with this device and as many cores, which PyTorch need not be asked for."""
    kind = device or ("cuda" if has_gpu else "default")
    cores = os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    is_cpu = kind == "cpu" or (kind == "default" and sys.platform != "darwin")
    return speeds_here(cache_folder() / "speeds.json", f"{platform.node()}, {kind}, {cores} cores", on_cpu=is_cpu)


class _Engines:
    """Engines by model name on one device, in a pool that the first call makes: this is what imports PyTorch."""

    def __init__(self, device: str | None, folders: Sequence[Path | str]) -> None:
        self._device, self._folders = device, folders
        self._pool: Any = None
        self._lock = threading.Lock()

    def __call__(self, name: str) -> Engine:
        from automask_ui.engine.loading.load import find_file

        engine: Engine = self._made_pool().get(find_file(name, device=self._device, folders=self._folders))
        return engine

    def _made_pool(self) -> Any:
        from automask_ui.engine.loading.pool import ModelPool
        from automask_ui.engine.pipeline.generator import MaskEngine

        with self._lock:
            if self._pool is None:
                self._pool = ModelPool(MaskEngine)
            return self._pool


def _free_gpu_bytes(device: str | None) -> int | None:
    """Free memory of the GPU ``device`` (None = the best); None where it is no CUDA device.

    Raises:
        OptionError: no such device.
    """
    if device == "cpu" or (device in (None, "auto") and not _may_have_gpu()):
        return None
    from automask_ui.engine.loading.pool import free_gpu_bytes

    return free_gpu_bytes(device)


def _may_have_gpu() -> bool:
    """Whether PyTorch could find a CUDA device. It need not be asked where the driver is missing that it would load."""
    if sys.platform == "darwin":
        return False
    if sys.platform != "linux" or Path("/dev/kfd").exists():  # that of AMD's GPUs, which PyTorch calls CUDA, too
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _own(models: Sequence[AvailableModel], checkpoint: Path | None) -> str | None:
    """The name under which ``checkpoint`` can be chosen."""
    if checkpoint is None:
        return None
    return next(model.name for model in models if model.path and model.path.samefile(checkpoint))
