"""Pictures that a visitor drops, as files or in ZIPs, into a folder of ours: counted, measured, and under our names."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import ZipInfo

from automask_ui import limits
from automask_ui.batch.pictures import SUFFIXES, Listing, Picture
from automask_ui.errors import BatchError, ImageTooLargeError
from automask_ui.files.images import check_photo_bytes
from automask_ui.files.names import safe_stem, unused_name
from automask_ui.files.safe_zip import Archive, is_archive, open_archive

__all__ = [
    "MAX_BYTES",
    "MAX_NAME",
    "MAX_PICTURES",
    "Upload",
    "check_bytes",
    "check_count",
    "collect",
    "inside",
    "unused",
]

MAX_PICTURES = 200
MAX_BYTES = 1024**3  # of all pictures' files together, unpacked
MAX_NAME = 255  # characters

_JUNK = "__MACOSX"  # what macOS puts into ZIPs beside the pictures


class Upload(NamedTuple):
    """A file that a visitor has brought."""

    path: Path  # here, where its name may be another one
    name: str  # where it comes from

    @classmethod
    def of(cls, file: Upload | Path | str) -> Upload:
        """``file``; a path's own name is the name."""
        return file if isinstance(file, Upload) else cls(Path(file), Path(file).name)


def collect(files: Sequence[Upload | Path], folder: Path) -> Listing:
    """The pictures in ``files``, copied into ``folder``; those in ZIPs are unpacked. Other files are counted.

    Names in a ZIP are for people only: every picture's file gets one of ours.

    Raises:
        ArchiveError: a ZIP cannot be read.
        BatchError: there are no pictures, too many, or too many bytes.
    """
    listing = Listing()
    used: set[str] = set()
    size = 0
    for name, source in _sources(map(Upload.of, files), listing):
        check_count(len(listing.pictures) + 1)
        suffix = PurePosixPath(name).suffix.lower()
        target = folder / f"{len(listing.pictures):05d}{suffix}"
        if isinstance(source, Path):
            try:
                size += check_photo_bytes(source, name)
            except ImageTooLargeError as error:
                raise BatchError(str(error)) from error
            check_bytes(size)
            shutil.copyfile(source, target)
        else:
            archive, entry = source
            data = archive.read(entry, min(MAX_BYTES - size, limits.MAX_PHOTO_BYTES))
            size += len(data)
            target.write_bytes(data)
        relative = unused(name, used)
        listing.pictures.append(Picture(target, relative, safe_stem(relative)))
    if not listing.pictures:
        raise BatchError(
            f"There is no picture among these files ({listing.others:,} other files). Pictures are known by their "
            f"names: {', '.join(SUFFIXES)}."
        )
    return listing


_WAY = "drop them in parts, or make a dataset of the whole folder with python -m automask_ui batch."


def _sources(files: Iterable[Upload], listing: Listing) -> Iterator[tuple[str, Path | tuple[Archive, ZipInfo]]]:
    """Name and content of every picture."""
    for file, name in files:
        if not is_archive(file):
            if _is_picture(name):
                yield inside(name), file
            else:
                listing.others += 1
            continue
        with open_archive(file) as archive:
            listing.notes.extend(archive.notes)
            check_bytes(sum(entry.file_size for entry in archive.files if _is_picture(entry.filename)))
            for entry in archive.files:
                if _is_picture(entry.filename):
                    yield inside(entry.filename), (archive, entry)
                else:
                    listing.others += 1


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any((part.startswith(".") and part != "..") or part == _JUNK for part in parts)
    return not hidden and PurePosixPath(name).suffix.lower() in SUFFIXES


def inside(name: str) -> str:
    """A name from outside as a path that goes only down; of a very long one, its end."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    # Two slashes at the beginning, of Windows' servers, stay together.
    down = [part for part in parts if part not in ("..", "/", "//") and not part.endswith(":")]
    path = "/".join(down) or "photo"
    return path if len(path) <= MAX_NAME else PurePosixPath(path).name[-MAX_NAME:]


def unused(name: str, used: set[str]) -> str:
    """``name``, with a number where it was met before; not longer than a name may be."""

    def numbered(number: int) -> str:
        path, ending = PurePosixPath(name), f"-{number}"
        too_long = max(0, len(name) + len(ending) - MAX_NAME)
        return str(path.with_stem(path.stem[: max(0, len(path.stem) - too_long)] + ending))

    return unused_name(name, used, numbered)


def check_count(count: int) -> None:
    """Refuse more pictures than a list may have.

    Raises:
        BatchError: there are.
    """
    if count > MAX_PICTURES:
        raise BatchError(f"There are more than {MAX_PICTURES} pictures: {_WAY}")


def check_bytes(size: int) -> None:
    """Refuse more bytes than the pictures of a list may have together.

    Raises:
        BatchError: there are.
    """
    if size > MAX_BYTES:
        raise BatchError(f"The pictures have more than {MAX_BYTES / 1e9:.1f} GB together: {_WAY}")
