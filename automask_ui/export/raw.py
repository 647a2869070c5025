"""SAM's own result: the list of ``SamAutomaticMaskGenerator.generate`` as JSON, as ``scripts/amg.py`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from pycocotools import mask as coco

from automask_ui.export.base import Exporter, ExportItem, Found
from automask_ui.export.files import read_json, write_json, zipped_pictures

__all__ = ["EXPORTERS"]


def _write(output_mode: str, item: ExportItem, file: BinaryIO) -> None:
    write_json((mask.to_sam_dict(output_mode) for mask in item.masks), file)


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
        hint="For scripts: the seven fields of each mask as SAM returns them; no labels.",
        reader="pycocotools",
        **zipped_pictures("json", partial(_write, "coco_rle"), _read),
    ),
    Exporter(
        name="raw-uncompressed",
        title="SAM's dicts (uncompressed RLE)",
        hint="The same with run lengths as plain numbers, to be read without pycocotools.",
        reader="pycocotools",
        **zipped_pictures("json", partial(_write, "uncompressed_rle"), _read),
    ),
)
