"""The work on one picture: read, find its masks, write its files; whatever is there already is not done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from automask_ui.batch.documents import MANIFEST, item_of
from automask_ui.batch.formats import write_formats
from automask_ui.batch.pictures import Failure, Picture, shown
from automask_ui.batch.store import Dataset, MasksRecord
from automask_ui.errors import AutoMaskError, BatchError
from automask_ui.export import EXPORTERS
from automask_ui.files.images import load_image
from automask_ui.masks import MaskResult
from automask_ui.options import GeneratorOptions
from automask_ui.protocol import Engine, run_to_end

__all__ = ["BatchTask", "Outcome", "work_through"]

_KEY_VERSION = 1  # raised when the engine finds other masks for the same key
# Options that change how masks are computed or handed over, but not the masks.
_WITHOUT_EFFECT = ("points_per_batch", "output_mode")


@dataclass(frozen=True)
class BatchTask:
    """What is to be done with every picture.

    Raises:
        BatchError: for a format that does not exist.
    """

    options: GeneratorOptions
    formats: tuple[str, ...]  # names in EXPORTERS
    model_key: str  # identity of the weights and of how they compute: the same on every machine and in every run
    metadata: dict[str, Any] = field(default_factory=dict)  # for formats with room

    def __post_init__(self) -> None:
        if unknown := [name for name in self.formats if name not in EXPORTERS]:
            raise BatchError(f"There is no format {unknown[0]!r}; formats are {', '.join(EXPORTERS)}.")

    @property
    def picture_formats(self) -> Sequence[str]:
        """Formats that have files for each picture."""
        return [name for name in self.formats if EXPORTERS[name].whole_dataset is None]

    def key(self, sha256: str) -> str:
        """Of the masks of a picture whose file has this hash: another one as soon as anything differs that counts."""
        options = {name: value for name, value in self.options.flat().items() if name not in _WITHOUT_EFFECT}
        parts = [_KEY_VERSION, sha256, self.model_key, options]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Loaded:
    """A picture when the model could begin with it."""

    picture: Picture
    sha256: str = ""
    record: MasksRecord | None = None  # its masks, where they are known
    rgb: np.ndarray | None = None  # None where everything is done, or nothing can be
    notes: tuple[str, ...] = ()
    error: str = ""  # why it cannot be used


@dataclass
class Outcome:
    """What became of one picture."""

    picture: Picture
    made: bool = False  # it was shown to the model
    masks: int | None = None  # None where it could not be used
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # sentences for people

    @property
    def name(self) -> str:
        """The picture's path for people."""
        return shown(self.picture.relative)


def work_through(
    dataset: Dataset, engine: Engine, task: BatchTask, pictures: Iterable[Picture]
) -> Generator[Outcome, None, None]:
    """Do ``task`` with every picture, reading the next one while the model looks at this one.

    Raises:
        BatchError: the disk cannot take what is made.
    """
    worker = Worker(dataset, lambda image, options: run_to_end(engine.steps(image, options)), task)
    # Ended on the way out of an error as well, so that no thread reads on.
    with dataset.open_scratch(), ThreadPoolExecutor(1, "pictures") as reader:
        coming: Future[Loaded] | None = None
        for picture in pictures:
            following = reader.submit(worker.load, picture)
            if coming is not None:
                yield worker.finish(coming.result())
            coming = following
        if coming is not None:
            yield worker.finish(coming.result())


class Worker:
    """Do ``task`` with one picture after the other, and write to ``dataset``; ``find`` finds a picture's masks."""

    def __init__(
        self, dataset: Dataset, find: Callable[[np.ndarray, GeneratorOptions], MaskResult], task: BatchTask
    ) -> None:
        self._dataset, self._find_masks, self._task = dataset, find, task

    def load(self, picture: Picture) -> Loaded:
        """Read a picture's file, and decode it if anything is missing. May run beside :meth:`finish`."""
        try:
            data = picture.path.read_bytes()
        except OSError as error:
            return Loaded(picture, error=f"the file could not be read: {error.strerror or error}.")
        sha256 = hashlib.sha256(data).hexdigest()
        record = self._dataset.read_masks(picture)
        if record is not None and record.key != self._task.key(sha256):
            record = None
        if record is not None and self._has_files(picture, record.key):
            return Loaded(picture, sha256, record)
        try:
            loaded = load_image(data, name=shown(PurePosixPath(picture.relative).name))
        except AutoMaskError as error:
            return Loaded(picture, error=str(error))
        return Loaded(picture, sha256, record, loaded.rgb, loaded.notes)

    def finish(self, loaded: Loaded) -> Outcome:
        """Find the masks and write the files that are missing.

        Raises:
            BatchError: the disk cannot take them.
        """
        outcome = Outcome(loaded.picture)
        if loaded.error:
            outcome.failures.append(Failure(outcome.name, loaded.error))
            return outcome
        outcome.notes.extend(f"{outcome.name}: {note}" for note in loaded.notes)
        try:
            record = loaded.record or self._find(loaded, outcome)
        except BatchError:
            raise
        except AutoMaskError as error:
            outcome.failures.append(Failure(outcome.name, str(error)))
            return outcome
        outcome.masks = len(record.masks)
        if loaded.rgb is not None:
            item = item_of(loaded.picture, record.masks, loaded.rgb, self._task.metadata)
            formats = self._task.picture_formats
            for name, reason in write_formats(self._dataset, loaded.picture, item, formats, record.key):
                outcome.failures.append(Failure(outcome.name, f"{name}: {reason}"))
        return outcome

    def _has_files(self, picture: Picture, key: str) -> bool:
        files = self._dataset.read_files(picture)
        return (files.key, files.stem, files.stale) == (key, picture.stem, ()) and all(
            name in files.formats and self._dataset.has(files.formats[name].files)
            for name in self._task.picture_formats
        )

    def _find(self, loaded: Loaded, outcome: Outcome) -> MasksRecord:
        assert loaded.rgb is not None  # decoded, since its masks are not known
        result = self._find_masks(loaded.rgb, self._task.options)
        outcome.made = True
        outcome.notes.extend(f"{outcome.name}: {note}" for note in result.notes)
        # What holds the whole dataset is out of date from here on, until it is made anew at the end.
        whole = [f"{row.name}.{row.extension}" for row in EXPORTERS.values() if row.whole_dataset is not None]
        self._dataset.remove([MANIFEST, *whole])
        self._dataset.write_masks(
            loaded.picture, MasksRecord(self._task.key(loaded.sha256), loaded.sha256, result.masks)
        )
        # As a later run would read it, so that both make the same of it.
        record = self._dataset.read_masks(loaded.picture)
        if record is None:
            raise BatchError(f"The masks of {outcome.name} could not be read back from {self._dataset.root}.")
        return record
