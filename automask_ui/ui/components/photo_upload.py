"""Gradio's image upload, without its opening of the file; and how large an uploaded photo may be."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from automask_ui.files.images import check_photo_bytes

__all__ = ["UploadImage", "photo_at"]


def photo_at(path: str | Path) -> Path:
    """``path``, if the file there is not too large for a photo.

    Raises:
        ImageTooLargeError: it is.
    """
    path = Path(path)
    if path.is_file():
        check_photo_bytes(path)
    return path


class UploadImage(gr.Image):
    """Hands over the file's path: our own code opens it, and can say what is wrong with it."""

    is_template = True  # the front end of gr.Image

    def preprocess(self, payload: object) -> str | None:
        """The path of the uploaded file."""
        return getattr(payload, "path", None)
