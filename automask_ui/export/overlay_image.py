"""Write the photo at full size with its masks painted on it, as PNG or JPEG."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

import cv2
import numpy as np

from automask_ui.errors import ExportError
from automask_ui.export.base import HIDES, Exporter, ExportItem, ReadMask
from automask_ui.export.files import jpeg_bytes, png_bytes, read_pixels, zipped_pictures
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.overlay import draw

__all__ = ["EXPORTERS"]

_NEAR = 32  # of 255 levels: a pixel that JPEG has moved by more no longer looks as it was painted


def _drawn(item: ExportItem) -> np.ndarray:
    return draw(item.image, item.masks, colours=item.colours)


def _write(encode: Callable[[np.ndarray], bytes], item: ExportItem, file: BinaryIO) -> None:
    file.write(encode(_drawn(item)))


def _read_png(file: BinaryIO, item: ExportItem) -> Iterator[ReadMask]:
    """Compare all pixels: the picture holds no single masks, so all are returned if every pixel is as drawn."""
    if not np.array_equal(read_pixels(file.read()), _drawn(item)):
        raise ExportError("The overlay picture came back with other pixels, so it was not kept. Please report this.")
    yield from item.masks.rle


def _read_jpeg(file: BinaryIO, item: ExportItem) -> Iterator[ReadMask]:
    """Read back, of every mask, the pixels that are near their painted colour."""
    pixels, drawn = read_pixels(file.read()), _drawn(item)
    if pixels.shape != drawn.shape:
        raise ExportError("The overlay picture came back in another size, so it was not kept. Please report this.")
    near = cv2.absdiff(pixels, drawn).max(axis=2) <= _NEAR
    for rle in item.masks.rle:
        window, (left, top) = rle_codec.decode_window(rle)
        height, width = window.shape
        seen = window & near[top : top + height, left : left + width]
        yield rle_codec.encode_window(seen, (left, top), item.size_hw)


EXPORTERS = (
    Exporter(
        name="overlay",
        title="Overlay picture (PNG)",
        hint="The photo with coloured masks, to look at and to show.",
        purpose="look",
        unit="overlay",
        reader="Pillow",
        **zipped_pictures("png", partial(_write, png_bytes), _read_png),
    ),
    Exporter(
        name="overlay-jpeg",
        title="Overlay picture (JPEG)",
        hint="The same as a small file, for mail and slides.",
        purpose="look",
        unit="overlay",
        reader=f"Pillow, {_NEAR} of 255 levels allowed",
        change=HIDES,
        loses="JPEG blurs sharp edges: some pixels of a mask look different.",
        **zipped_pictures("jpg", partial(_write, jpeg_bytes), _read_jpeg),
    ),
)
