"""Find, Continue and Stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from automask_ui.serving.runs import RunQueue
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.session.run import Run
from automask_ui.ui.components.status_line import status
from automask_ui.ui.controls import Controls
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences

__all__ = ["RunHandlers"]


class RunHandlers:
    """Runs of the model on the picture that a visitor has open."""

    def __init__(self, service: Service, screens: Screens, run_queue: RunQueue) -> None:
        self._service, self._screens, self._queue = service, screens, run_queue

    def begin(self, visitor: Visitor) -> Changes:
        """Put a run into the queue, before the model is free for it.

        Raises:
            SessionError: no picture is open.
            BusyError: too many runs wait already.
        """
        self._queue.enqueue(visitor.owner, self._service.store.current(visitor.owner).id)
        return Changes(status=status(visitor.words.say("status.waiting"), "busy", -1), is_busy=True)

    def find(self, visitor: Visitor, controls: Controls) -> Iterator[Changes]:
        """Find masks with everything that the controls say."""
        with self._acquired(visitor) as session:
            if session is None:
                return
            service = self._service
            yield Changes(status=status(visitor.words.say("status.begin"), "busy", -1))
            # Loaded first: a preset takes the model's own thresholds.
            for progress in service.runs.make_ready(session, controls.model):
                line = sentences.progress_line(visitor.words, progress, session, 0.0)
                is_current = self._screens.is_current(session)
                yield Changes(status=line) if is_current else self._screens.show_current(visitor)
                if progress.stage == "stopped":
                    return
            options = controls.options(service.models.thresholds(controls.model))
            session.show_only(controls.show())
            yield from self._follow(visitor, session, service.runs.find(session, controls.model, options))

    def resume(self, visitor: Visitor) -> Iterator[Changes]:
        """Finish a run that was stopped."""
        with self._acquired(visitor) as session:
            if session is not None:
                yield Changes(status=status(visitor.words.say("status.begin"), "busy", -1))
                yield from self._follow(visitor, session, self._service.runs.resume(session))

    def stop(self, visitor: Visitor) -> Changes:
        """End the run; one that is in progress then tells of its end itself."""
        self._queue.cancel(visitor.owner)
        session = self._service.store.peek(visitor.owner)
        # Said before the run knows of it: its own last line is later, whichever answer arrives first.
        stopping = status(visitor.words.say("status.stopping"), "busy", -1)
        if session is not None and self._service.runs.stop(session):
            return Changes(status=stopping)
        return Changes(status=status(visitor.words.say("status.stopped.none")), is_busy=False)

    def end(self, visitor: Visitor) -> Changes:
        """Set the buttons, and the row of the picture, once a run has ended, however it did."""
        self._queue.acknowledge_end(visitor.owner)
        return replace(self.buttons(visitor), picture_list=self._screens.followed(visitor))

    def buttons(self, visitor: Visitor) -> Changes:
        """Set Find and Stop as they are to be: another run may have been asked for meanwhile."""
        return Changes(is_busy=self._queue.is_busy(visitor.owner))

    def failed(self, visitor: Visitor) -> Changes:
        """Say in the status line, once an error was shown, what is left."""
        session = self._service.store.peek(visitor.owner)
        if session is None or session.result is None:
            return Changes(status=status(visitor.words.say("status.failed"), "error"))
        masks = len(session.current_masks()[0])
        return Changes(status=status(visitor.words.count("status.failed.kept", masks, masks=masks), "error"))

    @contextmanager
    def _acquired(self, visitor: Visitor) -> Iterator[Session | None]:
        """The session that a run was asked for; None where it was stopped, or another picture opened, meanwhile."""
        with self._queue.acquire(visitor.owner) as session_id:
            session = self._service.store.current(visitor.owner)
            yield session if session.id == session_id else None

    def _follow(self, visitor: Visitor, session: Session, run: Run) -> Iterator[Changes]:
        """Show a run until it ends, or until its picture is closed."""
        began = time.monotonic()
        with closing(run):
            for progress in run:
                if not self._screens.is_current(session):
                    break
                line = sentences.progress_line(visitor.words, progress, session, time.monotonic() - began)
                if progress.change is None:
                    yield Changes(status=line)
                else:
                    yield self._screens.show(visitor, session, line)
        if not self._screens.is_current(session):
            yield self._screens.show_current(visitor)
