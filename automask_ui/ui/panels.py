"""The page's parts: one function a panel, each giving a dataclass of its components. Events are in wiring.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from automask_ui.options import PARAMETERS, PRESETS, Parameter
from automask_ui.ui.components.model_menu import MenuGroup, ModelMenu
from automask_ui.ui.components.photo_upload import UploadFile, UploadFiles, UploadImage
from automask_ui.ui.components.recent_strip import RecentStrip
from automask_ui.ui.components.sample_strip import SampleStrip
from automask_ui.ui.controls import CUSTOM, preset_values
from automask_ui.ui.text import I18N as t

__all__ = [
    "AboutPanel",
    "ModelPanel",
    "PhotoPanel",
    "PointsPanel",
    "RunPanel",
    "SlidersPanel",
    "about_panel",
    "model_panel",
    "photo_panel",
    "run_panel",
    "sliders_panel",
]


@dataclass(frozen=True)
class PhotoPanel:
    """Where a photo comes in."""

    upload: UploadImage
    files: UploadFiles  # for whatever is no single photo; the page's script puts it there
    samples: SampleStrip
    recent: RecentStrip


@dataclass(frozen=True)
class ModelPanel:
    """Which model, and which ready-made settings."""

    model: ModelMenu
    info: gr.Markdown
    missing: gr.Row  # ways to have the file of a model that is not here
    fetch: gr.Button
    file: gr.UploadButton
    preset: gr.Radio
    preset_info: gr.Markdown


@dataclass(frozen=True)
class PointsPanel:
    """Points of one's own."""

    text: gr.Textbox
    file: gr.UploadButton


@dataclass(frozen=True)
class SlidersPanel:
    """Sliders and switches by option name, in the order of ``PARAMETERS``, and what stands beside them."""

    all: dict[str, gr.Slider | gr.Checkbox]
    points: PointsPanel
    candidates: gr.Markdown

    @property
    def instant(self) -> list[gr.Slider | gr.Checkbox]:
        """Those that filter what was found, without a run."""
        return [slider for name, slider in self.all.items() if PARAMETERS[name].group != "look"]

    @property
    def waiting(self) -> list[gr.Slider | gr.Checkbox]:
        """Those that a run has to apply."""
        return [slider for name, slider in self.all.items() if PARAMETERS[name].group == "look"]


@dataclass(frozen=True)
class AboutPanel:
    """What a bug report needs to know."""

    fold: gr.Accordion
    text: gr.Textbox


@dataclass(frozen=True)
class RunPanel:
    """The primary action."""

    find: gr.Button
    stop: gr.Button
    forecast: gr.Markdown


def photo_panel(samples: Mapping[str, Path]) -> PhotoPanel:
    """Where a photo comes in."""
    upload = UploadImage(
        label=t("photo"),
        sources=["upload", "clipboard"],
        placeholder=t("photo.drop"),  # type: ignore[arg-type]  # takes translations as labels do
        height=88,
        buttons=[],
        elem_id="photo",
    )
    files = UploadFiles(t("files"), file_count="multiple", visible="hidden", elem_id="files")  # type: ignore[arg-type]
    strips = SampleStrip(samples, elem_id="samples"), RecentStrip(elem_id="recent")
    return PhotoPanel(upload, files, *strips)


def model_panel(models: Sequence[MenuGroup], default: str) -> ModelPanel:
    """Which model, and which ready-made settings."""
    model = ModelMenu(models, default, elem_id="model")
    info = gr.Markdown("", elem_id="model-info", elem_classes="note")
    with gr.Row(visible=False, elem_id="model-missing") as missing:
        fetch = gr.Button(t("model.fetch"), size="sm", elem_id="model-fetch", min_width=64)
        file = UploadFile(
            t("model.file"),  # type: ignore[arg-type]  # takes translations as labels do
            file_types=[".pth", ".pt", ".safetensors"],
            size="sm",
            elem_id="model-file",
            min_width=64,
        )
    presets = [(t(f"preset.{name}"), name) for name in PRESETS] + [(t("preset.custom"), CUSTOM)]
    preset = gr.Radio(presets, value="balanced", label=t("preset"), elem_id="preset")
    preset_info = gr.Markdown("", elem_id="preset-info", elem_classes="note")
    return ModelPanel(model, info, missing, fetch, file, preset, preset_info)


def sliders_panel(thresholds: Mapping[str, float]) -> tuple[SlidersPanel, dict[str, Any]]:
    """The settings that everybody needs, all others one click away in groups, and the controls of Show only."""
    values = preset_values("balanced", thresholds)
    with gr.Column(elem_id="basic"):
        candidates = gr.Markdown("", elem_id="candidates", elem_classes="note")
        sliders = {name: _control(row, values[name]) for name, row in PARAMETERS.items() if row.is_basic}
    with gr.Accordion(t("group.all"), open=False, elem_id="group-all"):
        for group in ("keep", "look"):
            with gr.Column(elem_id=f"group-{group}", elem_classes="settings-group"):
                gr.Markdown(t(f"group.{group}"), elem_classes="group-title")
                if group == "look":
                    gr.Markdown(t("group.look.note"), elem_classes="note")
                rows = {name: row for name, row in PARAMETERS.items() if row.group == group and not row.is_basic}
                sliders |= {name: _control(row, values[name]) for name, row in rows.items()}
                if group == "look":
                    points = _points_panel()
        show = _show_panel()
    return SlidersPanel({name: sliders[name] for name in PARAMETERS}, points, candidates), show


def _show_panel() -> dict[str, Any]:
    """What of the kept masks is shown: a control for each field of ``ShowOnly``, by its name.

    The name alone says what a control sets: it is read, set and attached to its events by that.
    """
    with gr.Column(elem_id="group-show", elem_classes="settings-group"):
        gr.Markdown(t("group.show"), elem_classes="group-title")
        gr.Markdown(t("group.show.note"), elem_classes="note")
        with gr.Row():
            limit: dict[str, Any] = {"value": 0, "minimum": 0, "min_width": 80, "info": t("show.limit")}
            smallest = gr.Number(label=t("show.smallest"), elem_id="smallest", **limit)
            largest = gr.Number(label=t("show.largest"), elem_id="largest", **limit)
        unit = gr.Radio(
            [("px", "px"), (t("show.unit.percent"), "%")], value="px", label=t("show.unit"), elem_id="area-unit"
        )
        covering = gr.Slider(
            1, 100, 100, step=1, label=t("show.covering"), info=t("show.covering.info"), elem_id="covering"
        )
    return {"smallest": smallest, "largest": largest, "unit": unit, "covering": covering}


def about_panel() -> AboutPanel:
    """What a bug report needs to know, to be copied; asked for when it is unfolded."""
    with gr.Accordion(t("about"), open=False, elem_id="about") as fold:
        text = gr.Textbox(
            label=t("about.note"), lines=10, max_lines=14, interactive=False, buttons=["copy"], elem_id="about-text"
        )
    return AboutPanel(fold, text)


def run_panel() -> RunPanel:
    """The one primary action, and what it will cost."""
    with gr.Column(elem_id="run"):
        with gr.Row(elem_id="run-buttons"):
            find = gr.Button(t("find"), variant="primary", elem_id="find", scale=3, min_width=80)
            stop = gr.Button(t("stop"), interactive=False, elem_id="stop", scale=1, min_width=64)
        forecast = gr.Markdown("", elem_id="forecast", elem_classes="note")
    return RunPanel(find, stop, forecast)


def _control(row: Parameter, value: float) -> gr.Slider | gr.Checkbox:
    told: dict[str, Any] = {
        "label": t(f"parameter.{row.field}"),
        "info": t(f"parameter.{row.field}.info"),
        "elem_id": row.field,
        "elem_classes": "parameter",
    }
    if row.is_switch:
        return gr.Checkbox(bool(value), **told)
    return gr.Slider(row.minimum, row.maximum, value, step=row.step, **told)


def _points_panel() -> PointsPanel:
    text = gr.Textbox(
        label=t("points"),
        info=t("points.info"),
        placeholder="0.25, 0.5\n0.75, 0.5",
        lines=3,
        max_lines=6,
        elem_id="point_grids",
    )
    types = [".json", ".txt", ".csv"]
    file = UploadFile(t("points.file"), file_types=types, size="sm", elem_id="points-file")  # type: ignore[arg-type]
    return PointsPanel(text, file)
