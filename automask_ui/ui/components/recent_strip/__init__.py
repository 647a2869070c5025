"""The work that a visitor has left last, one click back: a row of thumbnails with names; unseen where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automask_ui.ui.components.output import OutputComponent
from automask_ui.ui.text import TEXTS

__all__ = ["RecentStrip"]

HERE = Path(__file__).parent


class RecentStrip(OutputComponent):
    """The row; event ``recent_open`` with ``{key}``.

    Its value is a list of ``{key, name, title, picture}``: names the piece, the photo's name, a sentence on what a
    click does, and the thumbnail as an address that holds it, since a file could be fetched by others.
    """

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
