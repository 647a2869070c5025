"""Write Pascal VOC segmentation: pictures with the VOC palette for classes and for objects.

Source: the VOC 2012 development kit (folders, palette).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO
from urllib.parse import quote

import numpy as np
from PIL import Image

from automask_ui.errors import ExportError
from automask_ui.export.base import HIDES, Exporter, ExportItem, FolderLayout, ReadMask, class_numbers, with_stems
from automask_ui.export.files import jpeg_bytes, png_bytes, read_pixels, zip_add
from automask_ui.export.labelmap import flatten, smallest_on_top
from automask_ui.files.names import unused_name

__all__ = ["EXPORTERS", "voc_palette"]

_PICTURE_LIST = "ImageSets/Segmentation/default.txt"
_LEFT_OUT = re.compile(r"^[#\s]+|\s+$|[\r\n]|%(?=[0-9A-F]{2})")
_MOST = 254  # 0 is background, 255 is "do not care"


def voc_palette() -> np.ndarray:
    """Compute the 256 colours of VOC's ``VOClabelcolormap``, 256×3 uint8, from the bits of the index."""
    index = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def _indexed(pixels: np.ndarray) -> bytes:
    picture = Image.fromarray(pixels).convert("P")
    picture.putpalette(voc_palette().tobytes())
    return png_bytes(picture)


def _write(items: Sequence[ExportItem], file: BinaryIO) -> None:
    classes = _numbers(items)
    most = max(len(item.masks) for item in items)
    if max([most, *classes.values()]) > _MOST:
        raise ExportError(
            f"Pascal VOC holds {_MOST} objects a picture and {_MOST} classes, but there are {most:,} and "
            f"{len(classes):,}. Use a label map, or select fewer masks."
        )
    stemmed = list(with_stems(items))
    with zipfile.ZipFile(file, "w") as archive:
        zip_add(archive, "labelmap.txt", _colour_list(classes).encode())
        zip_add(archive, _PICTURE_LIST, "".join(f"{stem}\n" for stem, _ in stemmed).encode())
        for stem, item in stemmed:
            # Counted from 1, not by the shown numbers, which may not fit a byte.
            objects = flatten(item.masks, range(1, len(item.masks) + 1), smallest_on_top(item.masks), np.uint8)
            zip_add(archive, f"JPEGImages/{stem}.jpg", jpeg_bytes(item.image), packed=True)
            zip_add(archive, f"SegmentationObject/{stem}.png", _indexed(objects), packed=True)
            zip_add(
                archive, f"SegmentationClass/{stem}.png", _indexed(_classes_of(item, classes)[objects]), packed=True
            )


def _numbers(items: Sequence[ExportItem]) -> dict[str, int]:
    """Number the classes as their list does; from 1 on where that has a 0, which is background here, or a large one."""
    classes = class_numbers(items, first=1)
    if all(1 <= number <= _MOST for number in classes.values()):
        return classes
    return {name: number for number, name in enumerate(classes, start=1)}


def _classes_of(item: ExportItem, classes: Mapping[str, int]) -> np.ndarray:
    """Map object numbers to class numbers: (1 + objects,) uint8, 0 = background."""
    return np.array([0, *(classes[label] for _, label, _ in item.rows())], dtype=np.uint8)


def _colour_list(classes: Mapping[str, int]) -> str:
    """List the classes with their colours, as CVAT and Datumaro read them; names lose their separators."""
    palette = voc_palette().tolist()
    rows = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    used = {"background"}
    for name, number in classes.items():
        safe = name.replace(":", " ").replace("#", " ").strip()
        # Case counts for these readers: "Cat" and "cat" are two classes.
        unique = unused_name(safe, used, partial("{} {}".format, safe), key=str)
        rows.append(f"{unique}:{','.join(map(str, palette[number]))}::")
    return "\n".join(rows) + "\n"


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    classes_of = partial(_classes_of, classes=_numbers(items))
    with zipfile.ZipFile(file) as archive:
        for stem, item in with_stems(items):
            objects = read_pixels(archive.read(f"SegmentationObject/{stem}.png"))
            classes = read_pixels(archive.read(f"SegmentationClass/{stem}.png"))
            if not np.array_equal(classes_of(item)[objects], classes):
                raise ExportError("The class picture does not match the object picture. Please report this.")
            yield (objects == row for row in range(1, len(item.masks) + 1))


def _folder_name(name: str) -> str:
    """Write as %23, say, what readers of the list of pictures leave out: they strip lines, and # begins a comment."""
    return _LEFT_OUT.sub(lambda found: quote(found[0], safe=""), name)


EXPORTERS = (
    Exporter(
        name="voc",
        title="Pascal VOC",
        hint="Class and object pictures with the VOC palette, for older training code and CVAT.",
        purpose="train",
        extension="zip",
        reader="Pillow",
        has_classes=True,
        write=_write,
        read=_read,
        change=HIDES,
        layout=FolderLayout(
            ("JPEGImages", "SegmentationClass", "SegmentationObject"),
            shared=frozenset({"labelmap.txt"}),
            picture_list=_PICTURE_LIST,
            folder_name=_folder_name,
        ),
        loses="VOC has one object a pixel: where masks overlap, the smallest is on top.",
    ),
)
