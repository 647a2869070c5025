"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass

from automask_ui.ui.text import Words

__all__ = ["Visitor"]


@dataclass(frozen=True)
class Visitor:
    """The tab that asks, and its language."""

    owner: str
    words: Words
