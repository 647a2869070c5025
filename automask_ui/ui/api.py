"""The documented endpoint ``find_masks``: a picture and SAM's 13 parameters in, masks as JSON out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from automask_ui.errors import NoImageError, OptionError
from automask_ui.files.images import load_image
from automask_ui.masks import MaskResult, Verdict
from automask_ui.options import checked_options
from automask_ui.serving.service import Service
from automask_ui.ui.components.photo_upload import photo_at
from automask_ui.ui.errors import errors_in_words
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
    own = service.models.thresholds(service.models.default)

    def find_masks(
        image: FileData,
        points_per_side: int = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = own.get("pred_iou_thresh", 0.88),
        stability_score_thresh: float = own.get("stability_score_thresh", 0.95),
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: list | None = None,
        min_mask_region_area: int = 0,
        output_mode: str = "coco_rle",
        model: str = service.models.default,
    ) -> Iterator[dict]:
        """Only the names and defaults are meant here: every value may be anything."""
        values = {name: value for name, value in locals().items() if name not in ("image", "model", "service")}
        with errors_in_words(Words("en")):
            yield from _answers(service, image, model, values)

    gr.api(find_masks, api_name="find_masks", api_description=DESCRIPTION, **queue)


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
