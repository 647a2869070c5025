"""Write SAM's own result, the list of ``SamAutomaticMaskGenerator.generate``, as JSON like ``scripts/amg.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

from pycocotools import mask as coco

from automask_ui.export.base import Exporter, ExportItem, ReadMask
from automask_ui.export.files import json_writer, zipped_pictures
from automask_ui.session.class_names import clean_text

__all__ = ["EXPORTERS"]


def _dicts(output_mode: str, item: ExportItem) -> Iterator[dict[str, Any]]:
    """Upstream's seven fields, and the label of masks that have one."""
    for label, mask in zip(item.labels, item.masks, strict=True):
        label = clean_text(label)
        yield mask.to_sam_dict(output_mode) | ({"label": label} if label else {})


def _read(file: BinaryIO, item: ExportItem) -> Iterator[ReadMask]:
    for mask in json.load(file):
        rle = mask["segmentation"]
        # Of lists, pycocotools packs the runs; of text, it reads them and writes them anew.
        if isinstance(rle["counts"], list):
            yield coco.frPyObjects(rle, *rle["size"])
        else:
            yield coco.merge([{"size": rle["size"], "counts": rle["counts"].encode("ascii")}])


EXPORTERS = (
    Exporter(
        name="raw",
        title="SAM's dicts (COCO RLE)",
        hint="For scripts: the seven fields of each mask as SAM returns them, and its label if it has one.",
        purpose="script",
        reader="pycocotools",
        output_mode="coco_rle",
        **zipped_pictures("json", json_writer(partial(_dicts, "coco_rle")), _read),
    ),
    Exporter(
        name="raw-uncompressed",
        title="SAM's dicts (uncompressed RLE)",
        hint="The same with run lengths as plain numbers, to be read without pycocotools.",
        purpose="script",
        reader="pycocotools",
        output_mode="uncompressed_rle",
        **zipped_pictures("json", json_writer(partial(_dicts, "uncompressed_rle")), _read),
    ),
)
