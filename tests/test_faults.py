"""Faults while somebody works: one clear sentence, the last result stays, and the next request is right."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from checkpoint_files import save, small_sam
from fakes import FakeEngine, FakeModel, fake_models
from page_handlers import prepare
from PIL import Image

from automask_ui import export as exports
from automask_ui.engine.decoder.proposals import Proposals
from automask_ui.engine.loading.load import find_file
from automask_ui.engine.loading.pool import ModelPool
from automask_ui.engine.pipeline.generator import MaskEngine
from automask_ui.files.images import load_image
from automask_ui.models.checkpoints import available_models
from automask_ui.options import GeneratorOptions
from automask_ui.protocol import run_to_end
from automask_ui.serving.service import Service
from automask_ui.session import run as running
from automask_ui.ui.controls import Controls, preset_values
from automask_ui.ui.errors import errors_in_words
from automask_ui.ui.handlers import Handlers, Visitor
from automask_ui.ui.text import Words

ANN = Visitor("ann", Words("en"))
VALUES = {**preset_values("balanced", {}), "points_per_side": 6, "points_per_batch": 9, "pred_iou_thresh": 0.8}
LOOSE = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "points_per_side": 3}


@pytest.fixture(autouse=True)
def tell_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(running, "UPDATE_SHARE", 1e9)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return noise(tmp_path / "photo.png", (37, 53))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(FakeModel(pred_iou_thresh=0.8, stability_score_thresh=0.9))


@pytest.fixture
def handlers(engine: FakeEngine, photo: Path) -> Handlers:
    return Handlers(Service(lambda name: engine, fake_models("fake"), "fake", [photo]))


def noise(path: Path, size_hw: tuple[int, int]) -> Path:
    """A picture that cannot be compressed."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def controls(model: str = "fake", **changes: Any) -> Controls:
    return Controls(model, "custom", {**VALUES, "stability_score_thresh": 0.9, **changes})


def find(handlers: Handlers, wanted: Controls) -> tuple[int, ...]:
    """A run to its end, as the page does it; the numbers of the masks that are then shown."""
    with errors_in_words(ANN.words):
        handlers.runs.begin(ANN)
        for _ in handlers.runs.find(ANN, wanted):
            pass
    return shown(handlers)


def shown(handlers: Handlers) -> tuple[int, ...]:
    return handlers.service.store.current(ANN.owner).current_masks()[0]


def full_disk(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def exhausted() -> MemoryError:
    """A real one."""
    with pytest.raises(MemoryError) as caught:
        np.ones(1 << 60, np.uint8)
    return caught.value


# While the model runs


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (exhausted(), "The server ran out of memory; the last result is still there"),  # NumPy's own
        (MemoryError(), "The server ran out of memory"),  # Python's
        (RuntimeError("/secret/path: no kernel image"), "Something went wrong on our side; the last result is"),
        (KeyError("x"), "Something went wrong on our side"),  # a slip of ours
        (OSError(errno.ENOSPC, "No space left on device"), "The server's disk is full; the last result is still there"),
    ],
    ids=repr,
)
def test_engine_that_fails(
    handlers: Handlers, engine: FakeEngine, photo: Path, error: Exception, sentence: str
) -> None:
    handlers.opening.open_photo(ANN, str(photo))
    before = find(handlers, controls())
    assert before
    engine.error = error
    with pytest.raises(gr.Error, match=sentence) as told:
        find(handlers, controls(points_per_side=8))
    assert "secret" not in str(told.value)
    assert shown(handlers) == before
    assert "The last result is still here" in handlers.runs.failed(ANN).status["text"]
    engine.error = None
    assert find(handlers, controls(points_per_side=8))


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), exhausted()],
    ids=["CUDA", "NumPy"],
)
def test_model_that_does_not_fit(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    handlers = real_handlers(tmp_path, photo)
    before = find(handlers, controls("mine", **LOOSE))
    with monkeypatch.context() as patched:
        patched.setattr(Proposals, "decode", raising(error))
        with pytest.raises(gr.Error, match="Memory ran out even with one point at a time"):
            find(handlers, controls("mine", **LOOSE, stability_score_offset=2))
    assert shown(handlers) == before
    assert find(handlers, controls("mine", **{**LOOSE, "points_per_side": 4}))


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


# The model's file


def real_handlers(folder: Path, photo: Path) -> Handlers:
    """The page on a small SAM in a file of its own, with the photo opened."""
    models = folder / "models"
    models.mkdir()
    save(small_sam().state_dict(), models / "mine.pth")
    pool = ModelPool(MaskEngine)
    service = Service(
        lambda name: pool.get(find_file(name, device="cpu", folders=[models])),
        available_models([models]),
        "mine",
        [photo],
    )
    handlers = Handlers(service)
    handlers.opening.open_photo(ANN, str(photo))
    return handlers


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda file: file.unlink(), "There is no model 'mine'|cannot be read|is not there"),  # deleted
        (lambda file: file.write_bytes(b"not a model"), "mine.pth"),  # replaced by something else
        (lambda file: file.write_bytes(file.read_bytes()[:1000]), "mine.pth"),  # cut off
    ],
    ids=["deleted", "replaced", "cut off"],
)
def test_file_that_changes_during_a_run(
    tmp_path: Path, photo: Path, change: Callable[[Path], Any], sentence: str
) -> None:
    handlers = real_handlers(tmp_path, photo)
    file = tmp_path / "models" / "mine.pth"
    handlers.runs.begin(ANN)
    screens = handlers.runs.find(ANN, controls("mine", **LOOSE))
    for _ in range(3):
        next(screens)
    change(file)
    # The run has the weights in memory, apart from the file.
    assert len(list(screens)) >= 1
    before = shown(handlers)
    assert before
    with pytest.raises(gr.Error, match=sentence):
        find(handlers, controls("mine", **{**LOOSE, "points_per_side": 4}))
    assert shown(handlers) == before
    save(small_sam().state_dict(), file)
    assert find(handlers, controls("mine", **{**LOOSE, "points_per_side": 4}))


# The disk


def test_disk_that_is_full_when_a_photo_is_opened(
    handlers: Handlers, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full_disk)
        with pytest.raises(gr.Error, match="The server's disk is full"), errors_in_words(ANN.words):
            handlers.opening.open_photo(ANN, str(photo))
    screen = handlers.opening.open_photo(ANN, str(photo))
    assert screen.view is not None
    assert screen.view.image is not None
    assert Path(screen.view.image.path).stat().st_size
    assert find(handlers, controls())


def test_masks_are_found_without_room_on_the_disk(
    handlers: Handlers, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.opening.open_photo(ANN, str(photo))
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    assert find(handlers, controls())


def test_disk_that_is_full_when_a_download_is_written(
    handlers: Handlers, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.opening.open_photo(ANN, str(photo))
    ids = find(handlers, controls())
    session = handlers.service.store.current(ANN.owner)
    with monkeypatch.context() as patched:
        patched.setattr(exports, "check_file", full_disk)
        path, proof = prepare(handlers, ANN, {"session": session.id, "ids": list(ids), "format": "coco"})
    assert path is None
    assert proof["sentence"].endswith("could not be written: No space left on device.")
    assert not list(session.folder.glob("*coco*"))
    assert not list(session.folder.glob(".*"))
    path, _ = prepare(handlers, ANN, {"session": session.id, "ids": list(ids), "format": "coco"})
    assert path is not None


@pytest.fixture
def tiny_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real disk of 256 KiB, as the place for temporary files."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("only root can mount a disk here")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_real_full_disk(tiny_disk: Path, engine: FakeEngine, photo: Path, tmp_path: Path) -> None:
    handlers = Handlers(Service(lambda name: engine, fake_models("fake"), "fake", [photo]))
    with pytest.raises(gr.Error, match="The server's disk is full"), errors_in_words(ANN.words):
        handlers.opening.open_photo(ANN, str(noise(tmp_path / "large.png", (900, 1300))))
    handlers.opening.open_photo(ANN, str(photo))
    ids = list(find(handlers, controls()))
    session = handlers.service.store.current(ANN.owner)
    (session.folder / "filler").write_bytes(bytes(200 << 10))
    answers = [
        prepare(handlers, ANN, {"session": session.id, "ids": ids, "format": name}) for name in ("masks", "coco") * 8
    ]
    (session.folder / "filler").unlink()
    assert all(path is not None or "could not be written: No space left" in said["sentence"] for path, said in answers)
    assert prepare(handlers, ANN, {"session": session.id, "ids": ids, "format": "coco"})[0] is not None
    assert shown(handlers) == tuple(ids)
    assert os.stat(tiny_disk).st_dev != os.stat(tmp_path).st_dev
    handlers.service.store.forget(ANN.owner)


# A plain answer of the documented endpoint, too


def test_endpoint_frees_the_model_after_a_fault(engine: FakeEngine, photo: Path) -> None:
    service = Service(lambda name: engine, fake_models("fake"), "fake", [photo])
    options = GeneratorOptions(points_per_side=4)
    engine.error = exhausted()
    with pytest.raises(MemoryError):
        run_to_end(service.runs.find_alone(load_image(photo), "fake", options))
    assert service.runs.count == 0
    engine.error = None
    assert len(run_to_end(service.runs.find_alone(load_image(photo), "fake", options)).candidates)
