"""What is drawn, as a mask: strokes in pieces are the strokes, and nothing keeps the server busy for long."""

from __future__ import annotations

import numpy as np
import pytest

from automask_ui.errors import EditError
from automask_ui.masks import operations, rle
from automask_ui.masks.painting import polygon_to_mask, stroke_to_mask
from automask_ui.session import drawing
from automask_ui.session.drawing import Stroke, area_of

SIZE_HW = (120, 200)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.parametrize("at_once", [1, 50, 500])
def test_stroke_in_pieces_is_the_stroke(count: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_COLUMNS_AT_ONCE", at_once)
    points = np.random.default_rng(count).random((count, 2)) * (240, 140) - 20
    expected = stroke_to_mask(points, 7.5, SIZE_HW)
    assert area_of([Stroke(7.5, points)], (), SIZE_HW) == expected


def test_everything_drawn_is_one_area() -> None:
    outline = np.array([[150, 50], [190, 50], [170, 110.0]])
    one, two = Stroke(9, np.array([[10, 10], [60, 60.0]])), Stroke(3, np.array([[100, 100.0]]))
    masks = [stroke_to_mask(stroke.points_xy, stroke.width, SIZE_HW) for stroke in (one, two)]
    expected = operations.union([*masks, polygon_to_mask([outline], SIZE_HW)])
    assert rle.decode(area_of([one, two], [outline], SIZE_HW)).sum() == rle.area(expected)
    assert area_of([one, two], [outline], SIZE_HW) == expected


@pytest.mark.parametrize(
    ("strokes", "outlines", "message"),
    [
        ((), (), "Nothing is drawn"),  # nothing
        ([Stroke(5, np.array([[-50, 50.0]]))], (), "Nothing is drawn"),  # outside
        ((), [np.array([[300, 0], [400, 0], [400, 90.0]])], "Nothing is drawn"),  # outside
        ([Stroke(2000, np.tile([[0, 0], [9e5, 9e5]], (10_000, 1)))], (), "too long"),  # of a wide brush
        ((), [np.tile([[0, 0], [9e5, 1], [-9e5, 2.0]], (6000, 1))], "too long"),  # to and fro
    ],
)
def test_refused_in_words(strokes: list[Stroke], outlines: list[np.ndarray], message: str) -> None:
    with pytest.raises(EditError, match=message):
        area_of(strokes, outlines, (9000, 12000) if message == "too long" else SIZE_HW)
