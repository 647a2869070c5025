"""Runs on a GPU that is lent for a while: ZeroGPU of Hugging Face Spaces. Elsewhere nothing of this is used.

There, CUDA works only inside a function that ``spaces.GPU`` has wrapped. It runs in a process forked from this one:
what goes in and comes out is pickled, what it leaves in memory is lost or lasts until its process ends. So the engine
that is here, on the CPU, says what there is to do, and only where the model is needed a GPU is asked for, for as long
as the run should take. A run that takes longer goes on with the next loan.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from automask_ui.errors import AutoMaskError, EngineError
from automask_ui.masks import MaskResult, Step
from automask_ui.options import GeneratorOptions
from automask_ui.protocol import Engine, Steps
from automask_ui.session import run as run_module
from automask_ui.session.estimate import Speeds, workload

__all__ = ["lent", "load_spaces"]

_log = logging.getLogger(__name__)

MAX_SECONDS = 110  # of one loan: what a visitor without an account is given a day is two minutes
START_SECONDS = 10  # for the process and the model to be ready, and for the last chunk
MIN_SECONDS = 10  # of work
_HASTE = 1.5  # the estimate is of an average run
_ENCODE_SECONDS, _DECODE_SECONDS = 1.0, 0.01  # a crop, a point: before anything was measured

Engines = Callable[[str], Engine]


@dataclass(frozen=True)
class _Told:
    """What the process with the GPU tells: plain values that can be pickled."""

    stage: str
    done: int
    total: int
    result: MaskResult | None = None  # without its picture
    is_final: bool = False
    error: AutoMaskError | None = None


def load_spaces() -> ModuleType | None:
    """The package ``spaces`` on a ZeroGPU Space, else None. It must be loaded before anything touches CUDA."""
    if os.environ.get("SPACES_ZERO_GPU", "").strip().lower() not in ("1", "t", "true"):
        return None
    try:
        import spaces
    except ImportError:
        _log.warning("This is a ZeroGPU Space without the package spaces: going on on the CPU.")
        return None
    return spaces


def lent(here: Engines, there: Engines, spaces: Any) -> Engines:
    """``here``, with every run on a loaned GPU.

    Args:
        here: engines by model name that only plan, and filter what is known; on the CPU.
        there: the same models' engines on the GPU; called in the process that has it.
        spaces: the package.
    """

    def asked(seconds: float, *_: Any) -> float:
        return seconds

    @spaces.GPU(duration=asked)
    def borrow(
        seconds: float, name: str, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None
    ) -> Generator[_Told, None, None]:
        yield from _tell(lambda: there(name).steps(image, options, earlier), seconds)

    speeds = Speeds()
    return lambda name: _LentEngine(name, here(name), borrow, speeds)


class _LentEngine:
    """An :class:`Engine` that borrows a GPU where its model is needed."""

    def __init__(
        self, name: str, here: Engine, borrow: Callable[..., Generator[_Told, None, None]], speeds: Speeds
    ) -> None:
        self._name = name
        self._here = here
        self._borrow = borrow
        self._speeds = speeds

    @property
    def model(self) -> Any:
        """The model, with where it runs."""
        return replace(self._here.model, device="ZeroGPU")

    def steps(self, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None = None) -> Steps:
        """As of :class:`Engine`."""
        plan = _first_step(self._here.steps(image, options, earlier))
        if isinstance(plan, MaskResult):
            return plan
        yield plan
        rest, known = plan.total, earlier
        spent: Counter[str] = Counter()
        while True:
            seconds = self._seconds(options, rest)
            told = yield from self._loan(seconds, plan.total, image, options, known)
            if told.result is None:
                raise EngineError("The GPU was taken back before anything was found. Try again, or with fewer points.")
            self._record(options, told)
            spent.update(told.result.seconds)
            known = replace(told.result, seconds=dict(spent))
            if told.is_final:
                return known
            # From here on the picture comes with what is known of it.
            rest, image = told.total - told.done, None

    def _loan(
        self, seconds: float, total: int, image: np.ndarray | None, options: GeneratorOptions, known: MaskResult | None
    ) -> Generator[Step, None, _Told]:
        """One loan; gives the last that was told, with the picture, as far as anything was found."""
        pixels = image if known is None else known.image
        last = _Told("encode", 0, 0)
        with closing(self._borrow(seconds, self._name, image, options, known)) as tellings:
            for told in tellings:
                if told.error is not None:
                    raise told.error
                if told.result is None:
                    continue
                assert pixels is not None, "a run has a picture, or an earlier result with one"
                result = replace(told.result, image=pixels)
                last = replace(told, result=result)
                if not told.is_final:
                    yield Step(told.stage, total - told.total + told.done, total, partial(_itself, result))
        return last

    def _seconds(self, options: GeneratorOptions, points: int) -> float:
        """For how long to ask, from what earlier runs took."""
        crops = workload(options.grid).crops
        encode = self._speeds.encode_seconds(self._name, crops)
        decode = self._speeds.decode_seconds(self._name, points)
        work = _HASTE * (encode or crops * _ENCODE_SECONDS) + _HASTE * (decode or points * _DECODE_SECONDS)
        return min(MAX_SECONDS, START_SECONDS + max(MIN_SECONDS, work))

    def _record(self, options: GeneratorOptions, told: _Told) -> None:
        seconds = told.result.seconds if told.result is not None else {}
        crops = round(workload(options.grid).crops * told.done / max(1, told.total))
        self._speeds.record_encode(self._name, seconds.get("encode", 0.0), max(1, crops))
        self._speeds.record_decode(self._name, seconds.get("decode", 0.0), told.done)


def _first_step(steps: Steps) -> Step | MaskResult:
    """What there is to do, before any of it is done; the result where there is nothing to do."""
    with closing(steps):
        try:
            return next(steps)
        except StopIteration as end:
            result: MaskResult = end.value
            return result


def _tell(begin: Callable[[], Steps], seconds: float) -> Generator[_Told, None, None]:
    """Where the GPU is: the run, told now and then, and at the latest when the loan is about to end."""
    told_at = began = time.monotonic()
    step = None
    try:
        steps = begin()
        with closing(steps):
            while True:
                step = next(steps)
                now = time.monotonic()
                is_over = now - began >= seconds - START_SECONDS
                if step.done and (is_over or now - told_at >= run_module.UPDATE_SECONDS):
                    told_at = now
                    yield _Told(step.stage, step.done, step.total, _without_picture(step.snapshot()))
                    if is_over:
                        return
                elif not step.done:
                    # An answer now and then is what lets the caller end this.
                    yield _Told(step.stage, step.done, step.total)
    except StopIteration as end:
        done = step.total if step is not None else 0
        yield _Told("done", done, done, _without_picture(end.value), is_final=True)
    except AutoMaskError as error:
        # As a value: of an exception, no more than its name would arrive.
        yield _Told("failed", 0, 0, error=error)


def _itself(result: MaskResult) -> MaskResult:
    return result


def _without_picture(result: MaskResult) -> MaskResult:
    return replace(result, image=np.zeros((0, 0, 3), np.uint8))
