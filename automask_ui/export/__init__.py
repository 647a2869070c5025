"""Export masks to the formats of other tools; every file is read back and compared before it is handed out."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from automask_ui.errors import ExportError
from automask_ui.export import (
    coco,
    csv_table,
    cutouts,
    cvat,
    geojson,
    label_studio,
    labelmap,
    labelme,
    openraster,
    overlay_image,
    png_masks,
    raw,
    voc,
    yolo,
)
from automask_ui.export.base import Exporter, ExportItem
from automask_ui.export.files import zip_add
from automask_ui.export.proof import ExportReport, MaskCheck, check_file
from automask_ui.files.atomic import open_atomic
from automask_ui.files.names import safe_stem

__all__ = [
    "EXPORTERS",
    "ExportItem",
    "ExportReport",
    "Exporter",
    "MaskCheck",
    "export",
    "file_name",
    "new_folder",
    "proof_table",
]

KEPT_EXPORTS = 4  # of one visitor: the page may still be fetching the one before

# As people meet them: the four that most want, then datasets, pictures, tools for correcting, and raw data.
_MODULES = (
    *(png_masks, coco, overlay_image, csv_table),
    *(yolo, labelme, voc, labelmap),
    *(cutouts, openraster),
    *(cvat, label_studio, geojson, raw),
)

EXPORTERS: dict[str, Exporter] = {row.name: row for module in _MODULES for row in module.EXPORTERS}


def new_folder(parent: Path) -> Path:
    """Make a folder for one export below ``parent``, and remove all but the newest ones there.

    Two exports may have one file name: by this, what the proof of one says is never of the other's file.
    """
    exports = parent / "exports"
    exports.mkdir(mode=0o700, exist_ok=True)
    for old in sorted(exports.iterdir(), key=lambda path: path.stat().st_mtime_ns)[: 1 - KEPT_EXPORTS]:
        shutil.rmtree(old, ignore_errors=True)
    folder = exports / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    return folder


def file_name(name: str, stem: str, count: int = 1) -> str:
    """Name of the file that :func:`export` makes of ``count`` pictures in the format ``name``."""
    return f"{stem}-{name}.{EXPORTERS[name].extension_for(count)}"


def export(
    name: str,
    items: Sequence[ExportItem],
    folder: Path,
    extras: Iterable[tuple[str, bytes]] = (),
    stem: str | None = None,
    *,
    negatives: bool = False,
) -> ExportReport:
    """Write ``items`` to one file in ``folder`` (which exists), read it back, and report.

    The file appears under its name only when it is complete and has passed its check; it replaces an older one.

    Args:
        name: of a format in :data:`EXPORTERS`.
        items: pictures with their masks.
        folder: where the file goes.
        extras: names and contents of further files, for formats that are a ZIP; the others cannot carry them.
        stem: what the file's name begins with, safe in a path; by default it comes from the first picture's.
        negatives: pictures without masks are meant to be in it, even if none has any.

    Raises:
        ExportError: for an unknown format, no masks at all, a format that cannot hold them, a full disk, or a file
            that does not pass its check.
    """
    if name not in EXPORTERS:
        raise ExportError(f"There is no format {name!r}; formats are {', '.join(EXPORTERS)}.")
    counts = [len(item.masks) for item in items]
    if not negatives and not any(counts):
        raise ExportError("There are no masks to download: show or select at least one.")
    for item in items:
        for id_, area in zip(item.ids, item.masks.area.tolist(), strict=True):
            if not area:
                raise ExportError(f"Mask #{id_} of {item.name} has no pixels: hide it before the download.")
    exporter = EXPORTERS[name]
    if stem is None:
        stem = safe_stem(items[0].name) + (f"-and-{len(items) - 1}-more" if len(items) > 1 else "")
    target = folder / file_name(name, stem, len(items))
    try:
        checks = _write_checked(exporter, items, target, extras)
    except OSError as error:
        raise ExportError(f"The {exporter.title} file could not be written: {error.strerror or error}.") from error
    return ExportReport(target, exporter, checks, counts.count(0))


def proof_table(sets: Mapping[str, Sequence[ExportItem]]) -> list[dict[str, str]]:
    """Export sets of masks to every format, and tabulate how many come back exact: one row a format, for people.

    Args:
        sets: pictures by what they are called in the table's columns.

    Raises:
        ExportError: if a file fails its check.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for exporter in EXPORTERS.values():
            row = {"format": exporter.title, "name": exporter.name, "read back by": exporter.reader}
            reports = {name: export(exporter.name, items, Path(folder)) for name, items in sets.items()}
            for name, report in reports.items():
                row[f"{name}: exact"] = f"{report.exact:,} of {len(report.checks):,}"
                row[f"{name}: worst IoU"] = f"{report.worst_iou:.4f}"
            is_exact = all(report.exact == len(report.checks) for report in reports.values())
            rows.append({**row, "notes": "" if is_exact else exporter.loses})
    return rows


def _write_checked(
    exporter: Exporter, items: Sequence[ExportItem], target: Path, extras: Iterable[tuple[str, bytes]]
) -> tuple[MaskCheck, ...]:
    with open_atomic(target) as file:
        exporter.write(items, file)
        if target.suffix == ".zip":
            with zipfile.ZipFile(file, "a") as archive:
                for name, data in extras:
                    zip_add(archive, name, data, packed=not name.endswith(".json"))
        file.flush()
        file.seek(0)
        return check_file(exporter, items, file)
