"""The committed weights file: float16 safetensors, with the model's own defaults in its header."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from segment_anything.modeling import Sam

WEIGHTS_PATH = Path(__file__).resolve().parents[2] / "assets" / "models" / "automask-tiny.safetensors"


@dataclass(frozen=True)
class Defaults:
    """What this model's masks need to be worth showing.

    Attributes:
        pred_iou_thresh: Least predicted IoU.
        stability_score_thresh: Least stability score.
        min_mask_region_area: Holes and islands below it are removed, pixels.
    """

    pred_iou_thresh: float = 0.5
    stability_score_thresh: float = 0.7
    min_mask_region_area: int = 0


def save_weights(sam: Sam, path: Path, version: str, defaults: Defaults) -> None:
    """Write a model as float16.

    Args:
        sam: The model.
        path: The file to write.
        version: Which training this is, for people.
        defaults: The model's own defaults.
    """
    header = {
        "format": "pt",
        "architecture": "tiny",
        "version": version,
        "pred_iou_thresh": f"{defaults.pred_iou_thresh:g}",
        "stability_score_thresh": f"{defaults.stability_score_thresh:g}",
        "min_mask_region_area": f"{defaults.min_mask_region_area:d}",
    }
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in sam.state_dict().items()
    }
    save_file(state, path, metadata=header)
    path.chmod(0o644)


def load_weights(sam: Sam, path: Path = WEIGHTS_PATH) -> dict[str, str]:
    """Load a weights file into a model built by `build_tiny_sam`, as float32; returns the file's header."""
    state = {name: value.float() if value.dtype == torch.float16 else value for name, value in load_file(path).items()}
    sam.load_state_dict(state, strict=True)
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def read_defaults(header: Mapping[str, str]) -> Defaults:
    """The model's own defaults from its file's header."""
    return Defaults(
        float(header["pred_iou_thresh"]),
        float(header["stability_score_thresh"]),
        int(header.get("min_mask_region_area", 0)),
    )
