"""The way back in a document: it is the same after it was read, it is bounded, and nothing in it is trusted."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from automask_ui.errors import LabelError
from automask_ui.masks import rle as rle_codec
from automask_ui.session import history_json
from automask_ui.session.edits import Edits, OwnMask
from automask_ui.session.history import Action, History

SIZE_HW = (8, 10)


def own(x: int) -> OwnMask:
    mask = np.zeros(SIZE_HW, bool)
    mask[2:5, x : x + 3] = True
    return OwnMask(rle_codec.encode(mask), "painted", 0.9, None)


def worked_on() -> History:
    history = History()
    mask = own(1)
    for kind, change in [
        ("label", lambda edits: edits.with_label([1, 2], "cat")),
        ("hide", lambda edits: edits.with_hidden([2, 3], True)),
        ("add", lambda edits: edits.with_own({4: mask})),
        ("delete", lambda edits: edits.with_deleted([1, 4])),
        ("restore", lambda edits: edits.with_deleted([4], False)),
        ("paint", lambda edits: edits.with_own({4: own(5), 5: mask})),
        ("classes", lambda edits: edits.with_classes(["dog", "cat"], (7, 3))),
        ("unlabel", lambda edits: edits.with_label([1], "")),
        ("show", lambda edits: edits.with_hidden([3], False)),
    ]:
        history = history.done(Action(kind, 2, "cat" if kind == "label" else ""), change(history.now))
    return history


def in_json(history: History) -> Any:
    return json.loads(json.dumps(history_json.to_dict(history), allow_nan=False))


@pytest.mark.parametrize("taken_back", range(10))
def test_history_is_the_same_after_it_was_kept(taken_back: int) -> None:
    history = worked_on()
    for _ in range(taken_back):
        history = history.undone()
    assert history_json.from_dict(in_json(history), history.now, SIZE_HW) == history


def test_a_step_on_few_of_many_masks_is_small() -> None:
    history = History(Edits().with_label(range(1, 1001), "cat"))
    for number in range(100):
        history = history.done(Action("hide", 1), history.now.with_hidden([number + 1], True))
    assert len(json.dumps(history_json.to_dict(history))) < 10_000


def test_what_would_be_too_large_is_left_out_from_the_oldest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    history = worked_on()
    monkeypatch.setattr(history_json, "MAX_CHANGES", 6)
    back = history_json.from_dict(in_json(history), history.now, SIZE_HW)
    assert back.now == history.now
    assert 0 < len(back.past) < len(history.past)
    assert back.past == history.past[-len(back.past) :]


def test_a_document_without_a_history_has_none() -> None:
    now = worked_on().now
    assert history_json.from_dict({}, now, SIZE_HW) == History(now)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("past",), "x"),  # no list
        (("past",), [1]),  # no object in it
        (("past",), [{}] * 101),  # too many
        (("past", 0, "kind"), "<b>"),  # no name
        (("past", 0, "kind"), None),
        (("past", 0, "count"), -1),
        (("past", 0, "count"), True),
        (("past", 0, "label"), None),
        (("past", 0, "labels"), []),
        (("past", 0, "labels"), {"x": "cat"}),
        (("past", 0, "labels"), {"1": "bird"}),  # not in the class list
        (("past", 0, "labels"), {"1": 3}),
        (("past", 0, "hidden"), [0]),
        (("past", 0, "deleted"), {"1": 1}),
        (("past", 0, "own"), {"4": 9}),  # a place that is not there
        (("past", 0, "own"), {"4": [1]}),
        (("past", 0, "own"), {"4": True}),
        (("past", 0, "classes"), [1]),
        (("past", 0, "class_ids"), [1]),
        (("own",), {"ids": [1]}),
        (("own", "masks", "counts"), ["~"]),
    ],
)
def test_nothing_in_it_is_trusted(place: tuple[Any, ...], value: Any) -> None:
    history = worked_on()
    data = copy.deepcopy(in_json(history))
    target = data
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    if place[-1] == "class_ids":
        target["classes"] = ["dog", "cat"]
    with pytest.raises(LabelError):
        history_json.from_dict(data, history.now, SIZE_HW)


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(LabelError, match="must be an object"):
        history_json.from_dict(data, Edits(), SIZE_HW)


def test_small_steps_on_very_many_labels_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_json, "MAX_ENTRIES", 10_000)
    now = Edits().with_label(range(1, 1001), "cat")
    rows = [{"kind": "unlabel", "count": 1, "label": "", "labels": {str(number): ""}} for number in range(1, 101)]
    back = history_json.from_dict({"past": rows}, now, SIZE_HW)
    # The steps nearest to the edits as they are; each holds some 990 labels.
    assert len(back.past) == 10
    assert [len(edits.labels) for _, edits in back.past] == list(range(990, 1000))


def test_steps_share_what_they_leave_as_it_is() -> None:
    now = Edits().with_label(range(1, 1001), "cat").with_own({7: own(1)})
    rows = [{"kind": "hide", "count": 1, "label": "", "hidden": [number]} for number in range(1, 101)]
    back = history_json.from_dict({"past": rows}, now, SIZE_HW)
    assert len(back.past) == 100
    for _, edits in back.past:
        assert edits.labels is now.labels
        assert edits.own is now.own
