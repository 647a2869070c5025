"""Write CVAT for images 1.1: XML with brush masks, to be corrected in CVAT.

Source: https://docs.cvat.ai/docs/other/xml_format
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO
from xml.etree import ElementTree
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np

from automask_ui.export.base import Exporter, ExportItem, ReadMask, class_names, text_name
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.rle import Rle

__all__ = ["EXPORTERS", "row_runs"]


def row_runs(window: np.ndarray) -> list[int]:
    """Run lengths of ``window`` (h×w bool) along the rows, zeros first."""
    flat = window.ravel()
    borders = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    runs = np.diff(borders).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def _mask_attributes(label: str, rle: Rle, z_order: int) -> dict[str, str]:
    window, (left, top) = rle_codec.decode_window(rle)
    height, width = window.shape
    place = {"left": left, "top": top, "width": width, "height": height, "z_order": z_order}
    return {
        "label": label,
        "source": "auto",
        "occluded": "0",
        "rle": ", ".join(map(str, row_runs(window))),
        **{key: str(value) for key, value in place.items()},
    }


@contextmanager
def _tag(xml: XMLGenerator, name: str, attributes: dict[str, str] | None = None) -> Iterator[None]:
    xml.startElement(name, AttributesImpl(attributes or {}))
    yield
    xml.endElement(name)


def _write(items: Sequence[ExportItem], file: BinaryIO) -> None:
    # Not ElementTree, which would hold the whole document.
    xml = XMLGenerator(file, encoding="utf-8", short_empty_elements=True)
    xml.startDocument()
    with _tag(xml, "annotations"):
        with _tag(xml, "version"):
            xml.characters("1.1")
        with _tag(xml, "meta"), _tag(xml, "task"), _tag(xml, "labels"):
            for name in class_names(items):
                with _tag(xml, "label"), _tag(xml, "name"):
                    xml.characters(name)
        for number, item in enumerate(items):
            height, width = item.size_hw
            size = {"width": str(width), "height": str(height)}
            # The larger a mask, the lower its layer.
            layers = np.argsort(np.argsort(-item.masks.area, kind="stable")).tolist()
            with _tag(xml, "image", {"id": str(number), "name": text_name(item.name), **size}):
                for (_, label, mask), layer in zip(item.rows(), layers, strict=True):
                    with _tag(xml, "mask", _mask_attributes(label, mask.rle, layer)):
                        pass
    xml.endDocument()


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    for image in ElementTree.parse(file).getroot().iter("image"):
        size_hw = int(image.attrib["height"]), int(image.attrib["width"])
        yield (_unpacked(mask.attrib, size_hw) for mask in image.iter("mask"))


def _unpacked(attributes: dict[str, str], size_hw: tuple[int, int]) -> Rle:
    left, top, width, height = (int(attributes[key]) for key in ("left", "top", "width", "height"))
    runs = np.array(attributes["rle"].split(","), dtype=np.int64)
    window = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return rle_codec.encode_window(window, (left, top), size_hw)


EXPORTERS = (
    Exporter(
        name="cvat",
        title="CVAT for images 1.1",
        hint="Correcting in CVAT: brush masks with their labels, to be uploaded to a task with the same pictures.",
        purpose="correct",
        extension="xml",
        reader="ElementTree",
        has_classes=True,
        write=_write,
        read=_read,
    ),
)
