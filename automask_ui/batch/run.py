"""The run over a folder: the next picture is read while the model looks at this one."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from automask_ui.batch.documents import write_document, write_manifest, write_picture_list
from automask_ui.batch.pictures import Failure, Listing, Picture, find_pictures
from automask_ui.batch.store import Dataset, Written
from automask_ui.batch.work import BatchTask, Outcome, work_through
from automask_ui.errors import ExportError
from automask_ui.export import EXPORTERS, Exporter
from automask_ui.protocol import Engine

__all__ = ["BatchProgress", "BatchReport", "run_batch", "run_with"]


@dataclass(frozen=True)
class BatchProgress:
    """Where a run stands."""

    picture: str  # the last one
    done: int  # pictures that are dealt with, in whatever way
    total: int
    failed: int
    per_second: float | None  # of pictures that were shown to the model; None before the first one
    seconds_left: float | None


@dataclass
class BatchReport:
    """What became of all pictures."""

    total: int
    made: int = 0  # shown to the model by this run
    kept: int = 0  # their masks were there already
    empty: int = 0  # have no masks
    masks: int = 0
    failures: list[Failure] = field(default_factory=list)  # pictures, folders and formats, in their order
    notes: list[str] = field(default_factory=list)  # sentences for people
    written: list[str] = field(default_factory=list)  # a line a format: where, how many, how exact


def run_batch(
    folder: Path, out: Path, engine: Engine, task: BatchTask, progress: Callable[[BatchProgress], None] | None = None
) -> BatchReport:
    """Make the dataset ``out`` of all pictures below ``folder``, or what is still missing of it.

    Two pictures are in memory at a time, and the names of all. A picture that cannot be used is reported and does not
    keep the others from being done.

    Args:
        folder: searched with all folders below it.
        out: made where it is not there.
        engine: called by this thread only.
        task: what to do.
        progress: called after every picture.

    Raises:
        BatchError: there is nothing to do, another run writes there, or the disk cannot take what is made.
    """

    def work(dataset: Dataset, pictures: Sequence[Picture]) -> Generator[Outcome, None, None]:
        return work_through(dataset, engine, task, pictures)

    return run_with(work, folder, out, task, progress)


def run_with(
    work: Callable[[Dataset, Sequence[Picture]], Generator[Outcome, None, None]],
    folder: Path,
    out: Path,
    task: BatchTask,
    progress: Callable[[BatchProgress], None] | None,
) -> BatchReport:
    """The same with any way to ``work``: it brings what became of each picture, in their order."""
    dataset = Dataset(out)
    listing = find_pictures(folder, out, lambda picture: dataset.read_files(picture).stem)
    with dataset.hold():
        tally = _Tally(listing, progress)
        with closing(work(dataset, listing.pictures)) as outcomes:
            for outcome in outcomes:
                tally.add(outcome)
        with dataset.open_scratch():
            _write_whole(dataset, task, listing, tally)
    return tally.report


class _Tally:
    """What became of the pictures so far, and how fast."""

    def __init__(self, listing: Listing, progress: Callable[[BatchProgress], None] | None) -> None:
        self.report = BatchReport(len(listing.pictures), failures=list(listing.unreadable))
        self.usable: list[Picture] = []
        self._progress = progress
        self._done = 0
        self._seconds = 0.0  # spent on pictures that were made
        self._at = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Count one picture, and tell."""
        report = self.report
        report.failures.extend(outcome.failures)
        report.notes.extend(outcome.notes)
        report.made += outcome.made
        if outcome.masks is not None:
            self.usable.append(outcome.picture)
            report.kept += not outcome.made
            report.empty += not outcome.masks
            report.masks += outcome.masks
        self._done += 1
        now = time.monotonic()
        self._seconds += (now - self._at) * outcome.made
        self._at = now
        if self._progress is not None:
            rate = report.made / self._seconds if self._seconds else None
            left = (report.total - self._done) / rate if rate else None
            self._progress(BatchProgress(outcome.name, self._done, report.total, len(report.failures), rate, left))


def _write_whole(dataset: Dataset, task: BatchTask, listing: Listing, tally: _Tally) -> None:
    """Make what holds the whole dataset, and sum up what was made of the pictures."""
    report = tally.report
    for exporter in (EXPORTERS[name] for name in task.formats):
        where = f"{exporter.name}/" if exporter.whole_dataset is None else f"{exporter.name}.{exporter.extension}"
        try:
            if exporter.whole_dataset is None:
                written = _sum_up(dataset, exporter.name, tally.usable)
            else:
                written = write_document(dataset, exporter, tally.usable, task.metadata)
        except ExportError as error:
            report.failures.append(Failure(where, str(error)))
        else:
            report.written.append(f"{where}: {_in_words(exporter, written)}")
        if exporter.layout.picture_list:
            write_picture_list(dataset, exporter, tally.usable)
    write_manifest(dataset, tally.usable, report.failures)
    if report.empty:
        report.notes.append(
            f"{report.empty:,} pictures have no masks with these settings: they are in manifest.csv and in COCO files, "
            "and have no files of their own."
        )
    if forgotten := dataset.count_others(listing.pictures):
        report.notes.append(
            f"{forgotten:,} pictures of earlier runs are no longer there: their files stay in {dataset.root}, but "
            "manifest.csv and COCO files are without them."
        )


def _sum_up(dataset: Dataset, name: str, pictures: Iterable[Picture]) -> Written:
    masks, exact, worst = 0, 0, 1.0
    for picture in pictures:
        written = dataset.read_files(picture).formats.get(name)
        if written is not None:
            masks, exact, worst = masks + written.masks, exact + written.exact, min(worst, written.worst_iou)
    return Written({}, masks, exact, worst)


def _in_words(exporter: Exporter, written: Written) -> str:
    if written.exact == written.masks:
        return f"{written.masks:,} {exporter.unit}s, all exact"
    # Rounded down: 0.9999 is not 1.
    worst = int(written.worst_iou * 1000) / 1000
    return f"{written.masks:,} {exporter.unit}s, {written.exact:,} exact, worst IoU {worst:.3f}. {exporter.loses}"
