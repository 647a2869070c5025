"""One run of an engine into a session: how much work it is and how fast it goes, updates, stopping, a line in the log.

Times come only from what this process has measured.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from automask_ui import limits
from automask_ui.errors import EngineError, OptionError
from automask_ui.masks import MaskResult, Step
from automask_ui.options import GeneratorOptions, GridOptions
from automask_ui.protocol import Steps
from automask_ui.session import Difference, Job, Session

__all__ = [
    "UPDATE_SECONDS",
    "UPDATE_SHARE",
    "Fetch",
    "Forecast",
    "Progress",
    "Run",
    "RunNote",
    "Runs",
    "Speeds",
    "Workload",
    "check_workload",
    "end_job",
    "fetch_into",
    "job_of",
    "line_of",
    "run_into",
    "workload",
]

_log = logging.getLogger(__name__)

# Called with a model's name, what to tell of bytes done, bytes in all and seconds since the start, and what stops it.
Fetch = Callable[[str, Callable[[int, int, float], None], threading.Event], Path]

Cost = tuple[float, float]  # of a crop, and of a point

# A picture whose embedding was cached is read in next to no time, which says nothing about the next picture.
_CACHED_SHARE = 0.1
# A few points mostly take what is set up once for all: their seconds would be ten times too many for a whole grid.
_TELLING_POINTS = 32
UPDATE_SECONDS = 0.5  # a browser that draws more often has no time left for the person in front of it
UPDATE_SHARE = 0.1  # of the time from one update to the next that making and showing it may take: the rest is the run's


@dataclass(frozen=True)
class Progress:
    """Where a run stands."""

    stage: str  # "fetch", "load", "encode", "decode", "clean", "stopped", "superseded" or "done"
    done: int = 0  # points; bytes of "fetch"
    total: int = 0  # points that this run has to decode
    seconds_left: float | None = None  # None while unknown
    change: Difference | None = None  # None where the session was not brought up to date
    model: str = ""  # title of the one that is being loaded


@dataclass(frozen=True)
class Workload:
    """What a run has to do, when nothing is cached."""

    points: int  # decoded in all crops together
    crops: int  # encoded; the whole picture counts as one
    is_refined: bool = False  # the masks of a point are decoded once more


def workload(grid: GridOptions) -> Workload:
    """Points of ``grid`` that are decoded, and its crops; laid as in upstream's ``build_all_layer_point_grids``."""
    points = crops = 0
    for layer in range(grid.crop_n_layers + 1):
        layer_crops = 4**layer
        if grid.point_grids is not None:
            layer_points = len(grid.point_grids[layer])
        else:
            layer_points = int((grid.points_per_side or 0) / grid.crop_n_points_downscale_factor**layer) ** 2
        crops += layer_crops
        points += layer_crops * grid.decoded_of(layer_points)
    return Workload(points, crops, grid.use_m2m)


def check_workload(options: GeneratorOptions, max_points: int | None = None) -> Workload:
    """The workload of ``options``; ``max_points`` None is the limit of :func:`automask_ui.limits.max_points`.

    Raises:
        OptionError: more than ``max_points`` points would have to be decoded.
    """
    work = workload(options.grid)
    most = limits.max_points() if max_points is None else max_points
    if work.points > most:
        raise OptionError(
            f"This would look at {work.points:,} points in {work.crops:,} crops, but at most {most:,} points are "
            f"allowed here. Lower Grid density (points_per_side) or Zoom levels (crop_n_layers), or raise Thin out the "
            f"grid per level (crop_n_points_downscale_factor)."
        )
    return work


@dataclass(frozen=True)
class Forecast:
    """Seconds of a run; ``judged_by`` names the model whose measure they follow from, None where it is its own."""

    seconds: float
    judged_by: Hashable | None


class Speeds:
    """Measured seconds a crop to encode and a point to decode, by model. Says nothing before anything was measured.

    Points whose masks are refined have a measure of their own.

    Args:
        measured: seconds a crop and a point by model, as an earlier process has measured them.
        costs: by model, how much longer than others it takes for a crop and for a point.
        keep: called with a model and its two seconds when both are known after a run.
    """

    def __init__(
        self,
        measured: Mapping[Hashable, Cost] | None = None,
        costs: Mapping[Hashable, Cost] | None = None,
        keep: Callable[[Hashable, Cost], None] = lambda model, measured: None,
    ) -> None:
        measured = measured or {}
        self._encode: dict[Hashable, float] = {model: seconds for model, (seconds, _) in measured.items()}
        self._decode: dict[tuple[Hashable, bool], float] = {
            (model, False): seconds for model, (_, seconds) in measured.items()
        }
        self._costs: Mapping[Hashable, Cost] = costs or {}
        self._keep = keep
        self._lock = threading.Lock()

    def record_encode(self, model: Hashable, seconds: float, crops: int) -> None:
        """A run of ``model`` read ``crops`` crops in ``seconds``."""
        each = seconds / max(1, crops)
        with self._lock:
            known = self._encode.get(model)
            if each > _CACHED_SHARE * (known or 0.0):
                self._encode[model] = each

    def record_decode(self, model: Hashable, seconds: float, points: int, is_refined: bool = False) -> None:
        """A run of ``model`` decoded ``points`` points in ``seconds``, which says nothing of others if they are few."""
        if points >= _TELLING_POINTS:
            with self._lock:
                self._decode[model, is_refined] = seconds / points
            if not is_refined and model in self._encode:
                self._keep(model, (self._encode[model], seconds / points))

    def encode_seconds(self, model: Hashable, crops: int = 1) -> float | None:
        """Seconds to read ``crops`` crops, or None while unknown."""
        each = self._encode.get(model)
        return None if each is None else each * crops

    def decode_seconds(self, model: Hashable, points: int, is_refined: bool = False) -> float | None:
        """Seconds to decode ``points`` points, or None while unknown."""
        each = self._decode.get((model, is_refined))
        return None if each is None else each * points

    def run_seconds(self, model: Hashable, work: Workload) -> float | None:
        """Seconds of a whole run, or None while unknown."""
        encode = self.encode_seconds(model, work.crops)
        decode = self.decode_seconds(model, work.points, work.is_refined)
        return None if encode is None or decode is None else encode + decode

    def forecast(self, model: Hashable, work: Workload) -> Forecast | None:
        """What ``work`` will take with ``model``; None where nothing that was measured says it."""
        seconds = self.run_seconds(model, work)
        if seconds is not None:
            return Forecast(seconds, None)
        known = [other for other in self._costs if other in self._encode and (other, False) in self._decode]
        if model not in self._costs or work.is_refined or not known:
            return None
        encode, decode = self._costs[model]
        # Of the models that were measured, the one that is most like it.
        judge = min(known, key=lambda other: abs(math.log(self._costs[other][0] / encode)))
        encode, decode = encode / self._costs[judge][0], decode / self._costs[judge][1]
        seconds = self._encode[judge] * work.crops * encode + self._decode[judge, False] * work.points * decode
        return Forecast(seconds, judge)


# A run in progress: to be closed by who follows it, since an error of theirs would keep it, and with it the session.
Run = Generator[Progress, None, None]


@contextmanager
def job_of(session: Session, refilter_options: GeneratorOptions | None = None) -> Iterator[Job]:
    """The session's run for as long as the block lasts.

    Raises:
        EngineError: one is in progress already.
    """
    with session.lock:
        if session.job is not None:
            raise EngineError("A run of this picture is still in progress: wait for it, or press Stop.")
        job = session.job = Job(refilter_options)
    try:
        yield job
    finally:
        end_job(session, job)


def end_job(session: Session, job: Job) -> None:
    """Take note that ``job`` of ``session`` has ended; more than once does no harm."""
    with session.lock:
        if session.job is job:
            session.job = None
    job.ended.set()


def fetch_into(fetch: Fetch, model: str, job: Job) -> Generator[Progress, None, Path | None]:
    """Fetch a model's file, telling now and then how far it is; gives the file, or None where ``job`` was cancelled.

    Raises:
        CheckpointError: it cannot be fetched.
    """
    told = Progress("fetch")

    def tell(done: int, total: int, seconds: float) -> None:
        nonlocal told
        told = Progress("fetch", done, total, seconds / done * (total - done) if done else None)

    cancel = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="fetch") as pool:
        file = pool.submit(fetch, model, tell, cancel)
        try:
            while not wait([file], UPDATE_SECONDS).done:
                if job.cancel.is_set():
                    return None
                yield told
        finally:
            cancel.set()
        return file.result()


def run_into(session: Session, model: str, steps: Steps, job: Job, speeds: Speeds, *, is_refined: bool = False) -> Run:
    """Advance ``steps`` to its end, or until ``job`` is cancelled, keeping ``session`` up to date before each yield."""
    pace = _Pace(model, speeds, is_refined)
    # A picture that this model has seen before need not be read again.
    is_read = session.result is not None and session.model == model
    updated, pause = time.monotonic(), UPDATE_SECONDS
    last: Step | None = None
    try:
        while True:
            step = last = next(steps)
            pace.take(step)
            begins = step.stage == "encode" and not step.done
            is_due = begins or time.monotonic() - updated >= pause
            if is_due and not job.cancel.is_set():
                began = time.monotonic()
                change = session.update(step.snapshot(), model) if step.done and not job.is_whole else None
                stage = "decode" if begins and is_read else step.stage
                yield Progress(stage, step.done, step.total, pace.seconds_left(step, stage), change)
                updated = time.monotonic()
                pause = max(UPDATE_SECONDS, (updated - began) / UPDATE_SHARE)
            if job.cancel.is_set():
                change = None
                if step.done and not job.is_whole:
                    change = session.update(step.snapshot(), model, ends_run=True)
                # Ended before it is told: whoever was told to stop may never come back for the rest.
                end_job(session, job)
                stage = "superseded" if job.is_superseded else "stopped"
                yield Progress(stage, step.done, step.total, change=change)
                return
    except StopIteration as end:
        result: MaskResult = end.value
    finally:
        steps.close()
    crops = len(result.candidates.crop_boxes_xyxy)
    if last is not None:
        speeds.record_encode(model, result.seconds.get("encode", 0.0), crops)
        speeds.record_decode(model, result.seconds.get("decode", 0.0), last.total, is_refined)
    points = last.total if last else 0
    yield Progress("done", points, points, 0.0, session.update(result, model, ends_run=True))


class _Pace:
    """How fast this run decodes; before the first chunk, how fast earlier runs were."""

    def __init__(self, model: str, speeds: Speeds, is_refined: bool) -> None:
        self._model, self._speeds, self._is_refined = model, speeds, is_refined
        self._seconds = 0.0
        self._points = 0
        self._before: Step | None = None
        self._at = time.monotonic()

    def take(self, step: Step) -> None:
        """A step has just ended."""
        now = time.monotonic()
        # The first chunk after a picture was read includes the reading.
        if self._before is not None and self._before.stage == "decode":
            self._seconds += now - self._at
            self._points += step.done - self._before.done
        self._before, self._at = step, now

    def seconds_left(self, step: Step, stage: str) -> float | None:
        """Seconds for what is left; for a picture that is about to be read, those of reading it."""
        if stage == "encode" and not step.done:
            return self._speeds.encode_seconds(self._model)
        if self._points:
            return self._seconds / self._points * (step.total - step.done)
        return self._speeds.decode_seconds(self._model, step.total - step.done, self._is_refined)


@dataclass
class RunNote:
    """A run in progress, as its line in the log will tell of it: nothing of the picture but its size."""

    kind: str  # "find", or "refilter" for new thresholds on what was found
    model: str  # registry name
    device: str
    size_hw: tuple[int, int]  # of the picture, px
    points: int = 0  # that this run has decoded
    outcome: str = "begun"  # then the stage it is at, "left" if nobody asked for the rest, or an error's class
    result: MaskResult | None = None


class Runs:
    """The runs of this process: how many there are now, and a line in the log for each that has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    @property
    def count(self) -> int:
        """Runs in progress."""
        return self._count

    @contextmanager
    def noted(self, note: RunNote) -> Iterator[RunNote]:
        """Count the run for as long as the block lasts, then log it; a refilter at level debug."""
        began = time.monotonic()
        with self._lock:
            self._count += 1
        try:
            yield note
        except BaseException as error:
            # A generator that its reader has closed, because the visitor is gone, is told so by an exception.
            note.outcome = "left" if isinstance(error, GeneratorExit) else type(error).__name__
            raise
        finally:
            with self._lock:
                self._count -= 1
            level = logging.INFO if note.kind == "find" else logging.DEBUG
            _log.log(level, "run %s", line_of(note, time.monotonic() - began))


def line_of(note: RunNote, seconds: float) -> str:
    """``note`` as ``key=value``, with the run's ``seconds`` and those of its stages."""
    height, width = note.size_hw
    values: dict[str, object] = {
        "kind": note.kind,
        "outcome": note.outcome,
        "model": note.model,
        "device": note.device,
        "size": f"{width}x{height}",
        "points": note.points,
    }
    if note.result is not None:
        values |= {"candidates": len(note.result.candidates), "masks": len(note.result.masks)}
    values["seconds"] = f"{seconds:.3f}"
    if note.result is not None:
        values |= {f"{stage}_seconds": f"{spent:.3f}" for stage, spent in note.result.seconds.items()}
    return _joined(values)


def _joined(values: Mapping[str, object]) -> str:
    """``values`` with quotes around what holds more than one word, such as a model file's name."""
    texts = {key: str(value) for key, value in values.items()}
    return " ".join(f"{key}={text if text.isprintable() and text.split() == [text] else json.dumps(text)}"
                    for key, text in texts.items())  # fmt: skip
