"""Batches for tests: folders of small pictures, an engine without a model, and a process that can be killed.

python tests/batch_runs.py --kills 50 --pictures 40        runs killed at random moments, compared with one that was not
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from fakes import FakeEngine
from PIL import Image

from automask_ui.batch import BatchReport, BatchTask, run_batch
from automask_ui.masks import MaskResult
from automask_ui.options import GeneratorOptions
from automask_ui.protocol import Steps

OPTIONS = GeneratorOptions(points_per_side=4, pred_iou_thresh=0.7, stability_score_thresh=0.86)
FORMATS = ("coco", "yolo", "masks", "overlay")


class Engine(FakeEngine):
    """Counts the pictures that it is shown."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(error=error)
        self.shown = 0

    def steps(self, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None = None) -> Steps:
        self.shown += 1
        return super().steps(image, options, earlier)


def task(*formats: str, model_key: str = "fake", **options: float) -> BatchTask:
    return BatchTask(OPTIONS.replace(**options), formats or FORMATS, model_key, {"model": "Fake model"})


def make_pictures(folder: Path, count: int, size_hw: tuple[int, int] = (37, 53)) -> None:
    """PNG files with noise, every third one in a folder of its own, two of one name."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / "more" / "of it" if number % 3 == 2 else folder
        place.mkdir(parents=True, exist_ok=True)
        name = "photo 1.png" if number in (1, 2) else f"photo {number}.png"
        Image.fromarray(rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)).save(place / name)


def run(folder: Path, out: Path, *formats: str, engine: Engine | None = None, **options: float) -> BatchReport:
    return run_batch(folder, out, engine or Engine(), task(*formats, **options))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Processes are forked from one that has imported everything once: only the run itself is to be paid for.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["batch_runs"])


def _run_telling(folder: Path, out: Path, told: Connection) -> None:
    run_batch(folder, out, Engine(), task(), lambda progress: told.send(progress.done))


def run_killed(folder: Path, out: Path, kills: int, seed: int = 0) -> int:
    """Start a run again and again, killed at random moments while it works, then let one finish; kills that hit."""
    moments = random.Random(seed)
    hits = 0
    for _ in range(kills):
        reader, told = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_run_telling, args=(folder, out, told))
        process.start()
        told.close()
        # After so many pictures and a moment more: wherever the next one stands by then.
        with reader, suppress(EOFError):
            for _ in range(moments.randint(1, 2)):
                reader.recv()
            time.sleep(moments.uniform(0, 0.03))
        hits += process.is_alive()
        process.kill()
        process.join()
    run(folder, out)
    return hits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pictures", type=int, default=40)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, killed, whole = (Path(place, name) for name in ("photos", "killed", "whole"))
        make_pictures(folder, settings.pictures)
        hits = run_killed(folder, killed, settings.kills)
        run(folder, whole)
        same = contents(killed) == contents(whole)
        print(f"{hits} of {settings.kills} kills hit a run of {settings.pictures} pictures; the same files: {same}")
        sys.exit(not same)


if __name__ == "__main__":
    main()
