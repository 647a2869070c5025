"""Whose runs wait for the model, and for whom it works."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from automask_ui.errors import BusyError

__all__ = ["MAX_WAITING", "Turns"]

MAX_WAITING = 20  # visitors whose runs wait for their turn


class Turns:
    """Runs from when they are asked for until the page has been told of their end.

    A visitor may ask for the next one before that: of another picture, or after Stop. The model has one turn at a time.
    """

    def __init__(self) -> None:
        self._asked: dict[str, str] = {}  # owner -> run that waits for its turn
        self._at_work: set[str] = set()  # owners
        self._to_end: Counter[str] = Counter()  # owner -> runs of which the page has not been told that they ended
        self._lock = threading.Lock()  # held while runs are counted: one may end as the next is asked for

    def ask(self, owner: str, run: str) -> None:
        """``run`` is to have its turn.

        Raises:
            BusyError: too many wait already.
        """
        with self._lock:
            if len(self._asked) >= MAX_WAITING:
                raise BusyError(f"{len(self._asked)} runs are waiting for the model already. Try again in a minute.")
            self._asked[owner] = run
            self._to_end[owner] += 1

    @contextmanager
    def take(self, owner: str) -> Iterator[str | None]:
        """The owner's turn: for which run; None where that was given up."""
        self._at_work.add(owner)
        try:
            yield self._asked.pop(owner, None)
        finally:
            self._at_work.discard(owner)

    def give_up(self, owner: str) -> None:
        """What the owner waits for is not wanted any more."""
        self._asked.pop(owner, None)

    def end(self, owner: str) -> None:
        """The page has been told of the end of one of the owner's runs, also of one that never had its turn."""
        with self._lock:
            self._to_end[owner] -= 1
            if self._to_end[owner] <= 0:
                # Refused on its way: nobody will come for it.
                self._asked.pop(owner, None)
                del self._to_end[owner]

    def is_busy(self, owner: str) -> bool:
        """Whether a run of the owner's waits or is under way."""
        return owner in self._asked or owner in self._at_work

    def forget(self, owner: str) -> None:
        """The owner has left."""
        with self._lock:
            self._asked.pop(owner, None)
            self._to_end.pop(owner, None)
