"""The presets do what their names say: with the built-in model, on every sample, on coarser grids than the page's."""

from __future__ import annotations

from pathlib import Path

import pytest

from automask_ui import MaskEngine, load_model, open_image
from automask_ui.masks import MaskSet
from automask_ui.options import PRESETS
from automask_ui.protocol import own_thresholds

SAMPLES = sorted(
    path for path in (Path(__file__).parents[2] / "assets" / "samples").iterdir() if path.suffix in (".jpg", ".png")
)
COARSER = 4  # times fewer points a side, of every preset


@pytest.fixture(scope="module")
def engine() -> MaskEngine:
    """One for all presets: it reads each picture once."""
    return MaskEngine(load_model("tiny"))


def small(masks: MaskSet) -> int:
    """How many masks cover less than 1 % of the picture."""
    height, width = masks.size_hw
    return int((masks.area * 100 < height * width).sum())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_each_preset_finds_what_it_is_for(engine: MaskEngine, sample: Path) -> None:
    image, found = open_image(sample), {}
    for name, preset in PRESETS.items():
        options = preset.options(**own_thresholds(engine.model))
        coarser = options.replace(points_per_side=(options.grid.points_per_side or 0) // COARSER)
        found[name] = engine.generate(image, coarser).masks
    assert len(found["everything"]) >= len(found["balanced"]) >= len(found["quick"]) > 0
    assert small(found["small"]) > small(found["balanced"])
