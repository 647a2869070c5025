"""Run models on a GPU that is loaned for a while: ZeroGPU of Hugging Face Spaces. Elsewhere nothing of this is used.

There, CUDA works only inside a function that ``spaces.GPU`` has wrapped. It runs in a process forked from this one:
arguments and results are pickled, and what it leaves in memory is lost or lasts until its process ends. So the engine
in this process, on the CPU, plans the run; only where the model is needed, a GPU is borrowed for as long as the run
should take. A run that takes longer goes on with the next loan.
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
from automask_ui.masks.prompt import Prediction
from automask_ui.options import GeneratorOptions
from automask_ui.protocol import Engine, Steps
from automask_ui.session import run as run_module
from automask_ui.session.run import Speeds, workload

__all__ = ["load_spaces", "on_loaned_gpu"]

_log = logging.getLogger(__name__)

MAX_SECONDS = 110  # of one loan: what a visitor without an account is given a day is two minutes
START_SECONDS = 10  # for the process and the model to be ready, and for the last chunk
MIN_SECONDS = 10  # of work
_SAFETY_FACTOR = 1.5  # the estimate is of an average run
_ENCODE_SECONDS, _DECODE_SECONDS = 1.0, 0.01  # a crop, a point: before anything was measured

_NO_PICTURE = np.zeros((0, 0, 3), np.uint8)  # in its place in what goes from process to process

Engines = Callable[[str], Engine]


@dataclass(frozen=True)
class _LoanUpdate:
    """An update from the process with the GPU: plain values that can be pickled."""

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


def on_loaned_gpu(here: Engines, there: Engines, spaces: Any) -> Engines:
    """Make engines that plan with those of ``here`` and run on a loaned GPU.

    Args:
        here: engines by model name on the CPU, that plan, and filter known candidates.
        there: the same models' engines on the GPU; called in the process with the GPU.
        spaces: the package.
    """

    def loan_seconds(seconds: float, *_: Any) -> float:
        return seconds

    @spaces.GPU(duration=loan_seconds)
    def borrow(
        seconds: float, name: str, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None
    ) -> Generator[_LoanUpdate, None, None]:
        yield from _report_steps(lambda: there(name).steps(image, options, earlier), seconds)

    speeds = Speeds()
    return lambda name: _LoanEngine(name, here(name), borrow, speeds)


class _LoanEngine:
    """An :class:`Engine` that borrows a GPU where its model is needed."""

    def __init__(
        self, name: str, here: Engine, borrow: Callable[..., Generator[_LoanUpdate, None, None]], speeds: Speeds
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
        """Run step by step as :class:`Engine` does, on one loan after the other."""
        plan = _first_step(self._here.steps(image, options, earlier))
        if isinstance(plan, MaskResult):
            return plan
        yield plan
        rest, known = plan.total, earlier
        spent: Counter[str] = Counter()
        while True:
            seconds = self._seconds(options, rest)
            update = yield from self._loan(seconds, plan.total, image, options, known)
            if update.result is None:
                raise EngineError("The GPU was taken back before anything was found. Try again, or with fewer points.")
            self._record(options, update)
            spent.update(update.result.seconds)
            known = replace(update.result, seconds=dict(spent))
            if update.is_final:
                return known
            # From here on the picture comes with what is known of it.
            rest, image = update.total - update.done, None

    def predict(self, picture: np.ndarray | MaskResult, **prompt: Any) -> Prediction:
        """Predict on the CPU: a click is answered sooner than a GPU is lent."""
        return self._here.predict(picture, **prompt)

    def _loan(
        self, seconds: float, total: int, image: np.ndarray | None, options: GeneratorOptions, known: MaskResult | None
    ) -> Generator[Step, None, _LoanUpdate]:
        """Run on one loan; return the last update that has a result, with the picture."""
        pixels = image if known is None else known.image
        last = _LoanUpdate("encode", 0, 0)
        with closing(self._borrow(seconds, self._name, image, options, known)) as updates:
            for update in updates:
                if update.error is not None:
                    raise update.error
                if update.result is None:
                    continue
                assert pixels is not None, "a run has a picture, or an earlier result with one"
                result = replace(update.result, image=pixels)
                last = replace(update, result=result)
                if not update.is_final:
                    yield Step(update.stage, total - update.total + update.done, total, partial(_identity, result))
        return last

    def _seconds(self, options: GeneratorOptions, points: int) -> float:
        """Estimate the seconds to borrow a GPU for, from earlier runs."""
        crops = workload(options.grid).crops
        encode = self._speeds.encode_seconds(self._name, crops)
        decode = self._speeds.decode_seconds(self._name, points, options.grid.use_m2m)
        work = _SAFETY_FACTOR * ((encode or crops * _ENCODE_SECONDS) + (decode or points * _DECODE_SECONDS))
        return min(MAX_SECONDS, START_SECONDS + max(MIN_SECONDS, work))

    def _record(self, options: GeneratorOptions, update: _LoanUpdate) -> None:
        seconds = update.result.seconds if update.result is not None else {}
        crops = round(workload(options.grid).crops * update.done / max(1, update.total))
        self._speeds.record_encode(self._name, seconds.get("encode", 0.0), max(1, crops))
        self._speeds.record_decode(self._name, seconds.get("decode", 0.0), update.done, options.grid.use_m2m)


def _first_step(steps: Steps) -> Step | MaskResult:
    """Get the first step, before anything is encoded or decoded; the result where there is nothing to do."""
    with closing(steps):
        try:
            return next(steps)
        except StopIteration as end:
            result: MaskResult = end.value
            return result


def _report_steps(begin: Callable[[], Steps], seconds: float) -> Generator[_LoanUpdate, None, None]:
    """Run in the process with the GPU; yield an update now and then, and before the loan ends."""
    updated_at = began = time.monotonic()
    step = None
    try:
        steps = begin()
        with closing(steps):
            while True:
                step = next(steps)
                now = time.monotonic()
                is_over = now - began >= seconds - START_SECONDS
                if step.done and (is_over or now - updated_at >= run_module.UPDATE_SECONDS):
                    updated_at = now
                    yield _LoanUpdate(step.stage, step.done, step.total, replace(step.snapshot(), image=_NO_PICTURE))
                    if is_over:
                        return
                elif not step.done:
                    # An answer now and then is what lets the caller end this.
                    yield _LoanUpdate(step.stage, step.done, step.total)
    except StopIteration as end:
        done = step.total if step is not None else 0
        yield _LoanUpdate("done", done, done, replace(end.value, image=_NO_PICTURE), is_final=True)
    except AutoMaskError as error:
        # As a value: of a raised exception, only its name would arrive.
        yield _LoanUpdate("failed", 0, 0, error=error)


def _identity(result: MaskResult) -> MaskResult:
    return result
