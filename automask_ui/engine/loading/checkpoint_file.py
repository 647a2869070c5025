"""Read the weights from a checkpoint file, whatever its name, without running code inside it."""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from automask_ui.engine.loading import hugging_face, sam2_tensor_names
from automask_ui.engine.loading.unsupported_models import relative_of, relative_of_code
from automask_ui.errors import CheckpointFormatError, CheckpointNotFoundError

__all__ = ["Weights", "read_weights"]

_MARKS = ("image_encoder.", hugging_face.MARK)
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
        raise CheckpointFormatError(
            f"{path} has only {len(head)} bytes; it is no checkpoint. Delete and fetch it again."
        )
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointFormatError(f"{path} is only a Git LFS pointer, not the weights. Run `git lfs pull`.")
    if head.lstrip().startswith(b"<"):
        raise CheckpointFormatError(f"{path} is a web page, not a checkpoint. Fetch the file itself.")
    if head[8:9] == b"{":
        return _read_safetensors(path)
    return _read_torch(path, is_zip=head.startswith(b"PK\x03\x04"))


class _Unread:
    """Stands in a file's content for a NumPy scalar, such as the best loss of a training run, and for its type.

    NumPy itself is never called with what a file says: this takes any arguments, and keeps none.
    """

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


# By the names under which NumPy 2 and 1 write them.
_LEFT_UNREAD: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_Unread, name) for name in ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar", "numpy.dtype")
]
# What PyTorch allows is one list for the process: of two threads, the first to end would take it from the other.
_ALLOWING = threading.Lock()


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointFormatError(f"{path} is damaged or cut off ({error}). Delete it and fetch it again.") from error
    return Weights(_unwrap(tensors, path), metadata)


def _read_torch(path: Path, is_zip: bool) -> Weights:
    # Mapped instead of read: the file's bytes are needed once, while they are copied into the model. A name that ends
    # in .safetensors would make PyTorch go by the name, so such a file is handed over opened, which cannot be mapped.
    misnamed = str(path).endswith(".safetensors")
    try:
        with open(path, "rb") as file, _ALLOWING, torch.serialization.safe_globals(_LEFT_UNREAD):
            source = file if misnamed else path
            content = torch.load(source, map_location="cpu", weights_only=True, mmap=is_zip and not misnamed)
    except pickle.UnpicklingError as error:
        # PyTorch's own text recommends the unsafe way of loading, so only the name of what was found is passed on.
        names = re.findall(r"GLOBAL (\S+)", str(error))
        maker = relative_of_code(names)
        if maker is not None:
            raise CheckpointFormatError(f"{path} holds {maker.name}, which is not supported. {maker.advice}") from None
        if names:
            raise CheckpointFormatError(
                f"{path} contains code ({names[0]}) beside weights, which is not run for safety. Save the model's "
                f"state_dict() alone and use that file."
            ) from None
        raise CheckpointFormatError(f"{path} is not a PyTorch or safetensors file.") from error
    except (RuntimeError, ValueError, EOFError, OSError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise CheckpointFormatError(
            f"{path} is not a PyTorch checkpoint, or is damaged or cut off. Delete it and fetch it again."
        ) from error
    return Weights(_unwrap(content, path), {})


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """Find SAM's state dict inside wrappers, and give its keys Meta's names without prefixes."""
    tensors = _find_tensors(content, _WRAPPERS_DEEP)
    relative = relative_of(_all_keys(content) if tensors is None else tensors)
    if relative is not None:
        raise CheckpointFormatError(f"{path} holds {relative.name}, which is not supported. {relative.advice}")
    if tensors is None:
        raise CheckpointFormatError(f"{path} is not a SAM checkpoint: {_describe(content)}.")
    mark = next(mark for mark in _MARKS if any(mark in key for key in tensors))
    prefix = next(key[: key.index(mark)] for key in tensors if mark in key)
    # What lies beside the model under other names (a loss, an optimiser's averages) is a training run's, not SAM's.
    own = {key.removeprefix(prefix): tensor.detach() for key, tensor in tensors.items() if key.startswith(prefix)}
    own = hugging_face.to_meta_names(own) if mark == hugging_face.MARK else own
    return sam2_tensor_names.to_sam_names(own) if sam2_tensor_names.is_sam2(own) else own


def _find_tensors(content: Any, depth: int) -> dict[str, Tensor] | None:
    """Find the first mapping in ``content`` with the tensors of an image encoder."""
    if not isinstance(content, Mapping):
        return None
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if any(mark in key for key in tensors for mark in _MARKS):
        return tensors
    found = (_find_tensors(value, depth - 1) for value in content.values() if depth > 0)
    return next((inner for inner in found if inner is not None), None)


def _all_keys(content: Any) -> list[str]:
    """The keys of a mapping and of those right inside it."""
    if not isinstance(content, Mapping):
        return []
    inner = [str(key) for value in content.values() if isinstance(value, Mapping) for key in value]
    return [*map(str, content), *inner]


def _describe(content: Any) -> str:
    """Describe what the file holds instead of a SAM."""
    if not isinstance(content, Mapping):
        return f"it holds a {type(content).__name__}"
    keys = [str(key) for key in content]
    shown = ", ".join(keys[:4]) + (", …" if len(keys) > 4 else "")
    return f"no image encoder among its {len(keys)} entries ({shown})"
