"""A session, and a list of pictures, as the page shows them."""

from __future__ import annotations

import base64
from dataclasses import replace

from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.ui.components.picture_table import PictureTableData
from automask_ui.ui.components.status_line import Status
from automask_ui.ui.components.viewer import ViewerData
from automask_ui.ui.components.viewer.display import SessionViews
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences
from automask_ui.ui.text.list_lines import end_line, row_of

__all__ = ["Screens"]


class Screens:
    """Shows sessions: the picture with its masks, a status line, how many candidates pass; and lists of pictures.

    Attributes:
        views: the viewer's data of sessions.
        list_lines: owner -> what the last start or stop of their list has to say.
    """

    def __init__(self, service: Service) -> None:
        self._store, self._projects, self._models = service.store, service.projects, service.models
        self.views = SessionViews()
        self.list_lines: dict[str, str] = {}

    def show(self, visitor: Visitor, session: Session, line: Status) -> Changes:
        """Show a session with ``line`` as its status."""
        passing = sentences.candidates_line(visitor.words, session.result)
        return Changes(self.view(visitor, session), line, passing)

    def view(self, visitor: Visitor, session: Session, *, keeps_points: bool = False) -> ViewerData:
        """The picture with its masks as they are now; dots of a point list go, or stay as they are."""
        words, points = visitor.words, self.views.points(session) if keeps_points else None
        empty, suggestion = sentences.empty_sentence(words, session), sentences.empty_suggestion(words, session)
        found_with = sentences.found_with(words, session, self._models)
        return self.views.data(session, empty, points, suggestion, found_with)

    def show_opened(self, visitor: Visitor, session: Session) -> Changes:
        """Show a session that was opened just now."""
        return self.show(visitor, session, sentences.opened_line(visitor.words, session))

    def show_current(self, visitor: Visitor) -> Changes:
        """Show what is open now, for a run whose picture was closed meanwhile.

        It ends the run's updates: Gradio sends the last one of a generator once more.
        """
        session = self._store.peek(visitor.owner)
        return Changes() if session is None else self.show_opened(visitor, session)

    def arrived(self, visitor: Visitor, changes: Changes) -> Changes:
        """``changes`` with the list of pictures and recent work as they stand, and room for the next file."""
        table, recent = self.table(visitor), self.recent(visitor)
        return replace(changes, picture_list=table, recent=recent, frees_drop_zones=True)

    def is_current(self, session: Session) -> bool:
        """Whether the session is still what its owner has open."""
        return self._store.peek(session.owner) is session

    def show_list(self, visitor: Visitor) -> Changes:
        """Show the visitor's list of pictures as it is."""
        return Changes(picture_list=self.table(visitor))

    def say(self, visitor: Visitor, line: str) -> Changes:
        """Show the visitor's list with ``line`` above it."""
        self.list_lines[visitor.owner] = line
        return self.show_list(visitor)

    def followed(self, visitor: Visitor) -> PictureTableData | None:
        """The visitor's list after a change to its open picture; None where no picture of it is open."""
        own = self._projects.lists.peek(visitor.owner)
        if own is None or self._projects.open_index(visitor.owner) is None:
            return None
        self._projects.collect_edits(visitor.owner)
        if not own.run.is_running and own.pictures.done:
            self.list_lines[visitor.owner] = end_line(visitor.words, own.pictures)
        return self.table(visitor)

    def recent(self, visitor: Visitor) -> list[dict[str, str]]:
        """What the visitor has left, as the page's row of it shows it."""
        return [
            {
                "key": work.key,
                "name": work.name,
                "title": visitor.words.count("recent.open", work.masks, name=work.name, masks=work.masks),
                "picture": "data:image/webp;base64," + base64.b64encode(work.thumbnail).decode("ascii"),
            }
            for work in self._projects.recent.of(visitor.owner)
        ]

    def table(self, visitor: Visitor) -> PictureTableData:
        """The visitor's list as the page shows it."""
        own = self._projects.lists.peek(visitor.owner)
        if own is None:
            self.list_lines.pop(visitor.owner, None)
            return PictureTableData()
        pictures, run = own.pictures, own.run
        return PictureTableData(
            list_id=pictures.folder.name,
            items=[row_of(visitor.words, pictures, index) for index in range(len(pictures.items))],
            open=self._projects.open_index(visitor.owner),
            running=run.is_running and not run.is_stopping,
            line=visitor.words.sentence(run.error, visitor.words.say("list.stopped"))
            if run.error
            else self.list_lines.get(visitor.owner, ""),
            failed=bool(run.error),
            fraction=pictures.done / max(1, len(pictures.items)),
        )
