"""The status line: a slim bar and one sentence, both set from Python as plain data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypedDict

from automask_ui.ui.components.output import CLOCK_START, OutputComponent

__all__ = ["Status", "StatusLine", "status"]

HERE = Path(__file__).parent


class Status(TypedDict):
    """What the line shows."""

    text: str
    fraction: float | None  # 0 to 1; None = no bar; -1 = busy for an unknown time
    kind: str  # "idle", "busy", "done" or "error"
    said_at: float  # s since 1970; a line that arrives after a later one is not shown


def status(text: str, kind: str = "idle", fraction: float | None = None) -> Status:
    """A line with its values in the plain types that reach the browser as they are."""
    shown = None if fraction is None else float(fraction)
    return {"text": text, "kind": kind, "fraction": shown, "said_at": CLOCK_START + time.monotonic()}


class StatusLine(OutputComponent):
    """Text and bar. The template is constant and the text is set as text, so that no file name becomes markup."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            value=status(""),
            html_template=(HERE / "status_line.html").read_text(encoding="utf-8"),
            css_template=(HERE / "status_line.css").read_text(encoding="utf-8"),
            js_on_load=(HERE / "status_line.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            **kwargs,
        )
