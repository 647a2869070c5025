"""Run a batch over a folder, count the outcomes, and write the files of the whole dataset at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from automask_ui.batch.dataset import Dataset, Written
from automask_ui.batch.dataset_files import (
    WHOLE_FILES,
    write_document,
    write_manifest,
    write_picture_list,
    write_shared,
)
from automask_ui.batch.paths import exists, is_within
from automask_ui.batch.pictures import NOTES, Failure, Listing, Picture, find_pictures, printable
from automask_ui.batch.put_aside import CHANGED, take_put_aside
from automask_ui.batch.worker import BatchTask, PictureOutcome, process_pictures
from automask_ui.errors import BatchError, ExportError
from automask_ui.export import EXPORTERS, Exporter
from automask_ui.protocol import Engine

__all__ = ["BatchProgress", "BatchReport", "run_batch", "run_batch_with"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch run is."""

    picture: str  # the last one that was processed
    done: int  # pictures processed, with or without success
    total: int
    failed: int
    per_second: float | None  # pictures that ran through the model; None before the first one
    seconds_left: float | None


@dataclass
class BatchReport:
    """Counts, failures and results of a batch run."""

    total: int
    made: int = 0  # pictures whose masks this run has generated
    kept: int = 0  # pictures whose masks an earlier run had generated
    empty: int = 0  # pictures without masks
    turned: int = 0  # pictures that this run has turned upright, as their files say
    masks: int = 0
    failures: list[Failure] = field(default_factory=list)  # pictures, folders and formats, in their order
    notes: list[str] = field(default_factory=list)  # sentences for people
    written: list[str] = field(default_factory=list)  # a line a format: where, how many, how exact


def run_batch(
    folder: Path, out: Path, engine: Engine, task: BatchTask, progress: Callable[[BatchProgress], None] | None = None
) -> BatchReport:
    """Make the dataset ``out`` of all pictures below ``folder``, or what is still missing of it.

    Three pictures are in memory at a time, and the names of all. A picture that cannot be used is reported and does not
    keep the others from being done.

    Args:
        folder: searched with all folders below it.
        out: made where it is not there.
        engine: generates the masks; called by this thread only.
        task: options and formats.
        progress: called after every picture.

    Raises:
        BatchError: there is nothing to do, another run writes there, or the disk cannot take what is made.
    """
    return run_batch_with(
        lambda dataset, pictures: process_pictures(dataset, engine, task, pictures), folder, out, task, progress
    )


def run_batch_with(
    work: Callable[[Dataset, Sequence[Picture]], Generator[PictureOutcome, None, None]],
    folder: Path,
    out: Path,
    task: BatchTask,
    progress: Callable[[BatchProgress], None] | None,
) -> BatchReport:
    """Run a batch as :func:`run_batch` does, with any ``work`` that yields the pictures' outcomes in their order."""
    dataset = Dataset(out)
    listing = find_pictures(folder, out, lambda picture: dataset.read_files(picture).stem)
    _check_place(folder, out, task)
    with dataset.hold():
        tally = _Tally(listing, progress)
        try:
            with closing(work(dataset, listing.pictures)) as outcomes:
                for outcome in outcomes:
                    tally.add(outcome)
            with dataset.open_scratch():
                _write_whole(dataset, task, listing, tally)
        except BaseException:
            # There will be no report, and the next run does not know of them.
            if changed := [*tally.put_aside, *take_put_aside(dataset)]:
                _log.warning("%s", _of_files_put_aside(changed, dataset.root))
            raise
    return tally.report


def _check_place(folder: Path, out: Path, task: BatchTask) -> None:
    """Refuse a dataset whose files would take the place of the pictures, or of what others have made.

    Raises:
        BatchError: they would.
    """
    for name in task.picture_formats:
        if is_within(folder, out / name):
            raise BatchError(
                f"The files of {name} would go to {out / name}, where the pictures are, and take their place: give "
                "another folder."
            )
    if exists(out / NOTES):
        return  # a dataset: what is there is its own
    for name in (*task.picture_formats, *WHOLE_FILES):
        if exists(out / name):
            raise BatchError(
                f"There is a {name} in {out} already, which is of no dataset that this command has made, and would be "
                "written over: give another folder, or move it away."
            )


class _Tally:
    """Count outcomes and measure the speed so far."""

    def __init__(self, listing: Listing, progress: Callable[[BatchProgress], None] | None) -> None:
        self.report = BatchReport(len(listing.pictures), failures=list(listing.unreadable))
        self.usable: list[Picture] = []
        self.with_masks: list[Picture] = []
        self.put_aside: list[str] = []
        self._progress = progress
        self._done = 0
        self._seconds = 0.0  # spent on pictures that were made
        self._at = time.monotonic()

    def add(self, outcome: PictureOutcome) -> None:
        """Count one picture, and report progress."""
        report = self.report
        report.failures.extend(outcome.failures)
        report.notes.extend(outcome.notes)
        self.put_aside.extend(outcome.put_aside)
        report.made += outcome.made
        report.turned += outcome.is_turned
        if outcome.masks is not None:
            self.usable.append(outcome.picture)
            self.with_masks += [outcome.picture] * (outcome.masks > 0)
            report.kept += not outcome.made
            report.empty += not outcome.masks
            report.masks += outcome.masks
        self._done += 1
        now = time.monotonic()
        self._seconds += (now - self._at) * outcome.made
        self._at = now
        if self._progress is not None:
            rate = report.made / self._seconds if self._seconds else None
            name = printable(outcome.picture.relative)
            left = (report.total - self._done) / rate if rate else None
            self._progress(BatchProgress(name, self._done, report.total, len(report.failures), rate, left))


def _write_whole(dataset: Dataset, task: BatchTask, listing: Listing, tally: _Tally) -> None:
    """Write the files of the whole dataset, and sum up each format in the report."""
    report = tally.report
    for exporter in (EXPORTERS[name] for name in task.formats):
        where = f"{exporter.name}/" if exporter.whole_dataset is None else f"{exporter.name}.{exporter.extension}"
        try:
            if exporter.whole_dataset is None:
                written = _sum_up(dataset, exporter.name, tally.usable)
            else:
                pictures = tally.usable if task.negatives and exporter.has_negatives else tally.with_masks
                written = write_document(dataset, exporter, pictures, task.metadata, task.classes)
        except ExportError as error:
            report.failures.append(Failure(where, str(error)))
        else:
            report.written.append(f"{where}: {_in_words(exporter, written)}")
        if exporter.layout.picture_list:
            write_picture_list(dataset, exporter, tally.usable)
        if exporter.layout.shared:
            write_shared(dataset, exporter, tally.usable, task.classes)
    write_manifest(dataset, tally.usable, report.failures)
    report.notes += _of_the_photos_themselves(report.turned, tally.usable)
    if any(EXPORTERS[name].whole_dataset for name in task.formats):
        report.notes += _of_names_that_differ_in_their_ending(tally.with_masks)
    if report.empty:
        report.notes.append(_of_pictures_without_masks(report.empty, task))
    tally.put_aside += take_put_aside(dataset)
    if tally.put_aside:
        report.notes.append(_of_files_put_aside(tally.put_aside, dataset.root))
    # Those that fail now are among them: their files show what they were.
    if others := dataset.count_others(tally.usable):
        report.notes.append(
            f"{_pictures(others, 'is', 'are')} no longer there, or not usable any more, with files of earlier runs: "
            f"these stay in {dataset.root}, with the class numbers of that time, and what reads whole folders (as "
            "tools for YOLO do) finds them. manifest.csv and COCO files are without them."
        )


def _pictures(count: int, is_: str, are: str) -> str:
    """``count`` pictures with the verb that follows."""
    return f"{count:,} picture {is_}" if count == 1 else f"{count:,} pictures {are}"


def _of_files_put_aside(paths: Sequence[str], root: Path) -> str:
    count = len(paths)
    which = f"{printable(paths[0])} was" if count == 1 else f"{count:,} files, such as {printable(paths[0])}, were"
    return (
        f"{which} not as this command had made {'it' if count == 1 else 'them'}, and had to make room: what somebody "
        f"changed there is kept in {root / CHANGED}."
    )


def _of_pictures_without_masks(count: int, task: BatchTask) -> str:
    start = f"{_pictures(count, 'has', 'have')} no masks with these settings"
    able = " and ".join(name for name in task.formats if EXPORTERS[name].has_negatives)
    if able and task.negatives:
        return f"{start}: {able} say that nothing is in them; other formats have no files of them."
    hint = f" With --negatives, {able} would say that nothing is in them." if able else ""
    return f"{start}, and {'is' if count == 1 else 'are'} only in manifest.csv.{hint}"


def _of_the_photos_themselves(turned: int, pictures: Iterable[Picture]) -> list[str]:
    """What whoever reads the photos beside the dataset has to know: COCO, masks and others carry no copies of them."""
    notes = []
    if turned:
        notes.append(
            f"{_pictures(turned, 'is', 'are')} turned upright, as the file says (EXIF), and masks fit that: what "
            "reads the photos themselves has to turn them, too. OpenCV and browsers do; torchvision's datasets do not."
        )
    changed = [name for name in (picture.relative for picture in pictures) if printable(name) != name]
    if changed:
        notes.append(
            f"{_pictures(len(changed), 'has a name', 'have names')} not in UTF-8, such as {printable(changed[0])}: in "
            "the files of the dataset “�” stands for what is none, and other tools do not find them by it. Rename them."
        )
    return notes


def _of_names_that_differ_in_their_ending(pictures: Iterable[Picture]) -> list[str]:
    """What COCO's readers make of them: Datumaro (``RepeatedItemError``), and with it CVAT, leave the ending out."""
    by_start: dict[PurePosixPath, list[str]] = {}
    for picture in pictures:
        by_start.setdefault(PurePosixPath(picture.relative).with_suffix(""), []).append(printable(picture.relative))
    alike = [names for names in by_start.values() if len(names) > 1]
    if not alike:
        return []
    return [
        f"{sum(map(len, alike)):,} pictures differ from others only in the ending of their names, such as "
        f"{' and '.join(alike[0][:2])}: Datumaro and CVAT leave it out, and so refuse COCO files of both. Rename them "
        "for these."
    ]


def _sum_up(dataset: Dataset, name: str, pictures: Iterable[Picture]) -> Written:
    masks, exact, worst = 0, 0, 1.0
    for picture in pictures:
        written = dataset.read_files(picture).formats.get(name)
        if written is not None:
            masks, exact, worst = masks + written.masks, exact + written.exact, min(worst, written.worst_iou)
    return Written({}, masks, exact, worst)


def _in_words(exporter: Exporter, written: Written) -> str:
    if written.exact == written.masks:
        return exporter.nothing_lost(written.masks)
    # Rounded down: 0.9999 is not 1.
    worst = int(written.worst_iou * 1000) / 1000
    return f"{written.masks:,} {exporter.unit}s, {written.exact:,} exact, worst IoU {worst:.3f}. {exporter.loses}"
