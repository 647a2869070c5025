"""Correcting by hand over plain HTTP: what the page is given by Gradio for each event of the tools."""

from __future__ import annotations

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


def at_once(visitor: Visitor, event: str, payload: Any, **controls: Any) -> list[Any]:
    """The outputs of an event that goes past the queue."""
    body = {
        "data": visitor.values(event, controls),
        "fn_index": visitor.events[event]["id"],
        "session_hash": visitor.http.params.get("session", visitor_hash(visitor)),
        "event_data": payload,
        "trigger_id": None,
    }
    answer = visitor.http.post("/gradio_api/run/predict", json=body)
    assert answer.status_code == 200, answer.text
    outputs: list[Any] = answer.json()["data"]
    return outputs
