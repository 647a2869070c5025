"""Runs on a loaned GPU, with a ``spaces`` that pickles what goes in and comes out, as the real one does."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from PIL import Image

from automask_ui.errors import EngineError, EngineOutOfMemoryError
from automask_ui.options import GeneratorOptions
from automask_ui.protocol import run_to_end
from automask_ui.serving import start, zero_gpu
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.session import run as run_module

OPTIONS = GeneratorOptions(points_per_side=6, points_per_batch=9, pred_iou_thresh=0.8, stability_score_thresh=0.9)


class FakeSpaces(ModuleType):
    """``spaces.GPU``, with the durations that were asked for."""

    def __init__(self) -> None:
        super().__init__("spaces")
        self.asked: list[float] = []
        self.closed = 0
        self.is_broke = False

    def GPU(self, *, duration: Callable[..., float]) -> Callable[..., Any]:
        def wrap(task: Callable[..., Generator[Any, None, None]]) -> Callable[..., Generator[Any, None, None]]:
            def borrowed(*args: Any) -> Generator[Any, None, None]:
                self.asked.append(duration(*args))
                if self.is_broke:
                    return
                answers = task(*pickle.loads(pickle.dumps(args)))
                try:
                    for answer in answers:
                        yield pickle.loads(pickle.dumps(answer))
                except GeneratorExit:
                    self.closed += 1
                    raise
                finally:
                    answers.close()

            return borrowed

        return wrap


@pytest.fixture(autouse=True)
def tell_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(run_module, "UPDATE_SHARE", 1e9)


@pytest.fixture
def spaces() -> FakeSpaces:
    return FakeSpaces()


@pytest.fixture
def here() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def there() -> FakeEngine:
    return FakeEngine(FakeModel(device="cuda:0"))


@pytest.fixture
def service(here: FakeEngine, there: FakeEngine, spaces: FakeSpaces, tmp_path: Path) -> Service:
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((37, 53, 3), np.uint8)).save(path)
    engines = zero_gpu.on_loaned_gpu(lambda name: here, lambda name: there, spaces)
    return Service(engines, fake_models("fake"), "fake", [path], background_engines=lambda name: here)


@pytest.fixture
def session(service: Service) -> Session:
    return service.store.open("ann", service.samples["photo"])


def test_run_is_the_engines_own(service: Service, session: Session, here: FakeEngine, there: FakeEngine) -> None:
    told = [(progress.stage, progress.done, progress.total) for progress in service.runs.find(session, "fake", OPTIONS)]
    assert told[-1] == ("done", 36, 36)
    assert ("decode", 18, 36) in told
    assert (here.decoded, there.decoded) == (0, 36)
    expected = run_to_end(FakeEngine().steps(session.image.rgb, OPTIONS))
    assert session.result is not None
    assert session.result.image is session.image.rgb  # the picture does not travel back
    assert not session.result.partial
    assert [rle["counts"] for rle in session.result.masks.rle] == [rle["counts"] for rle in expected.masks.rle]


def test_thresholds_need_no_loan(service: Service, session: Session, spaces: FakeSpaces, there: FakeEngine) -> None:
    list(service.runs.find(session, "fake", OPTIONS))
    assert len(spaces.asked) == 1
    list(service.runs.refilter(session, OPTIONS.replace(pred_iou_thresh=0.9)))
    assert len(spaces.asked) == 1
    list(service.runs.refilter(session, OPTIONS.replace(pred_iou_thresh=0.7)))  # masks that were not decoded yet
    assert len(spaces.asked) == 2
    assert 36 < there.decoded < 72


def test_long_run_goes_on_with_the_next_loan(
    service: Service, session: Session, spaces: FakeSpaces, there: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The time for work is over at once: every loan decodes one chunk.
    monkeypatch.setattr(zero_gpu, "MIN_SECONDS", -1e6)
    monkeypatch.setattr(zero_gpu, "_SAFETY_FACTOR", 0.0)
    told = [(progress.stage, progress.done, progress.total) for progress in service.runs.find(session, "fake", OPTIONS)]
    assert [row for row in told if row[0] == "decode"] == [("decode", n, 36) for n in (9, 18, 27, 36)]
    assert told[-1][0] == "done"
    assert len(spaces.asked) == 5  # the last one only finds that all is done
    assert there.decoded == 36
    assert session.result is not None
    assert not session.result.partial


def test_stop_gives_the_gpu_back(service: Service, session: Session, spaces: FakeSpaces, there: FakeEngine) -> None:
    for progress in service.runs.find(session, "fake", OPTIONS):
        if progress.done == 9:
            service.runs.stop(session)
    assert there.decoded == 9
    assert spaces.closed == 1
    assert session.result is not None
    assert session.result.partial
    assert list(service.runs.resume(session))[-1].stage == "done"
    assert there.decoded == 36


@pytest.mark.parametrize("error", [EngineOutOfMemoryError("Memory ran out."), RuntimeError("cuda")], ids=repr)
def test_errors_arrive(service: Service, session: Session, there: FakeEngine, error: Exception) -> None:
    list(service.runs.find(session, "fake", OPTIONS))
    before = session.current_masks()[0]
    there.error = error
    with pytest.raises(type(error), match=str(error)):
        list(service.runs.find(session, "fake", OPTIONS.replace(points_per_side=8)))
    assert session.current_masks()[0] == before
    there.error = None
    assert list(service.runs.find(session, "fake", OPTIONS.replace(points_per_side=8)))[-1].stage == "done"


def test_loan_that_ends_before_anything_was_found(service: Service, session: Session, spaces: FakeSpaces) -> None:
    spaces.is_broke = True
    with pytest.raises(EngineError, match="taken back"):
        list(service.runs.find(session, "fake", OPTIONS))


def test_duration_follows_the_work_and_what_was_measured(service: Service, spaces: FakeSpaces) -> None:
    def asked_for(side: int, layers: int = 0) -> float:
        session = service.store.open("ann", service.samples["photo"])
        options = OPTIONS.replace(points_per_side=side, crop_n_layers=layers)
        next(step for step in service.runs.find(session, "fake", options) if step.done)
        return spaces.asked[-1]

    few, many, most = asked_for(4), asked_for(36), asked_for(90)
    assert zero_gpu.START_SECONDS < few < many < most == zero_gpu.MAX_SECONDS
    session = service.store.open("bob", service.samples["photo"])
    list(
        service.runs.find(session, "fake", OPTIONS.replace(points_per_side=36, points_per_batch=400))
    )  # in no time, as is known from now on
    assert asked_for(35) < many


def test_sample_takes_from_nobodys_share(service: Service, spaces: FakeSpaces, here: FakeEngine) -> None:
    service.samples.prepare()
    assert service.samples.first.result is not None
    assert spaces.asked == []
    assert here.decoded == 1024


def test_page_says_where_it_runs(service: Service) -> None:
    service.models.load("fake")
    model = service.models.loaded.get("fake")
    assert model is not None
    assert model.device == "ZeroGPU"


# Whether this is such a Space


@pytest.mark.parametrize(
    ("environment", "has_package", "is_lent"),
    [
        (None, True, False),  # anywhere else, with the package
        ("false", True, False),  # a Space of another kind
        ("true", True, True),  # ZeroGPU
        ("1", True, True),
        ("true", False, False),  # the package is not there
    ],
)
def test_only_zero_gpu_is_asked(
    monkeypatch: pytest.MonkeyPatch, spaces: FakeSpaces, environment: str | None, has_package: bool, is_lent: bool
) -> None:
    monkeypatch.setitem(sys.modules, "spaces", spaces if has_package else None)
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    if environment is not None:
        monkeypatch.setenv("SPACES_ZERO_GPU", environment)
    assert (zero_gpu.load_spaces() is spaces) == is_lent
    service = start.build_service(model="tiny", device="cpu")
    service.models.load("tiny")
    model = service.models.loaded.get("tiny")
    assert model is not None
    assert (str(model.device) == "ZeroGPU") == is_lent
