"""A visitor's list of pictures at work: the run over it, and which of its pictures is in the main view."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from automask_ui.errors import BatchError, NoImageError
from automask_ui.masks import MaskResult
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.project.list_run import ListRun
from automask_ui.project.pictures import Item, PictureList
from automask_ui.project.restore_photo import saved_of
from automask_ui.session import Session

__all__ = ["WorkingList"]


@dataclass(frozen=True)
class _Opened:
    """The picture of a list that is in the main view."""

    index: int
    session: Session
    before: tuple[int, MaskResult | None]  # the session's version and result when its edits were last collected
    item: Item  # what was known of the picture


class WorkingList:
    """A visitor's list of pictures, the run over it, and which of its pictures is in the main view."""

    def __init__(self, pictures: PictureList) -> None:
        self.pictures = pictures
        self.begun_at = time.monotonic()
        self.run = ListRun(pictures)
        self._opened: _Opened | None = None
        self._writers = 0  # downloads that are being written
        self._asked = 0  # pictures that the page has asked for, one after the other
        self._lock = threading.Lock()  # held while the three above are used or changed
        self._opening = threading.Lock()  # held while a picture is opened

    @contextmanager
    def being_written(self) -> Iterator[None]:
        """Keep all pictures for as long as the block lasts, which writes them to a file."""
        with self._lock:
            self._writers += 1
        try:
            yield
        finally:
            with self._lock:
                self._writers -= 1

    @contextmanager
    def being_opened(self) -> Iterator[bool]:
        """Open a picture in the block, after those asked for before; gives whether it is the last one asked for."""
        with self._lock:
            self._asked += 1
            place = self._asked
        with self._opening:
            yield place == self._asked

    def check_index(self, index: object) -> int:
        """``index``, which may be anything that a page sends, as that of a picture.

        Raises:
            NoImageError: there is no such picture.
        """
        if type(index) is not int or not 0 <= index < len(self.pictures.items):
            raise NoImageError("There is no such picture in the list.")
        return index

    def note_opened(self, index: int, session: Session, item: Item) -> None:
        """Take note that ``session`` is on the picture with this index, as it was when ``item`` was known of it."""
        with self._lock:
            self._opened = _Opened(index, session, (session.editor.version, session.result), item)

    def has_new_masks(self) -> bool:
        """Whether the run has found masks of the open picture since it was opened; those that were edited stay."""
        opened = self._opened
        if opened is None:
            return False
        item = self.pictures.items[opened.index]
        return item != opened.item and item.state == "done" and not item.edited

    def note_restored(self, index: int, session: Session) -> None:
        """Take note of ``session``, which was there before the list, if it is on the picture with this index."""
        saved = self.pictures.saved(index)
        if saved is not None and session.image.sha256 == saved.image.sha256:
            self.note_opened(index, session, self.pictures.items[index])

    def remove(self, index: int) -> None:
        """Take a picture out of the list; the main view keeps what it shows.

        Raises:
            BatchError: the list is being worked on, or written to a file.
        """
        if self.run.is_running:
            raise BatchError("The list is being worked on: stop it before you take a picture out.")
        with self._lock:
            if self._writers:
                raise BatchError("The list is being written to a file: take the picture out when that is done.")
            self.pictures.remove(index)
            opened = self._opened
            if opened is not None:
                place = opened.index - (opened.index > index)
                self._opened = None if opened.index == index else replace(opened, index=place)

    def open_index(self, current: Session | None) -> int | None:
        """Which picture is in the main view, if the ``current`` session is on one of them."""
        opened = self._opened
        return opened.index if opened is not None and current is opened.session else None

    def mark(self, current: Session | None) -> object:
        """What tells two states of the list apart; ``current`` is the session in the main view."""
        pictures = self.pictures
        items = tuple(replace(item, state="waiting") if item.state == "running" else item for item in pictures.items)
        edited = tuple(pictures.edited.get(index) for index in range(len(items)))
        return pictures, pictures.task, self.open_index(current), items, edited

    def collect_edits(self, models: Mapping[str, AvailableModel]) -> None:
        """Take what was done to the open picture into the list."""
        with self._lock:
            opened = self._opened
            if opened is None:
                return
            session, now = opened.session, (opened.session.editor.version, opened.session.result)
            if now[0] != opened.before[0] or now[1] is not opened.before[1]:
                self.pictures.set_edited(opened.index, saved_of(session.snapshot(), session.image, models))
                self._opened = replace(opened, before=now)
