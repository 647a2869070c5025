"""TIFF by its tags: colours of every kind, packings, pages, RAW files, and bytes that mean harm."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from tiff_zoo import DEFLATE, LZW, NONE, TiffLayout, tiff, with_directory

from automask_ui.errors import ImageError, ImageTooLargeError, UnreadableImageError
from automask_ui.files.images import load_image

HEIGHT, WIDTH = 37, 53
_SHORT, _LONG, _BYTE, _ASCII, _RATIONAL = 3, 4, 7, 2, 5


def photo() -> np.ndarray:
    """A smooth 37×53 picture whose four corners differ."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 4, y * 6, 255 - x * 2 - y * 2], axis=2).astype(np.uint8)


RGB = photo()
GREY = RGB[..., :1]
GREY_RGB = GREY.repeat(3, axis=2)
INDEX = (np.mgrid[:HEIGHT, :WIDTH].sum(axis=0) % 16).astype(np.uint8)[..., None]
PALETTE = np.random.default_rng(1).integers(0, 256, (3, 16))


def saved(image: Image.Image, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, "TIFF", **options)
    return data.getvalue()


def ycbcr(across: int, down: int) -> bytes:
    """Uncompressed YCbCr whose colour is stored once for several pixels, by section 21 of TIFF 6.0."""
    pixels = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
    padded = np.pad(pixels, ((0, -HEIGHT % down), (0, -WIDTH % across), (0, 0)), mode="edge")
    data = b""
    for top in range(0, padded.shape[0], down):
        for left in range(0, padded.shape[1], across):
            unit = padded[top : top + down, left : left + across]
            data += unit[..., 0].tobytes() + unit[..., 1:].reshape(-1, 2).mean(axis=0).astype(np.uint8).tobytes()
    layout = TiffLayout(photometric=6)
    tags = {
        256: (_LONG, (WIDTH,)), 257: (_LONG, (HEIGHT,)), 258: (_SHORT, (8, 8, 8)), 259: (_SHORT, (NONE,)),
        262: (_SHORT, (6,)), 277: (_SHORT, (3,)), 278: (_LONG, (HEIGHT,)), 530: (_SHORT, (across, down)),
    }  # fmt: skip
    return with_directory(b"II*\0" + struct.pack("<I", 8), tags, [data], layout)


def jpeg_tiles() -> bytes:
    """Tiles of 32×32 px that are JPEGs of their own, with colour at half the size."""
    layout = TiffLayout(photometric=6, tile=(32, 32))
    padded = np.pad(RGB, ((0, -HEIGHT % 32), (0, -WIDTH % 32), (0, 0)), mode="edge")
    tiles = []
    for top in range(0, HEIGHT, 32):
        for left in range(0, WIDTH, 32):
            data = io.BytesIO()
            Image.fromarray(padded[top : top + 32, left : left + 32]).save(
                data, "JPEG", quality=95, subsampling="4:2:0"
            )
            tiles.append(data.getvalue())
    tags = {
        256: (_LONG, (WIDTH,)), 257: (_LONG, (HEIGHT,)), 258: (_SHORT, (8, 8, 8)), 259: (_SHORT, (7,)),
        262: (_SHORT, (6,)), 277: (_SHORT, (3,)), 322: (_LONG, (32,)), 323: (_LONG, (32,)), 530: (_SHORT, (2, 2)),
    }  # fmt: skip
    return with_directory(b"II*\0" + struct.pack("<I", 8), tags, tiles, layout)


def lab(bits: int) -> bytes:
    """CIELab: L* from 0 to white, a* and b* signed."""
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(RGB), *profiles, outputMode="LAB")
    octets = np.asarray(image)
    signed = np.dstack([octets[..., :1].astype(np.int32), octets[..., 1:].view(np.int8)])
    if bits == 16:
        signed *= np.array([257, 256, 256])
    return tiff((signed % 2**bits).astype(f"u{bits // 8}"), TiffLayout(bits=bits, photometric=8))


def colour_map(values: np.ndarray) -> dict[int, tuple[int, tuple[int, ...]]]:
    return {320: (_SHORT, tuple(values.ravel().tolist()))}


INDEXED = PALETTE.T[INDEX[..., 0]]
CMYK = np.asarray(Image.fromarray(RGB).convert("CMYK"))
ALPHA = np.where(np.arange(WIDTH) < 20, 0, 255).astype(np.uint8)[None, :, None].repeat(HEIGHT, axis=0)
ON_WHITE = np.where(ALPHA > 0, RGB, 255)
PHOTO_16 = RGB.astype(np.uint16) * 257
ONE_BIT = (GREY > 99).astype(np.uint8)

ZOO: dict[str, tuple[bytes, np.ndarray, float, str]] = {
    # name: (file, expected RGB, tolerance, parts of the notes)
    "palette": (tiff(INDEX, TiffLayout(4, photometric=3, tags=colour_map(PALETTE * 257))), INDEXED, 0, ""),
    "palette as Pillow writes it": (
        tiff(INDEX, TiffLayout(4, photometric=3, tags=colour_map(PALETTE * 256))), INDEXED, 0, ""),
    "palette of 8 bits": (tiff(INDEX, TiffLayout(4, photometric=3, tags=colour_map(PALETTE))), INDEXED, 0, ""),
    "palette that is too short": (
        tiff(INDEX, TiffLayout(8, photometric=3, tags=colour_map(PALETTE[:, :8] * 257))),
        np.where(INDEX < 8, INDEXED, 0), 0, ""),
    "palette with transparency": (
        tiff(np.dstack([INDEX, ALPHA]), TiffLayout(
            8, photometric=3, extra_samples=(2,), tags=colour_map(np.pad(PALETTE * 257, ((0, 0), (0, 240)))))),
        np.where(ALPHA > 0, INDEXED, 255), 0, "white"),
    "CMYK": (tiff(CMYK, TiffLayout(photometric=5)), RGB, 1, "CMYK"),
    "CMYK in planes": (tiff(CMYK, TiffLayout(photometric=5, is_planar=True, compression=LZW)), RGB, 1, "CMYK"),
    "CMYK of 16 bits": (
        tiff(CMYK.astype(np.uint16) * 257, TiffLayout(16, photometric=5, order=">")), RGB, 1, "CMYK"),
    "CMYK with transparency": (
        tiff(np.dstack([CMYK, ALPHA]), TiffLayout(photometric=5, extra_samples=(2,))), ON_WHITE, 1, "CMYK|white"),
    "Lab": (lab(8), RGB, 40, "Lab"),  # the most saturated blues lose a little
    "Lab of 16 bits": (lab(16), RGB, 40, "Lab"),
    "YCbCr": (tiff(np.asarray(Image.fromarray(RGB).convert("YCbCr")), TiffLayout(
        photometric=6, tags={530: (_SHORT, (1, 1))})), RGB, 3, ""),
    "YCbCr 2×2": (ycbcr(2, 2), RGB, 12, ""),
    "YCbCr 4×1": (ycbcr(4, 1), RGB, 12, ""),
    "JPEG strips": (saved(Image.fromarray(RGB), compression="jpeg", quality=95), RGB, 24, ""),
    "JPEG tiles": (jpeg_tiles(), RGB, 24, ""),
    "fax 3": (saved(Image.fromarray(ONE_BIT[..., 0] > 0), compression="group3"), ONE_BIT.repeat(3, 2) * 255, 0, ""),
    "fax 4": (saved(Image.fromarray(ONE_BIT[..., 0] > 0), compression="group4"), ONE_BIT.repeat(3, 2) * 255, 0, ""),
    "LZW by libtiff": (saved(Image.fromarray(RGB), compression="tiff_lzw"), RGB, 0, ""),
    "LZMA": (saved(Image.fromarray(RGB), compression="lzma"), RGB, 0, ""),
    "Zstandard": (saved(Image.fromarray(RGB), compression="zstd"), RGB, 0, ""),
    "16 bits in planes": (
        tiff(PHOTO_16, TiffLayout(16, photometric=2, is_planar=True, order=">", rows_per_strip=5)), RGB, 0, "65535"),
    "16 bits in planes and tiles": (
        tiff(PHOTO_16, TiffLayout(16, photometric=2, is_planar=True, tile=(16, 32), compression=DEFLATE, predictor=2)),
        RGB, 0, "65535"),
    "12 bits packed": (
        tiff(PHOTO_16 >> 4, TiffLayout(12, photometric=2)), np.rint((PHOTO_16 >> 4) / 4095 * 255), 0, "4095"),
    "12 bits in 16": (tiff(PHOTO_16 >> 4, TiffLayout(16, photometric=2)), RGB, 1, "0 to 4095"),
    "12 bits in 16, near infrared": (
        tiff(np.dstack([PHOTO_16, PHOTO_16[..., :1]]) >> 4, TiffLayout(16, photometric=2, extra_samples=(0,))),
        RGB, 1, "Of 4 bands, 3 are shown as colour|0 to 4095"),
    "12 bits in 16, transparency of 12": (
        tiff(np.dstack([PHOTO_16, ALPHA.astype(np.uint16) * 257]) >> 4, TiffLayout(
            16, photometric=2, extra_samples=(2,))), ON_WHITE, 1, "0 to 4095|white"),
    "12 bits in 16, transparency of 16": (
        tiff(np.dstack([PHOTO_16 >> 4, ALPHA.astype(np.uint16) * 257]), TiffLayout(
            16, photometric=2, extra_samples=(2,))), ON_WHITE, 1, "0 to 4095|white"),
    "premultiplied": (
        tiff(np.dstack([RGB // 2, np.full_like(GREY, 128)]), TiffLayout(photometric=2, extra_samples=(1,))),
        RGB // 2 + 127, 0, "white"),
    "min-is-white of 16 bits": (tiff(65535 - PHOTO_16[..., :1], TiffLayout(16, photometric=0)), GREY_RGB, 0, "65535"),
    "min-is-white of 12 in 16": (
        tiff(4095 - (PHOTO_16[..., :1] >> 4), TiffLayout(16, photometric=0)), GREY_RGB, 1, "0 to 4095"),
    "min-is-white of 1 bit": (tiff(1 - ONE_BIT, TiffLayout(1, photometric=0)), ONE_BIT.repeat(3, 2) * 255, 0, ""),
    "8 bands": (
        tiff(np.dstack([RGB, RGB, RGB[..., :2]]), TiffLayout(photometric=1, is_planar=True, extra_samples=(0,) * 7)),
        RGB, 0, "first three of 8 bands"),
    "3 bands of grey": (tiff(RGB, TiffLayout(photometric=1, extra_samples=(0, 0))), RGB, 0, "Its three bands"),
    "2 bands": (tiff(RGB[..., :2], TiffLayout(photometric=1, extra_samples=(0,))), GREY_RGB, 0, "Of 2 bands, 1 is"),
    "float RGB": (
        tiff((RGB / 255).astype(np.float32), TiffLayout(32, "f", 2, compression=LZW, predictor=3)), RGB, 0, "0 to 1"),
    "float64": (tiff(GREY / 255.0, TiffLayout(64, "f", order=">")), GREY_RGB, 0, "0 to 1"),
    "an edge of a tile that was left out": (
        tiff(RGB, TiffLayout(photometric=2, tags={273: (_LONG, (0,)), 279: (_LONG, (0,))})), RGB * 0, 0, ""),
    "predictor beside unpacked numbers": (
        tiff(RGB, TiffLayout(photometric=2, tags={317: (_SHORT, (2,))})), RGB, 0, ""),
    "a smaller copy first": (
        tiff(GREY[::2, ::2], TiffLayout(tags={254: (_LONG, (1,))}), (RGB, TiffLayout(photometric=2))), RGB, 0, ""),
    "smaller copies behind": (
        tiff(RGB, TiffLayout(photometric=2), (RGB[::2, ::2], TiffLayout(photometric=2, tags={254: (_LONG, (1,))}))),
        RGB, 0, ""),
    "three pages": (
        tiff(RGB, TiffLayout(photometric=2, is_big=True, order=">"),
             (GREY, TiffLayout(is_big=True, order=">")), (GREY, TiffLayout(is_big=True, order=">"))),
        RGB, 0, "first of 3 pages"),
    "ImageJ's stack in one page": (
        tiff(GREY, TiffLayout(tags={270: (_ASCII, b"ImageJ=1.54f\nimages=12\nslices=12\n\0")})),
        GREY_RGB, 0, "first of 12 pages"),
    "on its side": (
        tiff(np.rot90(RGB), TiffLayout(photometric=2, tags={274: (_SHORT, (6,))})), RGB, 0, "Turned upright"),
    "GDAL's no data": (
        tiff(np.where(GREY == 0, 65535, GREY.astype(np.uint16) * 16), TiffLayout(
            16, tags={42113: (_ASCII, b"65535\0")})), np.rint(GREY_RGB.astype(int) * 16 / 4095 * 255), 0,
        "0 to 4095"),
}  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_zoo(name: str) -> None:
    data, expected, tolerance, notes = ZOO[name]
    loaded = load_image(data)
    assert loaded.rgb.shape == expected.shape
    assert np.abs(loaded.rgb.astype(int) - expected).max() <= tolerance
    parts = notes.split("|") if notes else []
    assert [part in text for part, text in zip(parts, loaded.notes, strict=True)] == [True] * len(parts)


def raw(tags: Mapping[int, tuple[int, bytes]] | None = None) -> bytes:
    """A preview of 12×10 px, and below it a page of a sensor's pattern."""
    sensor = tiff(GREY, TiffLayout(photometric=32803))
    start = struct.unpack("<I", sensor[4:8])[0]
    body = {256: (_LONG, (12,)), 257: (_LONG, (10,)), 258: (_SHORT, (8, 8, 8)), 259: (_SHORT, (1,)),
            262: (_SHORT, (2,)), 277: (_SHORT, (3,)), 278: (_LONG, (10,)),
            254: (_LONG, (1,)), 330: (_LONG, (start,)), **(tags or {})}  # fmt: skip
    # The preview's directory lies behind the sensor's page, which stays where it is.
    whole = with_directory(sensor, body, [RGB[:10, :12].tobytes()], TiffLayout(photometric=2))
    return whole[:4] + struct.pack("<I", len(sensor)) + whole[8:]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (raw({50706: (_BYTE, b"\1\4\0\0")}), "DNG"),
        (raw({271: (_ASCII, b"NIKON CORPORATION\0")}), "NEF"),
        (raw({271: (_ASCII, b"SONY\0")}), "ARW"),
        (raw(), "TIFF"),
        (tiff(GREY, TiffLayout(photometric=34892)), "TIFF"),
        (tiff(RGB, TiffLayout(photometric=2, tags={50706: (_BYTE, b"\1\4\0\0")})), "DNG"),
    ],
)
def test_a_cameras_raw_file_is_refused_as_such(data: bytes, kind: str) -> None:
    with pytest.raises(UnreadableImageError, match=rf"camera's RAW file \({kind}\).*Export it as JPEG"):
        load_image(data, name="photo.tif")


@pytest.mark.parametrize(
    ("layout", "samples", "message"),
    [
        (TiffLayout(compression=34887), 1, "LERC"),
        (TiffLayout(compression=33003), 1, "JPEG 2000"),
        (TiffLayout(compression=12345), 1, "number 12345"),
        (TiffLayout(photometric=32845), 1, "number 32845"),
        (TiffLayout(tags={339: (_SHORT, (6,))}), 1, "complex numbers"),
        (TiffLayout(tags={258: (_SHORT, (5, 6, 5))}, photometric=2), 3, "bands of 5, 6, 5 bits"),
        (TiffLayout(tags={32997: (_LONG, (9,))}), 1, "volume"),
        (TiffLayout(photometric=5, tags={332: (_SHORT, (2,))}), 4, "inks other than CMYK"),
        (TiffLayout(photometric=3), 1, "no palette"),
        (TiffLayout(tags={273: (_LONG, (10**9,))}), 1, "damaged or incomplete: pixels are missing"),
        (TiffLayout(compression=DEFLATE, tags={273: (_LONG, (8,))}), 1, "damaged"),
    ],
)
def test_refused_by_kind(layout: TiffLayout, samples: int, message: str) -> None:
    with pytest.raises(UnreadableImageError, match=message) as caught:
        load_image(tiff(np.dstack([RGB, GREY])[..., :samples], layout), name="photo.tif")
    assert str(caught.value).startswith("photo.tif ")


def test_too_many_pixels_or_bytes_are_refused_before_anything_is_unpacked() -> None:
    with pytest.raises(ImageTooLargeError, match="60,000 × 60,000"):
        load_image(tiff(GREY, TiffLayout(tags={256: (_LONG, (60_000,)), 257: (_LONG, (60_000,))})))
    wide = {256: (_LONG, (10_000,)), 257: (_LONG, (10_000,)), 278: (_LONG, (10_000,)), 277: (_SHORT, (300,))}
    with pytest.raises(ImageTooLargeError, match="unpacks to 30,000 MB"):
        load_image(tiff(GREY, TiffLayout(tags={**wide, 258: (_SHORT, (8,) * 300)})))
    tiles = {322: (_LONG, (60_000,)), 323: (_LONG, (60_000,))}
    with pytest.raises(ImageTooLargeError, match="unpacks to 3,600 MB"):
        load_image(tiff(GREY[:16, :16], TiffLayout(tile=(16, 16), tags=tiles)))


@pytest.mark.parametrize(
    "make",
    [
        # 50 MB of zeros in a strip of a picture of 2 kB
        lambda: _with_strip(zlib.compress(bytes(50_000_000), 9), DEFLATE),
        # many addresses, many times
        lambda: tiff(GREY, TiffLayout(tags={273: (_LONG, (8,) * 300_000), 279: (_LONG, (8,) * 300_000)})),
        # a tag of 4 billion values
        lambda: tiff(GREY, TiffLayout()).replace(
            struct.pack("<HHI", 258, 3, 1), struct.pack("<HHI", 258, 3, 2**32 - 1)),
    ],
)  # fmt: skip
def test_bombs_cost_little(make: Callable[[], bytes]) -> None:
    data = make()
    tracemalloc.start()
    try:
        with suppress(ImageError):
            load_image(data)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def _with_strip(packed: bytes, compression: int) -> bytes:
    tags = {256: (_LONG, (WIDTH,)), 257: (_LONG, (HEIGHT,)), 259: (_SHORT, (compression,)), 258: (_SHORT, (8,)),
            262: (_SHORT, (1,)), 277: (_SHORT, (1,)), 278: (_LONG, (HEIGHT,))}  # fmt: skip
    return with_directory(b"II*\0" + struct.pack("<I", 8), tags, [packed], TiffLayout())


def test_pages_in_a_circle_end() -> None:
    data = tiff(RGB, TiffLayout(photometric=2))
    (count,) = struct.unpack("<H", data[8:10])
    following = 10 + 12 * count
    looped = data[:following] + struct.pack("<I", 8) + data[following + 4 :]
    np.testing.assert_array_equal(load_image(looped).rgb, RGB)


WHOLE = [
    ZOO[name][0] for name in ("palette", "YCbCr 2×2", "JPEG tiles", "fax 4", "LZW by libtiff", "Lab", "three pages")
]


@settings(deadline=None)
@given(
    st.sampled_from(WHOLE), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12), st.floats(0.1, 1)
)
def test_spoilt_bytes_give_a_picture_or_a_reason(whole: bytes, changes: list[tuple[float, int]], share: float) -> None:
    data = bytearray(whole)
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    with suppress(ImageError):
        assert load_image(bytes(data[: int(share * len(data))]), max_pixels=100_000).rgb.ndim == 3


@pytest.mark.parametrize("kind", range(20))
def test_tags_of_any_type_give_a_picture_or_a_reason(kind: int) -> None:
    small = [whole for whole in WHOLE if b"+" not in whole[2:4]]  # BigTIFF has longer entries
    for whole in (tiff(GREY, TiffLayout(photometric=1)), *small):
        order = "<" if whole[:2] == b"II" else ">"
        (start,) = struct.unpack(f"{order}I", whole[4:8])
        (count,) = struct.unpack(f"{order}H", whole[start : start + 2])
        for entry in range(count):
            data = bytearray(whole)
            struct.pack_into(f"{order}H", data, start + 2 + 12 * entry + 2, kind)
            with suppress(ImageError):
                assert load_image(bytes(data)).rgb.ndim == 3
