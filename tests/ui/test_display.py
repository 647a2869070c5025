"""The display copy: sizes, runs against a plain nearest-neighbour oracle, and the packed file read back."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from automask_ui.masks import rle
from automask_ui.ui.components.viewer.display import display_image, display_runs, display_size, pack_layer, pack_layers

RANDOM = np.random.default_rng(7)


def blob(height: int, width: int) -> np.ndarray:
    """A tilted ellipse with a hole."""
    y, x = np.mgrid[0:height, 0:width]
    u, v = x - width * 0.45 + 0.3 * y, y - height * 0.5
    distance = (u / (width * 0.35)) ** 2 + (v / (height * 0.4)) ** 2
    return (distance < 1) & (distance > 0.1)


def nearest(mask: np.ndarray, display_hw: tuple[int, int]) -> np.ndarray:
    """Oracle: take the pixel under each display pixel's centre."""
    rows = ((np.arange(display_hw[0]) + 0.5) * mask.shape[0] / display_hw[0]).astype(int)
    columns = ((np.arange(display_hw[1]) + 0.5) * mask.shape[1] / display_hw[1]).astype(int)
    return mask[np.ix_(rows, columns)]


def unpack(runs: np.ndarray, display_hw: tuple[int, int]) -> np.ndarray:
    flat = np.zeros(display_hw[0] * display_hw[1], dtype=bool)
    for start, length in runs.tolist():
        assert not flat[start : start + length].any()
        flat[start : start + length] = True
    return flat.reshape(display_hw)


@pytest.mark.parametrize(
    ("size_hw", "longest", "expected"),
    [
        ((1200, 1800), 1600, (1067, 1600)),  # landscape is bounded by its width
        ((4000, 3000), 1600, (1600, 1200)),  # portrait by its height
        ((37, 53), 1600, (37, 53)),  # small photos are not enlarged
        ((1, 9000), 1600, (1, 1600)),  # a line keeps its one row
        ((800, 534), 400, (400, 267)),  # another bound
    ],
)
def test_display_size(size_hw: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
    assert display_size(size_hw, longest) == expected


@pytest.mark.parametrize("display_hw", [(37, 53), (20, 29), (9, 50), (1, 1)])
@pytest.mark.parametrize(
    "mask",
    [
        blob(37, 53),  # curved, with a hole
        np.ones((37, 53), dtype=bool),  # one run through all columns
        RANDOM.random((37, 53)) < 0.5,  # noise: runs of one pixel
        np.eye(37, 53, dtype=bool) | (np.arange(53) == 52),  # a diagonal, and the last column
    ],
)
def test_runs_are_the_nearest_pixels(mask: np.ndarray, display_hw: tuple[int, int]) -> None:
    expected = nearest(mask, display_hw)
    if expected.any():
        found = display_runs(rle.encode(mask), display_hw)
        np.testing.assert_array_equal(unpack(found, display_hw), expected)


def test_runs_are_sorted_maximal_and_within_rows() -> None:
    runs = display_runs(rle.encode(blob(534, 800)), (267, 400)).astype(int)
    starts, ends = runs[:, 0], runs.sum(axis=1)
    assert (starts[1:] > ends[:-1]).all()
    assert (starts // 400 == (ends - 1) // 400).all()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (36, 52), (17, 31), (1, 50)])
def test_a_single_pixel_never_vanishes(row: int, column: int) -> None:
    mask = np.zeros((37, 53), dtype=bool)
    mask[row, column] = True
    runs = display_runs(rle.encode(mask), (5, 7))
    y, x = divmod(int(runs[0, 0]), 7)
    assert runs[:, 1].tolist() == [1]
    assert (y, x) == (row * 5 // 37, column * 7 // 53)


def test_an_empty_mask_has_no_runs() -> None:
    assert display_runs(rle.encode(np.zeros((37, 53), dtype=bool)), (37, 53)).shape == (0, 2)


def test_layers_read_back() -> None:
    first = display_runs(rle.encode(blob(37, 53)), (37, 53))
    none = np.zeros((0, 2), dtype=np.uint32)
    packed = pack_layers([pack_layer(12, first), pack_layer(700, none)])
    words = np.frombuffer(zlib.decompress(base64.b64decode(packed), wbits=-zlib.MAX_WBITS), dtype="<u4")
    assert words[:2].tolist() == [12, len(first)]
    steps, lengths = words[2 : 2 + first.size].reshape(-1, 2).T
    np.testing.assert_array_equal(np.stack([np.cumsum(steps), lengths], axis=1), first)
    assert words[2 + first.size :].tolist() == [700, 0]


def test_no_layers_are_an_empty_text() -> None:
    assert pack_layers([]) == ""


def test_the_picture_is_resized_webp() -> None:
    photo = np.zeros((534, 800, 3), dtype=np.uint8)
    photo[:, 400:] = [200, 30, 60]
    image = Image.open(io.BytesIO(display_image(photo, (267, 400))))
    assert image.format == "WEBP"
    assert image.size == (400, 267)
    shown = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(shown[100, 300] - [200, 30, 60]).max() < 12
    assert shown[100, 100].max() < 12
