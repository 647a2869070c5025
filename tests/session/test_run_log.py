"""The line that each run leaves in the log."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from PIL import Image

from automask_ui.options import GeneratorOptions
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.session import run as run_module
from automask_ui.session.run import RunNote, line_of

OPTIONS = GeneratorOptions(points_per_side=6, points_per_batch=9, pred_iou_thresh=0.8, stability_score_thresh=0.9)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(FakeModel(device="cuda:0"))


@pytest.fixture
def service(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(run_module, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(run_module, "UPDATE_SHARE", 1e9)
    return Service(lambda name: engine, fake_models("fake"), "fake")


@pytest.fixture
def session(service: Service, tmp_path: Path) -> Session:
    path = tmp_path / "secret name.png"
    Image.fromarray(np.zeros((37, 53, 3), np.uint8)).save(path)
    return service.store.open("ann", path)


def fields(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> dict[str, str]:
    """The last run's line, taken apart."""
    lines = [row for row in caplog.records if row.name == "automask_ui.session.run" and row.levelno == level]
    return dict(part.split("=", 1) for part in lines[-1].getMessage().removeprefix("run ").split(" "))


def test_finished_run(service: Service, session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "automask_ui")
    list(service.runs.find(session, "fake", OPTIONS))
    line = fields(caplog)
    assert line["kind"] == "find"
    assert line["outcome"] == "done"
    assert line["model"] == "fake"
    assert line["device"] == "cuda:0"
    assert line["size"] == "53x37"
    assert line["points"] == "36"
    assert line["candidates"] == "108"
    assert int(line["masks"]) == len(session.current_masks()[0])
    assert {"seconds", "encode_seconds", "decode_seconds"} <= line.keys()
    assert "secret" not in caplog.text
    assert service.runs.count == 0


def test_refilter_is_for_debugging(service: Service, session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "automask_ui")
    list(service.runs.find(session, "fake", OPTIONS))
    list(service.runs.refilter(session, OPTIONS.replace(pred_iou_thresh=0.9)))
    assert fields(caplog, logging.DEBUG)["kind"] == "refilter"


def test_stopped_run(service: Service, session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "automask_ui")
    for _ in service.runs.find(session, "fake", OPTIONS):
        assert service.runs.count == 1
        service.runs.stop(session)
    assert fields(caplog)["outcome"] == "stopped"


def test_run_whose_visitor_has_gone(service: Service, session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "automask_ui")
    run = service.runs.find(session, "fake", OPTIONS)
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert fields(caplog)["outcome"] == "left"
    assert service.runs.count == 0


def test_failed_run(service: Service, session: Session, engine: FakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "automask_ui")
    list(service.runs.find(session, "fake", OPTIONS))
    engine.error = ValueError("no luck")
    with pytest.raises(ValueError, match="no luck"):
        list(service.runs.find(session, "fake", OPTIONS.replace(points_per_side=8)))
    line = fields(caplog)
    assert line["outcome"] == "ValueError"
    assert "masks" not in line  # those would be the run's before
    assert service.runs.count == 0


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("vit_b", "model=vit_b"),  # a word
        ("my model", 'model="my model"'),  # a file's stem with a space
        ("a\nINFO forged", r'model="a\nINFO forged"'),  # a line of one's own cannot be forged
        ("", 'model=""'),  # nothing
    ],
)
def test_values_stay_apart(model: str, shown: str) -> None:
    line = line_of(RunNote("find", model, "cpu", (37, 53)), 1.5)
    assert shown in line
    assert "\n" not in line
    assert line.endswith("seconds=1.500")
