"""What every test gets: none of the developer's settings, no network for checkpoints, a cache of its own."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before PyTorch is imported: threads only get in each other's way in models as small as the tests'.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is slow; that is no fault of what is tested.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the settings of the machine away, so that a test finds the same everywhere."""
    for name in [name for name in os.environ if name.startswith("AUTOMASK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AUTOMASK_OFFLINE", "1")
    monkeypatch.setenv("AUTOMASK_CACHE", str(tmp_path / "cache"))
