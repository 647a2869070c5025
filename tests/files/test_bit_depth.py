"""One rule for numbers of any size: whole, below zero, floating point, with gaps and with outliers."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from automask_ui.files.bit_depth import scaled_to_8_bits
from automask_ui.files.images import load_image

HEIGHT, WIDTH = 37, 53
SHARE = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH, 1)  # from black to white


def whole(low: float, high: float, dtype: str) -> np.ndarray:
    return np.rint(low + SHARE * (high - low)).astype(dtype)


def with_pixels(values: np.ndarray, *others: float) -> np.ndarray:
    changed = values.copy()
    changed.reshape(-1)[100 : 100 + len(others)] = others
    return changed


@pytest.mark.parametrize(
    ("values", "bits", "shown", "note"),
    [
        (whole(0, 255, "u2"), 16, (0, 255), ""),  # 8 bits in 16
        (whole(0, 1000, "u2"), 16, (0, 1023), "Grey values of 0 to 1023 were scaled to 0 to 255."),
        (whole(0, 3000, "u2"), 16, (0, 4095), "0 to 4095"),
        (whole(0, 16_000, "u2"), 16, (0, 16_383), "0 to 16383"),
        (whole(0, 65_535, "u2"), 16, (0, 65_535), "0 to 65535"),
        (whole(0, 2**20, "u4"), 32, (0, 2**21 - 1), "0 to 2.09715e+06"),
        (whole(0, 2**60, "u8"), 64, (0, 2**60), "scaled"),
        (whole(0, 7, "u1"), 3, (0, 7), ""),
        (whole(0, 127, "i1"), 8, (0, 127), "0 to 127"),
        (whole(0, 32_767, "i2"), 16, (0, 32_767), "0 to 32767"),
        (whole(-1024, 3071, "i2"), 16, (-1024, 3071), "-1024 to 3071"),  # a computed tomogram
        (whole(0, 1, "f4") * 0 + SHARE.astype("f4"), 32, (0, 1), "Floating-point values of 0 to 1"),
        ((SHARE * 0.4).astype("f2"), 16, (0, 1), "0 to 1"),  # keeps its meaning
        ((SHARE * 0.01).astype("f4"), 32, (0, 0.01), "0 to 0.01"),  # would be black
        ((SHARE * 255).astype("f4"), 32, (0, 255), ""),
        ((SHARE * 1.02).astype("f4"), 32, (0, 1.02), "0 to 1.02"),  # a little more than white is not 1 of 255
        ((SHARE * 100).astype("f8"), 64, (0, 100), "0 to 100"),
        ((SHARE * 2 - 1) * 1.7e308, 64, (-1.7e308, 1.7e308), "-1.7e+308 to 1.7e+308"),
    ],
)
def test_range(values: np.ndarray, bits: int, shown: tuple[float, float], note: str) -> None:
    scaled = scaled_to_8_bits(values, bits)
    low, high = shown
    expected = (values.astype(np.float64) / 2 - low / 2) / (high / 2 - low / 2) * 255
    assert np.abs(scaled.values - expected).max() <= 0.51
    assert scaled.white == pytest.approx(high, rel=1e-3)
    assert note in scaled.note
    assert bool(note) == bool(scaled.note)


@pytest.mark.parametrize(
    ("values", "no_data", "gaps", "shown", "note"),
    [
        (
            with_pixels(SHARE.astype("f4"), np.nan, np.inf, -np.inf),
            None,
            3,
            (0, 1),
            "3 values for “no data” are shown black",
        ),
        (with_pixels((SHARE * 48).astype("f4"), *[-9999] * 50), None, 50, (0, 48), "50 values for “no data” (-9999)"),
        (with_pixels(whole(-400, 400, "i2"), *[-32_768] * 50), None, 50, (-400, 400), "(-32768)"),
        (with_pixels((SHARE * 48).astype("f4"), *[np.float32(-3.4028235e38)] * 5), None, 5, (0, 48), "(-3.40282e+38)"),
        (with_pixels(whole(0, 1000, "u2"), *[65_535] * 50), 65_535, 50, (0, 1023), "(65535)"),
        (with_pixels((SHARE * 48).astype("f4"), *[7] * 50), 7, 50, (0, 48), "(7)"),
        (with_pixels((SHARE * 48).astype("f4"), *[np.nan] * 5), np.nan, 5, (0, 48), "5 values"),
    ],
)
def test_no_data(values: np.ndarray, no_data: float | None, gaps: int, shown: tuple[float, float], note: str) -> None:
    scaled = scaled_to_8_bits(values, 8 * values.dtype.itemsize, no_data=no_data)
    flat = scaled.values.reshape(-1)
    assert (flat[100 : 100 + gaps] == 0).all()
    low, high = shown
    expected = (values.astype(np.float64).reshape(-1)[200:] - low) / (high - low) * 255
    assert np.abs(flat[200:] - expected).max() <= 1
    assert note in scaled.note


def test_minus_9999_among_others_of_its_size_is_a_number() -> None:
    values = whole(-9999, 9999, "i4")
    assert scaled_to_8_bits(values, 32).note == "Grey values of -9999 to 9999 were scaled to 0 to 255."


@pytest.mark.parametrize(
    ("values", "shown", "note"),
    [
        (with_pixels(whole(0, 900, "u2"), 65_535), (0, 1023), "; 1 outlier lies outside."),
        (with_pixels(whole(0, 900, "u2"), 65_535, 30_000, 40_000), (0, 1023), "; 3 outliers lie outside."),
        (with_pixels((SHARE * 48).astype("f4"), 1e9, -1e9), (0, 48), "; 2 outliers lie outside."),
    ],
)
def test_a_few_outliers_do_not_decide(values: np.ndarray, shown: tuple[float, float], note: str) -> None:
    scaled = scaled_to_8_bits(values, 8 * values.dtype.itemsize)
    flat, low, high = values.astype(np.float64).reshape(-1), *shown
    expected = np.clip((flat - low) / (high - low), 0, 1) * 255
    assert np.abs(scaled.values.reshape(-1) - expected).max() <= 1
    assert scaled.note.endswith(note)


def test_many_bright_pixels_are_no_outliers() -> None:
    values = with_pixels(whole(0, 900, "u2"), *[65_535] * 60)
    assert scaled_to_8_bits(values, 16).white == 65_535


def test_a_few_pixels_on_black_are_the_picture() -> None:
    values = with_pixels(whole(0, 0, "u2"), 65_535, 65_535)
    assert scaled_to_8_bits(values, 16).values.max() == 255


def saved_png(pixels: np.ndarray) -> bytes:
    """16 bits by OpenCV, which takes blue first."""
    return cv2.imencode(".png", pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.shape[2] > 1 else pixels)[
        1
    ].tobytes()


def saved_ppm(pixels: np.ndarray, white: int, is_text: bool = False) -> bytes:
    height, width, bands = pixels.shape
    kind = {(1, False): 5, (3, False): 6, (1, True): 2, (3, True): 3}[bands, is_text]
    head = f"P{kind}\n# made by hand\n{width} {height}\n{white}\n".encode()
    return head + (
        b" ".join(b"%d" % value for value in pixels.ravel().tolist()) if is_text else pixels.astype(">u2").tobytes()
    )


COLOUR = np.dstack([whole(0, 3900, "u2"), whole(400, 0, "u2"), whole(1000, 2000, "u2")])
OPAQUE = np.full((HEIGHT, WIDTH, 1), 4095, np.uint16)


@pytest.mark.parametrize(
    ("data", "expected", "note"),
    [
        (saved_png(COLOUR), COLOUR / 4095 * 255, "Colour values of 0 to 4095"),
        (saved_png(np.dstack([COLOUR, OPAQUE])), COLOUR / 4095 * 255, "0 to 4095"),
        (saved_png(COLOUR * 16), COLOUR * 16 / 65_535 * 255, "0 to 65535"),
        (saved_ppm(COLOUR, 65_535), COLOUR / 4095 * 255, "0 to 4095"),
        (saved_ppm(COLOUR, 4095), COLOUR / 4095 * 255, "0 to 4095"),
        (saved_ppm(COLOUR, 5000), COLOUR / 5000 * 255, "0 to 5000"),  # the header names white
        (saved_ppm(COLOUR, 5000, is_text=True), COLOUR / 5000 * 255, "0 to 5000"),
        (saved_ppm(COLOUR[..., :1], 65_535), COLOUR[..., :1] / 4095 * 255, "Grey values of 0 to 4095"),
        (saved_ppm(COLOUR[..., :1], 65_535, is_text=True), COLOUR[..., :1] / 4095 * 255, "0 to 4095"),
        (cv2.imencode(".jp2", COLOUR[..., ::-1] * 16, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1].tobytes(),
         COLOUR * 16 / 65_535 * 255, "0 to 65535"),
    ],
)  # fmt: skip
def test_deep_files(data: bytes, expected: np.ndarray, note: str) -> None:
    loaded = load_image(data)
    assert np.abs(loaded.rgb - expected).max() <= 1
    assert len(loaded.notes) == 1
    assert note in loaded.notes[0]


def test_grey_with_transparency_of_12_bits() -> None:
    png = io.BytesIO()
    Image.fromarray(COLOUR[..., 0]).save(png, "PNG")
    assert "0 to 4095" in load_image(png.getvalue()).notes[0]
