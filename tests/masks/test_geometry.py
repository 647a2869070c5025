"""Polygons that become the same pixels again."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from automask_ui.export.hard_masks import HARD_MASKS, SIZES_HW, hard_mask_set
from automask_ui.masks import rle
from automask_ui.masks.geometry import Part, contours, keyhole, one_contour, outlines


def painted(parts: list[Part], size_hw: tuple[int, int]) -> np.ndarray:
    """Even-odd fill by OpenCV at double size, where pixel centres lie between the polygons' coordinates."""
    canvas = np.zeros((2 * size_hw[0] + 1, 2 * size_hw[1] + 1), np.uint8)
    rings = [(ring * 2).astype(np.int32) for part in parts for ring in (part.outer, *part.holes)]
    cv2.fillPoly(canvas, rings, 1)
    return canvas[1::2, 1::2] > 0


def signed_area(ring: np.ndarray) -> float:
    x, y = ring.T
    return (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def check(mask: np.ndarray) -> None:
    parts = outlines(rle.encode(mask))
    np.testing.assert_array_equal(painted(parts, mask.shape), mask)
    for part in parts:
        assert signed_area(part.outer) > 0
        assert all(signed_area(hole) < 0 for hole in part.holes)
        for ring in (part.outer, *part.holes):
            assert len(np.unique(ring, axis=0)) == len(ring)  # it never touches itself
            steps = np.diff(np.concatenate([ring, ring[:1]]), axis=0)
            assert ((steps == 0).sum(axis=1) == 1).all()  # along pixel edges
            assert (np.sign(steps) != np.sign(np.roll(steps, 1, axis=0))).any(axis=1).all()  # corners only
    rings = [keyhole(part).ravel().astype(float).tolist() for part in parts]
    if rings:
        found = coco.merge(coco.frPyObjects(rings, *mask.shape))
        np.testing.assert_array_equal(rle.decode(found), mask)


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("name", HARD_MASKS)
def test_hard_masks(name: str, size_hw: tuple[int, int]) -> None:
    check(rle.decode(hard_mask_set(size_hw).rle[list(HARD_MASKS).index(name)]))


def test_random_masks() -> None:
    random = np.random.default_rng(3)
    for _ in range(150):
        check(random.random(random.integers(1, 16, 2)) < random.random())


@pytest.mark.parametrize(
    ("rows", "parts", "holes"),
    [
        (["#"], 1, 0),  # a pixel
        (["#.", ".#"], 2, 0),  # touching at a corner is not connected
        (["###", "#.#", "###"], 1, 1),  # a ring
        (["###.", "#.#.", "##.#"], 2, 1),  # its hole meets the outside at a corner
        (["#####", "#...#", "#.#.#", "#...#", "#####"], 2, 1),  # an island
        (["####", "#.##", "##.#", "####"], 1, 2),  # two holes that touch at a corner
        (["..."], 0, 0),  # nothing
    ],
)
def test_parts_and_holes(rows: list[str], parts: int, holes: int) -> None:
    mask = np.array([[char == "#" for char in row] for row in rows])
    found = outlines(rle.encode(mask))
    assert len(found) == parts
    assert sum(len(part.holes) for part in found) == holes


def test_one_pixel_is_its_square() -> None:
    (part,) = outlines(rle.encode_window(np.ones((1, 1), bool), (52, 36), (37, 53)))
    assert sorted(part.outer.tolist()) == [[52, 36], [52, 37], [53, 36], [53, 37]]


def filled(rings: list[np.ndarray], size_hw: tuple[int, int]) -> np.ndarray:
    """Each ring painted with its border by OpenCV, all together."""
    found = np.zeros(size_hw, bool)
    for ring in rings:
        canvas = np.zeros(size_hw, np.uint8)
        cv2.fillPoly(canvas, [ring.astype(np.int32)], 1)
        found |= canvas > 0
    return found


def drawn(ring: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The same by Pillow."""
    canvas = Image.fromarray(np.zeros(size_hw, np.uint8))
    points = [tuple(point) for point in ring.tolist()]
    ImageDraw.Draw(canvas).polygon(points + points[-1:] * (3 - len(points)), outline=1, fill=1)
    return np.array(canvas, dtype=bool)


def check_contours(mask: np.ndarray) -> None:
    rings = contours(rle.encode(mask))
    np.testing.assert_array_equal(filled(rings, mask.shape), mask)
    for ring in rings:
        np.testing.assert_array_equal(drawn(ring, mask.shape), filled([ring], mask.shape))
    if rings:
        one = filled([one_contour(rle.encode(mask))], mask.shape)
        assert (one >= mask).all()
        assert len(rings) > 1 or (one == mask).all()


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("name", HARD_MASKS)
def test_contours_of_hard_masks(name: str, size_hw: tuple[int, int]) -> None:
    check_contours(rle.decode(hard_mask_set(size_hw).rle[list(HARD_MASKS).index(name)]))


def test_contours_of_random_masks() -> None:
    random = np.random.default_rng(4)
    for _ in range(150):
        check_contours(random.random(random.integers(1, 16, 2)) < random.random())


def test_parts_are_joined_where_they_are_nearest() -> None:
    mask = np.zeros((37, 53), bool)
    mask[5:30, 5:20] = True
    mask[10:20, 23:40] = True
    one = filled([one_contour(rle.encode(mask))], mask.shape)
    assert (one & ~mask).sum() == 3  # the gap is three pixels wide
