"""The documented endpoint ``find_masks``: a picture and SAM's 13 parameters in, masks as JSON out."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from automask_ui.errors import NoImageError, OptionError
from automask_ui.files.images import load_image
from automask_ui.masks import MaskResult, Verdict
from automask_ui.options import PARAMETERS, GeneratorOptions, checked_options
from automask_ui.serving.service import Service
from automask_ui.ui.components.photo_upload import photo_at
from automask_ui.ui.errors import errors_in_words
from automask_ui.ui.listener import set_signature
from automask_ui.ui.text import Words

__all__ = ["find_masks_endpoint"]

_JSON_MODES = ("coco_rle", "uncompressed_rle")

DESCRIPTION = (
    "Find every object in a picture: image=handle_file('photo.jpg'). Parameters are those of "
    "SamAutomaticMaskGenerator; the thresholds' defaults are those of the default model. Returns image size [height, "
    "width], the masks (segmentation as COCO RLE, area, bbox, predicted_iou, point_coords, stability_score, crop_box), "
    "the number of candidates by verdict, the options used and the seconds taken. While it runs, job.outputs() holds "
    "stage, points_done and points."
)


def find_masks_endpoint(service: Service, **queue: Any) -> None:
    """Add the endpoint to the Blocks that are being built; ``queue`` is where it waits for the model."""
    parameters = _parameters(service)

    def find_masks(*arguments: Any) -> Iterator[dict]:
        values = dict(zip((parameter.name for parameter in parameters), arguments, strict=True))
        image, model = values.pop("image"), values.pop("model")
        with errors_in_words(Words("en")):
            yield from _answers(service, image, model, values)

    # Gradio makes the endpoint's documentation of it.
    set_signature(find_masks, parameters, Iterator[dict])
    gr.api(find_masks, api_name="find_masks", api_description=DESCRIPTION, **queue)


def _parameters(service: Service) -> list[inspect.Parameter]:
    """The endpoint's parameters: those of the generator in upstream's order, with the default model's own defaults.

    Types are for the documentation only: every value may be anything.
    """
    defaults = GeneratorOptions().replace(**service.models.thresholds(service.models.default)).flat()
    rows: list[tuple[str, Any, Any]] = [("image", FileData, inspect.Parameter.empty)]
    for name, default in {**defaults, "output_mode": _JSON_MODES[0]}.items():
        numbers: Any = (int if PARAMETERS[name].is_integer else float) if name in PARAMETERS else str
        rows.append((name, list | None if name == "point_grids" else numbers, default))
    rows.append(("model", str, service.models.default))
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [inspect.Parameter(name, kind, default=default, annotation=type_) for name, type_, default in rows]


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
    options = checked_options(values)
    began = time.monotonic()
    run = service.runs.find_alone(
        load_image(photo_at(_uploaded(image))), model if isinstance(model, str) else repr(model), options
    )
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
        "options": options.flat(),
        "seconds": round(time.monotonic() - began, 3),
        "notes": list(result.notes),
    }


def _uploaded(image: object) -> str:
    """The path of an uploaded file. Gradio has checked those, and only those, that carry its mark."""
    if isinstance(image, dict) and (image.get("meta") or {}).get("_type") == "gradio.FileData" and image.get("path"):
        return str(image["path"])
    raise NoImageError("image must be an uploaded file: with gradio_client, pass handle_file(path).")
