"""Write GeoJSON in pixel coordinates (x right, y down, pixel (0, 0) covers 0 to 1), as QuPath and GIS tools read it.

Source: RFC 7946 for the structure; QuPath for ``objectType`` and ``classification``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import cv2
import numpy as np

from automask_ui.export.base import Exporter, ExportItem, ReadMask, text_name
from automask_ui.export.files import json_writer, zipped_pictures
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.geometry import outlines
from automask_ui.masks.overlay import hex_to_rgb
from automask_ui.masks.rle import Rle

__all__ = ["EXPORTERS", "to_geojson"]


def to_geojson(item: ExportItem) -> dict[str, Any]:
    """Build the document for one picture; ``features`` is an iterator."""
    return {
        "type": "FeatureCollection",
        "image": {"name": text_name(item.name), "width": item.size_hw[1], "height": item.size_hw[0]},
        "features": _features(item),
    }


def _features(item: ExportItem) -> Iterator[dict[str, Any]]:
    # QuPath has one colour a class; without labels, objects can only be told apart by their own.
    colours = item.class_colours if any(item.labels) else item.colours
    for (id_, label, mask), colour in zip(item.rows(), colours, strict=True):
        polygons = [[_closed(ring) for ring in (part.outer, *part.holes)] for part in outlines(mask.rle)]
        yield {
            "type": "Feature",
            "id": id_,
            "geometry": {"type": "MultiPolygon", "coordinates": polygons},
            "properties": {
                "objectType": "annotation",
                "classification": {"name": label, "color": list(hex_to_rgb(colour))},
                "area_px": mask.area,
                "predicted_iou": round(mask.predicted_iou, 6),
                "stability_score": round(mask.stability_score, 6),
            },
        }


def _closed(ring: np.ndarray) -> list[list[int]]:
    return [*ring.tolist(), ring[0].tolist()]


def _read(file: BinaryIO, item: ExportItem) -> Iterator[ReadMask]:
    for feature in json.load(file)["features"]:
        yield _painted(feature["geometry"]["coordinates"], item.size_hw)


def _painted(polygons: list[list[list[list[int]]]], size_hw: tuple[int, int]) -> Rle | None:
    """Paint the pixels whose centres lie inside: even-odd fill at double size, where borders miss all centres."""
    # All rings at once: what lies inside a hole or outside is met by an even number of them.
    rings = [np.array(ring, dtype=np.int32) for polygon in polygons for ring in polygon]
    if not rings:
        return None
    corners = np.concatenate(rings)
    low, high = corners.min(axis=0), corners.max(axis=0)
    canvas = np.zeros((2 * (high[1] - low[1]) + 1, 2 * (high[0] - low[0]) + 1), dtype=np.uint8)
    cv2.fillPoly(canvas, [2 * (ring - low) for ring in rings], 1)
    return rle_codec.encode_window(canvas[1::2, 1::2], (int(low[0]), int(low[1])), size_hw)


EXPORTERS = (
    Exporter(
        name="geojson",
        title="GeoJSON",
        hint="Exact outlines with holes in pixel coordinates, for QuPath, QGIS and shapely.",
        purpose="measure",
        reader="OpenCV fillPoly",
        has_classes=True,
        **zipped_pictures("geojson", json_writer(to_geojson), _read),
    ),
)
