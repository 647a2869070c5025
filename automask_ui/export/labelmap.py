"""Write label maps: one picture whose pixel values are mask ids, with an explicit order where masks overlap."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO

import numpy as np
from PIL import Image

from automask_ui.errors import ExportError
from automask_ui.export.base import HIDES, Exporter, ExportItem, ReadMask, with_stems
from automask_ui.export.files import png_bytes, read_pixels, zip_add
from automask_ui.masks import MaskSet, table
from automask_ui.masks import rle as rle_codec
from automask_ui.session.class_names import clean_text

__all__ = ["EXPORTERS", "best_on_top", "flatten", "largest_on_top", "smallest_on_top"]

Order = Callable[[MaskSet], np.ndarray]  # (n,) int64: rows of n masks in the order in which they are painted

_HEADER = ("value", "label", "colour", "area_px", "visible_px", "hidden_px", "predicted_iou")


def smallest_on_top(masks: MaskSet) -> np.ndarray:
    """Order rows by falling area, so that the smallest is painted last: (n,) int64."""
    return np.argsort(-masks.area, kind="stable")


def best_on_top(masks: MaskSet) -> np.ndarray:
    """Order rows by rising predicted IoU, so that the best is painted last: (n,) int64.

    Masks that a person has made and no model has scored come after those, and so are on top.
    """
    return np.argsort(masks.predicted_iou, kind="stable")


def largest_on_top(masks: MaskSet) -> np.ndarray:
    """Order rows by rising area, so that the largest is painted last: (n,) int64."""
    return np.argsort(masks.area, kind="stable")


def flatten(masks: MaskSet, values: Sequence[int], order: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    """Paint all masks into one H×W array of ``dtype``, in ``order`` ((n,) int64), each with its value; 0 = no mask."""
    flat = np.zeros(masks.size_hw, dtype=dtype)
    for row in order.tolist():
        window, (left, top) = rle_codec.decode_window(masks.rle[row])
        flat[top : top + window.shape[0], left : left + window.shape[1]][window] = values[row]
    return flat


def _flat(order: Order, item: ExportItem) -> np.ndarray:
    """Paint the label map, H×W in the smallest integer type that holds the ids."""
    # The numbers themselves are the pixel values, so that a pixel leads back to the table.
    highest, lowest = max(item.ids, default=0), min(item.ids, default=1)
    if lowest < 1 or highest > np.iinfo(np.int32).max:
        raise ExportError(f"A label map holds numbers from 1 to 2,147,483,647, but there are {lowest} and {highest}.")
    dtype: type[np.generic] = np.uint8 if highest < 2**8 else np.uint16 if highest < 2**16 else np.int32
    return flatten(item.masks, item.ids, order(item.masks), dtype)


def _picture(flat: np.ndarray) -> tuple[str, bytes]:
    """Encode a label map; return the file's extension and content. PNG holds up to 16 bits, TIFF 32."""
    if flat.dtype != np.int32:
        return "png", png_bytes(flat)
    buffer = io.BytesIO()
    # Not LZW, which tifffile, and so scikit-image and napari, cannot unpack by themselves.
    Image.fromarray(flat).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    return "tif", buffer.getvalue()


def _hidden_csv(item: ExportItem, flat: np.ndarray) -> str:
    """Make the table of pixel values: label, colour, and how many pixels lie under other masks."""
    values, counts = np.unique(flat, return_counts=True)
    visible = dict(zip(values.tolist(), counts.tolist(), strict=True))
    rows: list[list[table.Value]] = []
    for (id_, _, mask), label, colour in zip(item.rows(), item.labels, item.colours, strict=True):
        seen = visible.get(id_, 0)
        row = [id_, clean_text(label), colour, mask.area, seen, mask.area - seen, round(mask.predicted_iou, 4)]
        rows.append(row)
    return table.to_csv(_HEADER, rows)


def _write(order: Order, items: Sequence[ExportItem], file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for stem, item in with_stems(items):
            flat = _flat(order, item)
            extension, data = _picture(flat)
            zip_add(archive, f"{stem}.{extension}", data, packed=True)
            zip_add(archive, f"{stem}.csv", _hidden_csv(item, flat).encode("utf-8-sig"))


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        for stem, item in with_stems(items):
            pixels = read_pixels(archive.read(f"{stem}.png" if f"{stem}.png" in names else f"{stem}.tif"))
            yield (pixels == id_ for id_ in item.ids)


# Name, title, hint, order, and which of several masks a pixel shows.
_ORDERS: tuple[tuple[str, str, str, Order, str], ...] = (
    (
        "labelmap",
        "Label map, smallest on top",
        "Measuring in ImageJ, napari or Python: each pixel has its mask's number; small things stay visible.",
        smallest_on_top,
        "the smallest is on top",
    ),
    (
        "labelmap-best",
        "Label map, best on top",
        "Each pixel has the number of the mask that SAM trusts most.",
        best_on_top,
        "the one with the highest predicted IoU is on top",
    ),
    (
        "labelmap-largest",
        "Label map, largest on top",
        "Each pixel has the number of its largest mask: wholes instead of parts.",
        largest_on_top,
        "the largest is on top",
    ),
)

EXPORTERS = tuple(
    Exporter(
        name=name,
        title=title,
        hint=hint,
        purpose="measure",
        extension="zip",
        reader="Pillow",
        write=partial(_write, order),
        read=_read,
        change=HIDES,
        loses=f"A label map has one number a pixel: where masks overlap, {on_top}.",
    )
    for name, title, hint, order, on_top in _ORDERS
)
