"""What tests of the page's handlers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from PIL import Image

from automask_ui.serving.service import Service
from automask_ui.session import run as run_module


@pytest.fixture
def tell_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs tell of every step, however soon it follows the one before."""
    monkeypatch.setattr(run_module, "UPDATE_SECONDS", 0.0)


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """A picture of one grey, 53×37 px."""
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((37, 53, 3), 90, np.uint8)).save(path)
    return str(path)


@pytest.fixture
def engine() -> FakeEngine:
    """The one engine of `service`, with strict thresholds of its own."""
    return FakeEngine(FakeModel(pred_iou_thresh=0.8, stability_score_thresh=0.9))


@pytest.fixture
def service(engine: FakeEngine) -> Service:
    """A service with one model, on `engine`."""
    return Service(lambda name: engine, fake_models("fake"), "fake")
