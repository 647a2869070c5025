"""Operations on masks against plain NumPy and SciPy on the whole picture."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from automask_ui.errors import OptionError
from automask_ui.masks import operations, rle

EIGHT = np.ones((3, 3), bool)
AWKWARD = {
    "empty": np.zeros((37, 53), bool),
    "one pixel": np.arange(37 * 53).reshape(37, 53) == 700,
    "last pixel": np.arange(37 * 53).reshape(37, 53) == 37 * 53 - 1,
    "full frame": np.ones((37, 53), bool),
    "one row": np.arange(200)[None] % 7 > 2,
    "one column": np.arange(200)[:, None] % 7 > 2,
    "one by one": np.ones((1, 1), bool),
    "frame around": ~np.pad(np.ones((35, 51), bool), 1),
    "corner": np.pad(np.ones((10, 12), bool), ((27, 0), (0, 41))),
}


@st.composite
def pixels(draw, size_hw: tuple[int, int] | None = None) -> np.ndarray:
    """A mask: noise, blobs of several sizes, boxes with holes, somewhere in a picture of a few pixels."""
    height, width = size_hw or (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["noise", "blobs", "boxes", "nothing", "everything"]))
    if kind == "noise":
        return random.random((height, width)) < draw(st.floats(0, 1))
    if kind == "blobs":
        blurred = ndimage.gaussian_filter(random.random((height, width)), draw(st.floats(0.5, 4)))
        return blurred > np.quantile(blurred, draw(st.floats(0.1, 0.95)))
    mask = np.full((height, width), kind == "everything")
    if kind == "boxes":
        for _ in range(draw(st.integers(1, 5))):
            top, bottom = np.sort(random.integers(0, height + 1, 2))
            left, right = np.sort(random.integers(0, width + 1, 2))
            mask[top:bottom, left:right] ^= True
    return mask


def same(found: rle.Rle, expected: np.ndarray) -> None:
    """The same pixels, encoded as every other mask is."""
    np.testing.assert_array_equal(rle.decode(found), expected)
    assert found == rle.encode(expected)


masks_of_one_size = st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(
    lambda size: st.lists(pixels(size), min_size=1, max_size=5)
)


@given(masks_of_one_size)
def test_sets(masks):
    encoded = [rle.encode(mask) for mask in masks]
    same(operations.union(encoded), np.any(masks, axis=0))
    same(operations.intersection(encoded), np.all(masks, axis=0))
    same(operations.difference(encoded[0], encoded[1:]), masks[0] & ~np.any([masks[0] * 0, *masks[1:]], axis=0))


@given(masks_of_one_size, st.randoms(use_true_random=False))
def test_disjoint(masks, random):
    order = random.sample(range(len(masks)), random.randint(0, len(masks)))
    changed = operations.disjoint([rle.encode(mask) for mask in masks], order)
    covered, found = np.zeros_like(masks[0]), []
    for index in order:
        expected = masks[index] & ~covered
        covered |= masks[index]
        found.append(rle.decode(changed[index]) if index in changed else masks[index])
        np.testing.assert_array_equal(found[-1], expected)
        assert (index in changed) == bool((expected != masks[index]).any())
    assert set(changed) <= set(order)
    assert not any((one & other).any() for one, other in combinations(found, 2))


def test_disjoint_by_default_has_the_first_on_top():
    first, second = np.zeros((2, 5, 9), bool)
    first[:, :5], second[:, 3:] = True, True
    changed = operations.disjoint([rle.encode(first), rle.encode(second)])
    assert list(changed) == [1]
    same(changed[1], second & ~first)


@given(pixels())
def test_split_into_all_parts(mask):
    parts = operations.split(rle.encode(mask))
    labels, count = ndimage.label(mask, EIGHT)
    assert len(parts) == count
    expected = {rle.encode(labels == label)["counts"] for label in range(1, count + 1)}
    assert {part["counts"] for part in parts} == expected
    areas = [rle.area(part) for part in parts]
    assert areas == sorted(areas, reverse=True)


@given(pixels(), st.integers(1, 40))
def test_split_keeps_small_parts_with_the_nearest(mask, min_area):
    parts = [rle.decode(part) for part in operations.split(rle.encode(mask), min_area)]
    labels, count = ndimage.label(mask, EIGHT)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    large = [label + 1 for label in np.flatnonzero(areas >= min_area)]
    assert len(parts) == max(len(large), min(count, 1))
    assert not mask.any() or (np.sum(parts, axis=0) == mask).all()  # nothing is lost, nothing is there twice
    if len(large) < 2:
        return
    distances = {label: ndimage.distance_transform_edt(labels != label) for label in large}
    for label in set(range(1, count + 1)) - set(large):
        (holder,) = [part for part in parts if part[labels == label].any()]
        assert holder[labels == label].all()
        own = next(label for label in large if holder[labels == label].any())
        nearest = min(distances[other][labels == label].min() for other in large)
        # OpenCV's distances to labelled parts are off by a few percent.
        assert distances[own][labels == label].min() <= nearest * 1.1 + 0.01


@given(pixels())
def test_fill_all_holes(mask):
    same(operations.fill_holes(rle.encode(mask)), ndimage.binary_fill_holes(mask))


@given(pixels(), st.integers(0, 60))
def test_fill_small_holes(mask, max_area):
    labels, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    expected = mask | ((labels > 0) & (areas[labels] <= max_area))
    same(operations.fill_holes(rle.encode(mask), max_area), expected)


@given(pixels(), st.integers(0, 60))
def test_remove_specks(mask, min_area):
    found = rle.decode(operations.remove_specks(rle.encode(mask), min_area))
    labels, count = ndimage.label(mask, EIGHT)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    expected = mask & (areas[labels] >= min_area)
    if mask.any() and not expected.any():
        # The largest stays; of several, one does.
        (label,) = set(np.unique(labels[found]))
        assert areas[label] == areas.max()
        expected = labels == label
    np.testing.assert_array_equal(found, expected)


def far_from(mask: np.ndarray, reach: float) -> np.ndarray:
    """H×W bool: pixels further than ``reach`` from the mask."""
    if not mask.any():
        return np.ones_like(mask)
    return np.rint(ndimage.distance_transform_edt(~mask) ** 2) > reach**2


@given(pixels(), st.sampled_from([0, 0.5, 1, 1.5, 2, 3, 5, 7.3, 100]))
def test_grow_and_shrink(mask, reach):
    encoded = rle.encode(mask)
    same(operations.grow(encoded, reach), ~far_from(mask, reach) if mask.any() else mask)
    smaller = operations.shrink(encoded, reach)
    same(smaller, far_from(~mask, reach) & mask)
    assert not (rle.decode(operations.grow(smaller, reach)) & ~mask).any()


@given(pixels(), st.sampled_from([0, 0.9, 1, 1.5, 2, 3, 6, 11]))
def test_smooth(mask, reach):
    radius = int(reach)
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = (rows**2 + columns**2 <= reach**2).astype(int)
    votes = ndimage.correlate(mask.astype(int), disc, mode="nearest")
    same(operations.smooth(rle.encode(mask), reach), votes * 2 > disc.sum() if radius else mask)


@pytest.mark.parametrize("mask", AWKWARD.values(), ids=AWKWARD)
def test_awkward_masks(mask):
    encoded = rle.encode(mask)
    same(operations.union([encoded]), mask)
    same(operations.intersection([encoded]), mask)
    same(operations.difference(encoded, []), mask)
    same(operations.difference(encoded, [encoded]), mask & False)
    assert len(operations.split(encoded)) == ndimage.label(mask, EIGHT)[1]
    same(operations.fill_holes(encoded), ndimage.binary_fill_holes(mask))
    same(operations.grow(encoded, 2), ~far_from(mask, 2) if mask.any() else mask)
    same(operations.shrink(encoded, 2), far_from(~mask, 2) & mask)
    same(operations.remove_specks(encoded, 1), mask)
    same(operations.smooth(encoded, 0), mask)
    assert rle.decode(operations.smooth(encoded, 3)).shape == mask.shape


def test_a_small_mask_in_a_large_picture_costs_what_its_window_costs():
    """A frame of 60,000 × 60,000 px would not fit into memory."""
    small = rle.encode_window(np.ones((30, 40), bool), (59_000, 30_000), (60_000, 60_000))
    ring = rle.encode_window(np.pad(np.zeros((10, 10), bool), 5, constant_values=True), (9, 9), (60_000, 60_000))
    assert rle.area(operations.union([small, ring])) == 1200 + 300
    assert rle.area(operations.fill_holes(ring)) == 400
    assert rle.area(operations.shrink(small, 1)) == 28 * 38
    assert rle.area(operations.grow(small, 1)) == 30 * 40 + 2 * (30 + 40)
    assert rle.bbox_xywh(operations.smooth(small, 3)) == (59_000, 30_000, 40, 30)
    assert [rle.area(part) for part in operations.split(ring)] == [300]
    assert operations.disjoint([small, ring]) == {}


@pytest.mark.parametrize("name", ["grow", "shrink", "smooth"])
@pytest.mark.parametrize("length", [-1, float("nan"), float("inf"), "2", None, 1001])
def test_lengths_that_are_none_are_refused(name, length):
    with pytest.raises(OptionError, match="must be a number of pixels from 0 to"):
        getattr(operations, name)(rle.encode(np.ones((3, 4), bool)), length)


def test_masks_that_do_not_belong_together_are_refused():
    one, other = rle.encode(np.ones((3, 4), bool)), rle.encode(np.ones((4, 3), bool))
    for merge in (operations.union, operations.intersection, operations.disjoint):
        with pytest.raises(OptionError, match="of one size, but are of 3×4, 4×3"):
            merge([one, other])
    with pytest.raises(OptionError, match="of one size"):
        operations.difference(one, [other])
    for merge in (operations.union, operations.intersection):
        with pytest.raises(OptionError, match="no mask to merge"):
            merge([])
    for order in ([0, 0], [1], [-1]):
        with pytest.raises(OptionError, match="at most once"):
            operations.disjoint([one], order)
