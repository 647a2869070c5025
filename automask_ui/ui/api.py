"""The documented endpoints: ``find_masks`` of a picture and SAM's parameters, ``predict_mask`` of clicks and a box."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.data_classes import FileData

from automask_ui.errors import EditError, NoImageError, OptionError
from automask_ui.files.images import load_image
from automask_ui.files.upload_checks import check_photo_bytes
from automask_ui.masks import MaskResult, Verdict
from automask_ui.options import PARAMETERS, GeneratorOptions, checked_options
from automask_ui.protocol import MODEL_OPTIONS
from automask_ui.serving.service import Service
from automask_ui.session import step_fields
from automask_ui.session.offered_masks import MAX_CLICKS, Clicks
from automask_ui.ui.errors import errors_in_words
from automask_ui.ui.listener import set_signature
from automask_ui.ui.text import Words

__all__ = ["find_masks_endpoint", "predict_mask_endpoint"]

_JSON_MODES = ("coco_rle", "uncompressed_rle")

DESCRIPTION = (
    "Find every object in a picture: image=handle_file('photo.jpg'). Parameters are those of "
    "SamAutomaticMaskGenerator and of SAM 2's; thresholds that are left out are the model's own. Returns image size "
    "[height, width], the masks (segmentation as COCO RLE, area, bbox, predicted_iou, point_coords, stability_score, "
    "crop_box), the number of candidates by verdict, the options used, the seconds taken, and notes on what was done "
    "to the picture (a photo that lies on its side is turned: size and masks are those of what you see). While it "
    "runs, job.outputs() holds stage, points_done and points."
)

PREDICT_DESCRIPTION = (
    "Find the one object that clicks or a box mean: image=handle_file('photo.jpg'), points=[[x, y], ...] in px with "
    "labels 1 (on it, the default) or 0 (beside it), box=[left, top, right, bottom]. Returns image size [height, "
    "width] and up to three masks, the likeliest first: segmentation as COCO RLE, area, bbox, predicted_iou, "
    "stability_score; and notes on what was done to the picture. Clicks and box are on it as it is seen, upright."
)


def find_masks_endpoint(service: Service, **queue: Any) -> None:
    """Add the endpoint to the Blocks that are being built; ``queue`` is where it waits for the model."""
    types, defaults = _parameters(service)

    def find_masks(*arguments: Any) -> Iterator[dict]:
        values = dict(zip(types, arguments, strict=True))
        image, model = values.pop("image"), values.pop("model")
        with errors_in_words(Words("en")):
            yield from _answers(service, image, model, values)

    # Gradio makes the endpoint's documentation of it.
    set_signature(find_masks, types, defaults, Iterator[dict])
    gr.api(find_masks, api_name="find_masks", api_description=DESCRIPTION, **queue)


def predict_mask_endpoint(service: Service, **queue: Any) -> None:
    """Add the endpoint to the Blocks that are being built; ``queue`` is where it waits for the model."""

    def predict_mask(image: object, points: object, labels: object, box: object, model: object) -> dict[str, Any]:
        with errors_in_words(Words("en")):
            return _predicted(service, image, model, _clicks(points, labels, box))

    # Types are for the documentation only: every value may be anything.
    prompts = ("points", "labels", "box")
    types = {"image": FileData, **dict.fromkeys(prompts, list | None), "model": str}
    set_signature(predict_mask, types, {**dict.fromkeys(prompts), "model": service.models.default}, dict)
    gr.api(predict_mask, api_name="predict_mask", api_description=PREDICT_DESCRIPTION, **queue)


def _clicks(points: object, labels: object, box: object) -> Clicks:
    """Clicks and a box of values that may be anything.

    Raises:
        EditError: they are none.
    """
    places = step_fields.points(MAX_CLICKS)("points", [] if points is None else points)
    kinds = [1] * len(places) if labels is None else labels
    if not isinstance(kinds, list) or len(kinds) != len(places) or any(kind not in (0, 1) for kind in kinds):
        raise EditError(f"“labels” must be one 0 or 1 for each of the {len(places)} points.")
    return Clicks(places, np.array(kinds, np.int64), step_fields.optional(step_fields.box)("box", box))


def _predicted(service: Service, image: object, model: object, clicks: Clicks) -> dict[str, Any]:
    """The masks that the model makes of ``clicks``.

    Raises:
        AutoMaskError: a value does not fit, the picture cannot be read, or the model cannot be run.
    """
    path = _uploaded(image)
    check_photo_bytes(path)
    began = time.monotonic()
    loaded = load_image(path)
    masks = service.clicks.predict_alone(loaded, model if isinstance(model, str) else repr(model), clicks)
    fields = ("segmentation", "area", "bbox", "predicted_iou", "stability_score")
    return {
        "image_size": list(masks.size_hw),
        "model": model,
        "masks": [{field: row[field] for field in fields} for row in masks.to_sam_dicts("coco_rle")],
        "seconds": round(time.monotonic() - began, 3),
        "notes": list(loaded.notes),
    }


def _parameters(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """Types and defaults of the endpoint's parameters: those of the generator in upstream's order, then the others.

    Defaults are the generator's or the model's. Types are for the documentation only: every value may be anything.
    """
    # The model, to which its own options are left, may not be loaded yet.
    defaults = {**GeneratorOptions().flat(), **dict.fromkeys(MODEL_OPTIONS), "output_mode": _JSON_MODES[0]}
    types: dict[str, Any] = {"image": FileData}
    for name, default in defaults.items():
        type_ = list if name == "point_grids" else _type_of(name)
        types[name] = type_ | None if default is None else type_
    # Callers may give values by their places, so what came later comes last, in the order in which it came.
    later = {name: types.pop(name) for name in ("adaptive_points", "use_m2m", "multimask_output")}
    return types | {"model": str} | later, defaults | {"model": service.models.default}


def _type_of(name: str) -> Any:
    row = PARAMETERS.get(name)
    if row is None:
        return str
    return bool if row.is_switch else int if row.is_integer else float


def _answers(service: Service, image: object, model: object, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The endpoint's work on values that may be anything: where the run stands now and then, at last the masks.

    Only what answers again and again can be ended when its caller has gone.

    Raises:
        AutoMaskError: a value does not fit, the picture cannot be read, or the model cannot be run.
    """
    mode = values["output_mode"]
    if mode not in _JSON_MODES:
        raise OptionError(
            f"output_mode is {str(mode)[:40]!r}, but must be one of {', '.join(_JSON_MODES)}: JSON has no arrays."
        )
    left_out = {name for name in MODEL_OPTIONS if values[name] is None}
    options = checked_options({name: value for name, value in values.items() if name not in left_out})
    path = _uploaded(image)
    check_photo_bytes(path)
    began = time.monotonic()
    loaded = load_image(path)
    run = service.runs.find_alone(loaded, model if isinstance(model, str) else repr(model), options)
    while True:
        try:
            progress = next(run)
        except StopIteration as end:
            result: MaskResult = end.value
            break
        yield {"stage": progress.stage, "points_done": progress.done, "points": progress.total}
    yield {
        "image_size": list(result.masks.size_hw),
        "model": model,
        "masks": result.masks.to_sam_dicts(mode),
        "verdicts": {Verdict(verdict).name.lower(): n for verdict, n in result.candidates.counts().items()},
        "options": result.options.flat(),
        "seconds": round(time.monotonic() - began, 3),
        "notes": [*loaded.notes, *result.notes],
    }


def _uploaded(image: object) -> Path:
    """The path of an uploaded file. Gradio has checked those, and only those, that carry its mark."""
    if isinstance(image, dict) and (image.get("meta") or {}).get("_type") == "gradio.FileData" and image.get("path"):
        return Path(image["path"])
    raise NoImageError("image must be an uploaded file: with gradio_client, pass handle_file(path).")
