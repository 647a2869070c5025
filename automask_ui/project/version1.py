"""Documents of version 1 as JSON of version 2, which goes through the same checks as any other.

Version 1 had two kinds of documents: ``automask``, the work on one picture with one object a mask, and
``automask-pictures``, a list of pictures whose works are documents of the first kind beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automask_ui.files.json_fields import JsonFieldError, integers_in, list_in, object_in, object_of
from automask_ui.masks.codec import MAX_MASKS

__all__ = ["LIST_KIND", "project_from", "work_from"]

LIST_KIND = "automask-pictures"

# Field of a mask's object -> its column, and how many numbers it has (0: it is one).
_FIELDS = {
    "area": ("area", 0),
    "bbox": ("bbox_xywh", 4),
    "predicted_iou": ("predicted_iou", 0),
    "stability_score": ("stability_score", 0),
    "point": ("point_xy", 2),
    "crop_box": ("crop_box_xywh", 4),
}


def work_from(document: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a document of one picture's work into the work object of version 2.

    Raises:
        JsonFieldError: it is not as version 1 wrote it.
    """
    image = object_in(document, "image")
    rows = [object_of(row, "a mask") for row in list_in(document, "masks", MAX_MASKS)]
    columns = {name: [] for name in ("counts", *(name for name, _ in _FIELDS.values()))}  # type: dict[str, list[Any]]
    for row in rows:
        pixels, size = object_in(row, "segmentation"), integers_in(image, "size_hw", 2)
        if pixels.get("size") != size:
            raise JsonFieldError(f"a mask is for a picture of {str(pixels.get('size'))[:40]}, not {size}.")
        columns["counts"].append(pixels.get("counts"))
        for key, (name, count) in _FIELDS.items():
            values = list_in(row, key, count) if count else [row.get(key)]
            if count and len(values) != count:
                raise JsonFieldError(f"“{key}” of a mask must be {count} numbers.")
            columns[name].extend(values)
    kept = {key: document.get(key) for key in ("image", "model", "options", "partial", "show", "contents", "edits")}
    return {**kept, "ids": [row.get("id") for row in rows], "masks": columns}


def project_from(document: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a document of either kind into a project of version 2.

    Raises:
        JsonFieldError: it is not as version 1 wrote it.
    """
    if document.get("format") == LIST_KIND:
        return dict(document)
    image = object_in(document, "image")
    picture = {
        "name": image.get("name"),
        "sha256": image.get("sha256"),
        "state": "waiting" if document.get("model") is None else "done",
        "seconds": None,
        "error": "",
        "edited": True,
        "work": work_from(document),
        "photo": image.get("file"),
        "thumbnail": None,
    }
    model = {key: document.get(key) for key in ("model", "options")}
    return {**model, "open": 0, "pictures": [picture]}
