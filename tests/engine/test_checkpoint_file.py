"""Reading checkpoint files of every format, and refusing what is none or does not fit."""

import functools
import os
import pickle
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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
        pytest.param(
            lambda state: state | {NECK: state[NECK].to_sparse()},
            rf"1 tensors stored without .*, or sparse \({NECK}\)",
            marks=pytest.mark.filterwarnings("ignore:Validating sparse"),  # PyTorch's, that it is slow
        ),
        (lambda state: state | {NECK: state[NECK].to("meta")}, rf"1 tensors stored without their numbers.* \({NECK}\)"),
        (lambda state: state | {"pixel_mean": torch.ones(4)}, "4 numbers in pixel_mean"),
        (lambda state: state | {"image_encoder.blocks.999999999.x": torch.ones(1)}, "gaps in its blocks"),
        (lambda state: {"model": {"vision_encoder.x": torch.ones(1)}}, "image encoder of an unknown kind"),
        (lambda state: {"image_encoder.conv1.weight": torch.ones(1)}, "image encoder of an unknown kind"),
        (  # EfficientTAM's: SAM 2 around a plain ViT
            lambda state: {"image_encoder.trunk.patch_embed.proj.weight": torch.ones(192, 3, 16, 16)},
            "image encoder of an unknown kind",
        ),
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
    ("key", "name"),
    [
        ("detector.backbone.vision_backbone.trunk.pos_embed", "SAM 3"),
        ("detector_model.vision_encoder.backbone.layers.0.mlp.fc1.weight", "SAM 3"),
        ("vision_encoder.backbone.layers.0.mlp.fc1.weight", "SAM 3"),
        ("image_encoder.backbone.input_stem.op_list.0.conv.weight", "EfficientViT-SAM"),
        ("sam_mask_decoder.hf_token.weight", "SAM-HQ on top of SAM 2"),
        ("mask_decoder.final_output_upscaling_layers.0.weight", "EfficientSAM"),
        ("image_encoder.trunk.body.stem_0.c.weight", "EdgeTAM"),
        ("vision_encoder.backbone.timm_model.stem_0.c.weight", "EdgeTAM"),
        ("model.22.proto.cv1.conv.weight", "FastSAM, or another segmentation model of the YOLO family"),
        ("base_model.model.vision_encoder.layers.0.attn.qkv.lora_A.weight", "an adapter"),  # PEFT
        ("w_a_000", "an adapter"),  # SAMed
        ("image_encoder.blocks.0.MLP_Adapter.D_fc1.weight", "an adapter"),  # Medical-SAM-Adapter
        ("image_encoder.prompt_generator.shared_mlp.weight", "an adapter"),  # SAM-Adapter
    ],
)
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"model": state}])
def test_relatives_of_sam_are_named(tmp_path: Path, key: str, name: str, wrap: Callable[[Any], Any]) -> None:
    path = save(wrap({key: torch.ones(1)}), tmp_path / "mine.pth")
    with pytest.raises(CheckpointFormatError, match=rf"mine\.pth holds {name}, which is not supported\. \w+ "):
        load_model(checkpoint=path)


def test_the_published_fastsam_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("ultralytics.nn.tasks")
    module.SegmentationModel = type("SegmentationModel", (), {"__module__": module.__name__})
    for name in ("ultralytics", "ultralytics.nn", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    path = save({"model": module.SegmentationModel(), "epoch": -1}, tmp_path / "FastSAM-x.pt")
    with pytest.raises(CheckpointFormatError, match=r"FastSAM-x\.pt holds FastSAM, or another model of Ultralytics"):
        load_model(checkpoint=path)


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


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")  # PyTorch's, of the older pickles
@pytest.mark.parametrize("kind", ["zip", "legacy"])
@pytest.mark.parametrize(
    "number",
    [np.float64(0.25), np.float32(0.25), np.int64(7), np.bool_(True), np.float16(1)],
    ids=lambda n: n.dtype.name,
)
def test_numpy_scalars_beside_the_weights_are_let_pass(tmp_path: Path, number: np.generic, kind: str) -> None:
    before = set(torch.serialization.get_safe_globals())
    content = {"model": small_sam().state_dict(), "best_loss": number, "history": [{"loss": number}]}
    save(content, tmp_path / "mine.pth", _use_new_zipfile_serialization=kind == "zip")
    assert is_same(load_model(checkpoint=tmp_path / "mine.pth").sam, content["model"])
    # Other readers of files in this process allow no more.
    assert set(torch.serialization.get_safe_globals()) == before


def test_a_numpy_scalar_by_its_older_name(tmp_path: Path) -> None:
    content = {"model": small_sam().state_dict(), "best_loss": np.float64(0.25)}
    save(content, tmp_path / "mine.pth")
    # Files that were written with NumPy 1 say core instead of _core.
    old, new = b"cnumpy._core.multiarray\nscalar\n", b"cnumpy.core.multiarray\nscalar\n"
    with zipfile.ZipFile(tmp_path / "mine.pth") as source, zipfile.ZipFile(tmp_path / "old.pth", "w") as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry).replace(old, new))
    assert old not in (tmp_path / "old.pth").read_bytes()
    assert is_same(load_model(checkpoint=tmp_path / "old.pth").sam, content["model"])


@pytest.mark.parametrize(
    "other",
    [
        np.ones(3),  # arrays are not needed
        np.array([Malice(Path("trace"))]),
        functools.partial(print, 1),
        Path("a"),
    ],
    ids=["array", "objects", "function", "path"],
)
def test_what_is_not_a_number_is_refused(tmp_path: Path, other: Any) -> None:
    save({"model": small_sam().state_dict(), "extra": other}, tmp_path / "mine.pth")
    with pytest.raises(CheckpointFormatError, match="contains code"):
        load_model(checkpoint=tmp_path / "mine.pth")


def test_code_inside_of_a_numpy_scalar_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    scalar, dtype = np.float64(1).__reduce__()[0], np.dtype("O")

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return scalar, (dtype, Malice(trace))

    save({"model": small_sam().state_dict(), "extra": Trap()}, tmp_path / "mine.pth")
    with pytest.raises(CheckpointFormatError, match=r"contains code \(posix\.system\)"):
        load_model(checkpoint=tmp_path / "mine.pth")
    assert not trace.exists()


def test_the_malice_would_work(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Malice(tmp_path / "trace")))
    assert (tmp_path / "trace").exists()
