"""What the browser draws: a bounded copy of the photo, and every mask as runs at that copy's size.

Masks stay exact in the original's pixels; what is made here is only for looking and pointing. The viewer never needs
whole frames: runs of 600 masks are a few hundred kilobytes, and the browser fills, outlines and hit-tests from them.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from automask_ui.masks.rle import Rle, run_counts

__all__ = ["LONGEST_SIDE", "display_image", "display_runs", "display_size", "pack_layers"]

LONGEST_SIDE = 1600  # px; sharp on a 4K monitor's picture pane, and a tenth of a 12-megapixel photo's pixels
WEBP_QUALITY = 88
WEBP_EFFORT = 1  # of 6: a tenth larger than the default, encoded in half the time
GZIP_LEVEL = 4


def display_size(size_hw: tuple[int, int], longest: int = LONGEST_SIDE) -> tuple[int, int]:
    """Height and width of the copy that is shown: at most ``longest`` px on the long side, never enlarged.

    Args:
        size_hw: the original's height and width, px.
    """
    height, width = size_hw
    scale = min(1.0, longest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def display_image(rgb: np.ndarray, display_hw: tuple[int, int]) -> bytes:
    """The photo (H×W×3 uint8) as WebP at ``display_hw``."""
    image = Image.fromarray(rgb)
    height, width = display_hw
    if image.size != (width, height):
        # reducing_gap averages whole blocks first: as good for looking, and quicker on large photos.
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    data = io.BytesIO()
    image.save(data, "WEBP", quality=WEBP_QUALITY, method=WEBP_EFFORT)
    return data.getvalue()


def display_runs(rle: Rle, display_hw: tuple[int, int]) -> np.ndarray:
    """One mask at display size, as runs along the rows.

    Nearest neighbour: a display pixel shows the original pixel under its centre. A mask that falls between the
    sampled pixels keeps one, so that whatever is in the table can be found in the picture.

    Args:
        rle: the mask at the original's size.
        display_hw: not larger than the original.

    Returns:
        n×2 uint32: start (``y * width + x`` of the display copy) and length, sorted by start; n×0 for an empty mask.
    """
    height, width = rle["size"]
    display_height, display_width = display_hw
    borders = np.cumsum(run_counts(rle))
    starts, ends = borders[0:-1:2], borders[1::2]
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    if not len(starts):
        return np.zeros((0, 2), dtype=np.uint32)

    columns, tops, bottoms = _column_segments(starts, ends, height)
    # Display row r shows original row floor((r + 0.5) * height / display_height): a run covers the rows between.
    tops = _first_sample_at(tops, height, display_height)
    bottoms = _first_sample_at(bottoms, height, display_height)
    lefts = _first_sample_at(columns, width, display_width)
    seen = (bottoms > tops) & (_first_sample_at(columns + 1, width, display_width) > lefts)
    if not seen.any():
        column, row = divmod(int(starts[0]), height)
        pixel = (row * display_height // height) * display_width + column * display_width // width
        return np.array([[pixel, 1]], dtype=np.uint32)
    return _row_runs(lefts[seen], tops[seen], bottoms[seen], display_width)


def _first_sample_at(position: np.ndarray, size: int, display: int) -> np.ndarray:
    """Smallest display index whose sampled original index is at least ``position`` (0 to ``size``)."""
    # floor((i + 0.5) * size / display) >= p  <=>  (2i + 1) * size >= 2 p display, solved for the smallest i.
    return np.maximum(0, -((size - 2 * position * display) // (2 * size)))


def _column_segments(starts: np.ndarray, ends: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column-major runs cut where they go on in the next column: column, first row, row after the last."""
    first, last = starts // height, (ends - 1) // height
    counts = last - first + 1
    run = np.repeat(np.arange(len(starts)), counts)
    columns = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[run]
    tops = np.maximum(starts[run] - columns * height, 0)
    bottoms = np.minimum(ends[run] - columns * height, height)
    return columns, tops, bottoms


def _row_runs(lefts: np.ndarray, tops: np.ndarray, bottoms: np.ndarray, display_width: int) -> np.ndarray:
    """Runs along the rows of a mask given as vertical segments one pixel wide (display px)."""
    x0, y0 = int(lefts.min()), int(tops.min())
    box_width, box_height = int(lefts.max()) - x0 + 1, int(bottoms.max()) - y0
    # Within a column segments do not touch the same start or the same end, so plain assignment adds safely.
    marks = np.zeros((box_height + 1, box_width + 2), dtype=np.int8)
    marks[tops - y0, lefts - x0 + 1] += 1
    marks[bottoms - y0, lefts - x0 + 1] -= 1
    inside = np.cumsum(marks[:-1], axis=0, dtype=np.int8)
    # A blank column on both sides closes every run inside its own row.
    edges = np.flatnonzero(np.diff(inside.ravel(), prepend=np.int8(0)))
    rows, columns = np.divmod(edges, box_width + 2)
    positions = (rows + y0) * display_width + columns - 1 + x0
    begin, end = positions[0::2], positions[1::2]
    return np.stack([begin, end - begin], axis=1).astype(np.uint32)


def pack_layers(runs: Sequence[tuple[int, np.ndarray]]) -> bytes:
    """The file the viewer reads: gzip of little-endian uint32.

    ``[masks, (number, runs, start, length, start, length, ...) for each mask]``

    Args:
        runs: number of each mask with its ``display_runs`` (n×2).
    """
    parts = [np.array([len(runs)], dtype="<u4")]
    for number, pairs in runs:
        parts.append(np.array([number, len(pairs)], dtype="<u4"))
        parts.append(pairs.astype("<u4").ravel())
    # No time stamp: equal masks give equal bytes, which the browser and the file cache then keep once.
    return gzip.compress(np.concatenate(parts).tobytes(), GZIP_LEVEL, mtime=0)
