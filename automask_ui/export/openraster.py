"""Write OpenRaster: the photo with every mask's cut-out as a layer, for Krita, GIMP and others.

Source: https://www.openraster.org/baseline/file-layout-spec.html
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from automask_ui.export.base import Exporter, ExportItem, ReadMask
from automask_ui.export.cutouts import cutout, mask_of_cutout
from automask_ui.export.files import png_bytes, read_pixels, zip_add, zipped_pictures

__all__ = ["EXPORTERS"]

_THUMBNAIL = 256  # px, the longest side that the format allows


def _stack(item: ExportItem, layers: list[dict[str, str]]) -> bytes:
    """Make ``stack.xml``, which lists the layers from the top down."""
    height, width = item.size_hw
    image = ElementTree.Element("image", version="0.0.3", w=str(width), h=str(height))
    stack = ElementTree.SubElement(image, "stack")
    for layer in layers:
        # The blend mode is what the format assumes without one, but not all readers do.
        ElementTree.SubElement(stack, "layer", {**layer, "composite-op": "svg:src-over"})
    return ElementTree.tostring(image, encoding="utf-8", xml_declaration=True)


def _write(item: ExportItem, file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        # The format wants this file first, and not compressed.
        zip_add(archive, "mimetype", b"image/openraster", packed=True)
        layers = []
        rows = list(item.rows())
        for row in np.argsort(item.masks.area, kind="stable").tolist():
            id_, label, mask = rows[row]
            rgba, (left, top) = cutout(item.image, mask.rle, tight=True)
            source = f"data/{id_}.png"
            zip_add(archive, source, png_bytes(rgba), packed=True)
            layers.append({"name": f"{id_} {label}", "src": source, "x": str(left), "y": str(top)})
        photo = png_bytes(item.image)
        layers.append({"name": "photo", "src": "data/photo.png", "x": "0", "y": "0"})
        thumbnail = Image.fromarray(item.image)
        thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL))
        zip_add(archive, "data/photo.png", photo, packed=True)
        zip_add(archive, "mergedimage.png", photo, packed=True)
        zip_add(archive, "Thumbnails/thumbnail.png", png_bytes(np.asarray(thumbnail)), packed=True)
        zip_add(archive, "stack.xml", _stack(item, layers))


def _read(file: BinaryIO, item: ExportItem) -> Iterator[ReadMask]:
    with zipfile.ZipFile(file) as archive:
        layers = ElementTree.fromstring(archive.read("stack.xml")).iter("layer")
        by_id = {layer.attrib["src"].removeprefix("data/").removesuffix(".png"): layer.attrib for layer in layers}
        for id_ in item.ids:
            layer = by_id[str(id_)]
            pixels = read_pixels(archive.read(layer["src"]))
            yield mask_of_cutout(pixels, int(layer["x"]), int(layer["y"]), item.image)


EXPORTERS = (
    Exporter(
        name="openraster",
        title="Layers (OpenRaster)",
        hint="Each object on a layer of its own over the photo, for Krita and GIMP.",
        purpose="look",
        reader="Pillow",
        **zipped_pictures("ora", _write, _read),
    ),
)
