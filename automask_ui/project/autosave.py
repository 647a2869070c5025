"""Work in progress on the disk of this machine, so that a reloaded page goes on where it was.

Each browser has a token that nobody else knows; its work lies under the token's hash. A thread looks every few seconds
which work has changed, so that nothing that changes it needs to think of it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import shutil
import threading
import time
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from automask_ui.errors import AutoMaskError, ResumeError
from automask_ui.export.files import zip_add
from automask_ui.masks import MaskResult
from automask_ui.models.checkpoints import AvailableModel, cache_folder
from automask_ui.project.restore import extras
from automask_ui.session import ShowOnly
from automask_ui.session.store import SessionStore

__all__ = ["Autosave", "Keeper", "autosave_for", "remove"]

_log = logging.getLogger(__name__)

MAX_BYTES = 2 * 1024**3  # of all kept work together
MAX_PIECES = 200  # of kept work
MAX_AGE_SECONDS = 7 * 86_400
EVERY_SECONDS = 2.0

_TOKEN = re.compile(r"[0-9a-f]{32}")
# What tells two states of a session apart: run, edits, what is shown, and the very result.
_Mark = tuple[str, int, ShowOnly, "weakref.ref[MaskResult] | None"]


class Keeper(Protocol):
    """One kind of work that is kept."""

    suffix: str  # of the file or folder that it is kept in

    def mark(self, owner: str) -> object | None:
        """What tells two states of the owner's work apart; None: there is nothing to keep.

        Raises:
            AutoMaskError, OSError: it cannot be told; then nothing is kept.
        """

    def write(self, owner: str, path: Path, most: int) -> None:
        """Make ``path`` hold the work, in at most ``most`` bytes.

        Raises:
            AutoMaskError, OSError: it cannot.
        """


def autosave_for(store: SessionStore, models: Mapping[str, AvailableModel]) -> Autosave | None:
    """Autosave in the platform's cache folder; None on Hugging Face Spaces and with ``AUTOMASK_AUTOSAVE=0``."""
    if os.environ.get("SPACE_ID") or os.environ.get("AUTOMASK_AUTOSAVE") == "0":
        return None
    return Autosave(cache_folder().parent / "work", store, models)


class Autosave:
    """Keeps the work of visitors whose browsers have said their token; bounded in bytes, number and age.

    Args:
        folder: made where it is not there, for this user alone.
        store: where the sessions are.
        models: as the service has them.
        max_bytes: of all kept work together; the oldest goes first. Three quarters of it for one piece of work.
        max_age_seconds: after which work goes.

    Attributes:
        sessions: keeps what is in the main view; others are added by :meth:`add`.
    """

    def __init__(
        self,
        folder: Path,
        store: SessionStore,
        models: Mapping[str, AvailableModel],
        *,
        max_bytes: int = MAX_BYTES,
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        self._folder = folder
        self._max_bytes, self._max_age_seconds = max_bytes, max_age_seconds
        self.sessions: Keeper = _Sessions(store, models)
        self._keepers: list[Keeper] = [self.sessions]
        self._tokens: dict[str, str] = {}  # owner -> token
        self._marks: dict[tuple[str, Keeper], object] = {}  # owner and kind of work -> what was kept last
        self._lock = threading.Lock()  # of the two above
        # Of what lies under a token, which takes longer: nobody waits for what another visitor's photos take.
        self._holds: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
        self._thread: threading.Thread | None = None

    def add(self, keeper: Keeper) -> None:
        """Keep another kind of work as well."""
        self._keepers.append(keeper)

    def kept(self, token: object, keeper: Keeper) -> Path | None:
        """Where the work under ``token`` is kept, brought up to date; None where there is none."""
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return None
        # A page that is reloaded comes back before its old self is known to be gone.
        for owner, own in list(self._tokens.items()):
            if own == token:
                self.keep(owner)
        path = self._path(token, keeper)
        self._prune()
        return path if path.exists() else None

    def hold(self, token: str) -> threading.Lock:
        """A lock: while it is held, nothing that is kept under ``token`` is written or removed."""
        with self._lock:
            return self._holds.setdefault(token, threading.Lock())

    def follow(self, token: object, owner: str) -> None:
        """Keep the owner's work under ``token`` whenever it changes from now on."""
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return
        with self._lock:
            self._tokens[owner] = token
            self._marks[owner, self.sessions] = self.sessions.mark(owner)
            if self._thread is None:
                self._thread = threading.Thread(target=_watch, args=(weakref.ref(self),), name="autosave", daemon=True)
                self._thread.start()

    def leave(self, owner: str) -> None:
        """Keep what the owner has for the last time."""
        self.keep(owner)
        with self._lock:
            self._tokens.pop(owner, None)
            for keeper in self._keepers:
                self._marks.pop((owner, keeper), None)

    def drop(self, owner: str, keeper: Keeper) -> None:
        """Remove what is kept of the owner's work: they have given it up."""
        token = self._tokens.get(owner)
        if token is not None:
            with self.hold(token):
                remove(self._path(token, keeper))

    def keep(self, owner: str) -> None:
        """Write the owner's work, if it has changed since it was written. What goes wrong is logged: work goes on."""
        token, is_written = self._tokens.get(owner), False
        for keeper in self._keepers:
            if token is None:
                return
            try:
                with self.hold(token):
                    is_written |= self._keep(owner, self._path(token, keeper), keeper)
            except (OSError, AutoMaskError) as error:
                _log.warning("Work in progress could not be kept in %s: %s", self._folder, error)
            except Exception:
                # One visitor's broken work must not end the thread that keeps everybody's.
                _log.exception("Work in progress could not be kept in %s", self._folder)
        if is_written:
            self._prune()

    def _keep(self, owner: str, path: Path, keeper: Keeper) -> bool:
        mark = keeper.mark(owner)
        if mark is None or mark == self._marks.get((owner, keeper)):
            return False
        with self._lock:
            self._marks[owner, keeper] = mark
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            keeper.write(owner, path, self._max_bytes * 3 // 4)
        except OSError:
            # A full disk may have room again: tried once more. What is too large stays so until it changes.
            with self._lock:
                self._marks.pop((owner, keeper), None)
            raise
        return True

    def keep_all(self) -> None:
        """Write what has changed of all visitors' work."""
        for owner in list(self._tokens):
            self.keep(owner)

    def _prune(self) -> None:
        """Remove what is too old, then the oldest, until the rest fits; also what a crash left half-written."""
        entries = []
        for path in self._folder.glob("*"):
            try:
                entries.append((*_age_and_size(path), path))
            except OSError:
                continue  # removed by another process meanwhile
        total = sum(size for _, size, _ in entries)
        for place, (changed, size, path) in enumerate(sorted(entries)):
            is_old = time.time() - changed > self._max_age_seconds
            if is_old or total > self._max_bytes or len(entries) - place > MAX_PIECES:
                remove(path)
                total -= size

    def _path(self, token: str, keeper: Keeper) -> Path:
        # The token itself is nowhere on the disk.
        return self._folder / f"{hashlib.sha256(token.encode()).hexdigest()[:40]}{keeper.suffix}"


class _Sessions:
    """What is in the main view, as an archive like one that was downloaded."""

    suffix = ".zip"

    def __init__(self, store: SessionStore, models: Mapping[str, AvailableModel]) -> None:
        self._store, self._models = store, models

    def mark(self, owner: str) -> _Mark | None:
        """Run, edits, what is shown, and the result."""
        session = self._store.peek(owner)
        if session is None:
            return None
        result = session.result
        return session.run, session.version, session.show, None if result is None else weakref.ref(result)

    def write(self, owner: str, path: Path, most: int) -> None:
        """Write the archive, beside ``path`` first."""
        session = self._store.peek(owner)
        if session is None:
            return  # gone since it was asked for its mark; what is kept stays
        files = extras(session, self._models)
        if sum(map(len, files.values())) > most:
            raise ResumeError(f"it is too large: more than {most / 1e6:,.0f} MB.")
        part = path.with_suffix(f".{secrets.token_hex(4)}.part")
        try:
            file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            with file, zipfile.ZipFile(file, "w") as archive:
                for name, data in files.items():
                    zip_add(archive, name, data, packed=not name.endswith(".json"))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a piece of kept work, a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _age_and_size(path: Path) -> tuple[float, int]:
    """When a file or folder was changed last, in seconds since 1970, and its bytes."""
    stats = [own.stat() for own in (path, *path.rglob("*"))]
    return max(stat.st_mtime for stat in stats), sum(stat.st_size for stat in stats)


def _watch(autosave: weakref.ref[Autosave]) -> None:
    """Keep what changes, for as long as anybody else has the autosave."""
    while (own := autosave()) is not None:
        own.keep_all()
        del own
        time.sleep(EVERY_SECONDS)
