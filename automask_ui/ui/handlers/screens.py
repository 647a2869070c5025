"""A session as the page shows it."""

from __future__ import annotations

from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.ui.components.status_line import Status
from automask_ui.ui.components.viewer import ViewerData
from automask_ui.ui.components.viewer.session_view import SessionViews
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences

__all__ = ["Screens"]


class Screens:
    """Shows sessions: the picture with its masks, a status line, and how many candidates pass."""

    def __init__(self, service: Service) -> None:
        self._store = service.store
        self.views = SessionViews()

    def show(self, visitor: Visitor, session: Session, line: Status) -> Changes:
        """Show a session with ``line`` as its status."""
        words = visitor.words
        empty, suggestion = sentences.empty_sentence(words, session), sentences.empty_suggestion(words, session)
        view = self.views.data(session, empty, suggestion=suggestion)
        return Changes(view, line, sentences.candidates_line(words, session.result))

    def redrawn(self, visitor: Visitor, session: Session) -> ViewerData:
        """The picture with its masks as they are now; dots of a point list stay as they are."""
        words, points = visitor.words, self.views.points(session)
        empty, suggestion = sentences.empty_sentence(words, session), sentences.empty_suggestion(words, session)
        return self.views.data(session, empty, points, suggestion)

    def show_opened(self, visitor: Visitor, session: Session) -> Changes:
        """Show a session that was opened just now."""
        return self.show(visitor, session, sentences.opened_line(visitor.words, session))

    def show_current(self, visitor: Visitor) -> Changes:
        """Show what is open now, for a run whose picture was closed meanwhile.

        It ends the run's updates: Gradio sends the last one of a generator once more.
        """
        session = self._store.peek(visitor.owner)
        return Changes() if session is None else self.show_opened(visitor, session)

    def is_current(self, session: Session) -> bool:
        """Whether the session is still what its owner has open."""
        return self._store.peek(session.owner) is session
