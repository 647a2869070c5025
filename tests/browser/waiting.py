"""Waiting for what the page says."""

from __future__ import annotations

from typing import Any


def reads(page: Any, pattern: str, place: str = "#status .text") -> str:
    """Wait until that place of ``page`` says something that ``pattern`` is found in, and return what it says."""
    page.wait_for_function(
        "([pattern, place]) => new RegExp(pattern).test(document.querySelector(place)?.textContent ?? '')",
        arg=[pattern, place],
    )
    return str(page.locator(place).inner_text())
