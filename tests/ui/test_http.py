"""Refusals over plain HTTP, and the health check, on an application that fails in every way."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fakes import FakeEngine, fake_models
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from automask_ui import __version__
from automask_ui.serving import presence
from automask_ui.serving.service import Service
from automask_ui.ui import http
from automask_ui.ui.http import REFUSALS, WHOLE_CHARACTERS, Heartbeats, health_route


async def fails(request: Request) -> Response:
    kind = request.path_params["kind"]
    if kind == "slip":
        raise KeyError("/secret/path")
    if kind == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/secret/path")
    if kind == "stream":
        return StreamingResponse(iter([b"one", b"two"]))
    answers = {
        "said": JSONResponse({"error": "covering must be a number"}, 500),
        "unsaid": JSONResponse({"error": None}, 500),
        "text": Response("Internal Server Error", 500),
        "missing": Response("Not here", 404),
    }
    return answers.get(kind, JSONResponse({"fine": True}))


@pytest.fixture
def service() -> Service:
    return Service(lambda name: FakeEngine(), fake_models("fake"), "fake")


def ask(path: str, service: Service) -> httpx.Response:
    """The answer to a request. In a thread of its own: browser tests leave an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(_ask(path, service))).result()


async def _ask(path: str, service: Service) -> httpx.Response:
    app = Starlette(routes=[Route("/fails/{kind}", fails), health_route(service)], middleware=[REFUSALS])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("nothing", 200, "fine"),  # what works passes
        ("stream", 200, "onetwo"),  # piece by piece, too
        ("missing", 404, "Not here"),  # refusals of others stay
        ("said", 422, "covering must be a number"),  # a value that does not fit, in Gradio's words
        ("unsaid", 422, "does not fit the page"),  # the same, where Gradio has none
        ("text", 422, "does not fit the page"),
        ("slip", 400, "does not fit the page"),  # an exception of the routes
        ("full", 507, "disk is full"),
    ],
)
def test_answers(service: Service, kind: str, status: int, said: str) -> None:
    answer = ask(f"/fails/{kind}", service)
    assert answer.status_code == status
    assert said in answer.text
    assert "secret" not in answer.text
    assert int(answer.headers.get("content-length", len(answer.content))) == len(answer.content)


def test_health_before_and_after_loading(service: Service) -> None:
    before = ask("/health", service).json()
    assert before["status"] == "starting"
    service.models.load("fake")
    health = ask("/health", service).json()
    assert health == {
        "status": "ok", "version": __version__, "model": "fake", "device": "cpu", "busy": False, "runs": 0
    }  # fmt: skip


def test_a_page_is_there_for_as_long_as_its_heartbeat(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "GRACE_SECONDS", -1.0)
    seen = []

    async def heartbeat(request: Request) -> Response:
        seen.append(service.presence.has_gone(request.path_params["owner"], 0.0))
        return JSONResponse({})

    async def visit() -> None:
        routes = [Route("/gradio_api/heartbeat/{owner}", heartbeat)]
        app = Starlette(routes=routes, middleware=[Middleware(Heartbeats, presence=service.presence)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
            await client.get("/gradio_api/heartbeat/ann")

    assert not service.presence.has_gone("ann", 0.0)  # nothing is heard yet
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(visit())).result()
    assert seen == [False]
    assert service.presence.has_gone("ann", 0.0)


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (rb'"a\ud800.png"', "a\ufffd.png"),  # the first half alone, as Windows allows it in names of files
        (rb'"\uDC00\ud83d\ude00"', "\ufffd\U0001f600"),  # the second half alone, before a whole character
        (rb'"\\ud800 \u00e9"', "\\ud800 \u00e9"),  # a backslash, and no escape behind it
        (b'"a\xed\xa0\x80"', "a\ufffd"),  # as bytes, which Python takes
        ('"é 😀 가"'.encode(), "é 😀 가"),
        (b'"' + b"x" * 100_000 + rb'\ud800"', "x" * 100_000 + "\ufffd"),  # in several messages
    ],
)
def test_half_characters_do_not_come_in(sent: bytes, arrives: str) -> None:
    assert posted(sent).text == repr(arrives)


def test_what_no_page_sends_in_length_is_refused_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MAX_BODY_BYTES", 100_000)
    assert posted(b'"' + b"x" * 99_998 + b'"').status_code == 200
    sent: list[int] = []
    answer = posted(b'"' + b"x" * 10_000_000 + b'"', sent.append)
    assert answer.status_code == 413
    assert "/gradio_api/upload" in answer.json()["error"]
    assert sum(sent) < 200_000


@pytest.mark.parametrize("address", ["http://example.com/a.jpg", "https://example.com/a.jpg"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "escaped"])
def test_a_file_at_an_address_in_the_net_is_refused(address: str, encoding: str) -> None:
    file = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
    text = json.dumps({"data": [0.5, {"file": [file]}]})
    body = text.replace("h", r"\u0068").encode() if encoding == "escaped" else text.encode(encoding)
    answer = posted(body)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith("upload the file itself.")


@pytest.mark.parametrize(
    "value",
    [
        # The page's own files have their address on this server beside the path.
        {"path": "/tmp/a.jpg", "url": "http://127.0.0.1/a.jpg", "meta": {"_type": "gradio.FileData"}},
        "http://example.com/a.jpg",  # a label
        {"path": "http://example.com/a.jpg"},
        {"path": ["http://example.com"], "meta": None},
    ],
    ids=repr,
)
def test_other_addresses_pass(value: Any) -> None:
    assert posted(json.dumps(value).encode()).text == repr(value)


def posted(body: bytes, on_piece: Callable[[int], None] = lambda size: None) -> httpx.Response:
    """The answer to a request that comes in pieces and is repeated as Python reads it."""

    async def echo(request: Request) -> Response:
        return Response(repr(await request.json()))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 65_536):
            on_piece(len(body[at : at + 65_536]))
            yield body[at : at + 65_536]

    async def post() -> httpx.Response:
        app = Starlette(routes=[Route("/", echo, methods=["POST"])], middleware=[WHOLE_CHARACTERS])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
            return await client.post("/", content=pieces(), headers={"Content-Type": "application/json"})

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(post())).result()
