"""Choose which points of a grid are decoded: an even eighth first, then those around which the answers differ most.

Where the points around a place give the same masks, it would give them once more. So a point ranks by how many masks of
the decoded points next to it have no like among those of the others, and by how far away they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from math import isqrt

import numpy as np

__all__ = ["FoundMasks", "adaptive_rounds"]

# Decoded points next to a place whose answers are compared.
NEIGHBOURS = 4
# Rounds that a whole grid would take: fewer look at older answers, more leave a processor's cores without work.
ROUNDS = 16
# Steps of the grid within which the neighbours of a place are looked for; the first eighth has four in any corner.
REACH = 8


@dataclass(frozen=True)
class FoundMasks:
    """The masks of k points with L levels, as far as they count."""

    is_found: np.ndarray  # (k, L) bool: whether there is a mask that counts
    box_xyxy: np.ndarray  # (k, L, 4), px, last pixel included
    area: np.ndarray  # (k, L), px


def adaptive_rounds(points: np.ndarray, count: int, found: Callable[[np.ndarray], FoundMasks]) -> Iterator[np.ndarray]:
    """Choose ``count`` of the points of a square grid, round by round.

    Each round depends on what was found at the points of earlier rounds, and on nothing else: so the same points come
    again, whatever else was decoded, and a larger ``count`` begins with the same points.

    Args:
        points: side² of them, row by row, by any numbers (int64).
        count: how many to choose, at least an eighth.
        found: gives the masks of points that were chosen before, (k,) numbers.

    Yields:
        (k,) numbers of points, ascending; they must be decoded before the next are asked for.
    """
    side = isqrt(len(points))
    is_chosen = _first_eighth(side)
    yield points[is_chosen]
    while (left := count - int(is_chosen.sum())) > 0:
        places, neighbours, distance = _nearest_chosen(is_chosen.reshape(side, side))
        unlike = _unlike(found, points, neighbours)
        # Along a line from one answer to another the unknown grows with the distance; its root was measured to be best.
        order = np.argsort(-unlike * np.sqrt(distance), kind="stable")
        chosen = np.sort(places[order[: min(left, -(-len(points) // ROUNDS))]])
        is_chosen[chosen] = True
        yield points[chosen]


def _first_eighth(side: int) -> np.ndarray:
    """Two of every 4×4 points, as the centres of tiles in staggered rows: (side²,) bool."""
    y, x = np.divmod(np.arange(side * side), side)
    return ((x % 4 == 1) & (y % 4 == 1)) | ((x % 4 == 3) & (y % 4 == 3))


def _nearest_chosen(is_chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the chosen points (side×side bool) next to each that is not.

    Returns:
        The places that are not chosen, (n,) indices; their neighbours, n×NEIGHBOURS indices, the nearest first, of
        equally near ones the upper and then the left; and the distance of the nearest, (n,) in steps of the grid.
    """
    side = len(is_chosen)
    y, x = np.nonzero(~is_chosen)
    neighbours = np.full((len(y), NEIGHBOURS), -1)
    distance = np.zeros(len(y))
    known = np.zeros(len(y), np.int64)
    reach = np.arange(-REACH, REACH + 1)
    steps = [(dx * dx + dy * dy, dy, dx) for dy in reach.tolist() for dx in reach.tolist()]
    for square, dy, dx in sorted(steps):
        there_y, there_x = y + dy, x + dx
        inside = (there_y >= 0) & (there_y < side) & (there_x >= 0) & (there_x < side) & (known < NEIGHBOURS)
        rows = np.flatnonzero(inside)
        rows = rows[is_chosen[there_y[rows], there_x[rows]]]
        distance[rows[known[rows] == 0]] = np.sqrt(square)
        neighbours[rows, known[rows]] = there_y[rows] * side + there_x[rows]
        known[rows] += 1
        if (known == NEIGHBOURS).all():
            break
    return y * side + x, neighbours, distance


def _unlike(found: Callable[[np.ndarray], FoundMasks], points: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Count masks of one neighbour without a like among another's, on average over both and all pairs: (n,) float."""
    masks = found(points[neighbours.ravel()])
    shape = neighbours.shape
    is_found, areas = (values.reshape(*shape, -1) for values in (masks.is_found, masks.area))
    boxes = masks.box_xyxy.reshape(*shape, -1, 4)
    total = np.zeros(len(neighbours))
    pairs = list(combinations(range(NEIGHBOURS), 2))
    for one, other in pairs:
        like = _likeness(boxes[:, one], areas[:, one], boxes[:, other], areas[:, other])
        like *= is_found[:, one, :, None] & is_found[:, other, None, :]
        total += ((1 - like.max(2)) * is_found[:, one]).sum(1) + ((1 - like.max(1)) * is_found[:, other]).sum(1)
    return total / (2 * len(pairs))


def _likeness(boxes: np.ndarray, areas: np.ndarray, other_boxes: np.ndarray, other_areas: np.ndarray) -> np.ndarray:
    """How alike masks are by box and area, 0 to 1: n×L×L, from n×L×4 and n×L each; 1 for the same box and area.

    Masks themselves would say little more, and take a hundred times as long to compare.
    """
    boxes, other_boxes = boxes[:, :, None].astype(float), other_boxes[:, None].astype(float)
    low, high = np.maximum(boxes[..., :2], other_boxes[..., :2]), np.minimum(boxes[..., 2:], other_boxes[..., 2:])
    shared = np.maximum(high - low + 1, 0).prod(-1)
    sizes, other_sizes = ((each[..., 2:] - each[..., :2] + 1).prod(-1) for each in (boxes, other_boxes))
    areas, other_areas = np.maximum(areas, 1)[:, :, None], np.maximum(other_areas, 1)[:, None]
    ratio = np.minimum(areas, other_areas) / np.maximum(areas, other_areas)
    return shared / (sizes + other_sizes - shared) * np.sqrt(ratio)
