"""Loading models: architecture, wrappers, names, devices."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_files import DECODER, SMALL, SMALL_TINY_VIT, is_same, save, small_sam
from safetensors.torch import save_file
from segment_anything import build_sam_vit_b
from segment_anything.modeling import Sam

from automask_ui.engine.encoders.builtin import build_tiny_sam
from automask_ui.engine.loading import load as models
from automask_ui.engine.loading.architecture import build_vit_sam, build_vit_t_sam
from automask_ui.engine.loading.load import SamModel, load_model, pick_device
from automask_ui.errors import (
    CheckpointFormatError,
    CheckpointNotFoundError,
    EngineOutOfMemoryError,
    OptionError,
    UnknownModelError,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small SAM's checkpoint."""
    return save(small_sam().state_dict(), tmp_path / "mine.pth")


def prefixed(prefix: str, state: dict[str, Any]) -> dict[str, Any]:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    ("build", "arch"),
    [
        (small_sam, "vit"),  # ViT of other sizes
        (lambda: build_vit_sam(dataclasses.replace(SMALL, qkv_bias=False, mlp_ratio=2.0), DECODER), "vit"),
        (lambda: build_vit_sam(dataclasses.replace(SMALL, global_attn_indexes=(0, 1, 2))), "vit"),  # no windows
        (lambda: build_vit_sam(dataclasses.replace(SMALL, patch_size=8), dataclasses.replace(DECODER, depth=3)), "vit"),
        (build_vit_t_sam, "vit_t"),  # MobileSAM
        (lambda: build_vit_t_sam(SMALL_TINY_VIT, DECODER), "vit_t"),
        (lambda: build_vit_t_sam(dataclasses.replace(SMALL_TINY_VIT, classes=0), DECODER), "vit_t"),  # without its head
        (build_tiny_sam, "tiny"),
    ],
)
def test_architecture_is_read_from_the_weights(tmp_path: Path, build: Callable[[], Sam], arch: str) -> None:
    built = build()
    model = load_model(checkpoint=save(built.state_dict(), tmp_path / "any_name.bin"))
    assert model.arch == arch
    assert is_same(model.sam, built.state_dict())
    size = built.image_encoder.img_size
    assert model.sam.image_encoder.img_size == size
    assert model.sam.prompt_encoder.input_image_size == (size, size)
    assert not model.sam.training
    assert not any(tensor.requires_grad or tensor.is_meta for tensor in model.sam.state_dict(keep_vars=True).values())
    assert torch.equal(model.sam.pixel_mean, built.pixel_mean)


@pytest.mark.parametrize("build", [small_sam, lambda: build_vit_t_sam(SMALL_TINY_VIT, DECODER), build_tiny_sam])
def test_a_loaded_encoder_computes_what_the_saved_one_did(tmp_path: Path, build: Callable[[], Sam]) -> None:
    torch.manual_seed(1)
    built = build()
    model = load_model(checkpoint=save(built.state_dict(), tmp_path / "sam.pth"))
    images = torch.rand(1, 3, 128, 128)
    with torch.inference_mode():
        torch.testing.assert_close(model.sam.image_encoder(images), built.image_encoder(images), rtol=0, atol=1e-6)


def test_a_loaded_model_computes_what_the_saved_one_did(file: Path) -> None:
    sams, image = (small_sam(), load_model(checkpoint=file).sam), torch.rand(3, 96, 128) * 255
    prompt = {"image": image, "original_size": (37, 53), "point_coords": torch.tensor([[[40.0, 60.0]]])}
    prompt["point_labels"] = torch.ones(1, 1)
    with torch.inference_mode():
        expected, found = (sam([prompt], multimask_output=True)[0] for sam in sams)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_default_type_of_the_caller_changes_nothing(file: Path, dtype: torch.dtype) -> None:
    expected = load_model(checkpoint=file, device="cpu").sam
    torch.set_default_dtype(dtype)
    try:
        sam = load_model(checkpoint=file, device="cpu").sam
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(tensor, sam.state_dict()[key]) for key, tensor in expected.state_dict().items())
    for name in ("pixel_mean", "pixel_std"):
        assert torch.equal(getattr(sam, name), getattr(expected, name))
        assert torch.equal(getattr(sam, name), getattr(small_sam(), name))


def test_upstreams_own_vit_b(tmp_path: Path) -> None:
    built = build_sam_vit_b()
    model = load_model("vit_b", checkpoint=save(built.state_dict(), tmp_path / "sam.pth"))
    assert (model.name, model.title, model.arch) == ("vit_b", "SAM ViT-B", "vit_b")
    assert is_same(model.sam, built.state_dict())
    blocks = zip(model.sam.image_encoder.blocks, built.image_encoder.blocks, strict=True)
    assert all((a.window_size, a.attn.num_heads) == (b.window_size, b.attn.num_heads) for a, b in blocks)
    assert (model.pred_iou_thresh, model.stability_score_thresh) == (0.88, 0.95)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state},
        lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda state: prefixed("module.", state),  # DataParallel
        lambda state: {"model": prefixed("module.", state)},
        lambda state: {"state_dict": prefixed("sam.", state) | {"loss.weight": torch.ones(1)}},  # Lightning
        lambda state: prefixed("model.sam.", state),
        lambda state: {key: value.bfloat16() for key, value in state.items()},
        lambda state: {key: value.double() for key, value in state.items()},
        lambda state: {key: value.clone().requires_grad_() for key, value in state.items()},
        lambda state: state | {"pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3)},  # buffers kept
    ],
)
def test_wrappers_and_prefixes(tmp_path: Path, wrap: Callable[[dict[str, Any]], Any]) -> None:
    state = {key: value.bfloat16().float() for key, value in small_sam().state_dict().items()}
    assert is_same(load_model(checkpoint=save(wrap(state), tmp_path / "mine.pth")).sam, state)


def test_pixel_statistics_of_the_file_are_used(tmp_path: Path) -> None:
    state = small_sam().state_dict() | {"pixel_mean": torch.tensor([1.0, 2.0, 3.0])}
    sam = load_model(checkpoint=save(state, tmp_path / "mine.pth")).sam
    assert sam.pixel_mean.tolist() == [[[1.0]], [[2.0]], [[3.0]]]
    assert sam.pixel_std.flatten().tolist() == small_sam().pixel_std.flatten().tolist()


def test_tables_of_the_attention_bias_may_be_in_the_file(tmp_path: Path) -> None:
    state = build_vit_t_sam(SMALL_TINY_VIT, DECODER).state_dict()
    key = "image_encoder.layers.1.blocks.0.attn.attention_bias_idxs"
    save(state | {key: torch.zeros(49, 49, dtype=torch.int64)}, tmp_path / "mine.pth")
    assert is_same(load_model(checkpoint=tmp_path / "mine.pth").sam, state)


def test_counts_of_training_steps_may_be_missing_or_halved(tmp_path: Path) -> None:
    state = build_vit_t_sam(SMALL_TINY_VIT, DECODER).state_dict()
    for kept in (
        {key: value for key, value in state.items() if "num_batches" not in key},
        {key: value.half() for key, value in state.items()},
    ):
        found = load_model(checkpoint=save(kept, tmp_path / "mine.pth")).sam.state_dict()
        counts = [value for key, value in found.items() if "num_batches" in key]
        assert counts
        assert all(count.dtype == torch.int64 for count in counts)


def test_thresholds_of_the_file(tmp_path: Path) -> None:
    state = {key: value.half() for key, value in build_tiny_sam().state_dict().items()}
    told = {"architecture": "tiny", "pred_iou_thresh": "0.7", "stability_score_thresh": "0.85"}
    save_file(state, tmp_path / "mine.safetensors", told)
    model = load_model(checkpoint=tmp_path / "mine.safetensors")
    assert model.arch == "tiny"
    assert (model.pred_iou_thresh, model.stability_score_thresh, model.min_mask_region_area) == (0.7, 0.85, 0)
    assert {tensor.dtype for tensor in model.sam.parameters()} == {torch.float32}


def test_the_built_in_model_has_its_own_defaults() -> None:
    model = load_model()
    assert (model.name, model.title, model.arch) == ("tiny", "Built-in model", "tiny")
    assert model.pred_iou_thresh < 0.88
    assert model.min_mask_region_area > 0


def test_names(tmp_path: Path, file: Path) -> None:
    own = load_model(checkpoint=file)
    assert (own.name, own.title, own.good_for, own.path) == ("mine", "mine", "Your own file", file)
    found = load_model("mine", folders=[tmp_path])
    assert (found.name, found.key) == ("mine", own.key)
    with pytest.raises(CheckpointFormatError, match="holds a vit, not a vit_b"):
        load_model("vit_b", checkpoint=file)
    with pytest.raises(UnknownModelError):
        load_model("other", folders=[tmp_path])
    with pytest.raises(CheckpointNotFoundError, match=r"file .*gone\.pth is not there"):
        load_model(checkpoint=tmp_path / "gone.pth")


def test_key_changes_with_the_file(file: Path) -> None:
    before = load_model(checkpoint=file).key
    assert load_model(checkpoint=file).key == before
    os.utime(file, ns=(1, 1))
    assert load_model(checkpoint=file).key != before


def test_a_model_outlives_its_file(file: Path) -> None:
    model = load_model(checkpoint=file)
    expected = {key: value.clone() for key, value in model.sam.state_dict().items()}
    with open(file, "r+b") as opened:
        opened.write(bytes(file.stat().st_size))  # overwritten in place, as by a copy of another model
    file.unlink()
    assert is_same(model.sam, expected)


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError(),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),  # how PyTorch says it on a CPU
    ],
)
def test_out_of_memory(file: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def run_out(*_: object) -> None:
        raise failure

    monkeypatch.setattr(models, "_own_copy", run_out)
    with pytest.raises(EngineOutOfMemoryError, match=r"mine\.pth does not fit"):
        load_model(checkpoint=file)


def test_wrapping() -> None:
    sam = small_sam()
    one, two = SamModel.wrap(sam), SamModel.wrap(sam)
    assert (one.sam, one.device, one.precision) == (sam, torch.device("cpu"), "float32")
    assert one.key != two.key


@pytest.mark.parametrize("precision", ["half", "", "FLOAT32", "int8"])
def test_unknown_precision(file: Path, precision: str) -> None:
    with pytest.raises(OptionError, match="float32, bf16, float16"):
        load_model(checkpoint=file, precision=precision)


@pytest.mark.parametrize(("slowdown", "is_refused"), [(0.4, False), (1.2, False), (57.0, True)])
def test_bf16_where_the_processor_only_imitates_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, slowdown: float, is_refused: bool
) -> None:
    monkeypatch.setattr(models, "_bf16_slowdown", lambda: slowdown)
    if is_refused:
        with pytest.raises(OptionError, match=r"no instructions for bf16.*57 times as long.*Use float32"):
            load_model(checkpoint=file, device="cpu", precision="bf16")
    else:
        assert load_model(checkpoint=file, device="cpu", precision="bf16").precision == "bf16"
    assert load_model(checkpoint=file, device="cpu").precision == "float32"


def test_float16_on_a_cpu_is_refused_before_the_model_is_loaded(file: Path) -> None:
    with pytest.raises(OptionError, match="float16 needs a GPU"):
        load_model(checkpoint=file, device="cpu", precision="float16")
    with pytest.raises(OptionError, match="float16 needs a GPU"):
        SamModel.wrap(small_sam(), "float16")


def test_what_bf16_costs_is_measured() -> None:
    assert 0.01 < models._bf16_slowdown() < 10_000


@pytest.mark.parametrize(
    "requested",
    [
        "gpu",  # no such kind
        "cuda:99",  # no such index
        "cpu:1",
        "xpu",  # a kind that PyTorch knows and AutoMask does not
        "meta",
        "",
    ],
)
def test_device_that_is_not_there(requested: str) -> None:
    with pytest.raises(OptionError, match="cpu"):
        pick_device(requested)


def test_device_that_is_there() -> None:
    assert pick_device("cpu") == pick_device(torch.device("cpu")) == torch.device("cpu")
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert pick_device().type == pick_device("auto").type == best


def test_cuda_is_asked_for_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(OptionError, match=r"no device 'cuda'.*It has: cpu"):
        pick_device("cuda")
