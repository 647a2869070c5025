"""Points of one's own: lists that are dropped or pasted, and places that were drawn on the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from automask_ui.errors import OptionError
from automask_ui.files.point_grids import format_point_grids, parse_point_grids, read_point_grids
from automask_ui.masks import rle
from automask_ui.options import check_value
from automask_ui.serving.service import Service
from automask_ui.session import step_fields
from automask_ui.session.drawing import area_of
from automask_ui.session.look_at import grid_points
from automask_ui.ui.components.status_line import status
from automask_ui.ui.controls import Controls
from automask_ui.ui.errors import error_sentence
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences

__all__ = ["PointHandlers"]


class PointHandlers:
    """Where the next run looks."""

    def __init__(self, service: Service, screens: Screens) -> None:
        self._service, self._screens = service, screens

    def point_file(self, path: str | None) -> Changes:
        """Put the point list in a dropped file into its field, once it is checked.

        Raises:
            OptionError: it is no list of points.
        """
        text = read_point_grids(path) if path else ""
        parse_point_grids(text)
        return Changes(points_text=text)

    def preview_points(self, visitor: Visitor, text: str) -> Changes:
        """Show the points of a pasted list as dots on the picture.

        Raises:
            OptionError: it is no list of points.
        """
        layers = parse_point_grids(text) or []
        session = self._service.store.peek(visitor.owner)
        if session is None:
            return Changes()
        points = [[float(x), float(y)] for layer in layers[:1] for x, y in layer]
        found_with = sentences.found_with(visitor.words, session, self._service.models)
        view = self._screens.views.data(session, points=points, found_with=found_with)
        if not layers:
            return Changes(view)
        count = sum(len(layer) for layer in layers)
        return Changes(view, status(visitor.words.count("status.points", count, points=count)))

    def look_at(self, visitor: Visitor, controls: Controls, payload: Any) -> Changes:
        """Make the list of points those of the grid inside what was drawn, or outside; empty where none is left.

        Every error goes into the status line. The list never stays that of an earlier drawing unnoticed.
        """
        try:
            return self._look_at(visitor, controls, payload if isinstance(payload, dict) else {})
        except Exception as error:
            return Changes(status=status(error_sentence(visitor.words, error), "error"))

    def _look_at(self, visitor: Visitor, controls: Controls, payload: dict[str, Any]) -> Changes:
        session = self._service.store.get(visitor.owner, payload.get("session"))
        drawn = step_fields.drawing("drawn", payload.get("drawn"))
        area = area_of(drawn, session.size_hw)
        text, told = "", status(visitor.words.say("status.region_gone" if drawn else "status.everywhere"))
        if rle.area(area):
            side = check_value("points_per_side", controls.values.get("points_per_side"))
            if controls.values.get("crop_n_layers"):
                title = visitor.words.say("parameter.crop_n_layers")
                raise OptionError(f"A list of points cannot leave out a place of zoomed crops: set {title} to 0 first.")
            inside = step_fields.flag("only", payload.get("only"))
            points = grid_points(int(side), area, inside=inside)
            if len(points):
                text = format_point_grids([points.tolist()])
            else:
                told = status(visitor.words.say("status.no_grid_point"), "error")
        shown = self.preview_points(visitor, text)
        return replace(shown, points_text=text, status=shown.status or told)
