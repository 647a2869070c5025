"""Find the pictures of a folder, and choose the names of their files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from automask_ui.batch.paths import exists, same_folder, walk
from automask_ui.errors import BatchError
from automask_ui.files.names import RESERVED_STEM, safe_stem, unused_name

__all__ = ["NOTES", "SUFFIXES", "Failure", "Listing", "Picture", "find_pictures", "printable"]

# What a dataset keeps for itself; a folder that holds one is a dataset, and no place to look for photos.
NOTES = ".automask"

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff", ".bmp", ".dib"),
    *(".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif"),
)

_STEM_START = 40  # characters that a stem keeps when it gets a number, so that it never becomes too long for a file


@dataclass(frozen=True)
class Picture:
    """A picture file below the folder of a run."""

    path: Path
    relative: str  # its path below the folder, with /
    stem: str  # of the files made of it: safe, and different from those of its neighbours

    @property
    def folder(self) -> PurePosixPath:
        """Its folder, relative to the run's folder; "." at the top."""
        return PurePosixPath(self.relative).parent


@dataclass(frozen=True)
class Failure:
    """A picture or folder that could not be worked on, and why."""

    name: str
    reason: str


@dataclass
class Listing:
    """The pictures found in a folder and all folders below it."""

    pictures: list[Picture] = field(default_factory=list)  # in the order of their names, folder by folder
    unreadable: list[Failure] = field(default_factory=list)  # folders
    others: int = 0  # number of files whose names are none of pictures
    notes: list[str] = field(default_factory=list)  # sentences on how the files were read, such as guessed names


def find_pictures(folder: Path, out: Path, kept_stem: Callable[[Picture], str] | None = None) -> Listing:
    """Find all pictures below ``folder`` by their suffix; hidden files, datasets and ``out`` are left out.

    Args:
        folder: where to look.
        out: the dataset.
        kept_stem: gives the stem that a picture has in the dataset already, "" where it has none. It stays the same, so
            that adding and removing pictures never renames the files of others.

    Raises:
        BatchError: there is no such folder, it is ``out`` itself, or there is no picture in it.
    """
    try:
        is_folder = folder.is_dir()
    except OSError as error:
        raise BatchError(f"The folder {folder} could not be read: {error.strerror or error}.") from error
    if not is_folder:
        raise BatchError(f"{folder} is {'no folder' if folder.exists() else 'not there'}: give a folder with pictures.")
    if same_folder(folder, out):
        raise BatchError(f"The dataset cannot be made in {out}, where the pictures are: give another folder.")
    listing = Listing()

    def note(error: OSError) -> None:
        reason = f"the folder could not be read: {error.strerror or error}"
        listing.unreadable.append(Failure(printable(str(error.filename)), reason))

    def is_searched(path: Path) -> bool:
        return not (path.name.startswith(".") or exists(path / NOTES) or same_folder(path, out))

    for below, folders, files in walk(folder, note, is_searched):
        wanted = [name for name in files if _is_picture(name)]
        listing.others += len(files) - len(wanted)
        paths = [below / name for name in wanted]
        pictures = [Picture(folder / path, str(path), safe_stem(path.name)) for path in paths]
        stems = _stems(pictures, folders, kept_stem or (lambda picture: ""))
        listing.pictures += [replace(picture, stem=stem) for picture, stem in zip(pictures, stems, strict=True)]
    if not listing.pictures:
        why = f" {listing.unreadable[0].name}: {listing.unreadable[0].reason}." if listing.unreadable else ""
        raise BatchError(
            f"There is no picture in {folder} or the folders below it ({listing.others:,} other files).{why} "
            f"Pictures are known by their names: {', '.join(SUFFIXES)}."
        )
    return listing


def printable(name: str) -> str:
    """Make a path printable: bytes in it that are no UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _stems(pictures: Sequence[Picture], folders: Iterable[str], kept_stem: Callable[[Picture], str]) -> list[str]:
    """Choose one stem a picture, all different and different from the folders beside them, without regard to case.

    Beside a folder ``a.json`` no picture has the stem ``a`` either: formats make files of a stem and their own endings.
    """
    used = {RESERVED_STEM, *(part.casefold() for name in folders for part in (name, name.rpartition(".")[0]) if part)}
    counts = Counter(picture.stem.casefold() for picture in pictures)
    stems: dict[Picture, str] = {}

    def take(picture: Picture, stem: str) -> None:
        if stem.casefold() not in used:
            used.add(stem.casefold())
            stems[picture] = stem

    kept = {picture: stem for picture in pictures if _may_keep(picture, stem := kept_stem(picture))}
    # Where one came in the place of another that is back now, nobody knows whose the files are: both get new ones.
    claims = Counter(stem.casefold() for stem in kept.values())
    used.update(claim for claim, count in claims.items() if count > 1)
    for picture, stem in kept.items():
        take(picture, stem)
    for picture in pictures:
        if picture not in stems and counts[picture.stem.casefold()] == 1:
            take(picture, picture.stem)
    for picture in pictures:
        if picture not in stems:
            numbered = partial("{}-{}".format, picture.stem[:_STEM_START])
            stems[picture] = unused_name(picture.stem, used, numbered)
    return [stems[picture] for picture in pictures]


def _may_keep(picture: Picture, stem: str) -> bool:
    """Whether ``stem`` is one that is chosen for the picture: its own, or that with a number."""
    ending = stem.removeprefix(f"{picture.stem[:_STEM_START]}-")
    return stem == picture.stem or (ending != stem and ending.isdecimal())
