"""Model files that visitors hand in."""

from __future__ import annotations

from pathlib import Path

from automask_ui.models import checkpoints
from automask_ui.models.checkpoints import TakenFile

__all__ = ["take_file"]


def take_file(name: str, file: Path) -> TakenFile:
    """Take ``file`` for registry model ``name``; see :func:`automask_ui.models.checkpoints.take_file`."""
    return checkpoints.take_file(name, file, _architecture_of)


def _architecture_of(file: Path) -> str:
    from automask_ui.engine.loading.load import load_model  # PyTorch takes seconds to import

    return load_model(checkpoint=file, device="cpu").arch
