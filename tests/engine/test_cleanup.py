"""Removal of small regions in the window against upstream on the full frame."""

import numpy as np
import pytest
from segment_anything.utils.amg import remove_small_regions as upstream

from automask_ui.engine.pipeline.cleanup import remove_small_regions
from automask_ui.masks import rle

SIZES = [(37, 53), (53, 37), (20, 20), (1, 40), (40, 1), (1, 1)]


def _random_mask(rng: np.random.Generator, size_hw: tuple[int, int]) -> np.ndarray:
    """A few boxes with holes and specks, anywhere: at borders, spanning the frame, or all of it."""
    height, width = size_hw
    mask = np.zeros(size_hw, dtype=bool)
    for _ in range(rng.integers(0, 6)):
        y, x = rng.integers(0, height), rng.integers(0, width)
        tall, wide = rng.integers(1, height + 1), rng.integers(1, width + 1)
        mask[y : y + tall, x : x + wide] ^= True
    if rng.random() < 0.3:
        mask ^= rng.random(size_hw) < 0.03
    return ~mask if rng.random() < 0.3 else mask


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("min_area", [1, 2, 30, 150, 5000])
def test_equals_upstream_on_the_full_frame(size_hw, min_area):
    rng = np.random.default_rng(min_area * 100 + size_hw[0])
    changes = 0
    for _ in range(60):
        mask = _random_mask(rng, size_hw)
        expected, filled = upstream(mask, min_area, "holes")
        expected, removed = upstream(expected, min_area, "islands")
        cleaned, changed = remove_small_regions(rle.encode(mask), min_area)
        np.testing.assert_array_equal(rle.decode(cleaned), expected)
        assert changed == (filled or removed)
        changes += changed
    assert changes > 0 or min_area == 1 or size_hw == (1, 1)
