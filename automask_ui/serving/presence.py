"""Who has a page open: each page holds a connection for its heartbeat, and who has none may have gone unnoticed."""

from __future__ import annotations

import threading
import time
from collections import Counter

__all__ = ["GRACE_SECONDS", "Presence"]

GRACE_SECONDS = 110.0  # a page's heartbeat begins with it; who has none by then has no page


class Presence:
    """The visitors whose pages are open, as far as their heartbeats are heard.

    Attributes:
        is_watched: heartbeats are heard at all; until then, everybody counts as present.
    """

    def __init__(self) -> None:
        self.is_watched = False
        self._connections: Counter[str] = Counter()
        self._lock = threading.Lock()

    def came(self, owner: str) -> None:
        """A heartbeat of the owner's begins."""
        with self._lock:
            self._connections[owner] += 1

    def went(self, owner: str) -> None:
        """A heartbeat of the owner's has ended."""
        with self._lock:
            self._connections[owner] -= 1
            if self._connections[owner] <= 0:
                del self._connections[owner]

    def has_gone(self, owner: str, since: float) -> bool:
        """Whether a place that the owner has had since then (monotonic, s) may be given to others."""
        is_here = not self.is_watched or owner in self._connections
        return not is_here and time.monotonic() - since > GRACE_SECONDS
