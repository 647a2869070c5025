"""What export formats share: the item to write, a format's row in the table, and names.

A format writes all items to one binary file, mask by mask, and reads that file back with a reader of its own
(pycocotools, Pillow, OpenCV's polygon fill), so that :mod:`automask_ui.export.proof` can compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from automask_ui.files.names import unique_stems
from automask_ui.masks import Mask, MaskSet
from automask_ui.masks.overlay import NO_CLASS_COLOUR, class_colour, mask_colour
from automask_ui.masks.rle import Rle
from automask_ui.session.class_names import ClassList, clean_text, joined, read_class_list

__all__ = [
    "ADDS",
    "EXACT",
    "HIDES",
    "NO_LABEL",
    "PURPOSES",
    "UNLABELLED",
    "ClassList",
    "DatasetDocument",
    "ExportItem",
    "Exporter",
    "FolderLayout",
    "ReadMask",
    "class_names",
    "class_numbers",
    "classes_in_file",
    "text_name",
    "with_stems",
]

NO_LABEL = "object"  # the class of masks without a label, in formats that need one
UNLABELLED = ClassList((NO_LABEL,))  # the class list where no mask has a label

# What people want with a file, in the order in which the page groups the formats.
PURPOSES = ("train", "correct", "measure", "look", "script")

# What a format may do to a mask. Anything else that is found when the file is read back is a fault.
EXACT = "exact"  # nothing
ADDS = "adds"  # add pixels
HIDES = "hides"  # take pixels away, or all of them

# What a reader gives back for a mask: an RLE, an H×W bool array, or None where the mask is not in the file.
ReadMask = Rle | np.ndarray | None

# Controls, halves of pairs (from names that are no UTF-8), and what XML forbids besides.
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, eq=False)
class ExportItem:
    """One picture with the masks to be written."""

    name: str  # the photo's file name as uploaded: for people and for fields of data, never for a path
    image: np.ndarray  # H×W×3 uint8 RGB
    masks: MaskSet
    ids: tuple[int, ...]  # the numbers shown to the user, one a mask, all different
    labels: tuple[str, ...]  # one a mask; "" = none
    metadata: Mapping[str, Any] = field(default_factory=dict)  # model, options ...: plain values for formats with room
    # All classes in their order, also those that no mask has: numbers stay the same from picture to picture.
    classes: ClassList = field(default_factory=partial(ClassList, ()))
    by_class: bool = False  # pictures show each class in one colour

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
        if self.by_class:
            return self.class_colours
        return tuple(mask_colour(rle) for rle in self.masks.rle)

    @cached_property
    def class_colours(self) -> tuple[str, ...]:
        """ "#rrggbb", one a mask: that of its class, grey for masks without a label."""
        colours = {name: class_colour(place) for place, name in enumerate(class_names([self]))}
        pairs = zip(self.labels, self.class_of, strict=True)
        return tuple(colours[name] if label else NO_CLASS_COLOUR for label, name in pairs)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the picture, px."""
        return self.masks.size_hw

    @cached_property
    def class_of(self) -> tuple[str, ...]:
        """The class of every mask: its label, or :data:`NO_LABEL`."""
        return tuple(clean_text(label) or NO_LABEL for label in self.labels)

    def rows(self) -> Iterator[tuple[int, str, Mask]]:
        """Yield id, class name and mask of every row."""
        yield from zip(self.ids, self.class_of, self.masks, strict=True)


@dataclass(frozen=True)
class FolderLayout:
    """How the ZIP of one picture is unpacked into a dataset folder that many pictures share."""

    above: tuple[str, ...] = ()  # folders of the ZIP that stay above the pictures' own folders
    shared: frozenset[str] = frozenset()  # entries that are the same for every picture, as long as there are no labels
    picture_list: str = ""  # the entry that lists all pictures by their stems: written once, when all are there
    folder_name: Callable[[str], str] = str  # renames a picture's folder where the format's readers take it for another

    def place(self, entry: str, folder: PurePosixPath) -> PurePosixPath:
        """Where ``entry`` of the ZIP goes in the dataset, for a picture from ``folder`` ("." at the top)."""
        above = next((above for above in self.above if entry.startswith(f"{above}/")), "")
        return PurePosixPath(above, *map(self.folder_name, folder.parts), entry.removeprefix(f"{above}/"))

    def has_place(self, path: PurePosixPath, folder: PurePosixPath) -> bool:
        """Whether ``path`` of the dataset is where a file of a picture from ``folder`` goes."""
        own = PurePosixPath(*map(self.folder_name, folder.parts))
        return any(path.is_relative_to(above / own) for above in map(PurePosixPath, self.above or ("",)))


@dataclass(frozen=True)
class DatasetDocument:
    """How one JSON file holds all pictures of a dataset, so that it is written and checked picture by picture."""

    build: Callable[[Sequence[ExportItem]], Mapping[str, Any]]  # the document; arrays in it may be iterators
    pictures: str  # its array of pictures, objects with an "id"
    masks: str  # its array of masks, in the order of the pictures
    picture_id: str  # the field of a mask that holds its picture's id


@dataclass(frozen=True)
class Exporter:
    """One format. ``write`` and ``read`` get the same items, all of them; the masks of an item in its order.

    The row says everything that others need to know of the format: nothing else in the package names formats.
    """

    name: str  # in EXPORTERS, on the command line, in file names
    title: str
    hint: str  # one line: what it is for
    purpose: str  # one of PURPOSES
    extension: str  # of the file, without the dot
    reader: str  # what reads it back, for people
    write: Callable[[Sequence[ExportItem], BinaryIO], None]
    read: Callable[[BinaryIO, Sequence[ExportItem]], Iterable[Iterable[ReadMask]]]  # per item, per mask
    change: str = EXACT  # what the format may do to a mask
    loses: str = ""  # why masks may come back changed, a sentence
    unit: str = "mask"  # what is counted: "mask", "row", or "overlay" where masks are drawn only to be looked at
    has_classes: bool = False  # masks without a label become objects of the class NO_LABEL
    has_negatives: bool = False  # of a picture without masks it can say that nothing is in it
    one_picture_a_file: bool = False  # several pictures are put into a ZIP
    layout: FolderLayout = FolderLayout()  # in dataset folders, for formats that are a ZIP
    whole_dataset: DatasetDocument | None = None  # for formats that hold a dataset in one file
    aliases: tuple[str, ...] = ()  # further names on the command line
    output_mode: str = ""  # SAM's ``output_mode`` that writes the same masks

    def __post_init__(self) -> None:
        if self.purpose not in PURPOSES:
            raise ValueError(f"A format is for one of {', '.join(PURPOSES)}, but {self.name} is for {self.purpose!r}.")

    def nothing_lost(self, count: int) -> str:
        """What a file with ``count`` masks is said to hold when all came back: what is drawn claims no exactness."""
        counted = f"{count:,} {self.unit}" + "s" * (count != 1)
        if self.unit == "overlay":
            return f"{counted} written"
        return f"{counted}, all exact" if count != 1 else f"{counted}, exact"

    def extension_for(self, count: int) -> str:
        """The extension of the file for ``count`` pictures."""
        return "zip" if self.one_picture_a_file and count > 1 else self.extension

    def is_archive(self, count: int = 1) -> bool:
        """Whether the file for ``count`` pictures is a ZIP."""
        return self.extension_for(count) == "zip"


def text_name(name: str) -> str:
    """Replace what no text file can hold in a file's name by "�"; the rest stays, so that the file is found by it."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", name)


def with_stems(items: Sequence[ExportItem]) -> Iterator[tuple[str, ExportItem]]:
    """Pair every item with a stem for its files: safe, and different from those of the others."""
    return zip(unique_stems(item.name for item in items), items, strict=True)


def class_names(items: Sequence[ExportItem]) -> list[str]:
    """List all class names: class lists first, then other labels, at last the class of masks without a label.

    Without a class list, numbers therefore do not depend on which mask happens to have no label.
    """
    return list(_class_list(items).names)


def classes_in_file(path: Path) -> ClassList:
    """The class list in a file of another tool or a table, and after all others the class of masks without a label.

    Raises:
        LabelError: it cannot be read, or there is no class list in it.
    """
    found = read_class_list(path)
    return replace(joined([found, UNLABELLED]), notes=found.notes)


def class_numbers(items: Sequence[ExportItem], first: int) -> dict[str, int]:
    """Number all class names, in the order of :func:`class_names`: as the class list does, else from ``first`` on."""
    classes = _class_list(items)
    numbers = range(first, first + len(classes.names)) if classes.ids is None else classes.ids
    return dict(zip(classes.names, numbers, strict=True))


def _class_list(items: Sequence[ExportItem]) -> ClassList:
    lists: dict[ClassList, None] = {}
    met: dict[str, None] = {}
    # One pass: a sequence may read its items from disk.
    for item in items:
        lists[item.classes] = None
        met |= dict.fromkeys(item.class_of)
    listed = joined(lists)
    added = [name for name in met if name not in listed.names]
    added.sort(key=lambda name: name == NO_LABEL)
    return joined([listed, ClassList(tuple(added))])
