"""Masks for clicks: which model is asked, what it is shown, what is offered and remembered, and that no run minds."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from PIL import Image

from automask_ui.errors import CheckpointNotFoundError, EditError, UnknownModelError
from automask_ui.files.images import load_image
from automask_ui.masks import MaskResult, rle
from automask_ui.masks.prompt import Prediction
from automask_ui.options import GeneratorOptions
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.session.edits import OwnMask
from automask_ui.session.offered_masks import Clicks

SIZE_HW = (37, 53)


class SpyEngine(FakeEngine):
    """Remembers what it was shown last."""

    def predict(self, picture: np.ndarray | MaskResult, **shown: Any) -> Prediction:
        self.shown: Mapping[str, Any] = shown
        self.picture = picture
        prediction = super().predict(picture, **shown)
        return self.change(prediction)

    def change(self, prediction: Prediction) -> Prediction:
        return prediction


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((*SIZE_HW, 3), 90, np.uint8)).save(path)
    return path


@pytest.fixture
def engine() -> SpyEngine:
    return SpyEngine(FakeModel())


@pytest.fixture
def service(engine: SpyEngine) -> Service:
    return Service(lambda name: engine, fake_models("fake", "other"), "fake")


@pytest.fixture
def session(service: Service, photo: Path) -> Session:
    return service.store.open("ann", photo)


def click(*places: tuple[float, float, int], box: Any = None, mask_id: int = 0) -> Clicks:
    points = np.array([place[:2] for place in places], np.float64).reshape(-1, 2)
    return Clicks(points, np.array([place[2] for place in places]), None if box is None else np.array(box), mask_id)


def test_one_click_offers_the_alternatives_by_their_scores(service: Service, session: Session) -> None:
    masks = service.clicks.predict(session, "fake", click((20.5, 15.5, 1)), "t")
    assert masks.predicted_iou.tolist() == sorted(masks.predicted_iou.tolist(), reverse=True)
    assert np.float32(0.97) not in masks.predicted_iou  # the one for prompts that leave no doubt
    assert len(masks) == 3
    assert all(rle.decode(one)[15, 20] for one in masks.rle)


@pytest.mark.parametrize("clicks", [click((20, 15, 1), (30, 15, 0)), click(box=[10, 10, 20, 20])])
def test_what_leaves_no_doubt_offers_the_single_mask_first(service: Service, session: Session, clicks: Clicks) -> None:
    masks = service.clicks.predict(session, "fake", clicks, "t")
    assert masks.predicted_iou.tolist() == pytest.approx([0.97, 0.95, 0.9])


def test_refining_begins_with_the_mask_and_a_click_inside_it(
    service: Service, session: Session, engine: SpyEngine
) -> None:
    pixels = np.zeros(SIZE_HW, bool)
    pixels[5:20, 10:25] = True
    (id_,) = session.editor.put_masks("add", [OwnMask(rle.encode(pixels), "painted")])
    masks = service.clicks.predict(session, "fake", click((12.5, 6.5, 0), mask_id=id_), "t")
    assert engine.shown["mask"] == rle.encode(pixels)
    assert engine.shown["points_xy"].tolist() == [[17.5, 12.5], [12.5, 6.5]]
    assert engine.shown["labels"].tolist() == [1, 0]
    assert masks.predicted_iou[0] == np.float32(0.97)
    service.clicks.predict(session, "fake", click(mask_id=id_), "t")
    assert len(engine.shown["points_xy"]) == 1
    session.editor.delete([id_])
    with pytest.raises(EditError, match="no longer there"):
        service.clicks.predict(session, "fake", click(mask_id=id_), "t")


def test_mask_that_thresholds_hide_meanwhile_is_refined_all_the_same(
    service: Service, session: Session, engine: SpyEngine
) -> None:
    options = GeneratorOptions(points_per_side=4)
    for _ in service.runs.find(session, "fake", options):
        pass
    before = session.current_masks()
    for _ in service.runs.refilter(session, replace(options, pred_iou_thresh=0.93)):
        pass
    hidden = sorted(set(before.ids) - set(session.current_masks().ids))
    assert hidden
    assert len(hidden) < len(before.ids)
    for id_ in hidden:
        service.clicks.predict(session, "fake", click((12, 6, 1), mask_id=id_), "t")
        assert engine.shown["mask"] == before.masks.rle[before.ids.index(id_)]
    session.editor.delete(hidden[:1])
    for gone in (hidden[0], 9999):
        with pytest.raises(EditError, match="no longer there"):
            service.clicks.predict(session, "fake", click((12, 6, 1), mask_id=gone), "t")


def test_what_lies_outside_is_cut_to_the_picture(service: Service, session: Session, engine: SpyEngine) -> None:
    service.clicks.predict(session, "fake", click((-0.5, 37.2, 1), (20, 15, 1), box=[-4, 3, 99, 20]), "t")
    assert engine.shown["points_xy"].tolist() == [[0, 37], [20, 15]]
    assert engine.shown["box_xyxy"].tolist() == [0, 3, 53, 20]
    with pytest.raises(EditError, match="no area inside"):
        service.clicks.predict(session, "fake", click(box=[60, 3, 99, 20]), "t")
    with pytest.raises(EditError, match="The point at x 20, y 99 is outside of the picture of 53×37 px"):
        service.clicks.predict(session, "fake", click((20, 15, 1), (20, 99, 1)), "t")


def test_nothing_shown_is_refused(service: Service, session: Session) -> None:
    with pytest.raises(EditError, match="Nothing is shown"):
        service.clicks.predict(session, "fake", click(), "t")
    with pytest.raises(EditError, match="Every click is beside the object"):
        service.clicks.predict(session, "fake", click((20, 15, 0), (9, 9, 0)), "t")


def test_empty_masks_are_not_offered(service: Service, session: Session, engine: SpyEngine) -> None:
    def emptied(prediction: Prediction, rows: list[int]) -> Prediction:
        area, rles = prediction.masks.area.copy(), prediction.masks.rle.copy()
        for row in rows:
            area[row], rles[row] = 0, rle.encode(np.zeros(SIZE_HW, bool))
        return replace(prediction, masks=replace(prediction.masks, area=area, rle=rles))

    engine.change = lambda prediction: emptied(prediction, [1])  # type: ignore[method-assign]
    masks = service.clicks.predict(session, "fake", click((20, 15, 1)), "t")
    assert masks.predicted_iou.tolist() == pytest.approx([0.9, 0.85])
    engine.change = lambda prediction: emptied(prediction, [0, 1, 2, 3])  # type: ignore[method-assign]
    with pytest.raises(EditError, match="finds nothing there"):
        service.clicks.predict(session, "fake", click((20, 15, 1)), "t")


def test_session_remembers_what_was_offered(service: Service, session: Session) -> None:
    masks = service.clicks.predict(session, "fake", click((20, 15, 1)), "t")
    for place, mask in enumerate(masks):
        assert session.offered.candidate("t", place) == OwnMask.of(mask, "clicked")


def test_model_that_found_the_masks_is_asked(photo: Path) -> None:
    engines = {name: SpyEngine(FakeModel(name, key=name)) for name in ("fake", "other")}
    service = Service(engines.__getitem__, fake_models("fake", "other"), "fake")
    session = service.store.open("ann", photo)
    service.clicks.predict(session, "fake", click((20, 15, 1)), "t")
    for _ in service.runs.find(session, "other", GeneratorOptions(points_per_side=4)):
        pass
    service.clicks.predict(session, "fake", click((20, 15, 1)), "t")
    assert (engines["fake"].predicted, engines["other"].predicted) == (1, 1)
    assert engines["other"].picture is session.result  # whose key is known


def test_nothing_is_downloaded(service: Service, session: Session) -> None:
    def missing(name: str) -> None:
        service.models[name] = replace(service.models[name], path=None)

    session.model = "other"
    missing("other")
    service.clicks.predict(session, "fake", click((20, 15, 1)), "t")
    missing("fake")
    with pytest.raises(CheckpointNotFoundError, match="Fake model is not on this machine yet"):
        service.clicks.predict(session, "fake", click((20, 15, 1)), "t")
    with pytest.raises(UnknownModelError, match="no model 'none'"):
        service.clicks.predict(session, "none", click((20, 15, 1)), "t")


def test_run_in_progress_goes_on_and_is_not_waited_for(photo: Path) -> None:
    engine = FakeEngine(FakeModel(), chunk_seconds=0.05)
    service = Service(lambda name: engine, fake_models("fake"), "fake")
    session = service.store.open("ann", photo)
    ended = threading.Event()

    def run() -> None:
        for _ in service.runs.find(session, "fake", GeneratorOptions(points_per_side=16, points_per_batch=8)):
            pass
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    while session.job is None:
        pass
    assert len(service.clicks.predict(session, "fake", click((20, 15, 1)), "t")) == 3
    assert not ended.is_set()
    thread.join()
    assert session.result is not None
    assert not session.result.partial
    assert session.offered.candidate("t", 0)


def test_picture_without_a_visitor(service: Service, photo: Path) -> None:
    masks = service.clicks.predict_alone(load_image(photo), "fake", click((20, 15, 1)))
    assert len(masks) == 3
