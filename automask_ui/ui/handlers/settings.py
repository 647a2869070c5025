"""Sliders, presets, models and points of one's own: what they set on the page, and what they filter at once."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from automask_ui.errors import AutoMaskError, OptionError
from automask_ui.options import PARAMETERS, PRESETS, GeneratorOptions, check_value
from automask_ui.serving.runs import RunQueue
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly
from automask_ui.session.run import Forecast
from automask_ui.ui.components.status_line import status
from automask_ui.ui.controls import CUSTOM, Controls
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences

__all__ = ["SettingsHandlers"]

_NAMED = 4  # settings that wait for a run, named one by one


class SettingsHandlers:
    """The controls on the left, but for the buttons of a run."""

    def __init__(self, service: Service, screens: Screens, run_queue: RunQueue) -> None:
        self._service, self._screens, self._queue = service, screens, run_queue

    def refilter(self, visitor: Visitor, controls: Controls) -> Generator[Changes, None, None]:
        """Apply thresholds, clean-up and Show only to what was found. Nothing to do before there is something."""
        if session := _found_by(self._service, visitor, controls):
            options = controls.options(self._service.models.thresholds(session.model))
            yield from self._apply(visitor, session, controls.show(), options)

    def refilter_at_once(self, visitor: Visitor, controls: Controls) -> Changes:
        """Do what `refilter` does where nothing has to be decoded; else, or where it fails, let the page ask for it."""
        session = _found_by(self._service, visitor, controls)
        if session is None:
            return Changes()
        with suppress(OptionError):
            # What is still being done for where a slider was before comes to nothing.
            options = controls.options(self._service.models.thresholds(session.model))
            self._service.runs.supersede(session, options)
        if (job := session.job) is not None and job.refilter_options is not None:
            return Changes()  # these settings are being applied already
        with suppress(AutoMaskError), closing(self.refilter(visitor, controls)) as run:
            changes = next(run, Changes())
            if session.job is None:
                return replace(changes, is_busy=None)  # a run that was asked for meanwhile may have set the buttons
        return Changes(unfinished=uuid.uuid4().hex)

    def show_only(self, visitor: Visitor, controls: Controls) -> Iterator[Changes]:
        """Apply Show only, and nothing else: what a preset has set meanwhile waits for Find masks."""
        session = _found_by(self._service, visitor, controls)
        if session is not None and session.result is not None:
            if session.job is not None and session.job.refilter_options is not None:
                session.show_only(controls.show())  # so are those shown that a slider has the model make
                yield Changes(self._screens.view(visitor, session))
            else:
                yield from self._apply(visitor, session, controls.show(), session.result.options)

    def catch_up(self, visitor: Visitor, controls: Controls) -> Iterator[Changes]:
        """Apply, once a run has ended, what was moved meanwhile; a preset chosen meanwhile waits for Find masks."""
        is_moved = self.matching_preset(controls) == CUSTOM
        own = replace(controls, shown=self._queue.last(visitor.owner))  # another picture may be open by now
        yield from (self.refilter if is_moved else self.show_only)(visitor, own)

    def _apply(
        self, visitor: Visitor, session: Session, show: ShowOnly, options: GeneratorOptions
    ) -> Iterator[Changes]:
        """Apply ``options`` and ``show`` to what was found in ``session``, which has a result."""
        if session.job is not None and session.job.refilter_options is None:
            yield Changes(status=status(visitor.words.say("status.busy"), "busy", -1))
            return
        self._service.runs.supersede(session)
        assert session.result is not None
        kept = session.result.options
        if show == session.show and (options.filter, options.cleanup) == (kept.filter, kept.cleanup):
            return
        before = session.before_gesture()
        session.show_only(show)
        told = status("")
        with closing(self._service.runs.refilter(session, options)) as run:
            for progress in run:
                if not self._screens.is_current(session):
                    is_busy = self._queue.is_busy(visitor.owner)
                    yield replace(self._screens.show_current(visitor), is_busy=is_busy)
                    return
                if progress.stage == "superseded":
                    ended = sentences.given_up_line(visitor.words, session.difference(before), told)
                    yield Changes(status=ended, is_busy=self._queue.is_busy(visitor.owner))
                    return
                if progress.stage != "done":
                    told = sentences.progress_line(visitor.words, progress, session, 0.0)
                    is_busy = progress.stage != "stopped"
                    yield replace(self._screens.show(visitor, session, told), is_busy=is_busy)
                if progress.stage == "stopped":
                    return
        line = sentences.changed_line(visitor.words, session.difference(before))
        shown, followed = self._screens.show(visitor, session, line), self._screens.followed(visitor)
        yield replace(shown, is_busy=self._queue.is_busy(visitor.owner), picture_list=followed)

    def settle(self, visitor: Visitor, controls: Controls) -> Changes:
        """Show what the controls say now: a preset sets its sliders, for the chosen model; nothing is found yet.

        The page asks for this after every choice and every move, one answer after the other: what it tells is told in
        the order in which it was done. It takes the preset's name off a moved slider itself, before it asks.
        """
        if controls.preset not in PRESETS:
            return self._changes(visitor, controls, CUSTOM)
        if self.untouched_preset(controls) == CUSTOM:
            return self._changes(visitor, controls, controls.preset)
        return self.refresh(visitor, controls)

    def say_waiting(self, visitor: Visitor, controls: Controls) -> Changes:
        """Say in the status line what a choice waits for, unless a run has something to say there."""
        session = self._service.store.peek(visitor.owner)
        if session is None or session.result is None or session.job or self._queue.is_busy(visitor.owner):
            return Changes()
        is_here, title = self._service.models.is_here(controls.model), self._title(visitor, controls.model)
        key = "status.chosen" if is_here else "status.model_missing"
        return Changes(status=status(visitor.words.say(key, model=title)))

    def refresh(self, visitor: Visitor, controls: Controls) -> Changes:
        """Show what is known once a model is chosen or loaded; an untouched preset takes its thresholds."""
        if not self._service.models.is_here(controls.model):
            return self._model_changes(visitor, controls)
        return self._changes(visitor, controls, self.untouched_preset(controls))

    def adjust(self, visitor: Visitor, controls: Controls, payload: Any) -> Changes:
        """Set one slider as the page itself has suggested.

        Raises:
            OptionError: there is no such slider, or the value is out of its range.
        """
        option = payload.get("option") if isinstance(payload, dict) else None
        if not isinstance(option, str) or option not in PARAMETERS:
            raise OptionError(f"There is no setting {str(option)[:40]!r}.")
        value = check_value(option, payload.get("value"))
        moved = replace(controls, values={**controls.values, option: value})
        return replace(self._changes(visitor, moved, CUSTOM), sliders={option: value})

    def _changes(self, visitor: Visitor, controls: Controls, preset: str) -> Changes:
        """Set the sliders to ``preset``; CUSTOM leaves them, and names the preset after where they stand."""
        now = replace(controls, preset=self.matching_preset(controls))
        if preset != CUSTOM:
            now = controls.set_to(preset, self._service.models.thresholds(controls.model))
        return replace(
            self._model_changes(visitor, now),
            preset_info=visitor.words.say(f"preset.{now.preset}.help"),
            device=self._device_line(visitor, now.model),
            forecast=self.forecast(visitor, now),
            # Only what differs: the page may be ahead of this answer.
            preset=None if now.preset == controls.preset else now.preset,
            sliders={name: value for name, value in now.values.items() if value != controls.values.get(name)},
        )

    def _model_changes(self, visitor: Visitor, controls: Controls) -> Changes:
        """The menu of models with what a run takes with each, and what is to be said of the chosen one."""
        models, forecasts = self._service.models, dict[str, Forecast | None]()
        with suppress(OptionError):  # which the forecast of the run tells
            work = self._service.runs.workload(controls.options(models.thresholds(controls.model)))
            forecasts = {name: self._service.runs.speeds.forecast(name, work) for name in models}
        return Changes(
            model_groups=sentences.model_groups(visitor.words, models, forecasts),
            model_info=sentences.model_line(visitor.words, models, controls.model, forecasts.get(controls.model)),
            is_missing=not models.is_here(controls.model),
        )

    def matching_preset(self, controls: Controls) -> str:
        """The preset that the controls name, or Custom where a slider was moved away from it."""
        return controls.preset if controls.is_preset(self._service.models.thresholds(controls.model)) else CUSTOM

    def untouched_preset(self, controls: Controls) -> str:
        """The same where the sliders may still stand where the preset put them for another model."""
        known = (self._service.models.thresholds(name) for name in self._service.models)
        return controls.preset if any(map(controls.is_preset, known)) else CUSTOM

    def forecast(self, visitor: Visitor, controls: Controls) -> str:
        """What a run with these controls will cost, or why there can be none."""
        try:
            options = controls.options(self._service.models.thresholds(controls.model))
            work = self._service.runs.workload(options)
        except OptionError as error:
            return visitor.words.error(error)
        forecast = self._service.runs.speeds.forecast(controls.model, work)
        line = sentences.forecast_line(visitor.words, work, forecast, self._service.models)
        session = self._service.store.peek(visitor.owner)
        # Whoever has pressed Find masks need not be told to.
        if session is None or session.result is None or self._queue.is_busy(visitor.owner):
            return line
        changed = self._changed_options(session.result.options, options, controls)
        titles = [visitor.words.say("points" if name == "point_grids" else f"parameter.{name}") for name in changed]
        if session.model != controls.model:
            titles.insert(0, self._title(visitor, controls.model))
        if not titles:
            return line
        named = ", ".join(titles[:_NAMED]) + ", …" * (len(titles) > _NAMED)
        return f"{line}\n\n{visitor.words.say('forecast.pending', what=named)}"

    def _changed_options(self, found: GeneratorOptions, wanted: GeneratorOptions, controls: Controls) -> list[str]:
        """Which options of masks that were found are others now, and wait for a run.

        A slider that filters is applied as it is moved; what a preset has set waits with all of it.
        """
        before, now = found.flat(), wanted.flat()
        all_wait = self.matching_preset(controls) != CUSTOM
        waits = [name for name, row in PARAMETERS.items() if all_wait or row.group == "look"] + ["point_grids"]
        # How many points at a time does not change where they are.
        return [name for name in waits if before[name] != now[name] and name != "points_per_batch"]

    def _title(self, visitor: Visitor, model: str) -> str:
        return sentences.model_title(visitor.words, self._service.models[model])

    def _device_line(self, visitor: Visitor, model: str) -> str:
        """Model and device for the header."""
        title, loaded = self._title(visitor, model), self._service.models.loaded.get(model)
        return title if loaded is None else f"{title} · {sentences.device_name(loaded)}"


def _found_by(service: Service, visitor: Visitor, controls: Controls) -> Session | None:
    """The session that ``controls`` filter: what is open, if there are masks, and if it is what the page showed.

    Who goes from picture to picture may have moved a slider of the one before just then.
    """
    session = service.store.peek(visitor.owner)
    if session is None or session.result is None or controls.shown not in ("", session.id):
        return None
    return session
