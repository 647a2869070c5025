"""All components that take part in events, and how their values become what handlers take and give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from automask_ui.ui.arrivals import Arrival
from automask_ui.ui.components.queue_table import QueueBoard
from automask_ui.ui.components.status_line import StatusLine
from automask_ui.ui.components.viewer import MaskViewer
from automask_ui.ui.controls import Controls
from automask_ui.ui.handlers import Screen
from automask_ui.ui.panels import ModelPanel, PhotoPanel, RunPanel, ShowPanel, SlidersPanel

__all__ = ["Parts", "arrived", "painted", "played", "read"]


@dataclass(frozen=True)
class Parts:
    """The page's components by panel."""

    photo: PhotoPanel
    model: ModelPanel
    sliders: SlidersPanel
    show: ShowPanel
    run: RunPanel
    queue: QueueBoard
    viewer: MaskViewer
    status: StatusLine
    device: gr.Markdown
    download: gr.DownloadButton
    classes: gr.UploadButton
    token: gr.Textbox  # of the browser, for work that is kept

    @property
    def controls(self) -> set[Any]:
        """Everything that :func:`read` needs."""
        show = self.show
        singles = {self.model.model, self.model.preset, self.sliders.points.text}
        return singles | {show.smallest, show.largest, show.unit, show.covering} | set(self.sliders.all.values())

    @property
    def screen(self) -> list[Any]:
        """The outputs of :func:`painted`, in its order."""
        return [self.viewer, self.status, self.sliders.candidates, self.run.find, self.run.stop]

    @property
    def arrival(self) -> list[Any]:
        """The outputs of :func:`arrived`, in its order: the drop zones, the queue, the screen, and every control."""
        show, sliders, model = self.show, self.sliders, self.model
        controls = [model.model, model.preset, sliders.points.text, show.smallest, show.largest, show.unit]
        zones = [self.photo.upload, self.photo.files, self.queue]
        return [*zones, *self.screen, *controls, show.covering, *sliders.all.values()]

    @property
    def settings(self) -> list[Any]:
        """What a preset or a model sets: its description, device and forecast, the preset and every slider."""
        return [self.model.info, self.device, self.run.forecast, self.model.preset, *self.sliders.all.values()]


def read(parts: Parts, values: Mapping[Any, Any]) -> Controls:
    """Component values as one object."""
    show = parts.show
    return Controls(
        model=values[parts.model.model],
        preset=values[parts.model.preset],
        values={name: values[slider] for name, slider in parts.sliders.all.items()},
        points_text=values[parts.sliders.points.text] or "",
        smallest=values[show.smallest],
        largest=values[show.largest],
        unit=values[show.unit],
        covering=values[show.covering],
    )


def painted(screen: Screen) -> tuple[Any, ...]:
    """Outputs for a screen; what it leaves out stays."""
    parts = [gr.skip() if part is None else part for part in (screen.view, screen.status, screen.candidates)]
    if screen.is_busy is None:
        return (*parts, gr.skip(), gr.skip())
    return (*parts, gr.update(interactive=not screen.is_busy), gr.update(interactive=screen.is_busy))


def arrived(parts: Parts, arrival: Arrival) -> tuple[Any, ...]:
    """Outputs for what was opened; the drop zones are free for what comes next."""
    controls = arrival.controls
    zones = (None, None, gr.skip() if arrival.board is None else arrival.board)
    if controls is None:
        return (*zones, *painted(arrival.screen), *[gr.skip()] * (7 + len(parts.sliders.all)))
    shown = (controls.smallest, controls.largest or 0, controls.unit, controls.covering)
    sliders = (controls.values[name] for name in parts.sliders.all)
    names = (controls.model, controls.preset, controls.points_text)
    return (*zones, *painted(arrival.screen), *names, *shown, *sliders)


def played(screens: Iterator[Screen]) -> Iterator[tuple[Any, ...]]:
    """Outputs for screens one after the other. Gradio would clear every output of a generator that yields nothing."""
    screen = Screen()
    for screen in screens:
        yield painted(screen)
    if screen == Screen():
        yield painted(screen)
