"""Check an exported file: read every mask back and compare it with the one that was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np

from automask_ui.errors import ExportError
from automask_ui.export.base import ADDS, HIDES, Exporter, ExportItem, ReadMask
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.operations import union
from automask_ui.masks.rle import Rle

__all__ = ["ExportReport", "MaskCheck", "check_file"]

_NAMED = 5  # masks that a summary names one by one


@dataclass(frozen=True)
class MaskCheck:
    """How one mask came back from the file."""

    photo: str  # name of the picture
    id: int  # the mask's number
    iou: float  # of what was read back with the mask; 0 = lost
    twin: int | None = None  # number of another mask of the picture that came back as the very same pixels
    added: bool = False  # pixels that the mask does not have
    removed: bool = False  # pixels of the mask are missing

    @property
    def exact(self) -> bool:
        """Not a pixel differs."""
        return self.iou == 1.0

    @property
    def lost(self) -> bool:
        """Nothing of it is in the file."""
        return self.iou == 0.0


@dataclass(frozen=True)
class ExportReport:
    """A finished, checked file with the result of the check for every mask."""

    path: Path
    exporter: Exporter
    checks: tuple[MaskCheck, ...]
    negatives: int = 0  # pictures in it that have no masks

    @cached_property
    def changed(self) -> tuple[MaskCheck, ...]:
        """Masks that came back changed, the worst first."""
        return tuple(sorted((c for c in self.checks if not c.exact and not c.lost), key=lambda check: check.iou))

    @cached_property
    def lost(self) -> tuple[MaskCheck, ...]:
        """Masks that the file does not hold at all."""
        return tuple(check for check in self.checks if check.lost)

    @cached_property
    def merged(self) -> tuple[MaskCheck, ...]:
        """Masks that can no longer be told from another one."""
        return tuple(check for check in self.checks if check.twin is not None)

    @property
    def exact(self) -> int:
        """How many came back to the pixel."""
        return sum(check.exact for check in self.checks)

    @property
    def worst_iou(self) -> float:
        """Of all masks; 1.0 = all exact."""
        return min((check.iou for check in self.checks), default=1.0)

    @cached_property
    def summary(self) -> str:
        """One or two sentences for people: how many are exact, which are not and why."""
        total = len(self.checks)
        if self.exact == total:
            return f"{self.exporter.nothing_lost(total)}."
        noun = self.exporter.unit + "s" * (total != 1)
        parts = [f"{total:,} {noun}: {self.exact:,} exact"]
        if self.changed:
            worst = self.changed[0]
            parts.append(f"{len(self.changed):,} changed (worst IoU {_floor(worst.iou)}, {self._number(worst)})")
        if self.lost:
            numbers = ", ".join(self._number(check) for check in self.lost[:_NAMED])
            more = ", …" * (len(self.lost) > _NAMED)
            parts.append(f"{len(self.lost):,} hidden altogether ({numbers}{more})")
        if self.merged:
            parts.append(f"{len(self.merged):,} the same as another")
        return f"{', '.join(parts)}. {self.exporter.loses}"

    def _number(self, check: MaskCheck) -> str:
        several = len({other.photo for other in self.checks}) > 1
        return f"#{check.id} of {check.photo}" if several else f"#{check.id}"


def check_file(exporter: Exporter, items: Sequence[ExportItem], file: BinaryIO) -> tuple[MaskCheck, ...]:
    """Read ``file`` with the format's independent reader and compare every mask.

    Raises:
        ExportError: if it cannot be read, or a mask is missing or changed that this format can hold.
    """
    try:
        checks = tuple(_compare(exporter, items, file))
    except ExportError:
        raise
    # Whatever a reader stumbles over, the file is not fit to be handed out.
    except Exception as error:
        raise ExportError(
            f"The {exporter.title} file could not be read back ({type(error).__name__}: {error}), so it was not kept."
        ) from error
    bad = [check for check in checks if not _allowed(exporter.change, check)]
    if bad:
        raise ExportError(
            f"The {exporter.title} file failed its check and was not kept: {len(bad):,} of {len(checks):,} came back "
            f"changed, #{bad[0].id} of {bad[0].photo} with IoU {bad[0].iou:.3f}. Please report this; another format "
            "may work meanwhile."
        )
    return checks


def _allowed(change: str, check: MaskCheck) -> bool:
    """Whether the format may do this to a mask."""
    return check.exact or (change == HIDES and not check.added) or (change == ADDS and not check.removed)


def _compare(exporter: Exporter, items: Sequence[ExportItem], file: BinaryIO) -> Iterator[MaskCheck]:
    for item, found_masks in zip(items, exporter.read(file, items), strict=True):
        owners: dict[bytes, int] = {}
        for id_, expected, found in zip(item.ids, item.masks.rle, found_masks, strict=True):
            check, content = _check_one(item.name, id_, expected, found)
            owner = owners.setdefault(content, id_)
            # Masks that came back right are no loss, even where two were equal from the start.
            yield replace(check, twin=owner) if owner != id_ and 0 < check.iou < 1 else check


def _check_one(photo: str, id_: int, expected: Rle, found: ReadMask) -> tuple[MaskCheck, bytes]:
    """Compare one mask; also return the RLE counts of what was read back (empty: nothing)."""
    if found is None:
        return MaskCheck(photo, id_, 0.0, removed=True), b""
    size_hw = found.shape if isinstance(found, np.ndarray) else tuple(found["size"])
    if size_hw != tuple(expected["size"]):
        raise ExportError(f"#{id_} of {photo} came back as {size_hw}, but the picture is {tuple(expected['size'])}.")
    if isinstance(found, np.ndarray):
        found = expected if _equals(found, expected) else _encode(found)
    if found["counts"] == expected["counts"]:
        return MaskCheck(photo, id_, 1.0), expected["counts"]
    both = rle_codec.area(union([found, expected]))
    found_area, area = rle_codec.area(found), rle_codec.area(expected)
    iou = (found_area + area - both) / both
    return MaskCheck(photo, id_, iou, added=both > area, removed=both > found_area), found["counts"]


def _equals(found: np.ndarray, expected: Rle) -> bool:
    """Tell whether an H×W bool array is ``expected``: compare inside its box, and count pixels outside."""
    window, (left, top) = rle_codec.decode_window(expected)
    height, width = window.shape
    inside = found[top : top + height, left : left + width]
    return np.array_equal(inside, window) and int(np.count_nonzero(found)) == int(np.count_nonzero(window))


def _encode(mask: np.ndarray) -> Rle:
    """Encode an H×W bool array; only its box is looked at closely, since most of a large picture is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return rle_codec.encode(mask)
    top, left = int(rows[0]), int(columns[0])
    window = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    return rle_codec.encode_window(window, (left, top), (mask.shape[0], mask.shape[1]))


def _floor(iou: float) -> str:
    """``iou`` to three digits, rounded down: 0.9999 is not 1."""
    return f"{int(iou * 1000) / 1000:.3f}"
