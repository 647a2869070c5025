"""Painted masks: only where they are, the small on top, and in colours that can be told apart."""

import tracemalloc

import numpy as np
import pytest

from automask_ui.export.hard_masks import SIZES_HW, hard_mask_set, mask_set
from automask_ui.masks import overlay, rle

GREY = np.full((37, 53, 3), 100, np.uint8)

# Machado, Oliveira and Fernandes 2009, severity 1; they act on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_LMS = [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970], [0.0883025, 0.2817188, 0.6299787]]
TO_LAB = [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937], [0.0259040, 0.7827718, -0.8086758]]


def oklab(linear: np.ndarray) -> np.ndarray:
    return np.cbrt(linear @ np.transpose(TO_LMS)) @ np.transpose(TO_LAB)


@pytest.mark.parametrize("name", VISION)
def test_colours_stay_apart(name: str) -> None:
    srgb = np.array([overlay.hex_to_rgb(colour) for colour in overlay.PALETTE]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = oklab(np.clip(linear @ np.transpose(VISION[name]), 0, 1))
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)[~np.eye(len(seen), dtype=bool)]
    assert distances.min() > (0.08 if name == "normal" else 0.05)  # a just noticeable difference is about 0.02


def test_colour_comes_from_the_content() -> None:
    masks = hard_mask_set((534, 800))
    colours = [overlay.mask_colour(item) for item in masks.rle]
    assert colours == [overlay.mask_colour(rle.encode(rle.decode(item))) for item in masks.rle]
    assert set(colours) <= set(overlay.PALETTE)
    assert len(set(colours)) > 10
    assert colours[0] == "#60ffff"  # pinned: a new release must not recolour people's masks


def test_many_masks_use_the_whole_palette() -> None:
    squares = []
    for index in range(300):
        window = np.ones((1 + index % 7, 1 + index % 5), bool)
        squares.append(overlay.mask_colour(rle.encode_window(window, (index % 40, index // 12), (37, 53))))
    counts = [squares.count(colour) for colour in overlay.PALETTE]
    assert min(counts) > 0
    assert max(counts) < 40


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_paints_only_the_masks(size_hw: tuple[int, int]) -> None:
    masks = hard_mask_set(size_hw)
    image = np.full((*size_hw, 3), 100, np.uint8)
    for row in range(len(masks)):
        painted = (overlay.draw(image, masks[[row]]) != image).any(axis=2)
        np.testing.assert_array_equal(painted, rle.decode(masks.rle[row]))
    assert (image == 100).all()


def test_fill_edge_and_order() -> None:
    large, small = np.zeros((2, 37, 53), bool)
    large[5:30, 5:45] = True
    small[10:20, 10:20] = True
    masks = mask_set([small, large], (37, 53))
    drawn = overlay.draw(GREY, masks, alpha=0.5, colours=["#ff0000", "#0000ff"])
    assert drawn[5, 5].tolist() == [0, 0, 255]  # the edge in full colour
    assert drawn[7, 7].tolist() == [50, 50, 178]  # half grey, half blue
    assert drawn[10, 12].tolist() == [255, 0, 0]  # the small one's edge lies on top
    assert drawn[15, 15].tolist() == [152, 25, 89]  # red over blue
    plain = overlay.draw(GREY, masks, alpha=0.5, outlines=False, colours=["#ff0000", "#0000ff"])
    assert plain[5, 5].tolist() == [50, 50, 178]
    assert overlay.draw(GREY, masks, alpha=0, outlines=False).tolist() == GREY.tolist()


def test_numbers_are_written_inside_the_picture() -> None:
    masks = hard_mask_set((534, 800))
    image = np.full((534, 800, 3), 100, np.uint8)
    without = overlay.draw(image, masks[[16]])
    drawn = overlay.draw(image, masks[[16]], numbers=[117])
    changed = np.argwhere((drawn != without).any(axis=2))
    assert len(changed) > 100
    assert (drawn > 200).all(axis=2).any()  # white digits
    # The ring's middle is its hole: the number belongs on the ring itself.
    middle_y, middle_x = changed.mean(axis=0)
    assert rle.decode(masks.rle[16])[round(middle_y), round(middle_x)]


def test_numbers_on_a_tiny_picture_do_not_fail() -> None:
    drawn = overlay.draw(np.zeros((1, 1, 3), np.uint8), mask_set([np.ones((1, 1), bool)], (1, 1)), numbers=[123456])
    assert drawn.shape == (1, 1, 3)


def test_no_masks() -> None:
    empty = mask_set([np.zeros((37, 53), bool)], (37, 53))
    assert overlay.draw(GREY, empty, numbers=[1]).tolist() == GREY.tolist()  # a mask without a pixel
    assert overlay.draw(GREY, empty[[]]).tolist() == GREY.tolist()


def test_painting_takes_little_more_memory_than_the_photo() -> None:
    image = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    full = mask_set([np.ones((600, 800), bool)], (600, 800))
    tracemalloc.start()
    painted = overlay.draw(image, full, outlines=False, colours=["#ff8001"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * image.nbytes
    expected = image * (1 - overlay.ALPHA) + np.array([255, 128, 1], np.float32) * overlay.ALPHA
    assert np.array_equal(painted, np.rint(expected))
