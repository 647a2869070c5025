"""What a model's file recommends is known without PyTorch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from automask_ui.engine.loading.load import load_model
from automask_ui.models.recommended import recommended_in
from automask_ui.models.registry import BUILT_IN_MODEL
from automask_ui.protocol import own_thresholds


def model_file(folder: Path, **header: str) -> Path:
    save_file({"weights": np.zeros(1)}, folder / "model.safetensors", metadata=header)
    return folder / "model.safetensors"


def test_the_built_in_model_recommends_what_it_does_once_it_is_loaded() -> None:
    model = load_model(BUILT_IN_MODEL, device="cpu")
    assert recommended_in(model.path) == own_thresholds(model)


def test_what_is_read_is_what_the_file_says_now(tmp_path: Path) -> None:
    assert recommended_in(model_file(tmp_path, pred_iou_thresh="0.5")) == {"pred_iou_thresh": 0.5}
    changed = model_file(tmp_path, stability_score_thresh="0.75", min_mask_region_area="12")
    assert recommended_in(changed) == {"stability_score_thresh": 0.75, "min_mask_region_area": 12}


@pytest.mark.parametrize("header", [{}, {"pred_iou_thresh": "2"}, {"min_mask_region_area": "few"}])
def test_a_header_that_says_nothing_of_use_is_passed_over(tmp_path: Path, header: dict[str, str]) -> None:
    assert recommended_in(model_file(tmp_path, **header)) == {}


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors", "missing.safetensors"])
def test_other_files_recommend_nothing(tmp_path: Path, name: str) -> None:
    if "missing" not in name:
        (tmp_path / name).write_bytes(b"no safetensors")
    assert recommended_in(tmp_path / name) == {}


def test_the_page_knows_them_before_pytorch_is_imported() -> None:
    code = (
        "import sys; from automask_ui.serving.start import build_service; service = build_service(device='cpu');"
        "print(service.models.thresholds(service.models.default), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'pred_iou_thresh'" in said
    assert said.strip().endswith("False")
