"""Files of models that are handed in where their checksum cannot be asked for."""

from pathlib import Path

import pytest
import torch

from automask_ui.engine.loading.architecture import PUBLISHED
from automask_ui.errors import CheckpointFormatError
from automask_ui.models.checkpoints import take_file
from automask_ui.serving.model_files import architecture_of


@pytest.fixture
def light(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SAM-HQ light with random weights, in a file of one's own, on a machine without the hub."""
    monkeypatch.setenv("AUTOMASK_OFFLINE", "1")
    torch.save(PUBLISHED["hq_vit_t"]().state_dict(), tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def test_a_file_of_that_architecture_is_taken_uncompared(light: Path) -> None:
    taken = take_file("hq_vit_t", light, architecture_of)
    assert taken.path.read_bytes() == light.read_bytes()
    assert not taken.is_compared


def test_files_of_others_and_with_code_are_refused(light: Path) -> None:
    with pytest.raises(CheckpointFormatError, match=r"holds a hq_vit_t, not the sam2_t that SAM 2\.1 tiny is"):
        take_file("sam2_t", light, architecture_of)
    torch.save({"model": PUBLISHED["hq_vit_t"]}, light)
    with pytest.raises(CheckpointFormatError):
        take_file("hq_vit_t", light, architecture_of)
