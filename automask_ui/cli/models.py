"""List the models, or fetch one ahead: ``models download vit_b``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from automask_ui.cli.output import say
from automask_ui.cli.text_table import as_columns
from automask_ui.models.checkpoints import fetch, model_rows
from automask_ui.models.download import TransferText

__all__ = ["add_arguments", "fetch_visibly", "run"]

COLUMNS = ("name", "title", "size", "licence", "where")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("action", nargs="?", choices=["list", "download"], default="list")
    parser.add_argument("name", nargs="?", help="model to download")
    parser.add_argument(
        "--models-dir", type=Path, action="append", default=[], help="folder to look for checkpoints in"
    )


def run(settings: argparse.Namespace) -> int:
    """Print the table of models, or download one; returns the exit code."""
    if settings.action == "list":
        say(as_columns(model_rows(settings.models_dir), COLUMNS))
        return 0
    if settings.name is None:
        say("error: say which model to download: python -m automask_ui models download vit_b", sys.stderr)
        return 2
    path = fetch_visibly(settings.name)
    say(f"{settings.name} is at {path}")
    return 0


def fetch_visibly(name: str) -> Path:
    """Fetch model ``name``; on a terminal, with a line that tells how far it is.

    Raises:
        CheckpointError: it cannot be fetched.
    """
    text = TransferText()

    def show(done_bytes: int, total_bytes: int, seconds: float) -> None:
        say(f"\r\x1b[K{name}: {text(done_bytes, total_bytes, seconds)}", sys.stderr, end="")

    return fetch(name, show if sys.stderr.isatty() else None)
