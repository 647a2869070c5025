"""All pictures of a queue as one dataset; an archive carries the work itself as well, to be taken up again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np

from automask_ui.batch.documents import export_item
from automask_ui.cache import ByteLRU
from automask_ui.errors import AutoMaskError, BatchError, ExportError
from automask_ui.export import EXPORTERS, ExportItem, ExportReport, export
from automask_ui.project.files import carried
from automask_ui.project.pictures import Queue

__all__ = ["export_queue"]

_DECODED_BYTES = 256 * 1024**2  # of pictures that an export keeps between its passes


def export_queue(queue: Queue, name: str, folder: Path) -> ExportReport:
    """All pictures with masks as one dataset: what was deleted or hidden is left out.

    Raises:
        ExportError: there are no masks, or the file failed its check.
    """
    done = [index for index, item in enumerate(queue.items) if item.state == "done" and item.masks]
    if not done:
        raise ExportError("There are no masks yet: start the queue first.")
    is_archive = EXPORTERS[name].extension_for(len(done)) == "zip"
    return export(name, _Items(queue, done), folder, carried(queue) if is_archive else ())


class _Items(Sequence[ExportItem]):
    """The pictures of an export, each made when it is asked for: exporters go through them several times."""

    def __init__(self, queue: Queue, indices: Sequence[int]) -> None:
        self._queue, self._indices = queue, indices
        self._decoded: ByteLRU[np.ndarray] = ByteLRU(_DECODED_BYTES, lambda image: image.nbytes)

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[ExportItem]:
        return (self[place] for place in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> ExportItem: ...
    @overload
    def __getitem__(self, index: slice) -> _Items: ...
    def __getitem__(self, index: int | slice) -> ExportItem | _Items:
        if isinstance(index, slice):
            return _Items(self._queue, self._indices[index])
        place = self._indices[index]
        image = self._decoded.get(place)
        if image is None:
            try:
                image = self._queue.image(place).rgb
            except AutoMaskError as error:
                raise BatchError(f"{self._queue.items[place].name} could not be read again: {error}") from error
            self._decoded.put(place, image)
        return _item(self._queue, place, image)


def _item(queue: Queue, index: int, image: np.ndarray) -> ExportItem:
    """One picture (H×W×3 uint8) with its masks, for the exporters."""
    picture, saved = queue.pictures[index], queue.edited(index)
    masks = queue.masks(index) if saved is None else saved.masks
    metadata = {} if queue.job is None else dict(queue.job.metadata)
    if masks is None:
        raise ExportError(f"The masks of {picture.relative} are gone: start the queue again.")
    if masks.size_hw != image.shape[:2]:
        # What was taken up may say anything of a picture that nobody has opened yet.
        raise ExportError(f"The masks of {picture.relative} are for a picture of another size: start the queue again.")
    if saved is None:
        return replace(export_item(picture, masks, image, metadata), classes=queue.classes)
    away = saved.edits.deleted | saved.edits.hidden
    rows = [row for row, number in enumerate(saved.numbers) if number not in away]
    numbers = tuple(saved.numbers[row] for row in rows)
    labels = tuple(saved.edits.labels.get(number, "") for number in numbers)
    return ExportItem(picture.relative, image, masks[rows], numbers, labels, metadata, queue.classes)
