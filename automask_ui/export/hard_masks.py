"""Hard test masks (holes, one-pixel lines, many parts …) that every format is checked on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from automask_ui.export.base import ExportItem
from automask_ui.masks import MaskSet, object_column
from automask_ui.masks import rle as rle_codec

__all__ = ["HARD_MASKS", "SIZES_HW", "hard_items", "hard_mask_set", "mask_set"]

SIZES_HW = ((37, 53), (534, 800))

Draw = Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]  # y, x (H×1 and 1×W), height, width -> H×W bool


def _disc(y: np.ndarray, x: np.ndarray, cy: float, cx: float, radius: float) -> np.ndarray:
    return (y - cy) ** 2 + (x - cx) ** 2 < radius**2


def _hole(y: np.ndarray, x: np.ndarray, h: int, w: int) -> np.ndarray:
    return _disc(y, x, h / 2, w / 2, h / 3) & ~_disc(y, x, h / 2, w / 2, h / 6)


def _island_in_hole(y: np.ndarray, x: np.ndarray, h: int, w: int) -> np.ndarray:
    return _hole(y, x, h, w) | _disc(y, x, h / 2, w / 2, h / 12)


def _many_holes(y: np.ndarray, x: np.ndarray, h: int, w: int) -> np.ndarray:
    plate = (y > h // 8) & (y < h - h // 8) & (x > w // 8) & (x < w - w // 8)
    return plate & ~((y % (h // 6) < h // 14) & (x % (w // 8) < w // 20))


def _two_parts(y: np.ndarray, x: np.ndarray, h: int, w: int) -> np.ndarray:
    return _disc(y, x, h / 4, w / 4, h / 6) | _disc(y, x, h * 0.7, w * 0.7, h / 5)


def _five_parts(y: np.ndarray, x: np.ndarray, h: int, w: int) -> np.ndarray:
    return (abs(y - h / 2) < h / 4) & (x * 11 // w % 2 == 1)


def _frame(y: np.ndarray, x: np.ndarray, h: int, w: int) -> np.ndarray:
    return (y < 2) | (y >= h - 2) | (x < 2) | (x >= w - 2)


def _blob(y: np.ndarray, x: np.ndarray, h: int, w: int) -> np.ndarray:
    angle = np.arctan2(y - h / 2, x - w / 2)
    return np.hypot(y - h / 2, x - w / 2) < h / 3 * (1 + 0.3 * np.sin(5 * angle) + 0.1 * np.sin(17 * angle))


def _specks(y: np.ndarray, x: np.ndarray, h: int, w: int) -> np.ndarray:
    # A fixed pattern without a period: single pixels, touching corners, pixel-sized holes.
    return _disc(y, x, h / 2, w / 2, min(h / 3, 40)) & ((x * 7919 + y * 104729 + x * y * 31) % 11 < 6)


HARD_MASKS: dict[str, Draw] = {
    "one pixel": lambda y, x, h, w: (y == h // 3) & (x == w // 3),
    "pixel in the last corner": lambda y, x, h, w: (y == h - 1) & (x == w - 1),
    "row of one pixel": lambda y, x, h, w: (y == h // 2) & (x > 4) & (x < w - 4),
    "column of one pixel": lambda y, x, h, w: (x == w // 2) & (y > 4) & (y < h - 4),
    "diagonal of one pixel": lambda y, x, h, w: (x == y + 5) & (y > 2) & (y < h - 2),
    "two pixels that touch at a corner": lambda y, x, h, w: ((y == 5) & (x == 6)) | ((y == 6) & (x == 7)),
    "two far pixels": lambda y, x, h, w: ((y == 2) & (x == 3)) | ((y == h - 4) & (x == w - 5)),
    "left of two that touch": lambda y, x, h, w: (x >= 5) & (x < w // 2) & (y > 5) & (y < h - 5),
    "right of two that touch": lambda y, x, h, w: (x >= w // 2) & (x < w - 5) & (y > 5) & (y < h - 5),
    "outer of two nested": lambda y, x, h, w: _disc(y, x, h / 2, w / 3, h / 3),
    "inner of two nested": lambda y, x, h, w: _disc(y, x, h / 2, w / 3, h / 8),
    "whole picture": lambda y, x, h, w: (y >= 0) & (x >= 0),
    "whole picture but one pixel": lambda y, x, h, w: (y != h // 2) | (x != w // 2),
    "frame at the border": _frame,
    "touches the top left": lambda y, x, h, w: x + y < h // 2,
    "touches the bottom right": lambda y, x, h, w: (h - 1 - y) * 2 + (w - 1 - x) < h // 2,
    "hole": _hole,
    "island in a hole": _island_in_hole,
    "many holes": _many_holes,
    "two parts": _two_parts,
    "five parts": _five_parts,
    "wavy blob": _blob,
    "checkerboard": lambda y, x, h, w: ((x + y) % 2 == 0) & (y > 3) & (y < 12) & (x > 3) & (x < 14),
    "specks": _specks,
}


def hard_mask_set(size_hw: tuple[int, int]) -> MaskSet:
    """Draw all of :data:`HARD_MASKS` in a picture of this size, in their order."""
    height, width = size_hw
    y, x = np.arange(height)[:, None], np.arange(width)[None]
    return mask_set([np.broadcast_to(draw(y, x, height, width), size_hw) for draw in HARD_MASKS.values()], size_hw)


def hard_items() -> list[ExportItem]:
    """Make two pictures of :data:`SIZES_HW` with the hard masks, to be exported."""
    items = []
    for number, size_hw in enumerate(SIZES_HW, start=1):
        y, x = np.mgrid[: size_hw[0], : size_hw[1]]
        image = np.stack([x % 256, y % 256, (x + y) % 256], axis=2).astype(np.uint8)
        masks = hard_mask_set(size_hw)
        ids = tuple(range(1, len(masks) + 1))
        items.append(ExportItem(f"hard-{number}.png", image, masks, ids, tuple(HARD_MASKS)))
    return items


def mask_set(arrays: list[np.ndarray], size_hw: tuple[int, int]) -> MaskSet:
    """Make a :class:`MaskSet` of masks (H×W bool each), with scores and points that tell the rows apart."""
    rles = [rle_codec.encode(array) for array in arrays]
    boxes = np.array([rle_codec.bbox_xywh(item) for item in rles], dtype=np.int64).reshape(-1, 4)
    steps = np.arange(len(arrays))
    return MaskSet(
        size_hw,
        rle=object_column(rles),
        area=np.array([rle_codec.area(item) for item in rles], dtype=np.int64),
        bbox_xywh=np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:] - 1, 0)], axis=1),
        predicted_iou=(0.99 - 0.001 * steps).astype(np.float32),
        stability_score=(0.9 + 0.001 * steps).astype(np.float32),
        point_xy=boxes[:, :2] + 0.5,
        crop_box_xywh=np.tile(np.array([0, 0, size_hw[1], size_hw[0]], dtype=np.int64), (len(arrays), 1)),
        candidate=np.full(len(arrays), -1, dtype=np.int64),
    )
