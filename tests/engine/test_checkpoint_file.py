"""Reading checkpoint files of every format, and refusing what is none or does not fit."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_files import is_same, save, small_sam
from safetensors.torch import save_file

from automask_ui.engine.loading.load import load_model
from automask_ui.errors import (
    CheckpointFormatError,
)


@pytest.mark.parametrize("name", ["mine.pth", "mine.safetensors", "mine"])  # the content decides, not the name
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_file_formats(tmp_path: Path, kind: str, name: str) -> None:
    state, path = small_sam().state_dict(), tmp_path / name
    if kind == "safetensors":
        save_file(state, path)
    else:
        save(state, path, _use_new_zipfile_serialization=kind == "zip")
    assert is_same(load_model(checkpoint=path).sam, state)


@pytest.mark.parametrize("text", ["high", "1.5", "nan", ""])
def test_thresholds_that_are_none(tmp_path: Path, text: str) -> None:
    save_file(small_sam().state_dict(), tmp_path / "mine.safetensors", {"pred_iou_thresh": text})
    with pytest.raises(CheckpointFormatError, match=r"mine\.safetensors recommends pred_iou_thresh"):
        load_model(checkpoint=tmp_path / "mine.safetensors")


def test_a_file_may_recommend_a_clean_up(tmp_path: Path) -> None:
    save_file(small_sam().state_dict(), tmp_path / "mine.safetensors", {"min_mask_region_area": "60"})
    assert load_model(checkpoint=tmp_path / "mine.safetensors").min_mask_region_area == 60
    save_file(small_sam().state_dict(), tmp_path / "mine.safetensors", {"min_mask_region_area": "-1"})
    with pytest.raises(CheckpointFormatError, match=r"mine\.safetensors recommends min_mask_region_area"):
        load_model(checkpoint=tmp_path / "mine.safetensors")


def without(state: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key not in keys}


NECK, POSITION = "image_encoder.neck.0.weight", "image_encoder.pos_embed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: without(state, NECK), rf"1 tensors missing \({NECK}\)"),
        (lambda state: without(state, POSITION), f"has no {POSITION}"),  # needed to read the sizes
        (lambda state: {k: v for k, v in state.items() if "decoder" not in k}, r"has no mask_decoder\."),
        (lambda state: {k: v for k, v in state.items() if "hypernetworks" not in k}, r"24 tensors missing .*, …"),
        (lambda state: state | {"image_encoder.lora.a": torch.ones(2)}, r"1 tensors not of SAM \(image_encoder.lora.a"),
        (lambda state: state | {NECK: torch.ones(3, 2, 1, 1)}, r"is \(3, 2, 1, 1\) instead of \(32, 48, 1, 1\)"),
        (lambda state: state | {POSITION: torch.ones(48)}, "4 axes were expected"),
        (lambda state: state | {POSITION: torch.ones(1, 9, 9, 48)}, "windows? sizes|of another shape"),
        (lambda state: state | {NECK: state[NECK].to(torch.int8)}, rf"{NECK} is torch.int8"),  # quantised
        (lambda state: state | {NECK: state[NECK] * float("nan")}, rf"infinite numbers or NaN \({NECK}\)"),
        (lambda state: state | {"pixel_mean": torch.ones(4)}, "4 numbers in pixel_mean"),
        (lambda state: state | {"image_encoder.blocks.999999999.x": torch.ones(1)}, "gaps in its blocks"),
        (lambda state: state | {"mask_decoder.hf_token.weight": torch.ones(1)}, "holds SAM-HQ"),
        (lambda state: {"image_encoder.trunk.x": torch.ones(1)}, "holds SAM 2"),
        (lambda state: {"model": {"vision_encoder.x": torch.ones(1)}}, "holds SAM in the format of Hugging Face"),
        (lambda state: {"image_encoder.conv1.weight": torch.ones(1)}, "image encoder of an unknown kind"),
        (lambda state: {"fc.weight": torch.ones(1)}, r"not a SAM checkpoint: no image encoder .*\(fc.weight\)"),
        (lambda state: {}, "among its 0 entries"),
        (lambda state: torch.ones(3), "it holds a Tensor"),
        (lambda state: [state], "it holds a list"),
        (lambda state: {"image_encoder.x": 1}, "no image encoder"),  # the name, but no tensor
    ],
)
def test_not_a_fitting_sam(tmp_path: Path, change: Callable[[dict[str, Any]], Any], reason: str) -> None:
    path = save(change(small_sam().state_dict()), tmp_path / "mine.pth")
    with pytest.raises(CheckpointFormatError, match=reason) as refusal:
        load_model(checkpoint=path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "only 0 bytes"),
        (b"PK", "only 2 bytes"),
        (b"<!DOCTYPE html>" + b" " * 100, "web page"),
        (b"\n<html>" + b" " * 100, "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n" + b"oid sha256:" + b"0" * 64, "Git LFS pointer"),
        (b"some text, long enough to be looked at, but nothing that holds weights of any kind", "not a PyTorch"),
        (bytes(1000), "not a PyTorch"),
        (b"PK\x03\x04" + bytes(1000), "damaged or cut off"),
        ((1000).to_bytes(8, "little") + b'{"a": 1}' + bytes(100), "damaged or cut off"),  # a false safetensors
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a PyTorch"),
    ],
)
def test_not_a_checkpoint_at_all(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointFormatError, match=reason):
        load_model(checkpoint=path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_cut_off(tmp_path: Path, kind: str, share: float) -> None:
    state, path = small_sam().state_dict(), tmp_path / "mine"
    if kind == "safetensors":
        save_file(state, path)
    else:
        save(state, path, _use_new_zipfile_serialization=kind == "zip")
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(CheckpointFormatError, match="cut off"):
        load_model(checkpoint=path)


class Malice:
    """Runs a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.trace}",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")  # PyTorch's, of what it then refuses
@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_not_run(tmp_path: Path, kind: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / "mine.pth"
    content = {"model": small_sam().state_dict(), "extra": Malice(trace)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"extra": content["extra"], "filling": "x" * 100}))
    else:
        save(content, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(CheckpointFormatError, match=r"contains code \(posix\.system\)|not a PyTorch") as refusal:
        load_model(checkpoint=path)
    assert not trace.exists()
    assert "weights_only=False" not in str(refusal.value)


def test_the_malice_would_work(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Malice(tmp_path / "trace")))
    assert (tmp_path / "trace").exists()
