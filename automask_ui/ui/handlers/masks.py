"""What the picture and the table ask of the server: edits, downloads, class lists, and why there is no mask."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from automask_ui.errors import AutoMaskError
from automask_ui.export import ExportReport
from automask_ui.masks.explain import explain
from automask_ui.project.autosave import Autosave
from automask_ui.project.export import export_photo
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.session.class_names import ClassList, read_class_list
from automask_ui.ui.components.status_line import status
from automask_ui.ui.components.viewer import ViewerAnswer, viewer_note
from automask_ui.ui.components.viewer.display import viewer_edits
from automask_ui.ui.edit_requests import take_steps
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences
from automask_ui.ui.text.report import proof_of

__all__ = ["MaskHandlers"]


class MaskHandlers:
    """The masks of the picture that a visitor has open."""

    def __init__(self, service: Service, screens: Screens, autosave: Autosave | None = None) -> None:
        self._service, self._screens, self._autosave = service, screens, autosave
        # Which download of a session was asked for last: the page has room for one file.
        self._asked_last: weakref.WeakKeyDictionary[Session, object] = weakref.WeakKeyDictionary()

    def edit(self, visitor: Visitor, payload: Any) -> Changes:
        """Take steps that the viewer shows already, and tell it what came of them.

        Raises:
            RunGoneError: the masks are no longer on the server.
        """
        session = self._session_of(visitor, payload)
        own, is_renumbered = session.edits.own, payload.get("renumbered") is not False
        outcome = take_steps(session, payload.get("steps"), is_renumbered=is_renumbered)
        self._service.store.touch(session)
        way, action = outcome.told or ("", None)
        redraws = session.edits.own is not own
        answer: ViewerAnswer = {
            **viewer_edits(session),
            "answers": payload.get("ticket"),
            "told": {"way": way, **asdict(action)} if action else None,
            "error": "" if outcome.refused is None else visitor.words.error(outcome.refused),
            "made": [list(ids) for ids in outcome.made],
            "note": _in_words(visitor, outcome.notes),
            "redraws": redraws,
        }
        view = self._screens.view(visitor, session, keeps_points=True) if redraws else None
        refusal = None if self._autosave is None else self._autosave.untold_refusal(visitor.owner)
        warning = sentences.unkept_warning(visitor.words, refusal)
        return Changes(edits=answer, view=view, picture_list=self._screens.followed(visitor), warning=warning)

    def class_file(self, visitor: Visitor, path: str | None) -> Changes:
        """Show the class list in an uploaded file, which is looked at before it is taken.

        Raises:
            LabelError: there is no class list in it.
        """
        found = read_class_list(path) if path else ClassList(())
        note = _in_words(visitor, found.notes)
        return Changes(class_list={"lines": found.lines, "note": note, "key": uuid.uuid4().hex})

    def why(self, visitor: Visitor, payload: Any) -> Changes | None:
        """Say at a place why there is no mask; None where nothing was found yet.

        Raises:
            RunGoneError: the masks are no longer on the server.
        """
        session = self._session_of(visitor, payload)
        x, y = payload.get("x"), payload.get("y")
        if session.result is None or type(x) is not int or type(y) is not int:
            return None
        if not session.result.has_candidates:
            return Changes(note=viewer_note(visitor.words.say("why.unknown"), x, y))
        reason = explain(session.result, x, y)
        sentence = sentences.why_sentence(visitor.words, session.result, reason)
        suggestion = sentences.why_suggestion(visitor.words, reason)
        return Changes(note=viewer_note(sentence, x, y, suggestion, keeps=reason.kind == "dropped"))

    def export(self, visitor: Visitor, payload: Any) -> ExportReport:
        """Write masks in the format that the viewer asks for, and check the file.

        Raises:
            RunGoneError: the masks are no longer on the server.
            ExportError: no such format, no mask, or the file failed its check.
        """
        session = self._session_of(visitor, payload)
        ids, by_class = payload.get("ids"), payload.get("colour_by") == "class"
        wanted = ids if isinstance(ids, list) else []
        return export_photo(session, self._service.models, payload.get("format"), wanted, by_class)

    def prepare(self, visitor: Visitor, payload: Any) -> Iterator[Changes]:
        """Write a download, and tell what is in it, to be read before it is saved.

        Of two that are written at once, the one that was asked for last is the page's, whichever is finished first.
        """
        yield Changes(status=status(visitor.words.say("status.exporting"), "busy", -1))
        ticket = payload.get("ticket") if isinstance(payload, dict) else None
        this = object()
        try:
            session = self._session_of(visitor, payload)
            self._asked_last[session] = this
            report = self.export(visitor, payload)
        except AutoMaskError as error:
            sentence = visitor.words.error(error)
            refused = {"ticket": ticket, "error": True, "sentence": sentence}
            yield Changes(proof=refused, status=status(sentence, "error"))
            return
        if self._asked_last.get(session) is not this or not self._screens.is_current(session):
            return
        labels = session.edits.labels
        unlabelled = sum(check.id not in labels for check in report.checks)
        proof = proof_of(visitor.words, report, unlabelled if unlabelled < len(report.checks) else 0)
        proof = {"ticket": ticket, "error": False, **proof}
        yield Changes(download=report.path, proof=proof, status=status(proof["sentence"], "done"))

    def _session_of(self, visitor: Visitor, payload: Any) -> Session:
        return self._service.store.get(visitor.owner, payload.get("session") if isinstance(payload, dict) else None)


def _in_words(visitor: Visitor, notes: Iterable[str]) -> str:
    return " ".join(map(visitor.words.sentence, notes))
