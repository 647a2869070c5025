"""Masks of a person's own: made, changed and taken back, and never lost or changed by anything that is found."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from blocks import RGB, SIZE_HW, block, found
from hypothesis import given, settings
from hypothesis import strategies as st

from automask_ui.errors import LabelError, RunGoneError
from automask_ui.export.hard_masks import hard_mask_set
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskSet, rle
from automask_ui.session import Session, ShowOnly
from automask_ui.session.edits import Edits, OwnMask, apply_edits
from automask_ui.session.history import Action, History


def own(left: int, top: int, width: int = 8, height: int = 8, **scores: float) -> OwnMask:
    return OwnMask(rle.encode(block(left, top, width, height)), "painted", **scores)


@pytest.fixture
def session() -> Session:
    """Three masks that were found: 1, 2 and 3."""
    session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
    session.update(found(block(0, 0), block(10, 0), block(20, 0)), "fake")
    return session


def pixels(session: Session) -> dict[int, bytes]:
    ids, masks, _ = session.current_masks()
    return {id_: own["counts"] for id_, own in zip(ids, masks.rle, strict=True)}


# As plain values


def test_own_masks_come_back_from_json() -> None:
    edits = Edits(
        ("cat",), {4: "cat"}, own={4: own(1, 2, predicted_iou=0.9), 2: OwnMask(rle.encode(block(3, 3)), "merged")}
    )
    values = json.loads(json.dumps(edits.to_dict(), allow_nan=False))
    assert Edits.from_dict(values, SIZE_HW) == edits
    assert values["own"]["ids"] == [2, 4]
    assert values["own"]["origins"] == ["merged", "painted"]
    assert "own" not in Edits().to_dict()
    with pytest.raises(LabelError, match="goes with a picture"):
        Edits.from_dict(values)
    with pytest.raises(LabelError, match=r"row 1 are no RLE|not inside"):
        Edits.from_dict(values, (37, 54))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own: own.update(ids=[1, 1]), "one id, all different"),  # twice
        (lambda own: own.update(ids=[1]), "one id, all different"),  # one is missing
        (lambda own: own.update(ids=[0, 1]), "must be 1 or more"),  # no such id
        (lambda own: own.update(ids={}), "must be a list"),  # wrong type
        (lambda own: own.update(origins=["painted"]), "one origin"),  # one is missing
        (lambda own: own.update(origins=["painted", "stolen"]), "unknown origin 'stolen'"),  # unknown
        (lambda own: own.update(origins=["painted", ["x"]]), "unknown origin"),  # wrong type
        (lambda own: own.update(masks=7), "must be an object"),  # wrong type
        (lambda own: own["masks"]["area"].__setitem__(0, 1), "made by hand.*pixels, not 1"),  # a lie
        (lambda own: own["masks"]["predicted_iou"].__setitem__(0, 1e9), "is no score"),  # out of range
    ],
)
def test_own_masks_from_json_are_trusted_in_nothing(change: Any, message: str) -> None:
    values = Edits(own={1: own(0, 0), 2: own(9, 9)}).to_dict()
    change(values["own"])
    with pytest.raises(LabelError, match=message):
        Edits.from_dict(values, SIZE_HW)


# Applied to what was found


def test_order_and_pixels() -> None:
    masks = hard_mask_set(SIZE_HW)[:4]
    edits = Edits(
        ("cat",),
        {2: "cat", 9: "cat"},
        frozenset({1}),
        frozenset({3}),
        {9: own(9, 9), 2: own(0, 0, predicted_iou=0.5), 7: own(5, 5)},
    )
    ids, both, labels = apply_edits(masks, (1, 2, 3, 4), edits)
    assert ids == (1, 2, 4, 7, 9)
    assert labels == ("", "cat", "", "", "cat")
    expected = [masks.rle[0], edits.own[2].rle, masks.rle[3], edits.own[7].rle, edits.own[9].rle]
    assert list(both.rle) == expected
    assert both.area.tolist() == [rle.area(one) for one in expected]
    assert [math.isnan(score) for score in both.predicted_iou] == [False, False, False, True, True]
    assert apply_edits(masks, (1, 2, 3, 4), edits, with_hidden=False).ids == (2, 4, 7, 9)
    assert apply_edits(masks, (1, 2, 3, 4), edits, with_deleted=True).ids == (1, 2, 3, 4, 7, 9)


def test_nothing_done_changes_nothing() -> None:
    masks = hard_mask_set(SIZE_HW)
    ids = tuple(range(1, len(masks) + 1))
    edited = apply_edits(masks, ids, Edits(hidden=frozenset({2})))
    assert edited.masks is masks
    assert edited.ids == ids
    nothing = apply_edits(MaskSet.empty(SIZE_HW), (), Edits(own={5: own(0, 0)}))
    assert (nothing.ids, len(nothing.masks)) == ((5,), 1)


IDS = st.integers(1, 8)
OWN = st.builds(own, st.integers(0, 40), st.integers(0, 25), st.integers(1, 12), st.integers(1, 12))
EDITS = st.builds(
    Edits,
    classes=st.just(("a", "b")),
    labels=st.dictionaries(IDS, st.sampled_from("ab")),
    hidden=st.frozensets(IDS),
    deleted=st.frozensets(IDS),
    own=st.dictionaries(IDS, OWN, max_size=5),
)


@given(st.permutations(range(1, 6)), st.integers(0, 5), EDITS, st.booleans(), st.booleans())
def test_every_mask_is_there_once_with_the_right_pixels(
    order: list[int], count: int, edits: Edits, with_hidden: bool, with_deleted: bool
) -> None:
    masks, ids = hard_mask_set(SIZE_HW)[:count], order[:count]
    edited = apply_edits(masks, ids, edits, with_hidden=with_hidden, with_deleted=with_deleted)
    away = (set() if with_hidden else edits.hidden) | (set() if with_deleted else edits.deleted)
    assert sorted(edited.ids) == sorted((set(ids) | set(edits.own)) - away)
    assert [id_ for id_ in edited.ids if id_ in ids] == [id_ for id_ in ids if id_ not in away]
    for id_, mask, label in zip(edited.ids, edited.masks, edited.labels, strict=True):
        expected = edits.own[id_].rle if id_ in edits.own else masks.rle[ids.index(id_)]
        assert mask.rle == expected
        assert mask.area == rle.area(expected)
        assert label == edits.labels.get(id_, "")


@given(EDITS)
def test_edits_come_back_from_json(edits: Edits) -> None:
    assert Edits.from_dict(json.loads(json.dumps(edits.to_dict(), allow_nan=False)), SIZE_HW) == edits


@given(EDITS, st.dictionaries(IDS, st.integers(20, 30), max_size=4))
def test_successors_change_nothing_of_a_persons_own(edits: Edits, successors: dict[int, int]) -> None:
    after = edits.carried_over(successors)
    assert after.own == edits.own
    assert after.labels.items() >= edits.labels.items()
    assert after.deleted >= edits.deleted | {successors[id_] for id_ in successors if id_ in edits.own}
    assert not {successors[id_] for id_ in successors if id_ in edits.own} & after.labels.keys() - {
        successor for id_, successor in successors.items() if id_ not in edits.own
    }


# In a session


def test_new_masks_get_new_ids_that_nothing_else_gets(session: Session) -> None:
    assert session.editor.put_masks("add", [own(30, 20), own(40, 20)]) == (4, 5)
    assert session.editor.history.undo == Action("add", 2)
    session.editor.undo()
    assert session.current_masks().ids == (1, 2, 3)
    # Taken back, but never given again: not to what is found, and not to what is made.
    session.update(found(block(0, 0), block(0, 15)))
    assert session.current_masks().ids == (1, 6)
    assert session.editor.put_masks("add", [own(20, 20)]) == (7,)


def test_mask_that_was_changed_keeps_its_id_and_label(session: Session) -> None:
    session.editor.set_label([2], "cat")
    assert session.editor.put_masks("change", [own(30, 20)], ids=[2]) == (2,)
    ids, masks, labels = session.current_masks()
    assert (ids, labels) == ((1, 2, 3), ("", "cat", ""))
    assert masks.rle[1] == own(30, 20).rle
    session.editor.undo()
    assert rle.decode(session.current_masks().masks.rle[1])[0, 10]
    session.editor.redo()
    assert session.masks_of([2]).masks.rle[0] == own(30, 20).rle
    with pytest.raises(RunGoneError, match="Mask 99"):
        session.editor.put_masks("change", [own(0, 0)], ids=[99])


def test_masks_that_are_merged_go_and_come_back_in_one_step(session: Session) -> None:
    (new,) = session.editor.put_masks("merge", [own(0, 0, 28)], instead_of=[1, 2, 3])
    assert session.current_masks().ids == (new,)
    session.editor.undo()
    assert session.current_masks().ids == (1, 2, 3)


def test_own_masks_stay_whatever_is_set(session: Session) -> None:
    (new,) = session.editor.put_masks("add", [own(30, 20)])
    session.editor.put_masks("change", [own(1, 1, 4, 4)], ids=[1])
    session.show_only(ShowOnly(smallest=1000))
    assert session.current_masks().ids == (1, new)
    session.update(found())
    assert session.current_masks().ids == (1, new)
    assert session.current_masks(with_deleted=True).ids == (1, new)


def test_own_masks_are_there_before_anything_is_found() -> None:
    session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
    (new,) = session.editor.put_masks("add", [own(30, 20)])
    assert (new, session.current_masks().ids) == (1, (1,))
    session.update(found(block(0, 0)), "fake")
    assert session.current_masks().ids == (2, 1)


def test_what_is_found_in_the_place_of_an_own_mask_is_not_shown_beside_it(session: Session) -> None:
    session.editor.put_masks("change", [own(30, 20)], ids=[2])
    (new,) = session.editor.put_masks("add", [own(0, 20)])
    # Mask 2 a little otherwise, as it was found, and the added one a little otherwise.
    session.update(found(block(0, 0), block(10, 0, 8, 9), block(0, 20, 8, 9)))
    assert session.current_masks().ids == (1, 2, new)
    session.editor.undo()
    session.editor.undo()
    assert len(session.current_masks().ids) == 3
    assert 2 not in session.current_masks().ids


class Sequence:
    """One person's work and, beside it, what their own masks must be."""

    def __init__(self) -> None:
        self.session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
        self.expected: list[dict[int, OwnMask]] = [{}]
        self.undone: list[dict[int, OwnMask]] = []
        self.given: set[int] = set()

    @property
    def own(self) -> dict[int, OwnMask]:
        return self.expected[-1]

    def put(self, mask: OwnMask, place: int) -> None:
        ids = self.session.current_masks().ids
        before = self.session.editor.now
        if place % 2 and ids:
            (id_,) = self.session.editor.put_masks("change", [mask], ids=[ids[place % len(ids)]])
        else:
            (id_,) = self.session.editor.put_masks("add", [mask])
            assert id_ not in self.given
        self.given |= {id_, *ids}
        if self.session.editor.now != before:
            self.expected.append({**self.own, id_: mask})
            self.undone = []

    def undo(self) -> None:
        if self.session.editor.undo() is not None:
            self.undone.append(self.expected.pop())

    def redo(self) -> None:
        if self.session.editor.redo() is not None:
            self.expected.append(self.undone.pop())

    def reload(self) -> None:
        self.session.restore(self.session.snapshot())


STEPS = st.one_of(
    st.tuples(st.just("put"), OWN, st.integers(0, 9)),
    st.tuples(st.sampled_from(["undo", "redo", "reload"])),
    st.tuples(st.just("find"), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 25)), max_size=4)),
    st.tuples(st.just("show"), st.integers(0, 200)),
)


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=12))
def test_no_sequence_loses_or_changes_an_own_mask(steps: list[tuple[Any, ...]]) -> None:
    work = Sequence()
    for kind, *values in steps:
        if kind == "find":
            work.session.update(found(*(block(*place) for place in values[0])), "fake")
        elif kind == "show":
            work.session.show_only(ShowOnly(smallest=values[0]))
        else:
            getattr(work, kind)(*values)
        assert dict(work.session.edits.own) == work.own
        shown = pixels(work.session)
        assert {id_: shown[id_] for id_ in work.own} == {id_: mask.rle["counts"] for id_, mask in work.own.items()}


def test_history_is_bounded_with_own_masks() -> None:
    history = History()
    for place in range(120):
        history = history.done(Action("add", 1), history.now.with_own({place + 1: own(place % 40, 0)}))
    assert len(history.past) == 100
