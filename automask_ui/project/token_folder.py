"""The folder of kept work: a name of its own for each tab and kind of project, which does not tell the tab's token."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from automask_ui.project.projects import KINDS, Kind
from automask_ui.project.recent import hand_over, make_piece

__all__ = ["TokenFolder", "is_token"]

_TOKEN = re.compile(r"[0-9a-f]{32}")
_SUFFIXES: dict[Kind, str] = {"photo": ".photo", "pictures": ".pictures"}
_SUFFIX_OF_VERSION_1 = ".zip"  # of a photo


def is_token(token: object) -> TypeGuard[str]:
    """Whether this, which may be anything that a page sends, is a token."""
    return isinstance(token, str) and _TOKEN.fullmatch(token) is not None


class TokenFolder:
    """Where the work of tabs lies; whoever touches what is under a token holds it meanwhile.

    Attributes:
        path: of the folder; whoever writes to it makes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Nobody waits for what another visitor's photos take.
        self._holds: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()  # of the holds

    def hold(self, token: str) -> threading.Lock:
        """A lock: while it is held, nothing that is kept under ``token`` is written or removed."""
        with self._lock:
            return self._holds.setdefault(token, threading.Lock())

    def paths(self, token: str, kind: Kind) -> list[Path]:
        """Where a project is kept, and where version 1 kept it."""
        suffixes = [_SUFFIXES[kind], *([_SUFFIX_OF_VERSION_1] if kind == "photo" else [])]
        return [self.path / f"{self.stem(token)}{suffix}" for suffix in suffixes]

    @staticmethod
    def stem(token: str) -> str:
        """What the names of kept work begin with: the token itself is nowhere on the disk."""
        return hashlib.sha256(token.encode()).hexdigest()[:40]

    def rename(self, old: str, new: str) -> None:
        """Put what is under the token ``old``, which the caller holds, under ``new``."""
        for kind in KINDS:
            for source, target in zip(self.paths(old, kind), self.paths(new, kind), strict=True):
                # Another new tab may have taken it meanwhile.
                with suppress(OSError):
                    source.rename(target)
        hand_over(self.path, self.stem(old), self.stem(new))

    def offer(self, old: str, new: str) -> None:
        """Put the photo under the token ``old``, which the caller holds, among what was left under ``new``.

        What was left under ``old`` before goes with it, as far as there is room. A list of pictures stays, with all
        that belongs to it: a tab has one list at a time.
        """
        if not any(map(os.path.exists, self.paths(old, "pictures"))):
            make_piece(self.paths(old, "photo")[0], self.stem(new))
            hand_over(self.path, self.stem(old), self.stem(new))
