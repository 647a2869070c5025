"""List the download formats, or prove each of them on masks that are hard to hold."""

from __future__ import annotations

import argparse

from automask_ui.cli.text_table import as_columns, as_markdown
from automask_ui.export import EXPORTERS, proof_table
from automask_ui.export.hard_masks import hard_items

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--proof", action="store_true", help="write and read back the hard masks in every format")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")


def run(settings: argparse.Namespace) -> int:
    """Print one row a format; returns 0."""
    if settings.proof:
        rows = proof_table(hard_items())
        columns = ["format", "read back by", "exact", "worst IoU", "notes"]
    else:
        rows = [{"name": row.name, "format": row.title, "for": row.hint} for row in EXPORTERS.values()]
        columns = ["name", "format", "for"]
    print((as_markdown if settings.markdown else as_columns)(rows, columns))
    return 0
