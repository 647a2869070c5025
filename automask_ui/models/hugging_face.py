"""Folders in which Hugging Face's transformers saves a model: ``config.json``, and the weights beside it."""

from __future__ import annotations

import os
from pathlib import Path

from automask_ui.errors import CheckpointNotFoundError

__all__ = ["is_model_folder", "model_stem", "weights_in"]

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


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
        raise CheckpointNotFoundError(
            f"The weights in the folder {folder} are in several files. Save them in one "
            f'(`save_pretrained(..., max_shard_size="50GB")`).'
        )
    raise CheckpointNotFoundError(
        f"The folder {folder} holds neither {' nor '.join(_WEIGHTS)}. Give the path of the checkpoint file itself."
    )


def model_stem(file: Path) -> str:
    """What a model is called after its file: a folder that transformers saved has the name, its file has not."""
    # In the hub's cache the file is a link to another folder, so it is the folder that is resolved.
    return file.parent.resolve().name if file.name in _WEIGHTS and is_model_folder(file.parent) else file.stem
