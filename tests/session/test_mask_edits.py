"""Correcting by hand: what each kind of edit makes of masks, what it refuses, and that every one can be taken back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from blocks import RGB, SIZE_HW, block, found
from fakes import fake_result

from automask_ui.errors import EditError, LabelError
from automask_ui.export.hard_masks import mask_set
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskResult, Verdict, rle
from automask_ui.masks.rle import Rle
from automask_ui.options import GeneratorOptions
from automask_ui.session import Session, ShowOnly
from automask_ui.session import editor as editor_module
from automask_ui.session.edits import OwnMask
from automask_ui.session.history import Action
from automask_ui.session.mask_edits import MASK_EDITS

# Two that overlap in a column of four pixels, one apart, and one of two pieces and a speck with a hole.
ONE, TWO, THREE = block(0, 0), block(4, 0), block(20, 0)
PIECES = block(30, 0) & ~block(32, 2, 3, 3) | block(40, 0, 4, 4) | block(50, 30, 2, 2)


@pytest.fixture
def session() -> Session:
    """The masks 1 to 4; 1 and 2 are labelled."""
    session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
    session.update(found(ONE, TWO, THREE, PIECES), "fake")
    session.editor.set_label([1], "cat")
    session.editor.set_label([2], "dog")
    return session


def do(session: Session, kind: str, **step: Any) -> tuple[int, ...]:
    return MASK_EDITS[kind].do(session, {"do": kind, **step})


def pixels(session: Session) -> dict[int, np.ndarray]:
    ids, masks, _ = session.current_masks()
    return {id_: rle.decode(mask) for id_, mask in zip(ids, masks.rle, strict=True)}


def labels(session: Session) -> dict[int, str]:
    ids, _, labels = session.current_masks()
    return dict(zip(ids, labels, strict=True))


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    return np.array_equal(found, expected)


# Merge, subtract, intersect


def test_merge_puts_one_mask_in_the_place_of_all(session: Session) -> None:
    (new,) = do(session, "combine", how="merge", ids=[3, 1])
    assert new == 5
    assert sorted(pixels(session)) == [2, 4, 5]
    assert same(pixels(session)[new], ONE | THREE)
    assert session.edits.own[new] == OwnMask(rle.encode(ONE | THREE), "merged")
    assert session.editor.history.undo == Action("merge", 2)


@pytest.mark.parametrize(
    ("ids", "label", "expected"),
    [
        ([1, 3], None, "cat"),  # those that have one agree
        ([1, 2], None, ""),  # they do not
        ([3, 4], None, ""),  # none has one
        ([1, 2], "bird", "bird"),  # asked for
        ([1, 3], "", ""),  # none is asked for
    ],
)
def test_label_of_a_merged_mask(session: Session, ids: list[int], label: str | None, expected: str) -> None:
    (new,) = do(session, "combine", how="merge", ids=ids, label=label)
    assert labels(session)[new] == expected
    session.editor.undo()  # with the label in the same step
    assert labels(session) == {1: "cat", 2: "dog", 3: "", 4: ""}
    assert "bird" not in session.edits.classes


def test_intersect(session: Session) -> None:
    (new,) = do(session, "combine", how="intersect", ids=[1, 2])
    assert same(pixels(session)[new], block(4, 0, 4))
    assert (session.edits.own[new].origin, sorted(pixels(session))) == ("merged", [3, 4, 5])


def test_subtract_changes_the_first_mask_alone(session: Session) -> None:
    assert do(session, "combine", how="subtract", ids=[2, 1, 3]) == (2,)
    after = pixels(session)
    assert sorted(after) == [1, 2, 3, 4]
    assert same(after[2], TWO & ~ONE)
    assert same(after[1], ONE)
    assert labels(session)[2] == "dog"
    assert session.edits.own[2].predicted_iou is None
    assert session.editor.history.undo == Action("subtract", 3)


# Split, fill, smooth, grow, shrink, duplicate


def test_split_gives_each_piece_an_id_and_the_label(session: Session) -> None:
    session.editor.set_label([4], "rock")
    new = do(session, "split", ids=[1, 4])
    assert new == (5, 6)
    after = pixels(session)
    assert sorted(after) == [1, 2, 3, 5, 6]  # 1 has one piece
    assert same(after[5] | after[6], PIECES & ~block(50, 30, 2, 2))  # the speck of 4 px is gone
    assert {labels(session)[id_] for id_ in new} == {"rock"}
    assert {session.edits.own[id_].origin for id_ in new} == {"split"}
    assert session.editor.history.undo == Action("split", 2)


@pytest.mark.parametrize("how", ["fill", "smooth", "grow", "shrink"])
def test_reshaped_masks_keep_id_and_label(session: Session, how: str) -> None:
    session.editor.set_label([4], "rock")
    before = pixels(session)[4]
    assert do(session, "reshape", how=how, ids=[4], px=PX[how]) == (4,)
    after = pixels(session)[4]
    assert {"fill": after[3, 33], "grow": after[8, 30], "shrink": not after[0, 30], "smooth": True}[how]
    assert not same(after, before)
    assert labels(session)[4] == "rock"
    own = session.edits.own[4]
    assert (own.origin, own.predicted_iou, own.stability_score) == ("changed", None, None)
    assert session.editor.history.undo == Action(how, 1)


def test_masks_whose_pixels_stay_are_not_touched(session: Session) -> None:
    assert do(session, "reshape", how="fill", ids=[1, 4], px=1) == (4,)
    assert list(session.edits.own) == [4]
    with pytest.raises(EditError, match="would change nothing"):
        do(session, "reshape", how="fill", ids=[1, 4], px=1)


def test_own_mask_keeps_its_origin_when_it_is_reshaped(session: Session) -> None:
    (new,) = do(session, "paint", id=0, cut=False, strokes=[{"width": 5, "points": [[30.5, 25.5]]}])
    do(session, "reshape", how="grow", ids=[new], px=2)
    assert session.edits.own[new].origin == "painted"


def test_duplicate_keeps_scores_and_label(session: Session) -> None:
    (new,) = do(session, "duplicate", ids=[1])
    own = session.edits.own[new]
    assert (own.origin, labels(session)[new]) == ("found", "cat")
    assert own.predicted_iou == pytest.approx(float(session.result.masks.predicted_iou[0]))  # type: ignore[union-attr]
    assert same(pixels(session)[new], ONE)
    (third,) = do(session, "reshape", how="grow", ids=[new], px=1)
    (fourth,) = do(session, "duplicate", ids=[third])
    assert session.edits.own[fourth] == session.edits.own[third]


# Brush, eraser, lasso


STROKE = {"width": 3, "points": [[2.5, 20.5], [12.5, 20.5]]}
LASSO = [[0, 0], [4, 0], [4, 8], [0, 8]]


def test_brush_makes_a_mask_or_adds_to_one(session: Session) -> None:
    (new,) = do(session, "paint", id=0, cut=False, strokes=[STROKE], outline=None)
    assert pixels(session)[new][20, 2:13].all()
    assert session.edits.own[new].origin == "painted"
    assert session.editor.history.undo == Action("add", 1)
    assert do(session, "paint", id=1, cut=False, strokes=[STROKE]) == (1,)
    assert same(pixels(session)[1], ONE | pixels(session)[new])
    assert session.editor.history.undo == Action("paint", 1)


def test_cutting_leaves_the_rest_and_deletes_what_is_empty(session: Session) -> None:
    before = pixels(session)[2]
    assert do(session, "paint", id=2, cut=True, strokes=[], outline=[[4, 0], [7, 0], [7, 8], [4, 8]]) == (2,)
    after = pixels(session)[2]
    assert not same(after, before)
    assert not (after & ~before).any()
    assert session.editor.history.undo == Action("erase", 1)
    everything = [{"width": 100, "points": [[0, 0], [20, 10]]}]
    assert do(session, "paint", id=2, cut=True, strokes=everything) == ()
    assert 2 not in pixels(session)
    session.editor.undo()
    assert same(pixels(session)[2], after)


def test_painting_over_a_mask_is_no_step(session: Session) -> None:
    version = session.editor.version
    assert do(session, "paint", id=1, cut=False, strokes=[{"width": 1, "points": [[3.5, 3.5]]}]) == ()
    assert do(session, "paint", id=1, cut=True, strokes=[{"width": 1, "points": [[30.5, 30.5]]}]) == ()
    assert session.editor.version == version


# One object a pixel


@pytest.mark.parametrize(("on_top", "smaller"), [("smallest", 2), ("best", 1), ("newest", 1)])
def test_disjoint(session: Session, on_top: str, smaller: int) -> None:
    # Mask 1 becomes smaller than 2, and loses its score, so it is the worse one.
    do(session, "paint", id=1, cut=True, strokes=[], outline=[[0, 0], [0, 3], [8, 3], [8, 0]])
    before = pixels(session)
    do(session, "disjoint", ids=[1, 2, 3], on_top=on_top)
    after = pixels(session)
    other = 3 - smaller
    assert same(after[smaller], before[smaller] & ~before[other])
    assert same(after[other], before[other])
    assert same(after[3], before[3])
    assert 3 not in session.edits.own
    assert session.edits.own[smaller].origin == ("changed" if smaller == 2 else "painted")
    assert session.editor.history.undo == Action("disjoint", 3)
    with pytest.raises(EditError, match="would change nothing"):
        do(session, "disjoint", ids=[1, 2, 3], on_top=on_top)


def test_what_is_covered_altogether_goes(session: Session) -> None:
    (copy,) = do(session, "duplicate", ids=[3])
    assert do(session, "disjoint", ids=[3, copy], on_top="newest") == ()
    assert sorted(pixels(session)) == [1, 2, 4, copy]
    session.editor.undo()
    assert sorted(pixels(session)) == [1, 2, 3, 4, copy]


# What the model has proposed


def own(mask: np.ndarray) -> OwnMask:
    return OwnMask(rle.encode(mask), "clicked", 0.75, 0.5)


def test_take_refines_a_mask_that_fails_the_thresholds_by_now(session: Session) -> None:
    session.offered.remember("t", [own(block(3, 3))])
    session.update(found(ONE), "fake")
    assert 3 not in pixels(session)
    assert do(session, "take", ticket="t", candidate=0, id=3) == (3,)
    assert same(pixels(session)[3], block(3, 3))
    session.editor.delete([3])
    for id_ in (3, 99):
        with pytest.raises(EditError, match="no longer there"):
            do(session, "take", ticket="t", candidate=0, id=id_)


def test_take_adds_or_refines(session: Session) -> None:
    session.offered.remember("t", [own(block(0, 20)), own(block(10, 20))])
    (new,) = do(session, "take", ticket="t", candidate=1, id=0)
    assert session.edits.own[new] == own(block(10, 20))
    assert session.editor.history.undo == Action("add", 1)
    assert do(session, "take", ticket="t", candidate=0, id=2) == (2,)
    assert same(pixels(session)[2], block(0, 20))
    assert (labels(session)[2], session.edits.own[2].predicted_iou) == ("dog", 0.75)
    assert session.editor.history.undo == Action("refine", 1)


def test_predictions_are_bounded(session: Session) -> None:
    for number in range(20):
        session.offered.remember(str(number), [own(block(0, 0))])
    assert session.offered.candidate("19", 0) == own(block(0, 0))
    assert session.offered.nbytes < 1000
    for ticket, place in (("0", 0), ("19", 1), ("", 0)):
        with pytest.raises(EditError, match=r"no longer kept|none in place"):
            do(session, "take", ticket=ticket, candidate=place, id=0)


def kept_result() -> MaskResult:
    """Of two candidates one is kept and one dropped for a low score."""
    result = fake_result(RGB, GeneratorOptions(points_per_side=1, pred_iou_thresh=0.0, stability_score_thresh=0.0))
    candidates = result.candidates[:2]
    blocks = [block(0, 0), block(20, 20)]
    rles = np.empty(2, object)
    rles[:] = [rle.encode(one) for one in blocks]
    candidates = replace(
        candidates,
        rle=rles,
        area=np.array([64, 64]),
        verdict=np.array([Verdict.KEPT, Verdict.LOW_STABILITY], np.int8),
        predicted_iou=np.array([0.9, 0.8], np.float32),
        stability_score=np.array([0.95, 0.6], np.float32),
    )
    masks = mask_set(blocks[:1], SIZE_HW)
    return replace(result, candidates=candidates, masks=replace(masks, candidate=np.array([0])))


def test_keep_takes_what_a_rule_has_dropped() -> None:
    session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
    session.update(kept_result(), "fake")
    (new,) = do(session, "keep", x=21, y=22.5)
    mask = session.edits.own[new]
    assert same(pixels(session)[new], block(20, 20))
    assert (mask.origin, mask.predicted_iou) == ("found", pytest.approx(0.8))
    assert mask.stability_score == pytest.approx(0.6)
    with pytest.raises(EditError, match="no candidate at this place"):
        do(session, "keep", x=50, y=5)


def test_keep_brings_back_what_is_left_out_or_deleted() -> None:
    session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
    session.update(kept_result(), "fake")
    with pytest.raises(EditError, match="it is number 1"):
        do(session, "keep", x=3, y=3)
    session.show_only(ShowOnly(smallest=1000))
    assert do(session, "keep", x=3, y=3) == (1,)
    assert sorted(pixels(session)) == [1]
    session.editor.delete([1])
    assert do(session, "keep", x=3, y=3) == (1,)
    assert sorted(pixels(session)) == [1]
    session.editor.undo()
    assert not pixels(session)


def test_keep_needs_candidates() -> None:
    with pytest.raises(EditError, match="find masks first"):
        do(Session(LoadedImage(RGB, "photo.png", ()), "ann"), "keep", x=1, y=1)


# Refusals


POINT = {"width": 3, "points": [[5, 5]]}


@pytest.mark.parametrize(
    ("kind", "step", "message"),
    [
        ("combine", {"how": "merge", "ids": [1]}, "Select 2 masks or more"),  # one alone
        ("combine", {"how": "merge", "ids": [1, 1]}, "Select 2 masks or more"),  # the same twice
        ("combine", {"how": "merge", "ids": [1, 99]}, "no longer there"),  # never given
        ("combine", {"how": "merge", "ids": "12"}, "Select 2 masks or more"),  # no list
        ("combine", {"how": "weld", "ids": [1, 2]}, "“how” must be one of merge, subtract, intersect, but is 'weld'"),
        ("combine", {"how": ["merge"], "ids": [1, 2]}, "“how” must be one of"),  # no text
        ("combine", {"how": "merge", "ids": [1, 2], "label": 5}, "“label” must be text"),  # a number
        ("combine", {"how": "merge", "ids": [1, 2], "label": " \n"}, "is empty"),  # nothing to be seen
        ("combine", {"how": "merge", "ids": [1, 2], "label": "x" * 101}, "at most 100"),  # too long
        ("combine", {"how": "intersect", "ids": [1, 3]}, "no pixel in common"),  # apart
        ("combine", {"how": "subtract", "ids": [1, 3, 4]}, "no pixel in common"),  # apart
        ("combine", {"how": "subtract", "ids": [1, 1, 2, 3, 99]}, "no longer there"),  # one never given
        ("split", {"ids": [1, 2]}, "nothing to split: pieces of fewer than 10 px"),  # one piece each
        ("split", {"ids": []}, "Select a mask"),  # none
        ("split", {}, "Select a mask"),  # none
        ("reshape", {"how": "fill", "ids": [1], "px": 1}, "would change nothing"),  # no hole
        ("reshape", {"how": "grow", "ids": [1], "px": 0}, "“px” must be a whole number from 1 to 200, but is '0'"),
        ("reshape", {"how": "grow", "ids": [1], "px": 201}, "from 1 to 200"),  # too many
        ("reshape", {"how": "grow", "ids": [1], "px": 1.5}, "whole number"),  # a fraction
        ("reshape", {"how": "grow", "ids": [1], "px": True}, "whole number"),  # a bool
        ("reshape", {"how": "grow", "ids": [1]}, "but is 'None'"),  # none
        ("reshape", {"how": "shrink", "ids": [1, 3], "px": 100}, "Nothing of mask 1 would be left"),
        ("reshape", {"how": "smooth", "ids": [1], "px": 51}, "at most 50 px"),  # too far
        ("reshape", {"how": "melt", "ids": [1], "px": 1}, "“how” must be one of fill, smooth, grow, shrink"),
        ("duplicate", {"ids": [0]}, "no longer there"),  # not a mask's
        ("duplicate", {"ids": [-1]}, "no longer there"),  # negative
        ("duplicate", {"ids": [True, "1", None, 1.0]}, "Select a mask"),  # no ids at all
        ("paint", {"id": 0, "cut": True, "strokes": [POINT]}, "nothing to cut from"),  # nothing there
        ("paint", {"id": 0, "cut": False, "strokes": []}, "Nothing is drawn"),  # nothing
        ("paint", {"id": 0, "cut": False}, "“strokes” must be a list"),  # nothing
        ("paint", {"id": 0, "strokes": [{"width": 3, "points": [[500, 500]]}]}, "inside the picture"),  # outside
        ("paint", {"id": 99, "strokes": [POINT]}, "no longer there"),  # never given
        ("paint", {"id": "1", "strokes": [POINT]}, "“id” must be a whole number"),  # text
        ("paint", {"id": 1, "strokes": [None]}, "must be an object"),  # none
        ("paint", {"id": 1, "strokes": [{"width": 0.5, "points": [[5, 5]]}]}, "a number from 1 to 2,000"),
        ("paint", {"id": 1, "strokes": [{"width": 2001, "points": [[5, 5]]}]}, "from 1 to 2,000"),  # too wide
        ("paint", {"id": 1, "strokes": [{"width": math.nan, "points": [[5, 5]]}]}, "“width”"),  # no number
        ("paint", {"id": 1, "strokes": [{"width": 3, "points": [[math.nan, 5]]}]}, "A point of “points”"),  # no number
        ("paint", {"id": 1, "strokes": [{"width": 3, "points": [[math.inf, 5]]}]}, "A point of “points”"),  # endless
        ("paint", {"id": 1, "strokes": [{"width": 3, "points": [[10**400, 5]]}]}, "A point of “points”"),  # huge
        ("paint", {"id": 1, "strokes": [{"width": 3, "points": [[5]]}]}, "must be 2 numbers"),  # half a point
        ("paint", {"id": 1, "strokes": [{"width": 3, "points": [["5", 5]]}]}, "must be 2 numbers"),  # text
        ("paint", {"id": 1, "strokes": [{"width": 3, "points": []}]}, "at least one point"),  # none
        ("paint", {"id": 1, "strokes": [{"width": 3, "points": [[5, 5]] * 20_001}]}, "20,000 points"),  # too many
        ("paint", {"id": 1, "strokes": [{"width": 3, "points": [[5, 5]] * 11_000}] * 2}, "20,000 points"),  # in all
        ("paint", {"id": 1, "strokes": [POINT] * 1001}, "at most 1,000 strokes"),  # too many
        ("paint", {"id": 1, "strokes": [], "outline": [[1, 1], [5, 5]]}, "at least 3 corners"),  # a line
        ("paint", {"id": 1, "strokes": [], "outline": [[1, 1]] * 20_001}, "20,000 points"),  # too many
        ("paint", {"id": 1, "strokes": [], "outline": {"x": 1}}, "must be a list of points"),  # no list
        ("disjoint", {"ids": [1, 3], "on_top": "smallest"}, "would change nothing"),  # apart
        ("disjoint", {"ids": [1], "on_top": "smallest"}, "Select 2 masks"),  # one
        ("disjoint", {"ids": [1, 2], "on_top": "oldest"}, "“on_top” must be one of smallest, best, newest"),
        ("take", {"ticket": 5, "candidate": 0, "id": 0}, "“ticket” must be text"),  # a number
        ("take", {"ticket": "t", "candidate": 3, "id": 0}, "“candidate” must be a whole number from 0 to 2"),
        ("keep", {"x": "5", "y": 5}, "“x” must be a number"),  # text
        ("keep", {"x": 5, "y": -1}, "“y” must be a number"),  # outside
        ("keep", {"x": 5}, "“y” must be a number"),  # nothing
    ],
)  # fmt: skip
def test_refused_in_words_and_nothing_changes(session: Session, kind: str, step: dict[str, Any], message: str) -> None:
    before = session.edits, session.editor.history
    with pytest.raises(EditError, match=message):
        do(session, kind, **step)
    assert (session.edits, session.editor.history) == before


def test_deleted_masks_are_not_there(session: Session) -> None:
    session.editor.delete([1])
    with pytest.raises(EditError, match="no longer there"):
        do(session, "combine", how="merge", ids=[1, 2])


def test_subtracting_everything_is_refused(session: Session) -> None:
    (copy,) = do(session, "duplicate", ids=[1])
    with pytest.raises(EditError, match="Nothing of the first mask"):
        do(session, "combine", how="subtract", ids=[copy, 1])


def test_made_masks_are_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editor_module, "MAX_OWN", 3)
    do(session, "duplicate", ids=[1, 2])
    with pytest.raises(EditError, match="can have 3 masks made by hand"):
        do(session, "duplicate", ids=[1, 2])
    do(session, "reshape", how="grow", ids=[5], px=1)  # one of them is no further mask
    do(session, "duplicate", ids=[1])
    with pytest.raises(EditError, match="can have 3"):
        do(session, "reshape", how="grow", ids=[3], px=1)


def test_too_many_classes_is_a_refusal_as_well(session: Session) -> None:
    session.editor.set_classes([f"class {number}" for number in range(2000)])
    with pytest.raises(LabelError, match="at most 2,000"):
        do(session, "combine", how="merge", ids=[1, 2], label="one more")
    assert sorted(pixels(session)) == [1, 2, 3, 4]


# Taken back


PX = {"fill": 1, "smooth": 3, "grow": 1, "shrink": 1}
EVERY_KIND: list[tuple[str, dict[str, Any]]] = [
    ("take", {"ticket": "t", "candidate": 0, "id": 0}),
    ("take", {"ticket": "t", "candidate": 0, "id": 2}),
    ("combine", {"how": "merge", "ids": [1, 2], "label": "both"}),
    ("combine", {"how": "subtract", "ids": [1, 2]}),
    ("combine", {"how": "intersect", "ids": [1, 2]}),
    ("split", {"ids": [4]}),
    *(("reshape", {"how": how, "ids": [4], "px": px}) for how, px in PX.items()),
    ("duplicate", {"ids": [1, 3]}),
    ("paint", {"id": 0, "cut": False, "strokes": [STROKE], "outline": LASSO}),
    ("paint", {"id": 3, "cut": False, "strokes": [STROKE], "outline": None}),
    ("paint", {"id": 1, "cut": True, "strokes": [], "outline": LASSO}),
    ("disjoint", {"ids": [1, 2, 3, 4], "on_top": "newest"}),
]


def state(session: Session) -> dict[int, tuple[Rle, float, str]]:
    ids, masks, labels = session.current_masks()
    return {
        id_: (mask.rle, -1.0 if math.isnan(mask.predicted_iou) else mask.predicted_iou, label)
        for id_, mask, label in zip(ids, masks, labels, strict=True)
    }


@pytest.mark.parametrize(("kind", "step"), EVERY_KIND)
def test_every_kind_is_one_step_that_undo_and_redo_know(session: Session, kind: str, step: dict[str, Any]) -> None:
    session.offered.remember("t", [own(block(0, 20))])
    before, edits, steps = state(session), session.edits, len(session.editor.history.past)
    do(session, kind, **step)
    after = state(session)
    assert after != before
    assert len(session.editor.history.past) == steps + 1
    session.editor.undo()
    assert (state(session), session.edits) == (before, edits)
    session.editor.redo()
    assert state(session) == after
