"""Undo and redo: the way back and forth through the edits of one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from automask_ui.session.edits import Edits

__all__ = ["MAX_STEPS", "Action", "History"]

MAX_STEPS = 100  # that can be taken back


@dataclass(frozen=True)
class Action:
    """What a step did, for people."""

    kind: str  # its name in the page's texts
    count: int = 0  # masks it was done to
    label: str = ""


@dataclass(frozen=True)
class History:
    """The edits as they are, those before them, and those that were taken back; bounded."""

    now: Edits = field(default_factory=Edits)
    past: tuple[tuple[Action, Edits], ...] = ()  # each step with the edits before it, the last one last
    future: tuple[tuple[Action, Edits], ...] = ()  # each step with the edits after it, the next one last

    @property
    def nbytes(self) -> int:
        """About the memory that all steps hold."""
        size = sum(100 * (len(edits.labels) + len(edits.hidden) + len(edits.deleted)) for edits in self.every)
        # Each mask once: steps share those that they leave as they are.
        own = {id(mask): mask for edits in self.every for mask in edits.own.values()}
        return size + sum(len(mask.rle["counts"]) for mask in own.values())

    @property
    def every(self) -> Iterator[Edits]:
        """The edits at all of its steps, those now first."""
        yield self.now
        for _, edits in (*self.past, *self.future):
            yield edits

    def done(self, action: Action, edits: Edits) -> History:
        """After a step to ``edits``; the same history where it changes nothing. What was taken back is forgotten."""
        if edits == self.now:
            return self
        return History(edits, (*self.past, (action, self.now))[-MAX_STEPS:])

    def undone(self) -> History:
        """Before the last step; the same history where there is none."""
        if not self.past:
            return self
        action, before = self.past[-1]
        return History(before, self.past[:-1], (*self.future, (action, self.now)))

    def redone(self) -> History:
        """With the step that was taken back last done again; the same history where there is none."""
        if not self.future:
            return self
        action, after = self.future[-1]
        return History(after, (*self.past, (action, self.now)), self.future[:-1])

    def at_every_step(self, change: Callable[[Edits], Edits]) -> History:
        """With ``change`` made to the edits of every step, so that a step is taken back with it, too."""
        past, future = (tuple((action, change(edits)) for action, edits in steps) for steps in (self.past, self.future))
        return History(change(self.now), past, future)

    @property
    def undo(self) -> Action | None:
        """The step that :meth:`undone` takes back."""
        return self.past[-1][0] if self.past else None

    @property
    def redo(self) -> Action | None:
        """The step that :meth:`redone` does again."""
        return self.future[-1][0] if self.future else None
