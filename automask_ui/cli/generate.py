"""Find the masks of pictures and write them to files."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

from automask_ui.cli.arguments import add_find_arguments, classes_of, formats_of, options_of
from automask_ui.cli.output import counted, say
from automask_ui.errors import AutoMaskError, ExportError, OptionError
from automask_ui.export import EXPORTERS, ExportItem, export, file_name
from automask_ui.export.base import ClassList
from automask_ui.files.images import load_image
from automask_ui.files.names import unique_stems
from automask_ui.options import OUTPUT_MODES, GeneratorOptions

__all__ = ["add_arguments", "run"]

DEFAULT_FORMAT = "masks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="picture files")
    parser.add_argument("--out", "--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_find_arguments(parser, default_format="png")
    parser.add_argument(
        "--output-mode", choices=list(OUTPUT_MODES), help="SAM's own form of the masks, as a further format"
    )


def run(settings: argparse.Namespace) -> int:
    """Write the masks of every picture; returns 0, or 1 where some pictures failed."""
    from automask_ui import MaskEngine, load_model

    classes = classes_of(settings)
    for note in classes.notes:
        say(f"{settings.classes}: {note}")
    model = load_model(
        settings.model, settings.checkpoint, settings.device, settings.precision, folders=settings.models_dir
    )
    options = options_of(settings, model)
    formats = _formats(settings)
    _make_folder(settings.out)
    engine = MaskEngine(model, cache_bytes=0)
    metadata = {"model": model.title, "options": options.flat()}

    failed = 0
    photos = [photo for given in settings.photos for photo in _matching(given)]
    # Photos of one name, from two folders, get a file each.
    stems = unique_stems(photo.name for photo in photos)
    _check_place(photos, [settings.out / file_name(name, stem) for stem in stems for name in formats])
    for photo, stem in zip(photos, stems, strict=True):
        try:
            for line in _one_photo(engine, photo, options, formats, settings.out / stem, metadata, classes):
                say(line)
        except AutoMaskError as error:
            failed += 1
            say(f"{photo}: {error}", sys.stderr)
    if failed:
        say(f"{failed} of {len(photos)} pictures failed.", sys.stderr)
    return 1 if failed else 0


def _matching(photo: Path) -> list[Path]:
    """The files that match ``*.jpg`` and the like, which shells of Windows leave as it is; else ``photo`` itself."""
    found = [] if os.path.lexists(photo) else sorted(glob(str(photo)))
    return [Path(name) for name in found] or [photo]


def _check_place(photos: list[Path], targets: list[Path]) -> None:
    """Refuse to write over the pictures themselves.

    Raises:
        OptionError: one of the files to be written is a picture that was given.
    """
    given = {_identity(photo) for photo in photos} - {None}
    for target in targets:
        if _identity(target) in given:
            raise OptionError(f"{target} is one of the pictures, and would be written over: give another folder.")


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others, whatever it is called; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _formats(settings: argparse.Namespace) -> list[str]:
    """Names of the formats to write, each once."""
    names = formats_of(settings)
    if settings.output_mode is not None:
        names += [row.name for row in EXPORTERS.values() if row.output_mode == settings.output_mode]
    return list(dict.fromkeys(names or [DEFAULT_FORMAT]))


def _one_photo(
    engine: Any,
    photo: Path,
    options: GeneratorOptions,
    formats: list[str],
    target: Path,
    metadata: dict[str, Any],
    classes: ClassList,
) -> list[str]:
    """Find and write the masks of one picture; return lines to print. Its files' names begin with ``target``."""
    loaded = load_image(photo)
    start = time.monotonic()
    result = engine.generate(loaded.rgb, options, _progress_line(photo.name))
    seconds = time.monotonic() - start
    lines = [f"{photo}: {note}" for note in (*loaded.notes, *result.notes)]
    count = len(result.masks)
    lines.append(f"{photo}: {counted(count, 'mask')} in {seconds:.1f} s")
    if not count:
        raise ExportError("no masks were found with these settings, so nothing was written: lower the thresholds.")
    ids, labels = tuple(range(1, count + 1)), ("",) * count
    item = ExportItem(loaded.name, loaded.rgb, result.masks, ids, labels, metadata, classes)
    for name in formats:
        report = export(name, [item], target.parent, stem=target.name)
        lines.append(f"  {report.path}  {report.summary}")
    return lines


def _progress_line(name: str) -> Callable[[int, int, str], None] | None:
    """Progress on one line of the terminal; none where the output goes to a file."""
    if not sys.stderr.isatty():
        return None
    start = time.monotonic()

    def show(done: int, total: int, stage: str) -> None:
        left = f", {(time.monotonic() - start) / done * (total - done):.0f} s left" if 0 < done < total else ""
        text = "reading the picture" if stage == "encode" else f"{done} of {total} points{left}"
        say(f"\r\x1b[K{name}: {text}", sys.stderr, end="\r" if done == total else "")

    return show


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"The folder {folder} cannot be made: {error.strerror or error}.") from error
