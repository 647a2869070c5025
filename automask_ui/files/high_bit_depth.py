"""Pictures of more than 8 bits a channel that Pillow would cut to 8: PNG, PPM and JPEG 2000.

Pillow has read such a picture once before it comes here, so that it is whole and of a known size.
"""

from __future__ import annotations

import re

import cv2
import numpy as np
from PIL import Image

from automask_ui.files.raster import Raster

__all__ = ["high_bit_depth_raster"]

_PNG_DEPTH = 24  # where a PNG's header has its bits
_CODESTREAM = b"\xff\x4f\xff\x51"  # where a JPEG 2000's sizes begin
# There is one way only to match what comes before a number: with several, a few blanks before none take for ever.
_PPM_TOKEN = re.compile(rb"(?:\s|#[^\r\n]*(?:[\r\n]|\Z))*([0-9]+)")


def high_bit_depth_raster(image: Image.Image, data: bytes) -> Raster | None:
    """The numbers of a picture with more than 8 bits a channel; None for any other.

    Args:
        image: the picture as Pillow has read it.
        data: the file's bytes.
    """
    if image.format == "PPM":
        return _ppm(data)
    if image.format == "PNG" and data[_PNG_DEPTH] == 16:
        is_grey = data[_PNG_DEPTH + 1] in (0, 4)
        return _by_opencv(data, 16, image.size, image.info.get("transparency"), is_grey)
    if image.format == "JPEG2000" and image.mode in ("I;16", "L", "LA", "RGB", "RGBA"):
        start = data.find(_CODESTREAM)
        bits = 1 + data[start + 42] if 0 <= start < len(data) - 42 else 8  # a negative number would be above 128
        return _by_opencv(data, bits, image.size) if 8 < bits <= 16 else None
    return None


def _by_opencv(
    data: bytes, bits: int, size: tuple[int, int], clear: object = None, is_grey: bool = False
) -> Raster | None:
    """All bits of every channel; None where OpenCV does not read the file, which Pillow then has to do."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape[1::-1] != size:
        return None
    if pixels.ndim == 2:
        # One grey value may stand for transparency.
        alpha = np.where(pixels == clear, 0, 65_535).astype(np.uint16) if isinstance(clear, int) else None
        return Raster(pixels[..., None], bits, alpha)
    colour = pixels[..., 2::-1]
    if is_grey:  # OpenCV repeats it for the sake of its alpha
        colour = colour[..., :1]
    return Raster(colour, bits, pixels[..., 3] if pixels.shape[2] == 4 else None)


def _ppm(data: bytes) -> Raster | None:
    """A grey or colour picture of the PPM family whose white is above 255."""
    bands = {b"P2": 1, b"P3": 3, b"P5": 1, b"P6": 3}.get(data[:2])
    if bands is None:
        return None
    place, header = 2, []
    for _ in range(3):
        found = _PPM_TOKEN.match(data, place)
        if found is None:
            return None
        header.append(int(found[1]))
        place = found.end()
    width, height, white = header
    count = width * height * bands
    if not 255 < white < 65_536:
        return None
    if data[:2] in (b"P5", b"P6"):
        values = np.frombuffer(data, ">u2", count, place + 1)
    else:
        text = re.sub(rb"#[^\r\n]*", b" ", data[place:])
        values = np.fromstring(text, np.int64, count, sep=" ")
    pixels = values.astype(np.uint16).reshape(height, width, bands)
    # The header names white; where it only names the size of the numbers, the numbers decide.
    return Raster(pixels, 16, white=None if white == 65_535 else float(white))
