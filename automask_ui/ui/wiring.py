"""Every event of the page, in a row: which component calls which handler, and what that may change."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from automask_ui.ui.controls import CUSTOM
from automask_ui.ui.handlers import Handlers
from automask_ui.ui.listener import listener
from automask_ui.ui.parts import Parts

__all__ = ["MODEL_QUEUE", "wire"]

# One model run at a time in the whole process, whichever event asks for it.
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
# On nothing: otherwise the page tells all outputs of each step of an event, one by one, though none of them shows it.
_HIDDEN: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
# Past the queue: only for what cannot fail, or tells of it in its answer: Gradio shows no error of such an event.
_QUICK: dict[str, Any] = {"queue": False, **_HIDDEN}
_QUEUED: dict[str, Any] = {"concurrency_limit": None, **_HIDDEN}
# Sliders: what comes while one answer is under way is answered once, with the last values.
_LATEST: dict[str, Any] = {"trigger_mode": "always_last", **_HIDDEN}
_REFILTER: dict[str, Any] = {"concurrency_id": "refilter", "concurrency_limit": 4, **_LATEST}
_WRITING: dict[str, Any] = {"concurrency_id": "export", "concurrency_limit": 2, **_HIDDEN}

# The tab's own token, and those of closed ones.
TOKEN = (Path(__file__).parent / "token.js").read_text(encoding="utf-8")
# page.js notes that a slider was moved.
_NAME_PRESET = f"(preset) => window.automaskMoves.taken() ? {json.dumps(CUSTOM)} : preset"
_NOW = "() => String(performance.now())"
# What the page does with an answer, for each of all controls, would hold up the painting of masks that came just now.
_SOON = "() => new Promise((tell) => setTimeout(() => tell(String(performance.now())), 150))"
_CLICK_DOWNLOAD = "() => document.getElementById('download').click()"
_CLICK_DATASET = "() => document.getElementById('dataset').click()"
_CLICK_CLASSES = "() => document.getElementById('classes-file').click()"
_CHOOSE_AGAIN = "() => { document.querySelector('#model select').dispatchEvent(new Event('change')); }"

# Binds a handler to an event: the event, the handler, its inputs, what it may change, and how it is queued.
_On = Callable[..., Any]


def wire(page: gr.Blocks, parts: Parts, handlers: Handlers) -> None:
    """Attach all events of ``page``."""

    def on(event: _On, handler: Callable[..., Any], inputs: Any, outputs: Sequence[Any], **options: Any) -> Any:
        return event(listener(handler, parts, outputs), inputs, list(outputs), **options)

    _wire_runs(on, parts, handlers)
    _wire_opening(on, page, parts, handlers)
    _wire_list(on, parts, handlers)
    _wire_settings(on, parts, handlers)
    _wire_viewer(on, parts, handlers)
    page.unload(listener(handlers.reload.leave, parts, ()))


def _wire_runs(on: _On, parts: Parts, handlers: Handlers) -> None:
    """Find, Continue and Stop. A run is ended by our own flag: it then says itself what it has found."""
    runs, settings = handlers.runs, handlers.settings
    running: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "multiple", **MODEL_QUEUE}
    running |= {"show_progress": "minimal", "show_progress_on": parts.status}
    asked = on(parts.run.find.click, runs.begin, None, parts.screen, **_QUEUED)
    found = on(asked.success, runs.find, parts.controls, parts.screen, **running)
    asked_again = on(parts.viewer.resume, runs.begin, None, parts.screen, **_QUEUED)
    resumed = on(asked_again.success, runs.resume, None, parts.screen, **running)
    for begun in (asked, asked_again):
        on(begun.success, settings.refresh, parts.controls, parts.settings, **_QUICK)
    for run in (found, resumed):
        on(run.failure, runs.failed, None, [parts.status], **_QUICK)
        # .then() does not follow an error.
        for after in (run.then, run.failure):
            on(after, runs.end, None, parts.screen, **_QUICK)
            settled = on(after, settings.refresh, parts.controls, parts.settings, **_QUICK)
            # Sliders that were moved during the run count now.
            caught_up = on(settled.then, settings.catch_up, parts.controls, parts.screen, **_REFILTER)
            on(caught_up.then, handlers.reload.keep, None, [parts.status], **_QUEUED)
    on(parts.run.stop.click, runs.stop, None, parts.screen, **_QUICK)


def _wire_opening(on: _On, page: gr.Blocks, parts: Parts, handlers: Handlers) -> None:
    """First visit, upload, samples, recent work."""
    opening, settings = handlers.opening, handlers.settings
    on(page.load, settings.refresh, parts.controls, parts.settings, **_QUICK)
    visited = on(page.load, handlers.reload.load_page, parts.token, parts.arrival, js=TOKEN, **_QUEUED)
    on(visited.then, settings.refresh, parts.controls, parts.settings, **_QUICK)

    photo = parts.photo
    opened = [
        on(photo.upload.upload, opening.open_photo, photo.upload, parts.arrival, **_QUEUED),
        on(photo.files.upload, opening.open_files, photo.files, parts.arrival, **_QUEUED),
        on(photo.samples.pick, opening.open_sample, None, parts.arrival, **_QUEUED),
        on(parts.viewer.open_sample, opening.open_sample, None, parts.arrival, **_QUEUED),
        on(photo.recent.recent_open, opening.open_recent, None, parts.arrival, **_QUEUED),
        # Who looks for a picture does not wait for those that they pass.
        on(parts.pictures.list_open, opening.open_item, None, parts.arrival, trigger_mode="multiple", **_QUEUED),
    ]
    for event in opened:
        on(event.failure, opening.free_drop_zones, None, [photo.upload, photo.files], **_QUICK)
        on(event.success, settings.refresh, parts.controls, parts.settings, **_QUICK)
    on(opened[1].success, handlers.pictures.draw_thumbnails, None, [parts.pictures], **_QUEUED)


def _wire_list(on: _On, parts: Parts, handlers: Handlers) -> None:
    """Several pictures: worked on beside everything else, chunk by chunk."""
    lists, table = handlers.pictures, parts.pictures
    started = on(table.list_start, lists.start_list, parts.controls, [*parts.screen, *parts.controls], **_QUEUED)
    on(table.list_stop, lists.stop_list, None, [table], **_QUEUED)
    on(table.list_close, lists.close_list, None, [table], **_QUEUED)
    on(table.list_remove, lists.remove_item, None, [table], **_QUEUED)
    saved = on(table.list_save, lists.save_list, None, [parts.dataset, table], **_WRITING)
    saved.success(None, None, None, js=_CLICK_DATASET, **_QUICK)
    on(started.then, handlers.reload.keep, None, [table], **_QUEUED)
    on(started.then, handlers.settings.refresh, parts.controls, parts.settings, **_QUICK)
    for event in (started, saved):
        on(event.failure, lists.failed, None, [table], **_QUICK)


def _wire_settings(on: _On, parts: Parts, handlers: Handlers) -> None:
    """Presets, models, sliders, points."""
    runs, settings = handlers.runs, handlers.settings
    sliders, model = parts.sliders, parts.model

    on(parts.about.fold.expand, handlers.models.about, model.model, [parts.about.text], **_QUEUED)

    # The page takes the preset's name off a moved slider itself, at once: an answer could take it off a preset that was
    # chosen meanwhile. Then one event answers all choices and moves, in their order.
    chosen = [model.preset.input, model.model.input]
    waiting, instant, shown = (
        [event for control in controls for event in _events_of(control)]
        for controls in (sliders.waiting, sliders.instant, parts.show.values())
    )
    name_preset: dict[str, Any] = {"fn": None, "inputs": [model.preset], "outputs": [model.preset], "js": _NAME_PRESET}
    named = gr.on([*chosen, *waiting], **name_preset, **_QUICK)
    named.then(None, None, [parts.unsettled], js=_NOW, **_QUICK)
    gr.on(instant, **name_preset, **_QUICK)
    on(parts.unsettled.change, settings.settle, parts.controls, parts.settings, queue=False, **_LATEST)

    # No event may wait for two such answers: Gradio would ask for them in turn, for ever.
    # Past the queue an answer is there sooner, but Gradio shows no error there: that is told behind it.
    answered = [*parts.screen, parts.unfinished]
    at_once = listener(settings.refilter_at_once, parts, answered)
    inputs, says_shown = {*parts.controls, parts.shown}, _says_shown(parts)
    applied = gr.on(instant, at_once, inputs, answered, js=says_shown, queue=False, **_LATEST)
    # After the masks, which are waited for.
    applied.then(None, None, [parts.unsettled], js=_SOON, **_QUICK)
    show_only = listener(settings.show_only, parts, parts.screen)
    filtered = [
        on(parts.unfinished.change, settings.refilter, inputs, parts.screen, js=says_shown, **_REFILTER),
        gr.on(shown, show_only, inputs, parts.screen, js=says_shown, **_REFILTER),
    ]
    for event in filtered:
        on(event.failure, runs.buttons, None, parts.screen, **_QUICK)

    # What is chosen waits for Find masks.
    waits = listener(settings.say_waiting, parts, [parts.status])
    gr.on(chosen, waits, parts.controls, [parts.status], queue=False, **_LATEST)
    fetched = on(model.fetch.click, handlers.models.fetch, model.model, [model.info], **_QUEUED)
    taken = on(model.file.upload, handlers.models.take_file, [model.model, model.file], [model.info], **_QUEUED)
    # Told as the choice that stands now, in turn with all others: by an event of its own, the answer could come after
    # that to a later choice.
    for event in (fetched.then, fetched.failure, taken.then, taken.failure):
        event(None, None, None, js=_CHOOSE_AGAIN, **_QUICK)

    adjusted = on(parts.viewer.adjust, settings.adjust, parts.controls, parts.settings, **_QUEUED)
    on(adjusted.success, settings.refilter, parts.controls, parts.screen, **_REFILTER)

    points = sliders.points
    preview = listener(handlers.points.preview_points, parts, parts.screen)
    pasted = gr.on([points.text.blur, points.text.submit], preview, points.text, parts.screen, **_QUEUED)
    dropped = on(points.file.upload, handlers.points.point_file, points.file, [points.text], **_QUEUED)
    shown = dropped.success(preview, points.text, parts.screen, **_QUEUED)
    for event in (pasted, shown):
        on(event.then, settings.refresh, parts.controls, parts.settings, **_QUICK)


def _says_shown(parts: Parts) -> str:
    """A script that fills in ``parts.shown`` among the controls, in the order in which Gradio hands over a set."""
    place = sorted({*parts.controls, parts.shown}, key=lambda part: part._id).index(parts.shown)
    session = "document.querySelector('#viewer .stage').dataset.session ?? ''"
    return f"(...values) => {{ values[{place}] = {session}; return values; }}"


def _events_of(control: Any) -> list[Any]:
    """What a person does to set ``control``: drag, type, or choose."""
    if isinstance(control, gr.Slider):
        return [control.input, control.release]
    return [control.submit, control.blur] if isinstance(control, gr.Number) else [control.input]


def _wire_viewer(on: _On, parts: Parts, handlers: Handlers) -> None:
    """What the picture and the table ask of the server."""
    masks, viewer = handlers.masks, parts.viewer
    outputs = [parts.download, viewer, parts.status]
    # "multiple": the next one may be asked for while one is being written.
    written = on(viewer.prepare, masks.prepare, None, outputs, trigger_mode="multiple", **_WRITING)
    on(written.failure, handlers.runs.failed, None, [parts.status], **_QUICK)
    viewer.save(None, None, None, js=_CLICK_DOWNLOAD, **_QUICK)
    on(viewer.why, masks.why, None, [viewer], **_QUEUED)
    # One parcel at a time, the next as soon as the answer is there: by Gradio's count the last one is still under way.
    on(viewer.edit, masks.edit, None, [viewer, parts.pictures], trigger_mode="multiple", **_QUEUED)
    # As quick as a pointer moves: past the queue, and beside a run.
    on(viewer.predict, handlers.clicks.predict, parts.model.model, [viewer], trigger_mode="multiple", **_QUICK)
    points, settings = parts.sliders.points, handlers.settings
    looked = on(viewer.look_at, handlers.points.look_at, parts.controls, [points.text, viewer, parts.status], **_QUICK)
    on(looked.then, settings.refresh, parts.controls, parts.settings, **_QUICK)
    viewer.pick_classes(None, None, None, js=_CLICK_CLASSES, **_QUICK)
    on(parts.classes.upload, masks.class_file, parts.classes, [viewer], **_QUEUED)
