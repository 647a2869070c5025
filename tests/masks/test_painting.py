"""Painted masks against one look at every pixel of the picture, and against other libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import points_in_poly

from automask_ui.errors import OptionError
from automask_ui.export.hard_masks import HARD_MASKS, SIZES_HW, hard_mask_set
from automask_ui.masks import rle
from automask_ui.masks.geometry import outlines
from automask_ui.masks.painting import THINNEST_BRUSH, polygon_to_mask, stroke_to_mask

sizes = st.tuples(st.integers(1, 25), st.integers(1, 25))
# Quarters of pixels, so that many lie on pixel edges and on centres; some outside of the picture.
places = st.integers(-40, 140).map(lambda quarter: quarter / 4)
points = st.tuples(places, places)


def centres(size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    return columns + 0.5, rows + 0.5


def even_odd(rings: list[np.ndarray], size_hw: tuple[int, int]) -> np.ndarray:
    """Whether a ray upwards from each centre crosses an odd number of edges."""
    x, y = centres(size_hw)
    inside = np.zeros(size_hw, bool)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if x0 == x1:
                continue
            (x0, y0), (x1, y1) = sorted([(x0, y0), (x1, y1)])
            inside ^= (x0 <= x) & (x < x1) & (y0 + (x - x0) / (x1 - x0) * (y1 - y0) <= y)
    return inside


@given(st.lists(st.lists(points, min_size=3, max_size=8), min_size=0, max_size=3), sizes)
def test_polygons(rings, size_hw):
    found = polygon_to_mask(rings, size_hw)
    expected = even_odd([np.array(ring) for ring in rings], size_hw)
    np.testing.assert_array_equal(rle.decode(found), expected)
    assert found == rle.encode(expected)


def winding(ring: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """How often a ring goes around each centre, to the right above it less to the left."""
    x, y = centres(size_hw)
    turns = np.zeros(size_hw, int)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        sign = int(np.sign(x1 - x0))
        if sign:
            (x0, y0), (x1, y1) = sorted([(x0, y0), (x1, y1)])
            turns += sign * ((x0 <= x) & (x < x1) & (y0 + (x - x0) / (x1 - x0) * (y1 - y0) <= y)).astype(int)
    return turns


@given(st.lists(points, min_size=3, max_size=12), sizes)
def test_polygons_without_holes_where_turns_overlap(ring, size_hw):
    found = polygon_to_mask([ring], size_hw, "nonzero")
    assert found == rle.encode(winding(np.array(ring, float), size_hw) != 0)


def test_an_outline_that_goes_on_past_its_beginning_leaves_no_hole():
    angles = np.linspace(0, 2.5 * np.pi, 126)  # a circle and a quarter
    ring = np.stack([50 + 40 * np.cos(angles), 50 + 40 * np.sin(angles)], axis=1)
    disc = polygon_to_mask([ring[:100]], (100, 100))
    assert polygon_to_mask([ring], (100, 100), "nonzero") == disc
    assert rle.area(polygon_to_mask([ring], (100, 100))) < rle.area(disc) - 300


@given(st.integers(0, 2**32), sizes)
def test_polygons_as_scikit_image_sees_them(seed, size_hw):
    ring = np.random.default_rng(seed).uniform(-5, 30, (7, 2))
    expected = points_in_poly(np.stack(centres(size_hw), axis=-1).reshape(-1, 2), ring).reshape(size_hw)
    np.testing.assert_array_equal(rle.decode(polygon_to_mask([ring], size_hw)), expected)


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("name", HARD_MASKS)
def test_outlines_become_their_own_mask_again(name, size_hw):
    mask = hard_mask_set(size_hw).rle[list(HARD_MASKS).index(name)]
    rings = [ring for part in outlines(mask) for ring in (part.outer, *part.holes)]
    assert polygon_to_mask(rings, size_hw) == mask


@given(st.lists(points, min_size=1, max_size=6), st.sampled_from([0.1, 1, 2, 2.5, 3, 7, 20]), sizes)
def test_strokes(line, diameter, size_hw):
    mask = rle.decode(stroke_to_mask(line, diameter, size_hw))
    x, y = centres(size_hw)
    distance = np.full(size_hw, np.inf)
    for start, end in zip(line, [*line[1:], line[-1]], strict=True):
        start, along = np.array(start), np.subtract(end, start)
        share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(along @ along, 1e-12)
        share = np.clip(share, 0, 1)
        distance = np.minimum(distance, np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1]))
    radius = max(diameter, THINNEST_BRUSH) / 2
    # What lies on the edge of the brush may fall on either side by rounding.
    is_clear = np.abs(distance - radius) > 1e-9
    np.testing.assert_array_equal(mask[is_clear], (distance <= radius)[is_clear])


@given(st.floats(0, 24.99), st.floats(0, 16.99), st.floats(0.01, 3))
def test_a_dab_paints_the_pixel_under_it(x, y, diameter):
    mask = rle.decode(stroke_to_mask([(x, y)], diameter, (17, 25)))
    assert mask[int(y), int(x)]
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


@pytest.mark.parametrize("size_hw", [(1, 30), (30, 1), (1, 1), (37, 53)])
def test_edges_of_the_picture(size_hw):
    height, width = size_hw
    frame = [(0, 0), (width, 0), (width, height), (0, height)]
    full = rle.encode(np.ones(size_hw, bool))
    assert polygon_to_mask([frame], size_hw) == full
    assert polygon_to_mask([np.array(frame) * 3 - size_hw[::-1]], size_hw) == full
    assert polygon_to_mask([frame, frame], size_hw) == rle.encode(np.zeros(size_hw, bool))
    assert polygon_to_mask([], size_hw) == rle.encode(np.zeros(size_hw, bool))
    assert polygon_to_mask([np.add(frame, 100)], size_hw) == rle.encode(np.zeros(size_hw, bool))
    assert stroke_to_mask([(-5, -5), (width + 5, height + 5)], 500, size_hw) == full
    assert rle.area(stroke_to_mask([(-100, -100)], 20, size_hw)) == 0


def test_neighbours_share_no_pixel_and_leave_none():
    middle, size_hw = (7.5, 3.5), (9, 16)
    frame = [(0, 0), (16, 0), (16, 9), (0, 9)]
    areas = [rle.area(polygon_to_mask([[frame[i - 1], frame[i], middle]], size_hw)) for i in range(4)]
    assert sum(areas) == 9 * 16


def test_a_large_picture_costs_what_the_drawing_costs():
    size_hw = (60_000, 60_000)
    assert rle.area(polygon_to_mask([[(10, 10), (30, 10), (30, 20), (10, 20)]], size_hw)) == 200
    assert rle.area(stroke_to_mask([(59_000, 100), (59_100, 100)], 10, size_hw)) == pytest.approx(1000 + 78.5, rel=0.01)


@pytest.mark.parametrize(
    ("ring", "message"),
    [
        ([(1, 1), (2, 2)], "n of 3 or more"),
        ([1, 2, 3], r"its shape is \(3,\)"),
        ([(1, 1, 1)] * 3, r"its shape is \(3, 3\)"),
        ([(1, 1), (2, np.nan), (3, 3)], "not finite"),
        ([(1, 1), (2, 1e9), (3, 3)], "beyond 10,000,000 px"),
        ([("a", 1), (2, 2), (3, 3)], "must be n×2 numbers"),
        (None, "but its shape is"),
    ],
)
def test_rings_that_are_none_are_refused(ring, message):
    with pytest.raises(OptionError, match=message):
        polygon_to_mask([ring], (20, 30))


def test_strokes_that_are_none_are_refused():
    with pytest.raises(OptionError, match="n of 1 or more"):
        stroke_to_mask(np.zeros((0, 2)), 3, (20, 30))
    for diameter in (0, -1, np.nan, np.inf, "3", None):
        with pytest.raises(OptionError, match="diameter is"):
            stroke_to_mask([(1, 1)], diameter, (20, 30))
