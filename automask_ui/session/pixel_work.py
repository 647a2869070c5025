"""Work on pixels that is done before anybody has to wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

__all__ = ["PixelWork"]

T = TypeVar("T")


class PixelWork:
    """Calls pure functions, each once for the same arguments, and looks their results up from then on."""

    def __init__(self) -> None:
        self._done: dict[Any, Any] = {}

    def __call__(self, function: Callable[..., T], *arguments: Any) -> T:
        """What ``function`` returns; of arguments that are arrays, masks or sequences of these, the content counts."""
        key = function, _content(arguments)
        if key not in self._done:
            self._done[key] = function(*arguments)
        found: T = self._done[key]
        return found


def _content(value: Any) -> Any:
    """What can be compared in the place of ``value``."""
    if isinstance(value, dict):
        return tuple((name, _content(part)) for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_content, value))
    return (value.shape, value.dtype.str, value.tobytes()) if isinstance(value, np.ndarray) else value
