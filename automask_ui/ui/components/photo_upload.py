"""Gradio's image upload, without its opening of the file."""

from __future__ import annotations

import gradio as gr

__all__ = ["UploadImage"]


class UploadImage(gr.Image):
    """Hands over the file's path: our own code opens it, and can say what is wrong with it."""

    is_template = True  # the front end of gr.Image

    def preprocess(self, payload: object) -> str | None:
        """The path of the uploaded file."""
        return getattr(payload, "path", None)
