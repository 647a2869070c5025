"""What is drawn, as a mask: strokes in pieces are the strokes, and nothing keeps the server busy for long."""

from __future__ import annotations

import numpy as np
import pytest

from automask_ui.errors import EditError
from automask_ui.masks import operations, rle
from automask_ui.masks.painting import polygon_to_mask, stroke_to_mask
from automask_ui.session import drawing
from automask_ui.session.drawing import Piece, Stroke, area_of

SIZE_HW = (120, 200)
DAB = Stroke(9, np.array([[50, 50.0]]))


@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.parametrize("at_once", [1, 50, 500])
def test_stroke_in_pieces_is_the_stroke(count: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_COLUMNS_AT_ONCE", at_once)
    points = np.random.default_rng(count).random((count, 2)) * (240, 140) - 20
    expected = stroke_to_mask(points, 7.5, SIZE_HW)
    assert area_of([Piece((Stroke(7.5, points),))], SIZE_HW) == expected


def test_everything_drawn_is_one_area() -> None:
    outline = np.array([[150, 50], [190, 50], [170, 110.0]])
    one, two = Stroke(9, np.array([[10, 10], [60, 60.0]])), Stroke(3, np.array([[100, 100.0]]))
    masks = [stroke_to_mask(stroke.points_xy, stroke.width, SIZE_HW) for stroke in (one, two)]
    expected = operations.union([*masks, polygon_to_mask([outline], SIZE_HW)])
    assert area_of([Piece((one, two), outline)], SIZE_HW) == expected
    assert area_of([Piece((one,)), Piece((two,)), Piece(outline=outline)], SIZE_HW) == expected


def test_pieces_add_and_cut_one_after_the_other() -> None:
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]] + 0.5
    painted = np.zeros(SIZE_HW, bool)
    pieces = []
    for number, (x, y, width, cut) in enumerate(
        [(5, 5, 20, True), (60, 60, 50, False), (70, 60, 30, True), (72, 60, 9, False), (500, 60, 30, True)]
    ):
        pieces.append(Piece((Stroke(width, np.array([[x, y]], float)),), cut=cut))
        painted[(columns - x) ** 2 + (rows - y) ** 2 <= (width / 2) ** 2] = not cut
        if number:  # the first one cuts something out of nothing
            assert np.array_equal(rle.decode(area_of(pieces, SIZE_HW)), painted)


@pytest.mark.parametrize(
    "pieces",
    [
        [],  # nothing
        [Piece((DAB,)), Piece((DAB,), cut=True)],  # all cut out again
        [Piece((Stroke(5, np.array([[-50, 50.0]])),))],  # outside
        [Piece(outline=np.array([[300, 0], [400, 0], [400, 90.0]]))],  # outside
    ],
)
def test_nothing_is_left(pieces: list[Piece]) -> None:
    assert area_of(pieces, SIZE_HW) == rle.encode(np.zeros(SIZE_HW, bool))


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([Piece((Stroke(2000, np.tile([[0, 0], [9e5, 9e5]], (10_000, 1))),))], "too long"),  # of a wide brush
        ([Piece((Stroke(2000, np.tile([[0, 0], [9e5, 9e5]], (500, 1))),))] * 20, "too long"),  # all together
        ([Piece(outline=np.tile([[0, 0], [9e5, 1], [-9e5, 2.0]], (6000, 1)))], "too long"),  # to and fro
    ],
)
def test_refused_in_words(pieces: list[Piece], message: str) -> None:
    with pytest.raises(EditError, match=message):
        area_of(pieces, (9000, 12000) if message == "too long" else SIZE_HW)
