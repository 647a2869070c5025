"""How fast the engine is here, where its time goes, and how it compares with upstream on the same weights."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from segment_anything import SamAutomaticMaskGenerator, sam_model_registry

from automask_ui.checkpoints import find_checkpoint
from automask_ui.engine.generator import MaskEngine
from automask_ui.engine.models import SamModel, load_model, pick_device
from automask_ui.engine.random_weights import enliven
from automask_ui.masks import MaskResult
from automask_ui.options import GeneratorOptions

__all__ = ["BenchSettings", "run_bench", "sample_picture"]

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
    against_upstream: bool = False


def run_bench(settings: BenchSettings, image: np.ndarray) -> dict[str, Any]:
    """Measure one run on an H×W×3 uint8 picture.

    Returns:
        Plain values: settings, machine limits, seconds by stage, masks, peak memory, and on request the ratio to
        upstream and how far the masks are apart.
    """
    model, weights = _model(settings)
    options = GeneratorOptions(
        points_per_side=settings.grid,
        pred_iou_thresh=model.pred_iou_thresh,
        stability_score_thresh=model.stability_score_thresh,
    )
    if weights == "random":
        options = _with_a_third_passing(model, image, options)
    report: dict[str, Any] = {
        "model": settings.model,
        "weights": weights,
        "device": str(model.device),
        "precision": model.precision,
        "threads": torch.get_num_threads(),
        "image_hw": list(image.shape[:2]),
        "grid": settings.grid,
        "pred_iou_thresh": options.filter.pred_iou_thresh,
        "stability_score_thresh": options.filter.stability_score_thresh,
        "limits": _machine_limits(model.device),
    }
    engine = MaskEngine(model)
    with _peak_memory() as peak:
        result, seconds = _timed(lambda: engine.generate(image, options))
    report["ours"] = _described(result, seconds) | {"peak_extra_mb": peak()}

    higher = options.replace(stability_score_thresh=min(0.99, options.filter.stability_score_thresh + 0.02))
    report["threshold_change_s"] = _timed(lambda: engine.refilter(result, higher))[1]
    if settings.against_upstream:
        report["upstream"] = _upstream(model, image, options, result, seconds)
    return report


def _model(settings: BenchSettings) -> tuple[SamModel, str]:
    """The model, and "file" or "random"."""
    is_here = settings.checkpoint is not None or find_checkpoint(settings.model) is not None
    if is_here or settings.model not in sam_model_registry:
        name = None if settings.checkpoint is not None else settings.model
        return load_model(name, settings.checkpoint, settings.device, settings.precision), "file"
    torch.manual_seed(0)
    sam = enliven(sam_model_registry[settings.model]()).to(pick_device(settings.device))
    return replace(SamModel.wrap(sam, settings.precision), name=settings.model), "random"


def _with_a_third_passing(model: SamModel, image: np.ndarray, options: GeneratorOptions) -> GeneratorOptions:
    """Thresholds that a third of the candidates of a coarse grid pass, and the median of those again."""
    coarse = options.replace(points_per_side=6, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    found = MaskEngine(model, cache_bytes=0).generate(image, coarse).candidates
    threshold = float(np.quantile(found.predicted_iou, 1 - PASSING))
    stable = found.stability_score[found.predicted_iou > threshold]
    return options.replace(
        pred_iou_thresh=max(0.0, threshold), stability_score_thresh=max(0.0, float(np.nanmedian(stable)))
    )


def _described(result: MaskResult, seconds: float) -> dict[str, Any]:
    stages = {stage: result.seconds.get(stage, 0.0) for stage in STAGES}
    stages["other"] = max(0.0, seconds - sum(stages.values()))
    candidates = result.candidates
    return {
        "seconds": seconds,
        "stages": stages,
        "candidates": len(candidates),
        "passing_iou": int(candidates.has_mask.sum()),
        "masks": len(result.masks),
    }


def _upstream(
    model: SamModel, image: np.ndarray, options: GeneratorOptions, ours: MaskResult, our_seconds: float
) -> dict[str, Any]:
    flat = options.flat()
    generator = SamAutomaticMaskGenerator(model.sam, **flat)
    with _peak_memory() as peak:
        masks, seconds = _timed(lambda: generator.generate(image))
    return {
        "seconds": seconds,
        "masks": len(masks),
        "peak_extra_mb": peak(),
        "ratio": seconds / our_seconds,
        **_difference(ours, masks),
    }


def _difference(ours: MaskResult, theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """How far the two results are apart: for each mask of upstream, ours from the same point that fits best."""
    by_point: dict[tuple[float, ...], list[np.ndarray]] = {}
    for mask in ours.masks:
        by_point.setdefault(mask.point_xy, []).append(mask.segmentation())
    closest = [_closest(their["segmentation"], by_point.get(tuple(their["point_coords"][0]), [])) for their in theirs]
    return {
        "mean_iou": float(np.mean([iou for iou, _ in closest])) if closest else 1.0,
        "not_found": sum(iou < 0.5 for iou, _ in closest),
        "worst_pixels_differing": max((differing for _, differing in closest), default=0.0),
    }


def _closest(wanted: np.ndarray, masks: list[np.ndarray]) -> tuple[float, float]:
    """Highest IoU of ``wanted`` with any of ``masks``, and the share of the picture's pixels that differ then."""
    pairs = []
    for mask in masks:
        shared, either = int(np.sum(wanted & mask)), int(np.sum(wanted | mask))
        pairs.append((shared / max(either, 1), float(np.mean(wanted ^ mask))))
    return max(pairs, default=(0.0, 1.0))


def _machine_limits(device: torch.device) -> dict[str, float]:
    """What the device reaches on a large matrix product and on copying: GFLOP/s and GB/s."""
    size = 2048
    limits = {}
    for name, dtype in (("float32_gflops", torch.float32), ("bf16_gflops", torch.bfloat16)):
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


@contextmanager
def _peak_memory() -> Generator[Callable[[], float | None], None, None]:
    """Highest resident memory inside the block above that at its start, in MB; None where it cannot be read."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield lambda: None
        return

    def resident() -> int:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    start = highest = resident()
    stop = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not stop.wait(0.01):
            highest = max(highest, resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: (highest - start) / 1e6
    finally:
        stop.set()
        watcher.join()


def sample_picture(path: Path, size_wh: tuple[int, int]) -> np.ndarray:
    """A picture file brought to ``size_wh`` px: H×W×3 uint8."""
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB").resize(size_wh, Image.Resampling.BICUBIC))
