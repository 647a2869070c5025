"""Answers of generators come to the page once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from automask_ui.ui.once import once


@pytest.mark.parametrize(
    ("answers", "last"),
    [
        ([(1, 2), (3, 4)], (gr.skip(), gr.skip())),  # an answer for each of two outputs
        ([{"text": "one"}], gr.skip()),  # one output
    ],
)
def test_the_last_answer_changes_nothing(answers: list[Any], last: Any) -> None:
    @once
    def handler(count: int) -> Iterator[Any]:
        yield from answers[:count]

    assert list(handler(len(answers))) == [*answers, last]
