"""Measure the engine's speed by stage and its memory, and compare it with other generators."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from automask_ui.engine.bench.against import RIVALS
from automask_ui.engine.bench.random_weights import make_lifelike
from automask_ui.engine.loading.architecture import PUBLISHED
from automask_ui.engine.loading.load import SamModel, check_precision, computes_bf16, load_model, pick_device
from automask_ui.engine.pipeline.generator import MaskEngine
from automask_ui.masks import MaskResult
from automask_ui.models.checkpoints import find_checkpoint
from automask_ui.options import GeneratorOptions

__all__ = [
    "BenchSettings",
    "bench_model",
    "bench_options",
    "machine_limits",
    "report_head",
    "run_bench",
    "sample_picture",
    "seconds_by_stage",
]

T = TypeVar("T")

STAGES = ("encode", "transformer", "upscaling", "resampling", "select")
# Share of candidates that passes the IoU threshold where weights are random and no threshold means anything.
PASSING = 1 / 3


@dataclass(frozen=True)
class BenchSettings:
    """What to measure."""

    model: str = "tiny"
    checkpoint: Path | None = None
    device: str | None = None
    precision: str | None = None
    grid: int = 32
    against: str | None = None  # a name of ``RIVALS``


def run_bench(settings: BenchSettings, image: np.ndarray) -> dict[str, Any]:
    """Measure one run on an H×W×3 uint8 picture.

    Returns:
        Plain values: settings, machine limits, seconds by stage, masks, peak memory, and on request the ratio to
        another generator and how far its masks are from ours.

    Raises:
        OptionError: the other generator is not installed, or the device cannot compute in this precision.
    """
    model, weights = bench_model(settings)
    options = bench_options(settings, model, weights, image)
    report: dict[str, Any] = {
        **report_head(settings, model, weights),
        "image_hw": list(image.shape[:2]),
        "grid": settings.grid,
        "pred_iou_thresh": options.filter.pred_iou_thresh,
        "stability_score_thresh": options.filter.stability_score_thresh,
        "limits": machine_limits(model.device),
    }
    rival = RIVALS[settings.against](model, image, options) if settings.against else None
    engine = MaskEngine(model)
    report["ours"], result = _measured(lambda: engine.generate(image, options))
    report["ours"] |= _described(result, report["ours"]["seconds"])

    higher = options.replace(stability_score_thresh=min(0.99, options.filter.stability_score_thresh + 0.02))
    report["threshold_change_s"] = _timed(lambda: engine.refilter(result, higher))[1]
    if rival:
        report["other"], theirs = _measured(rival.generate)
        ratio = report["other"]["seconds"] / report["ours"]["seconds"]
        report["other"] |= {"name": settings.against, "ratio": ratio, **rival.compare(theirs, result)}
    return report


def bench_model(settings: BenchSettings) -> tuple[SamModel, str]:
    """Load the model, or make it with random weights where its file is not here; say which, "file" or "random"."""
    is_here = settings.checkpoint is not None or find_checkpoint(settings.model) is not None
    if is_here or settings.model not in PUBLISHED:
        name = None if settings.checkpoint is not None else settings.model
        return load_model(name, settings.checkpoint, settings.device, settings.precision), "file"
    torch.manual_seed(0)
    device = pick_device(settings.device)
    check_precision(settings.precision, device)  # before a large model is made
    sam = make_lifelike(PUBLISHED[settings.model]()).to(device)
    return replace(SamModel.wrap(sam, settings.precision), name=settings.model), "random"


def report_head(settings: BenchSettings, model: SamModel, weights: str) -> dict[str, Any]:
    """Say what is measured: the model, its ``weights`` as :func:`bench_model` tells them, and the machine."""
    return {
        "model": settings.model,
        "weights": weights,
        "device": str(model.device),
        "precision": model.precision,
        "threads": torch.get_num_threads(),
    }


def bench_options(settings: BenchSettings, model: SamModel, weights: str, image: np.ndarray) -> GeneratorOptions:
    """The model's own thresholds, or such that a third passes where ``weights`` are "random"."""
    options = GeneratorOptions(
        points_per_side=settings.grid,
        pred_iou_thresh=model.pred_iou_thresh,
        stability_score_thresh=model.stability_score_thresh,
    )
    return _with_a_third_passing(model, image, options) if weights == "random" else options


def _with_a_third_passing(model: SamModel, image: np.ndarray, options: GeneratorOptions) -> GeneratorOptions:
    """Set a predicted IoU threshold that a third of a coarse grid's candidates pass, and their median stability."""
    coarse = options.replace(points_per_side=6, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    found = MaskEngine(model, cache_bytes=0).generate(image, coarse).candidates
    threshold = float(np.quantile(found.predicted_iou, 1 - PASSING))
    stable = found.stability_score[found.predicted_iou > threshold]
    return options.replace(
        pred_iou_thresh=max(0.0, threshold), stability_score_thresh=max(0.0, float(np.nanmedian(stable)))
    )


def seconds_by_stage(result: MaskResult, seconds: float) -> dict[str, float]:
    """Divide the ``seconds`` of a run among its stages; what is left is ``other``."""
    stages = {stage: result.seconds.get(stage, 0.0) for stage in STAGES}
    return {**stages, "other": max(0.0, seconds - sum(stages.values()))}


def _described(result: MaskResult, seconds: float) -> dict[str, Any]:
    candidates = result.candidates
    return {
        "stages": seconds_by_stage(result, seconds),
        "candidates": len(candidates),
        "passing_iou": int(candidates.has_mask.sum()),
        "masks": len(result.masks),
    }


def machine_limits(device: torch.device) -> dict[str, float]:
    """Measure the device's limits on a large matrix product and on copying: GFLOP/s and GB/s."""
    size = 2048
    limits = {}
    types = {"float32_gflops": torch.float32}
    if computes_bf16(device):
        types["bf16_gflops"] = torch.bfloat16
    for name, dtype in types.items():
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        limits[name] = 2 * size**3 / _best_of(lambda a=left, b=right: a @ b, device) / 1e9  # type: ignore[misc]
    block = torch.randn(1 << 24, device=device)
    target = torch.empty_like(block)
    limits["copy_gb_s"] = 2 * block.nbytes / _best_of(lambda: target.copy_(block), device) / 1e9
    return limits


def _best_of(work: Callable[[], object], device: torch.device, times: int = 5) -> float:
    def once() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return min(_timed(once)[1] for _ in range(times))


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    value = work()
    return value, time.perf_counter() - start


def _measured(work: Callable[[], T]) -> tuple[dict[str, Any], T]:
    """Run ``work``; measure its seconds and, where it can be read, the rise of resident memory in MB."""
    before = _settled()
    highest, stop = before or 0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not stop.wait(0.01):
            highest = max(highest, _resident() or 0)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        value, seconds = _timed(work)
    finally:
        stop.set()
        watcher.join()
    return {"seconds": seconds, "peak_extra_mb": None if before is None else (highest - before) / 1e6}, value


def _settled() -> int | None:
    """Read resident memory after freed memory was returned to the system, since reuse of it would not show."""
    gc.collect()
    with suppress(AttributeError, OSError):  # glibc's own
        ctypes.CDLL(None).malloc_trim(0)
    return _resident()


def _resident() -> int | None:
    """Read this process's resident memory in bytes; None where it cannot be read."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sample_picture(path: Path, size_wh: tuple[int, int]) -> np.ndarray:
    """Open a picture file and resize it to ``size_wh`` px: H×W×3 uint8."""
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB").resize(size_wh, Image.Resampling.BICUBIC))
