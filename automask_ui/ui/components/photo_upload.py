"""Gradio's uploads, without their opening of the files, and under the files' own names.

Gradio keeps an uploaded file under a name that lost some characters and all past 200 bytes; the browser tells the real
one beside it.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from automask_ui.files.names import path_inside
from automask_ui.files.upload_checks import Upload

__all__ = ["UploadFile", "UploadFiles", "UploadImage"]


def _upload(payload: object) -> Upload | None:
    """What Gradio hands over of a file, under the name that the browser gives it, of which nothing is trusted."""
    path, name = getattr(payload, "path", None), getattr(payload, "orig_name", None)
    if not path:
        return None
    own = path_inside(name).rpartition("/")[2] if isinstance(name, str) and name else ""
    return Upload(Path(path), own or Path(path).name)


class UploadImage(gr.Image):
    """Hands over the file's place and name: our own code opens it, and can say what is wrong with it."""

    is_template = True  # the front end of gr.Image

    def preprocess(self, payload: object) -> Upload | None:  # type: ignore[override]  # what our handlers take
        """The uploaded file."""
        return _upload(payload)


class UploadFiles(gr.UploadButton):
    """Hands over places and names of several files."""

    is_template = True  # the front end of gr.UploadButton

    def preprocess(self, payload: object) -> list[Upload]:  # type: ignore[override]  # what our handlers take
        """The uploaded files."""
        return [upload for file in getattr(payload, "root", None) or [] if (upload := _upload(file)) is not None]


class UploadFile(gr.UploadButton):
    """Hands over the place of one file; Gradio would leave an empty file behind each time.

    What kind of file it is, its reader finds out, and says.
    """

    is_template = True  # the front end of gr.UploadButton

    def preprocess(self, payload: object) -> str | None:
        """The uploaded file's path on this machine."""
        return getattr(payload, "path", None) or None
