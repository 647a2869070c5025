"""Presets and models that are chosen: nothing happens before Find masks, and what is missing stays out of the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from fakes import FakeEngine, FakeModel, fake_models

from automask_ui.errors import CheckpointFormatError, DownloadError
from automask_ui.models.checkpoints import TakenFile
from automask_ui.serving.service import Service
from automask_ui.ui.controls import Controls, preset_values
from automask_ui.ui.handlers import Handlers, Visitor, models
from automask_ui.ui.text import Words

ANN = Visitor("ann", Words("en"))
COARSE = {**preset_values("balanced", {}), "points_per_side": 6, "points_per_batch": 9}


class Shop:
    """Fetches models, as long as the line holds."""

    def __init__(self) -> None:
        self.error: Exception | None = DownloadError("The line is dead. Try again.")

    def __call__(self, name: str, tell: Callable[[int, int, float], None], cancel: Event) -> Path:
        if self.error is not None:
            raise self.error
        return Path(name)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def handlers(photo: str, shop: Shop) -> Handlers:
    """A photo of Ann's, whose masks were found with the model "fake"; "far" is not on this machine."""
    engines = {name: FakeEngine(FakeModel(name, f"{name.title()} model", key=name)) for name in ("fake", "far")}
    rows = fake_models("fake", "far")
    rows[1] = replace(rows[1], path=None, size_bytes=375_000_000)
    handlers = Handlers(Service(lambda name: engines[name], rows, "fake", fetch=shop))
    handlers.opening.open_photo(ANN, photo)
    handlers.runs.begin(ANN)
    list(handlers.runs.find(ANN, Controls("fake", "custom", COARSE)))
    handlers.runs.end(ANN)
    return handlers


def test_preset_finds_nothing_and_says_what_waits(handlers: Handlers) -> None:
    session = handlers.service.store.current("ann")
    before = session.result
    controls = Controls("fake", "everything", COARSE)
    changes, said = handlers.settings.settle(ANN, controls), handlers.settings.say_waiting(ANN, controls).status
    assert session.result is before
    assert session.job is None
    assert changes.view is None
    assert said is not None
    assert said["text"].endswith("until you press Find masks.")
    assert changes.forecast is not None
    assert "Waits for Find masks: Grid density" in changes.forecast
    # What the page shows already is not told again: meanwhile it may show something else.
    assert changes.preset is None
    assert changes.sliders is not None
    assert "crop_overlap_ratio" not in changes.sliders
    # Show only does not carry the preset along, nor does the end of a run.
    chosen = Controls("fake", "everything", COARSE | changes.sliders, "", {"smallest": 1})
    for follow in (handlers.settings.show_only, handlers.settings.catch_up):
        list(follow(ANN, chosen))
        assert session.result is before


def test_preset_that_is_chosen_back_waits_for_nothing(handlers: Handlers) -> None:
    thresholds = handlers.service.models.thresholds("fake")
    quick = Controls("fake", "quick", preset_values("quick", thresholds))
    handlers.runs.begin(ANN)
    list(handlers.runs.find(ANN, quick))
    handlers.runs.end(ANN)
    assert "Waits" in (handlers.settings.settle(ANN, replace(quick, preset="balanced")).forecast or "")
    assert "Waits" not in (handlers.settings.settle(ANN, quick).forecast or "")


def test_choice_during_a_run_leaves_the_runs_line_alone(handlers: Handlers) -> None:
    handlers.runs.begin(ANN)
    assert handlers.settings.say_waiting(ANN, Controls("fake", "quick", COARSE)).status is None


def test_masks_say_with_what_they_were_found(handlers: Handlers) -> None:
    view = handlers.screens.view(ANN, handlers.service.store.current("ann"))
    assert view.found_with == "Fake model · Custom"
    handlers.runs.begin(ANN)
    run = handlers.runs.find(ANN, Controls("fake", "quick", preset_values("quick", {})))
    *_, changes = run
    assert changes.view is not None
    assert changes.view.found_with == "Fake model · Quick look"
    # Where the sliders stand now is something else.
    handlers.settings.settle(ANN, Controls("fake", "everything", COARSE))
    assert handlers.screens.view(ANN, handlers.service.store.current("ann")).found_with.endswith("Quick look")


def test_model_that_is_not_here_changes_nothing(handlers: Handlers) -> None:
    controls = Controls("far", "balanced", preset_values("balanced", handlers.service.models.thresholds("fake")))
    changes, said = handlers.settings.settle(ANN, controls), handlers.settings.say_waiting(ANN, controls).status
    assert changes.is_missing is True
    assert "375 MB, CC0, about 30 s at 100 Mbit/s" in (changes.model_info or "")
    for part in ("sliders", "preset", "preset_info", "device", "forecast", "view"):
        assert getattr(changes, part) is None
    assert said is not None
    assert said["text"].startswith("Far model is not on this machine yet")


def test_fetch_that_fails_leaves_its_reason(handlers: Handlers, shop: Shop) -> None:
    with pytest.raises(DownloadError):
        list(handlers.models.fetch(ANN, "far"))
    far = Controls("far", "balanced", COARSE)
    changes = handlers.settings.settle(ANN, far)
    assert (changes.is_missing, changes.model_info) == (
        True,
        "This model could not be had. The line is dead. Try again. 375 MB, CC0, about 30 s at 100 Mbit/s.",
    )
    assert "far" in handlers.service.models

    shop.error = None
    list(handlers.models.fetch(ANN, "far"))
    changes = handlers.settings.settle(ANN, far)
    assert changes.is_missing is False
    assert "Waits for Find masks: Far model" in (changes.forecast or "")


def test_file_that_is_handed_in(handlers: Handlers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(name: str, file: Path, architecture_of: object) -> Path:
        raise CheckpointFormatError("This is another file.")

    monkeypatch.setattr(models, "take_file", refuse)
    changes = handlers.models.take_file(ANN, "far", str(tmp_path / "mine.pth"))
    assert changes is not None
    assert changes.warning == ("This file was not taken", "This is another file.")
    far = Controls("far", "balanced", COARSE)
    # All visitors read that line.
    assert "another file" not in (handlers.settings.settle(ANN, far).model_info or "")

    monkeypatch.setattr(models, "take_file", lambda name, file, architecture_of: TakenFile(file, is_compared=True))
    assert handlers.models.take_file(ANN, "far", str(tmp_path / "mine.pth")) is None
    assert handlers.settings.settle(ANN, far).is_missing is False


def test_file_that_could_not_be_compared_is_taken_and_that_is_said(
    handlers: Handlers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(models, "take_file", lambda name, file, architecture_of: TakenFile(file, is_compared=False))
    changes = handlers.models.take_file(ANN, "far", str(tmp_path / "mine.pth"))
    assert changes is not None
    assert changes.warning is not None
    assert changes.warning[0] == "Checksum not compared"
    assert "whether it is the published one is not known" in changes.warning[1]
    assert handlers.service.models.is_here("far")


def test_model_whose_file_is_broken_says_why_when_it_is_chosen_again(handlers: Handlers) -> None:
    def broken(name: str) -> FakeEngine:
        raise CheckpointFormatError("It is an unfinished copy.")

    handlers.service.models._engines = broken
    handlers.runs.begin(ANN)
    with pytest.raises(CheckpointFormatError):
        list(handlers.runs.find(ANN, Controls("fake", "balanced", COARSE)))
    changes = handlers.settings.settle(ANN, Controls("fake", "balanced", COARSE))
    assert changes.model_info == "This model could not be had. It is an unfinished copy."


def test_about_tells_versions_and_the_model_but_no_place(handlers: Handlers, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(b"weights")
    handlers.service.models.set_path("far", file)
    told = handlers.models.about("far").about or ""
    lines = dict(line.split(": ", 1) for line in told.splitlines())
    assert {"AutoMask", "Python", "PyTorch", "torchvision", "CUDA", "Gradio"} <= lines.keys()
    assert (lines["Model"], lines["Model file"]) == ("Far model", "weights.pth")
    assert lines["SHA-256"] == hashlib.sha256(b"weights").hexdigest()
    assert str(tmp_path) not in told
    assert str(Path.home()) not in told
