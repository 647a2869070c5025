"""Every event of the page, in a row: which component calls which handler, and where the answer goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from automask_ui.options import PARAMETERS
from automask_ui.ui.controls import CUSTOM, Controls
from automask_ui.ui.errors import friendly
from automask_ui.ui.handlers import Handlers, Screen, Visitor
from automask_ui.ui.panels import ModelPanel, PhotoPanel, RunPanel, ShowPanel, SlidersPanel
from automask_ui.ui.status import StatusLine, status
from automask_ui.ui.texts import words_for
from automask_ui.ui.viewer import MaskViewer

__all__ = ["MODEL_QUEUE", "Parts", "wire"]

# One model run at a time in the whole process, whichever event asks for it.
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
_QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# Sliders: what comes while one answer is under way is answered once, with the last values.
_LATEST: dict[str, Any] = {
    "concurrency_id": "refilter",
    "concurrency_limit": 4,
    "trigger_mode": "always_last",
    "show_progress": "hidden",
    "api_visibility": "private",
}

_CLICK_DOWNLOAD = "() => document.getElementById('download').click()"


@dataclass(frozen=True)
class Parts:
    """All components that take part in an event."""

    photo: PhotoPanel
    model: ModelPanel
    sliders: SlidersPanel
    show: ShowPanel
    run: RunPanel
    viewer: MaskViewer
    status: StatusLine
    device: gr.Markdown
    download: gr.DownloadButton

    @property
    def controls(self) -> set[Any]:
        """Everything that :func:`read` needs."""
        show = self.show
        singles = {self.model.model, self.model.preset, self.sliders.points.text}
        return singles | {show.smallest, show.largest, show.unit, show.covering} | set(self.sliders.all.values())

    @property
    def screen(self) -> list[Any]:
        """The outputs of :func:`painted`, in its order."""
        return [self.viewer, self.status, self.sliders.candidates]


def read(parts: Parts, values: dict[Any, Any]) -> Controls:
    """Component values as one object."""
    show = parts.show
    return Controls(
        model=values[parts.model.model],
        preset=values[parts.model.preset],
        values={name: values[slider] for name, slider in parts.sliders.all.items()},
        points_text=values[parts.sliders.points.text] or "",
        smallest=values[show.smallest],
        largest=values[show.largest],
        unit=values[show.unit],
        covering=values[show.covering],
    )


def painted(screen: Screen) -> tuple[Any, ...]:
    """Outputs for a screen; what it leaves out stays."""
    return tuple(gr.skip() if part is None else part for part in (screen.view, screen.status, screen.candidates))


def played(screens: Iterator[Screen]) -> Iterator[tuple[Any, ...]]:
    """Outputs for screens one after the other. Gradio would clear every output of a generator that yields nothing."""
    screen = Screen()
    for screen in screens:
        yield painted(screen)
    if screen == Screen():
        yield painted(screen)


def visitor_of(request: gr.Request) -> Visitor:
    """Who asks."""
    return Visitor(request.session_hash or "", words_for(request.headers))


def wire(page: gr.Blocks, parts: Parts, handlers: Handlers) -> None:
    """Attach all events of ``page``."""
    runs = _wire_runs(parts, handlers)
    _wire_opening(page, parts, handlers, runs)
    _wire_controls(parts, handlers)
    _wire_viewer(parts, handlers)

    def leave(request: gr.Request) -> None:
        handlers.forget(visitor_of(request))

    page.unload(leave)


def _wire_runs(parts: Parts, handlers: Handlers) -> list[Any]:
    """Find, Continue and Stop. Gives the events that Stop, or another picture, cancels."""
    run, running = parts.run, {"show_progress": "minimal", "show_progress_on": parts.status, **MODEL_QUEUE}

    def begin(request: gr.Request) -> tuple[Any, ...]:
        line = status(visitor_of(request).words.say("status.waiting"), "busy", -1)
        return gr.update(interactive=False), gr.update(interactive=True), line

    def end() -> tuple[Any, ...]:
        return gr.update(interactive=True), gr.update(interactive=False)

    @friendly
    def find(values: dict[Any, Any], request: gr.Request) -> Iterator[Any]:
        yield from played(handlers.find(visitor_of(request), read(parts, values)))

    @friendly
    def resume(request: gr.Request) -> Iterator[Any]:
        yield from played(handlers.resume(visitor_of(request)))

    @friendly
    def stop(request: gr.Request) -> Iterator[Any]:
        yield from played(handlers.stop(visitor_of(request)))

    @friendly
    def settle(values: dict[Any, Any], request: gr.Request) -> tuple[Any, ...]:
        return _settled(parts, handlers, read(parts, values), visitor_of(request))

    @friendly
    def refilter(values: dict[Any, Any], request: gr.Request) -> Iterator[Any]:
        yield from played(handlers.refilter(visitor_of(request), read(parts, values)))

    @friendly
    def failed(request: gr.Request) -> Any:
        return handlers.after_error(visitor_of(request)) or gr.skip()

    buttons = [run.find, run.stop]
    begins = {"fn": begin, "inputs": None, "outputs": [*buttons, parts.status], **_QUICK}
    found = run.find.click(**begins).then(find, parts.controls, parts.screen, api_visibility="private", **running)
    resumed = parts.viewer.resume(**begins).then(resume, None, parts.screen, api_visibility="private", **running)
    settled = [parts.model.info, parts.device, run.forecast, *parts.sliders.all.values()]
    for event in (found, resumed):
        # Since Gradio 6, .then() does not follow an error: both are needed.
        event.failure(failed, None, parts.status, **_QUICK)
        for after in (event.then, event.failure):
            after(end, None, buttons, **_QUICK)
            # Sliders that were moved during the run count now.
            after(settle, parts.controls, settled, **_QUICK).then(refilter, parts.controls, parts.screen, **_LATEST)
    cancelled = [found, resumed]
    run.stop.click(
        stop, None, parts.screen, cancels=cancelled, concurrency_limit=None,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    return cancelled


def _settled(parts: Parts, handlers: Handlers, controls: Controls, visitor: Visitor) -> tuple[Any, ...]:
    """What is known only once a model was loaded and has run: its device, its thresholds, its speed."""
    values = handlers.preset(controls.preset, controls.model)
    sliders = [gr.skip()] * len(PARAMETERS) if values is None else [values[name] for name in parts.sliders.all]
    info = handlers.model_info(visitor, controls.model)
    return (info, handlers.device_line(visitor, controls.model), handlers.forecast(visitor, controls), *sliders)


def _wire_opening(page: gr.Blocks, parts: Parts, handlers: Handlers, runs: list[Any]) -> None:
    """First visit, upload, samples."""
    outputs = [parts.photo.upload, *parts.screen]
    common: dict[str, Any] = {
        "cancels": runs,
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": 4,
    }

    @friendly
    def first_visit(request: gr.Request) -> Iterator[Any]:
        yield from played(handlers.first_visit(visitor_of(request)))

    @friendly
    def settle(values: dict[Any, Any], request: gr.Request) -> tuple[Any, ...]:
        return _settled(parts, handlers, read(parts, values), visitor_of(request))

    @friendly
    def open_photo(path: str | None, request: gr.Request) -> tuple[Any, ...]:
        return (None, *painted(handlers.open(visitor_of(request), path)))

    @friendly
    def open_sample(event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        return (None, *painted(handlers.open_sample(visitor_of(request), event._data)))

    settled = [parts.model.info, parts.device, parts.run.forecast, *parts.sliders.all.values()]
    page.load(settle, parts.controls, settled, **_QUICK)
    visited = page.load(
        first_visit, None, parts.screen, show_progress="hidden", api_visibility="private", concurrency_limit=None
    )
    visited.then(settle, parts.controls, settled, **_QUICK)

    # The photo goes to the viewer, and the drop zone is free for the next one.
    parts.photo.upload.upload(open_photo, parts.photo.upload, outputs, **common)
    parts.photo.samples.pick(open_sample, None, outputs, **common)
    parts.viewer.open_sample(open_sample, None, outputs, **common)


def _wire_controls(parts: Parts, handlers: Handlers) -> None:
    """Presets, models, sliders."""
    sliders, show = parts.sliders, parts.show

    @friendly
    def choose(values: dict[Any, Any], request: gr.Request) -> tuple[Any, ...]:
        return _settled(parts, handlers, read(parts, values), visitor_of(request))

    @friendly
    def refilter(values: dict[Any, Any], request: gr.Request) -> Iterator[Any]:
        yield from played(handlers.refilter(visitor_of(request), read(parts, values)))

    @friendly
    def forecast(values: dict[Any, Any], request: gr.Request) -> str:
        return handlers.forecast(visitor_of(request), read(parts, values))

    @friendly
    def preview(text: str, request: gr.Request) -> tuple[Any, ...]:
        return painted(handlers.preview_points(visitor_of(request), text))

    @friendly
    def read_file(path: str | None) -> Any:
        return handlers.point_file(path)

    settled = [parts.model.info, parts.device, parts.run.forecast, *sliders.all.values()]
    for chosen in (parts.model.preset.input, parts.model.model.input):
        chosen(choose, parts.controls, settled, **_QUICK).then(refilter, parts.controls, parts.screen, **_LATEST)

    # Moving a slider makes the settings the visitor's own. In the browser, so that the server's answer cannot be late.
    moved = [slider.input for slider in sliders.all.values()] + [slider.release for slider in sliders.all.values()]
    gr.on(moved, None, None, parts.model.preset, js=f"() => '{CUSTOM}'", **_QUICK)

    instant = [event for slider in (*sliders.keep.values(), *sliders.clean.values(), show.covering)
               for event in (slider.input, slider.release)]  # fmt: skip
    typed = [event for number in (show.smallest, show.largest) for event in (number.submit, number.blur)]
    gr.on([*instant, *typed, show.unit.input], refilter, parts.controls, parts.screen, **_LATEST)

    look = [event for slider in sliders.look.values() for event in (slider.input, slider.release)]
    gr.on(look, forecast, parts.controls, parts.run.forecast, trigger_mode="always_last", **_QUICK)

    points = sliders.points
    gr.on([points.text.blur, points.text.submit], preview, points.text, parts.screen, **_QUICK).then(
        forecast, parts.controls, parts.run.forecast, **_QUICK
    )
    points.file.upload(read_file, points.file, points.text, **_QUICK).then(
        preview, points.text, parts.screen, **_QUICK
    ).then(forecast, parts.controls, parts.run.forecast, **_QUICK)


def _wire_viewer(parts: Parts, handlers: Handlers) -> None:
    """What the picture and the table ask of the server."""

    @friendly
    def export(event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        report = handlers.export(visitor_of(request), event._data)
        return str(report.path), status(report.summary, "done")

    @friendly
    def hide(event: gr.EventData, request: gr.Request) -> None:
        handlers.set_hidden(visitor_of(request), event._data)

    written = parts.viewer.download(
        export, None, [parts.download, parts.status], show_progress="hidden", api_visibility="private",
        concurrency_id="export", concurrency_limit=2,
    )  # fmt: skip
    written.success(None, None, None, js=_CLICK_DOWNLOAD, **_QUICK)
    parts.viewer.visibility(hide, None, None, **_QUICK)
