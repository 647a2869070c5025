"""The steps that can be taken back or done again, as plain values for a document: each as what it changes.

Beside the edits as they are, a step is only its difference from the one nearer to them, so that a hundred steps on a
thousand labelled masks are not a hundred times a thousand labels. What would be too large is left out, oldest first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from automask_ui.errors import LabelError
from automask_ui.session.class_names import class_name
from automask_ui.session.edits import MAX_ID, Edits, OwnMask, ids_in, mask_id
from automask_ui.session.history import MAX_STEPS, Action, History

__all__ = ["from_dict", "to_dict"]

MAX_CHANGES = 20_000  # of single masks and classes, in all steps together
MAX_BYTES = 4 * 1024**2  # of the run lengths of masks made by hand, in all steps together
# Labels, ids and classes that all steps back, or on, hold when they are read: a step that changes one label of a
# million holds a million, so that a small file could fill the memory.
MAX_ENTRIES = 1_000_000

_KIND = re.compile(r"[a-z_]{1,20}")
_NONE = 0  # in place of a mask made by hand: the step takes it away

_Steps = tuple[tuple[Action, Edits], ...]


def to_dict(history: History) -> dict[str, Any]:
    """Give plain values for JSON: what leads from the edits as they are back, and on, step by step."""
    writer = _Writer()
    past = writer.steps(history.now, history.past)
    future = writer.steps(history.now, history.future)
    return {"past": past, "future": future, **writer.own_masks()}


def from_dict(data: object, now: Edits, size_hw: tuple[int, int]) -> History:
    """Read what :func:`to_dict` gave; nothing in ``data`` is trusted.

    Args:
        data: of any type.
        now: the edits as they are.
        size_hw: of the picture, px.

    Raises:
        LabelError: it is not of that form, or a step leads to edits that cannot be.
    """
    if not isinstance(data, Mapping):
        raise LabelError("The history must be an object with past and future.")
    masks = Edits.from_dict({"own": data["own"]}, size_hw).own if "own" in data else {}
    return History(now, _read_steps(data, "past", now, masks), _read_steps(data, "future", now, masks))


class _Writer:
    """Writes steps for as long as there is room, and collects the masks made by hand that they bring."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}  # id() of a mask, which the history keeps alive -> its place, from 1
        self._masks: list[OwnMask] = []
        self._changes = self._bytes = 0

    def steps(self, now: Edits, steps: _Steps) -> list[dict[str, Any]]:
        """Rows of ``steps``, of which the last one is nearest to ``now``; the nearest first."""
        rows = []
        for action, edits in reversed(steps):
            change = self._change(now, edits)
            if self._changes > MAX_CHANGES or self._bytes > MAX_BYTES:
                break
            rows.append({"kind": action.kind, "count": action.count, "label": action.label, **change})
            now = edits
        return rows

    def own_masks(self) -> dict[str, Any]:
        """The masks made by hand that steps bring, as in :meth:`Edits.to_dict`, with their places as ids."""
        return {} if not self._masks else {"own": Edits(own=dict(enumerate(self._masks, start=1))).to_dict()["own"]}

    def _change(self, before: Edits, after: Edits) -> dict[str, Any]:
        change: dict[str, Any] = {}
        if (before.classes, before.class_ids) != (after.classes, after.class_ids):
            change["classes"] = list(after.classes)
            if after.class_ids is not None:
                change["class_ids"] = list(after.class_ids)
        labelled = before.labels.keys() | after.labels.keys()
        change["labels"] = {
            str(id_): after.labels.get(id_, "")
            for id_ in sorted(labelled)
            if before.labels.get(id_) != after.labels.get(id_)
        }
        change["hidden"] = sorted(before.hidden ^ after.hidden)
        change["deleted"] = sorted(before.deleted ^ after.deleted)
        own = sorted(before.own.keys() | after.own.keys())
        changed = [id_ for id_ in own if before.own.get(id_) is not after.own.get(id_)]
        change["own"] = {str(id_): self._place(after.own.get(id_)) for id_ in changed}
        self._changes += sum(map(len, change.values()))
        return {name: value for name, value in change.items() if value or name == "classes"}

    def _place(self, mask: OwnMask | None) -> int:
        if mask is None:
            return _NONE
        if id(mask) not in self._places:
            self._masks.append(mask)
            self._places[id(mask)] = len(self._masks)
            self._bytes += len(mask.rle["counts"])
        return self._places[id(mask)]


def _read_steps(data: Mapping[str, Any], name: str, now: Edits, masks: Mapping[int, OwnMask]) -> _Steps:
    rows = data.get(name, [])
    if not isinstance(rows, list) or len(rows) > MAX_STEPS or not all(isinstance(row, Mapping) for row in rows):
        raise LabelError(f"Of the history, “{name}” must be a list of at most {MAX_STEPS} steps.")
    steps: list[tuple[Action, Edits]] = []
    entries = 0
    for row in rows:
        before, now = now, _changed(now, row, masks)
        entries += _entries_anew(before, now)
        if entries > MAX_ENTRIES:
            break
        steps.append((_action(row), now))
    return tuple(reversed(steps))


def _entries_anew(before: Edits, after: Edits) -> int:
    """How many labels, ids and classes ``after`` holds for itself, and does not share with ``before``."""
    names = ("classes", "labels", "hidden", "deleted", "own")
    return sum(len(getattr(after, name)) for name in names if getattr(after, name) is not getattr(before, name))


def _action(row: Mapping[str, Any]) -> Action:
    kind, count, label = row.get("kind"), row.get("count"), row.get("label")
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise LabelError(f"A step of the history has the unknown kind {str(kind)[:20]!r}.")
    if type(count) is not int or not 0 <= count <= MAX_ID or not isinstance(label, str):
        raise LabelError(f"The step “{kind}” of the history has no count or no label.")
    return Action(kind, count, class_name(label) if label else "")


def _changed(edits: Edits, row: Mapping[str, Any], masks: Mapping[int, OwnMask]) -> Edits:
    """``edits`` with the changes of ``row``; what it leaves as it is, both share."""
    labels, own = row.get("labels", {}), row.get("own", {})
    if not isinstance(labels, Mapping) or not isinstance(own, Mapping):
        raise LabelError("Of a step of the history, “labels” and “own” must be objects.")
    if "classes" in row:
        read = Edits.from_dict({name: row[name] for name in ("classes", "class_ids") if name in row})
        edits = replace(edits, classes=read.classes, class_ids=read.class_ids)
    if labels:
        new_labels = {mask_id(key): class_name(label) if label != "" else "" for key, label in labels.items()}
        all_labels = {id_: label for id_, label in {**edits.labels, **new_labels}.items() if label}
        edits = replace(edits, labels=all_labels)
    if (labels or "classes" in row) and (strange := sorted(set(edits.labels.values()).difference(edits.classes))):
        raise LabelError(f"At a step of the history, the label “{strange[0]}” is not in the class list.")
    if own:
        edits = replace(edits, own=_own_changed(edits.own, own, masks))
    if hidden := ids_in(row, "hidden"):
        edits = replace(edits, hidden=edits.hidden.symmetric_difference(hidden))
    if deleted := ids_in(row, "deleted"):
        edits = replace(edits, deleted=edits.deleted.symmetric_difference(deleted))
    return edits


def _own_changed(
    own: Mapping[int, OwnMask], change: Mapping[str, Any], masks: Mapping[int, OwnMask]
) -> dict[int, OwnMask]:
    """The masks made by hand after a step's ``change``: ids with places in ``masks``."""
    places = {mask_id(key): place for key, place in change.items()}
    if strange := [place for place in places.values() if type(place) is not int or (place and place not in masks)]:
        raise LabelError(f"A step of the history brings the mask {str(strange[0])[:20]}, which is not there.")
    kept = {id_: mask for id_, mask in own.items() if id_ not in places}
    return kept | {id_: masks[place] for id_, place in places.items() if place != _NONE}
