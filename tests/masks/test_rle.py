"""Our run-length encoding against pycocotools and upstream on awkward masks."""

import numpy as np
import pytest
import torch
from pycocotools import mask as coco
from segment_anything.utils.amg import coco_encode_rle, mask_to_rle_pytorch

from automask_ui.masks import rle


def _mask(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] ^= True
    return mask


MASKS = {
    "empty": _mask(37, 53),
    "one pixel": _mask(37, 53, (5, 7, 6, 8)),
    "first pixel": _mask(37, 53, (0, 0, 1, 1)),
    "last pixel": _mask(37, 53, (52, 36, 53, 37)),
    "full frame": _mask(37, 53, (0, 0, 53, 37)),
    "full columns": _mask(37, 53, (3, 0, 9, 37)),
    "full rows": _mask(37, 53, (0, 4, 53, 9)),
    "ring": _mask(37, 53, (4, 4, 30, 30), (10, 9, 20, 21)),
    "two parts": _mask(37, 53, (0, 0, 5, 37), (40, 20, 53, 37)),
    "1 x 1": np.ones((1, 1), dtype=bool),
    "one row": _mask(1, 1000, (3, 0, 700, 1)),
    "one column": _mask(1000, 1, (0, 3, 1, 700)),
    "noise": np.random.default_rng(0).random((37, 53)) > 0.5,
    "sparse noise": np.random.default_rng(1).random((534, 800)) > 0.999,
    "large runs": _mask(1200, 1800, (0, 0, 1799, 1200)),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_equals_pycocotools_and_upstream(mask):
    ours = rle.encode(mask)
    assert ours == coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    upstream = mask_to_rle_pytorch(torch.from_numpy(mask)[None])[0]
    assert rle.to_uncompressed(ours) == upstream
    assert rle.to_coco_json(ours) == coco_encode_rle(upstream)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_round_trip(mask):
    encoded = rle.encode(mask)
    decoded = rle.decode(encoded)
    assert decoded.dtype == bool
    np.testing.assert_array_equal(decoded, mask)
    assert rle.area(encoded) == mask.sum()


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_window_is_the_box(mask):
    window, (left, top) = rle.decode_window(rle.encode(mask))
    if not mask.any():
        assert window.shape == (0, 0)
        return
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (left, top) == (columns[0], rows[0])
    np.testing.assert_array_equal(window, mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


@pytest.mark.parametrize(
    ("offset_xy", "size_hw"),
    [
        ((0, 0), (37, 53)),  # the window in a corner
        ((11, 5), (37, 53)),  # somewhere inside
        ((33, 24), (37, 53)),  # touching right and bottom
        ((0, 24), (37, 20)),  # as wide as the picture
        ((4, 0), (13, 53)),  # as high as the picture: runs join over columns
    ],
)
@pytest.mark.parametrize("fill", ["noise", "ones", "zeros"])
def test_encode_window_equals_the_full_frame(offset_xy, size_hw, fill):
    noise = np.random.default_rng(2).random((13, 20))
    window = {"noise": noise > 0.4, "ones": noise >= 0, "zeros": noise < 0}[fill]
    full = np.zeros(size_hw, dtype=bool)
    full[offset_xy[1] : offset_xy[1] + 13, offset_xy[0] : offset_xy[0] + 20] = window
    assert rle.encode_window(window, offset_xy, size_hw) == rle.encode(full)


def test_iou():
    left, right = _mask(37, 53, (0, 0, 20, 10)), _mask(37, 53, (10, 0, 30, 10))
    rles = [rle.encode(left), rle.encode(right)]
    np.testing.assert_allclose(rle.iou_matrix(rles, rles), [[1, 1 / 3], [1 / 3, 1]])
    assert rle.iou_matrix([], rles).shape == (0, 2)
