"""What tests of the page's handlers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from PIL import Image

from automask_ui.options import PARAMETERS
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly
from automask_ui.session import run as run_module
from automask_ui.ui.handlers import Handlers
from automask_ui.ui.panels import AboutPanel, ModelPanel, PhotoPanel, PointsPanel, RunPanel, SlidersPanel
from automask_ui.ui.parts import Parts


@pytest.fixture
def tell_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs tell of every step, however soon it follows the one before."""
    monkeypatch.setattr(run_module, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(run_module, "UPDATE_SHARE", 1e9)


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


@pytest.fixture
def handlers(service: Service) -> Handlers:
    """Handlers of a page on `service`, whose model is loaded."""
    service.models.load("fake")
    return Handlers(service)


@pytest.fixture
def session(handlers: Handlers, photo: str) -> Session:
    """The visitor "ann" has opened `photo`."""
    return handlers.service.store.open("ann", photo)


@pytest.fixture
def parts() -> Parts:
    """Components by name: all that a listener needs of them is that they can be told apart."""
    sliders: dict[str, Any] = {name: name for name in PARAMETERS}
    points: Any = PointsPanel("points", "points file")  # type: ignore[arg-type]
    panels: dict[str, Any] = {
        "photo": PhotoPanel("upload", "files", "samples", "recent"),  # type: ignore[arg-type]
        "model": ModelPanel("model", "model info", "missing", "fetch", "file", "preset", "preset info"),  # type: ignore[arg-type]
        "sliders": SlidersPanel(sliders, points, "candidates"),  # type: ignore[arg-type]
        "show": {name: name for name in ShowOnly.__dataclass_fields__},
        "run": RunPanel("find", "stop", "forecast"),  # type: ignore[arg-type]
    }
    panels["about"] = AboutPanel("fold", "about text")  # type: ignore[arg-type]
    names = ("pictures", "viewer", "status", "device", "download", "dataset", "classes", "token")
    return Parts(**panels, **{name: name for name in (*names, "unsettled", "unfinished", "shown")})
