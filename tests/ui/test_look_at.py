"""Where the next run is to look: an outline becomes a list of points, shown as dots."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from segment_anything.utils.amg import build_point_grid

from automask_ui.files.point_grids import format_point_grids, parse_point_grids
from automask_ui.options import GeneratorOptions
from automask_ui.session import Session, ShowOnly
from automask_ui.session.look_at import grid_points
from automask_ui.ui.controls import Controls, controls_of
from automask_ui.ui.handlers import Changes, Handlers, Visitor
from automask_ui.ui.text import Words

ANN = Visitor("ann", Words("en"))
LEFT_HALF = [[0, 0], [26.5, 0], [26.5, 37], [0, 37]]
CORNER = [[40, 25], [53, 25], [53, 37], [40, 37]]


@pytest.fixture
def controls(handlers: Handlers) -> Controls:
    options = GeneratorOptions(points_per_side=8)
    return controls_of("fake", options, ShowOnly(), handlers.service.models.thresholds("fake"))


def look_at(handlers: Handlers, opened: Session, controls: Controls, **payload: Any) -> Changes:
    return handlers.points.look_at(ANN, controls, {"session": opened.id, "only": True, **payload})


def test_points_inside_and_outside_make_up_the_grid(handlers: Handlers, session: Session, controls: Controls) -> None:
    grid = build_point_grid(8)
    lists = []
    for only in (True, False):
        changes = look_at(handlers, session, controls, outlines=[LEFT_HALF, CORNER], only=only)
        assert changes.points_text
        (layer,) = parse_point_grids(changes.points_text) or []
        assert changes.view is not None
        assert changes.view.points == [list(point) for point in layer]
        lists.append({tuple(point) for point in layer})
    inside, outside = lists
    assert inside | outside == {tuple(point) for point in grid.tolist()}
    assert not inside & outside
    assert inside == {(x, y) for x, y in grid.tolist() if x < 0.5 or (x * 53 > 40 and y * 37 > 25)}


def test_next_run_looks_there_alone(handlers: Handlers, session: Session, controls: Controls) -> None:
    text = look_at(handlers, session, controls, outlines=[LEFT_HALF]).points_text
    assert text is not None
    options = replace(controls, points_text=text).options({})
    for _ in handlers.service.runs.find(session, "fake", options):
        pass
    assert session.result is not None
    assert (session.result.candidates.point_xy[:, 0] < 26.5).all()
    assert "32 points" in handlers.settings.forecast(ANN, replace(controls, points_text=text))


def test_nothing_drawn_clears_the_list(handlers: Handlers, session: Session, controls: Controls) -> None:
    look_at(handlers, session, controls, outlines=[LEFT_HALF])
    changes = look_at(handlers, session, replace(controls, points_text="0.5, 0.5"), outlines=[])
    assert changes.points_text == ""
    assert changes.view is not None
    assert changes.view.points == []


def test_dots_stay_while_masks_are_edited(handlers: Handlers, session: Session, controls: Controls) -> None:
    dots = look_at(handlers, session, controls, outlines=[CORNER]).view
    step = {"do": "paint", "id": 0, "cut": False, "strokes": [{"width": 5, "points": [[20, 20]]}], "outline": None}
    edited = handlers.masks.edit(ANN, {"session": session.id, "ticket": "e", "steps": [step]}).view
    assert dots is not None
    assert edited is not None
    assert edited.points == dots.points != []


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"session": "other", "outlines": [LEFT_HALF]}, "no longer on the server"),  # nobody's
        ({"outlines": "all"}, "must be a list of at most 1,000 polygons"),  # text
        ({"outlines": [LEFT_HALF] * 1001}, "must be a list of at most 1,000 polygons"),  # too many
        ({"outlines": [[[1, 1]] * 11_000] * 2}, "20,000 corners"),  # too many
        ({"outlines": [LEFT_HALF[:2]]}, "at least 3 corners"),  # a line
        ({"outlines": [[[math.nan, 0], [1, 1], [2, 0]]]}, "must be 2 numbers"),  # no number
        ({"outlines": [[[4, 1], [6, 1], [6, 3]]]}, "No point of the grid lies there"),  # between the points
        ({"outlines": [[[99, 99], [120, 99], [120, 120]]]}, "Nothing is drawn inside"),  # outside
    ],
)
def test_what_cannot_be_done_is_told_in_the_status(
    handlers: Handlers, session: Session, controls: Controls, payload: dict[str, Any], said: str
) -> None:
    changes = look_at(handlers, session, controls, **payload)
    assert changes.status is not None
    assert said in changes.status["text"]
    assert (changes.points_text, changes.view) == (None, None)


def test_crops_have_no_place_to_leave_out(handlers: Handlers, session: Session, controls: Controls) -> None:
    zoomed = replace(controls, values={**controls.values, "crop_n_layers": 1})
    changes = look_at(handlers, session, zoomed, outlines=[LEFT_HALF])
    assert changes.status is not None
    assert "zoomed crops" in changes.status["text"]
    assert handlers.points.look_at(ANN, controls, None).status is not None  # no payload at all


def test_text_of_a_list_is_read_as_the_same_points() -> None:
    layers = [build_point_grid(7).tolist(), [[1 / 3, 0.1 + 0.2]]]
    read = parse_point_grids(format_point_grids(layers))
    assert read == [[tuple(point) for point in layer] for layer in layers]


@pytest.mark.parametrize("side", [1, 2, 7, 32])
def test_whole_picture_is_the_grid_itself(side: int) -> None:
    outline = np.array([[-10, -10], [1000, -10], [1000, 1000], [-10, 1000]], float)
    assert np.array_equal(grid_points(side, [outline], (480, 640), inside=True), build_point_grid(side))
    assert not len(grid_points(side, [outline], (480, 640), inside=False))
