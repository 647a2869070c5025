"""The menu of models in groups, which Gradio's own list cannot have: a select of the browser, with its keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr

from automask_ui.ui.text import TEXTS

__all__ = ["MenuGroup", "ModelMenu"]

HERE = Path(__file__).parent


class MenuGroup(TypedDict):
    """A heading, which cannot be chosen, and label and name of each model below it."""

    label: str
    choices: list[tuple[str, str]]


class ModelMenu(gr.HTML):
    """The menu; its value is the name of the chosen model, and event ``input`` tells that a person has chosen one.

    Args:
        groups: what is in the menu; later ones, in a visitor's language, come with ``gr.update(groups=...)``.
        value: the model to begin with. Gradio leaves it out where it makes the menu anew, to give it other groups.
    """

    def __init__(self, groups: Sequence[MenuGroup], value: str | None = None, **kwargs: Any) -> None:
        self._names = {name for group in groups for _, name in group["choices"]}
        super().__init__(
            value=value,
            html_template='<label class="model"><span></span><select></select></label>',
            css_template=(HERE / "model_menu.css").read_text(encoding="utf-8"),
            js_on_load=(HERE / "model_menu.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            texts={code: {"model": texts["model"]} for code, texts in TEXTS.items()},
            groups=list(groups),
            **kwargs,
        )

    def preprocess(self, payload: Any) -> str:
        """The chosen model, which is one of the menu's, whatever a browser sends.

        Raises:
            gr.Error: it is none of them.
        """
        if not isinstance(payload, str) or payload not in self._names:
            raise gr.Error(f"There is no model {str(payload)[:40]!r} in the menu.", print_exception=False)
        return payload

    def postprocess(self, value: str | None) -> str | None:
        """``value`` as it is."""
        return value

    def api_info(self) -> dict[str, Any]:
        """Schema for the API page."""
        return {"type": "string"}
