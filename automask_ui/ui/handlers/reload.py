"""A tab loads the page: reloaded, it goes on where it was; new, it begins with the first sample. Or it is closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from automask_ui.project.autosave import Autosave
from automask_ui.serving.runs import RunQueue
from automask_ui.serving.service import Service
from automask_ui.ui.components.status_line import status
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.restored_work import RestoredWork
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences

__all__ = ["ReloadHandlers"]

_POLL_SECONDS = 0.5


class ReloadHandlers:
    """Brings a tab's work back, keeps it, and lets it go."""

    def __init__(
        self,
        service: Service,
        screens: Screens,
        run_queue: RunQueue,
        restored: RestoredWork,
        autosave: Autosave | None = None,
    ) -> None:
        self._service, self._screens, self._run_queue, self._restored = service, screens, run_queue, restored
        self._autosave = autosave

    def load_page(self, visitor: Visitor, tokens: str) -> Iterator[Changes]:
        """Show what the tab was at; in a new one, what a closed one of the same browser was at; else the first sample.

        Args:
            visitor: who has come.
            tokens: of this tab, and of closed ones, with spaces between; "" where the browser keeps none.
        """
        autosave, owner = self._autosave, visitor.owner
        token, *closed = tokens.split(" ") if isinstance(tokens, str) else [""]
        if autosave is not None:
            autosave.take_over(token, closed)
            autosave.keep_recent(token, owner)
        yield Changes(recent=self._screens.recent(visitor))
        photo = None if autosave is None else autosave.restore(token, owner, "photo")
        back = None if photo is None else self._restored.show_restored(visitor, photo)
        pictures = None if autosave is None else autosave.restore(token, owner, "pictures")
        beside = Changes() if pictures is None else self._restored.show_restored(visitor, pictures)
        if back is not None:
            # Settings of a picture of the list are its own; any other one's are not for the list.
            is_own = beside.picture_list is None or beside.picture_list.open is not None
            controls = (not is_own and beside.controls) or back.controls
            yield replace(back, picture_list=beside.picture_list, controls=controls)
        else:
            yield beside
            yield from self.show_first_sample(visitor)
        if autosave is not None:
            autosave.follow(token, owner)

    def keep(self, visitor: Visitor) -> Changes:
        """Keep what a run has made; say so, once, if it is too large for that, or if the page has to be reloaded first.

        A page that was open while the server was started anew, or whose computer slept, goes on as a stranger: nobody
        knows any more under which token its work is kept.
        """
        if self._autosave is None:
            return Changes()
        if not self._autosave.knows(visitor.owner):
            self._autosave.follow("", visitor.owner)  # told once
            return Changes(warning=(visitor.words.say("stranger.title"), visitor.words.say("stranger")))
        self._autosave.save(visitor.owner)
        return Changes(warning=sentences.unkept_warning(visitor.words, self._autosave.untold_refusal(visitor.owner)))

    def leave(self, visitor: Visitor) -> None:
        """Free what belongs to a visitor whose tab was closed."""
        if self._autosave is not None:
            self._autosave.leave(visitor.owner)
        self._service.projects.leave(visitor.owner)
        self._screens.list_lines.pop(visitor.owner, None)
        self._run_queue.forget(visitor.owner)

    def show_first_sample(self, visitor: Visitor) -> Iterator[Changes]:
        """Show the first sample with its masks; until they are found, the photo alone."""
        if not self._service.samples:
            yield Changes(status=status(visitor.words.say("status.start")), candidates="")
            return
        screens, sample = self._screens, self._service.samples.first
        session = self._service.samples.open(visitor.owner, next(iter(self._service.samples)))
        if not sample.ready.is_set():
            yield screens.show(visitor, session, status(visitor.words.say("status.preparing"), "busy", -1))
        while screens.is_current(session) and not sample.ready.wait(_POLL_SECONDS):
            pass
        if not screens.is_current(session):
            yield screens.show_current(visitor)
            return
        if sample.result is None:
            line = visitor.words.say("status.no_sample", why=sample.error).strip()
            yield screens.show(visitor, session, status(line, "error"))
            return
        if session.result is None:
            self._service.samples.give_masks(session)
        yield screens.show(visitor, session, status(visitor.words.say("status.sample")))
