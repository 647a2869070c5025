"""JSON from strangers: values of the right type and size, or a sentence that says which one is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "MAX_INTEGER",
    "JsonFieldError",
    "integers_in",
    "list_in",
    "object_in",
    "object_of",
    "text_in",
    "text_of",
    "whole_of",
]

MAX_INTEGER = 2**31 - 1  # larger ones would not fit into an array


class JsonFieldError(Exception):
    """What does not fit, as a sentence; for the module that reads the document to put into an error of its own."""


def object_of(value: object, what: str) -> Mapping[str, Any]:
    """``value`` as an object; ``what`` names it."""
    if not isinstance(value, dict):
        raise JsonFieldError(f"{what} must be an object, but is {type(value).__name__}.")
    return value


def object_in(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object at ``key``."""
    return object_of(values.get(key), f"“{key}”")


def list_in(values: Mapping[str, Any], key: str, most: int) -> list[Any]:
    """The list at ``key``, of at most ``most`` entries."""
    value = values.get(key)
    if not isinstance(value, list):
        raise JsonFieldError(f"“{key}” must be a list.")
    if len(value) > most:
        raise JsonFieldError(f"“{key}” has {len(value):,} entries; at most {most:,} can be.")
    return value


def text_of(value: object, what: str, longest: int) -> str:
    """``value`` as text of at most ``longest`` characters; ``what`` names it."""
    if not isinstance(value, str) or len(value) > longest:
        raise JsonFieldError(f"{what} must be text of at most {longest:,} characters.")
    return value


def text_in(values: Mapping[str, Any], key: str, longest: int) -> str:
    """The text at ``key``, of at most ``longest`` characters."""
    return text_of(values.get(key), f"“{key}”", longest)


def whole_of(value: object, what: str, least: int, most: int) -> int:
    """``value`` as a whole number from ``least`` to ``most``; ``what`` names it."""
    if type(value) is not int or not least <= value <= most:
        raise JsonFieldError(f"{what} must be a whole number from {least:,} to {most:,}, but is {str(value)[:20]!r}.")
    return value


def integers_in(values: Mapping[str, Any], key: str, count: int) -> list[int]:
    """The list of ``count`` whole numbers at ``key``."""
    value = values.get(key)
    if not isinstance(value, list) or len(value) != count or not all(type(part) is int for part in value):
        raise JsonFieldError(f"“{key}” must be {count} whole numbers.")
    if not all(abs(part) <= MAX_INTEGER for part in value):
        raise JsonFieldError(f"“{key}” has a number that is too large.")
    return value
