"""Measure what each stage of the decoder takes for a point, beside the machine's own rates at that time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from automask_ui.engine.bench.speed import (
    BenchSettings,
    bench_model,
    bench_options,
    machine_limits,
    report_head,
    seconds_by_stage,
)
from automask_ui.engine.pipeline.generator import MaskEngine

__all__ = ["run_decoder_bench"]

# A shared machine's rates change by a third within minutes: the median of some runs says more than one.
RUNS = 3
DECODER_STAGES = ("transformer", "upscaling", "resampling")


def run_decoder_bench(settings: BenchSettings, image: np.ndarray) -> dict[str, Any]:
    """Measure runs on an H×W×3 uint8 picture, each on a fresh engine; ``against`` of ``settings`` is not used.

    Returns:
        Plain values: settings, how many points and masks were decoded, and medians over the runs: the machine's limits,
        measured before each, the seconds of each stage, and the milliseconds a point of the decoder's.
    """
    model, weights = bench_model(settings)
    options = bench_options(settings, model, weights, image)
    # What is set up once and for all is not a point's.
    MaskEngine(model).generate(image, options.replace(points_per_side=2))
    limits, stages = [], []
    for _ in range(RUNS):
        limits.append(machine_limits(model.device))
        start = time.perf_counter()
        result = MaskEngine(model).generate(image, options)
        stages.append(seconds_by_stage(result, time.perf_counter() - start))
    seconds = _medians(stages)
    points = settings.grid**2
    return {
        **report_head(settings, model, weights),
        "image_hw": list(image.shape[:2]),
        "runs": RUNS,
        "points": points,
        "masks_decoded": int(result.candidates.has_mask.sum()),
        "limits": _medians(limits),
        "stages": seconds,
        "ms_per_point": {stage: 1000 * seconds[stage] / points for stage in DECODER_STAGES},
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
