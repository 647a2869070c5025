"""Pictures that a visitor uploads, as files or in ZIPs, copied into a folder of ours under our names."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from zipfile import ZipInfo

from automask_ui import limits
from automask_ui.batch.pictures import SUFFIXES, Listing, Picture
from automask_ui.errors import BatchError, ImageTooLargeError
from automask_ui.files.names import path_inside, safe_stem, unused_path
from automask_ui.files.safe_zip import Archive, is_archive, open_archive
from automask_ui.files.upload_checks import MAX_BYTES, Upload, check_bytes, check_count, check_photo_bytes

__all__ = ["collect"]

_JUNK = "__MACOSX"  # what macOS puts into ZIPs beside the pictures


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
        relative = unused_path(name, used)
        listing.pictures.append(Picture(target, relative, safe_stem(relative)))
    if not listing.pictures:
        raise BatchError(
            f"There is no picture among these files ({listing.others:,} other files). Pictures are known by their "
            f"names: {', '.join(SUFFIXES)}."
        )
    return listing


def _sources(files: Iterable[Upload], listing: Listing) -> Iterator[tuple[str, Path | tuple[Archive, ZipInfo]]]:
    """Name and content of every picture."""
    for file, name in files:
        if not is_archive(file):
            if _is_picture(name):
                yield path_inside(name), file
            else:
                listing.others += 1
            continue
        with open_archive(file) as archive:
            listing.notes.extend(archive.notes)
            check_bytes(sum(entry.file_size for entry in archive.files if _is_picture(entry.filename)))
            for entry in archive.files:
                if _is_picture(entry.filename):
                    yield path_inside(entry.filename), (archive, entry)
                else:
                    listing.others += 1


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any((part.startswith(".") and part != "..") or part == _JUNK for part in parts)
    return not hidden and PurePosixPath(name).suffix.lower() in SUFFIXES
