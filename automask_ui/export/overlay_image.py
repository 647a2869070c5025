"""The photo at full size with its masks painted on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from automask_ui.errors import ExportError
from automask_ui.export.base import Exporter, ExportItem, Found
from automask_ui.export.files import png_bytes, read_pixels, zipped_pictures
from automask_ui.overlay import draw

__all__ = ["EXPORTERS"]


def _write(item: ExportItem, file: BinaryIO) -> None:
    file.write(png_bytes(draw(item.image, item.masks)))


def _read(file: BinaryIO, item: ExportItem) -> Iterator[Found]:
    """The picture has no single masks in it: all of them count as found where every pixel is as drawn."""
    if not np.array_equal(read_pixels(file.read()), draw(item.image, item.masks)):
        raise ExportError("The overlay picture came back with other pixels, so it was not kept. Please report this.")
    yield from item.masks.rle


EXPORTERS = (
    Exporter(
        name="overlay",
        title="Overlay picture (PNG)",
        hint="The photo with coloured masks, to look at and to show.",
        reader="Pillow",
        **zipped_pictures("png", _write, _read),
    ),
)
