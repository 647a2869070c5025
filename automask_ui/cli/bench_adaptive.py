"""What ``bench --adaptive`` reads, and how it shows what it has measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from automask_ui.batch.pictures import SUFFIXES
from automask_ui.errors import OptionError
from automask_ui.files.images import load_image

__all__ = ["shares_as_text", "small_pictures"]

MAX_SIDE = 800  # px: larger pictures are made smaller first, as the models see 512 or 1,024 of them


def small_pictures(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Read the pictures of a folder, in the order of their names, and make those smaller that are above 800 px a side.

    Yields:
        The file's name, and the picture, H×W×3 uint8.

    Raises:
        OptionError: there is no such folder.
        ImageError: one of its pictures cannot be read.
    """
    if not folder.is_dir():
        raise OptionError(f"--adaptive is {str(folder)!r}, but must be a folder of pictures.")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            picture = Image.fromarray(load_image(path).rgb)
            picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BICUBIC)
            yield path.name, np.asarray(picture)


def shares_as_text(report: dict[str, Any]) -> str:
    """Lay out the report of ``run_adaptive_bench`` as two tables: by share of the points, and by picture."""
    shares, pictures = report["shares"], report["pictures"]
    lines = [
        f"{report['model']} ({report['weights']} weights, {report['precision']}) on {report['device']}, "
        f"{report['grid']}×{report['grid']} points, {len(pictures)} pictures, "
        f"{sum(picture['masks'] for picture in pictures)} masks with all points",
        f"found again, with an IoU of at least {report['found_iou']:g}:",
        "",
        f"{'points':>8}{'recall':>8}{'IoU 0.75':>10}"
        + "".join(f"{_class_title(row):>17}" for row in _classes(shares[0])),
    ]
    for share in shares:
        found = [f"{row['found']} of {row['masks']}" for row in _classes(share)]
        lines.append(
            f"{share['points_share']:>8.1%}{share['recall']:>8.3f}{share['recall_at_iou_0.75']:>10.3f}"
            + "".join(f"{text:>17}" for text in found)
        )
    names = max(len(picture["name"]) for picture in pictures)
    lines += ["", f"{'':<{names}}{'masks':>7}" + "".join(f"{share['share']:>7.0%}" for share in shares)]
    for picture in pictures:
        values = "".join(f"{recall:>7.2f}" for recall in picture["recall"].values())
        lines.append(f"{picture['name']:<{names}}{picture['masks']:>7}{values}")
    return "\n".join(lines)


def _classes(share: dict[str, Any]) -> list[dict[str, Any]]:
    """Classes of masks by score and by size; each says by what it is one."""
    return [{"by": by, **row} for by in ("score", "size") for row in share[f"by_{by}"]]


def _class_title(row: dict[str, Any]) -> str:
    """Name a class of masks, such as ``score <0.5``."""
    by, low, high = row["by"], row["low"], row["high"]
    if high is None:
        return f"{by} ≥{low:g}"
    return f"{by} {low:g}–{high:g}" if low else f"{by} <{high:g}"
