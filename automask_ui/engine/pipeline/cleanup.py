"""Remove small holes and islands with upstream's result, on run lengths: no mask is decoded to pixels.

What it costs depends on how ragged the mask is, not on how many pixels it or the picture has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automask_ui.cache import ByteLRU
from automask_ui.masks.rle import Rle, encode_counts, run_counts

__all__ = ["CachedCleanup", "remove_small_regions"]


class CachedCleanup:
    """:func:`remove_small_regions`, cached: every move of a slider cleans mostly the same masks."""

    def __init__(self, max_bytes: int) -> None:
        self._known: ByteLRU[tuple[Rle, bool]] = ByteLRU(max_bytes, lambda pair: len(pair[0]["counts"]) + 200)

    def __call__(self, rle: Rle, min_area: int) -> tuple[Rle, bool]:
        """Arguments and result as there."""
        key = (rle["counts"], *rle["size"], min_area)
        cleaned = self._known.get(key)
        if cleaned is None:
            cleaned = remove_small_regions(rle, min_area)
            self._known.put(key, cleaned)
        return cleaned


def remove_small_regions(rle: Rle, min_area: int) -> tuple[Rle, bool]:
    """Fill holes and then remove islands of fewer than ``min_area`` px; the largest island always stays.

    Regions are 8-connected. The background around the mask counts as a hole if it is that small.

    Returns:
        The mask, and whether it was changed.

    Source: ``segment_anything.utils.amg.remove_small_regions``, first with "holes", then with "islands".
    """
    runs = _Runs.of(rle)
    is_set, filled = _fill_holes(runs, min_area)
    is_set, removed = _remove_islands(runs, is_set, min_area)
    if not (filled or removed):
        return rle, False
    return runs.encode(is_set), True


@dataclass(frozen=True, eq=False)
class _Runs:
    """A mask cut into pieces of columns: position in the mask (column-major) of each one's begin and end, and value."""

    size_hw: tuple[int, int]
    begin: np.ndarray  # (n,) int64
    end: np.ndarray  # (n,) int64, exclusive
    is_set: np.ndarray  # (n,) bool

    @classmethod
    def of(cls, rle: Rle) -> _Runs:
        """The pieces of a mask."""
        height, width = rle["size"]
        changes = np.cumsum(run_counts(rle))
        # Two sorted lists: a stable sort only merges them.
        borders = np.sort(np.concatenate([changes, np.arange(width + 1) * height]), kind="stable")
        borders = borders[np.append(True, borders[1:] != borders[:-1])]
        run = np.searchsorted(changes, borders[:-1], side="right")
        return cls((height, width), borders[:-1], borders[1:], run % 2 == 1)

    def encode(self, is_set: np.ndarray) -> Rle:
        """The mask with other values at the same pieces."""
        changes = self.end[:-1][is_set[1:] != is_set[:-1]]
        borders = np.concatenate([[0] if is_set[0] else [], changes, self.end[-1:]])
        return encode_counts(np.diff(borders, prepend=0), self.size_hw)

    def regions(self, pieces: np.ndarray) -> _Regions:
        """What ``pieces`` (bool) make up, 8-connected: touching pieces of one column, or of neighbouring columns."""
        height = self.size_hw[0]
        column = self.begin // height
        # A spare pixel between columns: the foot of one is not beside the head of the next.
        begin, end = (self.begin + column)[pieces], (self.end + column)[pieces]
        first = np.searchsorted(end, begin + height + 1, side="left")
        last = np.searchsorted(begin, end + height + 1, side="right")
        count = np.maximum(last - first, 0)
        left = np.repeat(np.arange(len(begin)), count)
        right = np.arange(len(left)) + np.repeat(first - (np.cumsum(count) - count), count)
        below = np.flatnonzero(begin[1:] == end[:-1])
        region = _connected(len(begin), np.concatenate([left, below]), np.concatenate([right, below + 1]))
        return _Regions(region, np.bincount(region, end - begin, minlength=len(begin)))


@dataclass(frozen=True, eq=False)
class _Regions:
    """The region of each piece, named by one of its pieces, and how many px the region of that name has."""

    of_piece: np.ndarray  # (n,) int64
    area: np.ndarray  # (n,), 0 where a piece gives no region its name


def _connected(count: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The first node of the component that each of ``count`` nodes is in; ``left`` and ``right`` are the edges' ends.

    Source: hooking and pointer jumping, Shiloach and Vishkin, "An O(log n) parallel connectivity algorithm", 1982.
    """
    root = np.arange(count)
    while len(left):
        high, low = np.maximum(root[left], root[right]), np.minimum(root[left], root[right])
        apart = high != low
        left, right = left[apart], right[apart]
        # Of several hooks for one root any may win: the others' edges are still there in the next round.
        root[high[apart]] = low[apart]
        while not np.array_equal(root, above := root[root]):
            root = above
    return root


def _fill_holes(runs: _Runs, min_area: int) -> tuple[np.ndarray, bool]:
    """The pieces' values with small holes filled, and whether there were any."""
    holes = runs.regions(~runs.is_set)
    small = holes.area[holes.of_piece] < min_area
    is_set = runs.is_set.copy()
    is_set[~runs.is_set] = small
    return is_set, bool(small.any())


def _remove_islands(runs: _Runs, is_set: np.ndarray, min_area: int) -> tuple[np.ndarray, bool]:
    """The pieces' values without small islands, and whether there were any."""
    islands = runs.regions(is_set)
    keep = islands.area[islands.of_piece] >= min_area
    if keep.all():
        return is_set, False
    if not keep.any():
        keep = islands.of_piece == _first_of_the_largest(runs, is_set, islands)
    kept = is_set.copy()
    kept[is_set] = keep
    return kept, True


def _first_of_the_largest(runs: _Runs, is_set: np.ndarray, islands: _Regions) -> int:
    """The largest region; of several, the one that OpenCV numbers first: it goes through 2×2 blocks row by row."""
    height, width = runs.size_hw
    largest = np.flatnonzero(islands.area[islands.of_piece] == islands.area.max())
    column, row = np.divmod(runs.begin[is_set][largest], height)
    block = row // 2 * width + column // 2
    return int(islands.of_piece[largest[block.argmin()]])
