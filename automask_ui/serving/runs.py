"""Run models for visitors: which there are, who waits for one; find masks, filter them, continue after a stop, stop."""

from __future__ import annotations

import threading
import time
from collections import Counter, UserDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from automask_ui.errors import AutoMaskError, BusyError, NoImageError, OptionError, UnknownModelError
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskResult, Verdict
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.models.recommended import recommended_in
from automask_ui.options import CleanupOptions, FilterOptions, GeneratorOptions
from automask_ui.project.restore_photo import check_model
from automask_ui.protocol import Engine, LoadedModel, Steps, own_thresholds
from automask_ui.session import Job, Session
from automask_ui.session.run import (
    Fetch,
    Progress,
    Run,
    RunNote,
    Runs,
    Speeds,
    Workload,
    check_workload,
    end_job,
    fetch_into,
    job_of,
    run_into,
)
from automask_ui.session.store import SessionStore

__all__ = ["MAX_WAITING", "ModelRuns", "Models", "RunQueue"]

MAX_WAITING = 20  # visitors whose runs wait for their turn
_CHUNK_SECONDS = 60  # longest that a chunk of a large model on a slow CPU is waited for


class Models(UserDict[str, AvailableModel]):
    """The models by name.

    Args:
        engines: gives the engine of a model by name; loads it on the first call.
        models: in the order of the menu, which has those on this machine first.
        default: the one to begin with.

    Attributes:
        default: its name.
        loaded: what the engines tell of their models, by name; of those that were loaded since the start.
        failed: why models could not be had when they were last asked for, by name.
    """

    def __init__(self, engines: Callable[[str], Engine], models: Sequence[AvailableModel], default: str) -> None:
        super().__init__({model.name: model for model in models})
        self.default = default
        self.loaded: dict[str, LoadedModel] = {}
        self.failed: dict[str, AutoMaskError] = {}
        self._engines = engines

    def __contains__(self, name: object) -> bool:
        # What a page sends for a name may be anything, and not everything can be looked up.
        return isinstance(name, str) and super().__contains__(name)

    def __getitem__(self, name: str) -> AvailableModel:
        if name not in self:
            raise UnknownModelError(f"There is no model {str(name)[:60]!r}. The models are: {', '.join(self)}.")
        return self.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The model, or ``default`` where there is none of this name."""
        return self.data.get(name, default) if isinstance(name, str) else default

    def load(self, name: str) -> Engine:
        """Get the engine of model ``name``, loading the model if need be.

        Raises:
            UnknownModelError: there is no such model here.
            CheckpointError: its file cannot be had or used.
        """
        row = self[name]
        with self.noting_failure(name):
            engine = self._engines(row.name)
        self.loaded[name] = LoadedModel.of(engine.model)
        return engine

    def is_here(self, name: str) -> bool:
        """Whether the file of model ``name`` is on this machine."""
        return name in self and self[name].path is not None

    def set_path(self, name: str, path: Path) -> None:
        """Note where the file of model ``name`` is."""
        self[name] = replace(self[name], path=path)
        self.failed.pop(name, None)

    @contextmanager
    def noting_failure(self, name: str) -> Iterator[None]:
        """Keep the error of ours that ends the block as why model ``name`` cannot be had; none ends an older one."""
        try:
            yield
        except AutoMaskError as error:
            self.failed[name] = error
            raise
        self.failed.pop(name, None)

    def thresholds(self, name: str) -> dict[str, float]:
        """The model's own default thresholds by option name; until it is loaded, as far as its file's header tells."""
        if name not in self:
            return {}
        if name in self.loaded:
            return own_thresholds(self.loaded[name])
        path = self[name].path
        return {} if path is None else recommended_in(path)


class RunQueue:
    """Runs from the moment they are asked for until the page has been told of their end.

    A visitor may ask for the next one before that: of another picture, or after Stop. The model works on one at a time.

    Args:
        has_gone: whether an owner, who waits since a time (monotonic, s), has left without a word.
    """

    def __init__(self, has_gone: Callable[[str, float], bool] = lambda owner, since: False) -> None:
        self._has_gone = has_gone
        # owner -> id of the session whose run waits for its turn, and since when (monotonic, s)
        self._waiting: dict[str, tuple[str, float]] = {}
        self._running: set[str] = set()  # owners
        self._last: dict[str, str] = {}  # owner -> id of the session of their last run
        self._unacknowledged: Counter[str] = Counter()  # owner -> runs whose end the page was not told
        self._lock = threading.Lock()  # held while runs are counted: one may end as the next is asked for

    def enqueue(self, owner: str, session_id: str) -> None:
        """Let a run of the owner's session wait for the model.

        Raises:
            BusyError: too many wait already.
        """
        with self._lock:
            for other, (_, since) in list(self._waiting.items()):
                if self._has_gone(other, since):
                    self._waiting.pop(other, None)
                    self._unacknowledged.pop(other, None)
            if len(self._waiting) >= MAX_WAITING:
                raise BusyError(f"{len(self._waiting)} runs are waiting for the model already. Try again in a minute.")
            self._waiting[owner] = session_id, time.monotonic()
            self._unacknowledged[owner] += 1

    @contextmanager
    def acquire(self, owner: str) -> Iterator[str | None]:
        """Begin the owner's run; gives the session's id, or None where the run was cancelled while it waited."""
        self._running.add(owner)
        try:
            waited = self._waiting.pop(owner, None)
            if waited is not None:
                self._last[owner] = waited[0]
            yield None if waited is None else waited[0]
        finally:
            self._running.discard(owner)

    def last(self, owner: str) -> str:
        """The id of the session that the owner's last run was of; "" where there was none."""
        return self._last.get(owner, "")

    def cancel(self, owner: str) -> None:
        """Drop the run that the owner waits for."""
        self._waiting.pop(owner, None)

    def acknowledge_end(self, owner: str) -> None:
        """Note that the page was told of the end of one of the owner's runs, also of one that never began."""
        with self._lock:
            self._unacknowledged[owner] -= 1
            if self._unacknowledged[owner] <= 0:
                # Refused on its way: nobody will come for it.
                self._waiting.pop(owner, None)
                del self._unacknowledged[owner]

    def is_busy(self, owner: str) -> bool:
        """Whether a run of the owner's waits or is under way."""
        return owner in self._waiting or owner in self._running

    def forget(self, owner: str) -> None:
        """Drop all that is known of an owner who has left."""
        with self._lock:
            self._waiting.pop(owner, None)
            self._unacknowledged.pop(owner, None)
            self._last.pop(owner, None)


class ModelRuns(Runs):
    """The runs of all visitors.

    Args:
        models: that can be run.
        store: sessions of the visitors.
        max_points: most points, over all crops, of one run; None is the machine's limit.
        fetch: downloads the file of a model that is not on this machine.
        speeds: seconds a crop and a point take, by model, as measured by earlier runs.
    """

    def __init__(
        self, models: Models, store: SessionStore, max_points: int | None, fetch: Fetch, speeds: Speeds
    ) -> None:
        super().__init__()
        self.speeds = speeds
        self._models = models
        self._store = store
        self._max_points = max_points
        self._fetch = fetch

    def workload(self, options: GeneratorOptions) -> Workload:
        """Count the points and crops of ``options``.

        Raises:
            OptionError: more than this service allows.
        """
        return check_workload(options, self._max_points)

    def fetch(self, session: Session, name: str) -> Run:
        """Download the file of model ``name`` for a run of ``session``, unless it is on this machine.

        Raises:
            CheckpointError: it cannot be fetched.
        """
        model = self._models.get(name)
        if model is None or model.path is not None:
            return
        with job_of(session) as job:
            with self._models.noting_failure(name):
                path = yield from fetch_into(self._fetch, name, job)
            if path is None:
                end_job(session, job)
                yield Progress("stopped")
            else:
                self._models.set_path(name, path)

    def make_ready(self, session: Session, name: str) -> Run:
        """Download and load model ``name`` for a run of ``session``; the last update is "stopped" where it was stopped.

        Raises:
            AutoMaskError: there is no such model here, or it cannot be fetched or used.
        """
        for progress in self.fetch(session, name):
            yield progress
            if progress.stage == "stopped":
                return
        self.supersede(session)
        with job_of(session) as job:
            if name not in self._models.loaded and name in self._models:
                yield Progress("load", model=self._models[name].title)
            self._models.load(name)
            if job.cancel.is_set():
                end_job(session, job)
                yield Progress("stopped")

    def find(self, session: Session, model: str, options: GeneratorOptions) -> Run:
        """Find masks, and keep the session up to date. Closing the iterator, or :meth:`stop`, ends the run.

        Raises:
            OptionError: too many points.
            AutoMaskError: the model cannot be loaded or run. The last result stays.
        """
        self.workload(options)
        self.supersede(session)
        with job_of(session) as job:
            engine, result = self._models.load(model), session.result
            earlier = result if result is not None and result.has_candidates and session.model == model else None
            yield from self._advance(session, model, engine.steps(session.image.rgb, options, earlier), job, options)

    def resume(self, session: Session) -> Run:
        """Finish a stopped run.

        Raises:
            NoImageError: nothing was begun.
        """
        if session.result is None:
            raise NoImageError("There is no run to continue: press Find masks.")
        check_model(session, self._models)
        return self.find(session, session.model, session.result.options)

    def refilter(self, session: Session, options: GeneratorOptions) -> Run:
        """Apply the thresholds and the clean-up of ``options`` to what was found; where to look stays as it was.

        The model is asked only where lower thresholds need masks that are not known yet. Of a run that was stopped,
        what is known is filtered and nothing more is looked for. Yields nothing where nothing changes, or while a run
        is in progress.

        Raises:
            OptionError: a stopped run would have to measure its masks anew.
            AutoMaskError: the model cannot be loaded or run. The last result stays.
        """
        result = session.result
        if result is None or session.job is not None:
            return
        wanted = GeneratorOptions(result.options.grid, options.filter, options.cleanup, result.options.output_mode)
        if wanted == result.options:
            return
        if not result.has_candidates:
            yield from self._find_again(session, wanted)
            return
        is_stopped = bool((result.candidates.verdict == Verdict.PENDING).any())
        offset = result.options.filter.stability_score_offset
        if is_stopped and wanted.filter.stability_score_offset != offset:
            raise OptionError(
                "The run was stopped, and another stability test strength needs its masks measured anew: set it back "
                f"to {offset:g}, press Continue, and change it then."
            )
        with job_of(session, wanted) as job:
            steps = self._models.load(session.model).steps(None, wanted, result)
            if is_stopped:
                steps = _without_decoding(steps)
            yield from self._advance(session, session.model, steps, job, wanted)

    def stop(self, session: Session) -> bool:
        """Stop the run in progress after its current chunk; return whether there is one."""
        job = session.job
        if job is not None:
            job.cancel.set()
        return job is not None

    def supersede(self, session: Session, options: GeneratorOptions | None = None) -> None:
        """End a refilter in progress, unless it applies the same ``options``, and wait for the end of its chunk."""
        job = session.job
        if job is None or job.refilter_options is None:
            return
        if options is None or _thresholds(options) != _thresholds(job.refilter_options):
            job.is_superseded = True
            job.cancel.set()
            job.ended.wait(_CHUNK_SECONDS)

    def find_alone(
        self, image: LoadedImage, model: str, options: GeneratorOptions
    ) -> Generator[Progress, None, MaskResult]:
        """Find masks without a visitor; the return value is the result.

        Raises:
            AutoMaskError: as :meth:`find`.
        """
        self.workload(options)
        session = Session(image, owner="")
        yield from self._advance(session, model, self._models.load(model).steps(image.rgb, options), Job(), options)
        assert session.result is not None, "a run that was not stopped ends with a result"
        return session.result

    def _find_again(self, session: Session, options: GeneratorOptions) -> Run:
        """Find the candidates of restored masks again, under ``options``; the masks stay until they are there."""
        check_model(session, self._models)
        with job_of(session, options) as job:
            job.is_whole = True
            engine = self._models.load(session.model)
            yield from self._advance(session, session.model, engine.steps(session.image.rgb, options), job, options)

    def _advance(self, session: Session, model: str, steps: Steps, job: Job, options: GeneratorOptions) -> Run:
        loaded = self._models.loaded[model]
        kind = "find" if job.refilter_options is None else "refilter"
        with self.noted(RunNote(kind, model, str(loaded.device), session.image.rgb.shape[:2])) as note:
            is_refined = options.grid.use_m2m
            for progress in run_into(session, model, steps, job, self.speeds, is_refined=is_refined):
                note.outcome, note.points = progress.stage, progress.done
                if progress.change is not None:
                    note.result = session.result
                self._store.touch(session)
                yield progress


def _without_decoding(steps: Steps) -> Steps:
    """End ``steps`` before anything is decoded; the result is what is known by then."""
    try:
        step = next(steps)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
    yield from ()
    return step.snapshot()


def _thresholds(options: GeneratorOptions) -> tuple[FilterOptions, CleanupOptions]:
    """The options that a refilter applies."""
    return options.filter, options.cleanup
