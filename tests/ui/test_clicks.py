"""Clicks in the picture as the page sends them: what comes back is always an answer."""

from __future__ import annotations

import base64
import json
import math
import zlib
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine

from automask_ui.options import GeneratorOptions
from automask_ui.session import Session
from automask_ui.ui.components.viewer import ViewerPrediction
from automask_ui.ui.handlers import Handlers, Visitor
from automask_ui.ui.text import Words

ANN = Visitor("ann", Words("en"))


def ask(handlers: Handlers, opened: Session, visitor: Visitor = ANN, **asked: Any) -> ViewerPrediction:
    payload = {"session": opened.id, "ticket": "click-1", "clicks": [[20.5, 15.5, 1]], "box": None, "id": 0, **asked}
    answer = handlers.clicks.predict(visitor, "fake", payload).prediction
    assert answer is not None
    assert json.dumps(answer, allow_nan=False)
    return answer


def layers(answer: ViewerPrediction) -> dict[int, int]:
    """Pixels of each layer by its number."""
    rest = np.frombuffer(zlib.decompress(base64.b64decode(answer["layers"]), wbits=-zlib.MAX_WBITS), "<u4").tolist()
    found = {}
    while rest:
        number, runs, *rest = rest
        found[number] = sum(rest[1 : 2 * runs : 2])
        rest = rest[2 * runs :]
    return found


def test_candidates_come_with_layers_and_can_be_taken(handlers: Handlers, session: Session) -> None:
    answer = ask(handlers, session)
    assert (answer["session"], answer["ticket"], answer["error"]) == (session.id, "click-1", "")
    candidates = answer["candidates"]
    assert [candidate["score"] for candidate in candidates] == pytest.approx([0.95, 0.9, 0.85])
    # The picture is small enough to be shown as it is.
    assert layers(answer) == {place: candidate["area"] for place, candidate in enumerate(candidates, start=1)}
    step = {"do": "take", "ticket": "click-1", "candidate": 1, "id": 0}
    changes = handlers.masks.edit(ANN, {"session": session.id, "ticket": "e", "steps": [step]})
    assert changes.edits is not None
    assert (changes.edits["made"], changes.edits["redraws"], changes.edits["error"]) == ([[1]], True, "")
    assert changes.view is not None
    (row,) = changes.view.masks
    assert (row["id"], row["origin"], row["area"]) == (1, "clicked", candidates[1]["area"])


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"session": "other"}, "no longer on the server"),  # nobody's
        ({"session": None}, "no longer on the server"),  # none
        ({"clicks": []}, "Nothing is shown"),  # nothing
        ({"clicks": None}, "must be a list of points"),  # none
        ({"clicks": [[1, 2]]}, "must be 3 numbers"),  # no kind
        ({"clicks": [[1, 2, 3]]}, "on the object"),  # no such kind
        ({"clicks": [[1, 2, 0.5]]}, "on the object"),  # half of it
        ({"clicks": [[math.nan, 2, 1]]}, "must be 3 numbers"),  # no number
        ({"clicks": [["1", 2, 1]]}, "must be 3 numbers"),  # text
        ({"clicks": [[1, 2, 1]] * 101}, "can have 100 points"),  # too many
        ({"box": [1, 2, 3]}, "left, top, right and bottom"),  # three
        ({"box": [1, 2, 3, math.inf]}, "left, top, right and bottom"),  # endless
        ({"box": "all"}, "left, top, right and bottom"),  # text
        ({"box": [5, 5, 5, 9]}, "no area"),  # a line
        ({"id": 99}, "no longer there"),  # never given
        ({"id": None}, "“id” must be a whole number"),  # none
        ({"ticket": "x" * 101}, "“ticket”"),  # too long
        ({"ticket": None}, "“ticket” must be text"),  # none
    ],
)
def test_what_cannot_be_answered_is_told_in_the_answer(
    handlers: Handlers, session: Session, asked: dict[str, Any], error: str
) -> None:
    answer = ask(handlers, session, **asked)
    assert error in answer["error"]
    assert (answer["layers"], answer["candidates"]) == ("", [])
    assert session.offered.nbytes == 0


@pytest.mark.parametrize("payload", [None, [], "x", {}])
def test_payload_may_be_anything(handlers: Handlers, payload: Any) -> None:
    answer = handlers.clicks.predict(ANN, "fake", payload).prediction
    assert answer is not None
    assert "no longer on the server" in answer["error"]


def test_others_cannot_click_in_ones_picture(handlers: Handlers, session: Session) -> None:
    answer = ask(handlers, session, Visitor("bob", Words("ko")))
    assert answer["error"].startswith("이 결과는 서버에 더 이상 없습니다")


def test_fault_of_the_model_is_told_without_what_it_says(
    handlers: Handlers, session: Session, engine: FakeEngine
) -> None:
    engine.error = RuntimeError("/secret/path")
    assert ask(handlers, session)["error"] == Words("en").say("error.unexpected")


def test_step_that_only_labels_redraws_nothing(handlers: Handlers, session: Session) -> None:
    for _ in handlers.service.runs.find(session, "fake", GeneratorOptions(points_per_side=4)):
        pass

    def edit(*steps: dict[str, Any]) -> Any:
        return handlers.masks.edit(ANN, {"session": session.id, "ticket": "e", "steps": list(steps)})

    changes = edit({"do": "label", "ids": [1], "label": "cat"}, {"do": "delete", "ids": [2]})
    assert (changes.edits["made"], changes.edits["redraws"], changes.view) == ([[], []], False, None)
    changes = edit({"do": "duplicate", "ids": [1]})
    ((copy,),) = changes.edits["made"]
    assert {row["id"]: row["origin"] for row in changes.view.masks}[copy] == "found"
    changes = edit({"do": "undo"})
    assert (changes.edits["made"], changes.edits["redraws"]) == ([[]], True)
    assert copy not in {row["id"] for row in changes.view.masks}
    # Made, and gone again before the parcel ends.
    changes = edit({"do": "duplicate", "ids": [1]}, {"do": "undo"})
    assert (changes.edits["made"], changes.edits["told"]["kind"]) == ([[], []], "duplicate")
    # A refusal takes nothing with it that was asked for besides.
    changes = edit({"do": "duplicate", "ids": [1]}, {"do": "split", "ids": [1]}, {"do": "delete", "ids": [1]})
    assert "nothing to split" in changes.edits["error"]
    assert changes.edits["redraws"]
    assert ([len(ids) for ids in changes.edits["made"]], 1 in session.edits.deleted) == ([1, 0, 0], True)
