"""Models that are related to SAM, but not built as SAM is: what they are called, and by what they are known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["UnsupportedModel", "relative_of", "relative_of_code"]

_TAKE_ANOTHER = "Use a checkpoint of SAM, SAM 2, SAM-HQ or MobileSAM."


@dataclass(frozen=True)
class UnsupportedModel:
    """A family of models that cannot be loaded."""

    mark: re.Pattern[str]  # found in some key of its state dicts
    name: str
    advice: str = _TAKE_ANOTHER


# In the order in which they are looked for: an adapter of SAM 2 is an adapter, and EdgeTAM has keys of SAM 2.
_RELATIVES = (
    UnsupportedModel(
        re.compile(
            r"lora_[AB]\b|\blinear_[ab]_[qv]\b|\bw_[ab]_\d{3}\b"  # LoRA: of PEFT, of SAMed
            r"|(^|\.)(MLP_|Space_|Depth_)?Adapter\.|(^|\.)prompt_generator\."  # Medical-SAM-Adapter, SAM-Adapter
        ),
        "an adapter",
        "Merge it into the SAM that it was trained on (in PEFT: `merge_and_unload()`), and save its state_dict().",
    ),
    UnsupportedModel(
        re.compile(
            r"(^|\.)image_encoder\.trunk\.body\.|(^|\.)vision_encoder\.backbone\.timm_model\.|spatial_perceiver\."
        ),
        "EdgeTAM",
    ),
    UnsupportedModel(
        re.compile(
            r"(^|\.)detector(_model)?\.|(^|\.)detr_(en|de)coder\."  # Meta's, transformers'
            r"|(^|\.)vision_encoder\.backbone\.(embeddings|layers)\."  # its tracker in transformers
        ),
        "SAM 3",
    ),
    UnsupportedModel(re.compile(r"(^|\.)image_encoder\.backbone\."), "EfficientViT-SAM"),
    UnsupportedModel(re.compile(r"(^|\.)sam_mask_decoder\.hf_token\."), "SAM-HQ on top of SAM 2"),
    UnsupportedModel(re.compile(r"(^|\.)mask_decoder\.final_output_upscaling_layers\."), "EfficientSAM"),
    UnsupportedModel(
        re.compile(r"(^|\.)\d+\.proto\.cv1\."), "FastSAM, or another segmentation model of the YOLO family"
    ),
)
# FastSAM's published files are whole objects of Ultralytics' classes.
_ULTRALYTICS = UnsupportedModel(re.compile(r"^ultralytics\."), "FastSAM, or another model of Ultralytics")


def relative_of(keys: Iterable[str]) -> UnsupportedModel | None:
    """Find the family that the keys of a state dict give away, if it is one that cannot be loaded."""
    keys = list(keys)
    return next((relative for relative in _RELATIVES if any(map(relative.mark.search, keys))), None)


def relative_of_code(names: Iterable[str]) -> UnsupportedModel | None:
    """Find the family that the names of the classes in a file give away."""
    return _ULTRALYTICS if any(map(_ULTRALYTICS.mark.search, names)) else None
