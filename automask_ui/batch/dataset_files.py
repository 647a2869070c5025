"""Write the files that hold a whole dataset (COCO, manifest) picture by picture, so that memory stays flat."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TextIO, overload

import numpy as np

from automask_ui.batch.dataset import Dataset, Written
from automask_ui.batch.pictures import Failure, Picture, printable
from automask_ui.batch.put_aside import land_whole
from automask_ui.errors import BatchError, ExportError
from automask_ui.export import EXPORTERS, Exporter, ExportItem, export
from automask_ui.export.base import UNLABELLED, ClassList, DatasetDocument
from automask_ui.export.files import write_json
from automask_ui.export.proof import check_file
from automask_ui.masks import MaskSet, rle, table

__all__ = [
    "MANIFEST",
    "WHOLE_FILES",
    "export_item",
    "write_document",
    "write_manifest",
    "write_picture_list",
    "write_shared",
]

MANIFEST = "manifest.csv"
# Files of the whole dataset, at its top: a run that finds other masks removes them all, and makes them at its end.
WHOLE_FILES = (
    MANIFEST,
    *(f"{row.name}.{row.extension}" for row in EXPORTERS.values() if row.whole_dataset is not None),
)

_BETWEEN = re.compile(r"[\s,]*")  # elements of an array
_CHUNK = 1 << 18  # characters


def export_item(
    picture: Picture, masks: Any, rgb: np.ndarray | None, metadata: dict[str, Any], classes: ClassList = UNLABELLED
) -> ExportItem:
    """Make the item to export of a picture: ids from 1, no labels. ``rgb`` (H×W×3 uint8): None for JSON formats.

    A picture without masks has the ``classes`` of the others nevertheless, so that files that list it are the same.
    """
    count = len(masks)
    # One zero that is looked at H×W×3 times takes no memory.
    image = np.broadcast_to(np.uint8(0), (*masks.size_hw, 3)) if rgb is None else rgb
    ids, labels = tuple(range(1, count + 1)), ("",) * count
    return ExportItem(printable(picture.relative), image, masks, ids, labels, metadata, classes)


class _Stored(Sequence[ExportItem]):
    """The dataset's pictures as items to export; masks are read from disk on every access, and not kept."""

    def __init__(
        self, dataset: Dataset, pictures: Sequence[Picture], metadata: dict[str, Any], classes: ClassList
    ) -> None:
        self._dataset, self._pictures, self._metadata, self._classes = dataset, pictures, metadata, classes

    def __len__(self) -> int:
        return len(self._pictures)

    @overload
    def __getitem__(self, index: int) -> ExportItem: ...
    @overload
    def __getitem__(self, index: slice) -> _Stored: ...
    def __getitem__(self, index: int | slice) -> ExportItem | _Stored:
        if isinstance(index, slice):
            return _Stored(self._dataset, self._pictures[index], self._metadata, self._classes)
        picture = self._pictures[index]
        record = self._dataset.read_masks(picture)
        if record is None:
            raise BatchError(
                f"The masks of {printable(picture.relative)} are gone from the dataset: run the command again."
            )
        return export_item(picture, record.masks, None, self._metadata, self._classes)


def write_document(
    dataset: Dataset,
    exporter: Exporter,
    pictures: Sequence[Picture],
    metadata: dict[str, Any],
    classes: ClassList = UNLABELLED,
) -> Written:
    """Write one file for all ``pictures``, read it back picture by picture, and move it into the dataset.

    Args:
        dataset: where the pictures' masks are.
        exporter: a format with ``whole_dataset``.
        pictures: those to write, in their order.
        metadata: for formats with room.
        classes: of the whole dataset.

    Raises:
        BatchError: the disk cannot take it.
        ExportError: it did not pass its check.
    """
    items = _Stored(dataset, pictures, metadata, classes)
    part = dataset.new_part()
    target = dataset.root / f"{exporter.name}.{exporter.extension}"
    form = exporter.whole_dataset
    assert form is not None
    try:
        with part.open("xb") as file:
            write_json(form.build(items), file)
        with part.open(encoding="utf-8") as pictures_file, part.open(encoding="utf-8") as masks_file:
            written = _check(exporter, form, items, _rows(pictures_file, form.pictures), _rows(masks_file, form.masks))
        size = part.stat().st_size
    except OSError as error:
        raise BatchError(
            f"{target} could not be written: {error.strerror or error}. The pictures' masks are kept."
        ) from error
    land_whole(dataset, part, target.name)
    return Written({target.name: size}, *written)


def _check(
    exporter: Exporter,
    form: DatasetDocument,
    items: Sequence[ExportItem],
    picture_rows: Iterator[dict[str, Any]],
    mask_rows: Iterator[dict[str, Any]],
) -> tuple[int, int, float]:
    """Check the document with the format's reader, each picture's part as a document of its own.

    Returns:
        Number of masks, number of exact ones, and the worst IoU.
    """
    groups = groupby(mask_rows, key=lambda row: row[form.picture_id])
    group = next(groups, None)
    masks, exact, worst = 0, 0, 1.0
    for item, picture_row in zip(items, picture_rows, strict=True):
        own: list[dict[str, Any]] = []
        if group is not None and group[0] == picture_row["id"]:
            own = list(group[1])
            group = next(groups, None)
        document = io.BytesIO(json.dumps({form.pictures: [picture_row], form.masks: own}).encode())
        checks = check_file(exporter, [item], document)
        masks, exact = masks + len(checks), exact + sum(check.exact for check in checks)
        worst = min([worst, *(check.iou for check in checks)])
    if group is not None:
        raise ExportError(
            f"{exporter.name}.{exporter.extension} holds masks of a picture that is not in it, so it was not kept."
        )
    return masks, exact, worst


def _rows(file: TextIO, array: str) -> Iterator[dict[str, Any]]:
    """Yield the elements (objects) of one array of a JSON document, reading it piece by piece."""
    decoder = json.JSONDecoder()
    opening = f'"{array}": ['
    buffer = ""
    while opening not in buffer:
        buffer = buffer[-len(opening) :] + _more(file)
    buffer = buffer.partition(opening)[2]
    place = 0
    while True:
        between = _BETWEEN.match(buffer, place)
        place = between.end() if between else place
        if buffer.startswith("]", place):
            return
        try:
            row, place = decoder.raw_decode(buffer, place)
        except ValueError:
            # The rest of the element has not been read yet.
            buffer, place = buffer[place:] + _more(file), 0
            continue
        yield row


def _more(file: TextIO) -> str:
    text = file.read(_CHUNK)
    if not text:
        raise ExportError("The document ends too early, so it was not kept. Please report this.")
    return text


def write_manifest(dataset: Dataset, pictures: Iterable[Picture], failures: Iterable[Failure]) -> None:
    """Write the table of all pictures: masks, size and hash of each, or why it failed."""
    part = dataset.new_part()
    target = dataset.root / MANIFEST
    try:
        with part.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["picture", "masks", "width", "height", "sha256", "error"])
            for picture in pictures:
                record = dataset.read_masks(picture)
                if record is not None:
                    height, width = record.masks.size_hw
                    name = table.safe_cell(printable(picture.relative))
                    writer.writerow([name, len(record.masks), width, height, record.sha256, ""])
            for failure in failures:
                writer.writerow([table.safe_cell(failure.name), "", "", "", "", table.safe_cell(failure.reason)])
    except OSError as error:
        raise BatchError(f"{target} could not be written: {error.strerror or error}.") from error
    land_whole(dataset, part, MANIFEST)


def write_picture_list(dataset: Dataset, exporter: Exporter, pictures: Iterable[Picture]) -> None:
    """Write the list by which the readers of a format find the pictures: those with files, by their stems."""
    written = (picture for picture in pictures if _has_files(dataset, exporter, picture))
    lines = (printable(str(exporter.layout.place(picture.stem, picture.folder))) for picture in written)
    path = f"{exporter.name}/{exporter.layout.picture_list}"
    land_whole(dataset, "".join(f"{line}\n" for line in lines).encode(), path)


def write_shared(dataset: Dataset, exporter: Exporter, pictures: Iterable[Picture], classes: ClassList) -> None:
    """Write the files that all pictures of a format share, if any has files: they depend on the class list alone.

    They are made anew by every run. An earlier one may have left those of another class list, or somebody removed them.
    """
    if not any(_has_files(dataset, exporter, picture) for picture in pictures):
        return
    pixel = MaskSet.from_rles([rle.encode(np.ones((1, 1), bool))], (1, 1))
    item = ExportItem("photo", np.zeros((1, 1, 3), np.uint8), pixel, (1,), ("",), classes=classes)
    report = export(exporter.name, [item], dataset.scratch)
    with zipfile.ZipFile(report.path) as archive:
        for name in exporter.layout.shared:
            land_whole(dataset, archive.read(name), f"{exporter.name}/{name}")


def _has_files(dataset: Dataset, exporter: Exporter, picture: Picture) -> bool:
    written = dataset.read_files(picture).formats.get(exporter.name)
    return written is not None and bool(written.files)
