"""What plain HTTP meets besides the page: a health check, heartbeats, and refusals that look like refusals.

Gradio answers 500 where a caller's values do not fit, and lets exceptions of its own routes (an event that does not
exist, say) end the request. Monitors and clients take both for a broken server.
"""

from __future__ import annotations

import errno
import json
import logging
import re
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automask_ui import __version__
from automask_ui.serving.presence import Presence
from automask_ui.serving.service import Service

__all__ = ["REFUSALS", "WHOLE_CHARACTERS", "Heartbeats", "health_route"]

_log = logging.getLogger(__name__)

_HEARTBEAT = re.compile(r"/heartbeat/([^/]+)/?$")
_REFUSED = {"error": "This request does not fit the page: see /gradio_api/info for the documented endpoints."}
# Far above what a page sends, pasted points included; files come as multipart, which is not held in memory.
_MAX_BODY_BYTES = 32 * 1024**2
_TOO_LONG = {"error": f"This request has more than {_MAX_BODY_BYTES / 2**20:.0f} MB. Files go to /gradio_api/upload."}
_FETCHES_NOTHING = {"error": "This server fetches no files from other addresses: upload the file itself."}
_DISK_FULL = {"error": "The server's disk is full. Try again later."}

# In JSON: an escape, where halves of a character beyond the first 65,536 stand in pairs; or a half as bytes.
_HALF = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u])"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|(\xed[\xa0-\xbf][\x80-\xbf])"
)

# Any letter may be escaped, and in UTF-16 and UTF-32 there are zeros between them.
_MAY_NAME_AN_ADDRESS = re.compile(rb"http|[\\\0]")


class _Refusals:
    """Answers 4xx, and in words, where Gradio would answer 500; 507 where the disk is full."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer.pass_on)
        except Exception as error:
            if answer.has_begun:
                raise
            _log.warning("Refused %s %s: %r", scope["method"], scope["path"], error)
            is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            response = JSONResponse(_DISK_FULL, 507) if is_full else JSONResponse(_REFUSED, 400)
            await response(scope, receive, send)
            return
        if answer.failure is not None:
            # Past the queue only settings are read: what fails there is a value of the caller's.
            await JSONResponse(_said(answer.failure), 422)(scope, receive, send)


class _Answer:
    """Passes a response on as it comes, unless it is a 500, which is kept in ``failure`` instead."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False
        self.failure: bytes | None = None

    async def pass_on(self, message: Message) -> None:
        """Stands in for ``send``."""
        if message["type"] == "http.response.start" and message["status"] == 500:
            self.failure = b""
        elif self.failure is not None:
            self.failure += message.get("body", b"")
        else:
            self.has_begun = True
            await self._send(message)


def _said(body: bytes) -> dict[str, Any]:
    """What Gradio says of a failure, where it says anything."""
    try:
        said = json.loads(body)
    except ValueError:
        return _REFUSED
    return said if isinstance(said, dict) and said.get("error") else _REFUSED


REFUSALS = Middleware(_Refusals)


class _WholeCharacters:
    """Replaces half characters (lone surrogates) in what is sent by U+FFFD, and refuses what no page sends.

    Windows allows half characters in names of files, and JSON can say them; but an answer that repeats one cannot be
    written, and would end the visitor's stream of events. A request is held in memory and read at one go, while nobody
    else is answered: one that is too long is refused. So is a file that is named by its address in the net, which
    Gradio would fetch, whatever its size.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or _is_multipart(scope):
            await self._app(scope, receive, send)
            return
        body, is_whole = bytearray(), False
        while not is_whole:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if len(body) > _MAX_BODY_BYTES:
                await JSONResponse(_TOO_LONG, 413)(scope, receive, send)
                return
            is_whole = not message.get("more_body", False)
        if _names_an_address(bytes(body)):
            await JSONResponse(_FETCHES_NOTHING, 400)(scope, receive, send)
            return
        whole: Message | None = {"type": "http.request", "body": _mended(bytes(body)), "more_body": False}

        async def pass_on() -> Message:
            nonlocal whole
            message, whole = whole, None
            return message or await receive()

        await self._app(scope, pass_on, send)


def _is_multipart(scope: Scope) -> bool:
    return any(name == b"content-type" and value.startswith(b"multipart/") for name, value in scope["headers"])


def _names_an_address(body: bytes) -> bool:
    """Whether ``body``, JSON of any encoding, has an object that Gradio takes for a file at an address in the net."""
    try:
        values = [json.loads(body)] if _MAY_NAME_AN_ADDRESS.search(body) else []
    except (ValueError, RecursionError):
        return False
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "meta" in value and str(value.get("path")).startswith(("http://", "https://")):
                return True
            values += value.values()
        elif isinstance(value, list):
            values += value
    return False


def _mended(body: bytes) -> bytes:
    """``body`` without half characters; as long as before."""

    def replaced(found: re.Match[bytes]) -> bytes:
        return found[1] or (b"\\ufffd" if found[2] else "\ufffd".encode())

    return _HALF.sub(replaced, body)


WHOLE_CHARACTERS = Middleware(_WholeCharacters)


class Heartbeats:
    """Middleware that tells who has a page open: Gradio's page holds a connection for as long as it is there."""

    def __init__(self, app: ASGIApp, presence: Presence) -> None:
        self._app, self._presence = app, presence
        presence.is_watched = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _HEARTBEAT.search(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        self._presence.came(found[1])
        try:
            await self._app(scope, receive, send)
        finally:
            self._presence.went(found[1])


def health_route(service: Service) -> Route:
    """``GET /health``: what a container or a monitor asks, without anything of a visitor's."""

    async def health(request: Request) -> JSONResponse:
        """Whether the default model is loaded, and how many runs there are."""
        model = service.models.loaded.get(service.models.default)
        told = {
            "status": "starting" if model is None else "ok",
            "version": __version__,
            "model": service.models.default,
            "device": None if model is None else str(model.device),
            "busy": service.runs.count > 0,
            "runs": service.runs.count,
        }
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    return Route("/health", health, methods=["GET"])
