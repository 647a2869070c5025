"""What a person did to the masks of one picture, by their ids.

Masks keep their ids over new thresholds and new runs (:class:`automask_ui.session.editor.MaskIds`), so edits do too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from automask_ui.errors import LabelError
from automask_ui.files.json_fields import JsonFieldError
from automask_ui.masks import Mask, MaskSet, codec
from automask_ui.masks.rle import Rle
from automask_ui.session.class_names import ClassList, class_name, class_names_of, joined

__all__ = ["EditedMasks", "Edits", "Origin", "OwnMask", "apply_edits", "ids_in", "mask_id"]

MAX_ID = 2**31 - 1  # of a mask; label maps hold no larger ones

Origin = Literal["found", "clicked", "merged", "split", "painted", "changed"]


@dataclass(frozen=True)
class OwnMask:
    """A mask that a person has made or changed: it stays as it is, whatever is found."""

    rle: Rle
    origin: Origin
    predicted_iou: float | None = None  # None: no model has scored it
    stability_score: float | None = None

    @classmethod
    def of(cls, mask: Mask, origin: Origin) -> OwnMask:
        """The pixels and scores of ``mask``."""
        return cls(mask.rle, origin, _or_none(mask.predicted_iou), _or_none(mask.stability_score))

    def __post_init__(self) -> None:
        # As float32, which they are in a MaskSet, so that they come back from a file as they were.
        for name in ("predicted_iou", "stability_score"):
            score = getattr(self, name)
            object.__setattr__(self, name, None if score is None else float(np.float32(score)))


@dataclass(frozen=True)
class Edits:
    """Labels, masks made by hand, and what is hidden and deleted. A new object for every change.

    ``classes`` is the list in its order; every label is in it. Ids of masks may belong to no mask now.
    """

    classes: tuple[str, ...] = ()
    labels: Mapping[int, str] = field(default_factory=dict)  # id -> class; no entry = no label
    hidden: frozenset[int] = frozenset()
    deleted: frozenset[int] = frozenset()
    own: Mapping[int, OwnMask] = field(default_factory=dict)  # in place of the found mask with this id, or one more
    class_ids: tuple[int, ...] | None = None  # of ``classes`` in COCO, YOLO and VOC; None: by their places

    def with_label(self, ids: Iterable[int], label: str) -> Edits:
        """Label masks ``label``, a class that is added if it is new; "" takes their labels away.

        Raises:
            LabelError: the name cannot be used.
        """
        if not label:
            gone = set(ids)
            return replace(self, labels={id_: name for id_, name in self.labels.items() if id_ not in gone})
        name = class_name(label)
        labels = {**self.labels, **dict.fromkeys(ids, name)}
        return replace(self, labels=labels).with_class_list(joined([self.class_list, ClassList((name,))]))

    @property
    def class_list(self) -> ClassList:
        """The classes with their numbers."""
        return ClassList(self.classes, self.class_ids)

    def with_class_list(self, classes: ClassList) -> Edits:
        """Take a list that holds all labels.

        Raises:
            LabelError: it has too many classes.
        """
        return replace(self, classes=class_names_of(classes.names), class_ids=classes.ids)

    def with_classes(self, names: Iterable[object], ids: tuple[int, ...] | None = None) -> Edits:
        """Take another class list, with the numbers ``ids`` if it has any; labels that are not in it go.

        Where one name has taken the place of another and all others stay, the class was renamed, and labels follow.

        Raises:
            LabelError: a name cannot be used, or there are too many.
        """
        classes = class_names_of(names)
        names_now = {name: name for name in classes}
        if len(classes) == len(self.classes):
            other = [(old, new) for old, new in zip(self.classes, classes, strict=True) if old != new]
            names_now |= dict(other) if len(other) == 1 else {}
        labels = {id_: names_now[name] for id_, name in self.labels.items() if name in names_now}
        return replace(self, classes=classes, class_ids=ids, labels=labels)

    def with_hidden(self, ids: Iterable[int], hidden: bool) -> Edits:
        """Hide masks, or show them again."""
        ids = frozenset(ids)
        return replace(self, hidden=self.hidden | ids if hidden else self.hidden - ids)

    def with_deleted(self, ids: Iterable[int], deleted: bool = True) -> Edits:
        """Take masks away, or bring them back."""
        ids = frozenset(ids)
        return replace(self, deleted=self.deleted | ids if deleted else self.deleted - ids)

    def with_own(self, masks: Mapping[int, OwnMask]) -> Edits:
        """Put masks made by hand in the place of those with the same ids, deleted ones too, or beside the others."""
        return replace(self, own={**self.own, **masks}, deleted=self.deleted - masks.keys()) if masks else self

    @property
    def ids(self) -> frozenset[int]:
        """Of all masks that anything was done to."""
        return self.hidden | self.deleted | frozenset(self.labels) | frozenset(self.own)

    @cached_property
    def own_masks(self) -> MaskSet | None:
        """The masks made by hand, by rising ids; None where there are none."""
        if not self.own:
            return None
        masks = [self.own[id_] for id_ in sorted(self.own)]
        scores = [[_or_nan(mask.predicted_iou) for mask in masks], [_or_nan(mask.stability_score) for mask in masks]]
        height, width = masks[0].rle["size"]
        return MaskSet.from_rles([mask.rle for mask in masks], (height, width), *scores)

    def carried_over(self, successors: Mapping[int, int]) -> Edits:
        """Do what was done to each mask to its successor as well; ``successors``: old id -> new id.

        Of a mask made by hand, which stays, nobody needs a second one: its successor is deleted, unless that is made by
        hand as well, as it can be at a step that was taken back.
        """
        labels = {
            successors[id_]: name for id_, name in self.labels.items() if id_ in successors and id_ not in self.own
        }
        hidden = {successors[id_] for id_ in self.hidden if id_ in successors and id_ not in self.own}
        deleted = {successors[id_] for id_ in (*self.deleted, *self.own) if id_ in successors} - self.own.keys()
        return replace(
            self, labels={**labels, **self.labels}, hidden=self.hidden | hidden, deleted=self.deleted | deleted
        )

    def renumbered(self, new_ids: Mapping[int, int]) -> Edits:
        """The same of masks that have other ids now; ``new_ids``: old id -> new id, of every mask in :attr:`ids`."""
        return replace(
            self,
            labels={new_ids[id_]: name for id_, name in self.labels.items()},
            hidden=frozenset(new_ids[id_] for id_ in self.hidden),
            deleted=frozenset(new_ids[id_] for id_ in self.deleted),
            own={new_ids[id_]: mask for id_, mask in self.own.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON, in a fixed order."""
        values: dict[str, Any] = {
            "classes": list(self.classes),
            **({} if self.class_ids is None else {"class_ids": list(self.class_ids)}),
            "labels": {str(id_): self.labels[id_] for id_ in sorted(self.labels)},
            "hidden": sorted(self.hidden),
            "deleted": sorted(self.deleted),
        }
        if self.own_masks is not None:
            ids = sorted(self.own)
            origins = [self.own[id_].origin for id_ in ids]
            values["own"] = {"ids": ids, "origins": origins, "masks": codec.to_columns(self.own_masks)}
        return values

    @classmethod
    def from_dict(cls, data: object, size_hw: tuple[int, int] | None = None) -> Edits:
        """Read what :meth:`to_dict` gave; nothing in ``data`` is trusted.

        Args:
            data: of any type.
            size_hw: of the picture, px; None refuses masks made by hand.

        Raises:
            LabelError: it is not of that form.
        """
        if not isinstance(data, Mapping):
            raise LabelError("Edits must be an object with classes, labels, hidden and deleted.")
        classes, labels = data.get("classes", []), data.get("labels", {})
        if not isinstance(classes, list) or not isinstance(labels, Mapping):
            raise LabelError("Of edits, “classes” must be a list and “labels” an object.")
        # The JSON keys are text; clean_text may change no name on the way, or labels would lose their class.
        names = class_names_of(classes)
        edits = cls(
            classes=names,
            class_ids=_class_ids(data["class_ids"], len(names)) if "class_ids" in data else None,
            labels={mask_id(key): class_name(name) for key, name in labels.items()},
            hidden=frozenset(ids_in(data, "hidden")),
            deleted=frozenset(ids_in(data, "deleted")),
            own=_own(data["own"], size_hw) if "own" in data else {},
        )
        if strange := sorted(set(edits.labels.values()) - set(edits.classes)):
            raise LabelError(f"The label “{strange[0]}” is not in the class list.")
        return edits


class EditedMasks(NamedTuple):
    """Masks as a person has made them, for the page, the table and every file."""

    ids: tuple[int, ...]  # one a mask
    masks: MaskSet
    labels: tuple[str, ...]  # one a mask; "" = none


def apply_edits(
    masks: MaskSet, ids: Sequence[int], edits: Edits, *, with_hidden: bool = True, with_deleted: bool = False
) -> EditedMasks:
    """Do ``edits`` to found masks.

    A mask made by hand takes the place of the found one with its id; the others follow at the end, by their ids.

    Args:
        masks: as they were found.
        ids: one a mask.
        edits: what was done to them.
        with_hidden: masks that are hidden are among the result.
        with_deleted: masks that are deleted are among the result.
    """
    rows = {id_: row for row, id_ in enumerate(ids)}
    all_masks = masks
    if edits.own_masks is not None:
        all_masks = masks.followed_by(edits.own_masks)
        rows |= {id_: row for row, id_ in enumerate(sorted(edits.own), start=len(masks))}
    away = (frozenset() if with_hidden else edits.hidden) | (frozenset() if with_deleted else edits.deleted)
    kept = tuple(id_ for id_ in rows if id_ not in away)
    if edits.own_masks is not None or len(kept) < len(masks):
        all_masks = all_masks[[rows[id_] for id_ in kept]]
    return EditedMasks(kept, all_masks, tuple(edits.labels.get(id_, "") for id_ in kept))


def _or_nan(score: float | None) -> float:
    return math.nan if score is None else score


def _or_none(score: float) -> float | None:
    return None if math.isnan(score) else score


def mask_id(value: object) -> int:
    """A mask's id, of JSON's text as well; LabelError where it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_ID:
        raise LabelError(f"A mask's id must be 1 or more, but is {str(value)[:20]!r}.")
    return value


def _class_ids(values: object, count: int) -> tuple[int, ...]:
    """Numbers of ``count`` classes, all different."""
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value <= MAX_ID for value in values):
        raise LabelError(f"Of edits, “class_ids” must be a list of numbers from 0 to {MAX_ID:,}.")
    if not len(set(values)) == len(values) == count:
        raise LabelError("Of edits, “class_ids” must have one number for every class, all different.")
    return tuple(values)


def ids_in(data: Mapping[str, Any], name: str) -> list[int]:
    """The list of mask ids at ``name``, none where there is no list; LabelError where it is something else."""
    values = data.get(name, [])
    if not isinstance(values, list):
        raise LabelError(f"Of edits, “{name}” must be a list of ids.")
    return [mask_id(value) for value in values]


def _own(data: object, size_hw: tuple[int, int] | None) -> dict[int, OwnMask]:
    """Masks made by hand, in a picture of ``size_hw`` px."""
    if size_hw is None or not isinstance(data, Mapping):
        raise LabelError("Of edits, “own” must be an object, and goes with a picture.")
    ids, origins = ids_in(data, "ids"), data.get("origins")
    try:
        masks = codec.from_columns(data.get("masks"), size_hw)
    except JsonFieldError as error:
        raise LabelError(f"Of the masks made by hand, {error}") from error
    if not isinstance(origins, list) or not len(set(ids)) == len(ids) == len(origins) == len(masks):
        raise LabelError("Of edits, “own” must have one id, all different, and one origin for every mask.")
    if strange := [origin for origin in origins if origin not in get_args(Origin)]:
        raise LabelError(f"A mask made by hand has the unknown origin {str(strange[0])[:20]!r}.")
    return {id_: OwnMask.of(mask, origin) for id_, origin, mask in zip(ids, origins, masks, strict=True)}
