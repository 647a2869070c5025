"""The masks of one picture as plain JSON values and back: the one form in which files keep them.

    {"counts": ["…", …], "area": […], "bbox_xywh": […], "predicted_iou": […], …}

Columns as in :class:`automask_ui.masks.MaskSet`, a box four numbers in a row and a point two; ``null`` is NaN, a score
that was not measured or a point that was never shown to the model. The picture's size stands beside them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pycocotools import mask as coco

from automask_ui.files.json_fields import MAX_INTEGER, JsonFieldError, list_in, object_of, text_of
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.collection import MaskSet, object_column
from automask_ui.masks.rle import Rle

__all__ = ["MAX_MASKS", "from_columns", "to_columns"]

MAX_MASKS = 20_000  # of one picture
MAX_COUNTS = 32 * 1024**2  # characters of one mask's run lengths

# Column -> its type and how many numbers of it belong to one mask.
_NUMBERS: dict[str, tuple[type, int]] = {
    "area": (np.int64, 1),
    "bbox_xywh": (np.int64, 4),
    "predicted_iou": (np.float32, 1),
    "stability_score": (np.float32, 1),
    "point_xy": (np.float64, 2),
    "crop_box_xywh": (np.int64, 4),
}


def to_columns(masks: MaskSet) -> dict[str, list[Any]]:
    """Write ``masks`` as columns of plain values. Rows of candidates are not among them."""
    columns: dict[str, list[Any]] = {"counts": [rle["counts"].decode("ascii") for rle in masks.rle]}
    for name in _NUMBERS:
        values = getattr(masks, name).ravel().tolist()
        columns[name] = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    return columns


def from_columns(values: object, size_hw: tuple[int, int]) -> MaskSet:
    """Read what :func:`to_columns` wrote for a picture of ``size_hw`` px; nothing in ``values`` is trusted.

    Raises:
        JsonFieldError: a column is missing or of another type, pixels are no RLE of this size, an area or a box does
            not belong to its pixels, or a number is out of range.
    """
    columns = object_of(values, "“masks”")
    counts = list_in(columns, "counts", MAX_MASKS)
    rles = _rles(counts, size_hw)
    numbers = {name: _numbers(columns, name, len(rles)) for name in _NUMBERS}
    masks = MaskSet(size_hw, rle=object_column(rles), candidate=np.full(len(rles), -1, np.int64), **numbers)
    if rles:
        _check_ranges(masks)
        _check_pixels(masks)
    return masks


def _rles(counts: list[Any], size_hw: tuple[int, int]) -> list[Rle]:
    """The masks' pixels, checked before any C code sees them."""
    texts = [text_of(text, "“counts” of a mask", MAX_COUNTS) for text in counts]
    try:
        return rle_codec.checked(texts, size_hw)
    except ValueError as error:
        reason, row = error.args
        raise JsonFieldError(f"the pixels {_of(row)} are no RLE: {reason}.") from error


def _numbers(columns: Any, name: str, count: int) -> np.ndarray:
    """A column of numbers: (count,) or (count, width)."""
    dtype, width = _NUMBERS[name]
    values = list_in(columns, name, MAX_MASKS * width)
    if len(values) != count * width:
        raise JsonFieldError(f"“{name}” has {len(values):,} numbers; {count:,} masks need {count * width:,}.")
    if dtype is np.int64:
        types: tuple[object, ...] = (int,)
        is_right = all(type(value) is int and abs(value) <= MAX_INTEGER for value in values)
    else:
        types = (int, float, type(None))
        is_right = all(value is None or (type(value) in types and abs(value) <= MAX_INTEGER) for value in values)
    if not is_right:
        wrong = next(v for v in values if type(v) not in types or (v is not None and not abs(v) <= MAX_INTEGER))
        kind = "number that is too large" if type(wrong) in types else "value that is no number of its kind"
        raise JsonFieldError(f"“{name}” has a {kind}: {str(wrong)[:20]!r}.")
    array: np.ndarray = np.array([math.nan if value is None else value for value in values], dtype)
    return array.reshape(count, width) if width > 1 else array


def _check_pixels(masks: MaskSet) -> None:
    """Refuse areas and boxes that are not those of the masks' pixels."""
    rles = list(masks.rle)
    # One by one: with NumPy 2, pycocotools fails at the areas of more than 255 masks.
    areas = np.array([rle_codec.area(rle) for rle in rles], np.int64)
    if (row := _first(areas != masks.area)) is not None:
        raise JsonFieldError(f"the mask in row {row + 1} has {areas[row]:,} pixels, not {masks.area[row]:,}.")
    boxes = np.asarray(coco.toBbox(rles)).astype(np.int64).reshape(-1, 4)
    # Boxes count from pixel to pixel: one less than the pixels.
    begin, end = masks.bbox_xywh[:, :2], masks.bbox_xywh[:, :2] + masks.bbox_xywh[:, 2:]
    is_outside = (boxes[:, :2] < begin).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] - 1 > end).any(axis=1)
    if (row := _first(is_outside & (areas > 0))) is not None:
        raise JsonFieldError(f"the box {_of(row)} does not hold its pixels.")


def _check_ranges(masks: MaskSet) -> None:
    """Refuse boxes and points outside the picture, and scores that are none."""
    height, width = masks.size_hw
    for name in ("bbox_xywh", "crop_box_xywh"):
        boxes = getattr(masks, name)
        is_outside = (boxes < 0).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] > (width, height)).any(axis=1)
        if (row := _first(is_outside)) is not None:
            raise JsonFieldError(f"“{name}” {_of(row)} is not inside the picture: {boxes[row].tolist()}.")
    missing = np.isnan(masks.point_xy)
    with np.errstate(invalid="ignore"):
        is_inside = ((masks.point_xy >= 0) & (masks.point_xy <= (width, height))).all(axis=1)
    if (row := _first(~(is_inside | missing.all(axis=1)))) is not None:
        raise JsonFieldError(f"the point {_of(row)} is not in the picture.")
    for name in ("predicted_iou", "stability_score"):
        scores = getattr(masks, name)
        if (row := _first(np.abs(scores) > 100)) is not None:
            raise JsonFieldError(f"“{name}” {_of(row)} is no score: {scores[row]}.")


def _first(rows: np.ndarray) -> int | None:
    """The first row that is true, if one is."""
    return int(rows.argmax()) if rows.any() else None


def _of(row: int) -> str:
    return f"of the mask in row {row + 1}"
