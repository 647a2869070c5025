"""What a maintainer reads of each run: one line of ``key=value``, with nothing of the picture but its size."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from automask_ui.masks import MaskResult

__all__ = ["RunNote", "Runs", "line_of"]

_log = logging.getLogger(__name__)


@dataclass
class RunNote:
    """A run in progress, as its line will tell of it."""

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
