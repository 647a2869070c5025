"""Loading checkpoints of every kind, refusing what is none, and sharing what is loaded."""

import dataclasses
import gc
import os
import pickle
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from segment_anything import build_sam_vit_b
from segment_anything.modeling import Sam

from automask_ui import checkpoints
from automask_ui.checkpoints import CHECKPOINTS
from automask_ui.engine import models
from automask_ui.engine.architecture import DecoderConfig, ViTConfig, build_vit_sam, build_vit_t_sam
from automask_ui.engine.models import ModelPool, SamModel, load_model, pick_device
from automask_ui.engine.tiny import build_tiny_sam
from automask_ui.engine.tiny_vit import TinyViTConfig
from automask_ui.errors import (
    CheckpointFormatError,
    CheckpointNotFoundError,
    EngineOutOfMemoryError,
    OptionError,
    UnknownModelError,
)

DECODER = DecoderConfig(embed_dim=32, mask_in_chans=8, mlp_dim=48, iou_head_hidden_dim=24)
SMALL = ViTConfig(embed_dim=48, depth=3, num_heads=3, global_attn_indexes=(1,), window_size=3, image_size=128)
SMALL_TINY_VIT = TinyViTConfig(widths=(8, 16, 24, 40), depths=(1, 2, 1, 1), heads=(1, 2, 3, 5), out_channels=32)


def small_sam(seed: int = 0) -> Sam:
    """A ViT SAM of sizes of its own, with random weights."""
    torch.manual_seed(seed)
    return build_vit_sam(SMALL, DECODER)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of the test's own, offline."""
    monkeypatch.delenv("AUTOMASK_MODELS", raising=False)
    monkeypatch.setenv("AUTOMASK_OFFLINE", "1")
    monkeypatch.setenv("AUTOMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(checkpoints, "ASSETS_FOLDER", tmp_path / "assets")
    return tmp_path


@pytest.fixture
def file(places: Path) -> Path:
    """A small SAM's checkpoint."""
    return save(small_sam().state_dict(), places / "mine.pth")


def save(content: Any, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def is_same(sam: Sam, state: dict[str, torch.Tensor]) -> bool:
    loaded = sam.state_dict()
    return loaded.keys() == state.keys() and all(torch.equal(loaded[key], state[key]) for key in state)


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
def test_architecture_is_read_from_the_weights(places: Path, build: Callable[[], Sam], arch: str) -> None:
    built = build()
    model = load_model(checkpoint=save(built.state_dict(), places / "any_name.bin"))
    assert model.arch == arch
    assert is_same(model.sam, built.state_dict())
    size = built.image_encoder.img_size
    assert model.sam.image_encoder.img_size == size
    assert model.sam.prompt_encoder.input_image_size == (size, size)
    assert not model.sam.training
    assert not any(tensor.requires_grad or tensor.is_meta for tensor in model.sam.state_dict(keep_vars=True).values())
    assert torch.equal(model.sam.pixel_mean, built.pixel_mean)


@pytest.mark.parametrize("build", [small_sam, lambda: build_vit_t_sam(SMALL_TINY_VIT, DECODER), build_tiny_sam])
def test_a_loaded_encoder_computes_what_the_saved_one_did(places: Path, build: Callable[[], Sam]) -> None:
    torch.manual_seed(1)
    built = build()
    model = load_model(checkpoint=save(built.state_dict(), places / "sam.pth"))
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


def test_upstreams_own_vit_b(places: Path) -> None:
    built = build_sam_vit_b()
    model = load_model("vit_b", checkpoint=save(built.state_dict(), places / "sam.pth"))
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
def test_wrappers_and_prefixes(places: Path, wrap: Callable[[dict[str, Any]], Any]) -> None:
    state = {key: value.bfloat16().float() for key, value in small_sam().state_dict().items()}
    assert is_same(load_model(checkpoint=save(wrap(state), places / "mine.pth")).sam, state)


def test_pixel_statistics_of_the_file_are_used(places: Path) -> None:
    state = small_sam().state_dict() | {"pixel_mean": torch.tensor([1.0, 2.0, 3.0])}
    sam = load_model(checkpoint=save(state, places / "mine.pth")).sam
    assert sam.pixel_mean.tolist() == [[[1.0]], [[2.0]], [[3.0]]]
    assert sam.pixel_std.flatten().tolist() == small_sam().pixel_std.flatten().tolist()


@pytest.mark.parametrize("name", ["mine.pth", "mine.safetensors", "mine"])  # the content decides, not the name
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_file_formats(places: Path, kind: str, name: str) -> None:
    state, path = small_sam().state_dict(), places / name
    if kind == "safetensors":
        save_file(state, path)
    else:
        save(state, path, _use_new_zipfile_serialization=kind == "zip")
    assert is_same(load_model(checkpoint=path).sam, state)


def test_tables_of_the_attention_bias_may_be_in_the_file(places: Path) -> None:
    state = build_vit_t_sam(SMALL_TINY_VIT, DECODER).state_dict()
    key = "image_encoder.layers.1.blocks.0.attn.attention_bias_idxs"
    save(state | {key: torch.zeros(49, 49, dtype=torch.int64)}, places / "mine.pth")
    assert is_same(load_model(checkpoint=places / "mine.pth").sam, state)


def test_counts_of_training_steps_may_be_missing_or_halved(places: Path) -> None:
    state = build_tiny_sam().state_dict()
    for kept in (
        without(state, *(key for key in state if "num_batches" in key)),
        {key: value.half() for key, value in state.items()},
    ):
        sam = load_model(checkpoint=save(kept, places / "mine.pth")).sam
        assert sam.image_encoder.stem[0][1].num_batches_tracked.dtype == torch.int64


def test_thresholds_of_the_file(places: Path) -> None:
    state = {key: value.half() for key, value in build_tiny_sam().state_dict().items()}
    told = {"architecture": "tiny", "pred_iou_thresh": "0.7", "stability_score_thresh": "0.85"}
    (places / "assets").mkdir()
    save_file(state, places / "assets" / CHECKPOINTS["tiny"].filename, told)
    model = load_model()
    assert (model.name, model.title, model.arch) == ("tiny", "Built-in model", "tiny")
    assert (model.pred_iou_thresh, model.stability_score_thresh) == (0.7, 0.85)
    assert {tensor.dtype for tensor in model.sam.parameters()} == {torch.float32}


@pytest.mark.parametrize("text", ["high", "1.5", "nan", ""])
def test_thresholds_that_are_none(places: Path, text: str) -> None:
    save_file(small_sam().state_dict(), places / "mine.safetensors", {"pred_iou_thresh": text})
    with pytest.raises(CheckpointFormatError, match=r"mine\.safetensors recommends pred_iou_thresh"):
        load_model(checkpoint=places / "mine.safetensors")


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
def test_not_a_fitting_sam(places: Path, change: Callable[[dict[str, Any]], Any], reason: str) -> None:
    path = save(change(small_sam().state_dict()), places / "mine.pth")
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
def test_not_a_checkpoint_at_all(places: Path, content: bytes, reason: str) -> None:
    path = places / "mine.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointFormatError, match=reason):
        load_model(checkpoint=path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_cut_off(places: Path, kind: str, share: float) -> None:
    state, path = small_sam().state_dict(), places / "mine"
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
def test_code_in_a_file_is_not_run(places: Path, kind: str) -> None:
    trace, path = places / "trace", places / "mine.pth"
    content = {"model": small_sam().state_dict(), "extra": Malice(trace)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"extra": content["extra"], "filling": "x" * 100}))
    else:
        save(content, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(CheckpointFormatError, match=r"contains code \(posix\.system\)|not a PyTorch") as refusal:
        load_model(checkpoint=path)
    assert not trace.exists()
    assert "weights_only=False" not in str(refusal.value)


def test_the_malice_would_work(places: Path) -> None:
    pickle.loads(pickle.dumps(Malice(places / "trace")))
    assert (places / "trace").exists()


def test_names(places: Path, file: Path) -> None:
    own = load_model(checkpoint=file)
    assert (own.name, own.title, own.good_for, own.path) == ("mine", "mine", "Your own file", file)
    found = load_model("mine", folders=[places])
    assert (found.name, found.key) == ("mine", own.key)
    with pytest.raises(CheckpointFormatError, match="holds a vit, not a vit_b"):
        load_model("vit_b", checkpoint=file)
    with pytest.raises(UnknownModelError):
        load_model("other", folders=[places])
    with pytest.raises(CheckpointNotFoundError, match=r"no file .*gone\.pth"):
        load_model(checkpoint=places / "gone.pth")


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


@pytest.mark.parametrize("failure", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory(file: Path, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]) -> None:
    def run_out(*_: object) -> None:
        raise failure

    monkeypatch.setattr(models, "_own_copy", run_out)
    with pytest.raises(EngineOutOfMemoryError, match=r"mine\.pth does not fit"):
        load_model(checkpoint=file)


def test_wrapping() -> None:
    sam = small_sam()
    one, two = SamModel.wrap(sam), SamModel.wrap(sam, "bf16")
    assert (one.sam, one.device, one.precision, two.precision) == (sam, torch.device("cpu"), "float32", "bf16")
    assert one.key != two.key


@pytest.mark.parametrize("precision", ["half", "", "FLOAT32", "int8"])
def test_unknown_precision(file: Path, precision: str) -> None:
    with pytest.raises(OptionError, match="float32, bf16, float16"):
        load_model(checkpoint=file, precision=precision)


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


class Counter:
    """Stands in for the loading of files; counts."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.may_load = threading.Event()
        self.may_load.set()

    def __call__(self, path: Path, name: str | None, is_own: bool, device: torch.device, precision: str) -> SamModel:
        self.loads.append(path.stem)
        assert self.may_load.wait(10)
        return SamModel.wrap(small_sam())


@pytest.fixture
def files(places: Path) -> list[Path]:
    paths = [places / f"{name}.pth" for name in "abc"]
    for path in paths:
        path.write_bytes(b"not read")
    return paths


def test_pool_loads_once(files: list[Path]) -> None:
    load = Counter()
    pool = ModelPool(load=load)
    first = pool.get(checkpoint=files[0])
    assert pool.get(checkpoint=files[0]) is first
    assert pool.get("a", folders=[files[0].parent]) is not first  # under another name
    assert pool.get(checkpoint=files[0], precision="bf16") is not first
    assert load.loads == ["a", "a", "a"]


def test_pool_loads_once_for_visitors_who_ask_at_once(files: list[Path]) -> None:
    load = Counter()
    load.may_load.clear()
    pool, got = ModelPool(load=load), []
    threads = [threading.Thread(target=lambda: got.append(pool.get(checkpoint=files[0]))) for _ in range(5)]
    for thread in threads:
        thread.start()
    load.may_load.set()
    for thread in threads:
        thread.join()
    assert load.loads == ["a"]
    assert len({id(model) for model in got}) == 1
    assert len(got) == 5


def test_pool_holds_few_and_frees_the_rest(files: list[Path]) -> None:
    load = Counter()
    pool = ModelPool(max_on_cpu=2, load=load)
    a, b, c = files
    gone = weakref.ref(pool.get(checkpoint=a).sam)
    kept = weakref.ref(pool.get(checkpoint=b).sam)
    assert gone() is not None
    pool.get(checkpoint=b)
    pool.get(checkpoint=c)  # a was used longest ago
    gc.collect()
    assert (gone(), len(pool)) == (None, 2)
    assert kept() is not None
    pool.get(checkpoint=b)
    assert load.loads == ["a", "b", "c"]
    pool.clear()
    assert len(pool) == 0


def test_pool_gives_what_it_holds_while_another_model_loads(files: list[Path]) -> None:
    load = Counter()
    pool = ModelPool(load=load)
    held = pool.get(checkpoint=files[0])
    load.may_load.clear()
    loading = threading.Thread(target=pool.get, kwargs={"checkpoint": files[1]})
    loading.start()
    assert pool.get(checkpoint=files[0]) is held
    assert loading.is_alive()
    load.may_load.set()
    loading.join()


def test_pool_notices_a_replaced_and_a_deleted_file(files: list[Path]) -> None:
    load = Counter()
    pool = ModelPool(load=load)
    first = pool.get(checkpoint=files[0])
    files[0].write_bytes(b"another model")
    assert pool.get(checkpoint=files[0]) is not first
    files[0].unlink()
    with pytest.raises(CheckpointNotFoundError):
        pool.get(checkpoint=files[0])


def test_pool_after_a_failure(places: Path, file: Path) -> None:
    pool = ModelPool()
    broken = save({}, places / "broken.pth")
    with pytest.raises(CheckpointFormatError):
        pool.get(checkpoint=broken)
    assert pool.get(checkpoint=file).arch == "vit"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_switching_on_the_gpu_frees_memory(places: Path) -> None:
    paths = [save(build_vit_t_sam().state_dict(), places / f"{name}.pt") for name in "ab"]
    pool = ModelPool()
    assert pool.get(checkpoint=paths[0]).device.type == "cuda"
    before = torch.cuda.memory_allocated()
    pool.get(checkpoint=paths[1])
    assert torch.cuda.memory_allocated() == before
