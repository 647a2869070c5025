"""What plain HTTP meets besides the page: a health check, and refusals that look like refusals.

Gradio answers 500 where a caller's values do not fit, and lets exceptions of its own routes (an event that does not
exist, say) end the request. Monitors and clients take both for a broken server.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automask_ui import __version__
from automask_ui.service import Service

__all__ = ["REFUSALS", "health_route"]

_log = logging.getLogger(__name__)

_REFUSED = {"error": "This request does not fit the page: see /gradio_api/info for the documented endpoint."}


class _Refusals:
    """Answers 4xx where Gradio would answer 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def pass_on(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                # Past the queue only settings are read: what fails there is a value of the caller's.
                if message["status"] == 500:
                    message = {**message, "status": 422}
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, pass_on)
        except Exception as error:
            if has_begun:
                raise
            _log.warning("Refused %s %s: %r", scope["method"], scope["path"], error)
            await JSONResponse(_REFUSED, 400)(scope, receive, send)


REFUSALS = Middleware(_Refusals)


def health_route(service: Service) -> Route:
    """``GET /health``: what a container or a monitor asks, without anything of a visitor's."""

    async def health(request: Request) -> JSONResponse:
        return JSONResponse(_health(service), headers={"Cache-Control": "no-store"})

    return Route("/health", health, methods=["GET"])


def _health(service: Service) -> dict[str, Any]:
    model = service.loaded(service.default_model)
    return {
        "status": "starting" if model is None else "ok",
        "version": __version__,
        "model": service.default_model,
        "device": None if model is None else str(model.device),
        "busy": service.runs.count > 0,
        "runs": service.runs.count,
    }
