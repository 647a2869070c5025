"""Handlers as Gradio calls them: what it passes, and what it gets back."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from automask_ui.errors import OptionError
from automask_ui.ui.components.status_line import status
from automask_ui.ui.controls import Controls, preset_values
from automask_ui.ui.handlers import Changes, Visitor
from automask_ui.ui.listener import listener, outputs_of
from automask_ui.ui.parts import Parts

KOREAN: Any = SimpleNamespace(session_hash="ann", headers={"accept-language": "ko"})


def test_gradio_is_asked_for_what_a_handler_names(parts: Parts) -> None:
    def handler(visitor: Visitor, payload: Any) -> None: ...

    def other(controls: Controls) -> None: ...

    assert list(inspect.signature(listener(handler, parts, ())).parameters) == ["request", "event"]
    assert list(inspect.signature(listener(other, parts, ())).parameters) == ["controls", "request"]


def test_values_reach_the_handler_under_its_names(parts: Parts) -> None:
    seen: list[tuple[Any, ...]] = []

    def handler(visitor: Visitor, path: str, payload: Any) -> None:
        seen.append((visitor.owner, visitor.words.language, path, payload))

    listener(handler, parts, ())("a.png", KOREAN, SimpleNamespace(_data={"x": 1}))
    assert seen == [("ann", "ko", "a.png", {"x": 1})]


def test_controls_are_read_and_set_again(parts: Parts) -> None:
    show = {"smallest": 3, "largest": 9, "unit": "px", "covering": 80.0}
    wanted = Controls("fake", "quick", preset_values("quick", {}), "0.5, 0.5", show)
    values = outputs_of(Changes(controls=wanted), parts)
    assert set(values) == parts.controls

    def handler(controls: Controls) -> Changes:
        assert controls == wanted
        return Changes()

    listener(handler, parts, parts.screen)(values, KOREAN)


def test_changes_go_to_their_components_and_nothing_else(parts: Parts) -> None:
    line = status("done")
    answer = listener(lambda: Changes(status=line, is_busy=True), parts, parts.screen)(KOREAN)
    assert answer[parts.status] == line
    assert answer[parts.run.stop]["interactive"]
    assert set(answer) == {parts.status, parts.run.find, parts.run.stop}


def test_every_change_has_a_component(parts: Parts) -> None:
    for name in Changes.__dataclass_fields__:
        if name not in ("view", "controls", "sliders", "picture_list", "status", "warning"):
            value: Any = True if name in ("frees_drop_zones", "is_busy") else {} if name in ("note", "edits") else "x"
            assert outputs_of(Changes(**{name: value}), parts), name


def test_nothing_that_changed_clears_nothing(parts: Parts) -> None:
    def silent() -> Iterator[Changes]:
        yield from ()

    assert list(listener(silent, parts, parts.screen)(KOREAN)) == [{parts.viewer: gr.skip()}]
    assert listener(lambda: None, parts, parts.screen)(KOREAN) == {parts.viewer: gr.skip()}


def test_errors_speak_the_visitors_language(parts: Parts) -> None:
    def fails() -> Iterator[Changes]:
        yield Changes()
        raise OptionError("points_per_side must be smaller")

    steps = listener(fails, parts, parts.screen)(KOREAN)
    next(steps)
    with pytest.raises(gr.Error, match=r"^.설정 값을 쓸 수 없습니다"):
        next(steps)
