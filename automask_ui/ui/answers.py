"""What Gradio calls on each event: component values and the request in, outputs out. The work is in handlers.py."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from automask_ui.project.autosave import Autosave
from automask_ui.ui.arrivals import Arrivals
from automask_ui.ui.components.queue_table import BoardData
from automask_ui.ui.components.status_line import status
from automask_ui.ui.controls import CUSTOM
from automask_ui.ui.errors import friendly
from automask_ui.ui.handlers import Handlers, Visitor
from automask_ui.ui.parts import Parts, arrived, painted, played, read
from automask_ui.ui.text import words_for

__all__ = ["Answers"]

Values = dict[Any, Any]  # by component
Outputs = tuple[Any, ...]


class Answers:
    """Handlers behind Gradio's calling conventions; errors become what a visitor reads."""

    def __init__(self, parts: Parts, handlers: Handlers, autosave: Autosave | None = None) -> None:
        self._parts = parts
        self._handlers = handlers
        self._arrivals = Arrivals(handlers, autosave)
        self._queues = self._arrivals.queues

    # Opening

    @friendly
    def first_visit(self, token: str, request: gr.Request) -> Iterator[Outputs]:
        """What this browser was at, or the first sample."""
        for arrival in self._arrivals.first_visit(_visitor(request), token):
            yield arrived(self._parts, arrival)

    @friendly
    def open_photo(self, path: str | None, request: gr.Request) -> Outputs:
        """A photo."""
        return arrived(self._parts, self._arrivals.open(_visitor(request), path))

    @friendly
    def open_files(self, paths: list[str] | None, request: gr.Request) -> Outputs:
        """Several files, or kept work."""
        return arrived(self._parts, self._arrivals.bring(_visitor(request), paths or []))

    @friendly
    def open_sample(self, event: gr.EventData, request: gr.Request) -> Outputs:
        """A sample photo."""
        return arrived(self._parts, self._arrivals.open_sample(_visitor(request), event._data))

    @friendly
    def open_item(self, event: gr.EventData, request: gr.Request) -> Outputs:
        """A picture of the queue."""
        return arrived(self._parts, self._arrivals.open_item(_visitor(request), event._data))

    def free_drop_zones(self) -> tuple[None, None]:
        """Nothing in the drop zones: a file that could not be opened does not stay there."""
        return None, None

    def leave(self, request: gr.Request) -> None:
        """The tab was closed."""
        self._arrivals.forget(_visitor(request))
        self._handlers.forget(_visitor(request))

    # Running

    @friendly
    def begin(self, request: gr.Request) -> Outputs:
        """Buttons and status at once, before a run has its turn."""
        return painted(self._handlers.begin(_visitor(request)))

    def end(self, request: gr.Request) -> Outputs:
        """Buttons after a run."""
        self._handlers.turns.end(_visitor(request).owner)
        return self.buttons(request)

    def buttons(self, request: gr.Request) -> Outputs:
        """Buttons after an error of anything else that is shown as a run is."""
        return painted(self._handlers.buttons(_visitor(request)))

    @friendly
    def find(self, values: Values, request: gr.Request) -> Iterator[Outputs]:
        """Find masks."""
        yield from played(self._handlers.find(_visitor(request), read(self._parts, values)))

    @friendly
    def resume(self, request: gr.Request) -> Iterator[Outputs]:
        """Continue."""
        yield from played(self._handlers.resume(_visitor(request)))

    @friendly
    def stop(self, request: gr.Request) -> Outputs:
        """Stop."""
        return painted(self._handlers.stop(_visitor(request)))

    def failed(self, request: gr.Request) -> Any:
        """The status line after an error."""
        return self._handlers.after_error(_visitor(request))

    # Several pictures

    @friendly
    def start_queue(self, values: Values, request: gr.Request) -> Iterator[BoardData]:
        """Find the masks of all pictures of the queue."""
        yield from self._queues.start(_visitor(request), read(self._parts, values))

    @friendly
    def stop_queue(self, request: gr.Request) -> BoardData:
        """Stop the queue."""
        return self._queues.stop(_visitor(request))

    @friendly
    def save_queue(self, event: gr.EventData, request: gr.Request) -> Iterator[Outputs]:
        """All pictures as one dataset."""
        yield gr.skip(), self._queues.writing(_visitor(request))
        path, board = self._queues.save(_visitor(request), event._data)
        yield str(path), board

    def close_queue(self, request: gr.Request) -> BoardData:
        """Give the queue up."""
        return self._arrivals.close_queue(_visitor(request))

    def board(self, request: gr.Request) -> BoardData:
        """The queue as it is, after an error."""
        return self._queues.board(_visitor(request))

    # Settings

    @friendly
    def refilter(self, values: Values, request: gr.Request) -> Iterator[Outputs]:
        """Thresholds, clean-up and Show only on what was found."""
        yield from played(self._handlers.refilter(_visitor(request), read(self._parts, values)))

    @friendly
    def choose(self, values: Values, request: gr.Request) -> Outputs:
        """A preset, as it is for the chosen model."""
        controls = read(self._parts, values)
        sliders = None
        if controls.preset != CUSTOM:
            sliders = self._handlers.preset(controls.preset, controls.model)
        return self._settings(values, sliders, request)

    @friendly
    def settle(self, values: Values, request: gr.Request) -> Outputs:
        """What is known once a model is chosen, or loaded; a preset that was not touched takes its thresholds."""
        controls = read(self._parts, values)
        name = self._handlers.untouched_preset(controls)
        sliders = None if name == CUSTOM else self._handlers.preset(name, controls.model)
        return self._settings(values, sliders, request)

    @friendly
    def moved(self, values: Values, request: gr.Request) -> Outputs:
        """A slider was moved: the preset is no longer what it says."""
        self._handlers.supersede(_visitor(request), read(self._parts, values))
        return self._settings(values, None, request)

    @friendly
    def preview(self, text: str, request: gr.Request) -> Outputs:
        """A pasted point list as dots."""
        return painted(self._handlers.preview_points(_visitor(request), text))

    @friendly
    def point_file(self, path: str | None) -> str:
        """A point list from a file."""
        return self._handlers.point_file(path)

    # What the picture and the table ask for

    @friendly
    def prepare(self, event: gr.EventData, request: gr.Request) -> Iterator[Outputs]:
        """A file to download, and what is in it, to be read before it is saved."""
        visitor = _visitor(request)
        yield gr.skip(), gr.skip(), status(visitor.words.say("status.exporting"), "busy", -1)
        path, proof = self._handlers.prepare(visitor, event._data)
        line = status(proof["sentence"], "error" if path is None else "done")
        yield gr.skip() if path is None else str(path), gr.update(proof=proof), line

    @friendly
    def edit(self, event: gr.EventData, request: gr.Request) -> Any:
        """Labels, what is hidden and deleted, and the way back."""
        return gr.update(edits=self._handlers.edit(_visitor(request), event._data))

    @friendly
    def class_file(self, path: str | None) -> Any:
        """A class list from a file."""
        return gr.update(class_list=self._handlers.class_file(path))

    @friendly
    def why(self, event: gr.EventData, request: gr.Request) -> Any:
        """A click where there is no mask."""
        note = self._handlers.why(_visitor(request), event._data)
        return gr.skip() if note is None else gr.update(note=note)

    def _settings(self, values: Values, sliders: Mapping[str, float] | None, request: gr.Request) -> Outputs:
        """Outputs for ``Parts.settings``; without ``sliders`` these stay, and the preset is named after them."""
        visitor, controls = _visitor(request), read(self._parts, values)
        names = list(self._parts.sliders.all)
        if sliders is None:
            preset, sliders_out = self._handlers.matching_preset(controls), [gr.skip()] * len(names)
        else:
            controls = controls.with_values(sliders)
            preset, sliders_out = gr.skip(), [sliders[name] for name in names]
        return (
            self._handlers.model_info(visitor, controls.model),
            self._handlers.device_line(visitor, controls.model),
            self._handlers.forecast(visitor, controls),
            preset,
            *sliders_out,
        )


def _visitor(request: gr.Request) -> Visitor:
    # Without a session, as plain HTTP may call, everyone is a stranger to everyone.
    return Visitor(request.session_hash or uuid.uuid4().hex, words_for(request.headers))
