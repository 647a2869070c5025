"""What tests of the page's handlers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automask_ui import running


@pytest.fixture
def tell_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs tell of every step, however soon it follows the one before."""
    monkeypatch.setattr(running, "UPDATE_SECONDS", 0.0)


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """A picture of one grey, 53×37 px."""
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((37, 53, 3), 90, np.uint8)).save(path)
    return str(path)
