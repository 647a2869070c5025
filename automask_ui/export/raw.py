"""SAM's own result: the list of ``SamAutomaticMaskGenerator.generate`` as JSON, as ``scripts/amg.py`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

from pycocotools import mask as coco

from automask_ui.export.base import Exporter, ExportItem, Found
from automask_ui.export.files import read_json, write_json, zipped_pictures
from automask_ui.session.class_names import clean_text

__all__ = ["EXPORTERS"]


def _write(output_mode: str, item: ExportItem, file: BinaryIO) -> None:
    write_json(_dicts(output_mode, item), file)


def _dicts(output_mode: str, item: ExportItem) -> Iterator[dict[str, Any]]:
    """Upstream's seven fields, and the label of masks that have one."""
    for label, mask in zip(item.labels, item.masks, strict=True):
        label = clean_text(label)
        yield mask.to_sam_dict(output_mode) | ({"label": label} if label else {})


def _read(file: BinaryIO, item: ExportItem) -> Iterator[Found]:
    for mask in read_json(file):
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
        reader="pycocotools",
        output_mode="coco_rle",
        **zipped_pictures("json", partial(_write, "coco_rle"), _read),
    ),
    Exporter(
        name="raw-uncompressed",
        title="SAM's dicts (uncompressed RLE)",
        hint="The same with run lengths as plain numbers, to be read without pycocotools.",
        reader="pycocotools",
        output_mode="uncompressed_rle",
        **zipped_pictures("json", partial(_write, "uncompressed_rle"), _read),
    ),
)
