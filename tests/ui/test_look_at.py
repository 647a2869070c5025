"""Where the next run is to look: what is outlined or painted becomes a list of points, shown as dots."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from segment_anything.utils.amg import build_point_grid

from automask_ui.files.point_grids import format_point_grids, parse_point_grids
from automask_ui.masks import rle
from automask_ui.options import GeneratorOptions
from automask_ui.session import Session, ShowOnly
from automask_ui.session.look_at import grid_points
from automask_ui.ui.controls import Controls, controls_of
from automask_ui.ui.handlers import Changes, Handlers, Visitor
from automask_ui.ui.text import Words

ANN = Visitor("ann", Words("en"))


def outlined(*corners: list[float]) -> dict[str, Any]:
    return {"cut": False, "strokes": [], "outline": list(corners)}


def painted(width: float, *points: list[float], cut: bool = False) -> dict[str, Any]:
    return {"cut": cut, "strokes": [{"width": width, "points": list(points)}], "outline": None}


LEFT_HALF = outlined([0, 0], [26.5, 0], [26.5, 37], [0, 37])
CORNER = outlined([40, 25], [53, 25], [53, 37], [40, 37])


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
        changes = look_at(handlers, session, controls, drawn=[LEFT_HALF, CORNER], only=only)
        assert changes.points_text
        (layer,) = parse_point_grids(changes.points_text) or []
        assert changes.view is not None
        assert changes.view.points == [list(point) for point in layer]
        lists.append({tuple(point) for point in layer})
    inside, outside = lists
    assert inside | outside == {tuple(point) for point in grid.tolist()}
    assert not inside & outside
    assert inside == {(x, y) for x, y in grid.tolist() if x < 0.5 or (x * 53 > 40 and y * 37 > 25)}


def test_painted_places_are_added_and_cut_out_one_after_the_other(
    handlers: Handlers, session: Session, controls: Controls
) -> None:
    rows, columns = np.mgrid[:37, :53] + 0.5
    stroke, hole = painted(20, [15, 15], [40, 15]), painted(9, [20, 15], cut=True)
    is_drawn = (columns < 26.5) | (np.hypot(columns - columns.clip(15, 40), rows - 15) <= 10)
    is_drawn &= np.hypot(columns - 20, rows - 15) > 4.5
    grid = build_point_grid(8)
    is_in = is_drawn[(grid[:, 1] * 37).astype(int), (grid[:, 0] * 53).astype(int)]
    assert is_in[grid[:, 0] < 0.5].sum() < 32 < is_in.sum() < 64
    for only in (True, False):
        text = look_at(handlers, session, controls, drawn=[LEFT_HALF, stroke, hole], only=only).points_text
        assert text is not None
        (layer,) = parse_point_grids(text) or []
        assert {tuple(point) for point in layer} == {tuple(point) for point in grid[is_in == only].tolist()}


def test_next_run_looks_there_alone(handlers: Handlers, session: Session, controls: Controls) -> None:
    text = look_at(handlers, session, controls, drawn=[LEFT_HALF]).points_text
    assert text is not None
    options = replace(controls, points_text=text).options({})
    for _ in handlers.service.runs.find(session, "fake", options):
        pass
    assert session.result is not None
    assert (session.result.candidates.point_xy[:, 0] < 26.5).all()
    assert "32 points" in handlers.settings.forecast(ANN, replace(controls, points_text=text))


def test_nothing_drawn_clears_the_list(handlers: Handlers, session: Session, controls: Controls) -> None:
    look_at(handlers, session, controls, drawn=[LEFT_HALF])
    changes = look_at(handlers, session, replace(controls, points_text="0.5, 0.5"), drawn=[])
    assert changes.points_text == ""
    assert changes.view is not None
    assert changes.view.points == []


def test_dots_stay_while_masks_are_edited(handlers: Handlers, session: Session, controls: Controls) -> None:
    dots = look_at(handlers, session, controls, drawn=[CORNER]).view
    step = {"do": "paint", "id": 0, "cut": False, "strokes": [{"width": 5, "points": [[20, 20]]}], "outline": None}
    edited = handlers.masks.edit(ANN, {"session": session.id, "ticket": "e", "steps": [step]}).view
    assert dots is not None
    assert edited is not None
    assert edited.points == dots.points != []


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"session": "other", "drawn": [LEFT_HALF]}, "no longer on the server"),  # nobody's
        ({"drawn": "all"}, "must be a list of at most 1,000 pieces"),  # text
        ({"drawn": [LEFT_HALF] * 1001}, "must be a list of at most 1,000 pieces"),  # too many
        ({"drawn": [LEFT_HALF, "all"]}, "must be an object"),  # text
        ({"drawn": [outlined(*[[1, 1]] * 11_000), painted(5, *[[1, 1]] * 9_001)]}, "20,000 points"),  # too many
        ({"drawn": [outlined([0, 0], [9, 9])]}, "at least 3 corners"),  # a line
        ({"drawn": [outlined([math.nan, 0], [1, 1], [2, 0])]}, "must be 2 numbers"),  # no number
        ({"drawn": [painted(0, [1, 1])]}, "from 1 to 2,000"),  # no brush
        ({"drawn": [painted(5)]}, "at least one point"),  # no point
    ],
)
def test_what_cannot_be_done_is_told_in_the_status(
    handlers: Handlers, session: Session, controls: Controls, payload: dict[str, Any], said: str
) -> None:
    changes = look_at(handlers, session, controls, **payload)
    assert changes.status is not None
    assert said in changes.status["text"]
    assert (changes.points_text, changes.view) == (None, None)


@pytest.mark.parametrize(
    ("drawn", "said", "kind"),
    [
        ([outlined([4, 1], [6, 1], [6, 3])], "No point of the grid lies there", "error"),  # between the points
        ([outlined([99, 99], [120, 99], [120, 120])], "Nothing is left", "idle"),  # outside
        ([painted(20, [9, 9]), painted(30, [9, 9], cut=True)], "Nothing is left", "idle"),  # erased
        ([], "looks everywhere", "idle"),  # cleared
    ],
)
@pytest.mark.parametrize("only", [True, False])
def test_list_goes_with_the_drawing(
    handlers: Handlers, session: Session, controls: Controls, drawn: list[Any], said: str, kind: str, only: bool
) -> None:
    if kind == "error" and not only:
        drawn = [outlined([-9, -9], [99, -9], [99, 99], [-9, 99])]  # leaves out everything
    changes = look_at(handlers, session, controls, drawn=drawn, only=only)
    assert changes.points_text == ""
    assert changes.view is not None
    assert changes.view.points == []
    assert changes.status is not None
    assert said in changes.status["text"]
    assert "looks everywhere" in changes.status["text"]
    assert changes.status["kind"] == kind


def test_crops_have_no_place_to_leave_out(handlers: Handlers, session: Session, controls: Controls) -> None:
    zoomed = replace(controls, values={**controls.values, "crop_n_layers": 1})
    changes = look_at(handlers, session, zoomed, drawn=[LEFT_HALF])
    assert changes.status is not None
    assert "zoomed crops" in changes.status["text"]
    assert handlers.points.look_at(ANN, controls, None).status is not None  # no payload at all


def test_text_of_a_list_is_read_as_the_same_points() -> None:
    layers = [build_point_grid(7).tolist(), [[1 / 3, 0.1 + 0.2]]]
    read = parse_point_grids(format_point_grids(layers))
    assert read == [[tuple(point) for point in layer] for layer in layers]


@pytest.mark.parametrize("side", [1, 2, 7, 32])
def test_whole_picture_is_the_grid_itself(side: int) -> None:
    whole = rle.encode(np.ones((480, 640), bool))
    assert np.array_equal(grid_points(side, whole, inside=True), build_point_grid(side))
    assert not len(grid_points(side, whole, inside=False))
