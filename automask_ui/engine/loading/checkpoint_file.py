"""Read the weights from a checkpoint file, whatever its name, without running code inside it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from automask_ui.errors import CheckpointFormatError, CheckpointNotFoundError

__all__ = ["Weights", "read_weights"]

# Keys by which other families of models give themselves away, in the order in which they are looked for.
_RELATIVES = {
    "image_encoder.trunk.": "SAM 2",
    "sam_mask_decoder.": "SAM 2",
    "mask_decoder.hf_token": "SAM-HQ",
    "vision_encoder.": "SAM in the format of Hugging Face transformers",
    "detector.": "SAM 3",
}
_MARK = "image_encoder."
_WRAPPERS_DEEP = 3


@dataclass(frozen=True)
class Weights:
    """A state dict with SAM's own key names, and the texts stored beside it; tensors may be mapped from the file."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_weights(path: Path) -> Weights:
    """Read the weights from a ``.safetensors`` or PyTorch file, told apart by its first bytes.

    Wrappers such as ``{"model": ...}`` and prefixes such as ``module.`` are taken off.

    Raises:
        CheckpointNotFoundError: there is no such file.
        CheckpointFormatError: it is not a checkpoint, is cut off, contains code, or is not of a SAM.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError as error:
        raise CheckpointNotFoundError(f"The checkpoint {path} cannot be read: {error}.") from error
    if len(head) < 64:
        raise CheckpointFormatError(f"{path} has only {len(head)} bytes; it is no checkpoint. Fetch it again.")
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointFormatError(f"{path} is only a Git LFS pointer, not the weights. Run `git lfs pull`.")
    if head.lstrip().startswith(b"<"):
        raise CheckpointFormatError(f"{path} is a web page, not a checkpoint. Fetch the file itself.")
    if head[8:9] == b"{":
        return _read_safetensors(path)
    return _read_torch(path, is_zip=head.startswith(b"PK\x03\x04"))


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointFormatError(f"{path} is damaged or cut off ({error}). Fetch it again.") from error
    return Weights(_unwrap(tensors, path), metadata)


def _read_torch(path: Path, is_zip: bool) -> Weights:
    # Mapped instead of read: the file's bytes are needed once, while they are copied into the model. A name that ends
    # in .safetensors would make PyTorch go by the name, so such a file is handed over opened, which cannot be mapped.
    misnamed = str(path).endswith(".safetensors")
    try:
        with open(path, "rb") as file:
            source = file if misnamed else path
            content = torch.load(source, map_location="cpu", weights_only=True, mmap=is_zip and not misnamed)
    except pickle.UnpicklingError as error:
        # PyTorch's own text recommends the unsafe way of loading, so only the name of what was found is passed on.
        names = re.findall(r"GLOBAL (\S+)", str(error))
        if names:
            raise CheckpointFormatError(
                f"{path} contains code ({names[0]}) beside weights, which is not run for safety. Save the model's "
                f"state_dict() alone and use that file."
            ) from None
        raise CheckpointFormatError(f"{path} is not a PyTorch or safetensors file.") from error
    except (RuntimeError, ValueError, EOFError, OSError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise CheckpointFormatError(
            f"{path} is not a PyTorch checkpoint, or is damaged or cut off. Fetch it again."
        ) from error
    return Weights(_unwrap(content, path), {})


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """Find SAM's state dict inside wrappers, and remove prefixes from its keys."""
    tensors = _find_tensors(content, _WRAPPERS_DEEP)
    if tensors is None:
        raise CheckpointFormatError(f"{path} is not a SAM checkpoint: {_describe(content)}.")
    relative = _relative(tensors)
    if relative is not None:
        raise CheckpointFormatError(
            f"{path} holds {relative}, which is not supported. Use a SAM (ViT-B, L, H) or MobileSAM checkpoint."
        )
    prefix = next(key[: key.index(_MARK)] for key in tensors if _MARK in key)
    # What lies beside the model under other names (a loss, an optimiser's averages) is a training run's, not SAM's.
    return {key.removeprefix(prefix): tensor.detach() for key, tensor in tensors.items() if key.startswith(prefix)}


def _find_tensors(content: Any, depth: int) -> dict[str, Tensor] | None:
    """Find the first mapping in ``content`` with the tensors of an image encoder."""
    if not isinstance(content, Mapping):
        return None
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if any(_MARK in key for key in tensors):
        return tensors
    found = (_find_tensors(value, depth - 1) for value in content.values() if depth > 0)
    return next((inner for inner in found if inner is not None), None)


def _relative(keys: Mapping[str, Any]) -> str | None:
    return next((name for mark, name in _RELATIVES.items() if any(mark in key for key in keys)), None)


def _describe(content: Any) -> str:
    """Describe what the file holds instead of a SAM."""
    if not isinstance(content, Mapping):
        return f"it holds a {type(content).__name__}"
    keys = [str(key) for key in content]
    inner = [str(key) for value in content.values() if isinstance(value, Mapping) for key in value]
    relative = _relative(dict.fromkeys(keys + inner))
    if relative is not None:
        return f"it holds {relative}, which is not supported"
    shown = ", ".join(keys[:4]) + (", …" if len(keys) > 4 else "")
    return f"no image encoder among its {len(keys)} entries ({shown})"
