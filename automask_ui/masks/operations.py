"""Change masks and make new ones of them, on run lengths or inside the mask's own window.

Parts of a mask are 8-connected (pixels that touch at a corner belong together), so holes are 4-connected. Lengths are
Euclidean, between pixel centres. The edge of the picture is no outline: nothing is known beyond it, so masks that it
cuts off are neither shrunk nor rounded there. No mask is changed in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real

import cv2
import numpy as np
from pycocotools import mask as coco

from automask_ui.errors import OptionError
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.rle import Rle

__all__ = [
    "difference",
    "disjoint",
    "fill_holes",
    "grow",
    "intersection",
    "remove_specks",
    "shrink",
    "smooth",
    "split",
    "union",
]

# Largest lengths, px: beyond, distances are no longer exact, and votes take long.
MAX_LENGTH = 1_000
MAX_SMOOTHING = 50


def union(masks: Sequence[Rle]) -> Rle:
    """What any of ``masks`` covers.

    Raises:
        OptionError: there is no mask, or they are of different sizes.
    """
    return _merged(masks, intersect=False)


def intersection(masks: Sequence[Rle]) -> Rle:
    """What all of ``masks`` cover; errors as of :func:`union`."""
    return _merged(masks, intersect=True)


def difference(mask: Rle, others: Sequence[Rle]) -> Rle:
    """What ``mask`` covers and none of ``others``, which may be none at all.

    Raises:
        OptionError: they are of different sizes.
    """
    return _merged([mask, *(_complement(other) for other in others)], intersect=True)


def disjoint(masks: Sequence[Rle], order: Sequence[int] | None = None) -> dict[int, Rle]:
    """Take from every mask what masks on top of it cover.

    Args:
        masks: of one picture.
        order: indices of ``masks``, the topmost first; by default as they are. What it leaves out stays as it is.

    Returns:
        The masks that change, by index; empty ones are those that are covered completely.

    Raises:
        OptionError: an index is out of range or occurs twice, or masks are of different sizes.
    """
    ranks = list(range(len(masks)) if order is None else order)
    if len(set(ranks)) != len(ranks) or not all(0 <= index < len(masks) for index in ranks):
        raise OptionError(f"order must name each of {len(masks)} masks at most once, from 0 on, but is {ranks[:20]}.")
    boxes = np.array([rle_codec.bbox_xywh(masks[index]) for index in ranks], np.int64).reshape(-1, 4)
    begin, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    changed = {}
    for place, index in enumerate(ranks):
        # Only masks whose boxes overlap can cover anything of each other.
        meet = ((begin[:place] < end[place]) & (begin[place] < end[:place])).all(axis=1)
        above = [masks[ranks[other]] for other in np.flatnonzero(meet)]
        visible = difference(masks[index], above)
        if rle_codec.area(visible) < rle_codec.area(masks[index]):
            changed[index] = visible
    return changed


def split(mask: Rle, min_area: int = 1) -> list[Rle]:
    """Split a mask into its parts.

    Args:
        mask: the mask.
        min_area: fewest pixels of a part. A smaller one stays with the nearest of the others, so that nothing is lost.

    Returns:
        The parts, the largest first; ``mask`` alone where it has one part, or none of ``min_area``; none of an empty
        mask.
    """
    window, offset_xy = rle_codec.decode_window(mask)
    if not window.size:
        return []
    labels, areas, boxes = _parts(window)
    kept = np.flatnonzero(areas >= min_area)
    kept = kept[np.argsort(-areas[kept], kind="stable")]
    if len(kept) < 2:
        return [mask]
    if len(kept) < len(areas):
        labels = _join_to_nearest(labels, areas >= min_area)
        boxes[:] = 0, 0, window.shape[1], window.shape[0]
    # Each part inside its own box, so that many small ones of a large mask do not take long.
    parts = []
    for label in kept:
        left, top, width, height = boxes[label].tolist()
        is_part = labels[top : top + height, left : left + width] == label + 1
        parts.append(rle_codec.encode_window(is_part, (offset_xy[0] + left, offset_xy[1] + top), _size(mask)))
    return parts


def fill_holes(mask: Rle, max_area: int | None = None) -> Rle:
    """Fill the holes of a mask: all, or those of at most ``max_area`` pixels.

    What reaches the edge of the picture is no hole.
    """

    def filled(window: np.ndarray) -> np.ndarray:
        """The window without the holes; a ring of background around it joins all that is outside."""
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            np.pad(~window, 1, constant_values=True).astype(np.uint8), connectivity=4
        )
        is_hole = np.ones(count, bool)
        is_hole[[0, labels[0, 0]]] = False
        if max_area is not None:
            is_hole &= stats[:, cv2.CC_STAT_AREA] <= max_area
        return window | is_hole[labels[1:-1, 1:-1]]

    return _in_window(mask, 0, filled)


def remove_specks(mask: Rle, min_area: int) -> Rle:
    """Remove the parts of fewer than ``min_area`` pixels; the largest always stays."""

    def remove(window: np.ndarray) -> np.ndarray:
        labels, areas, _ = _parts(window)
        is_kept = areas >= min_area
        is_kept[areas.argmax()] = True
        return np.concatenate([[False], is_kept])[labels]

    return _in_window(mask, 0, remove)


def grow(mask: Rle, pixels: float) -> Rle:
    """Add everything that is at most ``pixels`` away from the mask.

    Raises:
        OptionError: ``pixels`` is no number from 0 to ``MAX_LENGTH``.
    """
    reach = _length(pixels)
    return _in_window(mask, math.floor(reach), lambda window: _is_within(~window, reach))


def shrink(mask: Rle, pixels: float) -> Rle:
    """Take away everything that is at most ``pixels`` away from what is in the picture but not in the mask.

    It may leave nothing. Growing what is left by as much gives at most the mask again.

    Raises:
        OptionError: ``pixels`` is no number from 0 to ``MAX_LENGTH``.
    """
    reach = _length(pixels)
    # A margin of one pixel holds the nearest that is outside.
    return _in_window(mask, 1, lambda window: window & ~_is_within(window, reach))


def smooth(mask: Rle, pixels: float) -> Rle:
    """Round off the outline: a pixel belongs to the mask if most of those within ``pixels`` of it do.

    Corners become arcs of about that radius; what is much thinner than that goes, in the mask as in its gaps. Beyond
    the picture's edge, its outermost pixels are taken to go on.

    Raises:
        OptionError: ``pixels`` is no number from 0 to ``MAX_SMOOTHING``.
    """
    radius = math.floor(_length(pixels, MAX_SMOOTHING))
    if radius == 0:
        return mask
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = (rows**2 + columns**2 <= pixels**2).astype(np.float32)

    def vote(window: np.ndarray) -> np.ndarray:
        votes = cv2.filter2D(window.astype(np.float32), cv2.CV_32F, disc, borderType=cv2.BORDER_REPLICATE)
        # Whole numbers, but for rounding, of an odd number of pixels.
        return votes > disc.sum() / 2

    return _in_window(mask, radius, vote)


def _merged(masks: Sequence[Rle], intersect: bool) -> Rle:
    if not masks:
        raise OptionError("There is no mask to merge: give at least one.")
    sizes = {_size(mask) for mask in masks}
    if len(sizes) > 1:
        raise OptionError(f"Masks must be of one size, but are of {', '.join(f'{h}×{w}' for h, w in sorted(sizes))}.")
    return coco.merge(list(masks), intersect=intersect)


def _complement(mask: Rle) -> Rle:
    counts = rle_codec.run_counts(mask)
    swapped = counts[1:] if counts[0] == 0 else np.concatenate([[0], counts])
    return rle_codec.encode_counts(swapped, _size(mask))


def _size(mask: Rle) -> tuple[int, int]:
    height, width = mask["size"]
    return int(height), int(width)


def _length(pixels: float, largest: int = MAX_LENGTH) -> float:
    if not (isinstance(pixels, Real) and 0 <= pixels <= largest):
        raise OptionError(f"A length is {pixels!r}, but must be a number of pixels from 0 to {largest:,}.")
    return float(pixels)


def _in_window(mask: Rle, margin: int, change: Callable[[np.ndarray], np.ndarray]) -> Rle:
    """Change a mask inside its box and ``margin`` px around it, as far as the picture goes; an empty one stays."""
    window, (left, top) = rle_codec.decode_window(mask)
    if not window.size:
        return mask
    height, width = _size(mask)
    before = (min(margin, top), min(margin, left))
    after = (min(margin, height - top - window.shape[0]), min(margin, width - left - window.shape[1]))
    changed = change(np.pad(window, tuple(zip(before, after, strict=True))))
    return rle_codec.encode_window(changed, (left - before[1], top - before[0]), (height, width))


def _parts(window: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the parts of ``window`` (h×w bool) from 1 on: h×w int32, 0 outside.

    Returns:
        The numbers, the parts' pixels, (n,) int, and their boxes (left, top, width, height), (n, 4) int.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(window.astype(np.uint8), connectivity=8)
    return labels, stats[1:, cv2.CC_STAT_AREA], stats[1:, : cv2.CC_STAT_AREA]


def _join_to_nearest(labels: np.ndarray, is_kept: np.ndarray) -> np.ndarray:
    """Renumber pixels of parts that are not kept as the kept part that is nearest to any pixel of theirs."""
    free = np.concatenate([[True], ~is_kept])[labels]
    distance, region = cv2.distanceTransformWithLabels(free.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    # OpenCV numbers the kept parts in an order of its own.
    part_of_region = np.zeros(region.max() + 1, labels.dtype)
    part_of_region[region[~free]] = labels[~free]
    joined = np.arange(len(is_kept) + 1, dtype=labels.dtype)
    rows, columns = np.nonzero(free & (labels > 0))
    small = labels[rows, columns]
    # The pixel with the smallest distance is written last.
    order = np.argsort(-distance[rows, columns], kind="stable")
    joined[small[order]] = part_of_region[region[rows, columns]][order]
    return joined[labels]


def _is_within(is_free: np.ndarray, reach: float) -> np.ndarray:
    """Whether a pixel that is false is at most ``reach`` px away, one at 0 px too: h×w bool."""
    if is_free.all():
        return np.zeros_like(is_free)
    distance = cv2.distanceTransform(is_free.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Squares of distances are whole numbers, so none lies near a limit between two of them.
    return distance <= math.sqrt(math.floor(reach**2) + 0.5)
