"""What a person did to the masks of one picture, by number, and the way back and forth through it.

Masks keep their numbers over new thresholds and new runs (:mod:`automask_ui.session`), so edits do too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from automask_ui.errors import LabelError
from automask_ui.session.class_names import class_name, class_names_of

__all__ = ["Action", "Edits", "History"]

MAX_STEPS = 100  # that can be taken back
MAX_NUMBER = 2**31 - 1  # of a mask; label maps hold no larger ones


@dataclass(frozen=True)
class Edits:
    """Labels, and what is hidden and deleted. A new object for every change; numbers may belong to no mask now.

    ``classes`` is the list in its order, which is that of numbers in COCO, YOLO and VOC; every label is in it.
    """

    classes: tuple[str, ...] = ()
    labels: Mapping[int, str] = field(default_factory=dict)  # number -> class; no entry = no label
    hidden: frozenset[int] = frozenset()
    deleted: frozenset[int] = frozenset()

    def with_label(self, numbers: Iterable[int], label: str) -> Edits:
        """Masks labelled ``label``, a class that is added if it is new; "" takes their labels away.

        Raises:
            LabelError: the name cannot be used.
        """
        if not label:
            gone = set(numbers)
            return replace(self, labels={n: name for n, name in self.labels.items() if n not in gone})
        name = class_name(label)
        labels = {**self.labels, **dict.fromkeys(numbers, name)}
        return replace(self, labels=labels, classes=class_names_of((*self.classes, name)))

    def with_classes(self, names: Iterable[object]) -> Edits:
        """Another class list; labels that are not in it go.

        Where one name has taken the place of another and all others stay, the class was renamed, and labels follow.

        Raises:
            LabelError: a name cannot be used, or there are too many.
        """
        classes = class_names_of(names)
        names_now = {name: name for name in classes}
        if len(classes) == len(self.classes):
            other = [(old, new) for old, new in zip(self.classes, classes, strict=True) if old != new]
            names_now |= dict(other) if len(other) == 1 else {}
        labels = {number: names_now[name] for number, name in self.labels.items() if name in names_now}
        return replace(self, classes=classes, labels=labels)

    def with_hidden(self, numbers: Iterable[int], hidden: bool) -> Edits:
        """Masks hidden, or shown again."""
        numbers = frozenset(numbers)
        return replace(self, hidden=self.hidden | numbers if hidden else self.hidden - numbers)

    def with_deleted(self, numbers: Iterable[int]) -> Edits:
        """Masks taken away; only taking the step back brings them again."""
        return replace(self, deleted=self.deleted | frozenset(numbers))

    @property
    def numbers(self) -> frozenset[int]:
        """Of all masks that anything was done to."""
        return self.hidden | self.deleted | frozenset(self.labels)

    def inherited(self, heirs: Mapping[int, int]) -> Edits:
        """What was done to the masks that are keys done to those that are values as well."""
        labels = {heirs[number]: name for number, name in self.labels.items() if number in heirs}
        hidden, deleted = ({heirs[number] for number in own if number in heirs} for own in (self.hidden, self.deleted))
        return replace(
            self, labels={**labels, **self.labels}, hidden=self.hidden | hidden, deleted=self.deleted | deleted
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, in a fixed order."""
        return {
            "classes": list(self.classes),
            "labels": {str(number): self.labels[number] for number in sorted(self.labels)},
            "hidden": sorted(self.hidden),
            "deleted": sorted(self.deleted),
        }

    @classmethod
    def from_dict(cls, data: object) -> Edits:
        """What :meth:`to_dict` gave; nothing in ``data`` is trusted.

        Raises:
            LabelError: it is not of that form.
        """
        if not isinstance(data, Mapping):
            raise LabelError("Edits must be an object with classes, labels, hidden and deleted.")
        classes, labels = data.get("classes", []), data.get("labels", {})
        if not isinstance(classes, list) or not isinstance(labels, Mapping):
            raise LabelError("Of edits, “classes” must be a list and “labels” an object.")
        # The JSON keys are text; clean_text may change no name on the way, or labels would lose their class.
        edits = cls(
            classes=class_names_of(classes),
            labels={_number(key): class_name(name) for key, name in labels.items()},
            hidden=_numbers(data, "hidden"),
            deleted=_numbers(data, "deleted"),
        )
        if strange := sorted(set(edits.labels.values()) - set(edits.classes)):
            raise LabelError(f"The label “{strange[0]}” is not in the class list.")
        return edits


def _number(value: object) -> int:
    """A mask's number, of JSON's text as well."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_NUMBER:
        raise LabelError(f"A mask's number must be 1 or more, but is {str(value)[:20]!r}.")
    return value


def _numbers(data: Mapping[str, Any], name: str) -> frozenset[int]:
    values = data.get(name, [])
    if not isinstance(values, list):
        raise LabelError(f"Of edits, “{name}” must be a list of numbers.")
    return frozenset(_number(value) for value in values)


@dataclass(frozen=True)
class Action:
    """What a step did, for people."""

    kind: Literal["label", "unlabel", "hide", "show", "delete", "classes"]
    count: int = 0  # masks it was done to
    label: str = ""


@dataclass(frozen=True)
class History:
    """The edits as they are, those before them, and those that were taken back; bounded."""

    now: Edits = field(default_factory=Edits)
    past: tuple[tuple[Action, Edits], ...] = ()  # each step with the edits before it, the last one last
    future: tuple[tuple[Action, Edits], ...] = ()  # each step with the edits after it, the next one last

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

    def inherited(self, heirs: Mapping[int, int]) -> History:
        """With :meth:`Edits.inherited` at every step, so that a step taken back is taken back for heirs, too."""
        past, future = (
            tuple((action, edits.inherited(heirs)) for action, edits in steps) for steps in (self.past, self.future)
        )
        return History(self.now.inherited(heirs), past, future)

    @property
    def undo(self) -> Action | None:
        """The step that :meth:`undone` takes back."""
        return self.past[-1][0] if self.past else None

    @property
    def redo(self) -> Action | None:
        """The step that :meth:`redone` does again."""
        return self.future[-1][0] if self.future else None
