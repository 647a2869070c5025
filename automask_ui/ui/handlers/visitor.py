"""Who asks."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import gradio as gr

from automask_ui.ui.text import Words, words_for

__all__ = ["Visitor", "visitor_of"]


@dataclass(frozen=True)
class Visitor:
    """The tab that asks, and its language."""

    owner: str
    words: Words


def visitor_of(request: gr.Request) -> Visitor:
    """The visitor behind a request. Without a session, as plain HTTP may call, everyone is a stranger to everyone."""
    return Visitor(request.session_hash or uuid.uuid4().hex, words_for(request.headers))
