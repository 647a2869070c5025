"""State dicts of SAM 2 under SAM's names, where it has the same modules, without what only video needs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["is_sam2", "to_sam_names"]

_RENAMED = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^sam_(prompt_encoder|mask_decoder)\.", r"\1."),
        (r"^no_mem_embed$", "image_encoder.no_mem_embed"),
        (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.layers\.0\.", r"\1.lin1."),
        (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.layers\.1\.", r"\1.lin2."),
    )
]
_OF_PICTURES = ("image_encoder.", "prompt_encoder.", "mask_decoder.")


def is_sam2(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these are the tensors of a SAM 2, by Meta's names."""
    return any(key.startswith("image_encoder.trunk.blocks.") for key in tensors)


def to_sam_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a SAM 2, and leave out memory and object pointers."""
    renamed = {}
    for key, tensor in tensors.items():
        for pattern, name in _RENAMED:
            key = pattern.sub(name, key)
        if key.startswith(_OF_PICTURES):
            renamed[key] = tensor
    return renamed
