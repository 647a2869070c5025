"""A run over a list of pictures in a thread of its own: looked at, stopped and gone on with at any moment."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from automask_ui.batch.worker import BatchTask, Loaded, Worker
from automask_ui.errors import AutoMaskError
from automask_ui.masks import MaskResult, Step
from automask_ui.options import GeneratorOptions
from automask_ui.project.document import SavedModel
from automask_ui.project.pictures import Item, PictureList

__all__ = ["ListRun"]

_log = logging.getLogger(__name__)

FindSteps = Callable[[np.ndarray, GeneratorOptions], Generator[Step, None, MaskResult]]


class _Stopped(Exception):
    """The visitor has stopped the run in the middle of a picture."""


class ListRun:
    """Works through ``pictures``.

    Attributes:
        points: of the picture that is being worked on: done, in all.
        error: why the run ended before its time, for people.
    """

    def __init__(self, pictures: PictureList) -> None:
        self.points = (0, 0)
        self.error = ""
        self._pictures = pictures
        self._stop = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether pictures are being worked on."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        """Whether the run in progress ends after the chunk in hand."""
        return self.is_running and self._stop.is_set()

    def start(self, steps: FindSteps, task: BatchTask, model: SavedModel) -> None:
        """Work on everything that has no masks under ``task`` yet, but for pictures that were edited.

        Args:
            steps: of the engine, for one picture.
            task: options and the key of the model; its formats do not count.
            model: the one that ``steps`` run.
        """
        if self._thread is not None and self.is_running:
            if not self._stop.is_set():
                return
            # Stopped just now: its last chunk first.
            self._thread.join()
        self._pictures.begin(task, model)
        self.error = ""
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, args=(steps, task), name="list-run", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the chunk in hand; what is finished is kept."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and remove the list's files once the thread is through."""
        self._is_closed = True
        self._stop.set()
        if not self.is_running:
            shutil.rmtree(self._pictures.folder, ignore_errors=True)

    def _work(self, steps: FindSteps, task: BatchTask) -> None:
        pictures = self._pictures

        try:
            with pictures.dataset.open_scratch(), ThreadPoolExecutor(1, "pictures") as reader:
                self._each(Worker(pictures.dataset, partial(self._find, steps), task), reader)
        except _Stopped:
            pass
        except AutoMaskError as error:
            self.error = str(error)
        except Exception:
            _log.exception("A run over a list ended before its time")
            self.error = "Something went wrong on our side; what is finished is kept. Start again."
        finally:
            for index, item in enumerate(pictures.items):
                if item.state == "running":
                    self._settle(index, Item(item.name))
            pictures.changes += 1
            if self._is_closed:
                shutil.rmtree(pictures.folder, ignore_errors=True)

    def _each(self, worker: Worker, reader: ThreadPoolExecutor) -> None:
        pictures = self._pictures
        todo = [index for index, item in enumerate(pictures.items) if item.state == "waiting"]
        coming: Future[Loaded] | None = None
        for place, index in enumerate(todo):
            if self._stop.is_set():
                return
            began = time.monotonic()
            self.points = (0, 0)
            pictures.set_item(index, replace(pictures.items[index], state="running"))
            loaded = (coming or reader.submit(worker.load, pictures.pictures[index])).result()
            # The next picture is read while the model looks at this one.
            following = todo[place + 1 : place + 2]
            coming = reader.submit(worker.load, pictures.pictures[following[0]]) if following else None
            pictures.take_in(index, loaded)
            outcome = worker.write(worker.find(loaded))
            state = "failed" if outcome.masks is None else "done"
            reasons = " ".join(failure.reason for failure in outcome.failures)
            name, seconds = pictures.items[index].name, time.monotonic() - began
            self._settle(index, Item(name, state, outcome.masks, seconds, reasons))  # type: ignore[arg-type]

    def _find(self, steps: FindSteps, image: np.ndarray, options: GeneratorOptions) -> MaskResult:
        """Find the masks of an H×W×3 uint8 RGB picture, unless the run is stopped after a chunk."""
        run = steps(image, options)
        try:
            while True:
                step = next(run)
                self.points = (step.done, step.total)
                self._pictures.changes += 1
                if self._stop.is_set():
                    raise _Stopped
        except StopIteration as end:
            result: MaskResult = end.value
            return result
        finally:
            run.close()

    def _settle(self, index: int, item: Item) -> None:
        """Say what has become of the picture in hand; what the visitor has made of it meanwhile counts for more."""
        now = self._pictures.items[index]
        self._pictures.set_item(index, replace(now, state="done") if now.edited else item)
