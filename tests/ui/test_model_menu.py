"""The menu of models believes no browser."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from automask_ui.ui.components.model_menu import MenuGroup, ModelMenu

GROUPS: list[MenuGroup] = [
    {"label": "Ready here", "choices": [("Built-in model", "tiny")]},
    {"label": "SAM", "choices": [("SAM ViT-B", "vit_b"), ("SAM ViT-H", "vit_h")]},
]


def test_each_model_of_each_group_can_be_chosen() -> None:
    menu = ModelMenu(GROUPS, "tiny")
    assert [menu.preprocess(name) for name in ("tiny", "vit_b", "vit_h")] == ["tiny", "vit_b", "vit_h"]


@pytest.mark.parametrize("sent", ["SAM", "Ready here", "", "other", ["tiny"], {"tiny": 1}, None, 1, True])
def test_whatever_is_no_model_of_the_menu_is_refused(sent: Any) -> None:
    with pytest.raises(gr.Error, match="There is no model"):
        ModelMenu(GROUPS, "tiny").preprocess(sent)
