"""Correcting by hand over plain HTTP: what the page is given by Gradio for each event of the tools."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import page_app
import pytest
from PIL import Image
from visitors import Visitor


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with page_app.running() as url:
        yield url


@pytest.fixture
def ann(url: str, tmp_path: Path) -> Iterator[Visitor]:
    """Someone with a picture of 53×37 px and the masks that the fake model finds in it."""
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((37, 53, 3), 90, np.uint8)).save(path)
    with Visitor(url) as visitor:
        visitor.open(path)
        visitor.find(model="fake", points_per_side=4)
        yield visitor


def at_once(visitor: Visitor, event: str, payload: Any) -> list[Any]:
    """The outputs of an event that goes past the queue."""
    body = {
        "data": visitor.values(event, {"model": "fake"}),
        "fn_index": visitor.events[event]["id"],
        "session_hash": visitor.tab,
        "event_data": payload,
        "trigger_id": None,
    }
    answer = visitor.http.post("/gradio_api/run/predict", json=body)
    assert answer.status_code == 200, answer.text
    outputs: list[Any] = answer.json()["data"]
    return outputs


def clicked(visitor: Visitor, **asked: Any) -> dict[str, Any]:
    """What comes of a click: the prop of the viewer."""
    payload = {
        "session": visitor.session,
        "ticket": "click",
        "clicks": [[20.5, 15.5, 1]],
        "box": None,
        "id": 0,
        **asked,
    }
    prediction: dict[str, Any] = visitor.output("predict", "viewer", at_once(visitor, "predict", payload))["props"]
    return prediction["prediction"]  # type: ignore[no-any-return]


def test_click_is_answered_and_taken(ann: Visitor) -> None:
    prediction = clicked(ann)
    assert (prediction["ticket"], prediction["error"], len(prediction["candidates"])) == ("click", "", 3)
    steps = [{"do": "take", "ticket": "click", "candidate": 0, "id": 0}]
    outputs = ann.ask("edit", payload={"session": ann.session, "ticket": 1, "steps": steps})
    update = ann.output("edit", "viewer", outputs)
    ((made,),) = update["props"]["edits"]["made"]
    assert update["props"]["edits"]["answers"] == 1
    # The masks come with the answer, pixels and all.
    view = update["value"]
    assert {row["id"]: row["origin"] for row in view["masks"]}[made] == "clicked"
    assert zlib.decompress(base64.b64decode(view["layers"]), wbits=-zlib.MAX_WBITS)
    file, line = ann.download([made])
    assert b"segmentation" in ann.get(file)
    assert "exact" in line


def test_edit_of_labels_brings_no_masks(ann: Visitor) -> None:
    steps = [{"do": "label", "ids": [1], "label": "cat"}]
    update = ann.output(
        "edit", "viewer", ann.ask("edit", payload={"session": ann.session, "ticket": 2, "steps": steps})
    )
    assert "value" not in update
    assert update["props"]["edits"]["redraws"] is False


def test_errors_of_a_click_are_in_its_answer(ann: Visitor, url: str) -> None:
    assert "Nothing is shown" in clicked(ann, clicks=[])["error"]
    with Visitor(url) as bob:
        assert "no longer on the server" in clicked(bob, session=ann.session)["error"]


def test_outline_becomes_a_list_of_points(ann: Visitor) -> None:
    piece = {"cut": False, "strokes": [], "outline": [[0, 0], [26, 0], [26, 37], [0, 37]]}
    payload = {"session": ann.session, "drawn": [piece], "only": True}
    outputs = at_once(ann, "look_at", payload)
    text = ann.output("look_at", "point_grids", outputs)
    assert len(text.splitlines()) == 32 * 16
    assert len(ann.output("look_at", "viewer", outputs)["points"]) == 32 * 16
    assert ann.output("look_at", "status", outputs)["text"].startswith("512 points")
    outputs = at_once(ann, "look_at", {**payload, "drawn": []})
    assert ann.output("look_at", "point_grids", outputs) == ""
