"""The masked parts of the photo as pictures with a transparent background."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO

import numpy as np

from automask_ui.errors import ExportError
from automask_ui.export.base import Exporter, ExportItem, ReadMask, with_stems
from automask_ui.export.files import png_bytes, read_pixels, zip_add
from automask_ui.masks import rle as rle_codec
from automask_ui.masks import table
from automask_ui.masks.rle import Rle
from automask_ui.session.class_names import clean_text

__all__ = ["EXPORTERS", "cutout", "placed"]

_HEADER = ("number", "label", "file", "left", "top", "width", "height")


def cutout(image: np.ndarray, rle: Rle, *, tight: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """The masked part of ``image`` (H×W×3 uint8) and where it lies.

    Returns:
        h×w×4 uint8 RGBA, zero outside the mask, of the mask's box or (not ``tight``) the whole picture; left and top.
    """
    window, (left, top) = rle_codec.decode_window(rle)
    height, width = window.shape
    part = np.empty((height, width, 4), dtype=np.uint8)
    np.multiply(image[top : top + height, left : left + width], window[..., None], out=part[..., :3])
    np.multiply(window, 255, out=part[..., 3], casting="unsafe")
    if tight:
        return part, (left, top)
    full = np.zeros((*image.shape[:2], 4), dtype=np.uint8)
    full[top : top + height, left : left + width] = part
    return full, (0, 0)


def placed(rgba: np.ndarray, left: int, top: int, image: np.ndarray) -> Rle:
    """The mask that a cut-out shows.

    Raises:
        ExportError: if its colours are not the photo's.
    """
    window = rgba[..., 3] == 255
    # Only what lies in the mask's own box is looked at, since most of a full frame is empty.
    rows, columns = np.flatnonzero(window.any(axis=1)), np.flatnonzero(window.any(axis=0))
    if not len(rows):
        return rle_codec.encode_window(window[:0, :0], (0, 0), (image.shape[0], image.shape[1]))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    window, left, top = window[box], left + int(columns[0]), top + int(rows[0])
    photo = image[top : top + window.shape[0], left : left + window.shape[1]]
    if (rgba[box][..., :3] != photo)[window].any():
        raise ExportError("A cut-out came back with other colours, so the file was not kept. Please report this.")
    return rle_codec.encode_window(window, (left, top), (image.shape[0], image.shape[1]))


def _write(tight: bool, items: Sequence[ExportItem], file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for stem, item in with_stems(items):
            rows: list[list[table.Value]] = []
            for (id_, _, mask), label in zip(item.rows(), item.labels, strict=True):
                rgba, (left, top) = cutout(item.image, mask.rle, tight=tight)
                zip_add(archive, f"{stem}/{id_}.png", png_bytes(rgba), packed=True)
                rows.append([id_, clean_text(label), f"{id_}.png", left, top, rgba.shape[1], rgba.shape[0]])
            zip_add(archive, f"{stem}/cutouts.csv", table.to_csv(_HEADER, rows).encode("utf-8-sig"))


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    with zipfile.ZipFile(file) as archive:
        for stem, item in with_stems(items):
            rows = csv.DictReader(io.StringIO(archive.read(f"{stem}/cutouts.csv").decode("utf-8-sig"), newline=""))
            yield (
                placed(
                    read_pixels(archive.read(f"{stem}/{row['file']}")), int(row["left"]), int(row["top"]), item.image
                )
                for row in rows
            )


def _exporter(name: str, title: str, hint: str, tight: bool) -> Exporter:
    return Exporter(name, title, hint, "zip", "Pillow", write=partial(_write, tight), read=_read)


EXPORTERS = (
    _exporter("cutouts", "Cut-outs (tight)", "Each object alone on a transparent background, cut to its box.", True),
    _exporter(
        "cutouts-full",
        "Cut-outs (full frame)",
        "Each object alone on a transparent background, at its place in a picture of the photo's size.",
        False,
    ),
)
