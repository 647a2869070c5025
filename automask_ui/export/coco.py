"""Write COCO instance JSON, with masks as RLE or as polygons.

Source: https://cocodataset.org/#format-data. There is no licence in it: that is for the picture's owner to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

from pycocotools import mask as coco

from automask_ui.export.base import DatasetDocument, Exporter, ExportItem, ReadMask, class_numbers, text_name
from automask_ui.export.files import json_writer
from automask_ui.masks import Mask
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.geometry import keyhole, outlines
from automask_ui.masks.rle import Rle

__all__ = ["EXPORTERS", "to_coco"]

Shape = Callable[[Rle], Any]  # a mask as the value of "segmentation"


def to_coco(items: Sequence[ExportItem], shape: Shape = rle_codec.to_coco_json) -> dict[str, Any]:
    """Build the document for ``items``; ``annotations`` is an iterator.

    Args:
        items: pictures with their masks; images are numbered from 1 in this order.
        shape: how a mask is written.
    """
    return _document(items, shape, list(_images(items, text_name)))


def _dataset_document(shape: Shape, items: Sequence[ExportItem]) -> dict[str, Any]:
    """Build the document for pictures on a disk: images are an iterator, too, under the exact names of their files."""
    return _document(items, shape, _images(items, str))


def _document(items: Sequence[ExportItem], shape: Shape, images: Iterable[dict[str, Any]]) -> dict[str, Any]:
    categories = class_numbers(items, first=1)
    return {
        "info": {"description": "Made with AutoMask UI", **(dict(items[0].metadata) if items else {})},
        "licenses": [],
        "images": images,
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in categories.items()],
        "annotations": _annotations(items, categories, shape),
    }


def _images(items: Iterable[ExportItem], name: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    for number, item in enumerate(items, start=1):
        yield {"id": number, "file_name": name(item.name), "width": item.size_hw[1], "height": item.size_hw[0]}


def _annotations(items: Sequence[ExportItem], categories: dict[str, int], shape: Shape) -> Iterator[dict[str, Any]]:
    number = 0
    for image_id, item in enumerate(items, start=1):
        for id_, label, mask in item.rows():
            number += 1
            yield {
                "id": number,
                "image_id": image_id,
                "category_id": categories[label],
                "segmentation": shape(mask.rle),
                "area": mask.area,
                "bbox": list(rle_codec.bbox_xywh(mask.rle)),
                # Every mask is one object; crowds are groups that nobody told apart.
                "iscrowd": 0,
                **_scores(id_, mask),
            }


def _scores(id_: int, mask: Mask) -> dict[str, Any]:
    """SAM's scores of a mask, in fields that other readers ignore."""
    return {
        "number": id_,
        "predicted_iou": round(mask.predicted_iou, 6),
        "stability_score": round(mask.stability_score, 6),
        "point_coords": mask.point_coords,
        "crop_box": list(mask.crop_box_xywh),
    }


def polygons(rle: Rle) -> list[list[float]]:
    """Convert a mask to COCO polygons, one a connected part; holes are tied to their part by a cut of no width.

    They run along pixel edges, as COCO means them, and give the same pixels in pycocotools. Readers that paint a
    polygon's border as well (OpenCV) draw them up to one pixel larger to the right and below.
    """
    return [keyhole(part).ravel().astype(float).tolist() for part in outlines(rle)]


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    """Read back as pycocotools' ``COCO.annToMask`` does."""
    document = json.load(file)
    by_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
    for annotation in document["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    for image in document["images"]:
        yield (_decoded(annotation["segmentation"], image) for annotation in by_image[image["id"]])


def _decoded(segmentation: Any, image: dict[str, Any]) -> ReadMask:
    if isinstance(segmentation, dict):
        # Merging one mask makes pycocotools read it and write it anew.
        return coco.merge([{"size": segmentation["size"], "counts": segmentation["counts"].encode("ascii")}])
    return coco.merge(coco.frPyObjects(segmentation, image["height"], image["width"]))


def _whole_dataset(shape: Shape) -> DatasetDocument:
    return DatasetDocument(partial(_dataset_document, shape), "images", "annotations", "image_id")


EXPORTERS = (
    Exporter(
        name="coco",
        title="COCO JSON (RLE)",
        hint="Training with Detectron2, MMDetection, FiftyOne, CVAT: exact, with holes and parts.",
        purpose="train",
        extension="json",
        reader="pycocotools",
        has_classes=True,
        has_negatives=True,
        write=json_writer(partial(to_coco, shape=rle_codec.to_coco_json)),
        read=_read,
        whole_dataset=_whole_dataset(rle_codec.to_coco_json),
    ),
    Exporter(
        name="coco-polygons",
        title="COCO JSON (polygons)",
        hint="For tools that cannot read RLE; every connected part is a polygon of its own.",
        purpose="train",
        extension="json",
        reader="pycocotools",
        has_classes=True,
        has_negatives=True,
        write=json_writer(partial(to_coco, shape=polygons)),
        read=_read,
        whole_dataset=_whole_dataset(polygons),
    ),
)
