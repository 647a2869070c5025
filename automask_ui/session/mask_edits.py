"""The rules of correcting by hand: what each kind of edit makes of masks. One function a kind; none changes anything.

A new kind is one more function here under the name by which the page asks for it (a step's ``do``), the button or tool
in the viewer's JavaScript, and its line in the viewer's texts. The step that it becomes in the history is called
:attr:`NewMasks.kind`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from automask_ui.errors import EditError, RunGoneError
from automask_ui.masks import operations
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.explain import explain
from automask_ui.masks.rle import Rle
from automask_ui.session import Session, step_fields
from automask_ui.session.drawing import Piece, Stroke, area_of
from automask_ui.session.edits import Origin, OwnMask
from automask_ui.session.pixel_work import PixelWork
from automask_ui.session.step_fields import Field

__all__ = ["MASK_EDITS", "MaskEdit", "NewMasks"]

MAX_ID = 2**31 - 1
MAX_PX = 200  # by which a mask is changed at once
_GONE = "A mask that is meant is no longer there: select again."
_SMALLEST_PART = (0.0001, 10)  # of the picture, and in px: smaller pieces of a mask that is split are specks


@dataclass(frozen=True)
class NewMasks:
    """What comes of an edit, in the arguments of :meth:`automask_ui.session.editor.Editor.put_masks`."""

    kind: str  # of the step, in the page's texts
    masks: Sequence[OwnMask] = ()
    ids: Sequence[int] | None = None  # whose pixels these become; None: they are new masks
    instead_of: Sequence[int] = ()  # ids of masks that go
    labels: Sequence[str] = ()  # of ``masks``; none: as they are
    count: int | None = None  # masks that went in; None: as many as came out


Rule = Callable[..., NewMasks]


@dataclass(frozen=True)
class MaskEdit:
    """A kind of edit.

    Attributes:
        rule: called with the session, something to do work on pixels with, and the fields by their names.
        fields: of a step of this kind.
    """

    rule: Rule
    fields: Mapping[str, Field[Any]]

    def do(
        self,
        session: Session,
        step: Mapping[str, Any],
        ids_now: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    ) -> tuple[int, ...]:
        """Do this to masks of ``session`` in one step of its history.

        Pixels of many masks can take seconds. They are computed while everybody goes on, and then looked up while the
        session waits; only what was changed meanwhile is computed there.

        Args:
            session: whose masks are meant.
            step: nothing in it is trusted.
            ids_now: gives ``step`` with the ids that masks have when it is called.

        Returns:
            Ids of the masks that were made or changed.

        Raises:
            EditError: a field cannot be used, or the edit makes no sense for these masks. Nothing has changed.
        """
        work = PixelWork()
        # What is refused now can be right by the time that it counts, and is refused then if not.
        with suppress(EditError):
            self._new_masks(session, ids_now(step), work)
        # What a run finds meanwhile waits: the masks that go in are those that are replaced.
        with session.lock:
            new = self._new_masks(session, ids_now(step), work)
            put = session.editor.put_masks
            return put(new.kind, new.masks, new.ids, new.instead_of, labels=new.labels, count=new.count)

    def _new_masks(self, session: Session, step: Mapping[str, Any], work: PixelWork) -> NewMasks:
        return self.rule(session, work, **{name: read(name, step.get(name)) for name, read in self.fields.items()})


MASK_EDITS: dict[str, MaskEdit] = {}


def _edit(do: str, **fields: Field[Any]) -> Callable[[Rule], Rule]:
    """Make a rule the one for steps that are called ``do`` and have these fields."""

    def register(rule: Rule) -> Rule:
        MASK_EDITS[do] = MaskEdit(rule, fields)
        return rule

    return register


_id = step_fields.whole(0, MAX_ID)  # 0: none


# Masks from the model


@_edit("take", ticket=step_fields.ticket, candidate=step_fields.whole(0, 2), id=_id)
def take(session: Session, work: PixelWork, ticket: str, candidate: int, id: int) -> NewMasks:
    """A candidate of a prediction becomes a new mask, or the pixels of the mask ``id``."""
    mask = session.offered.candidate(ticket, candidate)
    if not id:
        return NewMasks("add", [mask])
    # The mask need not pass the thresholds any more, which may have moved since the clicks began.
    if id not in session.editor.ids or id in session.edits.deleted:
        raise EditError(_GONE)
    return NewMasks("refine", [mask], [id])


@_edit("keep", x=step_fields.number(0, MAX_ID), y=step_fields.number(0, MAX_ID))
def keep(session: Session, work: PixelWork, x: float, y: float) -> NewMasks:
    """The best candidate at a place becomes a mask, though a rule has dropped it or Show only leaves it out."""
    work = session.snapshot()
    result = work.result
    if result is None or not result.has_candidates:
        raise EditError("There are no candidates yet: find masks first.")
    row = explain(result, x, y).candidate
    if row is None:
        raise EditError("The run has no candidate at this place: click there with the tool Add.")
    rows = np.flatnonzero(result.masks.candidate == row)
    if not len(rows):
        candidates = result.candidates
        scores = float(candidates.predicted_iou[row]), float(candidates.stability_score[row])
        return NewMasks("add", [OwnMask(candidates.rle[row], "found", *scores)])
    # It was kept, so it has an id already. What clean-up has made of it is the mask that people know.
    id_ = work.ids[rows[0]]
    if id_ in session.current_masks().ids:
        raise EditError(f"The mask at this place is there already: it is number {id_}.")
    return NewMasks("add", [OwnMask.of(result.masks[int(rows[0])], "found")], [id_])


# Several masks


@_edit("combine", how=step_fields.one_of("merge", "subtract", "intersect"), ids=step_fields.id_list,
       label=step_fields.optional(step_fields.text))  # fmt: skip
def combine(session: Session, work: PixelWork, how: str, ids: tuple[int, ...], label: str | None) -> NewMasks:
    """One mask of several. By subtracting, the first one changes; otherwise a new one takes the place of all."""
    masks = _picked(session, ids, least=2)
    first, *others = (mask.own.rle for mask in masks)
    if how == "subtract":
        left = work(operations.difference, first, others)
        if not rle_codec.area(left):
            raise EditError("Nothing of the first mask would be left: the others cover all of it.")
        if left == first:
            raise EditError("The first mask has no pixel in common with the others.")
        return NewMasks(how, [OwnMask(left, "merged")], [ids[0]], count=len(masks))
    if how == "merge":
        joined = work(operations.union, [first, *others])
    else:
        joined = work(operations.intersection, [first, *others])
        if not rle_codec.area(joined):
            raise EditError("These masks have no pixel in common.")
    label = _common_label(masks) if label is None else label
    return NewMasks(how, [OwnMask(joined, "merged")], instead_of=ids, labels=[label], count=len(masks))


@_edit("disjoint", ids=step_fields.id_list, on_top=step_fields.one_of("smallest", "best", "newest"))
def one_object_a_pixel(session: Session, work: PixelWork, ids: tuple[int, ...], on_top: str) -> NewMasks:
    """Of masks that overlap, each pixel is left to the one on top; masks that lie below others altogether go."""
    masks = _picked(session, ids, least=2)
    rank: Callable[[_Picked], float] = {
        "smallest": lambda mask: rle_codec.area(mask.own.rle),
        "best": lambda mask: math.inf if mask.own.predicted_iou is None else -mask.own.predicted_iou,
        "newest": lambda mask: -mask.id,
    }[on_top]
    from_top = sorted(masks, key=rank)
    rles = [mask.own.rle for mask in from_top]
    changed = work(operations.disjoint, rles)
    after = [changed.get(place, rle) for place, rle in enumerate(rles)]
    return _changed(from_top, after, "disjoint", len(masks))


# Each mask for itself


@_edit("split", ids=step_fields.id_list)
def split_parts(session: Session, work: PixelWork, ids: tuple[int, ...]) -> NewMasks:
    """A mask for each piece of a mask; specks go. Masks of one piece stay as they are."""
    masks = _picked(session, ids)
    share, least = _SMALLEST_PART
    smallest = max(least, math.ceil(share * math.prod(masks[0].own.rle["size"])))
    split = [(mask, work(_pieces, mask.own.rle, smallest)) for mask in masks]
    parts = [(mask, pieces) for mask, pieces in split if len(pieces) > 1]
    if not parts:
        raise EditError(f"There is nothing to split: pieces of fewer than {smallest:,} px do not count.")
    new = [OwnMask(piece, "split") for _, pieces in parts for piece in pieces]
    labels = [mask.label for mask, pieces in parts for _ in pieces]
    return NewMasks("split", new, instead_of=[mask.id for mask, _ in parts], labels=labels)


@_edit("reshape", how=step_fields.one_of("fill", "smooth", "grow", "shrink"), ids=step_fields.id_list,
       px=step_fields.whole(1, MAX_PX))  # fmt: skip
def reshape(session: Session, work: PixelWork, how: str, ids: tuple[int, ...], px: int) -> NewMasks:
    """Fill the holes of masks, smooth their outlines, or move these by ``px``."""
    masks = _picked(session, ids)
    if how == "smooth" and px > operations.MAX_SMOOTHING:
        raise EditError(f"Smoothing reaches at most {operations.MAX_SMOOTHING} px, but {px} are asked for.")
    by_px: dict[str, Callable[[Rle, float], Rle]] = {
        "smooth": operations.smooth,
        "grow": operations.grow,
        "shrink": operations.shrink,
    }
    change, arguments = (operations.fill_holes, ()) if how == "fill" else (by_px[how], (px,))
    reshaped: list[Rle] = [work(change, mask.own.rle, *arguments) for mask in masks]
    if gone := [mask.id for mask, rle in zip(masks, reshaped, strict=True) if not rle_codec.area(rle)]:
        raise EditError(f"Nothing of mask {gone[0]} would be left: it is too small or too thin for {px} px.")
    return _changed(masks, reshaped, how)


@_edit("duplicate", ids=step_fields.id_list)
def duplicate(session: Session, work: PixelWork, ids: tuple[int, ...]) -> NewMasks:
    """Each mask once more, with its label and its scores."""
    masks = _picked(session, ids)
    return NewMasks("duplicate", [mask.own for mask in masks], labels=[mask.label for mask in masks])


# Painted


@_edit("paint", id=_id, cut=step_fields.flag, strokes=step_fields.strokes,
       outline=step_fields.optional(step_fields.polygon))  # fmt: skip
def paint(
    session: Session, work: PixelWork, id: int, cut: bool, strokes: tuple[Stroke, ...], outline: np.ndarray | None
) -> NewMasks:
    """Add what is painted or drawn around to the mask ``id``, or cut it out; a mask without a pixel left goes."""
    area: Rle = work(area_of, [Piece(strokes, outline)], session.size_hw)
    if not rle_codec.area(area):
        raise EditError("Nothing is drawn inside the picture.")
    if not id:
        if cut:
            raise EditError("There is nothing to cut from: select a mask first.")
        return NewMasks("add", [OwnMask(area, "painted")])
    (mask,) = _picked(session, [id])
    after = operations.difference(mask.own.rle, [area]) if cut else operations.union([mask.own.rle, area])
    kind = "erase" if cut else "paint"
    if after == mask.own.rle:
        return NewMasks(kind)  # painted over what was there: no step
    if not rle_codec.area(after):
        return NewMasks(kind, instead_of=[id], count=1)
    return NewMasks(kind, [OwnMask(after, "painted")], [id])


def _pieces(mask: Rle, smallest: int) -> list[Rle]:
    return operations.split(operations.remove_specks(mask, smallest))


class _Picked(NamedTuple):
    """A mask that an edit is done to."""

    id: int
    own: OwnMask  # as it is, or would be if it were made by hand
    label: str


def _picked(session: Session, ids: Sequence[int], least: int = 1) -> list[_Picked]:
    """The masks with these ids, in this order.

    Raises:
        EditError: they are fewer than ``least``, or one is not there.
    """
    if len(ids) < least:
        raise EditError("Select a mask first." if least == 1 else f"Select {least} masks or more first.")
    try:
        picked = session.masks_of(ids)
    except RunGoneError as error:
        raise EditError(_GONE) from error
    own = session.edits.own
    return [
        _Picked(id_, own.get(id_) or OwnMask.of(mask, "found"), label)
        for id_, mask, label in zip(picked.ids, picked.masks, picked.labels, strict=True)
    ]


def _changed(masks: Sequence[_Picked], after: Sequence[Rle], kind: str, count: int | None = None) -> NewMasks:
    """Give ``masks`` other pixels; those that have none left go, and those whose pixels stay are not touched.

    Raises:
        EditError: no pixel changes.
    """
    pairs = [(mask, rle) for mask, rle in zip(masks, after, strict=True) if rle != mask.own.rle]
    if not pairs:
        raise EditError("This would change nothing.")
    left = [(mask, rle) for mask, rle in pairs if rle_codec.area(rle)]
    gone = [mask.id for mask, rle in pairs if not rle_codec.area(rle)]
    own = [OwnMask(rle, _changed_origin(mask.own.origin)) for mask, rle in left]
    return NewMasks(kind, own, [mask.id for mask, _ in left], gone, count=len(pairs) if count is None else count)


def _changed_origin(origin: Origin) -> Origin:
    return "changed" if origin == "found" else origin


def _common_label(masks: Sequence[_Picked]) -> str:
    """The label of all masks that have one, if they agree; else none."""
    labels = {mask.label for mask in masks if mask.label}
    return labels.pop() if len(labels) == 1 else ""
