"""Parse point lists, JSON or plain text with one list of x, y for each layer, into ``point_grids``.

x and y are shares of the picture's width and height, from 0 to 1. In plain text every line is one point, a blank line
starts the next layer and ``#`` starts a remark::

    # the whole picture
    0.25, 0.5
    0.75, 0.5

    # each crop of the first crop layer
    0.5, 0.5
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automask_ui.errors import OptionError

__all__ = ["MAX_POINTS", "format_point_grids", "parse_point_grids", "read_point_grids"]

Layers = list[list[tuple[float, float]]]

MAX_POINTS = 100_000
_MAX_BYTES = 10_000_000
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
_HEADER = re.compile(r"\s*\"?x\"?(?:\s*[,;]\s*|\s+)\"?y\"?\s*", re.IGNORECASE)


def format_point_grids(layers: Iterable[Iterable[Iterable[float]]]) -> str:
    """Plain text that :func:`parse_point_grids` reads as these ``layers`` of (x, y), Python floats."""
    return "\n\n".join("\n".join(f"{x!r}, {y!r}" for x, y in layer) for layer in layers)


def read_point_grids(path: str | Path) -> str:
    """Read the text of a point list's file.

    Raises:
        OptionError: the file is not there, too large, or no text.
    """
    path = Path(path)
    try:
        # Not all that comes: nobody knows the size of a pipe or a device.
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise OptionError(f"{path.name} is too large: a point list may have {_MAX_BYTES:,} bytes.")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise OptionError(f"The point list {path.name} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{path.name} is no text file: give a .json, .csv or .txt file with x, y lines.") from error


def parse_point_grids(text: str) -> Layers | None:
    """Parse the layers of points in ``text``; None where it is empty.

    Args:
        text: JSON (one list of ``[x, y]``, or a list of such lists, one a layer) or plain text as above.

    Raises:
        OptionError: naming the line, or the layer and point, that is wrong.
    """
    if not isinstance(text, str):
        raise OptionError(f"The point list must be text, but is a {type(text).__name__}.")
    if not text.strip():
        return None
    layers = _from_json(text) if text.lstrip()[0] in "[{" else _from_lines(text)
    count = sum(len(layer) for layer in layers)
    if count > MAX_POINTS:
        raise OptionError(f"The point list has {count:,} points; at most {MAX_POINTS:,} can be used.")
    return layers


def _from_lines(text: str) -> Layers:
    layers: Layers = [[]]
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#")[0].strip()
        if not line.strip() and layers[-1]:
            layers.append([])
        if content and not (layers == [[]] and _HEADER.fullmatch(content)):
            layers[-1].append(_point_of_line(content, number))
    layers = [layer for layer in layers if layer]
    if not layers:
        raise OptionError("The point list has no points: write one x, y a line, for example 0.25, 0.5.")
    return layers


def _point_of_line(content: str, number: int) -> tuple[float, float]:
    parts = [part for part in _SEPARATOR.split(content) if part]
    try:
        x, y = (float(part) for part in parts)
    except ValueError as error:
        shown = content if len(content) <= 40 else f"{content[:37]}..."
        raise OptionError(f'Line {number}: "{shown}" is not two numbers; write x, y, for example 0.25, 0.5.') from error
    return _checked(x, y, f"Line {number}")


def _from_json(text: str) -> Layers:
    try:
        data = json.loads(text)
    except ValueError as error:
        place = f"Line {error.lineno}, column {error.colno}: " if isinstance(error, json.JSONDecodeError) else ""
        detail = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise OptionError(f"{place}the point list is not valid JSON ({detail}).") from error
    except RecursionError as error:
        raise OptionError("The point list is nested too deeply: it must be a list of layers of [x, y].") from error
    if isinstance(data, dict):
        data = data.get("point_grids")
    if not isinstance(data, list) or not data:
        raise OptionError("The point list must be a list of [x, y], or a list of such lists, one a layer.")
    # A single layer may be written without its outer brackets.
    layers = [data] if _is_pair(data[0]) else data
    return [_json_layer(layer, number) for number, layer in enumerate(layers, start=1)]


def _json_layer(layer: Any, number: int) -> list[tuple[float, float]]:
    if not isinstance(layer, list) or not layer:
        raise OptionError(f"Layer {number} of the point list must be a list of at least one [x, y].")
    points = []
    for place, point in enumerate(layer, start=1):
        where = f"Layer {number}, point {place}"
        if not _is_pair(point):
            raise OptionError(f"{where}: {json.dumps(point)[:40]} is not two numbers; write [x, y].")
        x, y = point
        points.append(_checked(x, y, where))
    return points


def _is_pair(value: Any) -> bool:
    """Whether ``value`` is two JSON numbers; true and false are none."""
    return isinstance(value, list) and len(value) == 2 and all(type(part) in (int, float) for part in value)


def _checked(x: float, y: float, where: str) -> tuple[float, float]:
    for name, value in (("x", x), ("y", y)):
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise OptionError(
                f"{where}: {name} is {value:g}, but must be from 0 to 1, a share of the picture's "
                f"{'width' if name == 'x' else 'height'}."
            )
    return float(x), float(y)
