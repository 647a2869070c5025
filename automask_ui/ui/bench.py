"""Measure what the page costs: a run of it against the same run by the command line, and the picture after a slider.

Everything that the page does on this machine is measured but for the network and the browser: the handlers, as Gradio
calls them, with what they write for the viewer. CPU time is told beside time, since others' work disturbs it less.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from automask_ui.files.images import LoadedImage
from automask_ui.options import GeneratorOptions
from automask_ui.protocol import run_to_end
from automask_ui.serving.service import Service
from automask_ui.serving.start import build_service
from automask_ui.session import Session, ShowOnly
from automask_ui.ui.controls import Controls, controls_of
from automask_ui.ui.handlers import Changes, Handlers, Visitor
from automask_ui.ui.text import Words

__all__ = ["run_page_bench"]

T = TypeVar("T")

ROUNDS = 3
MOVES = 10  # of the slider
MASKS = 200  # at least as many are on the screen when it is moved, if the model has as many candidates
STEP = 0.02  # of the slider, each way

_VISITOR = Visitor("bench", Words("en"))


class _Spent(NamedTuple):
    cpu: float  # s, of all threads
    wall: float  # s


def run_page_bench(
    model: str | None, checkpoint: Path | None, device: str | None, image: np.ndarray, grid: int
) -> dict[str, Any]:
    """Measure the page on an H×W×3 uint8 picture.

    Args:
        model: name of the model.
        checkpoint: a model file of one's own instead.
        device: such as "cpu"; None is the best that works.
        image: the picture.
        grid: points a side.

    Returns:
        Plain values: settings, seconds of CPU and of time of both runs (median of several), their ratio, and
        milliseconds of a slider's picture, median and longest, with the fewest and the most masks in one.

    Raises:
        CheckpointError: the model cannot be had.
    """
    service = build_service(None if checkpoint else model, checkpoint, device=device)
    engine = service.models.load(service.models.default)
    handlers = Handlers(service)
    options = GeneratorOptions(points_per_side=grid).for_model(service.models.thresholds(service.models.default))
    alone, page, updates = [], [], 0
    for turn in range(ROUNDS):
        # Each run has a picture that nobody has read before.
        alone.append(_timed(partial(run_to_end, engine.steps(_marked(image, 2 * turn), options)))[0])
        session = service.store.begin(LoadedImage(_marked(image, 2 * turn + 1), "photo.png", ()), _VISITOR.owner)
        handlers.screens.show_opened(_VISITOR, session)
        controls = _controls(service, options, session)
        spent, updates = _timed(partial(_run, handlers, controls))
        page.append(spent)
    options = _with_many_masks(service, session, options)
    moves, masks = zip(*_moves(handlers, service, session, options), strict=True)
    return {
        "model": service.models.default,
        "device": str(engine.model.device),
        "image_hw": list(image.shape[:2]),
        "grid": grid,
        "command_line": _median(alone)._asdict(),
        "page": {**_median(page)._asdict(), "updates": updates},
        "cpu_ratio": _median(page).cpu / _median(alone).cpu,
        "slider": {
            "masks": [min(masks), max(masks)],
            "milliseconds": {
                kind: [1000 * float(np.median(values)), 1000 * max(values)]
                for kind, values in zip(_Spent._fields, zip(*moves, strict=True), strict=True)
            },
        },
    }


def _marked(image: np.ndarray, number: int) -> np.ndarray:
    """``image`` with one pixel that makes it another picture."""
    marked = image.copy()
    marked[0, 0] = number
    marked.setflags(write=False)
    return marked


def _controls(service: Service, options: GeneratorOptions, session: Session) -> Controls:
    name = service.models.default
    return controls_of(name, options, session.show or ShowOnly(), service.models.thresholds(name))


def _run(handlers: Handlers, controls: Controls) -> int:
    """Run as the page does, and count the updates."""
    handlers.runs.begin(_VISITOR)
    updates = _count_updates(handlers.runs.find(_VISITOR, controls))
    handlers.runs.end(_VISITOR)
    return updates


def _count_updates(updates: Iterator[Changes]) -> int:
    """Count updates, and write each one as it would be sent."""
    count = 0
    for changes in updates:
        if changes.view is not None:
            changes.view.model_dump_json()
        count += 1
    return count


def _with_many_masks(service: Service, session: Session, options: GeneratorOptions) -> GeneratorOptions:
    """The options, with the strictest thresholds that leave ``MASKS`` masks at either end of a move, if any do.

    A model that finds few things has as many masks only where it may find one of them many times.
    """
    loose = options
    for overlap, threshold in itertools.product((0.9, 0.97, 1.0), np.arange(0.9, -0.01, -0.05).round(2).tolist()):
        loose = options.replace(
            pred_iou_thresh=min(1.0, threshold + STEP), stability_score_thresh=0.0, box_nms_thresh=overlap
        )
        run_to_end(service.runs.refilter(session, loose))
        if len(session.current_masks().ids) >= MASKS:
            break
    return loose.replace(pred_iou_thresh=max(0.0, (loose.filter.pred_iou_thresh or 0.0) - STEP))


def _moves(
    handlers: Handlers, service: Service, session: Session, options: GeneratorOptions
) -> Iterator[tuple[_Spent, int]]:
    """What each move of the slider costs, back and forth, and how many masks there are after it."""
    run_to_end(service.runs.refilter(session, options))
    threshold = options.filter.pred_iou_thresh or 0.0
    for move in range(MOVES):
        moved = options.replace(pred_iou_thresh=max(0.0, threshold + (STEP if move % 2 == 0 else -STEP)))
        controls = replace(_controls(service, moved, session), preset="custom")
        spent = _timed(partial(_count_updates, handlers.settings.refilter(_VISITOR, controls)))[0]
        yield spent, len(session.current_masks().ids)


def _timed(work: Callable[[], T]) -> tuple[_Spent, T]:
    cpu, wall = time.process_time(), time.perf_counter()
    value = work()
    return _Spent(time.process_time() - cpu, time.perf_counter() - wall), value


def _median(spent: list[_Spent]) -> _Spent:
    return _Spent(*(float(np.median(values)) for values in zip(*spent, strict=True)))
