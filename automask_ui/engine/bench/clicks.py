"""Measure how long a click takes, from the prompt to its masks."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import Any

import numpy as np

from automask_ui.engine.bench.speed import BenchSettings, bench_model, report_head
from automask_ui.engine.pipeline.generator import MaskEngine
from automask_ui.options import GeneratorOptions

__all__ = ["measure_clicks", "run_click_bench"]

CLICKS = 20
ROUNDS = 5


def run_click_bench(settings: BenchSettings, image: np.ndarray) -> dict[str, Any]:
    """Measure clicks on an H×W×3 uint8 picture; what is said of grid and rivals in ``settings`` is not used.

    Returns:
        Plain values: settings, and milliseconds, median and longest, as of :func:`measure_clicks`.
    """
    model, weights = bench_model(settings)
    engine = MaskEngine(model)
    picture = image.copy()
    picture.setflags(write=False)
    return {
        **report_head(settings, model, weights),
        "image_hw": list(image.shape[:2]),
        "milliseconds": measure_clicks(engine, picture),
    }


def measure_clicks(engine: MaskEngine, image: np.ndarray) -> dict[str, list[float]]:
    """Measure kinds of prompts on an H×W×3 uint8 picture: median and longest time of each, milliseconds."""
    random = np.random.default_rng(0)
    places = random.uniform(0.05, 0.95, (CLICKS, 1, 2)) * (image.shape[1], image.shape[0])
    clicks: list[dict[str, Any]] = [{"points_xy": place, "labels": [1]} for place in places]
    six = {"points_xy": places[:6, 0], "labels": [1, 1, 1, 0, 0, 0]}
    answers = [engine.predict(image, **click) for click in clicks]
    # As pixels, and another one each time: so does a page begin to correct a mask.
    refined = [
        click | {"mask": answer.masks.rle[answer.best]} for click, answer in zip(clicks, reversed(answers), strict=True)
    ]
    found = {
        "a click": _timed(engine, image, clicks),
        "six clicks": _timed(engine, image, [six] * ROUNDS),
        "a click and a new mask": _timed(engine, image, refined),
    }
    # A run that never ends by itself while clicks are answered.
    stop = threading.Event()

    def run() -> None:
        options = GeneratorOptions(points_per_side=64, pred_iou_thresh=0.0)
        with closing(engine.steps(image, options)) as steps:
            for _ in steps:
                if stop.is_set():
                    break

    runner = threading.Thread(target=run)
    runner.start()
    try:
        time.sleep(0.5)
        found["a click during a run"] = _timed(engine, image, clicks)
    finally:
        stop.set()
        runner.join()
    return found


def _timed(engine: MaskEngine, image: np.ndarray, prompts: list[dict[str, Any]]) -> list[float]:
    """Median and longest time of prompts, milliseconds."""
    seconds = []
    for prompt in prompts:
        start = time.perf_counter()
        engine.predict(image, **prompt)
        seconds.append(time.perf_counter() - start)
    return [1000 * float(np.median(seconds)), 1000 * max(seconds)]
