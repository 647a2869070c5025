"""The work that a visitor has left last, one click back: a row of thumbnails with names; unseen where there is none."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automask_ui.project.recent import RecentWork
from automask_ui.ui.components.output import OutputComponent
from automask_ui.ui.text import TEXTS, Words

__all__ = ["RecentStrip", "recent_rows"]

HERE = Path(__file__).parent


class RecentStrip(OutputComponent):
    """The row; its value is what :func:`recent_rows` gives. Event ``recent_open`` with ``{key}``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            value=[],
            html_template='<section class="recent" hidden><h2></h2><div class="works" role="group"></div></section>',
            css_template=(HERE / "recent_strip.css").read_text(encoding="utf-8"),
            js_on_load=(HERE / "recent_strip.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            texts={code: {"recent": texts["recent"]} for code, texts in TEXTS.items()},
            **kwargs,
        )


def recent_rows(words: Words, works: Sequence[RecentWork]) -> list[dict[str, str]]:
    """The row's pieces: key, name, a sentence on what a click does, and the thumbnail as an address.

    The thumbnail travels with the page: as a file it could be fetched by others.
    """
    return [
        {
            "key": work.key,
            "name": work.name,
            "title": words.count("recent.open", work.masks, name=work.name, masks=work.masks),
            "picture": "data:image/webp;base64," + base64.b64encode(work.thumbnail).decode("ascii"),
        }
        for work in works
    ]
