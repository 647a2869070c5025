"""List the download formats, or prove each of them on masks that are hard to hold and on those of photographs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from automask_ui.cli.arguments import add_model_arguments
from automask_ui.cli.output import say
from automask_ui.cli.text_table import as_columns, as_markdown
from automask_ui.export import EXPORTERS, ExportItem, proof_table
from automask_ui.export.hard_masks import hard_items
from automask_ui.files.images import load_image
from automask_ui.options import PRESETS
from automask_ui.protocol import own_thresholds

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--proof", action="store_true", help="write and read back the hard masks in every format")
    parser.add_argument(
        "--photos", nargs="+", type=Path, default=[], metavar="PHOTO", help="prove the masks of these pictures as well"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    add_model_arguments(parser)


def run(settings: argparse.Namespace) -> int:
    """Print one row a format; returns 0.

    Raises:
        AutoMaskError: a picture or the model cannot be used, or a file fails its check.
    """
    if settings.proof or settings.photos:
        sets = {"hard masks": hard_items()} | ({"photos": _found(settings)} if settings.photos else {})
        rows = proof_table(sets)
        measured = [f"{name}: {what}" for name in sets for what in ("exact", "worst IoU")]
        columns = ["format", "read back by", *measured, "notes"]
    else:
        rows = [{"name": row.name, "format": row.title, "for": row.hint} for row in EXPORTERS.values()]
        columns = ["name", "format", "for"]
    say((as_markdown if settings.markdown else as_columns)(rows, columns))
    return 0


def _found(settings: argparse.Namespace) -> Sequence[ExportItem]:
    """Find the masks of the pictures with the model's own thresholds, as items to export."""
    from automask_ui import MaskEngine, load_model

    model = load_model(
        settings.model, settings.checkpoint, settings.device, settings.precision, folders=settings.models_dir
    )
    engine = MaskEngine(model, cache_bytes=0)
    options = PRESETS["balanced"].options(**own_thresholds(model))
    items = []
    for path in settings.photos:
        image = load_image(path)
        masks = engine.generate(image.rgb, options).masks
        ids = tuple(range(1, len(masks) + 1))
        items.append(ExportItem(image.name, image.rgb, masks, ids, ("",) * len(masks)))
    return items
