"""Answers of generators that come to the page once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gradio as gr

__all__ = ["once"]

F = TypeVar("F", bound=Callable[..., Iterator[Any]])


def once(handler: F) -> F:
    """``handler`` (a generator function that answers at least once) with a last answer that changes nothing.

    Gradio sends a generator's last answer once more when it ends, and by then the page may show something newer.
    """

    @functools.wraps(handler)
    def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
        outputs: Any = None
        for outputs in handler(*args, **kwargs):
            yield outputs
        yield tuple(gr.skip() for _ in outputs) if isinstance(outputs, tuple) else gr.skip()

    return generate  # type: ignore[return-value]
