"""Write the table of masks as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from automask_ui.errors import ExportError
from automask_ui.export.base import Exporter, ExportItem, ReadMask, text_name
from automask_ui.masks import table
from automask_ui.session.class_names import clean_text

__all__ = ["EXPORTERS"]

_HEADER = ("picture", *(column.key for column in table.COLUMNS))


def _rows(item: ExportItem) -> Iterator[list[table.Value]]:
    labels = [clean_text(label) for label in item.labels]
    for row in table.rows(item.masks, item.ids, labels):
        yield [text_name(item.name), *row]


def _write(items: Sequence[ExportItem], file: BinaryIO) -> None:
    # With a byte order mark, by which Excel knows that this is UTF-8.
    file.write(table.to_csv(_HEADER, [row for item in items for row in _rows(item)]).encode("utf-8-sig"))


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    """A table holds no pixels: a mask counts as found where its row is as it was written."""
    lines = csv.reader(io.StringIO(file.read().decode("utf-8-sig"), newline=""))
    if next(lines) != list(_HEADER):
        raise ExportError("The table came back with other columns, so it was not kept. Please report this.")
    for item in items:
        written = ([str(table.safe_cell(value)) for value in row] for row in _rows(item))
        yield (rle if next(lines) == row else None for rle, row in zip(item.masks.rle, written, strict=True))


EXPORTERS = (
    Exporter(
        name="table",
        title="Table (CSV)",
        hint="Numbers, labels, areas, boxes and scores for a spreadsheet; no pixels.",
        purpose="measure",
        extension="csv",
        reader="csv",
        write=_write,
        read=_read,
        unit="row",
        aliases=("csv",),
    ),
)
