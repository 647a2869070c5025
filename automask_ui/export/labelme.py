"""Write LabelMe JSON beside its picture, with masks as polygons or as mask shapes.

Source: labelme 6.3, ``_label_file.py`` and ``utils/shape.py``.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageDraw

from automask_ui.export.base import Exporter, ExportItem, ReadMask, with_stems
from automask_ui.export.files import jpeg_bytes, png_bytes, read_pixels, write_json, zip_add
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.geometry import contours
from automask_ui.masks.operations import union
from automask_ui.masks.rle import Rle

__all__ = ["EXPORTERS", "to_labelme"]

LABELME_VERSION = "6.3.1"

Shapes = Callable[[Rle], list[dict[str, Any]]]  # what differs between the two kinds


def polygon_shapes(rle: Rle) -> list[dict[str, Any]]:
    """Make one polygon a connected part, with the three corners that LabelMe requires."""
    shapes = []
    for ring in contours(rle):
        points = ring.tolist()
        shapes.append({"shape_type": "polygon", "points": points + points[-1:] * (3 - len(points)), "mask": None})
    return shapes


def mask_shapes(rle: Rle) -> list[dict[str, Any]]:
    """Make one shape of the mask's box, last pixel included, with its pixels as PNG."""
    window, (left, top) = rle_codec.decode_window(rle)
    height, width = window.shape
    data = png_bytes(window.astype(np.uint8))
    points = [[left, top], [left + width - 1, top + height - 1]]
    return [{"shape_type": "mask", "points": points, "mask": base64.b64encode(data).decode("ascii")}]


def to_labelme(item: ExportItem, image_path: str, shapes: Shapes = polygon_shapes) -> dict[str, Any]:
    """Build the document for one picture; ``shapes`` is an iterator. Parts of a mask share its id as ``group_id``."""
    return {
        "version": LABELME_VERSION,
        "flags": {},
        "shapes": (
            {"label": label, "group_id": id_, "description": "", "flags": {}, **shape}
            for id_, label, mask in item.rows()
            for shape in shapes(mask.rle)
        ),
        # Beside the document: image data inside it would double the file and cannot be looked at.
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": item.size_hw[0],
        "imageWidth": item.size_hw[1],
    }


def _write(shapes: Shapes, items: Sequence[ExportItem], file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for stem, item in with_stems(items):
            zip_add(archive, f"{stem}.jpg", jpeg_bytes(item.image), packed=True)
            document = io.BytesIO()
            write_json(to_labelme(item, f"{stem}.jpg", shapes), document)
            zip_add(archive, f"{stem}.json", document.getvalue())


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    with zipfile.ZipFile(file) as archive:
        for stem, item in with_stems(items):
            document = json.loads(archive.read(f"{stem}.json"))
            found: dict[int, list[Rle]] = {}
            for shape in document["shapes"]:
                found.setdefault(shape["group_id"], []).append(_painted(shape, item.size_hw))
            yield (union(found[id_]) if id_ in found else None for id_ in item.ids)


def _painted(shape: dict[str, Any], size_hw: tuple[int, int]) -> Rle:
    """Paint a shape as LabelMe's ``shapes_to_label`` does, inside its box."""
    points = np.array(shape["points"])
    low, high = points.min(axis=0), points.max(axis=0)
    if shape["shape_type"] == "mask":
        window = read_pixels(base64.b64decode(shape["mask"])).astype(bool)
    else:
        canvas = Image.new("L", tuple((high - low + 1).tolist()))
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in (points - low).tolist()], outline=1, fill=1)
        window = np.asarray(canvas, dtype=bool)
    return rle_codec.encode_window(window, (int(low[0]), int(low[1])), size_hw)


EXPORTERS = (
    Exporter(
        name="labelme",
        title="LabelMe (polygons)",
        hint="Correcting in LabelMe: one polygon a part, to be edited by its corners.",
        purpose="correct",
        extension="zip",
        reader="Pillow ImageDraw, as LabelMe does",
        has_classes=True,
        write=partial(_write, polygon_shapes),
        read=_read,
    ),
    Exporter(
        name="labelme-masks",
        title="LabelMe (mask shapes)",
        hint="Viewing in LabelMe 5.3 or newer: one shape a mask, with all its parts and holes.",
        purpose="correct",
        extension="zip",
        reader="Pillow",
        has_classes=True,
        write=partial(_write, mask_shapes),
        read=_read,
    ),
)
