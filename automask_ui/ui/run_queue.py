"""Which visitors' runs wait for the model, and whose run it works on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from automask_ui.errors import BusyError

__all__ = ["MAX_WAITING", "RunQueue"]

MAX_WAITING = 20  # visitors whose runs wait for their turn


class RunQueue:
    """Runs from the moment they are asked for until the page has been told of their end.

    A visitor may ask for the next one before that: of another picture, or after Stop. The model works on one at a time.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}  # owner -> id of the session whose run waits for its turn
        self._running: set[str] = set()  # owners
        self._unacknowledged: Counter[str] = Counter()  # owner -> runs whose end the page was not told
        self._lock = threading.Lock()  # held while runs are counted: one may end as the next is asked for

    def enqueue(self, owner: str, session_id: str) -> None:
        """Let a run of the owner's session wait for the model.

        Raises:
            BusyError: too many wait already.
        """
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                raise BusyError(f"{len(self._waiting)} runs are waiting for the model already. Try again in a minute.")
            self._waiting[owner] = session_id
            self._unacknowledged[owner] += 1

    @contextmanager
    def acquire(self, owner: str) -> Iterator[str | None]:
        """Begin the owner's run; gives the session's id, or None where the run was cancelled while it waited."""
        self._running.add(owner)
        try:
            yield self._waiting.pop(owner, None)
        finally:
            self._running.discard(owner)

    def cancel(self, owner: str) -> None:
        """Drop the run that the owner waits for."""
        self._waiting.pop(owner, None)

    def acknowledge_end(self, owner: str) -> None:
        """Note that the page was told of the end of one of the owner's runs, also of one that never began."""
        with self._lock:
            self._unacknowledged[owner] -= 1
            if self._unacknowledged[owner] <= 0:
                # Refused on its way: nobody will come for it.
                self._waiting.pop(owner, None)
                del self._unacknowledged[owner]

    def is_busy(self, owner: str) -> bool:
        """Whether a run of the owner's waits or is under way."""
        return owner in self._waiting or owner in self._running

    def forget(self, owner: str) -> None:
        """Drop all that is known of an owner who has left."""
        with self._lock:
            self._waiting.pop(owner, None)
            self._unacknowledged.pop(owner, None)
