"""From a machine to a service: which model, on which device, on a GPU that is lent where there is one to borrow."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    import torch

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
    """The service on real engines; PyTorch is loaded by this call.

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
    from automask_ui.engine.loading.load import find_file, pick_device
    from automask_ui.engine.loading.pool import ModelPool, free_gpu_bytes
    from automask_ui.engine.pipeline.generator import MaskEngine

    where = "cpu" if spaces else device
    checkpoint = None if checkpoint is None else own_checkpoint(checkpoint)
    places = [*folders, *([checkpoint] if checkpoint is not None else [])]
    models = available_models(places)
    first = model or _own(models, checkpoint)
    if first is None:
        choice = default_model(free_gpu_bytes(where), places)
        first = choice.name
        _log.info("Beginning with %s. %s", first, choice.note)

    def engines_on(device: str | None) -> Callable[[str], Engine]:
        pool = ModelPool(MaskEngine)
        return lambda name: pool.get(find_file(name, device=device, folders=places))

    engines = engines_on(where)
    if spaces is None:
        speeds = _speeds_on(pick_device(where))
        return Service(engines, models, first, samples, speeds=speeds)
    # A pool that nobody here touches: a lock of it that is held while the process forks would stay so.
    on_gpu = zero_gpu.on_loaned_gpu(engines, engines_on("cuda"), spaces)
    return Service(on_gpu, models, first, samples, background_engines=engines)


def _speeds_on(device: torch.device) -> Speeds:
    """What was measured on this machine with this device, and as many threads."""
    import torch

    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    machine = f"{platform.node()}, {kind}, {torch.get_num_threads()} threads"
    return speeds_here(cache_folder() / "speeds.json", machine, on_cpu=device.type == "cpu")


def _own(models: Sequence[AvailableModel], checkpoint: Path | None) -> str | None:
    """The name under which ``checkpoint`` can be chosen."""
    if checkpoint is None:
        return None
    return next(model.name for model in models if model.path and model.path.samefile(checkpoint))
