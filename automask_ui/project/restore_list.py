"""A list of pictures restored from an archive that was downloaded, with or without its photos, or from a kept folder.

Everything in it may be anybody's: it is read within bounds, checked, and every photo must be the one that it says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from automask_ui.batch.pictures import Picture
from automask_ui.errors import AutoMaskError, BatchError, ImageError, RestoreError
from automask_ui.files.hashes import sha256_of
from automask_ui.files.images import load_image
from automask_ui.files.names import path_inside, safe_stem, unused_path
from automask_ui.files.upload_checks import MAX_BYTES, MAX_PICTURES, Upload
from automask_ui.project.collect_uploads import collect
from automask_ui.project.document import Saved, SavedPicture, SavedProject
from automask_ui.project.pictures import Item, PictureList, batch_task
from automask_ui.project.restore_photo import found_of
from automask_ui.project.sources import Source, open_source, read_work
from automask_ui.project.thumbnails import THUMBNAIL_PX

__all__ = ["RestoredList", "restore_list", "saved_photo"]

MAX_WORK_BYTES = 256 * 1024**2  # of all pictures' documents together
MAX_THUMBNAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class RestoredList:
    """A list of pictures as it was, and what is otherwise."""

    pictures: PictureList | None  # None: not one of its photos is there
    back: int  # pictures that were in it
    missing: tuple[str, ...]  # names of those that are left out, since their photos were not there
    added: int  # photos that were there besides
    open: int | None = None  # the picture that was in the main view


@dataclass(frozen=True)
class _Photo:
    path: Path
    sha256: str


def saved_photo(path: Path, project: SavedProject) -> bytes | None:
    """The photo's own file of a project of one, where it is in the archive or folder at ``path``.

    Raises:
        ArchiveError: it cannot be read.
    """
    place = project.pictures[0].photo
    with open_source(path) as source:
        return source.read(place, source.largest_photo) if place is not None and source.has(place) else None


def restore_list(path: Path, project: SavedProject, photos: Sequence[Upload | Path], folder: Path) -> RestoredList:
    """Restore a list of pictures in ``folder``, which is empty.

    Args:
        path: an archive, or a folder of :class:`automask_ui.project.saving.ProjectFolder`.
        project: the document in it.
        photos: files that came along, photos and archives of photos; those that are none of the list's are added.
        folder: of the new list.

    Raises:
        ArchiveError: the archive cannot be read, or holds more than it may.
        RestoreError: the work on a picture is not as it must be, or belongs to another one.
        BatchError: there are too many pictures, or the disk cannot take them.
    """
    with open_source(path) as source:
        works = _read_works(source, project)
        own = _photos_inside(source, project, folder)
        beside = collect(photos, folder).pictures if photos else []
        brought, others = _photos_beside(project, works, own, beside)
        own |= brought
        missing = tuple(row.name for index, row in enumerate(project.pictures) if index not in own)
        if not own:
            return RestoredList(None, 0, missing, len(others))
        if len(own) + len(others) > MAX_PICTURES:
            raise BatchError(f"There are more than {MAX_PICTURES} pictures: drop new ones by themselves.")
        pictures = PictureList(_pictures(project, own, others), folder)
        order = sorted(own)
        _fill(pictures, project, own, works)
        for place, index in enumerate(order):
            _restore_thumbnail(pictures, place, source, project.pictures[index])
    opened = order.index(project.open) if project.open in own else None
    return RestoredList(pictures, len(order), missing, len(others), opened)


def _read_works(source: Source, project: SavedProject) -> dict[int, Saved]:
    """Every picture's masks and edits, checked, each for the picture that the list says."""
    works, left = {}, MAX_WORK_BYTES
    for index, row in enumerate(project.pictures):
        saved, size = read_work(source, row, left)
        left -= size
        if saved is not None:
            works[index] = saved
    return works


def _photos_inside(source: Source, project: SavedProject, folder: Path) -> dict[int, _Photo]:
    """The photos that are kept along, as files in ``folder``."""
    found, left = {}, MAX_BYTES
    for index, row in enumerate(project.pictures):
        if row.photo is None:
            continue
        data = source.read(row.photo, min(left, source.largest_photo))
        left -= len(data)
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise RestoreError(f"{row.photo} in {source.name} is not {row.name}, to which the masks belong.")
        path = folder / f"kept-{index:05d}{PurePosixPath(row.photo).suffix}"
        path.write_bytes(data)
        found[index] = _Photo(path, row.sha256)
    return found


def _photos_beside(
    project: SavedProject, works: Mapping[int, Saved], known: Mapping[int, _Photo], beside: Sequence[Picture]
) -> tuple[dict[int, _Photo], list[Picture]]:
    """Which photos beside are pictures of the list that have none yet, and which are none of its pictures.

    A photo is known by its file, or else by its pixels: it may have been saved again without loss.
    """
    found: dict[int, _Photo] = {}
    others: list[tuple[Picture, str]] = []
    hashes = {row.sha256 for row in project.pictures}
    wanted = [index for index in range(len(project.pictures)) if index not in known]
    for picture in beside:
        sha256 = sha256_of(picture.path)
        index = next((i for i in wanted if i not in found and project.pictures[i].sha256 == sha256), None)
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


def _pictures(project: SavedProject, own: Mapping[int, _Photo], others: Sequence[Picture]) -> list[Picture]:
    """Pictures of the new list: those of the list in their order, then those that came besides."""
    used: set[str] = set()
    pictures = []
    for name, path in [
        *((project.pictures[index].name, own[index].path) for index in sorted(own)),
        *((picture.relative, picture.path) for picture in others),
    ]:
        relative = unused_path(path_inside(name), used)
        pictures.append(Picture(path, relative, safe_stem(relative)))
    return pictures


def _fill(pictures: PictureList, project: SavedProject, own: Mapping[int, _Photo], works: Mapping[int, Saved]) -> None:
    task = batch_task(project.model, project.options) if project.model and project.options else None
    rows: list[tuple[int, Item, Saved | None]] = []
    for place, index in enumerate(sorted(own)):
        row, saved, name = project.pictures[index], works.get(index), pictures.items[place].name
        if saved is None:
            item = Item(name, row.state, None, row.seconds, row.error)
        else:
            saved = replace(saved, image=replace(saved.image, name=name, sha256=own[index].sha256))
            is_edited = row.edited or not _is_as_found(saved, project)
            item = Item(name, "done", len(saved.edited().ids), row.seconds, row.error, is_edited)
        rows.append((place, item, saved))
    pictures.restore(task, project.model, rows)


def _is_as_found(saved: Saved, project: SavedProject) -> bool:
    """Whether the masks are what the list's own run has found, with nothing done to them."""
    if project.model is None or project.options is None:
        return False
    if (saved.model, saved.options) != (project.model, project.options):
        return False
    found = found_of(saved.image, project.model, project.options, saved.masks)
    # In whatever order they are numbered: it was another one in earlier releases.
    parts = [(one.partial, sorted(one.ids), sorted(one.fingerprints), one.show, one.edits) for one in (saved, found)]
    return parts[0] == parts[1]


def _restore_thumbnail(pictures: PictureList, index: int, source: Source, row: SavedPicture) -> None:
    """Make the thumbnail again of the one that is kept; a picture whose thumbnail cannot be used has none."""
    if row.thumbnail is None:
        return
    with suppress(AutoMaskError):
        data = source.read(row.thumbnail, MAX_THUMBNAIL_BYTES)
        rgb = load_image(data, name=row.name, max_pixels=THUMBNAIL_PX**2).rgb
        pictures.thumbnails.make(pictures.pictures[index], rgb)
