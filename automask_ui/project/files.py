"""A project as files: in an archive that is handed out, and in a folder of this machine, brought up to date there.

Both hold what :mod:`automask_ui.project.document` describes, and :mod:`automask_ui.project.sources` reads both.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    work_to_bytes,
)
from automask_ui.project.pictures import Queue
from automask_ui.project.restore import saved_of
from automask_ui.project.sources import MAX_PHOTO_BYTES
from automask_ui.session import Session

__all__ = ["MAX_PHOTOS_BYTES", "PictureToSave", "QueueFolder", "archive_files", "list_files", "photo_files"]

MAX_PHOTOS_BYTES = 256 * 1024**2  # of all photos that go along in an archive; larger ones are dropped beside it


@dataclass(frozen=True)
class PictureToSave:
    """One picture of a project, with what its files hold."""

    row: SavedPicture  # without places
    photo: bytes | Path  # the content of its own file, or that file
    photo_bytes: int  # 0: it has no file
    suffix: str  # of the photo's name
    work: Callable[[], Saved | None]
    thumbnail: Path | None = None


def photo_files(session: Session, models: Mapping[str, AvailableModel]) -> dict[str, bytes]:
    """Names and contents of the files by which the work on one photo can be taken up again.

    Raises:
        CheckpointNotFoundError: the file of the model that found the masks cannot be read.
    """
    image = session.image
    saved = saved_of(session.snapshot(), image, models)
    row = SavedPicture(image.name, image.sha256, "waiting" if saved.model is None else "done", edited=True, work=saved)
    suffix = PurePosixPath(image.name).suffix.lower()
    # A name is anything that a browser sends.
    suffix = suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= 6 else ""
    picture = PictureToSave(row, image.data, len(image.data), suffix, lambda: saved)
    return dict(archive_files(SavedProject((), saved.model, saved.options, 0), [picture]))


def list_files(queue: Queue) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files by which a list of pictures can be taken up again."""
    yield from archive_files(_header(queue), [_to_save(queue, index) for index in range(len(queue.pictures))])


def archive_files(project: SavedProject, pictures: Sequence[PictureToSave]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of a project, the document last.

    Photos are among them where all are small enough: an archive has every one of its photos, or none.

    Args:
        project: without its pictures.
        pictures: whose work is read one after the other. Where the row has it already, it goes into the document.
    """
    sizes = [picture.photo_bytes for picture in pictures]
    with_photos = 0 < max(sizes) <= MAX_PHOTO_BYTES and sum(sizes) <= MAX_PHOTOS_BYTES
    rows = []
    for number, picture in enumerate(pictures, start=1):
        stem, row = f"automask/{number:05d}", picture.row
        if row.work is None and (saved := picture.work()) is not None:
            row = replace(row, work=f"{stem}.json")
            yield f"{stem}.json", work_to_bytes(saved)
        if picture.thumbnail is not None:
            row = replace(row, thumbnail=stem + THUMBNAIL)
            yield stem + THUMBNAIL, picture.thumbnail.read_bytes()
        if with_photos:
            row = replace(row, photo=stem + picture.suffix)
            yield stem + picture.suffix, _bytes_of(picture.photo)
        rows.append(_settled(row))
    yield NAME, to_bytes(replace(project, pictures=tuple(rows)))


class QueueFolder:
    """Keeps one list of pictures in a folder.

    Files go by their content, so that nothing that is there is written again, and whoever else keeps a list in the same
    folder spoils nothing: the document, written last, says what counts.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._works: dict[int, tuple[object, str]] = {}  # picture -> of what its work was made, and where that is

    def mark(self, opened: int | None) -> object:
        """What tells two states of the list apart; ``opened`` is the picture in the main view."""
        queue = self._queue
        items = tuple(replace(item, state="waiting") if item.state == "running" else item for item in queue.items)
        return queue, queue.job, opened, items, tuple(queue.edited(index) for index in range(len(items)))

    def write(self, folder: Path, most: int, opened: int | None) -> None:
        """Bring the folder up to date.

        Raises:
            BatchError: all of it would be more than ``most`` bytes; then the folder goes.
            OSError: the disk cannot take it.
        """
        size = sum(picture.path.stat().st_size for picture in self._queue.pictures)
        # One by one: parents would be open to everybody.
        for part in (folder, folder / "automask"):
            part.mkdir(mode=0o700, exist_ok=True)
        before = set((folder / "automask").iterdir())
        try:
            rows = self._write_files(folder, most - size)
            document = to_bytes(replace(_header(self._queue), pictures=tuple(rows), open=opened))
            write_atomic(folder / NAME, document, is_private=True)
        except OSError:
            # A full disk is given its space back; what was kept before stays.
            _keep_only(folder, before)
            raise
        places = [place for row in rows for place in (row.work, row.photo, row.thumbnail)]
        _keep_only(folder, {folder / place for place in places if isinstance(place, str)})

    def _write_files(self, folder: Path, left: int) -> list[SavedPicture]:
        """Write what is not there yet; all but photos may have ``left`` bytes."""
        queue, rows = self._queue, []
        for index, picture in enumerate(queue.pictures):
            if left < 0:
                shutil.rmtree(folder, ignore_errors=True)
                raise BatchError(f"{len(queue.pictures)} pictures with their masks are too large together.")
            to_save = _to_save(queue, index)
            row = replace(to_save.row, photo=f"automask/{queue.sha256(index)}{to_save.suffix}")
            if not (folder / str(row.photo)).exists():
                write_atomic(folder / str(row.photo), picture.path, is_private=True)
            if (work := self._write_work(folder, index, to_save)) is not None:
                row = replace(row, work=work)
                left -= (folder / work).stat().st_size
            if to_save.thumbnail is not None:
                row = replace(row, thumbnail=_write(folder, to_save.thumbnail.read_bytes(), THUMBNAIL))
            rows.append(_settled(row))
        return rows

    def _write_work(self, folder: Path, index: int, picture: PictureToSave) -> str | None:
        made_of = self._queue.edited(index) or (self._queue.job, self._queue.items[index])
        known, place = self._works.get(index, (None, ""))
        if known == made_of and (folder / place).exists():
            return place
        saved = picture.work()
        if saved is None:
            return None
        place = _write(folder, work_to_bytes(saved), ".json")
        self._works[index] = (made_of, place)
        return place


def _to_save(queue: Queue, index: int) -> PictureToSave:
    picture, item = queue.pictures[index], queue.items[index]
    state: Literal["failed", "waiting"] = "failed" if item.state == "failed" else "waiting"
    is_edited = queue.edited(index) is not None
    row = SavedPicture(item.name, queue.sha256(index), state, item.seconds, item.error[:MAX_ERROR], is_edited)
    size = picture.path.stat().st_size
    return PictureToSave(
        row, picture.path, size, picture.path.suffix, lambda: queue.saved(index), queue.thumbnail(index)
    )


def _settled(row: SavedPicture) -> SavedPicture:
    """What there is to say of a picture; without masks it has failed, or has to be looked at (again)."""
    if isinstance(row.work, str):
        return replace(row, state="done")
    return replace(row, seconds=None, error="") if row.state == "waiting" else row


def _header(queue: Queue) -> SavedProject:
    model = queue.model if queue.job is not None else None
    return SavedProject((), model, queue.job.options if queue.job and model else None)


def _bytes_of(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def _keep_only(folder: Path, files: set[Path]) -> None:
    """Remove all but the document and ``files``, also what a crash left half-written."""
    for path in {*(folder / "automask").iterdir(), *folder.glob(f"*{PART}")} - files:
        path.unlink(missing_ok=True)


def _write(folder: Path, data: bytes, suffix: str) -> str:
    """Put ``data`` into the folder under a name that it gives itself."""
    place = f"automask/{hashlib.sha256(data).hexdigest()}{suffix}"
    if not (folder / place).exists():
        write_atomic(folder / place, data, is_private=True)
    return place
