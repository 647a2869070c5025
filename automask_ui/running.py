"""One run of an engine into a session: updates now and then, seconds left from measured speed, stopping on request."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from automask_ui.errors import EngineError
from automask_ui.forecast import Speeds
from automask_ui.masks import MaskResult, Step
from automask_ui.session import Difference, Job, Session

__all__ = ["UPDATE_SECONDS", "Progress", "Steps", "job_of", "run_into"]

Steps = Generator[Step, None, MaskResult]

UPDATE_SECONDS = 0.5  # a browser that draws more often has no time left for the person in front of it


@dataclass(frozen=True)
class Progress:
    """Where a run stands."""

    stage: str  # "load", "encode", "decode", "clean", "stopped" or "done"
    done: int = 0  # points
    total: int = 0  # points that this run has to decode
    seconds_left: float | None = None  # None while unknown
    change: Difference | None = None  # None where the session was not brought up to date


@contextmanager
def job_of(session: Session) -> Iterator[Job]:
    """The session's run for as long as the block lasts.

    Raises:
        EngineError: one is in progress already.
    """
    with session.lock:
        if session.job is not None:
            raise EngineError("A run of this picture is still in progress: wait for it, or press Stop.")
        job = session.job = Job()
    try:
        yield job
    finally:
        session.end(job)


def run_into(session: Session, model: str, steps: Steps, job: Job, speeds: Speeds) -> Iterator[Progress]:
    """Advance ``steps`` to its end, or until ``job`` is cancelled, keeping ``session`` up to date before each yield."""
    updated = decoding_since = time.monotonic()
    last: Step | None = None
    try:
        while True:
            step = next(steps)
            now = time.monotonic()
            if last is None or step.stage == "encode":
                decoding_since = now
            last = step
            if job.cancel.is_set():
                change = session.update(step.snapshot(), model) if step.done else None
                # Ended before it is told: whoever was told to stop may never come back for the rest.
                session.end(job)
                yield Progress("stopped", step.done, step.total, change=change)
                return
            if now - updated >= UPDATE_SECONDS or step.stage == "encode":
                change = session.update(step.snapshot(), model) if step.done else None
                updated = time.monotonic()
                left = _seconds_left(step, now - decoding_since, speeds.decode_seconds(model, step.total - step.done))
                yield Progress(step.stage, step.done, step.total, left, change)
    except StopIteration as end:
        result: MaskResult = end.value
    finally:
        steps.close()
    _record(speeds, model, result, last)
    yield Progress("done", last.done if last else 0, last.total if last else 0, 0.0, session.update(result, model))


def _seconds_left(step: Step, elapsed: float, expected: float | None) -> float | None:
    """Seconds for the points that are left: from this run's own speed, before that from earlier runs."""
    return elapsed / step.done * (step.total - step.done) if step.done else expected


def _record(speeds: Speeds, model: str, result: MaskResult, last: Step | None) -> None:
    """Note how fast this run was, for the next one's forecast."""
    if "encode" in result.seconds:
        speeds.record_encode(model, result.seconds["encode"], len(result.candidates.crop_boxes_xyxy))
    if last is not None and "decode" in result.seconds:
        speeds.record_decode(model, result.seconds["decode"], last.total)
