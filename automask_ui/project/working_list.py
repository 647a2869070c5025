"""Lists of pictures at work, one a visitor: the run over each, and which of its pictures is in the main view."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from automask_ui.errors import BatchError, NoImageError
from automask_ui.masks import MaskResult
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.project.list_run import ListRun
from automask_ui.project.pictures import PictureList
from automask_ui.project.restore_photo import saved_of
from automask_ui.session import Session

__all__ = ["WorkingList", "WorkingLists"]

MOST_LISTS = 8  # at a time: each may hold a gigabyte of pictures


@dataclass(frozen=True)
class _Opened:
    """The picture of a list that is in the main view."""

    index: int
    session: Session
    before: tuple[int, MaskResult | None]  # the session's version and result when its edits were last collected


class WorkingList:
    """A visitor's list of pictures, the run over it, and which of its pictures is in the main view."""

    def __init__(self, pictures: PictureList) -> None:
        self.pictures = pictures
        self.begun_at = time.monotonic()
        self.run = ListRun(pictures)
        self._opened: _Opened | None = None
        self._lock = threading.Lock()  # held while ``_opened`` is used or changed

    def check_index(self, index: object) -> int:
        """``index``, which may be anything that a page sends, as that of a picture.

        Raises:
            NoImageError: there is no such picture.
        """
        if type(index) is not int or not 0 <= index < len(self.pictures.items):
            raise NoImageError("There is no such picture in the queue.")
        return index

    def note_opened(self, index: int, session: Session) -> None:
        """Take note that ``session`` is on the picture with this index."""
        with self._lock:
            self._opened = _Opened(index, session, (session.editor.version, session.result))

    def note_restored(self, index: int, session: Session) -> None:
        """Take note of ``session``, which was there before the list, if it is on the picture with this index."""
        saved = self.pictures.saved(index)
        if saved is not None and session.image.sha256 == saved.image.sha256:
            self.note_opened(index, session)

    def remove(self, index: int) -> None:
        """Take a picture out of the list; the main view keeps what it shows.

        Raises:
            BatchError: the list is being worked on.
        """
        if self.run.is_running:
            raise BatchError("The list is being worked on: stop it before you take a picture out.")
        with self._lock:
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
            if opened is None or opened.session.result is None:
                return
            session, now = opened.session, (opened.session.editor.version, opened.session.result)
            if now[0] != opened.before[0] or now[1] is not opened.before[1]:
                self.pictures.set_edited(opened.index, saved_of(session.snapshot(), session.image, models))
                self._opened = replace(opened, before=now)


class WorkingLists:
    """The lists of all visitors.

    Args:
        scratch: where the folders of their pictures are made.
        has_gone: whether an owner, who has a list since a time (monotonic, s), has left without a word.
    """

    def __init__(self, scratch: Path, has_gone: Callable[[str, float], bool]) -> None:
        self._scratch, self._has_gone = scratch, has_gone
        self._lists: dict[str, WorkingList] = {}  # by owner
        self._bringing: set[str] = set()  # owners whose files are being unpacked
        self._lock = threading.Lock()  # held while a list comes or its owner leaves

    def peek(self, owner: str) -> WorkingList | None:
        """The owner's list, if there is one."""
        return self._lists.get(owner)

    def get(self, owner: str) -> WorkingList:
        """The owner's list.

        Raises:
            NoImageError: there is none.
        """
        own = self._lists.get(owner)
        if own is None:
            raise NoImageError("There is no queue: drop several pictures, or a ZIP of pictures, first.")
        return own

    @contextmanager
    def new_folder(self, owner: str) -> Iterator[Path]:
        """A folder for a new list of the owner; it goes where none has come of it.

        Raises:
            BatchError: too many others have lists.
        """
        for other, theirs in list(self._lists.items()):
            if other != owner and self._has_gone(other, theirs.begun_at):
                self.close(other)
        if len(self._lists.keys() - {owner}) >= MOST_LISTS:
            raise BatchError(f"{MOST_LISTS} others have lists of pictures here already: try again in a while.")
        # Files in it can be fetched by their path, so the name must be one that cannot be guessed.
        folder = self._scratch / f"queue-{secrets.token_hex(16)}"
        folder.mkdir(mode=0o700)
        self._bringing.add(owner)
        try:
            yield folder
        finally:
            self._bringing.discard(owner)
            own = self._lists.get(owner)
            if own is None or own.pictures.folder != folder:
                shutil.rmtree(folder, ignore_errors=True)

    def begin(self, owner: str, pictures: PictureList) -> WorkingList:
        """Begin the owner's list of ``pictures``, whose folder is a new one; an earlier list is given up.

        Raises:
            BatchError: the owner has left meanwhile.
        """
        self.close(owner)
        with self._lock:
            if owner not in self._bringing:
                # Nobody would ever give it up.
                shutil.rmtree(pictures.folder, ignore_errors=True)
                raise BatchError("The page was closed while its pictures were read.")
            own = self._lists[owner] = WorkingList(pictures)
        return own

    def close(self, owner: str) -> None:
        """Give the owner's list up."""
        own = self._lists.pop(owner, None)
        if own is not None:
            own.run.close()

    def leave(self, owner: str) -> None:
        """The visitor has gone: give up their list, and what they were bringing for one."""
        with self._lock:
            self._bringing.discard(owner)
        self.close(owner)
