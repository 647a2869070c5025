"""Run-length encoded masks in COCO's compressed form, on ``pycocotools``.

A mask is ``{"size": [height, width], "counts": bytes}``. Runs go down the columns (column-major), the first run counts
zeros. Encoding takes a window at an offset, so that a small mask in a large picture costs what the window costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from pycocotools import mask as coco

__all__ = [
    "Rle",
    "area",
    "bbox_xywh",
    "checked",
    "decode",
    "decode_window",
    "encode",
    "encode_borders",
    "encode_counts",
    "encode_window",
    "iou_matrix",
    "run_counts",
    "to_coco_json",
    "to_uncompressed",
]


class Rle(TypedDict):
    """COCO's compressed RLE."""

    size: list[int]  # height, width
    counts: bytes


def encode(mask: np.ndarray) -> Rle:
    """Encode ``mask`` (H×W, bool or 0/1)."""
    return encode_window(mask, (0, 0), (mask.shape[0], mask.shape[1]))


def encode_window(window: np.ndarray, offset_xy: tuple[int, int], size_hw: tuple[int, int]) -> Rle:
    """Encode a full-size mask that is zero outside ``window``.

    Args:
        window: h×w, bool or 0/1.
        offset_xy: the window's left and top in the full mask, px.
        size_hw: the full mask's height and width, px.
    """
    # An empty pixel on either side of each column makes every run begin and end in its own.
    columns = np.zeros((window.shape[1], window.shape[0] + 2), dtype=bool)
    columns[:, 1:-1] = window.T
    column, row = np.nonzero(columns[:, 1:] != columns[:, :-1])
    return encode_borders((column + offset_xy[0]) * size_hw[0] + row + offset_xy[1], size_hw)


def encode_borders(borders: np.ndarray, size_hw: tuple[int, int]) -> Rle:
    """Encode runs of ones that are given by where they begin and end.

    Args:
        borders: 1-D integers that never fall: positions in the mask, column-major, at which runs begin and end in
            turn. A run may be empty, and may begin where the last one ended.
        size_hw: the mask's height and width, px.
    """
    distinct = np.flatnonzero(np.diff(borders, prepend=-1))
    changes = borders[distinct[np.diff(distinct, append=len(borders)) % 2 == 1]]
    return encode_counts(np.diff(changes, prepend=0, append=size_hw[0] * size_hw[1]), size_hw)


def encode_counts(counts: np.ndarray, size_hw: tuple[int, int]) -> Rle:
    """Encode run lengths (1-D integers, zeros first, column-major) that add up to the mask's pixels."""
    counts = np.asarray(counts, dtype=np.uint32)
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    size = [int(size_hw[0]), int(size_hw[1])]
    compressed = coco.frPyObjects({"size": size, "counts": counts}, *size)
    return {"size": size, "counts": compressed["counts"]}


def checked(counts: Sequence[str], size_hw: tuple[int, int]) -> list[Rle]:
    """The RLEs that ``counts`` are, of masks of ``size_hw`` px; for texts from outside, before any other use of them.

    All are looked at in one go: one by one takes longer than reading them from JSON.

    Raises:
        ValueError: one is not what :func:`encode` would write for any mask of this size; its arguments are the reason
            and the place of that one in ``counts``.
    """
    if not counts:
        return []
    raws = [text.encode("ascii", "replace") for text in counts]
    ends = np.cumsum([len(raw) for raw in raws], dtype=np.int64)
    digits = np.frombuffer(b"".join(raws), dtype=np.uint8).astype(np.int64) - 48
    # "replace" writes "?", which is one of the digits.
    _refuse(np.array([not text or not text.isascii() for text in counts], bool), "it has characters that no RLE has")
    owner = np.repeat(np.arange(len(raws)), [len(raw) for raw in raws])
    _refuse(_any_of((digits < 0) | (digits > 0x3F), owner, len(raws)), "it has characters that no RLE has")
    is_last = (digits & 0x20) == 0
    _refuse(~is_last[ends - 1], "a number in it has no end")
    last = np.flatnonzero(is_last)
    length = np.diff(last, prepend=-1)
    # A number takes at most seven digits of five bits: longer ones would overflow.
    _refuse(_any_of(length > 7, owner[last], len(raws)), "a number in it has no end")
    runs = _sums_of_runs(_numbers(digits, last), owner[last])
    place = _place_in_group(owner[last])
    is_wrong = _any_of((runs < 0) | ((runs == 0) & (place > 0)), owner[last], len(raws))
    pixels = np.bincount(owner[last], weights=runs, minlength=len(raws))
    _refuse(
        is_wrong | (pixels != size_hw[0] * size_hw[1]),
        f"its runs are not the pixels of a mask of {size_hw[0]} × {size_hw[1]}",
    )
    # The last digit says nothing that the sign of the one before does not say.
    before = np.where(length > 1, digits[last - 1], 0)
    is_spare = (length > 1) & (digits[last] == np.where(before & 0x10, 0x1F, 0))
    _refuse(_any_of(is_spare, owner[last], len(raws)), "it is not written as COCO writes it")
    size = [int(size_hw[0]), int(size_hw[1])]
    return [{"size": list(size), "counts": raw} for raw in raws]


def _refuse(is_wrong: np.ndarray, reason: str) -> None:
    if is_wrong.any():
        raise ValueError(reason, int(is_wrong.argmax()))


def _any_of(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """(count,) bool: whether any of an owner's values is true."""
    return np.bincount(owner[values], minlength=count) > 0


def _numbers(digits: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The signed numbers of five bits a digit, lowest first, that end at the places ``last``."""
    if not len(last):
        return np.zeros(0, dtype=np.int64)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(digits)) - np.repeat(first, last - first + 1)
    numbers = np.add.reduceat((digits & 0x1F) << (5 * place), first)
    negative = (digits[last] & 0x10) != 0
    numbers[negative] -= np.int64(1) << (5 * (last - first + 1)[negative])
    return numbers


def _place_in_group(owner: np.ndarray) -> np.ndarray:
    """0, 1, 2 ... within each run of equal owners."""
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    return np.arange(len(owner)) - np.repeat(first, np.diff(first, append=len(owner)))


def _sums_of_runs(numbers: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Run lengths of several masks, from the fourth on stored as the difference to the run before the last."""
    place = _place_in_group(owner)
    # The first run stands alone; odd ones and the even ones after it add up among themselves.
    chain = owner * 3 + np.where(place == 0, 0, 2 - place % 2)
    order = np.argsort(chain, kind="stable")
    sums = np.cumsum(numbers[order])
    begins = np.flatnonzero(np.diff(chain[order], prepend=-1))
    before = np.where(begins > 0, sums[begins - 1], 0)
    runs = np.empty_like(numbers)
    runs[order] = sums - np.repeat(before, np.diff(begins, append=len(order)))
    return runs


def run_counts(rle: Rle) -> np.ndarray:
    """Run lengths of ``rle``: 1-D int64, zeros first, column-major.

    Source: ``rleFrString`` of cocoapi: 5 bits a byte, lowest first, bit 5 says that more follow, and from the fourth
    run on the difference to the run before the last is stored.
    """
    digits = np.frombuffer(rle["counts"], dtype=np.uint8).astype(np.int64) - 48
    counts = _numbers(digits, np.flatnonzero((digits & 0x20) == 0))
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts


def decode(rle: Rle) -> np.ndarray:
    """The mask as an H×W bool array."""
    # Not coco.decode: it warns with NumPy 2, and is no faster.
    height, width = rle["size"]
    counts = run_counts(rle)
    columns = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return columns.reshape(width, height).T


def decode_window(rle: Rle) -> tuple[np.ndarray, tuple[int, int]]:
    """The mask inside its own bounding box.

    Returns:
        The window (h×w bool) and its left and top in px; a 0×0 window at (0, 0) for an empty mask.
    """
    left, top, width, height = bbox_xywh(rle)
    full_height = rle["size"][0]
    borders = np.cumsum(run_counts(rle))
    # Only the columns of the box are unpacked.
    begin, end = left * full_height, (left + width) * full_height
    inside = np.clip(borders, begin, end)
    runs = np.diff(inside, prepend=begin)
    ones = np.arange(len(runs)) % 2 == 1
    columns = np.repeat(ones, runs)
    # After the last run of ones everything is zero, up to the end of the last column.
    columns = np.append(columns, np.zeros(end - begin - len(columns), dtype=bool))
    return columns.reshape(width, full_height)[:, top : top + height].T, (left, top)


def area(rle: Rle) -> int:
    """Pixels of the mask."""
    return int(coco.area(rle))


def bbox_xywh(rle: Rle) -> tuple[int, int, int, int]:
    """Smallest box around the mask in px: left, top, width, height; all zero for an empty mask.

    Width and height count pixels, as in COCO. (Upstream's dicts have the distance between the outer pixels: one less.)
    """
    left, top, width, height = (int(value) for value in coco.toBbox(rle))
    return (left, top, width, height) if width and height else (0, 0, 0, 0)


def iou_matrix(rows: Sequence[Rle], columns: Sequence[Rle]) -> np.ndarray:
    """Intersection over union of every row mask with every column mask: len(rows) × len(columns) float64."""
    if not rows or not columns:
        return np.zeros((len(rows), len(columns)))
    return np.asarray(coco.iou(list(rows), list(columns), [0] * len(columns)))


def to_uncompressed(rle: Rle) -> dict[str, Any]:
    """``{"size": [h, w], "counts": [int, ...]}``, equal to upstream's ``mask_to_rle_pytorch``."""
    return {"size": list(rle["size"]), "counts": run_counts(rle).tolist()}


def to_coco_json(rle: Rle) -> dict[str, Any]:
    """``rle`` with its counts as text, as JSON needs them; equal to upstream's ``coco_encode_rle``."""
    return {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}
