"""Write YOLO segmentation as Ultralytics reads it: a dataset of pictures, one text file each, and data.yaml.

Source: https://docs.ultralytics.com/datasets/segment/. One line an object: class, then x and y of a single polygon in
0 to 1. Holes and parts are therefore tied together by cut lines; a cut through a hole's rim costs nothing, a line
between two parts is painted by the reader.

Readers find a picture's labels by rules of their own, and take one without labels for background: Ultralytics
(``img2label_paths``) and FiftyOne put ``labels`` in the place of the last ``images`` in the path, and CVAT's Datumaro
wants a folder for each subset below ``images``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import cv2
import numpy as np

from automask_ui.errors import ExportError
from automask_ui.export.base import ADDS, Exporter, ExportItem, FolderLayout, ReadMask, class_numbers, with_stems
from automask_ui.export.files import jpeg_bytes, zip_add
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.geometry import one_contour
from automask_ui.masks.rle import Rle
from automask_ui.session.class_names import unused_class

__all__ = ["EXPORTERS", "polygon_xy"]

# Just before the middle of a pixel: readers that cut off the fraction and readers that round agree on the pixel, and
# points that Ultralytics puts between two corners fall on the nearest one.
_IN_PIXEL = 0.49
_IMAGES, _LABELS = "images/train", "labels/train"
_MOST_CLASSES = 10_000
_HALF_WIDTH = 0.1  # px: what a pixel or a line of pixels is widened by, so that its box has an area


def polygon_xy(rle: Rle) -> np.ndarray:
    """Convert a mask to one polygon of at least three corners: n×2 float64, px."""
    ring = one_contour(rle).astype(float)
    if len(ring) < 3:
        along = np.sign(ring[-1] - ring[0]) if len(ring) == 2 else np.array([1.0, 0.0])
        across = np.array([-along[1], along[0]])
        first, last = ring[0] - along * _HALF_WIDTH, ring[-1] + along * _HALF_WIDTH
        aside = across * _HALF_WIDTH
        # To the left and up, so that nothing comes past the middle.
        ring = np.array([first - aside, last - aside, last + aside, first + aside]) - 2 * _HALF_WIDTH
    return ring + _IN_PIXEL


def _lines(item: ExportItem, classes: dict[str, int]) -> Iterator[str]:
    scale = np.array([item.size_hw[1], item.size_hw[0]])
    for _, label, mask in item.rows():
        # Seven digits keep a hundredth of a pixel on a picture of 100,000 px.
        numbers = (f"{value:.7f}" for value in (polygon_xy(mask.rle) / scale).ravel().tolist())
        yield f"{classes[label]} {' '.join(numbers)}\n"


def _write(items: Sequence[ExportItem], file: BinaryIO) -> None:
    classes = class_numbers(items, first=0)
    with zipfile.ZipFile(file, "w") as archive:
        # JSON strings are YAML strings.
        names = enumerate(_names_without_gaps(classes))
        listed = "".join(f"  {number}: {json.dumps(name, ensure_ascii=False)}\n" for number, name in names)
        zip_add(archive, "data.yaml", f"train: {_IMAGES}\nval: {_IMAGES}\nnames:\n{listed}".encode())
        for stem, item in with_stems(items):
            zip_add(archive, f"{_IMAGES}/{stem}.jpg", jpeg_bytes(item.image), packed=True)
            zip_add(archive, f"{_LABELS}/{stem}.txt", "".join(_lines(item, classes)).encode())


def _names_without_gaps(classes: dict[str, int]) -> list[str]:
    """Name every number from 0 to the highest: Ultralytics refuses gaps (``check_class_names``)."""
    highest = max(classes.values(), default=-1)
    if highest >= _MOST_CLASSES:
        raise ExportError(
            f"YOLO numbers classes from 0 without gaps, but the class list goes up to {highest:,}, and at most "
            f"{_MOST_CLASSES:,} classes can be written. Give the list without its numbers."
        )
    names = {number: name for name, number in classes.items()}
    return [names.get(number) or unused_class(number) for number in range(highest + 1)]


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    with zipfile.ZipFile(file) as archive:
        for stem, item in with_stems(items):
            lines = io.StringIO(archive.read(f"{_LABELS}/{stem}.txt").decode())
            yield (_painted(line, item.size_hw) for line in lines)


def _painted(line: str, size_hw: tuple[int, int]) -> ReadMask:
    """Paint a line's polygon as Ultralytics' ``polygon2mask`` does, at the picture's size, inside its box."""
    numbers = np.array(line.split()[1:], dtype=np.float32).reshape(-1, 2)
    corners = (numbers * np.array([size_hw[1], size_hw[0]], dtype=np.float32)).astype(np.int32)
    low, high = corners.min(axis=0), corners.max(axis=0)
    window = np.zeros((high[1] - low[1] + 1, high[0] - low[0] + 1), dtype=np.uint8)
    cv2.fillPoly(window, [corners - low], 1)
    return rle_codec.encode_window(window, (int(low[0]), int(low[1])), size_hw)


def _folder_name(name: str) -> str:
    """Add an underscore to ``images``, and to what that makes of it, so that two folders never become one."""
    return f"{name}_" if name.rstrip("_") == "images" else name


EXPORTERS = (
    Exporter(
        name="yolo",
        title="YOLO segmentation",
        hint="Training with Ultralytics YOLO: a ZIP with pictures, labels and data.yaml.",
        purpose="train",
        extension="zip",
        reader="OpenCV fillPoly, as Ultralytics does",
        has_classes=True,
        has_negatives=True,
        write=_write,
        read=_read,
        change=ADDS,
        layout=FolderLayout((_IMAGES, _LABELS), shared=frozenset({"data.yaml"}), folder_name=_folder_name),
        loses="YOLO holds one polygon an object, so separate parts are joined by a thin line.",
    ),
)
