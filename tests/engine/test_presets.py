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
# So many times fewer points a side, of every preset. The cat has few small things, which so coarse a grid would miss.
COARSER, COARSER_ON = 4, {"chelsea": 2}


@pytest.fixture(scope="module")
def engine() -> MaskEngine:
    """One for all presets: it reads each picture once."""
    return MaskEngine(load_model("tiny"))


def small(masks: MaskSet) -> int:
    """How many masks cover less than 1 % of the picture."""
    height, width = masks.size_hw
    return int((masks.area * 100 < height * width).sum())


@pytest.fixture(scope="module")
def found(engine: MaskEngine) -> dict[str, dict[str, MaskSet]]:
    """What each preset finds on each sample."""
    return {sample.stem: {name: find(engine, sample, name) for name in PRESETS} for sample in SAMPLES}


def find(engine: MaskEngine, sample: Path, preset: str) -> MaskSet:
    options = PRESETS[preset].options(**own_thresholds(engine.model))
    coarser = COARSER_ON.get(sample.stem, COARSER)
    options = options.replace(points_per_side=(options.grid.points_per_side or 0) // coarser)
    return engine.generate(open_image(sample), options).masks


@pytest.mark.parametrize("sample", [path.stem for path in SAMPLES])
def test_more_thorough_presets_find_more(found: dict[str, dict[str, MaskSet]], sample: str) -> None:
    by_preset = found[sample]
    assert len(by_preset["everything"]) >= len(by_preset["balanced"]) >= len(by_preset["quick"]) > 0


@pytest.mark.parametrize("sample", [path.stem for path in SAMPLES])
def test_small_objects_finds_small_ones(found: dict[str, dict[str, MaskSet]], sample: str) -> None:
    assert small(found[sample]["small"]) > small(found[sample]["balanced"])
