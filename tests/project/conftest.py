"""What tests of kept work share."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeEngine, fake_models

from automask_ui.serving.service import Service


@pytest.fixture
def service() -> Service:
    """A service with one model that is a fake."""
    return Service(lambda name: FakeEngine(), fake_models("fake"), "fake")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where work is kept; nobody has made it yet."""
    return tmp_path / "work"
