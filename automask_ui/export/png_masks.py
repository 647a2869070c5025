"""Write a ZIP of black and white mask pictures with ``metadata.csv``, as upstream's ``scripts/amg.py`` does."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from automask_ui.export.base import Exporter, ExportItem, ReadMask, with_stems
from automask_ui.export.files import png_bytes, read_pixels, zip_add
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.rle import Rle
from automask_ui.masks.table import Value, safe_cell
from automask_ui.session.class_names import clean_text

__all__ = ["EXPORTERS", "METADATA_COLUMNS", "metadata_csv"]

METADATA_COLUMNS = (
    "id",
    "area",
    "bbox_x0",
    "bbox_y0",
    "bbox_w",
    "bbox_h",
    "point_input_x",
    "point_input_y",
    "predicted_iou",
    "stability_score",
    "crop_box_x0",
    "crop_box_y0",
    "crop_box_w",
    "crop_box_h",
)


def metadata_csv(item: ExportItem) -> str:
    """Make the 14 columns of upstream's script, one line a mask; ``id`` is the mask's id and its file's name.

    Where masks have labels, these are a fifteenth.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labelled = any(item.labels)
    writer.writerow([*METADATA_COLUMNS, *["label"] * labelled])
    for id_, label, mask in zip(item.ids, item.labels, item.masks, strict=True):
        values: list[Value] = [id_, mask.area, *mask.bbox_xywh, *mask.point_xy]
        values += [mask.predicted_iou, mask.stability_score, *mask.crop_box_xywh, *[clean_text(label)] * labelled]
        writer.writerow([safe_cell(value) for value in values])
    return text.getvalue()


def _black_and_white(rle: Rle) -> np.ndarray:
    """Decode a mask to H×W uint8, 0 or 255, C-contiguous (unlike ``rle.decode``), as PNG encoders want it."""
    window, (left, top) = rle_codec.decode_window(rle)
    picture = np.zeros(rle["size"], dtype=np.uint8)
    np.multiply(window, 255, out=picture[top : top + window.shape[0], left : left + window.shape[1]], casting="unsafe")
    return picture


def _write(items: Sequence[ExportItem], file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for stem, item in with_stems(items):
            for id_, rle in zip(item.ids, item.masks.rle, strict=True):
                zip_add(archive, f"{stem}/{id_}.png", png_bytes(_black_and_white(rle)), packed=True)
            zip_add(archive, f"{stem}/metadata.csv", metadata_csv(item).encode())


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    with zipfile.ZipFile(file) as archive:
        for stem, _ in with_stems(items):
            table = csv.DictReader(io.StringIO(archive.read(f"{stem}/metadata.csv").decode()))
            # One at a time: of 600 masks of a large photo, only one is ever unpacked.
            yield (read_pixels(archive.read(f"{stem}/{row['id']}.png")) == 255 for row in table)


EXPORTERS = (
    Exporter(
        name="masks",
        title="Mask pictures (PNG)",
        hint="One black and white picture a mask at the photo's size, and metadata.csv as in SAM's own script.",
        purpose="script",
        extension="zip",
        reader="Pillow",
        write=_write,
        read=_read,
        aliases=("png",),
        output_mode="binary_mask",
    ),
)
