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
    "union",
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


def checked(counts: str, size_hw: tuple[int, int]) -> Rle:
    """The RLE that ``counts`` is, for a mask of ``size_hw`` px; for text from outside, before any other use of it.

    Raises:
        ValueError: it is not what :func:`encode` would write for any mask of this size.
    """
    raw = counts.encode("ascii")
    digits = np.frombuffer(raw, dtype=np.uint8).astype(np.int64) - 48
    if not len(digits) or digits.min() < 0 or digits.max() > 0x3F:
        raise ValueError("it has characters that no RLE has")
    last = np.flatnonzero((digits & 0x20) == 0)
    # A number takes at most seven digits of five bits: longer ones would overflow.
    if not len(last) or last[-1] != len(digits) - 1 or np.diff(last, prepend=-1).max() > 7:
        raise ValueError("a number in it has no end")
    rle: Rle = {"size": [int(size_hw[0]), int(size_hw[1])], "counts": raw}
    runs = run_counts(rle)
    if runs.min() < 0 or not runs[1:].all() or runs.sum() != size_hw[0] * size_hw[1]:
        raise ValueError(f"its runs are not the pixels of a mask of {size_hw[0]} × {size_hw[1]}")
    if encode_counts(runs, size_hw)["counts"] != raw:
        raise ValueError("it is not written as COCO writes it")
    return rle


def run_counts(rle: Rle) -> np.ndarray:
    """Run lengths of ``rle``: 1-D int64, zeros first, column-major.

    Source: ``rleFrString`` of cocoapi: 5 bits a byte, lowest first, bit 5 says that more follow, and from the fourth
    run on the difference to the run before the last is stored.
    """
    raw = np.frombuffer(rle["counts"], dtype=np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((raw & 0x20) == 0)
    if not len(last):
        return np.zeros(0, dtype=np.int64)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(raw)) - np.repeat(first, last - first + 1)
    deltas = np.add.reduceat((raw & 0x1F) << (5 * place), first)
    negative = (raw[last] & 0x10) != 0
    deltas[negative] -= np.int64(1) << (5 * (last - first + 1)[negative])
    counts = deltas
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


def union(rles: Sequence[Rle]) -> Rle:
    """The mask of everything that any of ``rles`` (at least one, all of one size) covers."""
    return coco.merge(list(rles))


def to_uncompressed(rle: Rle) -> dict[str, Any]:
    """``{"size": [h, w], "counts": [int, ...]}``, equal to upstream's ``mask_to_rle_pytorch``."""
    return {"size": list(rle["size"]), "counts": run_counts(rle).tolist()}


def to_coco_json(rle: Rle) -> dict[str, Any]:
    """``rle`` with its counts as text, as JSON needs them; equal to upstream's ``coco_encode_rle``."""
    return {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}
