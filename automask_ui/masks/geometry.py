"""Convert masks to polygons, in the two forms that readers need.

*Outlines* run along pixel edges, on whole coordinates from 0 to the picture's width and height: the exact shape, and
what area-based readers (pycocotools, GIS tools) turn back into the same pixels.

*Contours* run through the pixels at the mask's edge, on whole pixel indices: what readers that paint the border of a
polygon too (OpenCV's ``fillPoly``, Pillow's ``ImageDraw``) turn back into the same pixels.

Formats that hold one ring an object get holes and parts tied together by cut lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from automask_ui.masks.rle import Rle, decode_window

__all__ = ["Part", "contours", "innermost_pixel", "keyhole", "one_contour", "outlines"]

_INNERMOST_SEARCH = 256  # px: the copy of a mask in which its innermost pixel is looked for
_PAIRS_AT_ONCE = 1 << 20  # distances computed together where parts are joined: 32 MB
_MOST_PAIRS = 1 << 25  # distances computed for two parts: a quarter of a second


# Corner (numbered through all rings) -> the rings that hang there, each with the point from which it hangs.
Ties = dict[int, list[tuple[tuple[int, int], int]]]


@dataclass(frozen=True)
class Part:
    """One connected piece of a mask: an outer ring and its holes, n×2 int64 arrays of (x, y), not closed."""

    outer: np.ndarray
    holes: tuple[np.ndarray, ...]


def outlines(rle: Rle) -> list[Part]:
    """The pieces (4-connected) of a mask as outlines along pixel edges, corners only.

    Seen on the screen (y down), outer rings run clockwise and holes counter-clockwise. No ring touches itself.
    """
    window, offset_xy = decode_window(rle)
    if not window.size:
        return []
    _, labels = cv2.connectedComponents(window.astype(np.uint8), connectivity=4)
    outer: dict[int, np.ndarray] = {}
    holes: dict[int, list[np.ndarray]] = {}
    for ring, pixel_yx in _edge_rings(window):
        label = int(labels[pixel_yx])
        if _signed_area(ring) > 0:
            outer[label] = ring + offset_xy
        else:
            holes.setdefault(label, []).append(ring + offset_xy)
    return [Part(ring, tuple(holes.get(label, ()))) for label, ring in sorted(outer.items())]


def _edge_rings(window: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """Every ring of pixel edges around ``window`` (h×w bool), with one mask pixel (y, x) beside it.

    Edges are walked with the mask on the right. Runs of edges between two corners are found at once, then each run is
    linked to the one that starts where it ends; where two pixels touch at a corner only, the walk turns right and so
    stays with its own pixel.
    """
    padded = np.pad(window.astype(np.int8), 1)
    # Mask below the edge: walked to the right (+x). Mask right of the edge: walked up (-y).
    starts_h, ends_h = _runs(np.diff(padded, axis=0)[:, 1:-1])
    starts_v, ends_v = (points[:, ::-1] for points in _runs(-np.diff(padded, axis=1)[1:-1].T))
    starts, ends = np.concatenate([starts_h, starts_v]), np.concatenate([ends_h, ends_v])
    heading = np.sign(ends - starts)

    # A corner has at most two runs that start there, in opposite directions; those of one axis have one sign each.
    stride = window.shape[1] + 2
    turned = np.stack([-heading[:, 1], heading[:, 0]], axis=1)  # right turn, with y down
    key = _keys(starts, heading, stride)
    order = np.argsort(key)
    follow = [order[_find(key[order], _keys(ends, way, stride))] for way in (turned, -turned)]
    right_exists = key[follow[0]] == _keys(ends, turned, stride)
    following = np.where(right_exists, follow[0], follow[1])

    unseen = np.ones(len(starts), dtype=bool)
    links = following.tolist()
    for first in range(len(links)):
        if not unseen[first]:
            continue
        chain = [first]
        while links[chain[-1]] != first:
            chain.append(links[chain[-1]])
        unseen[chain] = False
        (x, y), (dx, dy) = starts[first], heading[first]
        # The pixel to the right of the first step.
        pixel_yx = (int(y + min(dy, 0) - (dx < 0)), int(x + min(dx, 0) - (dy > 0)))
        for ring in _untied(starts[chain].tolist()):
            yield np.array(ring, dtype=np.int64), pixel_yx


def _untied(corners: list[list[int]]) -> Iterator[list[tuple[int, int]]]:
    """The rings that meet in the corners which ``corners`` visits twice; mostly there are none, and one ring."""
    open_ring: list[tuple[int, int]] = []
    place: dict[tuple[int, int], int] = {}
    for x, y in corners:
        if (x, y) in place:
            loop = open_ring[place[x, y] :]
            del open_ring[place[x, y] :]
            for corner in loop:
                del place[corner]
            yield loop
        place[x, y] = len(open_ring)
        open_ring.append((x, y))
    yield open_ring


def _runs(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs of equal non-zero values along the rows of ``edges``: their start and end as (x, y), n×2 each.

    Positive runs go to the right, negative ones to the left.
    """
    walls = np.pad(edges, ((0, 0), (1, 1)))
    change_y, change_x = np.nonzero(np.diff(walls, axis=1))
    before, after = walls[change_y, change_x], walls[change_y, change_x + 1]
    points = np.stack([change_x, change_y], axis=1)
    first, last = points[after != 0], points[before != 0]
    forward = (after[after != 0] > 0)[:, None]
    return np.where(forward, first, last), np.where(forward, last, first)


def _keys(points: np.ndarray, heading: np.ndarray, stride: int) -> np.ndarray:
    """One number for a place and a direction."""
    direction = (heading[:, 0] + 1) * 3 + heading[:, 1] + 1
    return (points[:, 1] * stride + points[:, 0]) * 9 + direction


def _find(ordered: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)


def _signed_area(ring: np.ndarray) -> float:
    """Positive for a ring that runs clockwise on the screen."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def keyhole(part: Part) -> np.ndarray:
    """One ring for a part with holes: n×2 int64. Each hole hangs on a cut that is walked both ways, so has no area.

    A hole's leftmost corner is tied to the upright edge next to the left, of the outer ring or of another hole.
    """
    if not part.holes:
        return part.outer
    rings = (part.outer, *part.holes)
    corners = np.concatenate(rings)
    begins = [0, *(int(np.lexsort((hole[:, 1], hole[:, 0]))[0]) for hole in part.holes)]
    following = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    ties: Ties = {}
    for ring in range(1, len(rings)):
        x, y = rings[ring][begins[ring]].tolist()
        edge = _edge_to_the_left(corners, following, x, y)
        ties.setdefault(edge, []).append(((int(corners[edge, 0]), y), ring))
    # Along an edge, the holes hang in the order in which it is walked.
    for edge, tied in ties.items():
        tied.sort(key=lambda tie, start=int(corners[edge, 1]): abs(tie[0][1] - start))  # type: ignore[misc]
    return _spliced(rings, begins, ties)


def _spliced(rings: Sequence[np.ndarray], begins: Sequence[int], ties: Ties) -> np.ndarray:
    """All of ``rings`` as one: walked from the first, going over to each tied ring and back where it hangs.

    Args:
        rings: n×2 each; numbered in this order, as are their corners one after the other.
        begins: the corner of each ring with which it begins and ends.
        ties: after which corner which rings hang, and from where.
    """
    corners = [(x, y) for ring in rings for x, y in ring.tolist()]
    first = np.cumsum([0, *(len(ring) for ring in rings)]).tolist()

    def walk(ring: int) -> Iterator[tuple[int, int] | int]:
        """The ring's corners; where another is tied: the foot, the other's number, and the foot again."""
        size = first[ring + 1] - first[ring]
        for step in range(size):
            corner = first[ring] + (begins[ring] + step) % size
            yield corners[corner]
            for foot, other in ties.get(corner, ()):
                yield from (foot, other, foot)
        if ring:
            yield corners[first[ring] + begins[ring]]

    merged: list[tuple[int, int]] = []
    walks = [walk(0)]
    # A stack instead of recursion: holes can hang on each other by the thousand.
    while walks:
        event = next(walks[-1], None)
        if event is None:
            walks.pop()
        elif isinstance(event, int):
            walks.append(walk(event))
        # A foot may be the corner itself.
        elif not merged or event != merged[-1]:
            merged.append(event)
    return np.array(merged, dtype=np.int64)


def _edge_to_the_left(corners: np.ndarray, following: np.ndarray, x: int, y: int) -> int:
    """The upright edge (index of its first corner) that a line from (x, y) to the left meets first."""
    met = (corners[:, 0] == following[:, 0]) & (corners[:, 0] < x)
    met &= (np.minimum(corners[:, 1], following[:, 1]) <= y) & (y <= np.maximum(corners[:, 1], following[:, 1]))
    candidates = np.flatnonzero(met)
    return int(candidates[corners[candidates, 0].argmax()])


def contours(rle: Rle) -> list[np.ndarray]:
    """The pieces (8-connected) of a mask as contours through its edge pixels, one ring each: n×2 int64, not closed.

    Holes are tied to the contour by cuts through the mask's own pixels. Painting a ring with its border, even-odd,
    gives the piece again. A ring has one or two corners where the piece is a pixel or a straight line of pixels.
    """
    return [_corners_only(ring) for ring in _edge_pixels(rle)]


def one_contour(rle: Rle) -> np.ndarray:
    """The contours of a mask with at least one pixel tied together where they are nearest: one ring, n×2 int64.

    Painting it gives the mask again, and a line of one pixel between the pieces.
    """
    ordered = sorted(_edge_pixels(rle), key=len, reverse=True)
    begins, ties = [0], Ties()
    so_far = ordered[0]
    for number, ring in enumerate(ordered[1:], start=1):
        place, begin = _nearest(so_far, ring)
        begins.append(begin)
        ties.setdefault(place, []).append(((int(so_far[place, 0]), int(so_far[place, 1])), number))
        so_far = np.concatenate([so_far, ring])
    return _corners_only(_spliced(ordered, begins, ties))


def _edge_pixels(rle: Rle) -> list[np.ndarray]:
    """One ring a piece with every pixel that it passes, holes tied in."""
    window, offset_xy = decode_window(rle)
    if not window.size:
        return []
    found, family = cv2.findContours(window.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [ring.reshape(-1, 2).astype(np.int64) for ring in found]
    holes: dict[int, list[np.ndarray]] = {}
    outside = []
    for number, (_, _, _, parent) in enumerate(family[0].tolist()):
        if parent < 0:
            outside.append(number)
        else:
            holes.setdefault(parent, []).append(rings[number])
    return [_tied_contour(window, [rings[number], *holes.get(number, ())]) + offset_xy for number in outside]


def _tied_contour(window: np.ndarray, rings: list[np.ndarray]) -> np.ndarray:
    """The first of ``rings`` with the others, its holes, tied to it."""
    if len(rings) == 1:
        return rings[0]
    holes = sorted(rings[1:], key=lambda ring: int(ring[:, 0].min()))
    rings = [rings[0], *holes]
    begins = [0, *(int(hole[:, 0].argmin()) for hole in holes)]
    place: dict[tuple[int, int], int] = {}
    ties: Ties = {}
    count = 0
    for number, ring in enumerate(rings):
        if number:
            x, y = ring[begins[number]].tolist()
            # To the left there is mask up to the edge of the outside or of a hole that begins further left.
            background = np.flatnonzero(~window[y, :x])
            foot = (int(background[-1]) + 1 if len(background) else 0, y)
            ties.setdefault(place[foot], []).append((foot, number))
        for index, (x, y) in enumerate(ring.tolist()):
            place.setdefault((x, y), count + index)
        count += len(ring)
    return _spliced(rings, begins, ties)


def _corners_only(ring: np.ndarray) -> np.ndarray:
    """``ring`` without the points at which it goes straight on."""
    steps = np.roll(ring, -1, axis=0) - ring
    # Steps of one direction differ in length only.
    steps = steps // np.maximum(np.gcd(steps[:, 0], steps[:, 1]), 1)[:, None]
    turns = (steps != np.roll(steps, 1, axis=0)).any(axis=1)
    return ring[turns] if turns.any() else ring[:1]


def _nearest(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Which points of two rings (n×2, m×2) are nearest to each other; of very long rings, every few points only."""
    stride = max(1, math.isqrt(len(first) * len(second) // _MOST_PAIRS))
    thin_first, thin_second = first[::stride], second[::stride]
    best, nearest = math.inf, (0, 0)
    block = max(1, _PAIRS_AT_ONCE // len(thin_second))
    for start in range(0, len(thin_first), block):
        differences = thin_first[start : start + block, None] - thin_second[None]
        distances = np.square(differences).sum(axis=2)
        row, column = np.unravel_index(int(distances.argmin()), distances.shape)
        if distances[row, column] < best:
            best, nearest = distances[row, column], ((start + int(row)) * stride, int(column) * stride)
    return nearest


def innermost_pixel(window: np.ndarray, offset_xy: tuple[int, int]) -> tuple[int, int]:
    """The pixel (x, y) of a mask that is deepest inside; of a large mask, among every few pixels only.

    Args:
        window: h×w bool, with at least one pixel of the mask.
        offset_xy: the window's left and top in the picture, px.
    """
    step = max(1, -(-max(window.shape) // _INNERMOST_SEARCH))
    small = window[::step, ::step]
    # A thin mask can fall between the sampled rows and columns.
    if not small.any():
        small, step = window, 1
    depth = cv2.distanceTransform(np.pad(small.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return offset_xy[0] + int(x) * step, offset_xy[1] + int(y) * step
