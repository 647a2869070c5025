"""A queue's work as files: in the archive of its dataset, and in a folder of this machine, brought up to date there.

Both begin with the list of :mod:`automask_ui.project.manifest`, and :mod:`automask_ui.project.restore_list` reads both.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from automask_ui.errors import BatchError
from automask_ui.project.document import NAME, to_bytes
from automask_ui.project.manifest import MAX_ERROR, THUMBNAIL, KeptList, KeptPicture
from automask_ui.project.manifest import to_bytes as list_to_bytes
from automask_ui.project.pictures import Queue
from automask_ui.project.restore import MAX_PHOTO_BYTES

__all__ = ["MAX_PHOTOS_BYTES", "QueueFolder", "carried"]

MAX_PHOTOS_BYTES = 256 * 1024**2  # of all photos that go along in an archive; larger ones are dropped beside it


def carried(queue: Queue) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files by which a dataset's archive can be taken up again.

    Photos are among them where all are small enough: an archive has every one of its photos, or none.
    """
    sizes = [picture.path.stat().st_size for picture in queue.pictures]
    with_photos = max(sizes) <= MAX_PHOTO_BYTES and sum(sizes) <= MAX_PHOTOS_BYTES
    rows = []
    for index, picture in enumerate(queue.pictures):
        stem, saved, thumbnail = f"automask/{index + 1:05d}", queue.saved(index), queue.thumbnail(index)
        places: dict[str, str] = {}
        if saved is not None:
            places["work"] = f"{stem}.json"
            yield places["work"], to_bytes(saved)
        if thumbnail is not None:
            places["thumbnail"] = stem + THUMBNAIL
            yield places["thumbnail"], thumbnail.read_bytes()
        if with_photos:
            places["photo"] = stem + picture.path.suffix
            yield places["photo"], picture.path.read_bytes()
        rows.append(_row(queue, index, places))
    yield NAME, list_to_bytes(_list(queue, rows))


class QueueFolder:
    """Keeps one queue in a folder. Files go by their content, so that nothing that is there is written again, and
    whoever else keeps a queue in the same folder spoils nothing: the list, written last, says what counts.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._works: dict[int, tuple[object, str]] = {}  # picture -> of what its document was made, and where that is

    def mark(self, opened: int | None) -> object:
        """What tells two states of the queue apart; ``opened`` is the picture in the main view."""
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
            _land(list_to_bytes(_list(self._queue, rows, opened)), folder / NAME)
        except OSError:
            # A full disk is given its space back; what was kept before stays.
            _keep_only(folder, before)
            raise
        _keep_only(folder, {folder / place for row in rows for place in (row.work, row.photo, row.thumbnail) if place})

    def _write_files(self, folder: Path, left: int) -> list[KeptPicture]:
        """Write what is not there yet; all but photos may have ``left`` bytes."""
        queue, rows = self._queue, []
        for index, picture in enumerate(queue.pictures):
            if left < 0:
                shutil.rmtree(folder, ignore_errors=True)
                raise BatchError(f"{len(queue.pictures)} pictures with their masks are too large together.")
            places = {"photo": f"automask/{queue.sha256(index)}{picture.path.suffix}"}
            if not (folder / places["photo"]).exists():
                _land(picture.path, folder / places["photo"])
            if (work := self._write_work(folder, index)) is not None:
                places["work"] = work
                left -= (folder / work).stat().st_size
            if (thumbnail := queue.thumbnail(index)) is not None:
                places["thumbnail"] = _write(folder, thumbnail.read_bytes(), THUMBNAIL)
            rows.append(_row(queue, index, places))
        return rows

    def _write_work(self, folder: Path, index: int) -> str | None:
        queue = self._queue
        made_of = queue.edited(index) or (queue.job, queue.items[index])
        known, place = self._works.get(index, (None, ""))
        if known == made_of and (folder / place).exists():
            return place
        saved = queue.saved(index)
        if saved is None:
            return None
        place = _write(folder, to_bytes(saved), ".json")
        self._works[index] = (made_of, place)
        return place


def _row(queue: Queue, index: int, places: Mapping[str, str]) -> KeptPicture:
    """What there is to say of a picture; without masks it has failed, or has to be looked at (again)."""
    item = queue.items[index]
    state = "done" if "work" in places else "failed" if item.state == "failed" else "waiting"
    told = {"seconds": item.seconds, "error": item.error[:MAX_ERROR]} if state != "waiting" else {}
    is_edited = queue.edited(index) is not None
    return KeptPicture(item.name, queue.sha256(index), state, **told, edited=is_edited, **places)  # type: ignore[arg-type]


def _list(queue: Queue, rows: list[KeptPicture], opened: int | None = None) -> KeptList:
    model = queue.model if queue.job is not None else None
    return KeptList(tuple(rows), model, queue.job.options if queue.job and model else None, opened)


def _keep_only(folder: Path, files: set[Path]) -> None:
    """Remove all but the list and ``files``, also what a crash left half-written."""
    for path in {*(folder / "automask").iterdir(), *folder.glob("*.part")} - files:
        path.unlink(missing_ok=True)


def _write(folder: Path, data: bytes, suffix: str) -> str:
    """Put ``data`` into the folder under a name that it gives itself."""
    place = f"automask/{hashlib.sha256(data).hexdigest()}{suffix}"
    if not (folder / place).exists():
        _land(data, folder / place)
    return place


def _land(content: bytes | Path, target: Path) -> None:
    """Make ``target`` hold this content, at once or not at all, for this user alone."""
    part = target.with_name(f"{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
