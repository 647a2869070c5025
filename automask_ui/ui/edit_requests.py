"""Steps of edits that the viewer asks for, which nobody has checked, done to a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from automask_ui.errors import EditError
from automask_ui.session import Session
from automask_ui.session.class_names import ClassList, parse_class_list
from automask_ui.session.history import Action
from automask_ui.session.mask_edits import MASK_EDITS
from automask_ui.session.step_fields import flag, id_list, text

__all__ = ["Outcome", "take_steps"]

MAX_STEPS = 1_000  # of one parcel

# What was taken back or done again.
Told = tuple[Literal["undone", "redone"], Action]


class Outcome(NamedTuple):
    """What came of steps."""

    told: Told | None = None  # of several, the last
    made: tuple[tuple[int, ...], ...] = ()  # of each step, the ids of the masks that it made or changed, if still there
    refused: EditError | None = None  # why a step was not done; of several, the first
    notes: tuple[str, ...] = ()  # sentences on what was understood of a class list, or left out


class _Done(NamedTuple):
    """What came of one step."""

    told: Told | None = None
    made: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def take_steps(session: Session, steps: object, *, is_renumbered: bool = True) -> Outcome:
    """Do what the viewer asks for, step by step; nothing in ``steps`` is trusted.

    A step that cannot be done changes nothing, and those after it are done all the same: each was asked for by itself.
    But then none is taken back or done again, since that was meant for the step that is missing.

    Args:
        session: whose masks are meant.
        steps: of any type.
        is_renumbered: the ids in them are those that masks keep, if they have been renumbered; else from before.
    """
    listed = steps if isinstance(steps, list) else []
    if len(listed) > MAX_STEPS:
        return Outcome(refused=EditError(f"An edit can have {MAX_STEPS:,} steps, but has {len(listed):,}."))
    told: Told | None = None
    refused: EditError | None = None
    made, notes = [], list[str]()
    for step in listed:
        done = _Done()
        try:
            if refused is None or not _goes_back_or_forth(step):
                done = _take(session, step, is_renumbered)
        except EditError as error:
            refused = refused or error
        told = done.told or told
        made.append(done.made)
        notes += done.notes
    there = session.edits.own.keys() - session.edits.deleted
    still_there = tuple(tuple(id_ for id_ in ids if id_ in there) for ids in made)
    return Outcome(told, still_there, refused, tuple(notes))


def _take(session: Session, step: object, is_renumbered: bool) -> _Done:
    if not isinstance(step, Mapping):
        raise EditError("A step of an edit must be an object.")

    def ids_now(step: Mapping[str, Any]) -> Mapping[str, Any]:
        return step if is_renumbered else _renumbered(step, session.editor.renumbered)

    do = step.get("do")
    if isinstance(do, str) and do in MASK_EDITS:
        return _Done(made=MASK_EDITS[do].do(session, step, ids_now))
    take = _STEPS.get(do) if isinstance(do, str) else None
    if take is None:
        raise EditError(f"There is no edit {str(do)[:20]!r}.")
    with session.lock:
        return take(session, ids_now(step))


def _goes_back_or_forth(step: object) -> bool:
    return isinstance(step, Mapping) and step.get("do") in ("undo", "redo")


def _renumbered(step: Mapping[str, Any], new_ids: Mapping[int, int]) -> Mapping[str, Any]:
    """``step`` with other ids, where it has such; a mask that is gone has the id 0, which no mask has."""

    def new(id_: object) -> object:
        return new_ids.get(id_, id_) if type(id_) is int else id_

    changed = dict(step)
    if "id" in step:
        changed["id"] = new(step["id"])
        if step["id"] and not changed["id"]:
            raise EditError("A mask that is meant is no longer there: select again.")
    if isinstance(step.get("ids"), list):
        changed["ids"] = [new(id_) for id_ in step["ids"]]
    return changed


def _label(session: Session, step: Mapping[str, Any]) -> _Done:
    session.editor.set_label(id_list("ids", step.get("ids")), text("label", step.get("label")))
    return _Done()


def _hide(session: Session, step: Mapping[str, Any]) -> _Done:
    session.editor.set_hidden(id_list("ids", step.get("ids")), flag("hidden", step.get("hidden")))
    return _Done()


def _delete(session: Session, step: Mapping[str, Any]) -> _Done:
    session.editor.delete(id_list("ids", step.get("ids")))
    return _Done()


def _restore(session: Session, step: Mapping[str, Any]) -> _Done:
    session.editor.restore(id_list("ids", step.get("ids")))
    return _Done()


def _classes(session: Session, step: Mapping[str, Any]) -> _Done:
    names = text("text", step.get("text"))
    found = parse_class_list(names) if names.strip() else ClassList(())
    session.editor.set_classes(found.names, found.ids)
    return _Done(notes=found.notes)


def _undo(session: Session, step: Mapping[str, Any]) -> _Done:
    action = session.editor.undo()
    return _Done(told=("undone", action) if action else None)


def _redo(session: Session, step: Mapping[str, Any]) -> _Done:
    action = session.editor.redo()
    return _Done(told=("redone", action) if action else None)


# What a step asks for by its "do"; kinds of edits that make masks are in MASK_EDITS.
_STEPS: dict[str, Callable[[Session, Mapping[str, Any]], _Done]] = {
    "label": _label,
    "hide": _hide,
    "delete": _delete,
    "restore": _restore,
    "classes": _classes,
    "undo": _undo,
    "redo": _redo,
}
