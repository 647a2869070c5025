"""The base of all components of our own: each shows plain data that Python sets."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

__all__ = ["OutputComponent", "now"]

# The machine's clock may be set back while the page is open: what is said then would be taken for what came before.
_BEGAN_AT = time.time() - time.monotonic()


def now() -> float:
    """Seconds since 1970, never less than before: answers may arrive in another order than they were given in."""
    return _BEGAN_AT + time.monotonic()


class OutputComponent(gr.HTML):
    """A component that is only ever an output; what a person does in it comes back as events."""

    def preprocess(self, payload: Any) -> None:
        """Nothing: what a browser echoes is never taken for our own data."""
        return None

    def postprocess(self, value: Any) -> Any:
        """``value`` as it is; Gradio then copies its files into the cache and adds their addresses."""
        return value

    def api_info(self) -> dict[str, Any]:
        """Schema for the API page."""
        return {"type": "object"}

    def example_payload(self) -> None:
        """No example: it is an output."""
        return None

    def example_value(self) -> None:
        """No example: it is an output."""
        return None
