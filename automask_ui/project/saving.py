"""A project as files: in an archive that is handed out, and in a folder of this machine, brought up to date there.

Both hold what :mod:`automask_ui.project.document` describes, and :mod:`automask_ui.project.sources` reads both.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from automask_ui.errors import BatchError
from automask_ui.files.atomic import PART, write_atomic
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.project.document import (
    MAX_ERROR,
    NAME,
    THUMBNAIL,
    Saved,
    SavedPicture,
    SavedProject,
    to_bytes,
)
from automask_ui.project.pictures import PictureList
from automask_ui.project.restore_photo import saved_of
from automask_ui.project.sources import MAX_ARCHIVED_PHOTO_BYTES
from automask_ui.session import Session

__all__ = ["PictureToSave", "ProjectFolder", "ProjectToSave", "archive_files", "list_to_save", "photo_to_save"]

MAX_PHOTOS_BYTES = 256 * 1024**2  # of all photos that go along in an archive; larger ones are dropped beside it


@dataclass(frozen=True)
class PictureToSave:
    """One picture of a project, with what its files hold."""

    row: SavedPicture  # without places; with the work itself where that goes into the document
    photo: bytes | Path  # its own file, or the content of that
    photo_bytes: int  # 0: it was not made of a file
    suffix: str  # of the photo's name
    work: Callable[[], Saved | None]  # what goes into a file beside the document
    made_of: object = None  # what tells two states of that work apart
    thumbnail: Path | None = None


@dataclass(frozen=True)
class ProjectToSave:
    """A project with what its files hold."""

    header: SavedProject  # without pictures
    pictures: Sequence[PictureToSave]


def photo_to_save(session: Session, models: Mapping[str, AvailableModel]) -> ProjectToSave:
    """The work on one photo, to be saved.

    Raises:
        CheckpointNotFoundError: the file of the model that found the masks cannot be read.
    """
    image = session.image
    saved = saved_of(session.snapshot(), image, models)
    row = SavedPicture(image.name, image.sha256, "waiting" if saved.model is None else "done", edited=True, work=saved)
    suffix = PurePosixPath(image.name).suffix.lower()
    # A name is anything that a browser sends.
    suffix = suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= 6 else ""
    picture = PictureToSave(row, image.data, len(image.data), suffix, lambda: None)
    return ProjectToSave(SavedProject((), saved.model, saved.options, 0), [picture])


def list_to_save(pictures: PictureList, opened: int | None = None) -> ProjectToSave:
    """A list of pictures as it is now, to be saved; ``opened`` is the one in the main view.

    Raises:
        OSError: a picture's file cannot be read.
    """
    pictures = pictures.snapshot()
    model = pictures.model if pictures.task is not None else None
    options = pictures.task.options if pictures.task is not None and model is not None else None
    rows = [_from_list(pictures, index) for index in range(len(pictures.pictures))]
    return ProjectToSave(SavedProject((), model, options, opened), rows)


def _from_list(pictures: PictureList, index: int) -> PictureToSave:
    picture, item, edited = pictures.pictures[index], pictures.items[index], pictures.edited.get(index)
    sha256 = pictures.sha256(index)
    state: Literal["failed", "waiting"] = "failed" if item.state == "failed" else "waiting"
    row = SavedPicture(item.name, sha256, state, item.seconds, item.error[:MAX_ERROR], edited is not None)
    return PictureToSave(
        row,
        picture.path,
        picture.path.stat().st_size,
        picture.path.suffix,
        lambda: pictures.saved(index),
        (sha256, edited or (pictures.task, item)),
        pictures.thumbnails.get(picture),
    )


def archive_files(project: ProjectToSave) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a project's files in an archive, one after the other, the document last.

    Photos are among them where all are small enough: an archive has every one of its photos, or none.
    """
    sizes = [picture.photo_bytes for picture in project.pictures]
    with_photos = 0 < max(sizes) <= MAX_ARCHIVED_PHOTO_BYTES and sum(sizes) <= MAX_PHOTOS_BYTES
    rows = []
    for number, picture in enumerate(project.pictures, start=1):
        stem, row = f"automask/{number:05d}", picture.row
        if (saved := picture.work()) is not None:
            row = replace(row, work=f"{stem}.json")
            yield f"{stem}.json", to_bytes(saved)
        if picture.thumbnail is not None:
            row = replace(row, thumbnail=stem + THUMBNAIL)
            yield stem + THUMBNAIL, picture.thumbnail.read_bytes()
        if with_photos:
            photo = picture.photo
            row = replace(row, photo=stem + picture.suffix)
            yield stem + picture.suffix, photo if isinstance(photo, bytes) else photo.read_bytes()
        rows.append(_settled(row))
    yield NAME, to_bytes(replace(project.header, pictures=tuple(rows)))


class ProjectFolder:
    """Keeps a project in a folder.

    Files go by their content, so that nothing that is there is written again, and whoever else keeps a project in the
    same folder spoils nothing: the document, written last, says what counts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._works: dict[int, tuple[object, str]] = {}  # picture -> of what its work was made, and where that is

    def write(self, project: ProjectToSave, most: int) -> None:
        """Bring the folder up to date.

        Raises:
            BatchError: all of it would be more than ``most`` bytes; then the folder goes.
            OSError: the disk cannot take it.
        """
        folder = self._folder
        # One by one: parents would be open to everybody.
        for part in (folder, folder / "automask"):
            part.mkdir(mode=0o700, exist_ok=True)
        before = set((folder / "automask").iterdir())
        try:
            left = most - sum(picture.photo_bytes for picture in project.pictures)
            rows = []
            for index, picture in enumerate(project.pictures):
                row, size = (picture.row, 0) if left < 0 else self._write_picture(index, picture)
                rows.append(row)
                left -= size
            document = to_bytes(replace(project.header, pictures=tuple(rows)))
            if left < len(document):
                shutil.rmtree(folder, ignore_errors=True)
                many = len(rows) > 1
                start = f"{len(rows)} pictures with their masks are" if many else "This picture with its masks is"
                raise BatchError(f"{start} too large to be kept: download {'them' if many else 'it'}.")
            write_atomic(folder / NAME, document, is_private=True)
        except OSError:
            # A full disk is given its space back; what was kept before stays.
            _remove_others(folder, before)
            raise
        places = [place for row in rows for place in (row.work, row.photo, row.thumbnail)]
        _remove_others(folder, {folder / place for place in places if isinstance(place, str)})

    def _write_picture(self, index: int, picture: PictureToSave) -> tuple[SavedPicture, int]:
        """Write what is not there yet of one picture; its row, and the bytes of its work."""
        row, size = picture.row, 0
        if picture.photo_bytes:
            row = replace(row, photo=self._write(picture.photo, picture.suffix, row.sha256))
        if (work := self._write_work(index, picture)) is not None:
            row, size = replace(row, work=work), (self._folder / work).stat().st_size
        if picture.thumbnail is not None:
            row = replace(row, thumbnail=self._write(picture.thumbnail.read_bytes(), THUMBNAIL))
        return _settled(row), size

    def _write_work(self, index: int, picture: PictureToSave) -> str | None:
        known, place = self._works.get(index, (None, ""))
        if known is not None and known == picture.made_of and (self._folder / place).exists():
            return place
        saved = picture.work()
        if saved is None:
            return None
        place = self._write(to_bytes(saved), ".json")
        self._works[index] = (picture.made_of, place)
        return place

    def _write(self, content: bytes | Path, suffix: str, sha256: str = "") -> str:
        """Put a file into the folder, unless it is there; its place, which goes by its hash."""
        if not sha256:
            assert isinstance(content, bytes)  # the hashes of files are known
            sha256 = hashlib.sha256(content).hexdigest()
        place = f"automask/{sha256}{suffix}"
        if not (self._folder / place).exists():
            write_atomic(self._folder / place, content, is_private=True)
        return place


def _settled(row: SavedPicture) -> SavedPicture:
    """What there is to say of a picture; without masks it has failed, or has to be looked at (again)."""
    if isinstance(row.work, str):
        return replace(row, state="done")
    return replace(row, seconds=None, error="") if row.state == "waiting" else row


def _remove_others(folder: Path, files: Iterable[Path]) -> None:
    """Remove all but the document and ``files``, also what a crash left half-written."""
    for path in {*(folder / "automask").iterdir(), *folder.glob(f"*{PART}")} - set(files):
        path.unlink(missing_ok=True)
