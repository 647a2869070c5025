"""Many pictures of one visitor, worked through in a thread: looked at, stopped and gone on with at any moment.

Masks land in a dataset on the disk picture by picture, as those of a folder run do; a picture that was looked at and
edited keeps the visitor's masks.
"""

from __future__ import annotations

import io
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from automask_ui.batch.pictures import Picture
from automask_ui.batch.store import Dataset, MasksRecord
from automask_ui.batch.work import BatchTask, Loaded, Worker
from automask_ui.errors import AutoMaskError
from automask_ui.files.hashes import sha256_of
from automask_ui.files.images import LoadedImage, fit_long_side, load_image
from automask_ui.files.names import safe_stem
from automask_ui.masks import MaskResult, MaskSet, Step
from automask_ui.options import GeneratorOptions
from automask_ui.project.document import Saved, SavedImage, SavedModel
from automask_ui.project.restore import found_of
from automask_ui.project.uploads import check_bytes, check_count, unused

__all__ = ["Item", "Queue", "batch_task"]

_log = logging.getLogger(__name__)

Steps = Callable[[np.ndarray, GeneratorOptions], Generator[Step, None, MaskResult]]

THUMBNAIL_PX = 96  # twice what is shown, for sharp screens


@dataclass(frozen=True)
class Item:
    """One picture of a queue; replaced as a whole."""

    name: str
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    masks: int | None = None
    seconds: float | None = None
    error: str = ""
    edited: bool = False  # the visitor has changed it since


def batch_task(model: SavedModel, options: GeneratorOptions) -> BatchTask:
    """What a queue does with every picture."""
    return BatchTask(options, (), model.sha256 or model.name, {"model": model.title, "options": options.flat()})


class _Stopped(Exception):
    """The visitor has stopped the queue in the middle of a picture."""


class Queue:
    """Pictures with what has become of them.

    Attributes:
        items: in the order of the pictures.
        changes: counts up with every change of ``items``.
        points: of the picture that is being worked on: done, in all.
        job: what the masks were made with; None before the first start.
        model: which model that was.
    """

    def __init__(self, pictures: Sequence[Picture], folder: Path) -> None:
        self.pictures = list(pictures)
        self.folder = folder
        self.items = [Item(picture.relative) for picture in pictures]
        self.changes = 0
        self.points = (0, 0)
        self.job: BatchTask | None = None
        self.model: SavedModel | None = None
        self.error = ""  # why it ended before its time
        self._dataset = Dataset(folder / "masks")
        self._images: dict[int, SavedImage] = {}  # of pictures that were looked at
        self._hashes: dict[int, str] = {}  # of the pictures' files
        self._edited: dict[int, Saved] = {}
        self._stop = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether pictures are being worked on."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def done(self) -> int:
        """Pictures that need no more work."""
        return sum(item.state in ("done", "failed") for item in self.items)

    def take_up(
        self, job: BatchTask | None, model: SavedModel | None, work: Iterable[tuple[int, Item, Saved | None]]
    ) -> None:
        """Go on from what an earlier queue of the same pictures had come to; before the first start.

        Args:
            job: what that queue's masks were made with.
            model: which model that was.
            work: picture, what had become of it, and its masks where it has any.

        Raises:
            BatchError: the disk cannot take it.
        """
        self.job, self.model = job, model
        with self._dataset.open_scratch():
            for index, item, saved in work:
                if saved is not None:
                    self._images[index], self._hashes[index] = saved.image, saved.image.sha256
                if saved is not None and job is not None and not item.edited:
                    record = MasksRecord(job.key(saved.image.sha256), saved.image.sha256, saved.masks)
                    self._dataset.write_masks(self.pictures[index], record)
                elif saved is not None:
                    self._edited[index] = saved
                self._set(index, item)

    def add(self, pictures: Sequence[Picture]) -> None:
        """Take more pictures in, whose files are moved here; they wait for the next start.

        Raises:
            BatchError: they are too many, or too large, together with those that are here.
        """
        check_count(len(self.pictures) + len(pictures))
        check_bytes(sum(picture.path.stat().st_size for picture in (*self.pictures, *pictures)))
        used = {picture.relative.casefold() for picture in self.pictures}
        for picture in pictures:
            relative = unused(picture.relative, used)
            path = self.folder / f"{secrets.token_hex(8)}{picture.path.suffix}"
            picture.path.replace(path)
            # In this order: others count the pictures.
            self.items.append(Item(relative))
            self.pictures.append(Picture(path, relative, safe_stem(relative)))
        self.changes += 1

    def start(self, steps: Steps, job: BatchTask, model: SavedModel) -> None:
        """Work on everything that has no masks under ``job`` yet, but for pictures that were edited.

        Args:
            steps: of the engine, for one picture.
            job: options and the key of the model; its formats do not count.
            model: the one that ``steps`` run.
        """
        if self.is_running:
            return
        if self.job is not None and (self.job.options, self.job.model_key) != (job.options, job.model_key):
            for index, item in enumerate(self.items):
                if not item.edited:
                    self._set(index, Item(item.name))
        for index, item in enumerate(self.items):
            if item.state == "failed":
                self._set(index, Item(item.name))
        self.job, self.model, self.error = job, model, ""
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, args=(steps, job), name="queue", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the chunk in hand; what is finished is kept."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and remove all files once the thread is through."""
        self._is_closed = True
        self._stop.set()
        if not self.is_running:
            shutil.rmtree(self.folder, ignore_errors=True)

    def image(self, index: int) -> LoadedImage:
        """A picture, decoded.

        Raises:
            ImageError: it cannot be read.
        """
        return load_image(self.pictures[index].path, name=self.items[index].name)

    def masks(self, index: int) -> MaskSet | None:
        """The masks that were found in a picture; None where it was not worked on."""
        record = self._dataset.read_masks(self.pictures[index])
        return None if record is None else record.masks

    def edited(self, index: int) -> Saved | None:
        """What the visitor has made of a picture, if anything."""
        return self._edited.get(index)

    def saved(self, index: int) -> Saved | None:
        """The work on a picture, by whomever; None where there is none."""
        edited, masks = self._edited.get(index), None
        if edited is None and self.items[index].state == "done":
            masks = self.masks(index)
        if masks is None or self.job is None or self.model is None:
            return edited
        return found_of(self._images[index], self.model, self.job.options, masks)

    def sha256(self, index: int) -> str:
        """Of a picture's file.

        Raises:
            OSError: it cannot be read.
        """
        if index not in self._hashes:
            self._hashes[index] = sha256_of(self.pictures[index].path)
        return self._hashes[index]

    def keep(self, index: int, saved: Saved) -> None:
        """Take over what the visitor has made of a picture."""
        self._edited[index] = saved
        count = len(saved.numbers) - len(saved.edits.deleted & set(saved.numbers))
        self._set(index, replace(self.items[index], state="done", masks=count, error="", edited=True))

    def thumbnail(self, index: int) -> Path | None:
        """The file of a small picture; None before it was looked at."""
        path = self.folder / f"{index:05d}.thumb.webp"
        return path if path.exists() else None

    def shrink(self, index: int, rgb: np.ndarray) -> None:
        """Make a picture's thumbnail of its pixels, H×W×3 uint8."""
        buffer = io.BytesIO()
        # Without loss, so that one that is kept and made again stays as it is.
        Image.fromarray(fit_long_side(rgb, THUMBNAIL_PX)).save(buffer, "WEBP", lossless=True)
        (self.folder / f"{index:05d}.thumb.webp").write_bytes(buffer.getvalue())

    @property
    def classes(self) -> tuple[str, ...]:
        """The class lists of all pictures as one."""
        # A list first, at once: the thread that keeps work may add to the edited ones at any moment.
        return tuple(dict.fromkeys(name for saved in list(self._edited.values()) for name in saved.edits.classes))

    def _work(self, steps: Steps, job: BatchTask) -> None:
        try:
            with self._dataset.open_scratch(), ThreadPoolExecutor(1, "pictures") as reader:
                self._each(Worker(self._dataset, _Stoppable(self, steps).generate, job), reader)
        except _Stopped:
            pass
        except AutoMaskError as error:
            self.error = str(error)
        except Exception:
            _log.exception("A queue ended before its time")
            self.error = "Something went wrong on our side; what is finished is kept. Start again."
        finally:
            for index, item in enumerate(self.items):
                if item.state == "running":
                    self._settle(index, Item(item.name))
            self.changes += 1
            if self._is_closed:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _each(self, worker: Worker, reader: ThreadPoolExecutor) -> None:
        todo = [index for index, item in enumerate(self.items) if item.state == "waiting"]
        coming: Future[Loaded] | None = None
        for place, index in enumerate(todo):
            if self._stop.is_set():
                return
            began = time.monotonic()
            self.points = (0, 0)
            self._set(index, replace(self.items[index], state="running"))
            loaded = (coming or reader.submit(worker.load, self.pictures[index])).result()
            # The next picture is read while the model looks at this one.
            following = todo[place + 1 : place + 2]
            coming = reader.submit(worker.load, self.pictures[following[0]]) if following else None
            if loaded.rgb is not None:
                self.shrink(index, loaded.rgb)
                image = LoadedImage(loaded.rgb, self.items[index].name, ())
                size_hw = (loaded.rgb.shape[0], loaded.rgb.shape[1])
                self._images[index] = SavedImage(image.name, size_hw, loaded.sha256, image.pixels_sha256)
            self._finish(index, worker, loaded, began)

    def _finish(self, index: int, worker: Worker, loaded: Loaded, began: float) -> None:
        outcome = worker.finish(loaded)
        name, seconds = self.items[index].name, time.monotonic() - began
        reasons = " ".join(failure.reason for failure in outcome.failures)
        if outcome.masks is None:
            self._settle(index, Item(name, "failed", None, seconds, reasons))
        else:
            self._settle(index, Item(name, "done", outcome.masks, seconds, reasons))

    def _settle(self, index: int, item: Item) -> None:
        """What has become of the picture in hand; what the visitor has made of it meanwhile counts for more."""
        now = self.items[index]
        self._set(index, replace(now, state="done") if now.edited else item)

    def _set(self, index: int, item: Item) -> None:
        self.items[index] = item
        self.changes += 1


class _Stoppable:
    """The engine as a folder run wants it, ended by the queue's flag after any chunk."""

    def __init__(self, queue: Queue, steps: Steps) -> None:
        self._queue, self._steps = queue, steps

    def generate(self, image: np.ndarray, options: GeneratorOptions) -> MaskResult:
        """All masks of an H×W×3 uint8 RGB picture."""
        run = self._steps(image, options)
        try:
            while True:
                step = next(run)
                self._queue.points = (step.done, step.total)
                self._queue.changes += 1
                if self._queue._stop.is_set():
                    raise _Stopped
        except StopIteration as end:
            result: MaskResult = end.value
            return result
        finally:
            run.close()
