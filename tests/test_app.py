"""The starter: its flags, and what it says when it cannot start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import app
from automask_ui.serving.start import SAMPLES


def flags(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    return app.parse_flags()


def test_stays_on_this_machine_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    assert vars(flags(monkeypatch))["host"] == "127.0.0.1"
    assert vars(flags(monkeypatch, "--host", "0.0.0.0"))["host"] == "0.0.0.0"


def test_spaces_say_where_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert vars(flags(monkeypatch))["host"] == "0.0.0.0"


@pytest.mark.parametrize("arguments", [["--share"], ["--port", "x"], ["--log-level", "loud"]], ids=" ".join)
def test_unknown_flags_are_refused(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        flags(monkeypatch, *arguments)


def test_samples_are_there() -> None:
    assert all(sample.is_file() for sample in SAMPLES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "vit_x"], "There is no model 'vit_x'"),  # unknown
        (["--checkpoint", "nowhere.pth"], "nowhere.pth is not there"),  # no such file
        (["--device", "abacus"], "'abacus' is no device"),  # no such device
    ],
)
def test_cannot_start(monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", "--device", "cpu", *arguments])
    with pytest.raises(SystemExit, match=message):
        app.main()
