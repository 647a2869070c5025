"""What every export format is made of: the item, the format's own row, and names that are safe in files.

A format writes all items to one binary file, mask by mask, and reads that file back with a reader of its own
(pycocotools, Pillow, OpenCV's polygon fill), so that :mod:`automask_ui.export.proof` can compare.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from automask_ui.masks import Mask, MaskSet
from automask_ui.overlay import mask_colour
from automask_ui.rle import Rle

__all__ = [
    "ADDS",
    "EXACT",
    "HIDES",
    "NO_LABEL",
    "ExportItem",
    "Exporter",
    "Found",
    "class_names",
    "clean_text",
    "safe_stem",
    "unique_stems",
]

NO_LABEL = "object"  # the class of masks without a label, in formats that need one
MAX_STEM = 100  # characters of a file name
MAX_STEM_BYTES = 180  # of its UTF-8: file systems allow 255 for the whole name

# What a format may do to a mask. Anything else that is found when the file is read back is a fault.
EXACT = "exact"  # nothing
ADDS = "adds"  # add pixels
HIDES = "hides"  # take pixels away, or all of them

# What a reader gives back for a mask: an RLE, an H×W bool array, or None where the mask is not in the file.
Found = Rle | np.ndarray | None

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class ExportItem:
    """One picture with the masks to be written."""

    name: str  # the photo's file name as uploaded: for people and for fields of data, never for a path
    image: np.ndarray  # H×W×3 uint8 RGB
    masks: MaskSet
    ids: tuple[int, ...]  # the numbers shown to the user, one a mask, all different
    labels: tuple[str, ...]  # one a mask; "" = none
    metadata: Mapping[str, Any] = field(default_factory=dict)  # model, options ...: plain values for formats with room

    def __post_init__(self) -> None:
        if not len(self.masks) == len(self.ids) == len(self.labels):
            raise ValueError(f"{len(self.masks)} masks, but {len(self.ids)} ids and {len(self.labels)} labels.")
        if self.image.shape[:2] != tuple(self.masks.size_hw):
            raise ValueError(f"The image is {self.image.shape[:2]}, but the masks are {self.masks.size_hw}.")
        # Plain integers, whatever came in: they go into JSON and file names.
        object.__setattr__(self, "ids", tuple(int(id_) for id_ in self.ids))
        if len(set(self.ids)) < len(self.ids):
            raise ValueError("Two masks have the same id.")

    @cached_property
    def colours(self) -> tuple[str, ...]:
        """ "#rrggbb", one a mask: the same as on the page."""
        return tuple(mask_colour(rle) for rle in self.masks.rle)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the picture, px."""
        return self.masks.size_hw

    def rows(self) -> Iterator[tuple[int, str, Mask]]:
        """Id, class name and mask of every row."""
        for id_, label, mask in zip(self.ids, self.labels, self.masks, strict=True):
            yield id_, clean_text(label) or NO_LABEL, mask


@dataclass(frozen=True)
class Exporter:
    """One format. ``write`` and ``read`` get the same items, all of them; the masks of an item in its order."""

    name: str  # in EXPORTERS, on the command line, in file names
    title: str
    hint: str  # one line: what it is for
    extension: str  # of the file, without the dot
    reader: str  # what reads it back, for people
    write: Callable[[Sequence[ExportItem], BinaryIO], None]
    read: Callable[[BinaryIO, Sequence[ExportItem]], Iterable[Iterable[Found]]]  # per item, per mask
    change: str = EXACT  # what the format may do to a mask
    loses: str = ""  # why masks may come back changed, a sentence
    unit: str = "mask"  # what is counted: "mask", "row" or "picture"
    one_picture_a_file: bool = False  # several pictures are put into a ZIP

    def extension_for(self, count: int) -> str:
        """The extension of the file for ``count`` pictures."""
        return "zip" if self.one_picture_a_file and count > 1 else self.extension


def safe_stem(name: str) -> str:
    """A file name's stem made of ``name`` that is safe in any folder, archive and system; letters of all scripts stay.

    Separators, control characters and what Windows forbids are dropped, so are leading dots; reserved names get an
    underscore. "photo" where nothing is left.
    """
    stem = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).name
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", stem)
    kept = (char for char in stem if char not in "<>:\"/\\|?*%#'`$&;{}[]!^~" and unicodedata.category(char)[0] != "C")
    stem = re.sub(r"\s+", " ", "".join(kept)).strip(" .-_")[:MAX_STEM]
    stem = stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore").strip(" .-_")
    # Windows reserves "con" and also "con.anything".
    if _RESERVED.fullmatch(stem.split(".")[0].strip()):
        stem = f"_{stem}"
    return stem or "photo"


def unique_stems(items: Sequence[ExportItem]) -> list[str]:
    """One safe stem an item, all different, also where case does not count."""
    stems: list[str] = []
    used: set[str] = set()
    for item in items:
        stem = candidate = safe_stem(item.name)
        number = 2
        while candidate.casefold() in used:
            candidate = f"{stem}-{number}"
            number += 1
        used.add(candidate.casefold())
        stems.append(candidate)
    return stems


def clean_text(text: str) -> str:
    """``text`` on one line and without control characters, which XML and line-based formats cannot hold."""
    return " ".join("".join(char if unicodedata.category(char)[0] != "C" else " " for char in text).split())


def class_names(items: Sequence[ExportItem]) -> list[str]:
    """The class names that occur, in the order in which they are met."""
    return list(dict.fromkeys(name for item in items for _, name, _ in item.rows()))
