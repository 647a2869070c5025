"""Outlines of masks in several parts and with holes: every border is a ring of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automask_ui.ui.components.bundle import bundle

SCRIPTS = Path(__file__).resolve().parents[2] / "automask_ui" / "ui" / "components" / "viewer" / "js"

pytestmark = pytest.mark.browser

# Two squares of 20 px, 40 px apart; the second one has a hole of 8 px. Display copy of 100 × 30 px.
DRAW = """([scale, x, y]) => {
  const runs = [];
  for (let row = 5; row < 25; row++) {
    runs.push(row * 100 + 5, 20);
    if (row < 11 || row >= 19) runs.push(row * 100 + 65, 20);
    else runs.push(row * 100 + 65, 6, row * 100 + 79, 6);
  }
  const shape = { box: { x: 5, y: 5, w: 80, h: 20 }, width: 100, runs: Uint32Array.from(runs) };
  const context = document.createElement("canvas").getContext("2d");
  context.lineWidth = 1;
  return context.isPointInStroke(window.pathOf(shape, scale), x, y);
}"""


@pytest.mark.parametrize("scale", [4.0, 1.0, 0.5], ids=["near", "as it is", "far"])
@pytest.mark.parametrize(
    ("place", "is_drawn"),
    [
        ((5, 15), True),  # left border of the first square
        ((65, 15), True),  # left border of the second one
        ((71, 15), True),  # border of its hole
        ((45, 5.5), False),  # between the squares, where their tops are
        ((15, 15), False),  # inside the first one
        ((68, 8), False),  # between the second one's border and its hole
    ],
)
def test_borders_are_not_joined(page: Any, scale: float, place: tuple[float, float], is_drawn: bool) -> None:
    page.set_content("<p></p>")
    page.add_script_tag(content=bundle(SCRIPTS / "picture" / "paths.js", "window.pathOf = pathOf;"))
    assert page.evaluate(DRAW, [scale, *place]) is is_drawn
