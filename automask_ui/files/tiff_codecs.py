"""Packed strips and tiles of TIFF, unpacked within bounds.

zlib does Deflate. The rest goes through the libtiff that Pillow carries: a segment is wrapped into a small TIFF of its
own, whose size bounds what can come of it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from PIL import TiffImagePlugin

from automask_ui.files.tiff_layout import UNSIGNED, Layout
from automask_ui.files.tiff_structure import Directory, TiffError

__all__ = ["PICTURES", "decode_picture", "unpacked"]

_NONE, _LZW, _JPEG, _PACKBITS, _WEBP = 1, 5, 7, 32773, 50001
_DEFLATE = (8, 32946)
_FAX = (2, 3, 4)
_BYTES = {_LZW: "LZW", _PACKBITS: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
PICTURES = (_JPEG, _WEBP)  # their segments are whole pictures, not bytes of samples

_NAMES = {
    6: "JPEG of the old kind", 32809: "ThunderScan", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000",
    34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34712: "JPEG 2000", 34887: "LERC", 34933: "PNG",
    34934: "JPEG XR", 22610: "JPEG XR", 50002: "JPEG XL", 52546: "JPEG XL", 34892: "lossy JPEG of DNG",
}  # fmt: skip
_YCBCR, _CMYK = 6, 5


def unpacked(packed: bytes, page: Directory, layout: Layout, rows: int, needed: int) -> bytes:
    """The ``needed`` bytes of samples in a segment of ``rows`` rows.

    Raises:
        TiffError: there are fewer, or the packing is not read here.
    """
    raw = b""
    if layout.compression == _NONE:
        raw = packed[:needed]
    elif layout.compression in _DEFLATE:
        try:
            raw = zlib.decompressobj().decompress(packed, needed)
        except zlib.error as error:
            raise TiffError(f"is damaged: {error}. Copy or save it again.") from error
    elif layout.compression in _BYTES:
        tags = {256: needed // rows, 257: rows, 258: 8, 259: layout.compression, 262: 1, 277: 1}
        raw = _through_libtiff(packed, tags, _BYTES[layout.compression]).tobytes()
    elif layout.compression in _FAX and layout.bits == layout.samples == 1:
        tags = {256: layout.segment_width, 257: rows, 258: 1, 259: layout.compression, 262: 1, 277: 1}
        tags |= {tag: page.number(tag, 0) for tag in (292, 293) if tag in page}
        raw = np.packbits(_through_libtiff(packed, tags, "fax"), axis=1).tobytes()
    else:
        name = _NAMES.get(layout.compression, f"number {layout.compression}")
        raise TiffError(f"is packed in a way that is not read here ({name}). Save it with LZW or without compression.")
    if len(raw) < needed:
        raise TiffError("is damaged or incomplete: pixels are missing. Copy or save it again.")
    return raw


def decode_picture(packed: bytes, page: Directory, layout: Layout, rows: int) -> np.ndarray:
    """A segment that is a JPEG or WebP of its own, as rows×width×samples uint8; YCbCr becomes RGB."""
    samples = layout.segment_samples
    if layout.bits != 8 or layout.kind != UNSIGNED or samples not in (1, 3, 4):
        raise TiffError(f"holds JPEG or WebP with {samples} bands of {layout.bits} bits, which is not read here.")
    photometric = 1 if samples == 1 else layout.photometric
    if samples == 4 and photometric != _CMYK:
        photometric = 2
    tags = {256: layout.segment_width, 257: rows, 259: layout.compression, 262: photometric, 277: samples}
    extra = {258: struct.pack("<H", 8) * samples}
    if samples == 4 and photometric == 2:
        tags[338] = 0
    if tables := page.bytes_of(347, 65_536):
        extra[347] = tables
    if photometric == _YCBCR:
        extra[530] = struct.pack("<2H", *layout.subsampling)
    pixels = _through_libtiff(packed, tags, "JPEG" if layout.compression == _JPEG else "WebP", extra)
    return pixels.reshape(*pixels.shape[:2], -1)


def _through_libtiff(
    packed: bytes, tags: Mapping[int, int], name: str, extra: Mapping[int, bytes] | None = None
) -> np.ndarray:
    """A segment as Pillow's libtiff reads it; ``tags`` are numbers, ``extra`` bytes (of tag 347) or shorts as bytes."""
    values = {tag: struct.pack("<I", value) for tag, value in tags.items()}
    values |= {273: struct.pack("<I", 8), 278: values[257], 279: struct.pack("<I", len(packed))}
    kinds = dict.fromkeys(values, (4, 4)) | dict.fromkeys(extra or {}, (3, 2))
    values |= extra or {}
    if 347 in values:
        kinds[347] = (7, 1)
    place = 8 + len(packed) + len(packed) % 2
    directory, behind = struct.pack("<H", len(values)), b""
    end = place + 2 + 12 * len(values) + 4
    for tag in sorted(values):
        kind, size = kinds[tag]
        value = values[tag]
        directory += struct.pack("<HHI", tag, kind, len(value) // size)
        directory += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", end + len(behind))
        behind += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
    wrapped = b"II*\0" + struct.pack("<I", place) + packed.ljust(place - 8, b"\0") + directory + bytes(4) + behind
    # libtiff meets hostile bytes here, and Pillow raises nearly anything: struct.error, KeyError, RuntimeError ...
    try:
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(wrapped), "")
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise TiffError(f"is damaged: its {name} data cannot be unpacked. Copy or save it again.") from error
    return np.asarray(image if image.mode != "YCbCr" else image.convert("RGB"))
