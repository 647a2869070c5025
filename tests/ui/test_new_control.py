"""A made-up control of Show only: its line in panels.py is all that the page knows of it; its words are in text/."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from automask_ui.masks import MaskSet
from automask_ui.serving.service import Service
from automask_ui.session import ShowOnly
from automask_ui.ui import controls, page, panels
from automask_ui.ui.handlers import Changes, Handlers, Visitor
from automask_ui.ui.listener import listener, outputs_of
from automask_ui.ui.parts import Parts
from automask_ui.ui.text import Words

ANN: Any = SimpleNamespace(session_hash="ann", headers={})


@dataclass(frozen=True)
class ShowStable(ShowOnly):
    """Show only, with a field more: this is what the control does, and would stand in session.py."""

    least_stability: float = 0.0

    def matches(self, masks: MaskSet) -> np.ndarray:
        return super().matches(masks) & (masks.stability_score >= self.least_stability)


@pytest.fixture
def built(service: Service, monkeypatch: pytest.MonkeyPatch) -> tuple[gr.Blocks, Parts, Handlers]:
    """The page, with one more control in its panel."""
    show_panel, found = panels._show_panel, []

    def with_one_more() -> dict[str, Any]:
        return {**show_panel(), "least_stability": gr.Slider(0, 1, 0, elem_id="least-stability")}

    def wire(blocks: gr.Blocks, parts: Parts, handlers: Handlers) -> None:
        real_wire(blocks, parts, handlers)
        found.extend((parts, handlers))

    real_wire = page.wire
    monkeypatch.setattr(panels, "_show_panel", with_one_more)
    monkeypatch.setattr(controls, "ShowOnly", ShowStable)
    monkeypatch.setattr(page, "wire", wire)

    async def build() -> gr.Blocks:
        return page.build_app(service)

    # In an event loop that ends: Gradio would begin one of its own, and leave it open. On a thread of its own: tests of
    # the browser leave one in this.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(build())).result(), *found


def test_its_value_is_read_and_filters(built: tuple[gr.Blocks, Parts, Handlers], photo: str) -> None:
    _, parts, handlers = built
    values = {component: getattr(component, "value", None) for component in parts.controls}

    def ask(handler: Any, least: float) -> None:
        answers = listener(handler, parts, parts.screen)({**values, parts.show["least_stability"]: least}, ANN)
        assert list(answers)

    visitor = Visitor("ann", Words("en"))
    handlers.opening.open_photo(visitor, photo)
    handlers.runs.begin(visitor)
    ask(handlers.runs.find, 0.0)
    session = handlers.service.store.current("ann")
    stable = session.current_masks().masks.stability_score
    assert len(stable) > 3
    ask(handlers.settings.refilter, float(np.median(stable)))
    assert sorted(session.current_masks().masks.stability_score) == sorted(stable[stable >= np.median(stable)])


def test_it_is_set_with_all_others(built: tuple[gr.Blocks, Parts, Handlers]) -> None:
    _, parts, _ = built
    said = controls.controls_of("fake", controls.GeneratorOptions(), ShowStable(least_stability=0.5), {})
    assert outputs_of(Changes(controls=said), parts)[parts.show["least_stability"]] == 0.5
    assert said.show() == ShowStable(least_stability=0.5)
    assert parts.show["least_stability"] in parts.arrival


def test_moving_it_filters(built: tuple[gr.Blocks, Parts, Handlers]) -> None:
    blocks, parts, _ = built
    own = parts.show["least_stability"]._id
    events = {
        (event, fn.fn.__name__) for fn in blocks.fns.values() for id_, event in fn.targets if id_ == own and fn.fn
    }
    assert events == {("input", "show_only"), ("release", "show_only")}


def test_no_event_waits_for_two_answers(built: tuple[gr.Blocks, Parts, Handlers]) -> None:
    """Where one waits for its turn, Gradio repeats the whole event once it has come: two would repeat each other."""
    blocks, *_ = built
    last = [fn for fn in blocks.fns.values() if fn.trigger_mode == "always_last"]
    waiting = [(part, event) for fn in last for part, event in fn.targets if event != "then"]
    assert len(waiting) > 10
    assert {target for target in waiting if waiting.count(target) > 1} == set()
