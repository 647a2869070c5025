"""What a bug report needs to know of this program, as text to be copied."""

from __future__ import annotations

from importlib import metadata

from automask_ui.models.checkpoints import checksum
from automask_ui.serving.runs import Models

__all__ = ["about"]


def about(models: Models, name: str) -> str:
    """Versions, and the model with its file's name and checksum, one a line; nothing of where they are on the disk.

    Args:
        models: that can be chosen.
        name: the chosen one.

    Raises:
        CheckpointNotFoundError: the model's file cannot be read.
    """
    # Late, since this is what imports PyTorch where no model has been loaded yet.
    from automask_ui.engine.runtime.versions import versions

    lines = {"AutoMask": _version_of_package(), **versions(), "Gradio": metadata.version("gradio")}
    if name in models:
        row, loaded = models[name], models.loaded.get(name)
        lines["Model"] = row.title if loaded is None else f"{row.title} on {loaded.device}"
        lines["Model file"] = "not on this machine" if row.path is None else row.path.name
        lines["SHA-256"] = checksum(row) or "none"
    return "\n".join(f"{title}: {value}" for title, value in lines.items())


def _version_of_package() -> str:
    from automask_ui import __version__

    return __version__
