"""Values that no page sends, to every endpoint: nothing breaks, nothing leaks, and the next request is right.

``AUTOMASK_FUZZ_EXAMPLES=2000 python -m pytest tests/test_fuzz.py`` tries more of them.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import page_app
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from visitors import RefusedError, Visitor

from automask_ui.options import PARAMETERS
from automask_ui.session.mask_edits import MASK_EDITS

gradio_client = pytest.importorskip("gradio_client")

EXAMPLES = int(os.environ.get("AUTOMASK_FUZZ_EXAMPLES", "40"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="AUTOMASK_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# What no answer may hold: Python's own words, and places on the server.
LEAKS = ("Traceback", 'File "', str(page_app.ROOT), "site-packages", "/secret/path", "Error:")
UNEXPECTED = "Something went wrong on our side"

FORGED = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(-3, 130), st.floats(allow_nan=True, allow_infinity=True), st.booleans()
)
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "33", "NaN", "../../etc/passwd", "<img src=x onerror=alert(1)>", "=1+1", "\0", "9" * 400]),
)
anything = st.recursive(
    st.one_of(st.none(), numbers, texts, st.just(FORGED), st.just({"__type__": "update", "value": 1})),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
grids = st.one_of(anything, st.lists(st.lists(st.lists(numbers, max_size=3), max_size=4), max_size=3))
OPTIONS = dict.fromkeys(PARAMETERS, numbers) | {
    "points_per_side": st.one_of(st.integers(1, 6), anything),
    "point_grids": grids,
    "output_mode": st.one_of(st.just("coco_rle"), anything),
    "model": st.one_of(st.just("fake"), anything),
}
CLICKS = {
    "points": st.one_of(st.lists(st.lists(st.floats(-10, 60), min_size=2, max_size=2), max_size=3), anything),
    "labels": st.one_of(st.lists(st.integers(0, 1), max_size=3), anything),
    "box": st.one_of(st.lists(st.floats(-10, 60), min_size=4, max_size=4), anything),
    "model": OPTIONS["model"],
}

ROUTES = (
    *("run/predict", "run/find_masks", "api/predict", "queue/join", "call/find_masks", "call/v2/find_masks"),
    *("call/no_such", "cancel", "reset", "component_server", "upload", "stream/x", "process_recording", "vibe-edit"),
)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "photo.png"
    pixels = np.full((37, 53, 3), 20, np.uint8)
    pixels[5:15, 20:40] = 255
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with page_app.running() as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    connected = gradio_client.Client(url, verbose=False)
    yield connected
    connected.close()


@pytest.fixture(scope="module")
def visitor(url: str) -> Iterator[Visitor]:
    with Visitor(url) as visitor:
        yield visitor


@pytest.fixture(autouse=True)
def still_right(url: str, photo: Path) -> Iterator[None]:
    """After whatever a test has sent: the server lives, and a visitor's next run is right."""
    yield
    assert httpx.get(f"{url}/health").json()["status"] == "ok"
    with Visitor(url) as visitor:
        visitor.open(photo)
        view = visitor.find(model="bright", points_per_side=4)
    assert [mask["bbox"] for mask in view["masks"]] == [[20, 5, 19, 9]]


def check_text(text: str) -> None:
    """Nothing of the server's inside in what a caller is told."""
    for leak in LEAKS:
        assert leak not in text, text


def check_refusal(text: str) -> None:
    """A refusal says what is wrong with the values; they do not come as a surprise."""
    check_text(text)
    assert UNEXPECTED not in text, text


def check_answer(answer: httpx.Response) -> None:
    """A refusal, or an answer; never a fault."""
    assert answer.status_code < 500, (answer.status_code, answer.text[:300])
    if "html" not in answer.headers.get("content-type", ""):
        check_text(answer.text)


@FUZZ
@given(values=st.fixed_dictionaries({}, optional=OPTIONS))
def test_documented_endpoint_by_its_client(client: Any, photo: Path, values: dict[str, Any]) -> None:
    try:
        answer = client.predict(image=gradio_client.handle_file(str(photo)), api_name="/find_masks", **values)
    except Exception as error:
        # What the client raises is the server's sentence, or its own for values that JSON cannot hold.
        check_refusal(str(error))
    else:
        assert answer["image_size"] == [37, 53]
        for name, row in PARAMETERS.items():
            used = answer["options"][name]
            assert used is None or row.minimum <= used <= row.maximum


@FUZZ
@given(data=st.one_of(anything, st.lists(anything, min_size=12, max_size=18)))
def test_documented_endpoint_by_plain_http(url: str, data: Any) -> None:
    endpoint = f"{url}/gradio_api/call/find_masks"
    joined = httpx.post(endpoint, content=json.dumps({"data": data}), headers={"Content-Type": "application/json"})
    check_answer(joined)
    if joined.status_code == 200:
        answer = httpx.get(f"{endpoint}/{joined.json()['event_id']}", timeout=60)
        check_answer(answer)
        assert UNEXPECTED not in answer.text


@FUZZ
@given(values=st.fixed_dictionaries({}, optional=CLICKS))
def test_endpoint_of_clicks(client: Any, photo: Path, values: dict[str, Any]) -> None:
    try:
        answer = client.predict(image=gradio_client.handle_file(str(photo)), api_name="/predict_mask", **values)
    except Exception as error:
        check_refusal(str(error))
    else:
        assert answer["image_size"] == [37, 53]
        assert 1 <= len(answer["masks"]) <= 3


@FUZZ
@given(choice=st.data())
def test_every_event_of_the_page(visitor: Visitor, photo: Path, choice: st.DataObject) -> None:
    visitor.open(photo)
    visitor.find(model="bright", points_per_side=4)
    name = choice.draw(st.sampled_from(sorted(set(visitor.events) - {"find_masks", "predict_mask", "js_fn"})))
    values = visitor.values(name, {})
    for place in choice.draw(st.lists(st.integers(0, len(values) - 1), max_size=3)) if values else []:
        values[place] = choice.draw(anything)
    payload = choice.draw(payloads(visitor.session))
    try:
        visitor.ask(name, values, payload) if visitor.events[name]["queue"] else past_the_queue(
            visitor, name, values, payload
        )
    except RefusedError as refused:
        check_refusal(str(refused))


def payloads(session: str) -> st.SearchStrategy[Any]:
    """What the picture and the table may claim: the right session with wrong things, or anything at all."""
    keys = ("ids", "format", "x", "y", "name", "ticket", "colour_by", "steps", "hidden")
    ids = st.lists(st.one_of(st.just(1), anything), max_size=4)
    points = st.lists(st.one_of(st.lists(st.floats(-10, 60), min_size=2, max_size=3), anything), max_size=5)
    stroke = st.fixed_dictionaries({}, optional={"width": st.one_of(st.floats(0, 3000), anything), "points": points})
    edit = st.fixed_dictionaries(
        {
            "do": st.one_of(
                st.sampled_from([*MASK_EDITS, "hide", "label", "delete", "classes", "undo", "redo"]), anything
            )
        },
        optional={"ids": st.one_of(ids, anything), "label": anything, "text": anything, "hidden": anything}
        | {
            "id": st.one_of(st.integers(0, 2), anything),
            "px": st.one_of(st.integers(-1, 201), anything),
            "cut": anything,
        }
        | {"how": st.one_of(st.sampled_from(["merge", "subtract", "intersect", "fill", "smooth", "grow"]), anything)}
        | {"strokes": st.one_of(st.lists(stroke, max_size=3), anything), "outline": st.one_of(points, anything)}
        | {"x": numbers, "y": numbers, "ticket": texts, "candidate": numbers, "on_top": texts},
    )
    box = st.one_of(st.none(), st.lists(numbers, min_size=4, max_size=4), anything)
    plausible = {"session": st.one_of(st.just(session), anything)}
    optional = dict.fromkeys(keys, anything) | {
        "ids": st.one_of(ids, anything),
        "id": st.one_of(st.integers(0, 2), anything),
        "clicks": st.one_of(points, anything),
        "box": box,
        "drawn": st.one_of(st.lists(st.one_of(edit, anything), max_size=3), anything),
        "format": st.one_of(st.sampled_from(["coco", "masks", "yolo", "table", "../x"]), anything),
        "steps": st.one_of(st.lists(st.one_of(edit, anything), max_size=4), anything),
    }
    return st.one_of(anything, st.fixed_dictionaries(plausible, optional=optional))


def past_the_queue(visitor: Visitor, name: str, values: list[Any], payload: Any) -> None:
    """An event that does not wait for its turn, as the browser asks for it."""
    body = {"data": values, "fn_index": visitor.events[name]["id"], "session_hash": visitor.tab, "event_data": payload}
    answer = visitor.http.post(
        "/gradio_api/run/predict", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    check_answer(answer)
    assert UNEXPECTED not in answer.text


@FUZZ
@given(
    path=st.sampled_from(ROUTES),
    body=st.one_of(
        st.binary(max_size=60),
        st.builds(json.dumps, anything).map(str.encode),
        st.fixed_dictionaries(
            {"data": anything},
            optional={"fn_index": st.one_of(st.integers(-2, 60), anything), "session_hash": anything,
                      "event_data": anything, "trigger_id": anything, "event_id": anything},
        ).map(json.dumps).map(str.encode),
    ),
    kind=st.sampled_from(["application/json", "text/plain", "multipart/form-data; boundary=x", "\x7f"]),
)  # fmt: skip
def test_any_bytes_to_any_route(url: str, path: str, body: bytes, kind: str) -> None:
    check_answer(httpx.post(f"{url}/gradio_api/{path}", content=body, headers={"Content-Type": kind}, timeout=60))


@FUZZ
@given(path=st.lists(st.one_of(texts, st.sampled_from(["..", "%2e%2e", "gradio_api", "file=", "a" * 300])), max_size=5))
def test_any_address(url: str, path: list[str]) -> None:
    address = "/".join(part.encode("utf-8", "ignore").hex() if "\0" in part else part for part in path)
    try:
        request = httpx.Request("GET", f"{url}/{address}")
    except httpx.InvalidURL:
        return
    with httpx.Client() as http:
        answer = http.send(request)
    assert answer.status_code < 500, (request.url, answer.text[:300])
    assert "root:x:" not in answer.text


def test_half_characters_do_not_end_the_answers(visitor: Visitor, photo: Path) -> None:
    upload = visitor.upload(photo) | {"orig_name": "half \ud800.png"}
    view = visitor.output("open_photo", "viewer", visitor.ask("open_photo", [upload]))
    assert view["name"] == "half \ufffd.png"
    with pytest.raises(RefusedError, match="There is no model '\ufffd' in the menu"):
        visitor.find(model="\udfff")
    visitor.open(photo)


@pytest.mark.parametrize("values", [{"points_per_side": 128, "crop_n_layers": 3}, {"points_per_side": 400}], ids=str)
def test_cost_is_bounded_with_the_numbers(client: Any, photo: Path, values: dict[str, int]) -> None:
    with pytest.raises(Exception, match=r"1,392,640 points in 85 crops, but at most 100,000|from 1 to 128, but is 400"):
        client.predict(image=gradio_client.handle_file(str(photo)), api_name="/find_masks", **values)


def test_events_that_wait_cannot_be_had_past_the_queue(visitor: Visitor) -> None:
    for name in ("find", "find_masks", "prepare"):
        body = {"data": [], "fn_index": visitor.events[name]["id"], "session_hash": uuid.uuid4().hex}
        assert visitor.http.post("/gradio_api/run/predict", json=body).status_code == 404


def test_refusal_of_a_slider_says_what_and_why(visitor: Visitor) -> None:
    values = visitor.values("refresh", {"points_per_side": 999})
    body = {"data": values, "fn_index": visitor.events["refresh"]["id"], "session_hash": visitor.tab}
    answer = visitor.http.post("/gradio_api/run/predict", json=body)
    assert answer.status_code == 422
    assert "128" in answer.json()["error"]


def test_health(url: str) -> None:
    answer = httpx.get(f"{url}/health")
    assert answer.headers["cache-control"] == "no-store"
    health = answer.json()
    assert health.keys() == {"status", "version", "model", "device", "busy", "runs"}
    assert (health["status"], health["model"], health["device"]) == ("ok", "fake", "cpu")
