"""What the fields of an edit's step may be: each reader takes a field's name and a value that nobody has checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeGuard, TypeVar

import numpy as np

from automask_ui.errors import EditError
from automask_ui.session.drawing import Piece, Stroke

__all__ = [
    "Field",
    "box",
    "drawing",
    "flag",
    "id_list",
    "number",
    "one_of",
    "optional",
    "points",
    "polygon",
    "strokes",
    "text",
    "ticket",
    "whole",
]

T = TypeVar("T")

# Reads a field: its name for people, and its value; raises EditError.
Field = Callable[[str, object], T]

MAX_TICKET = 100  # characters
MAX_POINTS = 20_000  # of an outline, of all strokes of a step, or of a drawing
MAX_STROKES = 1_000  # of a step; of a drawing, as many pieces
MAX_WIDTH = 2_000.0  # px, of a stroke
_MAX_PLACE = 1e6  # px; far outside any picture


def text(name: str, value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise EditError(f"“{name}” must be text, but is {_said(value)}.")
    return value


def ticket(name: str, value: object) -> str:
    """What the page calls something that it has asked for."""
    if len(text(name, value)) > MAX_TICKET:
        raise EditError(f"“{name}” can have {MAX_TICKET} characters.")
    return text(name, value)


def flag(name: str, value: object) -> bool:
    """True or not: what is no bool is not true."""
    return value is True


def id_list(name: str, value: object) -> tuple[int, ...]:
    """Mask ids, each once; what is no whole number is passed over."""
    ids = value if isinstance(value, list) else []
    return tuple(dict.fromkeys(id_ for id_ in ids if type(id_) is int))


def one_of(*names: str) -> Field[str]:
    """One of ``names``."""

    def _read(name: str, value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise EditError(f"“{name}” must be one of {', '.join(names)}, but is {_said(value)}.")
        return value

    return _read


def whole(least: int, most: int) -> Field[int]:
    """A whole number from ``least`` to ``most``."""

    def _read(name: str, value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise EditError(f"“{name}” must be a whole number from {least:,} to {most:,}, but is {_said(value)}.")
        return value

    return _read


def number(least: float, most: float) -> Field[float]:
    """A number from ``least`` to ``most``."""

    def _read(name: str, value: object) -> float:
        # Compared before it becomes a float, which may overflow; NaN is in no range.
        if type(value) not in (int, float) or not least <= value <= most:  # type: ignore[operator]
            raise EditError(f"“{name}” must be a number from {least:,g} to {most:,g}, but is {_said(value)}.")
        return float(value)  # type: ignore[arg-type]

    return _read


def optional(field: Field[T]) -> Field[T | None]:
    """What ``field`` reads, or None where there is nothing."""
    return lambda name, value: None if value is None else field(name, value)


def box(name: str, value: object) -> np.ndarray:
    """Left, top, right and bottom of a box, in any order of the two corners: (4,) float64, sorted."""
    if not _are_numbers(value, 4):
        raise EditError(f"“{name}” must be left, top, right and bottom in px, but is {_said(value)}.")
    _check_near(f"“{name}”", value)
    x0, y0, x1, y1 = value
    return np.array([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)], np.float64)


def points(most: int, numbers: int = 2) -> Field[np.ndarray]:
    """Up to ``most`` points of two numbers, or of two and more for each: (n, numbers) float64."""

    def _read(name: str, value: object) -> np.ndarray:
        if not isinstance(value, list):
            raise EditError(f"“{name}” must be a list of points, but is {_said(value)}.")
        if len(value) > most:
            raise EditError(f"“{name}” can have {most:,} points, but has {len(value):,}.")
        for point in value:
            if not _are_numbers(point, numbers):
                raise EditError(f"A point of “{name}” must be {numbers} numbers in px, but is {_said(point)}.")
            _check_near(f"A point of “{name}”", point)
        return np.array(value, np.float64).reshape(-1, numbers)

    return _read


def polygon(name: str, value: object) -> np.ndarray:
    """The corners of a polygon: (n, 2) float64, n at least 3."""
    corners = points(MAX_POINTS)(name, value)
    if len(corners) < 3:
        raise EditError(f"“{name}” must have at least 3 corners, but has {len(corners)}.")
    return corners


def drawing(name: str, value: object) -> tuple[Piece, ...]:
    """Pieces of a drawing, each an object with the fields of a painted step: see :func:`strokes`, :func:`polygon`."""
    if not isinstance(value, list) or len(value) > MAX_STROKES:
        raise EditError(f"“{name}” must be a list of at most {MAX_STROKES:,} pieces.")
    read, left = [], MAX_POINTS
    for piece in value:
        if not isinstance(piece, Mapping):
            raise EditError(f"A piece of “{name}” must be an object, but is {_said(piece)}.")
        lines = strokes("strokes", piece.get("strokes"))
        outline = optional(polygon)("outline", piece.get("outline"))
        left -= sum(len(line.points_xy) for line in lines) + (0 if outline is None else len(outline))
        if left < 0:
            raise EditError(f"“{name}” can have {MAX_POINTS:,} points in all.")
        read.append(Piece(lines, outline, flag("cut", piece.get("cut"))))
    return tuple(read)


def strokes(name: str, value: object) -> tuple[Stroke, ...]:
    """Lines of a brush, each with at least one point."""
    if not isinstance(value, list) or len(value) > MAX_STROKES:
        raise EditError(f"“{name}” must be a list of at most {MAX_STROKES:,} strokes.")
    read, left = [], MAX_POINTS
    for stroke in value:
        if not isinstance(stroke, Mapping):
            raise EditError(f"A stroke of “{name}” must be an object, but is {_said(stroke)}.")
        width = number(1, MAX_WIDTH)("width", stroke.get("width"))
        given = stroke.get("points")
        if isinstance(given, list) and len(given) > left:
            raise EditError(f"“{name}” can have {MAX_POINTS:,} points in all.")
        places = points(left)("points", given)
        if not len(places):
            raise EditError(f"A stroke of “{name}” must have at least one point.")
        left -= len(places)
        read.append(Stroke(width, places))
    return tuple(read)


def _are_numbers(values: object, count: int) -> TypeGuard[list[float]]:
    """Whether ``values`` is a list of so many numbers: infinity and NaN are none."""
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(value) in (int, float) and abs(value) < math.inf for value in values)
    )


def _check_near(what: str, values: list[float]) -> None:
    if not all(-_MAX_PLACE <= value <= _MAX_PLACE for value in values):
        raise EditError(f"{what} is far outside of the picture: {_said(values)}, in px.")


def _said(value: object) -> str:
    """``value`` for a message, cut short."""
    return repr(str(value)[:40])
