"""All components that take part in events, and which of them each event may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from automask_ui.ui.components.picture_table import PictureTable
from automask_ui.ui.components.status_line import StatusLine
from automask_ui.ui.components.viewer import MaskViewer
from automask_ui.ui.panels import AboutPanel, ModelPanel, PhotoPanel, RunPanel, SlidersPanel

__all__ = ["Parts"]


@dataclass(frozen=True)
class Parts:
    """The page's components by panel."""

    photo: PhotoPanel
    model: ModelPanel
    sliders: SlidersPanel
    show: dict[str, Any]  # controls by the fields of ShowOnly
    run: RunPanel
    pictures: PictureTable
    viewer: MaskViewer
    status: StatusLine
    device: gr.Markdown
    download: gr.DownloadButton
    dataset: gr.DownloadButton
    classes: gr.UploadButton
    about: AboutPanel
    token: gr.Textbox  # of the tab, for work that is kept
    unsettled: gr.Textbox  # changes where the settings have changed, and what they say has not
    unfinished: gr.Textbox  # changes where a filter has to be asked for again, behind the queue
    shown: gr.Textbox  # id of the session that the page shows, which it fills in where it is among the inputs

    @property
    def controls(self) -> set[Any]:
        """Every component whose value is one of :class:`automask_ui.ui.controls.Controls`."""
        singles = {self.model.model, self.model.preset, self.sliders.points.text}
        return singles | set(self.sliders.all.values()) | set(self.show.values())

    @property
    def screen(self) -> list[Any]:
        """What a run paints: the picture, its row in the list, its status, and the buttons."""
        return [self.viewer, self.pictures, self.status, self.sliders.candidates, self.run.find, self.run.stop]

    @property
    def arrival(self) -> list[Any]:
        """What an opened file changes: the drop zones, recent work, the list, the screen, and every control."""
        photo = self.photo
        return [photo.upload, photo.files, photo.recent, *self.screen, *self.controls]

    @property
    def settings(self) -> list[Any]:
        """What a preset or a model sets: the menu's times, descriptions, device and forecast, preset and sliders."""
        model = self.model
        told = [model.model, model.info, model.missing, model.preset_info, self.device, self.run.forecast]
        return [*told, model.preset, *self.sliders.all.values()]
