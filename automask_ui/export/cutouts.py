"""Write each masked part of the photo as a PNG with a transparent background."""

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

__all__ = ["EXPORTERS", "cutout", "mask_of_cutout"]

_HEADER = ("number", "label", "file", "left", "top", "width", "height")


def cutout(image: np.ndarray, rle: Rle, *, tight: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """Cut the masked part out of ``image`` (H×W×3 uint8).

    Returns:
        The cut-out, h×w×4 uint8 RGBA, zero outside the mask: of the mask's box, or of the whole picture if not
        ``tight``. Its left and top in the picture, px.
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


def mask_of_cutout(rgba: np.ndarray, left: int, top: int, image: np.ndarray) -> Rle:
    """Read the mask back from a cut-out, and compare its colours with the photo's.

    Args:
        rgba: the cut-out, h×w×4 uint8; alpha is 255 in the mask.
        left, top: where it lies in the photo, px.
        image: the photo, H×W×3 uint8 RGB.

    Returns:
        The mask, of H×W px.

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
                mask_of_cutout(
                    read_pixels(archive.read(f"{stem}/{row['file']}")), int(row["left"]), int(row["top"]), item.image
                )
                for row in rows
            )


EXPORTERS = (
    Exporter(
        name="cutouts",
        title="Cut-outs (tight)",
        hint="Each object alone on a transparent background, cut to its box.",
        purpose="look",
        extension="zip",
        reader="Pillow",
        write=partial(_write, True),
        read=_read,
    ),
    Exporter(
        name="cutouts-full",
        title="Cut-outs (full frame)",
        hint="Each object alone on a transparent background, at its place in a picture of the photo's size.",
        purpose="look",
        extension="zip",
        reader="Pillow",
        write=partial(_write, False),
        read=_read,
    ),
)
