"""All components that take part in events, and the controls' values among them as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from automask_ui.ui.components.queue_table import QueueTable
from automask_ui.ui.components.status_line import StatusLine
from automask_ui.ui.components.viewer import MaskViewer
from automask_ui.ui.controls import Controls
from automask_ui.ui.panels import ModelPanel, PhotoPanel, RunPanel, ShowPanel, SlidersPanel

__all__ = ["Parts"]


@dataclass(frozen=True)
class Parts:
    """The page's components by panel."""

    photo: PhotoPanel
    model: ModelPanel
    sliders: SlidersPanel
    show: ShowPanel
    run: RunPanel
    queue: QueueTable
    viewer: MaskViewer
    status: StatusLine
    device: gr.Markdown
    download: gr.DownloadButton
    classes: gr.UploadButton
    token: gr.Textbox  # of the browser, for work that is kept

    @property
    def controls(self) -> set[Any]:
        """Every component that :meth:`read_controls` reads."""
        show = self.show
        singles = {self.model.model, self.model.preset, self.sliders.points.text}
        return singles | {show.smallest, show.largest, show.unit, show.covering} | set(self.sliders.all.values())

    @property
    def screen(self) -> list[Any]:
        """What a run paints: the picture, its status, and the buttons."""
        return [self.viewer, self.status, self.sliders.candidates, self.run.find, self.run.stop]

    @property
    def arrival(self) -> list[Any]:
        """What an opened file changes: the drop zones, the list of pictures, the screen, and every control."""
        return [self.photo.upload, self.photo.files, self.queue, *self.screen, *self.controls]

    @property
    def settings(self) -> list[Any]:
        """What a preset or a model sets: descriptions, device and forecast, the preset and every slider."""
        model = self.model
        return [model.info, model.preset_info, self.device, self.run.forecast, model.preset, *self.sliders.all.values()]

    def read_controls(self, values: Mapping[Any, Any]) -> Controls:
        """The controls that component ``values`` say; not yet checked."""
        show = self.show
        return Controls(
            model=values[self.model.model],
            preset=values[self.model.preset],
            values={name: values[slider] for name, slider in self.sliders.all.items()},
            points_text=values[self.sliders.points.text] or "",
            smallest=values[show.smallest],
            largest=values[show.largest],
            unit=values[show.unit],
            covering=values[show.covering],
        )

    def values_of(self, controls: Controls) -> dict[Any, Any]:
        """Component values that say ``controls``: the reverse of :meth:`read_controls`."""
        show = self.show
        return {
            self.model.model: controls.model,
            self.model.preset: controls.preset,
            self.sliders.points.text: controls.points_text,
            show.smallest: controls.smallest,
            show.largest: controls.largest or 0,
            show.unit: controls.unit,
            show.covering: controls.covering,
            **{slider: controls.values[name] for name, slider in self.sliders.all.items()},
        }
