"""The committed weights file: float16 safetensors, with the model's own default thresholds in its header."""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from segment_anything.modeling import Sam

WEIGHTS_PATH = Path(__file__).resolve().parents[2] / "assets" / "models" / "automask-tiny.safetensors"


def save_weights(sam: Sam, path: Path, version: str, pred_iou_thresh: float, stability_score_thresh: float) -> None:
    """Write a model as float16.

    Args:
        sam: The model.
        path: The file to write.
        version: Which training this is, for people.
        pred_iou_thresh: The predicted IoU from which on this model's masks are worth showing.
        stability_score_thresh: The same for the stability score.
    """
    header = {
        "format": "pt",
        "architecture": "tiny",
        "version": version,
        "pred_iou_thresh": f"{pred_iou_thresh:g}",
        "stability_score_thresh": f"{stability_score_thresh:g}",
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
