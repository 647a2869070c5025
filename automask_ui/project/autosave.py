"""Work in progress on the disk of this machine, so that a reloaded page goes on where it was.

Each tab has a token that nobody else knows; its work lies under the token's hash, and a new tab may take over what a
closed one of the same browser has left. A thread looks every few seconds which work has changed, so that nothing that
changes it needs to think of it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from automask_ui.errors import ArchiveError, AutoMaskError, RestoreError
from automask_ui.models.checkpoints import cache_folder
from automask_ui.project.projects import KINDS, Kind, Projects, Restored
from automask_ui.project.retention import MAX_AGE_SECONDS, age_and_size, prune, remove
from automask_ui.project.saving import ProjectFolder
from automask_ui.project.token_folder import TokenFolder, is_token

__all__ = ["Autosave", "autosave_for"]

_log = logging.getLogger(__name__)

MAX_BYTES = 2 * 1024**3  # of all kept work together
MAX_PIECES = 200  # of kept work
MAX_TABS = 20  # whose work is looked for
EVERY_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0  # between two tries on a full disk


def autosave_for(projects: Projects) -> Autosave | None:
    """Autosave in the platform's cache folder; None on Hugging Face Spaces and with ``AUTOMASK_AUTOSAVE=0``."""
    if os.environ.get("SPACE_ID") or os.environ.get("AUTOMASK_AUTOSAVE") == "0":
        return None
    return Autosave(cache_folder().parent / "work", projects)


class _Failure(NamedTuple):
    """Work that the disk did not take."""

    pause: float  # s, before the next try
    again_at: float  # monotonic


class Autosave:
    """Keeps the work of visitors whose browsers have said their token; bounded in bytes, number and age.

    Args:
        folder: made where it is not there, for this user alone.
        projects: what the visitors have.
        max_bytes: of all kept work together; the oldest goes first. Three quarters of it for one project.
        max_age_seconds: after which work goes.
    """

    def __init__(
        self, folder: Path, projects: Projects, *, max_bytes: int = MAX_BYTES, max_age_seconds: float = MAX_AGE_SECONDS
    ) -> None:
        self._kept, self._projects = TokenFolder(folder), projects
        self._max_bytes, self._max_age_seconds = max_bytes, max_age_seconds
        self._tokens: dict[str, str | None] = {}  # owner -> token; None of a page that has none
        self._marks: dict[tuple[str, Kind], object] = {}  # owner and kind -> what was kept last
        self._failures: dict[str, _Failure] = {}  # by owner
        self._refusals: dict[tuple[str, Kind], AutoMaskError | None] = {}  # owner and kind -> why; None once told
        self._folders: dict[tuple[str, Kind], ProjectFolder] = {}  # token and kind -> where it is kept
        self._lock = threading.Lock()  # of the five above
        self._thread: threading.Thread | None = None

    def saved_path(self, token: object, kind: Kind) -> Path | None:
        """Where the project under ``token`` is kept, brought up to date; None where there is none."""
        if not is_token(token):
            return None
        # A page that is reloaded comes back before its old self is known to be gone.
        for owner, own in list(self._tokens.items()):
            if own == token:
                self.save(owner)
        self._prune()
        return next((path for path in self._kept.paths(token, kind) if os.path.exists(path)), None)

    def take_over(self, token: object, closed: Sequence[str]) -> None:
        """Put the latest work of tabs that are closed under the ``token`` of a new one; it is theirs no longer.

        What the others were at on single photos becomes *Recent* there, as far as there is room; the rest waits for
        the next new tab.

        Args:
            token: of the new tab, under which nothing is kept yet.
            closed: tokens of the others.
        """
        if not is_token(token):
            return
        kept: list[tuple[float, str]] = []
        for other in closed[:MAX_TABS]:
            paths = [path for kind in KINDS if (path := self.saved_path(other, kind)) is not None]
            with suppress(OSError):  # removed by another process meanwhile
                kept += [(age_and_size(path)[0], other) for path in paths]
        latest_first = list(dict.fromkeys(other for _, other in sorted(kept, reverse=True)))
        for place, other in enumerate(latest_first):
            with self._kept.hold(other), self._lock:
                for kind in KINDS:
                    self._folders.pop((other, kind), None)
                move = self._kept.rename if place == 0 else self._kept.offer
                move(other, token)

    def restore(self, token: str, owner: str, kind: Kind) -> Restored | None:
        """Go on with the project under ``token``; None where there is none, or where it cannot be restored."""
        path = self.saved_path(token, kind)
        if path is None:
            return None
        # Another tab of this browser may be writing.
        with self._kept.hold(token):
            try:
                return self._projects.restore(owner, path)
            except (RestoreError, ArchiveError) as error:
                _log.warning("Kept work cannot be taken up: %s", error)
                remove(path)
            except (AutoMaskError, OSError) as error:
                # No room for it now: it stays for another time.
                _log.warning("Kept work is not taken up: %s", error)
        return None

    def keep_recent(self, token: object, owner: str) -> None:
        """Keep what the owner leaves for another picture under ``token``, where what they left before is."""
        if is_token(token):
            self._projects.recent.keep_in(owner, self._kept.path, self._kept.stem(token))

    def follow(self, token: object, owner: str) -> None:
        """Keep the owner's work under ``token`` whenever it changes from now on; where it is none, keep nothing."""
        if not is_token(token):
            self._tokens.setdefault(owner, None)
            return
        with self._lock:
            self._tokens[owner] = token
            # The sample that a page begins with is no work.
            self._marks[owner, "photo"] = self._projects.mark(owner, "photo")
            if self._thread is None:
                self._thread = threading.Thread(target=_watch, args=(weakref.ref(self),), name="autosave", daemon=True)
                self._thread.start()

    def knows(self, owner: str) -> bool:
        """Whether the owner's page has come here and not left since: of others nobody knows the token."""
        return owner in self._tokens

    def leave(self, owner: str) -> None:
        """Keep what the owner has for the last time."""
        self.save(owner)
        with self._lock:
            token = self._tokens.pop(owner, None)
            self._failures.pop(owner, None)
            for kind in KINDS:
                self._marks.pop((owner, kind), None)
                self._refusals.pop((owner, kind), None)
                if token is not None and token not in self._tokens.values():
                    self._folders.pop((token, kind), None)

    def drop(self, owner: str, kind: Kind) -> None:
        """Remove what is kept of the owner's project: they have given it up."""
        token = self._tokens.get(owner)
        if token is not None:
            with self._kept.hold(token):
                for path in self._kept.paths(token, kind):
                    remove(path)

    def save(self, owner: str) -> None:
        """Write the owner's projects that have changed. What goes wrong is logged: work goes on."""
        token, is_written = self._tokens.get(owner), False
        for kind in KINDS:
            if token is None:
                return
            try:
                with self._kept.hold(token):
                    is_written |= self._save(owner, token, kind)
            except OSError as error:
                self._note_failure(owner, error)
                return
            except AutoMaskError as error:
                _log.warning("Work in progress could not be kept in %s: %s", self._kept.path, error)
                with self._lock:
                    self._refusals.setdefault((owner, kind), error)
            except Exception:
                # One visitor's broken work must not end the thread that keeps everybody's.
                _log.exception("Work in progress could not be kept in %s", self._kept.path)
        if is_written:
            self._prune()
            with self._lock:
                failure = self._failures.pop(owner, None)
            if failure is not None:
                _log.info("Work in progress is kept again in %s", self._kept.path)

    def untold_refusal(self, owner: str) -> AutoMaskError | None:
        """Why the owner's work is too large to be kept; said once, until it is kept again. None where it is kept."""
        with self._lock:
            for place, refusal in self._refusals.items():
                if place[0] == owner and refusal is not None:
                    self._refusals[place] = None
                    return refusal
        return None

    def _note_failure(self, owner: str, error: OSError) -> None:
        """The disk is full, or gone: try again after a pause, twice as long each time; said once."""
        with self._lock:
            before = self._failures.get(owner)
            pause = EVERY_SECONDS if before is None else min(2 * before.pause, LONGEST_PAUSE_SECONDS)
            self._failures[owner] = _Failure(pause, time.monotonic() + pause)
        if before is None:
            _log.warning("Work in progress could not be kept in %s, and is tried again: %s", self._kept.path, error)

    def _save(self, owner: str, token: str, kind: Kind) -> bool:
        mark = self._projects.mark(owner, kind)
        if mark is None or mark == self._marks.get((owner, kind)):
            return False
        path, *older = self._kept.paths(token, kind)
        with self._lock:
            self._marks[owner, kind] = mark
            folder = self._folders.setdefault((token, kind), ProjectFolder(path))
        try:
            project = self._projects.to_save(owner, kind)
            if project is None:
                return False  # gone since it was asked for its mark; what is kept stays
            self._kept.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.write(project, self._max_bytes * 3 // 4)
            if kind == "photo":
                self._projects.describe(owner, path)
        except OSError:
            # A full disk may have room again. What is too large stays so until it changes.
            with self._lock:
                self._marks.pop((owner, kind), None)
            raise
        with self._lock:
            self._refusals.pop((owner, kind), None)
        for path in older:
            remove(path)
        return True

    def save_all(self) -> None:
        """Write what has changed of all visitors' work; what could not be written waits until its pause is over."""
        for owner in list(self._tokens):
            failure = self._failures.get(owner)
            if failure is None or time.monotonic() >= failure.again_at:
                self.save(owner)

    def _prune(self) -> None:
        """Remove what is too old, then the oldest, until the rest fits; also what a crash left half-written."""
        most_bytes, most_seconds = self._max_bytes, self._max_age_seconds
        prune(self._kept.path, most_bytes=most_bytes, most_pieces=MAX_PIECES, most_seconds=most_seconds)


def _watch(autosave: weakref.ref[Autosave]) -> None:
    """Keep what changes, for as long as anybody else has the autosave."""
    while (own := autosave()) is not None:
        own.save_all()
        del own
        time.sleep(EVERY_SECONDS)
