"""Make a dataset of all pictures in a folder; started again, it goes on where it was stopped."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from automask_ui.batch import BatchProgress, BatchReport, BatchTask, folder_at, run_batch
from automask_ui.batch.on_ray import run_batch_on_ray
from automask_ui.cli.arguments import add_find_arguments, classes_of, formats_of, options_of
from automask_ui.cli.output import counted, say
from automask_ui.errors import OptionError
from automask_ui.export import EXPORTERS
from automask_ui.files.hashes import sha256_of

__all__ = ["add_arguments", "run"]

DEFAULT_FORMAT = "coco"
# Seconds between two lines of progress: of a terminal, where one replaces the other, and of a log.
_TERMINAL_SECONDS, _LOG_SECONDS = 0.2, 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="pictures, in folders of any depth; also s3://... and the like, with universal-pathlib",
    )
    parser.add_argument("--out", "--output", required=True, metavar="DATASET", help="folder for the results")
    add_find_arguments(parser, DEFAULT_FORMAT)
    able = ", ".join(row.name for row in EXPORTERS.values() if row.has_negatives)
    parser.add_argument(
        "--negatives",
        action="store_true",
        help=f"pictures without masks are examples of nothing, in formats that can say so ({able}); else left out",
    )
    parser.add_argument(
        "--engine", choices=["local", "ray"], default="local", help='ray: on a Ray cluster (pip install "ray[data]")'
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="models at a time, with --engine ray (default: one a GPU, else one)"
    )


def run(settings: argparse.Namespace) -> int:
    """Make the dataset; returns 0, or 1 where some pictures failed."""
    if settings.workers is not None and settings.workers < 1:
        raise OptionError(f"--workers is {settings.workers}, but must be at least 1.")
    classes = classes_of(settings)
    folder, out = folder_at(settings.folder), folder_at(settings.out)
    make_engine = partial(
        _make_engine,
        settings.model,
        settings.checkpoint and settings.checkpoint.absolute(),
        settings.device,
        settings.precision,
        [folder.absolute() for folder in settings.models_dir],
    )
    engine = make_engine()
    model = engine.model
    options = options_of(settings, model)
    formats = tuple(dict.fromkeys(formats_of(settings) or [DEFAULT_FORMAT]))
    metadata = {"model": model.title, "options": options.flat()}
    model_key = f"{_identity(model)} {model.precision}"
    task = BatchTask(options, formats, model_key, metadata, settings.negatives, replace(classes, notes=()))
    with _ProgressLines() as lines:
        if settings.engine == "ray":
            # Each worker has a model of its own; this one was for what it says of itself.
            del engine, model
            report = run_batch_on_ray(folder, out, make_engine, task, settings.workers, lines.show)
        else:
            report = run_batch(folder, out, engine, task, lines.show)
    for note in classes.notes:
        say(f"{settings.classes}: {note}")
    _print_report(report, out)
    return 1 if report.failures else 0


def _make_engine(
    name: str | None, checkpoint: Path | None, device: str | None, precision: str | None, folders: list[Path]
) -> Any:
    """A `MaskEngine`, here or in another process."""
    from automask_ui import MaskEngine, load_model

    return MaskEngine(load_model(name, checkpoint, device, precision, folders=folders), cache_bytes=0)


def _print_report(report: BatchReport, out: Path) -> None:
    for line in (*report.notes, *report.written):
        say(line)
    say(
        f"{counted(report.total, 'picture')}: {report.made:,} done now, {report.kept:,} done before, "
        f"{counted(report.masks, 'mask')}, {counted(len(report.failures), 'failure')}. {out / 'manifest.csv'} lists "
        "them."
    )
    for failure in report.failures:
        say(f"{failure.name}: {failure.reason}", sys.stderr)


def _identity(model: Any) -> str:
    """Make a key of the model's weights that is the same on every machine."""
    return model.key if model.path is None else sha256_of(model.path)


class _ProgressLines:
    """Print progress on one line of a terminal, or now and then on a line of a log."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._pause = _TERMINAL_SECONDS if self._is_terminal else _LOG_SECONDS
        self._at = time.monotonic()

    def __enter__(self) -> _ProgressLines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            say("\r\x1b[K", sys.stderr, end="")

    def show(self, progress: BatchProgress) -> None:
        """Print the progress, unless it was printed just now."""
        if time.monotonic() - self._at < self._pause:
            return
        self._at = time.monotonic()
        start, end = ("\r\x1b[K", "") if self._is_terminal else ("", "\n")
        say(f"{start}{_in_words(progress)}", sys.stderr, end=end)


def _in_words(progress: BatchProgress) -> str:
    parts = [f"{progress.done:,} of {progress.total:,} pictures"]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.per_second and progress.seconds_left is not None:
        rate = progress.per_second
        parts.append(f"{rate:.1f} a second" if rate >= 1 else f"{1 / rate:.1f} s each")
        parts.append(f"{_duration(progress.seconds_left)} left")
    return f"{', '.join(parts)}: {progress.picture}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
