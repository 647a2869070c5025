"""What a model's file holds, for files that visitors hand in."""

from __future__ import annotations

from pathlib import Path

__all__ = ["architecture_of"]


def architecture_of(file: Path) -> str:
    """Load ``file`` and tell its architecture as the registry calls it.

    Raises:
        CheckpointFormatError: it holds no model that is known here.
    """
    from automask_ui.engine.loading.load import load_model  # PyTorch takes seconds to import

    return load_model(checkpoint=file, device="cpu").arch
