"""Measure how many pictures a second ``batch`` makes a dataset of, and for how much of that time the model works."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automask_ui.batch import BatchTask, run_batch
from automask_ui.options import PRESETS, GeneratorOptions
from automask_ui.protocol import Engine, Steps, own_thresholds

if TYPE_CHECKING:
    from automask_ui.masks import MaskResult

__all__ = ["batch_as_text", "run_batch_bench"]

FORMATS = ("coco", "yolo", "masks")  # one file for all pictures, two for each, and one for each mask
ROUNDS = 2


class _TimedEngine:
    """An engine that adds up for how long it works."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def steps(self, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None = None) -> Steps:
        began = time.perf_counter()
        try:
            return (yield from self._engine.steps(image, options, earlier))
        finally:
            self.seconds += time.perf_counter() - began


def run_batch_bench(engine: Engine, folder: Path, grid: int) -> dict[str, Any]:
    """Make a dataset of the pictures of ``folder`` a few times, each time anew.

    Args:
        engine: that generates the masks, without a cache.
        folder: of the pictures.
        grid: points a side.

    Returns:
        Plain values: settings, and of each round the seconds, those of CPU, those in which the engine worked, and
        pictures a second.

    Raises:
        BatchError: there is no picture.
    """
    options = PRESETS["balanced"].options(**own_thresholds(engine.model)).replace(points_per_side=grid)
    rounds, pictures, failures = [], 0, 0
    for _ in range(ROUNDS):
        timed = _TimedEngine(engine)
        with tempfile.TemporaryDirectory() as place:
            cpu, began = time.process_time(), time.perf_counter()
            report = run_batch(folder, Path(place), timed, BatchTask(options, FORMATS, "bench"))
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        pictures, failures = report.made, len(report.failures)
        rounds.append(
            {"seconds": seconds, "cpu": cpu, "engine": timed.seconds, "pictures_per_second": report.made / seconds}
        )
    return {
        "model": engine.model.title,
        "device": str(engine.model.device),
        "grid": grid,
        "formats": list(FORMATS),
        "pictures": pictures,
        "failures": failures,
        "rounds": rounds,
    }


def batch_as_text(report: dict[str, Any]) -> str:
    """Lay out the report of :func:`run_batch_bench`."""
    failed = f", {report['failures']} failures" * (report["failures"] > 0)
    lines = [
        f"{report['model']} on {report['device']}, {report['grid']}×{report['grid']} points, "
        f"{report['pictures']} pictures{failed}, {', '.join(report['formats'])}",
        "",
        f"{'pictures a second':>18}{'time':>11}{'CPU':>11}{'model works':>14}",
    ]
    for row in report["rounds"]:
        seconds = "".join(f"{row[name]:>{width}.2f} s" for name, width in [("seconds", 9), ("cpu", 9), ("engine", 12)])
        lines.append(f"{row['pictures_per_second']:>18.2f}{seconds}")
    return "\n".join(lines)
