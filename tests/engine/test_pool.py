"""Sharing models within a process."""

import dataclasses
import gc
import threading
import weakref
from pathlib import Path

import pytest
import torch
from checkpoint_files import save, small_sam

from automask_ui.engine.loading import load as models
from automask_ui.engine.loading import pool as pool_module
from automask_ui.engine.loading.architecture import build_vit_t_sam
from automask_ui.engine.loading.load import ModelFile, SamModel, find_file
from automask_ui.engine.loading.pool import ModelPool
from automask_ui.errors import (
    CheckpointFormatError,
    CheckpointNotFoundError,
)
from automask_ui.files.hashes import sha256_of
from automask_ui.models.registry import CHECKPOINTS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small SAM's checkpoint."""
    return save(small_sam().state_dict(), tmp_path / "mine.pth")


class Counter:
    """Stands in for the loading of files; counts."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.may_load = threading.Event()
        self.may_load.set()

    def __call__(self, file: ModelFile) -> SamModel:
        self.loads.append(file.path.stem if file.is_own else f"by name {file.name}")
        assert self.may_load.wait(10)
        return SamModel.wrap(small_sam())


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    monkeypatch.setattr(pool_module, "load_file", counter)
    return counter


def make_pool(**limits: int) -> ModelPool[SamModel]:
    return ModelPool(lambda model: model, **limits)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.pth" for name in "abc"]
    for path in paths:
        path.write_bytes(b"not read")
    return paths


def test_pool_loads_once(load: Counter, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_bf16_slowdown", lambda: 0.5)
    pool = make_pool()
    first = pool.get(find_file(checkpoint=files[0]))
    assert pool.get(find_file(checkpoint=files[0])) is first
    assert pool.get(find_file("a", folders=[files[0].parent])) is not first  # under another name
    assert pool.get(find_file(checkpoint=files[0], precision="bf16")) is not first
    assert load.loads == ["a", "by name a", "a"]


def test_pool_loads_once_for_visitors_who_ask_at_once(load: Counter, files: list[Path]) -> None:
    load.may_load.clear()
    pool, got = make_pool(), []
    threads = [threading.Thread(target=lambda: got.append(pool.get(find_file(checkpoint=files[0])))) for _ in range(5)]
    for thread in threads:
        thread.start()
    load.may_load.set()
    for thread in threads:
        thread.join()
    assert load.loads == ["a"]
    assert len({id(model) for model in got}) == 1
    assert len(got) == 5


def test_pool_holds_few_and_frees_the_rest(load: Counter, files: list[Path]) -> None:
    pool = make_pool(max_on_cpu=2)
    a, b, c = files
    gone = weakref.ref(pool.get(find_file(checkpoint=a)).sam)
    kept = weakref.ref(pool.get(find_file(checkpoint=b)).sam)
    assert gone() is not None
    pool.get(find_file(checkpoint=b))
    pool.get(find_file(checkpoint=c))  # a was used longest ago
    gc.collect()
    assert (gone(), len(pool)) == (None, 2)
    assert kept() is not None
    pool.get(find_file(checkpoint=b))
    assert load.loads == ["a", "b", "c"]
    pool.clear()
    assert len(pool) == 0


def test_pool_gives_what_it_holds_while_another_model_loads(load: Counter, files: list[Path]) -> None:
    pool = make_pool()
    held = pool.get(find_file(checkpoint=files[0]))
    load.may_load.clear()
    loading = threading.Thread(target=pool.get, args=[find_file(checkpoint=files[1])])
    loading.start()
    assert pool.get(find_file(checkpoint=files[0])) is held
    assert loading.is_alive()
    load.may_load.set()
    loading.join()


def test_pool_notices_a_replaced_and_a_deleted_file(load: Counter, files: list[Path]) -> None:
    pool = make_pool()
    first = pool.get(find_file(checkpoint=files[0]))
    files[0].write_bytes(b"another model")
    assert pool.get(find_file(checkpoint=files[0])) is not first
    files[0].unlink()
    with pytest.raises(CheckpointNotFoundError):
        pool.get(find_file(checkpoint=files[0]))


def test_pool_holds_what_is_made_of_a_model(load: Counter, files: list[Path]) -> None:
    pool = ModelPool(lambda model: [model.name])
    made = pool.get(find_file(checkpoint=files[0]))
    assert made == ["sam"]
    assert pool.get(find_file(checkpoint=files[0])) is made


def test_pool_after_a_failure(tmp_path: Path, file: Path) -> None:
    pool = make_pool()
    broken = save({}, tmp_path / "broken.pth")
    with pytest.raises(CheckpointFormatError):
        pool.get(find_file(checkpoint=broken))
    assert pool.get(find_file(checkpoint=file)).arch == "vit"


def test_visitors_who_ask_for_a_model_that_is_not_here_fetch_it_once(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOMASK_OFFLINE", "0")
    digest, size = sha256_of(file), file.stat().st_size
    row = dataclasses.replace(CHECKPOINTS["vit_b"], arch="vit", url=file.as_uri(), sha256=digest, size_bytes=size)
    monkeypatch.setitem(CHECKPOINTS, "vit_b", row)
    pool, got, reports = make_pool(), [], []

    def ask() -> None:
        got.append(pool.get(find_file("vit_b", progress=lambda *report: reports.append(report))))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(model) for model in got}) == 1
    assert (got[0].title, got[0].path) == ("SAM ViT-B", tmp_path / "cache" / "models" / "sam_vit_b_01ec64.pth")
    assert [report[:2] for report in reports if report[0] == size] == [(size, size)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_switching_on_the_gpu_frees_memory(tmp_path: Path) -> None:
    paths = [save(build_vit_t_sam().state_dict(), tmp_path / f"{name}.pt") for name in "ab"]
    pool = make_pool()
    assert pool.get(find_file(checkpoint=paths[0])).device.type == "cuda"
    before = torch.cuda.memory_allocated()
    pool.get(find_file(checkpoint=paths[1]))
    assert torch.cuda.memory_allocated() == before
