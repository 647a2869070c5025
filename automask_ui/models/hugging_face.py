"""Folders in which Hugging Face's transformers saves a model: ``config.json``, and the weights beside it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from automask_ui.errors import CheckpointNotFoundError

__all__ = ["is_model_folder", "is_shard", "model_stem", "refuse_part", "weights_in"]

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.(safetensors|bin)")


def is_model_folder(folder: Path) -> bool:
    """Whether ``folder`` is one that transformers saved, with its weights in one file."""
    # Not by the paths' own methods, which raise where a folder is closed to this user.
    return os.path.isfile(folder / _CONFIG) and any(os.path.isfile(folder / name) for name in _WEIGHTS)


def weights_in(folder: Path) -> Path:
    """The file with the weights of a folder that transformers saved.

    Raises:
        CheckpointNotFoundError: the folder has none that can be read alone.
    """
    for name in _WEIGHTS:
        if os.path.isfile(folder / name):
            return folder / name
    if os.path.isfile(folder / "adapter_config.json"):
        raise CheckpointNotFoundError(
            f"The folder {folder} holds only an adapter, without its SAM. Merge the two (in PEFT: "
            f"`merge_and_unload()`), and save the result."
        )
    if any(os.path.isfile(folder / f"{name}.index.json") for name in _WEIGHTS):
        raise _in_several_files(folder)
    raise CheckpointNotFoundError(
        f"The folder {folder} holds neither {' nor '.join(_WEIGHTS)}. Give the path of the checkpoint file itself."
    )


def is_shard(file: Path) -> bool:
    """Whether ``file`` is named as one of several that hold a model together."""
    return _SHARD.search(file.name) is not None


def refuse_part(file: Path) -> None:
    """Refuse a file that holds only a part of a model.

    Raises:
        CheckpointNotFoundError: by its name it is only a part of one.
    """
    if is_shard(file):
        raise _in_several_files(file.parent)


def _in_several_files(folder: Path) -> CheckpointNotFoundError:
    return CheckpointNotFoundError(
        f"The weights in the folder {folder} are in several files. Save them in one "
        f'(`save_pretrained(..., max_shard_size="50GB")`).'
    )


def model_stem(file: Path) -> str:
    """What a model is called after its file: a folder that transformers saved has the name, its file has not."""
    # In the hub's cache the file is a link to another folder, so it is the folder that is resolved.
    return file.parent.resolve().name if file.name in _WEIGHTS and is_model_folder(file.parent) else file.stem
