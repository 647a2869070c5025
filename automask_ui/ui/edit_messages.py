"""Edits on their way between the viewer and a session: steps that nobody has checked in, plain values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from automask_ui.errors import LabelError
from automask_ui.session import Session
from automask_ui.session.class_names import ClassList, parse_class_list
from automask_ui.session.edits import Action
from automask_ui.ui.components.viewer import ViewerAction, ViewerEdits

__all__ = ["take_steps", "viewer_edits"]

Way = Literal["undone", "redone"]


def take_steps(session: Session, steps: object) -> tuple[Way, Action] | None:
    """Do what the viewer asks for, step by step.

    Returns:
        What was taken back or done again last, to be told.

    Raises:
        LabelError: a step is none; those before it are done.
    """
    told: tuple[Way, Action] | None = None
    for step in steps if isinstance(steps, list) else []:
        if not isinstance(step, Mapping):
            raise LabelError("A step of an edit must be an object.")
        kind, given = step.get("do"), step.get("ids")
        ids = [id_ for id_ in given if type(id_) is int] if isinstance(given, list) else []
        if kind == "hide":
            session.editor.set_hidden(ids, step.get("hidden") is True)
        elif kind == "label":
            session.editor.set_label(ids, _text(step, "label"))
        elif kind == "delete":
            session.editor.delete(ids)
        elif kind == "classes":
            text = _text(step, "text")
            found = parse_class_list(text) if text.strip() else ClassList(())
            session.editor.set_classes(found.names, found.ids)
        elif kind == "undo":
            action = session.editor.undo()
            told = ("undone", action) if action else told
        elif kind == "redo":
            action = session.editor.redo()
            told = ("redone", action) if action else told
        else:
            raise LabelError(f"There is no edit {str(kind)[:20]!r}.")
    return told


def _text(step: Mapping[str, Any], name: str) -> str:
    value = step.get(name)
    if not isinstance(value, str):
        raise LabelError(f"“{name}” must be text, but is {str(value)[:40]!r}.")
    return value


def viewer_edits(session: Session) -> ViewerEdits:
    """The session's edits as the viewer takes them."""
    history, version = session.editor.seen()
    edits = history.now
    places = {name: place for place, name in enumerate(edits.classes)}
    return {
        "session": session.id,
        "version": version,
        "classes": list(edits.classes),
        "class_lines": edits.class_list.lines,
        "labels": [[id_, places[name]] for id_, name in edits.labels.items()],
        "hidden": sorted(edits.hidden),
        "deleted": sorted(edits.deleted),
        "undo": _action(history.undo),
        "redo": _action(history.redo),
    }


def _action(action: Action | None) -> ViewerAction | None:
    return None if action is None else {"kind": action.kind, "count": action.count, "label": action.label}
