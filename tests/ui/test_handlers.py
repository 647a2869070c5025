"""The page's events as plain functions: what a visitor is told and shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import gradio as gr
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from PIL import Image

from automask_ui.errors import AutoMaskError, BusyError, DownloadError, OptionError, RunGoneError
from automask_ui.masks import Verdict
from automask_ui.masks.explain import Reason
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.models.registry import CHECKPOINTS
from automask_ui.options import PARAMETERS, GeneratorOptions
from automask_ui.serving.runs import MAX_WAITING
from automask_ui.serving.service import Service
from automask_ui.session import ShowOnly
from automask_ui.ui.components.viewer import display
from automask_ui.ui.controls import Controls, preset_values
from automask_ui.ui.errors import errors_in_words
from automask_ui.ui.handlers import Changes, Handlers, Visitor
from automask_ui.ui.text import Words, sentences

ANN = Visitor("ann", Words("en"))
VALUES = {**preset_values("balanced", {}), "points_per_side": 6, "points_per_batch": 9, "pred_iou_thresh": 0.8}


pytestmark = pytest.mark.usefixtures("tell_everything")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(FakeModel(pred_iou_thresh=0.8, stability_score_thresh=0.9))


@pytest.fixture
def handlers(engine: FakeEngine, photo: str) -> Handlers:
    return Handlers(Service(lambda name: engine, fake_models("fake"), "fake", [Path(photo)]))


def controls(preset: str = "custom", **changes: Any) -> Controls:
    points_text = changes.pop("points_text", "")
    show = {name: changes.pop(name) for name in ShowOnly.__dataclass_fields__ if name in changes}
    return Controls("fake", preset, {**VALUES, "stability_score_thresh": 0.9, **changes}, points_text, show)


def last(screens: Iterator[Changes]) -> Changes:
    *_, screen = screens
    return screen


def text(screen: Changes) -> str:
    assert screen.status is not None
    return screen.status["text"]


def is_instead(rest: list[Changes], name: str) -> bool:
    """Whether all that is left of a generator is the picture of this name, which was opened meanwhile."""
    (screen,) = rest
    return screen.view is not None and screen.view.name == name and text(screen).startswith(f"{name}, ")


def find(handlers: Handlers, controls: Controls) -> Iterator[Changes]:
    """A run that need not wait."""
    handlers.runs.begin(ANN)
    return handlers.runs.find(ANN, controls)


# Opening


def test_open_shows_the_photo(handlers: Handlers, photo: str) -> None:
    screen = handlers.opening.open_photo(ANN, photo)
    assert text(screen) == "photo.png, 53 × 37 px. Press Find masks."
    assert screen.view is not None
    assert (screen.view.width, screen.view.height, screen.view.masks) == (53, 37, [])
    assert screen.view.image is not None
    assert Path(screen.view.image.path).stat().st_size


def test_open_without_a_photo(handlers: Handlers) -> None:
    with pytest.raises(AutoMaskError, match="open a photo"):
        handlers.opening.open_photo(ANN, None)


def test_first_visit_before_and_after_the_sample_is_ready(handlers: Handlers) -> None:
    waiting = handlers.reload.show_first_sample(ANN)
    assert text(next(waiting)) == "Preparing the sample photo…"
    handlers.service.samples.prepare()
    ready = next(waiting)
    assert ready.view is not None
    assert ready.view.masks
    assert "already done" in text(ready)
    assert last(handlers.reload.show_first_sample(Visitor("bob", Words("ko")))).view is not None


def test_first_visit_gives_way_to_a_photo(handlers: Handlers, photo: str) -> None:
    waiting = handlers.reload.show_first_sample(ANN)
    next(waiting)
    handlers.opening.open_photo(ANN, photo)
    assert is_instead(list(waiting), "photo.png")


def test_sample_that_failed_says_why(handlers: Handlers) -> None:
    handlers.service.samples.first.finish(None, "No file.")
    screen = last(handlers.reload.show_first_sample(ANN))
    assert text(screen) == "The sample could not be prepared. No file."
    assert screen.view is not None
    assert screen.view.image is not None


# Running


def test_find_says_where_it_stands(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    told = [text(screen) for screen in find(handlers, controls())]
    assert told[:2] == ["Starting…", "Loading Fake model…"]
    assert told[2] == "Reading the picture (cannot be interrupted)"
    assert told[3].startswith("9 of 36 points, ")
    assert "masks in " in told[-1]


def test_find_gives_plain_numbers(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    view = last(find(handlers, controls())).view
    assert view is not None
    assert view.layers
    kinds = {type(value) for mask in view.masks for value in mask.values()}
    assert kinds <= {int, float, str, list, bool}
    assert {type(number) for mask in view.masks for number in (*mask["bbox"], *mask["point"], *mask["crop"])} <= {
        int,
        float,
    }


def test_a_mask_is_packed_once(handlers: Handlers, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers.opening.open_photo(ANN, photo)
    found = last(find(handlers, controls())).view
    assert found is not None

    def refuse(number: int, runs: object) -> bytes:
        raise AssertionError(f"mask {number} was packed before")

    monkeypatch.setattr(display, "pack_layer", refuse)
    assert handlers.screens.view(ANN, handlers.service.store.current("ann")).layers == found.layers


def test_preset_takes_the_models_own_thresholds(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, Controls("fake", "quick", {**preset_values("quick", {}), "points_per_batch": 9})))
    result = handlers.service.store.current("ann").result
    assert result is not None
    assert result.options == GeneratorOptions(
        points_per_side=16, points_per_batch=9, pred_iou_thresh=0.8, stability_score_thresh=0.9
    )
    assert preset_values("quick", handlers.service.models.thresholds("fake")) == {
        **preset_values("quick", {}),
        "pred_iou_thresh": 0.8,
        "stability_score_thresh": 0.9,
    }


def test_preset_that_was_not_touched_is_kept_for_another_model(handlers: Handlers) -> None:
    handlers.service.models.load("fake")
    mine = preset_values("balanced", handlers.service.models.thresholds("fake"))
    assert mine["pred_iou_thresh"] == 0.8
    other = Controls("other", "balanced", mine)
    assert handlers.settings.matching_preset(other) == "custom"
    assert handlers.settings.untouched_preset(other) == "balanced"
    assert handlers.settings.untouched_preset(replace(other, values={**mine, "pred_iou_thresh": 0.7})) == "custom"


def test_slider_that_was_moved_counts_before_the_preset_says_custom(handlers: Handlers) -> None:
    values = preset_values("balanced", {})
    untouched = Controls("fake", "balanced", values)
    moved = Controls("fake", "balanced", {**values, "pred_iou_thresh": 0.5})
    assert handlers.settings.matching_preset(untouched) == "balanced"
    assert handlers.settings.matching_preset(moved) == "custom"
    assert moved.options({"pred_iou_thresh": 0.8}).filter.pred_iou_thresh == 0.5
    assert untouched.options({"pred_iou_thresh": 0.8}).filter.pred_iou_thresh == 0.8


def test_untouched_sliders_mean_upstreams_defaults() -> None:
    assert Controls("fake", "custom", preset_values("balanced", {})).options({}) == GeneratorOptions()


def test_own_points(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    preview = handlers.points.preview_points(ANN, "0.25,0.5\n0.75,0.5")
    assert preview.view is not None
    assert preview.view.points == [[0.25, 0.5], [0.75, 0.5]]
    last(find(handlers, controls(points_text="0.25,0.5\n0.75,0.5")))
    result = handlers.service.store.current("ann").result
    assert result is not None
    assert len(result.candidates) == 2 * 3


def test_nothing_found_names_the_filter(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    view = last(find(handlers, controls(pred_iou_thresh=1.0))).view
    assert view is not None
    assert view.empty == "0 of 108 candidates pass. 108 fall to Mask quality 1: lower it?"
    view = last(handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.0, stability_score_thresh=1.0))).view
    assert view is not None
    assert "fall to Edge stability 1" in view.empty


def test_stopped_run_is_partial_and_goes_on(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    session = handlers.service.store.current("ann")
    for screen in find(handlers, controls()):
        if text(screen).startswith("18 of"):
            assert session.job is not None
            session.job.cancel.set()
    assert text(screen).startswith("Stopped after 18 of 36 points: ")
    assert screen.view is not None
    assert screen.view.partial
    handlers.runs.begin(ANN)
    done = last(handlers.runs.resume(ANN))
    assert done.view is not None
    assert not done.view.partial


def test_stop_of_a_run_that_waits_for_its_turn(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    assert text(handlers.runs.begin(ANN)) == "Waiting for a turn…"
    screen = handlers.runs.stop(ANN)
    assert text(screen) == "Stopped before any point was looked at."
    assert screen.is_busy is False
    assert list(handlers.runs.find(ANN, controls())) == []


def test_another_photo_opened_while_a_run_waits(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    handlers.runs.begin(ANN)
    handlers.opening.open_photo(ANN, photo)
    assert list(handlers.runs.find(ANN, controls())) == []


def test_another_photo_opened_during_a_run(handlers: Handlers, engine: FakeEngine, photo: str, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (20, 10)).save(other)
    handlers.opening.open_photo(ANN, photo)
    handlers.runs.begin(ANN)
    run = handlers.runs.find(ANN, controls())
    while not text(next(run)).startswith("9 of"):
        pass
    handlers.opening.open_photo(ANN, str(other))
    assert is_instead(list(run), "other.png")
    assert engine.decoded == 9


def test_end_of_a_left_run_leaves_stop_to_the_next(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    left = find(handlers, controls())
    next(left)
    handlers.opening.open_photo(ANN, photo)
    handlers.runs.begin(ANN)
    list(left)
    handlers.run_queue.acknowledge_end(ANN.owner)
    assert handlers.runs.buttons(ANN).is_busy is True  # the next one waits
    run = handlers.runs.find(ANN, controls())
    next(run)
    assert handlers.runs.buttons(ANN).is_busy is True  # it is under way
    list(run)
    handlers.run_queue.acknowledge_end(ANN.owner)
    assert handlers.runs.buttons(ANN).is_busy is False


def test_slider_leaves_stop_to_a_run_that_waits(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    handlers.run_queue.acknowledge_end(ANN.owner)
    handlers.runs.begin(ANN)
    assert last(handlers.settings.refilter(ANN, controls(box_nms_thresh=0.5))).is_busy is True


def test_a_run_that_never_gets_its_turn_waits_no_more(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    handlers.runs.begin(ANN)
    handlers.run_queue.acknowledge_end(ANN.owner)  # as the page says when the queue is full
    assert handlers.runs.buttons(ANN).is_busy is False
    assert list(handlers.runs.find(ANN, controls())) == []


def test_a_run_that_fails_is_over(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    with pytest.raises(OptionError):
        list(find(handlers, controls(points_text="no points")))
    assert handlers.runs.buttons(ANN).is_busy is False


def test_another_photo_opened_as_a_run_ends(handlers: Handlers, photo: str, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (20, 10)).save(other)
    handlers.opening.open_photo(ANN, photo)
    run = find(handlers, controls())
    while " in " not in text(next(run)):
        pass
    handlers.opening.open_photo(ANN, str(other))
    assert is_instead(list(run), "other.png")


def test_another_photo_opened_while_the_model_is_fetched(photo: str, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (20, 10)).save(other)

    def fetch(name: str, tell: Callable[[int, int, float], None], cancel: Event) -> Path:
        assert cancel.wait(30)
        raise DownloadError(f"{name} was not fetched.")

    models = [replace(fake_models("fake")[0], path=None)]
    handlers = Handlers(Service(lambda name: FakeEngine(), models, "fake", fetch=fetch))
    handlers.opening.open_photo(ANN, photo)
    run = find(handlers, controls())
    next(run)
    next(run)
    handlers.opening.open_photo(ANN, str(other))
    assert is_instead(list(run), "other.png")


def test_leaving_during_a_run(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    run = find(handlers, controls())
    next(run)
    handlers.reload.leave(ANN)
    assert last(run) == Changes()


def test_stop_of_a_run(handlers: Handlers, engine: FakeEngine, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    handlers.runs.begin(ANN)
    run = handlers.runs.find(ANN, controls())
    while not text(next(run)).startswith("18 of"):
        pass
    assert text(handlers.runs.stop(ANN)) == "Stopping after this step…"
    assert text(last(run)).startswith("Stopped after 18 of 36 points")
    assert engine.decoded == 18


def test_status_after_an_error(handlers: Handlers, engine: FakeEngine, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    assert text(handlers.runs.failed(ANN)) == "That did not work. Nothing was changed."
    last(find(handlers, controls()))
    engine.error = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        list(find(handlers, controls(points_per_side=7)))
    assert "The last result is still here" in text(handlers.runs.failed(ANN))


# Sliders


def test_slider_says_what_changed(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    before = last(find(handlers, controls()))
    assert before.view is not None
    screen = last(handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.95)))
    assert screen.view is not None
    lost = len(before.view.masks) - len(screen.view.masks)
    assert text(screen) == f"{len(screen.view.masks)} masks, {lost} fewer"
    assert screen.candidates == f"{len(screen.view.masks)} of 108 candidates pass"
    # The same drag goes on: told is what has changed since it began.
    assert text(last(handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.8)))).endswith("masks, no change")


def test_show_only_hides(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    screen = last(handlers.settings.refilter(ANN, controls(smallest=10_000)))
    assert screen.view is not None
    assert screen.view.masks == []
    assert screen.view.empty.endswith("masks are hidden by Show only: widen it?")


def test_slider_before_anything_is_there(handlers: Handlers, photo: str) -> None:
    assert list(handlers.settings.refilter(ANN, controls())) == []
    handlers.opening.open_photo(ANN, photo)
    assert list(handlers.settings.refilter(ANN, controls())) == []


def test_answers_are_later_than_those_before_though_the_clock_was_set_back(
    handlers: Handlers, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.opening.open_photo(ANN, photo)
    before = last(find(handlers, controls()))
    with monkeypatch.context() as clock:
        clock.setattr("time.time", lambda: 0.0)
        screen = handlers.settings.refilter_at_once(ANN, controls(pred_iou_thresh=0.95))
    assert before.view is not None
    assert screen.view is not None
    assert before.view.said_at <= screen.view.said_at
    assert before.status["said_at"] <= screen.status["said_at"]


def test_slider_is_answered_at_once_where_all_masks_are_known(handlers: Handlers, photo: str) -> None:
    assert handlers.settings.refilter_at_once(ANN, controls()) == Changes()
    handlers.opening.open_photo(ANN, photo)
    assert handlers.settings.refilter_at_once(ANN, controls()) == Changes()
    before = last(find(handlers, controls()))
    assert before.view is not None
    screen = handlers.settings.refilter_at_once(ANN, controls(pred_iou_thresh=0.95))
    assert screen.view is not None
    assert 0 < len(screen.view.masks) < len(before.view.masks)
    assert 0 < before.view.said_at < screen.view.said_at
    assert screen.unfinished is None
    # Past the queue it may arrive after Find has been pressed, and must not take Stop away.
    assert screen.is_busy is None
    assert handlers.settings.refilter_at_once(ANN, controls(pred_iou_thresh=0.95)) == Changes()


def test_slider_that_needs_the_model_is_asked_for_again(handlers: Handlers, engine: FakeEngine, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    session, decoded = handlers.service.store.current("ann"), engine.decoded
    first, second = (handlers.settings.refilter_at_once(ANN, controls(pred_iou_thresh=0.6)) for _ in range(2))
    # News each time: the page asks when the value changes.
    assert first.unfinished is not None
    assert second.unfinished not in (None, first.unfinished)
    assert replace(first, unfinished=None) == Changes()
    assert engine.decoded == decoded
    assert session.job is None
    assert last(handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.6))).view is not None
    assert engine.decoded > decoded


@pytest.mark.parametrize("handler", ["refilter_at_once", "refilter", "show_only"])
def test_slider_of_the_picture_before_leaves_this_one_alone(handlers: Handlers, photo: str, handler: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    before = handlers.service.store.current("ann").id
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    session = handlers.service.store.current("ann")
    found = session.result
    moved = replace(controls(pred_iou_thresh=0.95, smallest=10_000), shown=before)
    answer = getattr(handlers.settings, handler)(ANN, moved)
    assert (answer if isinstance(answer, Changes) else list(answer)) in (Changes(), [])
    assert session.result is found
    assert session.show == ShowOnly()
    answer = getattr(handlers.settings, handler)(ANN, replace(moved, shown=session.id))
    assert isinstance(answer, Changes) or list(answer)
    assert session.show != ShowOnly()


def test_what_goes_wrong_at_once_is_told_when_it_is_asked_for_again(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    assert handlers.settings.refilter_at_once(ANN, controls(pred_iou_thresh=7)).unfinished is not None
    with pytest.raises(OptionError, match="from 0 to 1"):
        last(handlers.settings.refilter(ANN, controls(pred_iou_thresh=7)))


def test_slider_that_needs_the_model_can_be_stopped(handlers: Handlers, engine: FakeEngine, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    session = handlers.service.store.current("ann")
    screens = []
    for screen in handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.6)):
        screens.append(screen)
        if screen.is_busy and text(screen).startswith("9 of"):
            handlers.runs.stop(ANN)
    assert screens[0].is_busy is True
    assert screens[-1].is_busy is False
    assert session.result is not None
    assert session.result.partial
    assert 36 < engine.decoded < 72


def test_another_photo_opened_while_a_slider_has_the_model_work(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    run = handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.6))
    while not text(screen := next(run)).startswith("9 of"):
        pass
    assert screen.is_busy is True
    handlers.opening.open_photo(ANN, photo)
    rest = list(run)
    assert is_instead(rest, "photo.png")
    assert rest[0].is_busy is False


def test_slider_moved_on_gives_up_what_it_was_doing(handlers: Handlers, engine: FakeEngine, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    first = handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.7))
    while not text(told := next(first)).startswith("9 of"):
        pass
    session = handlers.service.store.current("ann")
    assert session.job is not None
    # The same slider's own move, told a moment later, does not end it; nor does letting go of the slider.
    handlers.settings.settle(ANN, controls(pred_iou_thresh=0.7))
    assert handlers.settings.refilter_at_once(ANN, controls(pred_iou_thresh=0.7)) == Changes()
    assert not session.job.cancel.is_set()
    move = Thread(target=handlers.settings.refilter_at_once, args=(ANN, controls(pred_iou_thresh=0.6)))
    move.start()
    assert session.job.cancel.wait(30)
    # Its progress does not stay where nothing comes after it; what does come was told later.
    [ended] = first
    assert text(ended).endswith(" more")
    assert ended.status["kind"] == "done"
    assert ended.status["said_at"] == told.status["said_at"]
    move.join()
    done = last(handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.6)))
    assert done.view is not None
    assert not done.view.partial
    assert session.result is not None
    assert session.result.options.filter.pred_iou_thresh == 0.6


def test_show_only_leaves_alone_what_a_slider_has_the_model_do(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    before = last(find(handlers, controls())).view
    run = handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.6))
    while not text(next(run)).startswith("9 of"):
        pass
    [hidden] = handlers.settings.show_only(ANN, controls(pred_iou_thresh=0.6, smallest=10_000))
    done = last(run).view
    assert hidden.view is not None
    assert done is not None
    assert hidden.view.masks == done.masks == []
    assert not done.partial
    after = last(handlers.settings.show_only(ANN, controls(pred_iou_thresh=0.6))).view
    assert before is not None
    assert after is not None
    assert len(after.masks) > len(before.masks)


def test_slider_during_a_run_waits(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    run = find(handlers, controls())
    while not text(next(run)).startswith("18 of"):
        pass
    assert handlers.settings.refilter_at_once(ANN, controls(pred_iou_thresh=0.9)).unfinished is not None
    assert text(last(handlers.settings.refilter(ANN, controls(pred_iou_thresh=0.9)))) == (
        "The new settings apply when this run ends."
    )


@pytest.mark.parametrize("moved", [{"pred_iou_thresh": 0.95}, {"smallest": 10_000}], ids=str)
def test_end_of_a_run_leaves_another_picture_alone(handlers: Handlers, photo: str, moved: dict[str, Any]) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    found = handlers.service.store.current("ann")
    handlers.opening.open_photo(ANN, photo)
    session = handlers.service.store.current("ann")
    session.restore(found.snapshot())
    assert list(handlers.settings.catch_up(ANN, controls(**moved))) == []
    assert session.result is found.result
    assert session.show == ShowOnly()
    # Of its own run, the end does count.
    last(find(handlers, controls()))
    before = len(session.current_masks().ids)
    last(handlers.settings.catch_up(ANN, controls(**moved)))
    assert len(session.current_masks().ids) < before


def test_forecast(handlers: Handlers, photo: str) -> None:
    assert handlers.settings.forecast(ANN, controls()) == "36 points"
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    assert handlers.settings.forecast(ANN, controls()).startswith("36 points · about ")
    assert handlers.settings.forecast(ANN, controls(points_per_side=8)).endswith("Waits for Find masks: Grid density")
    assert handlers.settings.forecast(ANN, controls(crop_n_layers=1)).startswith("180 points in 5 crops")
    assert "at most 100,000" in handlers.settings.forecast(ANN, controls(points_per_side=128, crop_n_layers=3))


# Hostile values


@pytest.mark.parametrize("value", [float("nan"), None, "0.5", [0.5], True, 1.5], ids=repr)
def test_slider_values_are_checked(handlers: Handlers, photo: str, value: object) -> None:
    handlers.opening.open_photo(ANN, photo)
    with pytest.raises(OptionError, match=r"pred_iou_thresh must be a number from 0 to 1, but is"):
        list(find(handlers, controls(pred_iou_thresh=value)))


@pytest.mark.parametrize(
    "payload", [None, [], "x", {}, {"session": None}, {"session": "0" * 32}, {"session": ["a"]}], ids=repr
)
def test_payload_without_a_run_of_ones_own(handlers: Handlers, photo: str, payload: Any) -> None:
    handlers.opening.open_photo(ANN, photo)
    for ask in (handlers.masks.export, handlers.masks.edit):
        with pytest.raises(RunGoneError):
            ask(ANN, payload)


@pytest.mark.parametrize("ids", [None, "1", [None, "1", 1.5, True, {}], {"0": 1}], ids=repr)
def test_ids_that_are_none(handlers: Handlers, photo: str, ids: Any) -> None:
    run = handlers.opening.open_photo(ANN, photo).view
    assert run is not None
    last(find(handlers, controls()))
    handlers.masks.edit(ANN, {"session": run.session, "steps": [{"do": "hide", "ids": ids, "hidden": True}]})
    assert handlers.service.store.current("ann").edits.hidden == frozenset()
    with pytest.raises(AutoMaskError, match="no mask to download"):
        handlers.masks.export(ANN, {"session": run.session, "format": "masks", "ids": ids})


def test_strangers_cannot_take_a_run(handlers: Handlers, photo: str) -> None:
    view = handlers.opening.open_photo(ANN, photo).view
    assert view is not None
    last(find(handlers, controls()))
    with pytest.raises(RunGoneError):
        handlers.masks.export(Visitor("bob", Words("en")), {"session": view.session, "format": "masks", "ids": [1]})


def test_hidden_masks_are_told_to_the_viewer(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    view = last(find(handlers, controls())).view
    assert view is not None
    number = view.masks[0]["id"]
    handlers.masks.edit(ANN, {"session": view.session, "steps": [{"do": "hide", "ids": [number], "hidden": True}]})
    again = handlers.screens.views.data(handlers.service.store.current("ann"))
    assert again.edits is not None
    assert again.edits["hidden"] == [number]


# Errors as visitors read them


def test_own_errors_are_shown_as_they_are() -> None:
    with pytest.raises(gr.Error, match="points_per_side must be smaller"), errors_in_words(Words("en")):
        raise OptionError("points_per_side must be smaller")


def test_other_errors_are_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> Iterator[int]:
        with errors_in_words(Words("en")):
            yield 1
            raise KeyError("/home/ann/secret.txt")

    steps = fails()
    assert next(steps) == 1
    with pytest.raises(gr.Error) as caught:
        next(steps)
    assert "secret" not in str(caught.value)
    assert "Something went wrong" in str(caught.value)
    assert "secret" in caplog.text


def test_every_slider_value_survives_the_slider() -> None:
    values = preset_values("small", {})
    assert all(PARAMETERS[name].minimum <= value <= PARAMETERS[name].maximum for name, value in values.items())
    assert values["crop_overlap_ratio"] == 0.34
    exact = Controls("fake", "custom", values).options({}).grid.crop_overlap_ratio
    assert exact == 512 / 1500


def test_click_without_a_mask_says_why(handlers: Handlers, photo: str) -> None:
    run = handlers.opening.open_photo(ANN, photo).view
    assert run is not None
    assert handlers.masks.why(ANN, {"session": run.session, "x": 1, "y": 1}) is None
    last(find(handlers, controls(stability_score_thresh=1.0)))
    session = handlers.service.store.current("ann")
    assert session.result is not None
    x, y = (int(part) for part in session.result.candidates.point_xy[session.result.candidates.has_mask][0])
    said = handlers.masks.why(ANN, {"session": run.session, "x": x, "y": y})
    assert said is not None
    assert said.note is not None
    assert "falls to Edge stability 1: lower it?" in said.note["text"]
    for hostile in ("1", None, 1.5, True, [1]):
        assert handlers.masks.why(ANN, {"session": run.session, "x": hostile, "y": 1}) is None


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("kind", ["none", "kept", "dropped", "near"])
@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_every_reason_has_a_sentence(
    handlers: Handlers, photo: str, language: str, kind: str, verdict: Verdict | None
) -> None:
    handlers.opening.open_photo(ANN, photo)
    last(find(handlers, controls()))
    result = handlers.service.store.current("ann").result
    assert result is not None
    assert sentences.why_sentence(Words(language), result, Reason(kind, verdict, 0.5))


# Suggestions: what a sentence asks is a button


def test_an_empty_result_suggests_a_threshold_at_which_there_are_masks(handlers: Handlers, photo: str) -> None:
    handlers.opening.open_photo(ANN, photo)
    view = last(find(handlers, controls(pred_iou_thresh=1.0))).view
    assert view is not None
    assert view.masks == []
    suggestion = view.suggestion
    assert suggestion is not None
    label = re.fullmatch(r"Lower Mask quality to ([\d.]+): up to (\d+) masks", suggestion["label"])
    assert label is not None
    assert float(label[1]) == suggestion["value"]
    now = controls(pred_iou_thresh=1.0)
    settings = handlers.settings.adjust(ANN, replace(now, preset="balanced"), suggestion)
    assert settings.sliders == {"pred_iou_thresh": suggestion["value"]}
    assert settings.preset == "custom"
    view = last(handlers.settings.refilter(ANN, replace(now, values={**now.values, **settings.sliders}))).view
    assert view is not None
    assert 0 < len(view.masks) <= int(label[2])
    assert view.suggestion is None


def test_a_place_without_a_mask_suggests_how_to_get_it(handlers: Handlers, photo: str) -> None:
    run = handlers.opening.open_photo(ANN, photo).view
    assert run is not None
    last(find(handlers, controls(stability_score_thresh=1.0)))
    session = handlers.service.store.current("ann")
    assert session.result is not None
    x, y = (int(part) for part in session.result.candidates.point_xy[session.result.candidates.has_mask][0])
    said = handlers.masks.why(ANN, {"session": run.session, "x": x, "y": y})
    assert said is not None
    assert said.note is not None
    suggestion = said.note["suggestion"]
    assert suggestion["option"] == "stability_score_thresh"
    list(handlers.settings.refilter(ANN, controls(stability_score_thresh=suggestion["value"])))
    masks = session.result.masks if session.result else None
    assert masks is not None
    assert any(mask.segmentation()[y, x] for mask in masks)


@pytest.mark.parametrize(
    "payload",
    [None, {}, {"option": "model", "value": 1}, {"option": ["a"], "value": 1}, {"option": "pred_iou_thresh"},
     {"option": "pred_iou_thresh", "value": 7}, {"option": "pred_iou_thresh", "value": "0.5"}],
)  # fmt: skip
def test_suggestions_that_are_none_are_refused(handlers: Handlers, payload: Any) -> None:
    with pytest.raises(OptionError):
        handlers.settings.adjust(ANN, controls(), payload)


# Crowds


def test_too_many_who_wait_are_told_so(handlers: Handlers, photo: str) -> None:
    crowd = [Visitor(f"visitor {number}", Words("en")) for number in range(MAX_WAITING + 1)]
    for visitor in crowd:
        handlers.opening.open_photo(visitor, photo)
    for visitor in crowd[:-1]:
        handlers.runs.begin(visitor)
    with pytest.raises(BusyError, match=f"{MAX_WAITING} runs are waiting"):
        handlers.runs.begin(crowd[-1])
    handlers.runs.stop(crowd[0])
    handlers.runs.begin(crowd[-1])
    handlers.reload.leave(crowd[1])
    handlers.runs.begin(crowd[0])


def test_stop_of_a_visitor_without_work_frees_the_button(handlers: Handlers) -> None:
    assert handlers.runs.stop(ANN).is_busy is False


@pytest.mark.parametrize(("language", "ready"), [("en", "Ready here"), ("ko", "바로 쓸 수 있음")])
def test_menu_has_models_that_are_here_first_then_families(
    engine: FakeEngine, tmp_path: Path, language: str, ready: str
) -> None:
    far = [AvailableModel(name, name.title(), family, "", "", 375_042_383, None)
           for name, family in (("far", "SAM 2.1"), ("old", "SAM"), ("farther", "SAM 2.1"))]  # fmt: skip
    service = Service(lambda name: engine, [*far, *fake_models("other")], "other", [])
    handlers, visitor = Handlers(service), Visitor("ann", Words(language))
    controls = Controls("other", "balanced", preset_values("balanced", {}))
    other, old = (service.models["other"].title, "other"), ("Old · ↓ 375 MB", "old")
    assert handlers.settings.refresh(visitor, controls).model_groups == [
        {"label": ready, "choices": [other]},
        {"label": "SAM 2.1", "choices": [("Far · ↓ 375 MB", "far"), ("Farther · ↓ 375 MB", "farther")]},
        {"label": "SAM", "choices": [old]},
    ]
    service.models.set_path("far", tmp_path / "far.pth")
    service.models.set_path("farther", tmp_path / "farther.pth")
    assert handlers.settings.refresh(visitor, controls).model_groups == [
        {"label": ready, "choices": [("Far", "far"), ("Farther", "farther"), other]},
        {"label": "SAM", "choices": [old]},
    ]


def menu_labels(told: Changes) -> list[str]:
    """What stands in the menu of models."""
    return [label for group in told.model_groups or () for label, _ in group["choices"]]


def test_times_are_told_before_a_model_has_ever_run(engine: FakeEngine, tmp_path: Path) -> None:
    """By what another model took on this machine, and at once for other settings; then by its own runs."""
    row = CHECKPOINTS["vit_b"]
    rows = [
        AvailableModel(name, CHECKPOINTS[name].title, "SAM", "Good", "", 10**6, tmp_path) for name in ("tiny", "vit_b")
    ]
    service = Service(lambda name: engine, [*rows, replace(rows[1], name="mine")], "tiny", [])
    handlers, coarse = Handlers(service), {**preset_values("balanced", {}), "points_per_side": 10}
    told = handlers.settings.refresh(ANN, Controls("vit_b", "balanced", coarse))
    assert told.forecast == "100 points"
    assert menu_labels(told) == ["Built-in model", row.title, row.title]
    service.runs.speeds.record_encode("tiny", 1.0, 1)
    service.runs.speeds.record_decode("tiny", 1.0, 100)
    expected = round(row.encode_cost + row.decode_cost)
    told = handlers.settings.refresh(ANN, Controls("vit_b", "balanced", coarse))
    assert told.forecast == f"100 points · about {expected} s, judged by Built-in model"
    labels = ["Built-in model · ~2 s", f"{row.title} · ~{expected} s", row.title]  # of one's own: unknown
    assert menu_labels(told) == labels
    service.runs.speeds.record_encode("vit_b", 3.0, 1)
    service.runs.speeds.record_decode("vit_b", 4.0, 100)
    told = handlers.settings.settle(ANN, Controls("vit_b", "custom", coarse | {"points_per_side": 20}))
    assert told.forecast == "400 points · about 19 s"
    assert menu_labels(told)[1] == f"{row.title} · ~19 s"


@pytest.mark.parametrize(
    ("language", "offer"),
    [
        ("en", "For finer masks choose MobileSAM (41 MB) or SAM 2.1 tiny (156 MB), fetched once."),
        ("ko", "MobileSAM (41 MB) 또는 SAM 2.1 tiny (156 MB) 모델을 고르세요."),
    ],
)
def test_built_in_model_offers_a_better_one(engine: FakeEngine, photo: str, language: str, offer: str) -> None:
    handlers = Handlers(Service(lambda name: engine, fake_models("tiny", "other"), "tiny", [Path(photo)]))
    visitor = Visitor("ann", Words(language))
    said, other = (handlers.settings.refresh(visitor, replace(controls(), model=name)) for name in ("tiny", "other"))
    assert said.model_info is not None
    assert offer in said.model_info
    assert ".." not in said.model_info
    assert "MobileSAM" not in (other.model_info or "MobileSAM")
