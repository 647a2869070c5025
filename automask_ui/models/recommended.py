"""The thresholds and the clean-up that a model's file recommends, in the header of its safetensors file.

They are read without PyTorch, so that the page can show them before the model is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from automask_ui.errors import CheckpointFormatError

__all__ = ["recommended_in", "recommended_thresholds"]


def recommended_in(path: Path) -> dict[str, Any]:
    """What the file of a model recommends, by option name; empty where it says nothing, or nothing that can be used."""
    try:
        now = path.stat()
        return _recommended_in(path, now.st_mtime_ns, now.st_size) if path.suffix == ".safetensors" else {}
    except (CheckpointFormatError, SafetensorError, OSError):
        return {}  # loading the model says what is wrong with its file


@lru_cache(maxsize=32)
def _recommended_in(path: Path, changed_at: int, size: int) -> dict[str, Any]:
    with safe_open(path, framework="np") as file:
        return recommended_thresholds(file.metadata() or {})


def recommended_thresholds(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Read what the header of a model's file recommends, by option name.

    Raises:
        CheckpointFormatError: a value makes no sense.
    """
    found = {}
    for key in ("pred_iou_thresh", "stability_score_thresh"):
        if key in metadata:
            try:
                found[key] = float(metadata[key])
            except ValueError:
                found[key] = math.nan
            if not 0.0 <= found[key] <= 1.0:
                raise CheckpointFormatError(f"recommends {key} {metadata[key]!r}, which is no number from 0 to 1")
    if "min_mask_region_area" in metadata:
        text = metadata["min_mask_region_area"]
        if not text.isdecimal():
            raise CheckpointFormatError(f"recommends min_mask_region_area {text!r}, which is no number of pixels")
        found["min_mask_region_area"] = int(text)
    return found
