"""TIFF and PNG of any layout show the picture that was written, or are refused by their kind."""

from __future__ import annotations

import io
import os

import numpy as np
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tiff_zoo import DEFLATE, LZW, NONE, OLD_DEFLATE, PACKBITS, TiffLayout, png, png_chunk, tiff

from automask_ui.files.images import load_image
from automask_ui.files.tiff_layout import layout_of
from automask_ui.files.tiff_segments import read_samples
from automask_ui.files.tiff_structure import TiffStructure

EXAMPLES = int(os.environ.get("AUTOMASK_FUZZ_EXAMPLES", "40"))
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WHITE, BLACK, RGB = 0, 1, 2


def pattern(height: int, width: int, samples: int, layout: TiffLayout, seed: int) -> np.ndarray:
    """H×W×samples of random numbers from 0 to white, both of which are there."""
    values = np.random.default_rng(seed).random((height, width, samples))
    values[0, 0], values[-1, -1] = 0, 1
    if layout.kind == "f":
        return values.astype(f"f{layout.bits // 8}")
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= layout.bits)
    white = 2 ** (layout.bits - (layout.kind == "i")) - 1
    exact = np.array(
        [int(value * (1 << 53)) * white >> 53 for value in values.ravel().tolist()], f"{layout.kind}{size}"
    )
    return exact.reshape(values.shape)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[np.ndarray, TiffLayout]:
    kind = draw(st.sampled_from("uuuif"))
    bits = draw({"u": st.integers(1, 64), "i": st.integers(2, 64), "f": st.sampled_from((16, 32, 64))}[kind])
    height, width = draw(st.integers(2, 40)), draw(st.integers(2, 40))
    photometric = draw(st.sampled_from((WHITE, BLACK, RGB)))
    extra = draw(st.sampled_from(((), (0,), (1,), (2,), (0, 2), (0, 0))))
    samples = (3 if photometric == RGB else 1) + len(extra)
    compression = draw(st.sampled_from((NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS)))
    predictors = [1]
    if bits in (8, 16, 32, 64) and compression != NONE:
        predictors.append(3 if kind == "f" and bits != 8 else 2)
    is_tiled = draw(st.booleans())
    layout = TiffLayout(
        bits=bits,
        kind=kind,
        photometric=photometric,
        order=draw(st.sampled_from("<>")),
        is_big=draw(st.booleans()),
        is_planar=draw(st.booleans()),
        tile=(16 * draw(st.integers(1, 2)), 16 * draw(st.integers(1, 2))) if is_tiled else None,
        rows_per_strip=draw(st.integers(1, height)),
        compression=compression,
        predictor=draw(st.sampled_from(predictors)),
        reversed_bits=draw(st.booleans()),
        extra_samples=extra,
    )
    return pattern(height, width, samples, layout, draw(st.integers(0, 2**32 - 1))), layout


def shown(pixels: np.ndarray, layout: TiffLayout) -> np.ndarray:
    """The picture that ``pixels`` are, by the standard and with our rule for several bands of grey."""
    white = 1.0 if layout.kind == "f" else 2.0 ** (layout.bits - (layout.kind == "i")) - 1
    values = pixels.astype(np.float64) / white * 255
    base = 3 if layout.photometric == RGB else 1
    alpha = next((base + place for place, kind in enumerate(layout.extra_samples) if kind in (1, 2)), None)
    if layout.photometric == BLACK and values.shape[2] - (alpha is not None) >= 3:
        base = 3
    colour = values[..., :base]
    if layout.photometric == WHITE:
        colour = 255 - colour
    colour = np.broadcast_to(colour, (*colour.shape[:2], 3))
    if alpha is not None:
        share = values[..., alpha : alpha + 1] / 255
        is_premultiplied = 1 in layout.extra_samples
        colour = np.minimum((colour if is_premultiplied else colour * share) + 255 * (1 - share), 255)
    return colour


@MANY
@given(layouts())
def test_tiff(drawn: tuple[np.ndarray, TiffLayout]) -> None:
    pixels, layout = drawn
    data = tiff(pixels, layout)
    loaded = load_image(data)
    assert np.abs(loaded.rgb - shown(pixels, layout)).max() <= 1.51
    page = next(TiffStructure(data).pages())
    samples = read_samples(data, page, layout_of(page, 10_000), pixels.shape[2])
    np.testing.assert_array_equal(samples, pixels)


@MANY
@given(layouts())
def test_the_zoo_is_what_other_readers_read(drawn: tuple[np.ndarray, TiffLayout]) -> None:
    """So that a slip in the zoo does not prove the same slip in our reader."""
    pixels, layout = drawn
    data = tiff(pixels, layout)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        try:
            found = page.asarray()
        except (ValueError, NotImplementedError, KeyError, tifffile.TiffFileError):
            return  # without imagecodecs it reads neither LZW, nor odd bits, nor predictor 3
        if not found.size:  # more than 32 odd bits
            return
        if layout.is_planar and pixels.shape[2] > 1:
            found = found.transpose(1, 2, 0)
        np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)
    is_plain = layout.bits == 8 and layout.kind == "u" and pixels.shape[2] in (1, 3) and not layout.extra_samples
    if is_plain and not layout.reversed_bits:
        with Image.open(io.BytesIO(data)) as image:
            assert np.abs(np.asarray(image.convert("RGB")) - shown(pixels, layout)).max() <= 0.5


@MANY
@given(
    st.sampled_from(
        [(0, d) for d in (1, 2, 4, 8, 16)]
        + [(3, d) for d in (1, 2, 4, 8)]
        + [(c, d) for c in (2, 4, 6) for d in (8, 16)]
    ),
    st.integers(1, 30),
    st.integers(2, 30),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_png(kind: tuple[int, int], height: int, width: int, is_interlaced: bool, is_clear: bool, seed: int) -> None:
    """``is_clear``: the colour of the first pixel is said to be transparent."""
    colour_type, depth = kind
    random = np.random.default_rng(seed)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    white = 2**depth - 1
    pixels = random.integers(0, white, (height, width, channels), endpoint=True)
    pixels[-1, -1] = white
    alpha = pixels[..., -1] / white if channels in (2, 4) else np.ones((height, width))
    colour = pixels[..., : channels - (channels in (2, 4))] / white * 255
    chunks = b""
    if colour_type == 3:
        palette = random.integers(0, 255, (2**depth, 3), np.uint8, endpoint=True)
        chunks, colour = png_chunk(b"PLTE", palette.tobytes()), palette[pixels[..., 0]].astype(np.float64)
    if is_clear and channels in (1, 3):
        first = pixels[0, 0]
        alpha = np.where((pixels == first).all(axis=2), 0.0, 1.0)
        clear = bytes([255] * int(first[0]) + [0]) if colour_type == 3 else first.astype(">u2").tobytes()
        chunks += png_chunk(b"tRNS", clear)
    expected = np.broadcast_to(colour, (height, width, 3)) * alpha[..., None] + 255 * (1 - alpha[..., None])
    loaded = load_image(png(pixels, depth, colour_type, chunks, is_interlaced))
    assert np.abs(loaded.rgb - expected).max() <= 1.51
