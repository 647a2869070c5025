"""Every event of the page, in a row: which component calls which answer, and where that goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from automask_ui.ui.answers import Answers
from automask_ui.ui.parts import Parts

__all__ = ["MODEL_QUEUE", "wire"]

# One model run at a time in the whole process, whichever event asks for it.
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
_HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# Past the queue: only for what cannot fail, since Gradio shows no error of such an event.
_QUICK: dict[str, Any] = {"queue": False, **_HIDDEN}
_ASKED: dict[str, Any] = {"concurrency_limit": None, **_HIDDEN}
# Sliders: what comes while one answer is under way is answered once, with the last values.
_LATEST: dict[str, Any] = {"trigger_mode": "always_last", **_HIDDEN}
_REFILTER: dict[str, Any] = {"concurrency_id": "refilter", "concurrency_limit": 4, **_LATEST}

# The browser's own token: made at its first visit.
TOKEN = (Path(__file__).parent / "token.js").read_text(encoding="utf-8")
_CLICK_DOWNLOAD = "() => document.getElementById('download').click()"
_CLICK_CLASSES = "() => document.getElementById('classes-file').click()"


def wire(page: gr.Blocks, parts: Parts, answers: Answers) -> None:
    """Attach all events of ``page``."""
    _wire_runs(parts, answers)
    _wire_opening(page, parts, answers)
    _wire_queue(parts, answers)
    _wire_settings(parts, answers)
    _wire_viewer(parts, answers)
    page.unload(answers.leave)


def _wire_runs(parts: Parts, answers: Answers) -> None:
    """Find, Continue and Stop. A run is ended by our own flag: it then says itself what it has found."""
    running: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "multiple", **MODEL_QUEUE}
    running |= {"show_progress": "minimal", "show_progress_on": parts.status}
    asked = parts.run.find.click(answers.begin, None, parts.screen, **_ASKED)
    found = asked.success(answers.find, parts.controls, parts.screen, **running)
    asked_again = parts.viewer.resume(answers.begin, None, parts.screen, **_ASKED)
    resumed = asked_again.success(answers.resume, None, parts.screen, **running)
    for run in (found, resumed):
        run.failure(answers.failed, None, parts.status, **_QUICK)
        # .then() does not follow an error.
        for after in (run.then, run.failure):
            after(answers.end, None, parts.screen, **_QUICK)
            settled = after(answers.settle, parts.controls, parts.settings, **_QUICK)
            # Sliders that were moved during the run count now.
            settled.then(answers.refilter, parts.controls, parts.screen, **_REFILTER)
    parts.run.stop.click(answers.stop, None, parts.screen, **_QUICK)


def _wire_opening(page: gr.Blocks, parts: Parts, answers: Answers) -> None:
    """First visit, upload, samples."""
    page.load(answers.settle, parts.controls, parts.settings, **_QUICK)
    visited = page.load(answers.first_visit, parts.token, parts.arrival, js=TOKEN, **_ASKED)
    visited.then(answers.settle, parts.controls, parts.settings, **_QUICK)

    photo, zones = parts.photo, [parts.photo.upload, parts.photo.files]
    opened = [
        photo.upload.upload(answers.open_photo, photo.upload, parts.arrival, **_ASKED),
        photo.files.upload(answers.open_files, photo.files, parts.arrival, **_ASKED),
        photo.samples.pick(answers.open_sample, None, parts.arrival, **_ASKED),
        parts.viewer.open_sample(answers.open_sample, None, parts.arrival, **_ASKED),
        parts.queue.queue_open(answers.open_item, None, parts.arrival, **_ASKED),
    ]
    for event in opened:
        event.failure(answers.free_drop_zones, None, zones, **_QUICK)
        event.success(answers.settle, parts.controls, parts.settings, **_QUICK)


def _wire_queue(parts: Parts, answers: Answers) -> None:
    """Several pictures: worked on beside everything else, chunk by chunk."""
    queue = parts.queue
    started = queue.queue_start(answers.start_queue, parts.controls, queue, **_ASKED)
    queue.queue_stop(answers.stop_queue, None, queue, **_ASKED)
    queue.queue_close(answers.close_queue, None, queue, **_ASKED)
    writing: dict[str, Any] = {"concurrency_id": "export", "concurrency_limit": 2}
    saved = queue.queue_save(answers.save_queue, None, [parts.download, queue], **writing, **_HIDDEN)
    saved.success(None, None, None, js=_CLICK_DOWNLOAD, **_QUICK)
    for event in (started, saved):
        event.failure(answers.board, None, queue, **_QUICK)


def _wire_settings(parts: Parts, answers: Answers) -> None:
    """Presets, models, sliders, points."""
    sliders, show, model = parts.sliders, parts.show, parts.model

    chosen = model.preset.input(answers.choose, parts.controls, parts.settings, **_ASKED)
    changed = model.model.input(answers.settle, parts.controls, parts.settings, **_ASKED)
    for event in (chosen, changed):
        event.then(answers.refilter, parts.controls, parts.screen, **_REFILTER)

    moved = [event for slider in sliders.all.values() for event in (slider.input, slider.release)]
    gr.on(moved, answers.moved, parts.controls, parts.settings, queue=False, **_LATEST)

    instant = [*sliders.keep.values(), *sliders.clean.values(), show.covering]
    slid = [event for slider in instant for event in (slider.input, slider.release)]
    typed = [event for number in (show.smallest, show.largest) for event in (number.submit, number.blur)]
    filtered = gr.on([*slid, *typed, show.unit.input], answers.refilter, parts.controls, parts.screen, **_REFILTER)
    filtered.failure(answers.buttons, None, parts.screen, **_QUICK)

    points = sliders.points
    pasted = gr.on([points.text.blur, points.text.submit], answers.preview, points.text, parts.screen, **_ASKED)
    dropped = points.file.upload(answers.point_file, points.file, points.text, **_ASKED)
    for event in (pasted, dropped.success(answers.preview, points.text, parts.screen, **_ASKED)):
        event.then(answers.settle, parts.controls, parts.settings, **_QUICK)


def _wire_viewer(parts: Parts, answers: Answers) -> None:
    """What the picture and the table ask of the server."""
    # "multiple": the next one may be asked for while one is being written.
    writing: dict[str, Any] = {"concurrency_id": "export", "concurrency_limit": 2, "trigger_mode": "multiple"}
    outputs = [parts.download, parts.viewer, parts.status]
    written = parts.viewer.prepare(answers.prepare, None, outputs, **writing, **_HIDDEN)
    written.failure(answers.failed, None, parts.status, **_QUICK)
    parts.viewer.save(None, None, None, js=_CLICK_DOWNLOAD, **_QUICK)
    parts.viewer.why(answers.why, None, parts.viewer, **_ASKED)
    # One parcel at a time, the next as soon as the answer is there: by Gradio's count the last one is still under way.
    parts.viewer.edit(answers.edit, None, parts.viewer, trigger_mode="multiple", **_ASKED)
    parts.viewer.pick_classes(None, None, None, js=_CLICK_CLASSES, **_QUICK)
    parts.classes.upload(answers.class_file, parts.classes, parts.viewer, **_ASKED)
