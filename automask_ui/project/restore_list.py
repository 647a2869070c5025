"""A queue taken up again: from an archive that was downloaded, with or without its photos, or from a kept folder.

Everything in it may be anybody's: it is read within bounds, checked, and every photo must be the one that it says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from automask_ui.batch.pictures import Picture
from automask_ui.errors import ArchiveError, AutoMaskError, BatchError, ImageError, ResumeError
from automask_ui.files.hashes import sha256_of
from automask_ui.files.images import load_image
from automask_ui.files.names import safe_stem
from automask_ui.files.safe_zip import Archive, is_archive, open_archive
from automask_ui.project import manifest as kept_list
from automask_ui.project.document import MAX_JSON_BYTES, NAME, Saved, parse
from automask_ui.project.manifest import MAX_LIST_BYTES, KeptList, KeptPicture
from automask_ui.project.pictures import THUMBNAIL_PX, Item, Queue, batch_task
from automask_ui.project.restore import MAX_PHOTO_BYTES, found_of
from automask_ui.project.uploads import MAX_BYTES, MAX_PICTURES, collect, inside, unused

__all__ = ["TakenUp", "holds_queue", "take_up"]

MAX_WORK_BYTES = 256 * 1024**2  # of all pictures' documents together
MAX_THUMBNAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class TakenUp:
    """A queue as it was, and what is otherwise."""

    queue: Queue | None  # None: not one of its photos is there
    back: int  # pictures that were in it
    missing: tuple[str, ...]  # names of those that are left out, since their photos were not there
    added: int  # photos that were there besides
    open: int | None = None  # the picture that was in the main view


@dataclass(frozen=True)
class _Photo:
    path: Path
    sha256: str


class Source(Protocol):
    """Where kept files are."""

    name: str
    largest_photo: int  # bytes

    def read(self, place: str, most: int) -> bytes:
        """The file at ``place``, of at most ``most`` bytes.

        Raises:
            ArchiveError: it is not there, larger, or cannot be read.
        """


def holds_queue(path: Path) -> bool:
    """Whether the file is an archive with the work on many pictures; one that cannot be read is not."""
    with suppress(ArchiveError), open_archive(path) as archive:
        entry = next((entry for entry in archive.files if entry.filename == NAME), None)
        return entry is not None and kept_list.is_list(archive.read(entry, MAX_JSON_BYTES))
    return False


def take_up(path: Path, photos: Sequence[Path], folder: Path) -> TakenUp:
    """The queue whose work is in ``path``, in ``folder``, which is empty.

    Args:
        path: an archive, or a folder of :class:`automask_ui.project.files.QueueFolder`.
        photos: files that came along, photos and archives of photos; those that are none of the queue's are added.
        folder: of the new queue.

    Raises:
        ArchiveError: the archive cannot be read, or holds more than it may.
        ResumeError: the list or a document is not as it must be, or belongs to another picture.
        BatchError: there are too many pictures, or the disk cannot take them.
    """
    with _opened(path) as source:
        kept = kept_list.parse(source.read(NAME, MAX_LIST_BYTES), f"{NAME} in {source.name}")
        works = _read_works(source, kept)
        own = _photos_inside(source, kept, folder)
        beside = collect(photos, folder).pictures if photos else []
        brought, others = _photos_beside(kept, works, own, beside)
        own |= brought
        missing = tuple(row.name for index, row in enumerate(kept.pictures) if index not in own)
        if not own:
            return TakenUp(None, 0, missing, len(others))
        if len(own) + len(others) > MAX_PICTURES:
            raise BatchError(f"There are more than {MAX_PICTURES} pictures: drop new ones by themselves.")
        queue = Queue(_pictures(kept, own, others), folder)
        order = sorted(own)
        _fill(queue, kept, own, works)
        for place, index in enumerate(order):
            _shrink(queue, place, source, kept.pictures[index])
    opened = order.index(kept.open) if kept.open in own else None
    return TakenUp(queue, len(order), missing, len(others), opened)


class _InFolder:
    largest_photo = MAX_BYTES

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = folder.name

    def read(self, place: str, most: int) -> bytes:
        """The file at ``place``."""
        try:
            with (self._folder / place).open("rb") as file:
                # Python makes room for all that is asked for before it reads.
                data = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
        except OSError as error:
            raise ArchiveError(f"{place} in {self.name} could not be read: {error.strerror or error}.") from error
        if len(data) > most:
            raise ArchiveError(f"{place} in {self.name} has more than {most / 1e6:,.0f} MB, which is the limit here.")
        return data


class _InArchive:
    largest_photo = MAX_PHOTO_BYTES

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.name = archive.name
        self._entries = {entry.filename: entry for entry in archive.files}

    def read(self, place: str, most: int) -> bytes:
        """The entry called ``place``."""
        if place not in self._entries:
            raise ArchiveError(f"{place} is missing in {self.name}. Copy or download it again.")
        return self._archive.read(self._entries[place], most)


@contextmanager
def _opened(path: Path) -> Iterator[Source]:
    if not is_archive(path):
        yield _InFolder(path)
        return
    with open_archive(path) as archive:
        yield _InArchive(archive)


def _read_works(source: Source, kept: KeptList) -> dict[int, Saved]:
    """Every picture's masks and edits, checked, each for the picture that the list says."""
    works, left = {}, MAX_WORK_BYTES
    for index, row in enumerate(kept.pictures):
        if row.work is None:
            continue
        data = source.read(row.work, min(left, MAX_JSON_BYTES))
        left -= len(data)
        saved = parse(data, f"{row.work} in {source.name}")
        if saved.image.sha256 != row.sha256 or saved.model is None or saved.options is None:
            raise ResumeError(f"{row.work} in {source.name} is not the work on {row.name}.")
        works[index] = saved
    return works


def _photos_inside(source: Source, kept: KeptList, folder: Path) -> dict[int, _Photo]:
    """The photos that are kept along, as files in ``folder``."""
    found, left = {}, MAX_BYTES
    for index, row in enumerate(kept.pictures):
        if row.photo is None:
            continue
        data = source.read(row.photo, min(left, source.largest_photo))
        left -= len(data)
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise ResumeError(f"{row.photo} in {source.name} is not {row.name}, to which the masks belong.")
        path = folder / f"kept-{index:05d}{PurePosixPath(row.photo).suffix}"
        path.write_bytes(data)
        found[index] = _Photo(path, row.sha256)
    return found


def _photos_beside(
    kept: KeptList, works: Mapping[int, Saved], known: Mapping[int, _Photo], beside: Sequence[Picture]
) -> tuple[dict[int, _Photo], list[Picture]]:
    """Which photos beside are pictures of the list that have none yet, and which are none of its pictures.

    A photo is known by its file, or else by its pixels: it may have been saved again without loss.
    """
    found: dict[int, _Photo] = {}
    others: list[tuple[Picture, str]] = []
    hashes = {row.sha256 for row in kept.pictures}
    wanted = [index for index in range(len(kept.pictures)) if index not in known]
    for picture in beside:
        sha256 = sha256_of(picture.path)
        index = next((i for i in wanted if i not in found and kept.pictures[i].sha256 == sha256), None)
        if index is not None:
            found[index] = _Photo(picture.path, sha256)
        elif sha256 not in hashes:
            others.append((picture, sha256))
    left = []
    for picture, sha256 in others:
        pixels = _pixels_sha256(picture.path) if len(found) < len(wanted) else ""
        index = next(
            (i for i in wanted if i not in found and i in works and works[i].image.pixels_sha256 == pixels), None
        )
        if index is not None:
            found[index] = _Photo(picture.path, sha256)
        else:
            left.append(picture)
    return found, left


def _pixels_sha256(path: Path) -> str:
    try:
        return load_image(path).pixels_sha256
    except ImageError:
        return ""


def _pictures(kept: KeptList, own: Mapping[int, _Photo], others: Sequence[Picture]) -> list[Picture]:
    """Pictures of the new queue: those of the list in their order, then those that came besides."""
    used: set[str] = set()
    pictures = []
    for name, path in [
        *((kept.pictures[index].name, own[index].path) for index in sorted(own)),
        *((picture.relative, picture.path) for picture in others),
    ]:
        relative = unused(inside(name), used)
        pictures.append(Picture(path, relative, safe_stem(relative)))
    return pictures


def _fill(queue: Queue, kept: KeptList, own: Mapping[int, _Photo], works: Mapping[int, Saved]) -> None:
    job = batch_task(kept.model, kept.options) if kept.model and kept.options else None
    rows: list[tuple[int, Item, Saved | None]] = []
    for place, index in enumerate(sorted(own)):
        row, saved, name = kept.pictures[index], works.get(index), queue.items[place].name
        if saved is None:
            item = Item(name, row.state, None, row.seconds, row.error)
        else:
            saved = replace(saved, image=replace(saved.image, name=name, sha256=own[index].sha256))
            gone = saved.edits.deleted & set(saved.numbers)
            is_edited = row.edited or not _is_as_found(saved, kept)
            item = Item(name, "done", len(saved.numbers) - len(gone), row.seconds, row.error, is_edited)
        rows.append((place, item, saved))
    queue.take_up(job, kept.model, rows)


def _is_as_found(saved: Saved, kept: KeptList) -> bool:
    """Whether the masks are what the list's own run has found, with nothing done to them."""
    if kept.model is None or kept.options is None or (saved.model, saved.options) != (kept.model, kept.options):
        return False
    found = found_of(saved.image, kept.model, kept.options, saved.masks)
    parts = [(one.partial, one.numbers, one.contents, one.show, one.edits) for one in (saved, found)]
    return parts[0] == parts[1]


def _shrink(queue: Queue, index: int, source: Source, row: KeptPicture) -> None:
    """Make the thumbnail again of the one that is kept; a picture whose thumbnail cannot be used has none."""
    if row.thumbnail is None:
        return
    with suppress(AutoMaskError):
        data = source.read(row.thumbnail, MAX_THUMBNAIL_BYTES)
        queue.shrink(index, load_image(data, name=row.name, max_pixels=THUMBNAIL_PX**2).rgb)
