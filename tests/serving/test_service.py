"""The use cases on a model that needs no torch: runs, stopping, refiltering, visitors, limits, forecasts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from PIL import Image
from sams import small_sam

from automask_ui import MaskEngine
from automask_ui.engine.loading.load import SamModel
from automask_ui.errors import (
    AutoMaskError,
    CheckpointNotFoundError,
    DownloadError,
    EngineError,
    ExportError,
    NoImageError,
    OptionError,
    RunGoneError,
    UnknownModelError,
    UnreadableImageError,
)
from automask_ui.files.images import load_image
from automask_ui.options import GeneratorOptions, GridOptions
from automask_ui.project.export import export_photo
from automask_ui.protocol import run_to_end
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly
from automask_ui.session import run as run_module
from automask_ui.session.run import Speeds, Workload, workload
from automask_ui.ui.text import Words
from automask_ui.ui.text.sentences import stopped_line

OPTIONS = GeneratorOptions(points_per_side=6, points_per_batch=9, pred_iou_thresh=0.8, stability_score_thresh=0.9)


@pytest.fixture(autouse=True)
def tell_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between updates, so that every chunk is told."""
    monkeypatch.setattr(run_module, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(run_module, "UPDATE_SHARE", 1e9)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "my photo.png"
    Image.fromarray(np.zeros((37, 53, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(FakeModel(pred_iou_thresh=0.8, stability_score_thresh=0.9))


@pytest.fixture
def service(engine: FakeEngine, photo: Path) -> Service:
    return Service(lambda name: engine, fake_models("fake", "other"), "fake", [photo])


def run(service: Service, session: Session, options: GeneratorOptions = OPTIONS) -> list[run_module.Progress]:
    return list(service.runs.find(session, "fake", options))


# Running


def test_run_tells_of_every_chunk_and_keeps_the_session_up_to_date(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    told = []
    for progress in service.runs.find(session, "fake", OPTIONS):
        told.append((progress.stage, progress.done, progress.total))
        if progress.change is not None:
            assert progress.change.total == len(session.current_masks()[0])
    assert told == [("encode", 0, 36), *[("decode", n, 36) for n in (9, 18, 27, 36)], ("done", 36, 36)]
    assert session.result is not None
    assert not session.result.partial
    assert session.job is None


def test_updates_are_apart(service: Service, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "UPDATE_SECONDS", 1000.0)
    told = [progress.stage for progress in run(service, service.store.open("ann", photo))]
    assert told == ["encode", "done"]


def test_stop_keeps_what_was_found_and_continue_finishes(service: Service, engine: FakeEngine, photo: Path) -> None:
    session = service.store.open("ann", photo)
    stages = []
    for progress in service.runs.find(session, "fake", OPTIONS):
        stages.append(progress.stage)
        if progress.done == 9 and session.job is not None:
            session.job.cancel.set()
    assert stages[-1] == "stopped"
    assert session.result is not None
    assert session.result.partial
    found = session.current_masks()[0]
    assert found
    assert engine.decoded == 9

    assert list(service.runs.resume(session))[-1].stage == "done"
    assert engine.decoded == 36
    assert not session.result.partial
    assert set(found) <= set(session.current_masks()[0])


def test_stop_before_anything_was_found_keeps_the_last_result(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    before = session.current_masks()[0]
    for _ in service.runs.find(session, "fake", OPTIONS.replace(points_per_side=8)):
        if session.job is not None:
            session.job.cancel.set()
    assert session.current_masks()[0] == before


def test_stop_while_the_model_loads(engine: FakeEngine, photo: Path) -> None:
    def load(name: str) -> FakeEngine:
        assert service.runs.stop(session)
        return engine

    service = Service(load, fake_models("fake"), "fake", [photo])
    session = service.store.open("ann", photo)
    assert [progress.stage for progress in service.runs.make_ready(session, "fake")] == ["load", "stopped"]
    assert session.job is None
    assert engine.decoded == 0


def test_closing_the_iterator_ends_the_run(service: Service, engine: FakeEngine, photo: Path) -> None:
    session = service.store.open("ann", photo)
    updates = service.runs.find(session, "fake", OPTIONS)
    while next(updates).done < 18:
        pass
    updates.close()  # type: ignore[attr-defined]
    assert session.job is None
    assert engine.decoded == 18
    assert session.current_masks()[0]


def test_leaving_stops_the_run(service: Service, engine: FakeEngine, photo: Path) -> None:
    session = service.store.open("ann", photo)
    for progress in service.runs.find(session, "fake", OPTIONS):
        if progress.done == 9:
            service.store.forget("ann")
    assert engine.decoded == 9
    assert not session.folder.exists() or not list(session.folder.iterdir())


def test_second_run_of_one_picture_is_refused(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    first = service.runs.find(session, "fake", OPTIONS)
    next(first)
    with pytest.raises(EngineError, match="still in progress"):
        next(service.runs.find(session, "fake", OPTIONS))
    first.close()  # type: ignore[attr-defined]
    assert run(service, session)[-1].stage == "done"


def test_error_leaves_the_last_result(service: Service, engine: FakeEngine, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    before = session.current_masks()[0]
    engine.error = RuntimeError("out of luck")
    with pytest.raises(RuntimeError, match="out of luck"):
        run(service, session, OPTIONS.replace(points_per_side=8))
    assert session.current_masks()[0] == before
    assert session.job is None


def test_same_run_again_needs_no_model(service: Service, engine: FakeEngine, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    decoded = engine.decoded
    assert [progress.stage for progress in run(service, session)] == ["done"]
    assert engine.decoded == decoded


def test_another_model_starts_afresh(photo: Path) -> None:
    engines = {name: FakeEngine(FakeModel(name=name, key=name)) for name in ("fake", "other")}
    service = Service(engines.__getitem__, fake_models("fake", "other"), "fake", [photo])
    session = service.store.open("ann", photo)
    run(service, session)
    list(service.runs.find(session, "other", OPTIONS))
    assert engines["other"].decoded == 36
    assert session.model == "other"


# Refiltering


def test_stricter_needs_no_model(service: Service, engine: FakeEngine, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    decoded, before = engine.decoded, len(session.current_masks()[0])
    told = list(service.runs.refilter(session, OPTIONS.replace(pred_iou_thresh=0.95)))
    assert [progress.stage for progress in told] == ["done"]
    assert told[-1].change is not None
    assert told[-1].change.fewer == before - len(session.current_masks()[0]) > 0
    assert engine.decoded == decoded


def test_looser_decodes_only_what_is_missing(service: Service, engine: FakeEngine, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    told = list(service.runs.refilter(session, OPTIONS.replace(pred_iou_thresh=0.7)))
    assert {progress.stage for progress in told} == {"decode", "done"}  # the picture is not read again
    assert 0 < engine.decoded - 36 < 36
    assert engine.encoded == 1


def test_where_to_look_is_left_to_the_next_run(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    list(service.runs.refilter(session, OPTIONS.replace(points_per_side=12, pred_iou_thresh=0.9)))
    assert session.result is not None
    assert session.result.options == OPTIONS.replace(pred_iou_thresh=0.9)


def test_stopped_run_is_refiltered_without_going_on(service: Service, engine: FakeEngine, photo: Path) -> None:
    session = service.store.open("ann", photo)
    for progress in service.runs.find(session, "fake", OPTIONS):
        if progress.done == 18 and session.job is not None:
            session.job.cancel.set()
    decoded = engine.decoded
    list(service.runs.refilter(session, OPTIONS.replace(pred_iou_thresh=0.9)))
    assert engine.decoded == decoded
    assert session.result is not None
    assert session.result.partial
    list(service.runs.resume(session))
    assert engine.decoded == 36


def test_nothing_changed_tells_nothing(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    assert not list(service.runs.refilter(session, OPTIONS))  # no result yet
    run(service, session)
    assert not list(service.runs.refilter(session, OPTIONS))


# Visitors


def test_visitors_do_not_see_each_other(service: Service, photo: Path) -> None:
    ann, bob = service.store.open("ann", photo), service.store.open("bob", photo)
    assert service.store.get("ann", ann.id) is ann
    for owner, name in (("bob", ann.id), ("ann", bob.id), ("", ann.id), ("ann", None), ("ann", {"id": 1})):
        with pytest.raises(RunGoneError):
            service.store.get(owner, name)


def test_new_picture_gives_up_the_old_one(service: Service, photo: Path) -> None:
    first = service.store.open("ann", photo)
    second = service.store.open("ann", photo)
    assert service.store.current("ann") is second
    with pytest.raises(RunGoneError):
        service.store.get("ann", first.id)


def test_nothing_opened(service: Service) -> None:
    with pytest.raises(NoImageError, match="open a photo or pick a sample"):
        service.store.current("ann")


def test_store_is_bounded_in_bytes(engine: FakeEngine, photo: Path) -> None:
    one = 37 * 53 * 3
    service = Service(lambda name: engine, fake_models(), "fake", [photo], store_bytes=2 * one)
    sessions = [service.store.open(owner, photo) for owner in ("ann", "bob", "eve")]
    with pytest.raises(RunGoneError, match="no longer on the server"):
        service.store.current("ann")
    assert service.store.current("eve") is sessions[2]


def test_files_go_with_the_visitor(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    (session.folder / "masks.bin").write_bytes(b"x")
    folder = session.folder
    service.store.forget("ann")
    service.store.forget("ann")
    assert not folder.exists()
    assert list(service.store.scratch.iterdir()) == []


# Models, limits, forecasts


def test_unknown_model(service: Service, photo: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"There is no model 'vit_x'\. The models are: fake, other"):
        next(service.runs.find(service.store.open("ann", photo), "vit_x", OPTIONS))


def test_model_that_cannot_be_loaded(photo: Path) -> None:
    def broken(name: str) -> FakeEngine:
        raise CheckpointNotFoundError("no file")

    service = Service(broken, fake_models(), "fake", [photo])
    session = service.store.open("ann", photo)
    with pytest.raises(CheckpointNotFoundError):
        next(service.runs.find(session, "fake", OPTIONS))
    assert session.job is None
    assert service.models.thresholds("fake") == {}
    service.samples.prepare()
    assert service.samples.first.ready.is_set()
    assert service.samples.first.error == "no file"


@pytest.mark.parametrize(
    ("grid", "work"),
    [
        (GridOptions(), Workload(1024, 1)),  # upstream's defaults
        (GridOptions(points_per_side=8, crop_n_layers=1), Workload(64 * 5, 5)),  # one layer: 4 crops more
        (GridOptions(points_per_side=8, crop_n_layers=2, crop_n_points_downscale_factor=2),
         Workload(64 + 4 * 16 + 16 * 4, 21)),  # thinner grids in the crops
        (GridOptions(points_per_side=None, point_grids=(((0.5, 0.5), (0.1, 0.2)), ((0.5, 0.5),)), crop_n_layers=1),
         Workload(2 + 4, 5)),  # own points, by layer
        (GridOptions(adaptive_points=0.35, crop_n_layers=1), Workload(358 * 5, 5)),  # a share of each crop's
        (GridOptions(points_per_side=None, point_grids=(((0.5, 0.5),),), adaptive_points=0.35), Workload(1, 1)),
    ],
)  # fmt: skip
def test_workload(grid: GridOptions, work: Workload) -> None:
    assert workload(grid) == work


def test_model_that_is_not_here_is_fetched_once(engine: FakeEngine, photo: Path, tmp_path: Path) -> None:
    asked = []

    def fetch(name: str, tell: Callable[[int, int, float], None], cancel: threading.Event) -> Path:
        asked.append(name)
        tell(5, 20, 2.0)
        time.sleep(0.05)
        return tmp_path / "model.pt"

    models = [replace(fake_models("fake")[0], path=None)]
    service = Service(lambda name: engine, models, "fake", [photo], fetch=fetch)
    session = service.store.open("ann", photo)
    told = list(service.runs.fetch(session, "fake"))
    assert {progress.stage for progress in told} == {"fetch"}
    assert told[-1] == run_module.Progress("fetch", 5, 20, 6.0)
    assert list(service.runs.fetch(session, "fake")) == []
    assert asked == ["fake"]
    assert session.job is None


def test_fetching_can_be_stopped(engine: FakeEngine, photo: Path) -> None:
    def fetch(name: str, tell: Callable[[int, int, float], None], cancel: threading.Event) -> Path:
        assert cancel.wait(30)
        raise DownloadError("stopped")

    models = [replace(fake_models("fake")[0], path=None)]
    service = Service(lambda name: engine, models, "fake", [photo], fetch=fetch)
    session = service.store.open("ann", photo)
    stages = []
    for progress in service.runs.fetch(session, "fake"):
        stages.append(progress.stage)
        service.runs.stop(session)
    assert stages[-1] == "stopped"
    assert service.models["fake"].path is None


def test_fetching_that_fails(engine: FakeEngine, photo: Path) -> None:
    def fetch(name: str, tell: Callable[[int, int, float], None], cancel: threading.Event) -> Path:
        raise DownloadError("no network")

    models = [replace(fake_models("fake")[0], path=None)]
    service = Service(lambda name: engine, models, "fake", [photo], fetch=fetch)
    with pytest.raises(DownloadError, match="no network"):
        list(service.runs.fetch(service.store.open("ann", photo), "fake"))


def test_too_much_work_is_refused_with_the_numbers(service: Service, photo: Path) -> None:
    options = GeneratorOptions(points_per_side=128, crop_n_layers=2)
    with pytest.raises(OptionError, match=r"344,064 points in 21 crops, but at most 100,000"):
        next(service.runs.find(service.store.open("ann", photo), "fake", options))
    with pytest.raises(OptionError, match="at most 100,000"):
        run_to_end(service.runs.find_alone(load_image(photo), "fake", options))


def test_forecast_says_nothing_before_it_was_measured() -> None:
    speeds = Speeds()
    assert speeds.run_seconds("m", Workload(100, 1)) is None
    speeds.record_decode("m", 2.0, 200)
    assert speeds.run_seconds("m", Workload(100, 1)) is None
    speeds.record_encode("m", 3.0, 1)
    assert speeds.run_seconds("m", Workload(100, 2)) == pytest.approx(7.0)
    assert speeds.run_seconds("other", Workload(100, 1)) is None


def test_cached_reading_does_not_spoil_the_forecast() -> None:
    speeds = Speeds()
    speeds.record_encode("m", 3.0, 1)
    speeds.record_encode("m", 0.001, 1)
    assert speeds.encode_seconds("m") == 3.0
    speeds.record_encode("m", 2.0, 1)
    assert speeds.encode_seconds("m") == 2.0


def test_background_sample_measures_and_is_shared(photo: Path) -> None:
    engine = FakeEngine(encode_seconds=0.01, chunk_seconds=0.001)
    service = Service(lambda name: engine, fake_models(), "fake", [photo])
    early = service.samples.open("ann", "my photo")
    assert early.result is None
    service.samples.prepare()
    assert service.runs.speeds.run_seconds("fake", Workload(100, 1)) is not None
    late = service.samples.open("bob", "my photo")
    assert late.result is service.samples.first.result
    service.samples.give_masks(early)
    assert early.result is late.result
    assert service.models.thresholds("fake") == {"pred_iou_thresh": 0.88, "stability_score_thresh": 0.95}


def test_unknown_sample(service: Service) -> None:
    with pytest.raises(NoImageError, match=r"There is no sample 'x'\. The samples are: my photo"):
        service.samples.open("ann", "x")


def test_file_that_is_no_picture(service: Service, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("hello")
    with pytest.raises(UnreadableImageError, match=r"notes.jpg"):
        service.store.open("ann", tmp_path / "notes.jpg")


# Taking away


def test_export_of_chosen_masks(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    ids = list(session.current_masks()[0][:3])
    report = export_photo(session, service.models, "coco", ids)
    assert session.folder in report.path.parents
    assert report.path.name.startswith("my photo")
    assert len(json.loads(report.path.read_text())["annotations"]) == 3


@pytest.mark.parametrize(
    ("name", "ids", "error"),
    [
        ("docx", [1], ExportError),  # no such format
        (None, [1], ExportError),  # no format
        (["coco"], [1], ExportError),  # a list
        ("coco", [], ExportError),  # nothing chosen
        ("coco", ["1", 1.0, True, None], ExportError),  # no whole numbers
        ("coco", [1, 10**9], RunGoneError),  # a number that is not there
    ],
)
def test_export_refuses(
    service: Service, photo: Path, name: object, ids: list[object], error: type[AutoMaskError]
) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    with pytest.raises(error):
        export_photo(session, service.models, name, ids)


def test_show_only_is_no_filter_of_the_result(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    total = len(session.current_masks()[0])
    assert session.show_only(ShowOnly(smallest=1e9)).fewer == total
    assert session.result is not None
    assert len(session.result.masks) == total


def test_find_alone_leaves_no_session(service: Service, photo: Path) -> None:
    result = run_to_end(service.runs.find_alone(load_image(photo), "fake", OPTIONS))
    assert len(result.masks)
    assert not list(service.store.scratch.iterdir())


def test_stopped_run_is_not_lost_by_what_would_measure_it_anew(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    for progress in service.runs.find(session, "fake", OPTIONS):
        if progress.done == 18 and session.job is not None:
            session.job.cancel.set()
    before = session.result
    assert before is not None
    assert len(before.masks)
    with pytest.raises(OptionError, match=r"set it back to 1, press Continue"):
        list(service.runs.refilter(session, OPTIONS.replace(stability_score_offset=1.1)))
    assert session.result is before


def test_adaptive_run_that_ended_is_whole_and_one_that_was_stopped_goes_on(photo: Path) -> None:
    engine = MaskEngine(SamModel.wrap(small_sam()))
    service = Service(lambda name: engine, fake_models("fake"), "fake", [photo])
    options = OPTIONS.replace(points_per_side=8, adaptive_points=0.5)
    session = service.store.open("ann", photo)
    for progress in service.runs.find(session, "fake", options):
        if progress.done and session.job is not None:
            session.job.cancel.set()
    assert stopped_line(Words("en"), session)["text"].startswith(f"Stopped after {progress.done} of 32 points")
    with pytest.raises(OptionError, match="press Continue"):
        list(service.runs.refilter(session, options.replace(stability_score_offset=1.1)))

    last = list(service.runs.resume(session))[-1]
    assert (last.stage, last.done) == ("done", 32 - progress.done)
    assert session.result is not None
    assert not session.result.partial
    # Points that were left out are not points that are still to come.
    assert list(service.runs.refilter(session, options.replace(stability_score_offset=1.1)))[-1].stage == "done"
    assert session.result.candidates.decoded.sum() == 32 * 3


def test_two_exports_of_one_name_do_not_meet(service: Service, photo: Path) -> None:
    session = service.store.open("ann", photo)
    run(service, session)
    ids = list(session.current_masks()[0])
    reports = [export_photo(session, service.models, "coco", ids[:count]) for count in (3, 1, 2, 3, 2)]
    assert len({report.path for report in reports}) == 5
    assert [report.path.exists() for report in reports] == [False, True, True, True, True]
    for report, count in zip(reports[1:], (1, 2, 3, 2), strict=True):
        assert len(json.loads(report.path.read_text())["annotations"]) == count
