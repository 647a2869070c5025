"""The film strip of a list of pictures: what has become of each, as plain data from Python; unseen without a list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradio.data_classes import FileData, GradioModel
from pydantic import Field

from automask_ui.export import EXPORTERS
from automask_ui.ui.components.output import OutputComponent
from automask_ui.ui.components.viewer import DownloadFormat
from automask_ui.ui.text import TEXTS

__all__ = ["PictureRow", "PictureTable", "PictureTableData"]

HERE = Path(__file__).parent


class PictureRow(GradioModel):
    """One picture."""

    name: str
    state: str  # "waiting", "running", "done" or "failed"
    masks: int | None = None
    seconds: float | None = None
    error: str = ""
    edited: bool = False
    thumb: FileData | None = None


class PictureTableData(GradioModel):
    """All that the strip shows; no items: nothing is to be seen."""

    list_id: str = ""  # names the list: another one is another table
    items: list[PictureRow] = Field(default_factory=list)
    open: int | None = None  # the picture that is in the main view
    running: bool = False
    line: str = ""
    failed: bool = False  # the line says what went wrong
    fraction: float = 0.0  # of the pictures, 0 to 1


class PictureTable(OutputComponent):
    """The strip.

    Events: ``list_start``, ``list_stop``, ``list_open``, ``list_remove``, ``list_save``, ``list_close``.
    """

    data_model = PictureTableData

    def __init__(self, formats: Sequence[DownloadFormat], **kwargs: Any) -> None:
        super().__init__(
            value=PictureTableData(),
            html_template=(HERE / "picture_table.html").read_text(encoding="utf-8"),
            css_template=(HERE / "picture_table.css").read_text(encoding="utf-8"),
            js_on_load=(HERE / "picture_table.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            # In one text, as ViewerData is.
            constants=json.dumps(
                {
                    "formats": list(formats),
                    "negatives": [name for name, row in EXPORTERS.items() if row.has_negatives],
                    "texts": {
                        code: {key: text for key, text in texts.items() if key.startswith("list.")}
                        for code, texts in TEXTS.items()
                    },
                }
            ),
            **kwargs,
        )
