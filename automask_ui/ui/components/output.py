"""The base of all components of our own: each shows plain data that Python sets."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

__all__ = ["CLOCK_START", "OutputComponent"]

# Seconds since 1970 at which `time.monotonic` was 0. Their sum is never less than before, as the machine's clock may be
# when it is set: answers arrive in another order than they were given in, and the page has to tell which was later.
CLOCK_START = time.time() - time.monotonic()


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
