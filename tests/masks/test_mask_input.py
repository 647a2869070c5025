"""Masks of pixels as logits of low resolution."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask_ui.masks import rle
from automask_ui.masks.mask_input import SURE_LOGIT, prompt_logits


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([4, 16, 32]), st.integers(0, 2**32), st.floats(0, 1))
def test_share_of_each_cell(height, width, side, seed, density):
    """Against the shares counted on a grid that both the pixels and the cells are whole squares of."""
    mask = np.random.default_rng(seed).random((height, width)) < density
    long_side = max(mask.shape)
    square = np.zeros((long_side, long_side))
    square[:height, :width] = mask
    fine = np.repeat(np.repeat(square, side, axis=0), side, axis=1)
    share = fine.reshape(side, long_side, side, long_side).mean(axis=(1, 3))
    found = prompt_logits(rle.encode(mask), (side, side))
    assert found.dtype == np.float32
    limit = 1 / (1 + np.exp(SURE_LOGIT))
    np.testing.assert_allclose(1 / (1 + np.exp(-found.astype(float))), np.clip(share, limit, 1 - limit), atol=1e-6)
    np.testing.assert_array_equal(found, prompt_logits(mask, (side, side)))


@pytest.mark.parametrize("size_hw", [(37, 53), (53, 37), (600, 400), (1, 300)])
def test_enlarged_again_it_is_the_mask(size_hw):
    mask = np.zeros(size_hw, np.uint8)
    cv2.ellipse(mask, (size_hw[1] // 2, size_hw[0] // 2), (size_hw[1] // 3, size_hw[0] // 3), 20, 0, 360, 1, -1)
    logits = prompt_logits(mask.astype(bool), (256, 256))
    # Both lie in the same square.
    side = max(size_hw)
    enlarged = cv2.resize(logits, (side, side), interpolation=cv2.INTER_LINEAR)[: size_hw[0], : size_hw[1]] > 0
    assert (enlarged & mask).sum() / (enlarged | mask).sum() > 0.97


def test_nothing_and_everything():
    nothing = prompt_logits(np.zeros((30, 40), bool), (8, 8))
    np.testing.assert_allclose(nothing, -SURE_LOGIT, rtol=1e-5)
    everything = prompt_logits(np.ones((20, 40), bool), (8, 8))
    np.testing.assert_allclose(everything[:4], SURE_LOGIT, rtol=1e-5)
    np.testing.assert_allclose(everything[4:], -SURE_LOGIT, rtol=1e-5)
