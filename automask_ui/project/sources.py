"""Where saved projects are read from: archives, folders and lone JSON files, each within bounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from automask_ui.errors import ArchiveError, RestoreError
from automask_ui.files.safe_zip import Archive, is_archive, open_archive
from automask_ui.files.upload_checks import MAX_BYTES
from automask_ui.project.document import MAX_JSON_BYTES, NAME, Saved, SavedPicture, SavedProject, parse, parse_work

__all__ = ["MAX_ARCHIVED_PHOTO_BYTES", "Source", "is_saved", "open_source", "read_project", "read_work"]

MAX_ARCHIVED_PHOTO_BYTES = 32 * 1024**2  # of a photo's file inside an archive; a larger one has to be dropped beside it


class Source(Protocol):
    """Files of one saved project."""

    name: str
    largest_photo: int  # bytes

    def read(self, place: str, most: int) -> bytes:
        """Read the file at ``place``, of at most ``most`` bytes.

        Raises:
            ArchiveError: it is not there, larger, or cannot be read.
        """

    def has(self, place: str) -> bool:
        """Whether there is a file at ``place``."""


class _Folder:
    largest_photo = MAX_BYTES

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = folder.name

    def read(self, place: str, most: int) -> bytes:
        """Read the file at ``place``."""
        try:
            with (self._folder / place).open("rb") as file:
                # Python makes room for all that is asked for before it reads.
                data = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
        except OSError as error:
            raise ArchiveError(f"{place} in {self.name} could not be read: {error.strerror or error}.") from error
        if len(data) > most:
            raise ArchiveError(f"{place} in {self.name} has more than {most / 1e6:,.0f} MB, which is the limit here.")
        return data

    def has(self, place: str) -> bool:
        """Whether there is a file at ``place``."""
        return (self._folder / place).is_file()


class _Zip:
    largest_photo = MAX_ARCHIVED_PHOTO_BYTES

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.name = archive.name
        self._entries = {entry.filename: entry for entry in archive.files}

    def read(self, place: str, most: int) -> bytes:
        """Read the entry called ``place``."""
        if not self.has(place):
            raise ArchiveError(f"{place} is missing in {self.name}. Copy or download it again.")
        return self._archive.read(self._entries[place], most)

    def has(self, place: str) -> bool:
        """Whether there is an entry called ``place``."""
        return place in self._entries


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open an archive, or a folder, for as long as the block lasts.

    Raises:
        ArchiveError: the archive is damaged.
    """
    if is_archive(path):
        with open_archive(path) as archive:
            yield _Zip(archive)
    else:
        yield _Folder(path)


def is_saved(path: Path) -> bool:
    """Whether the file is meant as a saved project: JSON, or an archive with the document in it.

    Raises:
        ArchiveError: it is an archive that cannot be read.
    """
    if not is_archive(path):
        return path.suffix.lower() == ".json"
    with open_source(path) as source:
        return source.has(NAME)


def read_project(path: Path) -> SavedProject:
    """Read the document of a saved project from an archive, a folder or a JSON file.

    Raises:
        ArchiveError: the archive cannot be read.
        RestoreError: the document is not there, too large, of another version, or not as it must be.
    """
    if path.is_file() and not is_archive(path):
        if path.stat().st_size > MAX_JSON_BYTES:
            raise RestoreError(f"{path.name} has more than {MAX_JSON_BYTES / 1e6:.0f} MB, which is the limit here.")
        return parse(path.read_bytes(), path.name)
    with open_source(path) as source:
        if not source.has(NAME):
            raise RestoreError(f"{source.name} has no {NAME} in it: drop a ZIP that was downloaded here.")
        return parse(source.read(NAME, MAX_JSON_BYTES), f"{NAME} in {source.name}")


def read_work(source: Source, picture: SavedPicture, most: int) -> tuple[Saved | None, int]:
    """Read the work on one picture, which must be the one that the document says.

    Returns:
        The work, if there is any, and the bytes that were read for it.

    Raises:
        ArchiveError: it cannot be read, or has more than ``most`` bytes.
        RestoreError: it is not as it must be.
    """
    if picture.work is None or isinstance(picture.work, Saved):
        return picture.work, 0
    data = source.read(picture.work, min(most, MAX_JSON_BYTES))
    saved = parse_work(data, f"{picture.work} in {source.name}")
    has_masks = saved.model is not None or len(saved.edited().ids) > 0  # or the visitor's own, before any run
    if saved.image.sha256 != picture.sha256 or not has_masks:
        raise RestoreError(f"{picture.work} in {source.name} is not the work on {picture.name}.")
    return saved, len(data)
