"""Work in progress on the disk of this machine, so that a reloaded page goes on where it was.

Each browser has a token that nobody else knows; its work lies under the token's hash. A thread looks every few seconds
which sessions have changed, so that nothing that changes one needs to think of it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import threading
import time
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path

from automask_ui.checkpoints import AvailableModel, cache_folder
from automask_ui.errors import AutoMaskError
from automask_ui.export.files import zip_add
from automask_ui.masks import MaskResult
from automask_ui.resume import extras
from automask_ui.session import Session, ShowOnly
from automask_ui.store import SessionStore

__all__ = ["Autosave", "autosave_for"]

_log = logging.getLogger(__name__)

MAX_BYTES = 512 * 1024**2  # of all kept work together
MAX_AGE_SECONDS = 7 * 86_400
EVERY_SECONDS = 2.0

_TOKEN = re.compile(r"[0-9a-f]{32}")
# What tells two states of a session apart: run, edits, what is shown, and the very result.
_Mark = tuple[str, int, ShowOnly, "weakref.ref[MaskResult] | None"]


def autosave_for(store: SessionStore, models: Mapping[str, AvailableModel]) -> Autosave | None:
    """Autosave in the platform's cache folder; None on Hugging Face Spaces and with ``AUTOMASK_AUTOSAVE=0``."""
    if os.environ.get("SPACE_ID") or os.environ.get("AUTOMASK_AUTOSAVE") == "0":
        return None
    return Autosave(cache_folder().parent / "work", store, models)


class Autosave:
    """Keeps the sessions of visitors whose browsers have said their token; bounded in bytes and age.

    Args:
        folder: made where it is not there, for this user alone.
        store: where the sessions are.
        models: as the service has them.
        max_bytes: of all archives together; the oldest go first.
        max_age_seconds: after which an archive goes.
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
        self._folder, self._store, self._models = folder, store, models
        self._max_bytes, self._max_age_seconds = max_bytes, max_age_seconds
        self._tokens: dict[str, str] = {}  # owner -> token
        self._marks: dict[str, _Mark | None] = {}  # owner -> what was kept last
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def kept(self, token: object) -> Path | None:
        """The archive of the work under ``token``, brought up to date; None where there is none."""
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return None
        # A page that is reloaded comes back before its old self is known to be gone.
        for owner, own in list(self._tokens.items()):
            if own == token:
                self.keep(owner)
        path = self._path(token)
        self._prune()
        return path if path.is_file() else None

    def follow(self, token: object, owner: str) -> None:
        """Keep the owner's work under ``token`` whenever it changes from now on."""
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return
        session = self._store.peek(owner)
        with self._lock:
            self._tokens[owner] = token
            self._marks[owner] = None if session is None else _mark(session)
            if self._thread is None:
                self._thread = threading.Thread(target=_watch, args=(weakref.ref(self),), name="autosave", daemon=True)
                self._thread.start()

    def leave(self, owner: str) -> None:
        """Keep what the owner has for the last time."""
        self.keep(owner)
        with self._lock:
            self._tokens.pop(owner, None)
            self._marks.pop(owner, None)

    def keep(self, owner: str) -> None:
        """Write the owner's work, if it has changed since it was written. What goes wrong is logged: work goes on."""
        session = self._store.peek(owner)
        token = self._tokens.get(owner)
        if session is None or token is None:
            return
        with self._lock:
            mark = _mark(session)
            if self._marks.get(owner) == mark:
                return
            self._marks[owner] = mark
            try:
                self._write(self._path(token), extras(session, self._models))
            except (OSError, AutoMaskError) as error:
                _log.warning("Work in progress could not be kept in %s: %s", self._folder, error)
        self._prune()

    def keep_all(self) -> None:
        """Write what has changed of all visitors' work."""
        for owner in list(self._tokens):
            self.keep(owner)

    def _write(self, path: Path, files: Mapping[str, bytes]) -> None:
        if sum(map(len, files.values())) > self._max_bytes // 4:
            _log.warning("Work in progress is too large to be kept: %s", path.name)
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_suffix(f".{secrets.token_hex(4)}.part")
        try:
            file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            with file, zipfile.ZipFile(file, "w") as archive:
                for name, data in files.items():
                    zip_add(archive, name, data, packed=not name.endswith(".json"))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _prune(self) -> None:
        """Remove what is too old, then the oldest, until the rest fits; also what a crash left half-written."""
        entries = []
        for path in self._folder.glob("*"):
            try:
                stat = path.stat()
            except OSError:
                continue  # removed by another process meanwhile
            entries.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in entries)
        for changed, size, path in sorted(entries):
            if time.time() - changed > self._max_age_seconds or total > self._max_bytes:
                path.unlink(missing_ok=True)
                total -= size

    def _path(self, token: str) -> Path:
        # The token itself is nowhere on the disk.
        return self._folder / f"{hashlib.sha256(token.encode()).hexdigest()[:40]}.zip"


def _watch(autosave: weakref.ref[Autosave]) -> None:
    """Keep what changes, for as long as anybody else has the autosave."""
    while (own := autosave()) is not None:
        own.keep_all()
        del own
        time.sleep(EVERY_SECONDS)


def _mark(session: Session) -> _Mark:
    result = session.result
    return session.run, session.version, session.show, None if result is None else weakref.ref(result)
