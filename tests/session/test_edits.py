"""Edits as plain values, and the way back and forth through them."""

from __future__ import annotations

import json

import pytest

from automask_ui.errors import LabelError
from automask_ui.session.class_names import ClassList
from automask_ui.session.edits import Edits
from automask_ui.session.history import MAX_STEPS, Action, History

EDITS = Edits(("car", "사람"), {1: "car", 12: "사람"}, frozenset({3, 2}), frozenset({9}))
HIDE = Action("hide", 1)


def test_to_json_and_back() -> None:
    text = json.dumps(EDITS.to_dict())
    assert Edits.from_dict(json.loads(text)) == EDITS
    assert EDITS.to_dict()["hidden"] == [2, 3]
    assert Edits.from_dict({}) == Edits()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must be an object"),  # not an object
        ({"classes": "car"}, "“classes” must be a list"),  # text, which is iterable too
        ({"classes": [1]}, "must be text"),  # a number for a name
        ({"classes": ["car"], "class_ids": None}, "must be a list of numbers"),  # none
        ({"classes": ["car"], "class_ids": [True]}, "must be a list of numbers"),  # an int of another kind
        ({"classes": ["car"], "class_ids": [-1]}, "must be a list of numbers"),  # negative
        ({"classes": ["car", "cat"], "class_ids": [1]}, "one number for every class"),  # too few
        ({"classes": ["car", "cat"], "class_ids": [1, 1]}, "all different"),  # one twice
        ({"classes": ["\u200b\n"]}, "is empty"),  # nothing to be seen
        ({"labels": []}, "“labels” an object"),  # a list
        ({"classes": ["car"], "labels": {"1": "cat"}}, "“cat” is not in the class list"),  # a class from nowhere
        ({"classes": ["car"], "labels": {"0": "car"}}, "must be 1 or more"),  # no such number
        ({"classes": ["car"], "labels": {"-1": "car"}}, "must be 1 or more"),  # negative
        ({"classes": ["car"], "labels": {"٣": "car"}}, "must be 1 or more"),  # int() would take it
        ({"classes": ["car"], "labels": {"9" * 5000: "car"}}, "must be 1 or more"),  # int() would refuse it
        ({"hidden": [True]}, "must be 1 or more"),  # a bool is an int
        ({"hidden": [1.0]}, "must be 1 or more"),  # not whole by type
        ({"deleted": {"1": 2}}, "“deleted” must be a list"),  # an object
        ({"deleted": [2**40]}, "must be 1 or more"),  # more than label maps hold
    ],
)
def test_from_dict_trusts_nothing(data: object, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        Edits.from_dict(data)


def test_label_adds_its_class_and_empty_takes_away() -> None:
    edits = Edits().with_label([1, 2], " delivery\tvan ")
    assert edits.classes == ("delivery van",)
    assert edits.labels == {1: "delivery van", 2: "delivery van"}
    assert edits.with_label([2, 7], "").labels == {1: "delivery van"}
    assert edits.with_label([2], "").classes == ("delivery van",)


def test_class_that_goes_takes_its_labels_along() -> None:
    assert EDITS.with_classes(["사람", "dog", "사람", "cat"]) == Edits(
        ("사람", "dog", "cat"), {12: "사람"}, EDITS.hidden, EDITS.deleted
    )


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["truck", "사람"], {1: "truck", 12: "사람"}),  # a name was corrected
        (["사람", "car"], {1: "car", 12: "사람"}),  # other order
        (["truck", "car"], {1: "car"}),  # one gone, one new, another place: nobody was renamed
        (["truck", "dog"], {}),  # another list that happens to be as long
        (["truck"], {}),  # a shorter list: gone
    ],
)
def test_name_in_the_place_of_another_is_that_class(names: list[str], labels: dict[int, str]) -> None:
    assert EDITS.with_classes(names).labels == labels


def test_hidden_and_deleted() -> None:
    assert EDITS.with_hidden([5], True).hidden == {2, 3, 5}
    assert EDITS.with_hidden([2, 4], False).hidden == {3}
    assert EDITS.with_deleted([1]).deleted == {1, 9}


def test_undo_and_redo() -> None:
    one, two = Edits(hidden=frozenset({1})), Edits(hidden=frozenset({1, 2}))
    history = History().done(HIDE, one).done(Action("hide", 2), two)
    assert history.undo == Action("hide", 2)
    back = history.undone()
    assert (back.now, back.undo, back.redo) == (one, HIDE, Action("hide", 2))
    assert back.redone().now == two
    start = back.undone()
    assert (start.now, start.undo) == (Edits(), None)
    assert start.undone() is start
    assert history.redone() is history


def test_new_step_forgets_what_was_taken_back() -> None:
    back = History().done(HIDE, Edits(hidden=frozenset({1}))).undone()
    assert back.done(Action("delete", 1), Edits(deleted=frozenset({1}))).redo is None


def test_step_that_changes_nothing_is_none() -> None:
    history = History().done(HIDE, Edits(hidden=frozenset({1})))
    assert history.done(HIDE, Edits(hidden=frozenset({1}))) is history


def test_history_is_bounded() -> None:
    history = History()
    for number in range(1, MAX_STEPS + 20):
        history = history.done(HIDE, Edits(hidden=frozenset({number})))
    assert len(history.past) == MAX_STEPS
    while history.undo:
        history = history.undone()
    assert history.now == Edits(hidden=frozenset({19}))
    assert len(history.future) == MAX_STEPS


def test_numbers_of_classes_are_kept() -> None:
    edits = Edits().with_classes(["person", "dog"], (1, 18)).with_label([4], "cow").with_label([5], "dog")
    assert edits.class_list == ClassList(("person", "dog", "cow"), (1, 18, 19))
    assert Edits.from_dict(json.loads(json.dumps(edits.to_dict()))) == edits
    # Documents without them stay as they were.
    assert "class_ids" not in Edits(("a",)).to_dict()
    assert Edits.from_dict({"classes": ["a"]}) == Edits(("a",))
    renamed = edits.with_classes(["person", "hound", "cow"], (1, 18, 19))
    assert (renamed.labels[5], renamed.class_ids) == ("hound", (1, 18, 19))
