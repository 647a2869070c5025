"""Removal of small holes and islands, with upstream's result on the full frame at the price of the mask's window."""

from __future__ import annotations

import cv2
import numpy as np

from automask_ui.rle import Rle, decode, decode_window, encode_window

__all__ = ["remove_small_regions"]


def remove_small_regions(rle: Rle, min_area: int) -> tuple[Rle, bool]:
    """Fill holes and then remove islands of fewer than ``min_area`` px; the largest island always stays.

    Regions are 8-connected. The background around the mask counts as a hole if it is that small.

    Returns:
        The mask, and whether it was changed.

    Source: ``segment_anything.utils.amg.remove_small_regions``, first with "holes", then with "islands".
    """
    frame = _Frame.around(rle)
    mask, filled = _fill_holes(frame, min_area)
    if mask is None:
        # The background outside the window is itself a small hole: only the whole frame will do.
        frame = _Frame(decode(rle), (0, 0), rle["size"])
        mask, filled = _fill_holes(frame, min_area)
        assert mask is not None
    mask, removed = _remove_islands(mask, min_area)
    if not (filled or removed):
        return rle, False
    return encode_window(mask, frame.offset_xy, (rle["size"][0], rle["size"][1])), True


class _Frame:
    """A window around the mask with a margin of background wherever the picture goes on."""

    def __init__(self, mask: np.ndarray, offset_xy: tuple[int, int], size_hw: list[int]) -> None:
        self.mask = mask
        self.offset_xy = offset_xy
        self.size_hw = size_hw

    @classmethod
    def around(cls, rle: Rle) -> _Frame:
        """The mask's own box with that margin."""
        window, (x, y) = decode_window(rle)
        height, width = rle["size"]
        # OpenCV numbers regions in 2×2 blocks: an even corner keeps the order that they have in the full frame.
        left, top = max(0, x - 1) // 2 * 2, max(0, y - 1) // 2 * 2
        right, bottom = min(width, x + window.shape[1] + 1), min(height, y + window.shape[0] + 1)
        mask = np.zeros((bottom - top, right - left), dtype=bool)
        mask[y - top : y - top + window.shape[0], x - left : x - left + window.shape[1]] = window
        return cls(mask, (left, top), rle["size"])

    def outside(self) -> list[tuple[tuple[int, int], int]]:
        """The picture outside the window in up to four strips: a pixel of the margin that each touches, and its px."""
        (left, top), (height, width) = self.offset_xy, self.size_hw
        rows, columns = self.mask.shape
        strips = [
            ((0, 0), left * height),
            ((0, columns - 1), (width - left - columns) * height),
            ((0, 0), top * columns),
            ((rows - 1, 0), (height - top - rows) * columns),
        ]
        return [strip for strip in strips if strip[1] > 0]


def _fill_holes(frame: _Frame, min_area: int) -> tuple[np.ndarray | None, bool]:
    """The mask with small holes filled and whether there were any; None where the outside is such a hole."""
    labels, sizes = _regions(~frame.mask)
    outside = frame.outside()
    for pixel, area in outside:
        sizes[labels[pixel]] += area
    small = sizes < min_area
    small[0] = False
    if any(small[labels[pixel]] for pixel, _ in outside):
        return None, True
    if not small.any():
        return frame.mask, False
    small[0] = True
    return small[labels], True


def _remove_islands(mask: np.ndarray, min_area: int) -> tuple[np.ndarray, bool]:
    """The mask without its small regions and whether there were any."""
    labels, sizes = _regions(mask)
    keep = sizes >= min_area
    keep[0] = False
    if len(sizes) == 1 or keep[1:].all():
        return mask, False
    if not keep.any():
        keep[1 + int(np.argmax(sizes[1:]))] = True
    return keep[labels], True


def _regions(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (0 = outside ``mask``) and size in px of each label, 8-connected."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return labels, stats[:, cv2.CC_STAT_AREA].astype(np.int64)
