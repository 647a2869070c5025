"""What happens on each event: plain values in, plain values out. No component is known here."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from automask_ui.errors import AutoMaskError, LabelError, NoImageError, OptionError, RunGoneError
from automask_ui.export import ExportReport
from automask_ui.files.point_grids import parse_point_grids, read_point_grids
from automask_ui.masks import MaskResult
from automask_ui.masks.explain import explain
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.session.class_names import read_classes
from automask_ui.session.run import Run
from automask_ui.ui.components.status_line import Status, status
from automask_ui.ui.components.viewer import ViewerData, viewer_note
from automask_ui.ui.components.viewer.session_view import Views
from automask_ui.ui.controls import CUSTOM, Controls, preset_values
from automask_ui.ui.editing import take_steps, viewer_edits
from automask_ui.ui.run_queue import Turns
from automask_ui.ui.text import Words, sentences
from automask_ui.ui.text.report import proof_of

__all__ = ["Handlers", "Screen", "Visitor"]

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Visitor:
    """Who asks: the tab, and its language."""

    owner: str
    words: Words


@dataclass(frozen=True)
class Screen:
    """What to change on the page; None leaves a part as it is."""

    view: ViewerData | None = None
    status: Status | None = None
    candidates: str | None = None
    is_busy: bool | None = None  # whether Stop can be pressed, and Find cannot


class Handlers:
    """The page's events on a service; ``turns`` says whose runs wait or are under way."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.views = Views()
        self.turns = Turns()

    # Opening a picture

    def first_visit(self, visitor: Visitor) -> Iterator[Screen]:
        """The first sample with its masks; until they are found, the photo alone."""
        if not self.service.samples:
            yield Screen(None, status(visitor.words.say("status.start")), "")
            return
        session = self.service.open_sample(visitor.owner, next(iter(self.service.samples)))
        sample = self.service.first_sample
        if not sample.ready.is_set():
            yield self.screen(visitor, session, status(visitor.words.say("status.preparing"), "busy", -1))
        while self._is_current(session) and not sample.ready.wait(_POLL_SECONDS):
            pass
        if not self._is_current(session):
            yield self._instead(visitor)
            return
        if sample.result is None:
            line = visitor.words.say("status.no_sample", why=sample.error).strip()
            yield self.screen(visitor, session, status(line, "error"))
            return
        if session.result is None:
            self.service.take_sample(session)
        yield self.screen(visitor, session, status(visitor.words.say("status.sample")))

    def open(self, visitor: Visitor, path: str | None) -> Screen:
        """A photo that was dropped, chosen or pasted."""
        if not path:
            raise NoImageError("There is no picture yet: open a photo or pick a sample first.")
        return self.opened(visitor, self.service.open(visitor.owner, path))

    def open_sample(self, visitor: Visitor, payload: Any) -> Screen:
        """A sample photo, by the name in ``payload``; the first one without a name."""
        name = payload.get("name") if isinstance(payload, dict) else None
        session = self.service.open_sample(visitor.owner, str(name or next(iter(self.service.samples), "")))
        if session.result is not None:
            return self.screen(visitor, session, status(visitor.words.say("status.sample")))
        return self.opened(visitor, session)

    # Running

    def begin(self, visitor: Visitor) -> Screen:
        """Before a run has its turn: note what it is asked for."""
        self.turns.ask(visitor.owner, self.service.store.current(visitor.owner).run)
        return Screen(status=status(visitor.words.say("status.waiting"), "busy", -1), is_busy=True)

    def find(self, visitor: Visitor, controls: Controls) -> Iterator[Screen]:
        """Find masks with everything that the controls say."""
        with self._turn(visitor) as session:
            if session is not None:
                yield from self._find(visitor, session, controls)

    def resume(self, visitor: Visitor) -> Iterator[Screen]:
        """Finish a run that was stopped."""
        with self._turn(visitor) as session:
            if session is not None:
                yield Screen(status=status(visitor.words.say("status.begin"), "busy", -1))
                yield from self._follow(visitor, session, self.service.resume(session))

    def buttons(self, visitor: Visitor) -> Screen:
        """Find and Stop as they are to be: another run may have been asked for meanwhile."""
        return Screen(is_busy=self.turns.is_busy(visitor.owner))

    def stop(self, visitor: Visitor) -> Screen:
        """End the run; one that is in progress then tells of its end itself."""
        self.turns.give_up(visitor.owner)
        session = self.service.store.peek(visitor.owner)
        if session is not None and self.service.stop(session):
            return Screen(status=status(visitor.words.say("status.stopping"), "busy", -1))
        return Screen(status=status(visitor.words.say("status.stopped.none")), is_busy=False)

    def refilter(self, visitor: Visitor, controls: Controls) -> Iterator[Screen]:
        """Apply thresholds, clean-up and Show only to what was found. Nothing to do before there is something."""
        session = self.service.store.peek(visitor.owner)
        if session is None or session.result is None:
            return
        if session.job is not None and session.job.settings is None:
            yield Screen(status=status(visitor.words.say("status.busy"), "busy", -1))
            return
        self.service.supersede(session)
        show, options = controls.show(), controls.options(self.service.thresholds(session.model))
        kept = session.result.options
        if show == session.show and (options.filter, options.cleanup) == (kept.filter, kept.cleanup):
            return
        before = session.before_gesture()
        session.show_only(show)
        with closing(self.service.refilter(session, options)) as run:
            for progress in run:
                if not self._is_current(session):
                    yield replace(self._instead(visitor), is_busy=self.turns.is_busy(visitor.owner))
                    return
                if progress.stage == "superseded":
                    yield self.buttons(visitor)
                    return
                if progress.stage != "done":
                    line = sentences.progress_line(visitor.words, progress, session, 0.0)
                    yield replace(self.screen(visitor, session, line), is_busy=progress.stage != "stopped")
                if progress.stage == "stopped":
                    return
        line = sentences.changed_line(visitor.words, session.difference(before))
        yield replace(self.screen(visitor, session, line), is_busy=self.turns.is_busy(visitor.owner))

    def supersede(self, visitor: Visitor, controls: Controls) -> None:
        """A slider was moved: what is still being done for its last place is of no use."""
        with suppress(NoImageError, RunGoneError, OptionError):
            session = self.service.store.current(visitor.owner)
            self.service.supersede(session, controls.options(self.service.thresholds(session.model)))

    # Around a run

    def forecast(self, visitor: Visitor, controls: Controls) -> str:
        """What a run with these controls will cost, or why there can be none."""
        try:
            options = controls.options(self.service.thresholds(controls.model))
            work = self.service.workload(options)
        except OptionError as error:
            return visitor.words.error(error)
        seconds = self.service.speeds.run_seconds(controls.model, work)
        line = sentences.forecast_line(visitor.words, work, seconds)
        result = self._result_of(visitor)
        # How many points at a time does not change where they are.
        places = replace(options.grid, points_per_batch=1)
        is_new = result is not None and replace(result.options.grid, points_per_batch=1) != places
        return f"{line} · {visitor.words.say('forecast.pending')}" if is_new else line

    def preset(self, preset: str, model: str) -> dict[str, float]:
        """Slider values of a preset for a model."""
        return preset_values(preset, self.service.thresholds(model))

    def matching_preset(self, controls: Controls) -> str:
        """The preset that the controls name, or Custom where a slider was moved away from it."""
        return controls.preset if controls.is_preset(self.service.thresholds(controls.model)) else CUSTOM

    def untouched_preset(self, controls: Controls) -> str:
        """The same where the sliders may still stand where the preset put them for another model."""
        known = (self.service.thresholds(name) for name in self.service.models)
        return controls.preset if any(map(controls.is_preset, known)) else CUSTOM

    def model_info(self, visitor: Visitor, model: str) -> str:
        """What the chosen model is good for."""
        return sentences.model_line(visitor.words, self.service.models[model], self.service.loaded(model))

    def device_line(self, visitor: Visitor, model: str) -> str:
        """Model and device for the header."""
        loaded = self.service.loaded(model)
        title = self.service.models[model].title
        return title if loaded is None else f"{title} · {sentences.device_name(loaded)}"

    def after_error(self, visitor: Visitor) -> Status:
        """The status line once an error was shown."""
        if self._result_of(visitor) is None:
            return status(visitor.words.say("status.failed"), "error")
        masks = len(self.service.store.current(visitor.owner).shown()[0])
        return status(visitor.words.count("status.failed.kept", masks, masks=masks), "error")

    def point_file(self, path: str | None) -> str:
        """The text of a dropped point list, checked."""
        text = read_point_grids(path) if path else ""
        parse_point_grids(text)
        return text

    def preview_points(self, visitor: Visitor, text: str) -> Screen:
        """The points of a pasted list as dots on the picture."""
        layers = parse_point_grids(text) or []
        session = self.service.store.peek(visitor.owner)
        if session is None:
            return Screen()
        points = [[float(x), float(y)] for layer in layers[:1] for x, y in layer]
        view = self.views.data(session, points=points)
        if not layers:
            return Screen(view)
        count = sum(len(layer) for layer in layers)
        line = visitor.words.count("status.points", count, points=count)
        return Screen(view, status(line))

    def edit(self, visitor: Visitor, payload: Any) -> dict[str, Any]:
        """Take steps that the viewer shows already; what came of them, for its ``edits``."""
        session = self._session_of(visitor, payload)
        told, error = None, ""
        try:
            told = take_steps(session, payload.get("steps"))
        except LabelError as refused:
            error = visitor.words.error(refused)
        self.service.store.keep(session)
        way, action = told or ("", None)
        return {
            **viewer_edits(session),
            "answers": payload.get("ticket"),
            "told": {"way": way, **asdict(action)} if action else None,
            "error": error,
        }

    def class_file(self, path: str | None) -> dict[str, Any]:
        """The class list in an uploaded file, for the viewer's ``class_list``: it is looked at before it is taken."""
        return {"names": list(read_classes(path)) if path else [], "key": uuid.uuid4().hex}

    def why(self, visitor: Visitor, payload: Any) -> dict[str, Any] | None:
        """Why there is no mask at a place: the viewer's note there; None where nothing was found yet."""
        session = self._session_of(visitor, payload)
        x, y = payload.get("x"), payload.get("y")
        if session.result is None or type(x) is not int or type(y) is not int:
            return None
        if not session.result.has_candidates:
            return viewer_note(visitor.words.say("why.unknown"), x, y)
        return viewer_note(sentences.why_sentence(visitor.words, session.result, explain(session.result, x, y)), x, y)

    def export(self, visitor: Visitor, payload: Any) -> ExportReport:
        """Write a download."""
        session = self._session_of(visitor, payload)
        ids = payload.get("ids")
        by_class = payload.get("colour_by") == "class"
        return self.service.export(session, payload.get("format"), ids if isinstance(ids, list) else [], by_class)

    def prepare(self, visitor: Visitor, payload: Any) -> tuple[Path | None, dict[str, Any]]:
        """Write a download; its file, if there is one, and what the viewer's ``proof`` says of it."""
        ticket = payload.get("ticket") if isinstance(payload, dict) else None
        try:
            report = self.export(visitor, payload)
        except AutoMaskError as error:
            return None, {"ticket": ticket, "error": True, "sentence": visitor.words.error(error)}
        labels = self._session_of(visitor, payload).edits.labels
        unlabelled = sum(check.id not in labels for check in report.checks)
        proof = proof_of(visitor.words, report, unlabelled if unlabelled < len(report.checks) else 0)
        return report.path, {"ticket": ticket, "error": False, **proof}

    def forget(self, visitor: Visitor) -> None:
        """Free what belongs to a visitor who has left."""
        self.turns.forget(visitor.owner)
        self.service.store.forget(visitor.owner)

    def screen(self, visitor: Visitor, session: Session, line: Status) -> Screen:
        """A session as the page shows it, with ``line`` as its status."""
        view = self.views.data(session, sentences.empty_sentence(visitor.words, session))
        return Screen(view, line, sentences.candidates_line(visitor.words, session.result))

    def opened(self, visitor: Visitor, session: Session) -> Screen:
        """A session that was opened just now."""
        return self.screen(visitor, session, sentences.opened_line(visitor.words, session))

    # Inside

    def _instead(self, visitor: Visitor) -> Screen:
        """What is open now. With it ends what was left: the last answer of a generator Gradio sends once more."""
        session = self.service.store.peek(visitor.owner)
        return Screen() if session is None else self.opened(visitor, session)

    @contextmanager
    def _turn(self, visitor: Visitor) -> Iterator[Session | None]:
        """What a run was asked for; None where it was stopped, or another picture opened, before it had its turn."""
        with self.turns.take(visitor.owner) as run:
            session = self.service.store.current(visitor.owner)
            yield session if session.run == run else None

    def _find(self, visitor: Visitor, session: Session, controls: Controls) -> Iterator[Screen]:
        service = self.service
        yield Screen(status=status(visitor.words.say("status.begin"), "busy", -1))
        # Loaded first: a preset takes the model's own thresholds.
        for progress in service.make_ready(session, controls.model):
            line = sentences.progress_line(visitor.words, progress, session, 0.0)
            yield Screen(status=line) if self._is_current(session) else self._instead(visitor)
            if progress.stage == "stopped":
                return
        options = controls.options(service.thresholds(controls.model))
        session.show_only(controls.show())
        yield from self._follow(visitor, session, service.find(session, controls.model, options))

    def _follow(self, visitor: Visitor, session: Session, run: Run) -> Iterator[Screen]:
        began = time.monotonic()
        with closing(run):
            for progress in run:
                if not self._is_current(session):
                    break
                line = sentences.progress_line(visitor.words, progress, session, time.monotonic() - began)
                if progress.change is None:
                    yield Screen(status=line)
                else:
                    yield self.screen(visitor, session, line)
        if not self._is_current(session):
            yield self._instead(visitor)

    def _result_of(self, visitor: Visitor) -> MaskResult | None:
        session = self.service.store.peek(visitor.owner)
        return None if session is None else session.result

    def _session_of(self, visitor: Visitor, payload: Any) -> Session:
        return self.service.store.get(visitor.owner, payload.get("run") if isinstance(payload, dict) else None)

    def _is_current(self, session: Session) -> bool:
        return self.service.store.peek(session.owner) is session
