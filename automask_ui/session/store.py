"""The sessions of all visitors: bounded in bytes, each belonging to one visitor, who has one picture at a time."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from automask_ui.cache import ByteLRU
from automask_ui.errors import NoImageError, RunGoneError
from automask_ui.files.images import LoadedImage, load_image
from automask_ui.files.upload_checks import check_photo_bytes
from automask_ui.session import Session
from automask_ui.session.edits import Edits
from automask_ui.session.history import History

__all__ = ["SessionStore"]


class SessionStore:
    """Thread-safe; above ``max_bytes`` the sessions that were not used for longest go first.

    Attributes:
        scratch: the folder in which sessions keep their files; it goes with this object, or with the process.
        on_left: called with each session that gives way to another one of its owner, before it is closed.
    """

    def __init__(self, max_bytes: int) -> None:
        self._sessions: ByteLRU[Session] = ByteLRU(max_bytes, lambda session: session.nbytes)
        self._ids: dict[str, str] = {}  # owner -> id of their session
        self._left: dict[str, Path] = {}  # owner -> files of the picture before, which the page may still be fetching
        self._lock = threading.Lock()
        self.scratch = Path(tempfile.mkdtemp(prefix="automask-"))
        self.on_left: Callable[[Session], None] = lambda session: None
        weakref.finalize(self, shutil.rmtree, self.scratch, ignore_errors=True)

    def open(self, owner: str, path: str | Path, name: str | None = None) -> Session:
        """A new session on the photo at ``path``, called ``name``, as :meth:`begin` makes it.

        Raises:
            ImageError: it cannot be read, or is too large.
        """
        path = Path(path)
        if path.is_file():
            check_photo_bytes(path, name)
        return self.begin(load_image(path, name=name), owner)

    def begin(self, image: LoadedImage, owner: str) -> Session:
        """A new session on ``image``; the owner's earlier one is given up, but for its class list.

        Of two that begin at once, one is the other's earlier one: no session and no file is left without an owner.
        """
        session = Session(image, owner, self.scratch)
        with self._lock:
            left = self._take(owner)
            if left is not None:
                session.editor.history = History(Edits().with_class_list(left.edits.class_list))
            files = self._left.pop(owner, None)
            if left is not None and left.files is not None:
                self._left[owner] = left.files
            self._ids[owner] = session.id
            dropped = self._sessions.put(session.id, session)
        if left is not None:
            self.on_left(left)
            left.close(with_files=False)
        if files is not None:
            shutil.rmtree(files, ignore_errors=True)
        for other in dropped:
            other.close()
        return session

    def touch(self, session: Session) -> None:
        """Take note that ``session`` was used and has another size; makes room by dropping others."""
        with self._lock:
            if self._ids.get(session.owner) != session.id:
                return  # its owner has left or opened another picture meanwhile
            dropped = self._sessions.put(session.id, session)
        for other in dropped:
            other.close()

    def current(self, owner: str) -> Session:
        """The owner's session.

        Raises:
            NoImageError: they have opened nothing.
            RunGoneError: it had to make room.
        """
        id_ = self._ids.get(owner)
        if id_ is None:
            raise NoImageError(
                "There is no picture yet: open a photo or pick a sample first. If one is shown, the server has lost "
                "sight of this page: reload it, and your work is back."
            )
        return self.get(owner, id_)

    def peek(self, owner: str) -> Session | None:
        """The owner's session, if there is one, without counting as a use of it."""
        id_ = self._ids.get(owner)
        return None if id_ is None else self._sessions.peek(id_)

    def get(self, owner: str, id_: object) -> Session:
        """The session with this id.

        Raises:
            RunGoneError: it is gone, or belongs to someone else.
        """
        session = self._sessions.get(id_) if isinstance(id_, str) else None
        if session is None or session.owner != owner:
            raise RunGoneError(
                "These masks are no longer on the server. Reload the page to have back what was kept, or open the "
                "photo and find masks again."
            )
        return session

    def forget(self, owner: str) -> None:
        """Free all that belongs to a visitor who has left."""
        with self._lock:
            session, files = self._take(owner), self._left.pop(owner, None)
        if session is not None:
            session.close()
        if files is not None:
            shutil.rmtree(files, ignore_errors=True)

    def _take(self, owner: str) -> Session | None:
        """The owner's session, which is theirs no longer; the lock is held."""
        id_ = self._ids.pop(owner, None)
        return self._sessions.pop(id_) if id_ else None
