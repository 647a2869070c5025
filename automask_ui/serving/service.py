"""The use cases behind the page and the API: open, find, refilter, show, export.

Models are reached through :class:`Engine`, a protocol, so that everything here runs and is tested without torch.
Engines come by model name from a factory that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

from automask_ui.errors import NoImageError, OptionError, UnknownModelError
from automask_ui.files.images import LoadedImage, load_image
from automask_ui.masks import MaskResult
from automask_ui.models import checkpoints
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.options import PRESETS, CleanupOptions, FilterOptions, GeneratorOptions
from automask_ui.project.saved_session import check_model
from automask_ui.project.store import Projects
from automask_ui.protocol import Engine, EngineModel, Steps, own_thresholds, run_to_end
from automask_ui.serving.first_sample import FirstSample
from automask_ui.session import Difference, Job, Session, ShowOnly
from automask_ui.session.estimate import Speeds, Workload, check_workload
from automask_ui.session.run import Fetch, Progress, Run, end_job, fetch_into, job_of, run_into
from automask_ui.session.run_log import RunNote, Runs
from automask_ui.session.store import SessionStore

__all__ = ["Service"]

STORE_BYTES = 1024**3
_CHUNK_SECONDS = 60  # longest that a chunk of a large model on a slow CPU is waited for


class Service:
    """All that a visitor can ask for.

    Args:
        engines: gives the engine of a model by name; loads it on the first call.
        models: the models that can be chosen.
        default_model: the one to begin with.
        samples: sample photographs; the first one is what a first visit shows.
        store_bytes: bound on the memory of all sessions together.
        max_points: most points, over all crops, of one run; None is the machine's limit.
        fetch: gets the file of a model that is not on this machine.
        unasked: engines for what no visitor has asked for, where ``engines`` take from what a visitor is given.
    """

    def __init__(
        self,
        engines: Callable[[str], Engine],
        models: Sequence[AvailableModel],
        default_model: str,
        samples: Sequence[Path] = (),
        *,
        store_bytes: int = STORE_BYTES,
        max_points: int | None = None,
        fetch: Fetch = checkpoints.fetch,
        unasked: Callable[[str], Engine] | None = None,
    ) -> None:
        self.models = {model.name: model for model in models}
        self.default_model = default_model
        self.samples = {sample.stem: sample for sample in samples}
        self.max_points = max_points
        self.speeds = Speeds()
        self.runs = Runs()
        self.first_sample = FirstSample()
        self.store = SessionStore(store_bytes)
        self.projects = Projects(self.store, self.models)
        self._engines = engines
        self._fetch = fetch
        self._unasked = unasked
        self._loaded: dict[str, EngineModel] = {}

    def load(self, name: str) -> Engine:
        """The engine of model ``name``, loaded if need be.

        Raises:
            UnknownModelError: there is no such model here.
            CheckpointError: its file cannot be had or used.
        """
        if name not in self.models:
            raise UnknownModelError(f"There is no model {str(name)[:60]!r}. The models are: {', '.join(self.models)}.")
        engine = self._engines(name)
        self._loaded[name] = engine.model
        return engine

    def loaded(self, name: str) -> EngineModel | None:
        """What is known of model ``name`` once it is loaded, else None."""
        return self._loaded.get(name)

    def thresholds(self, name: str) -> dict[str, float]:
        """The model's own default thresholds by option name; empty until it is loaded."""
        model = self._loaded.get(name)
        return own_thresholds(model) if model else {}

    def workload(self, options: GeneratorOptions) -> Workload:
        """How many points and crops ``options`` are.

        Raises:
            OptionError: more than this service allows.
        """
        return check_workload(options, self.max_points)

    def open(self, owner: str, path: str | Path) -> Session:
        """Begin work on the picture at ``path``; the owner's earlier work is given up.

        Raises:
            ImageError: it cannot be read, or is too large.
        """
        return self.store.begin(load_image(path), owner)

    def open_sample(self, owner: str, name: str) -> Session:
        """Begin work on a sample photo, with its masks where they are known.

        Raises:
            NoImageError: there is no such sample.
        """
        if name not in self.samples:
            raise NoImageError(f"There is no sample {str(name)[:60]!r}. The samples are: {', '.join(self.samples)}.")
        session = self.open(owner, self.samples[name])
        if name == next(iter(self.samples)):
            self.take_sample(session)
        return session

    def take_sample(self, session: Session) -> None:
        """Give a session on the first sample the masks that were found for all, if they have been."""
        if self.first_sample.result is not None:
            session.update(self.first_sample.result, self.default_model)
            self.store.keep(session)

    def fetch(self, session: Session, name: str) -> Run:
        """Fetch the file of model ``name`` for a run of ``session``; nothing to do where it is on this machine.

        Raises:
            CheckpointError: it cannot be fetched.
        """
        model = self.models.get(name)
        if model is None or model.path is not None:
            return
        with job_of(session) as job:
            path = yield from fetch_into(self._fetch, name, job)
            if path is None:
                end_job(session, job)
                yield Progress("stopped")
            else:
                self.models[name] = replace(model, path=path)

    def make_ready(self, session: Session, name: str) -> Run:
        """Fetch and load model ``name`` for a run of ``session``; the last update tells where it was stopped.

        Raises:
            AutoMaskError: there is no such model here, or it cannot be fetched or used.
        """
        for progress in self.fetch(session, name):
            yield progress
            if progress.stage == "stopped":
                return
        self.supersede(session)
        with job_of(session) as job:
            if self.loaded(name) is None and name in self.models:
                yield Progress("load", model=self.models[name].title)
            self.load(name)
            if job.cancel.is_set():
                end_job(session, job)
                yield Progress("stopped")

    def find(self, session: Session, model: str, options: GeneratorOptions) -> Run:
        """Find masks; the session has what each update tells of. Closing the iterator, or :meth:`stop`, ends the run.

        Raises:
            OptionError: too many points.
            AutoMaskError: the model cannot be loaded or run. The last result stays.
        """
        self.workload(options)
        self.supersede(session)
        with job_of(session) as job:
            engine, result = self.load(model), session.result
            earlier = result if result is not None and result.has_candidates and session.model == model else None
            yield from self._advance(session, model, engine.steps(session.image.rgb, options, earlier), job)

    def resume(self, session: Session) -> Run:
        """Finish a run that was stopped.

        Raises:
            NoImageError: nothing was begun.
        """
        if session.result is None:
            raise NoImageError("There is no run to continue: press Find masks.")
        check_model(session, self.models)
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
        is_stopped = not result.candidates.decoded.all()
        offset = result.options.filter.stability_score_offset
        if is_stopped and wanted.filter.stability_score_offset != offset:
            raise OptionError(
                "The run was stopped, and another stability test strength needs its masks measured anew: set it back "
                f"to {offset:g}, press Continue, and change it then."
            )
        with job_of(session, wanted) as job:
            steps = self.load(session.model).steps(None, wanted, result)
            if is_stopped:
                steps = _without_decoding(steps)
            yield from self._advance(session, session.model, steps, job)

    def stop(self, session: Session) -> bool:
        """Ask the run in progress to end after the chunk it is at; whether there is one."""
        job = session.job
        if job is not None:
            job.cancel.set()
        return job is not None

    def supersede(self, session: Session, options: GeneratorOptions | None = None) -> None:
        """End a refilter in progress, unless it applies these very ``options``, and wait for the end of its chunk."""
        job = session.job
        if job is None or job.settings is None:
            return
        if options is None or _thresholds(options) != _thresholds(job.settings):
            job.is_superseded = True
            job.cancel.set()
            job.ended.wait(_CHUNK_SECONDS)

    def find_alone(
        self, image: LoadedImage, model: str, options: GeneratorOptions
    ) -> Generator[Progress, None, MaskResult]:
        """Find masks without a visitor; gives the result at the end.

        Raises:
            AutoMaskError: as :meth:`find`.
        """
        self.workload(options)
        session = Session(image, owner="")
        yield from self._advance(session, model, self.load(model).steps(image.rgb, options), Job())
        assert session.result is not None, "a run that was not stopped ends with a result"
        return session.result

    def find_once(self, image: LoadedImage, model: str, options: GeneratorOptions) -> MaskResult:
        """:meth:`find_alone` for those who only want the result."""
        return run_to_end(self.find_alone(image, model, options))

    def show_only(self, session: Session, show: ShowOnly) -> Difference:
        """Show other masks of the same result."""
        return session.show_only(show)

    def prepare_sample(self) -> None:
        """Find the masks of the first sample; meant for a thread of its own. Measures the model's speed as well."""
        self.first_sample.prepare(self._find_sample)

    def _find_sample(self) -> MaskResult:
        self.load(self.default_model)
        options = PRESETS["balanced"].options(**self.thresholds(self.default_model))
        image = load_image(next(iter(self.samples.values())))
        if self._unasked is None:
            return self.find_once(image, self.default_model, options)
        return run_to_end(self._unasked(self.default_model).steps(image.rgb, options))

    def _find_again(self, session: Session, options: GeneratorOptions) -> Run:
        """Find the candidates of kept masks anew, under ``options``; until they are there, the masks stay."""
        check_model(session, self.models)
        with job_of(session, options) as job:
            job.is_whole = True
            engine = self.load(session.model)
            yield from self._advance(session, session.model, engine.steps(session.image.rgb, options), job)

    def _advance(self, session: Session, model: str, steps: Steps, job: Job) -> Run:
        loaded = self._loaded[model]
        kind = "find" if job.settings is None else "refilter"
        with self.runs.noted(RunNote(kind, model, str(loaded.device), session.image.rgb.shape[:2])) as note:
            for progress in run_into(session, model, steps, job, self.speeds):
                note.outcome, note.points = progress.stage, progress.done
                if progress.change is not None:
                    note.result = session.result
                self.store.keep(session)
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
    """What a refilter applies."""
    return options.filter, options.cleanup
