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
# So many times fewer points a side, of every preset.
COARSER = 4
# On these there are few small things, which so coarse a grid would miss.
FEW_SMALL, LESS_COARSE = {"chelsea", "coins"}, 2


@pytest.fixture(scope="module")
def engine() -> MaskEngine:
    """One for all presets: it reads each picture once."""
    return MaskEngine(load_model("tiny"))


def small(masks: MaskSet) -> int:
    """How many masks cover less than 1 % of the picture."""
    height, width = masks.size_hw
    return int((masks.area * 100 < height * width).sum())


def find(engine: MaskEngine, sample: Path, preset: str, coarser: int) -> MaskSet:
    options = PRESETS[preset].options(**own_thresholds(engine.model))
    options = options.replace(points_per_side=(options.grid.points_per_side or 0) // coarser)
    return engine.generate(open_image(sample), options).masks


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_more_thorough_presets_find_more(engine: MaskEngine, sample: Path) -> None:
    quick, balanced, everything = (
        len(find(engine, sample, preset, COARSER)) for preset in ("quick", "balanced", "everything")
    )
    assert everything >= balanced >= quick > 0


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_small_objects_finds_small_ones(engine: MaskEngine, sample: Path) -> None:
    coarser = LESS_COARSE if sample.stem in FEW_SMALL else COARSER
    assert small(find(engine, sample, "small", coarser)) > small(find(engine, sample, "balanced", coarser))
