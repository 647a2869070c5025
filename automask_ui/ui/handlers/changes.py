"""What an event changes on the page, by name; :mod:`automask_ui.ui.listener` makes values of components of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automask_ui.ui.components.model_menu import MenuGroup
from automask_ui.ui.components.picture_table import PictureTableData
from automask_ui.ui.components.status_line import Status
from automask_ui.ui.components.viewer import ViewerAnswer, ViewerData, ViewerPrediction
from automask_ui.ui.controls import Controls

__all__ = ["Changes"]


@dataclass(frozen=True)
class Changes:
    """What to change on the page; None leaves a part as it is.

    Attributes:
        view: the picture with its masks.
        status: the line above the picture.
        candidates: how many candidates pass, above the sliders.
        is_busy: whether Stop can be pressed, and Find cannot.
        controls: where all controls are set to.
        picture_list: the table of several pictures.
        recent: the work that was left last, as its row shows it.
        frees_drop_zones: nothing stays in the fields in which files arrive.
        preset: the one that is chosen.
        sliders: slider values by option name.
        model_groups: the models in the menu, in groups.
        model_info: what the chosen model is good for.
        is_missing: whether the chosen model's file is not here, so that ways to have it are offered.
        preset_info: what the preset does.
        about: what a bug report needs to know.
        device: model and device, in the header.
        forecast: what a run will cost.
        unfinished: news, whatever it is, where masks have to be decoded for what was answered at once.
        points_text: the list of points of one's own.
        note: a sentence at a place of the picture.
        edits: the viewer's edits, with the ticket that they answer.
        prediction: what the model makes of clicks in the picture.
        class_list: a class list to be looked at before it is taken.
        proof: what is in a finished download.
        download: the finished file of the picture.
        dataset: the finished file of the list of pictures.
        warning: a heading and a sentence that come up beside everything else.
    """

    view: ViewerData | None = None
    status: Status | None = None
    candidates: str | None = None
    is_busy: bool | None = None
    controls: Controls | None = None
    picture_list: PictureTableData | None = None
    recent: Sequence[Mapping[str, str]] | None = None
    frees_drop_zones: bool = False
    preset: str | None = None
    sliders: Mapping[str, float] | None = None
    model_groups: Sequence[MenuGroup] | None = None
    model_info: str | None = None
    is_missing: bool | None = None
    preset_info: str | None = None
    about: str | None = None
    device: str | None = None
    forecast: str | None = None
    unfinished: str | None = None
    points_text: str | None = None
    note: Mapping[str, Any] | None = None
    edits: ViewerAnswer | None = None
    prediction: ViewerPrediction | None = None
    class_list: Mapping[str, Any] | None = None
    proof: Mapping[str, Any] | None = None
    download: Path | None = None
    dataset: Path | None = None
    warning: tuple[str, str] | None = None
