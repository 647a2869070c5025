"""One visitor's work on one picture: a plain object that knows neither the page nor the model.

A mask keeps its number as long as its content stays, over new thresholds and new runs; numbers are never given twice,
so they may have gaps. Labels and what is hidden or deleted are remembered by number and therefore stay as well.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from automask_ui.errors import OptionError, RunGoneError
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskResult, MaskSet
from automask_ui.masks.rle import Rle
from automask_ui.options import GeneratorOptions
from automask_ui.session.class_names import class_name
from automask_ui.session.edits import Action, Edits, History
from automask_ui.session.mask_ids import Content, Numbers, same_masks

__all__ = ["Difference", "Job", "Session", "ShowOnly", "Snapshot"]

GESTURE_SECONDS = 1.5  # between two moves of one drag
# From which on a mask is another outline of the same thing: where SAM, too, takes one of two for a duplicate.
HEIR_IOU = 0.7


def _check(what: str, value: object, most: float = math.inf) -> None:
    """Refuse what is no number from 0 to ``most``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        limit = f"from 0 to {most:g}" if math.isfinite(most) else "of at least 0"
        raise OptionError(f"{what} must be a number {limit}, but is {value!r}.")


@dataclass(frozen=True)
class ShowOnly:
    """Which of the kept masks are shown: apart from SAM's own options, and without any effect on them."""

    smallest: float = 0.0  # area in ``unit``
    largest: float | None = None  # area in ``unit``; None = no upper limit
    unit: Literal["px", "%"] = "px"  # pixels, or percent of the picture
    covering: float = 100.0  # percent of the picture; masks that cover more are not shown

    def __post_init__(self) -> None:
        if self.unit not in ("px", "%"):
            raise OptionError(f"The unit of the area must be px or %, but is {self.unit!r}.")
        _check("The smallest area", self.smallest)
        _check("The share of the picture that a mask may cover", self.covering, 100)
        if self.largest is not None:
            _check("The largest area", self.largest)
            if self.largest < self.smallest:
                raise OptionError(
                    f"The largest area ({self.largest:g} {self.unit}) is below the smallest ({self.smallest:g} "
                    f"{self.unit}): no mask could be shown. Swap them."
                )

    def keeps(self, masks: MaskSet) -> np.ndarray:
        """(n,) bool: the masks that are shown."""
        pixels = masks.size_hw[0] * masks.size_hw[1]
        area = masks.area if self.unit == "px" else masks.area * 100 / pixels
        shown = (area >= self.smallest) & (masks.area * 100 <= self.covering * pixels)
        return shown if self.largest is None else shown & (area <= self.largest)


@dataclass(frozen=True)
class Difference:
    """What a step changed in the masks that are shown."""

    total: int
    more: int
    fewer: int


class Job:
    """A run in progress, to be stopped from elsewhere.

    Attributes:
        cancel: set to end it.
        ended: set once it has.
        settings: what it applies to a finished run; such a job gives way to newer settings. None for a real run.
        is_superseded: it was ended for newer ones.
        is_whole: the session keeps what it has until the run is through.
    """

    def __init__(self, settings: GeneratorOptions | None = None) -> None:
        self.settings = settings
        self.is_superseded = False
        self.is_whole = False
        self.cancel = threading.Event()
        self.ended = threading.Event()


@dataclass(frozen=True, eq=False)
class _State:
    """A result with the numbers of its masks; replaced as a whole, so that readers never see a half."""

    result: MaskResult | None = None
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # one a mask
    show: ShowOnly = field(default_factory=ShowOnly)

    @cached_property
    def shown(self) -> np.ndarray:
        """(m,) int64: rows of ``result.masks`` that are shown, in their order."""
        return np.zeros(0, np.int64) if self.result is None else np.flatnonzero(self.show.keeps(self.result.masks))


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a session has come to at one moment, to be taken up by another one on the same picture."""

    model: str
    result: MaskResult | None
    numbers: tuple[int, ...]  # one a mask of the result
    contents: tuple[Content, ...]  # what the numbers 1, 2, ... hang on
    show: ShowOnly
    edits: Edits


class Session:
    """One visitor's work on one picture.

    Attributes:
        run: names this work; a new picture is a new run.
        owner: the visitor it belongs to.
        model: registry name of the model that made the result, "" before there is one.
        history: what the visitor did to the masks, step by step; replaced as a whole.
        version: how often that has changed.
        job: the run in progress, or None.
        lock: held while any of this changes.
    """

    def __init__(self, image: LoadedImage, owner: str, scratch: Path | None = None) -> None:
        self.run = uuid.uuid4().hex
        self.owner = owner
        self.image = image
        self.model = ""
        self.history = History()
        self.version = 0
        self.job: Job | None = None
        self._state = _State()
        self._scratch = scratch
        self._numbers = Numbers()
        self._missing: dict[int, Rle] = {}  # masks that were edited and are in no result now
        self._gesture: tuple[float, frozenset[int]] = (-math.inf, frozenset())
        self.lock = threading.Lock()

    @property
    def result(self) -> MaskResult | None:
        """All that was found so far, shown or not."""
        return self._state.result

    @property
    def show(self) -> ShowOnly:
        """What is shown of it."""
        return self._state.show

    @property
    def edits(self) -> Edits:
        """What the visitor did to the masks, as it is now."""
        return self.history.now

    @cached_property
    def folder(self) -> Path:
        """A folder for files made from this work, under a name that cannot be guessed; it goes when the work does."""
        return Path(tempfile.mkdtemp(prefix=f"run-{self.run}-", dir=self._scratch))

    @property
    def nbytes(self) -> int:
        """About the memory that this work holds."""
        result, picture = self.result, self.image.rgb.nbytes + len(self.image.data)
        if result is None:
            return picture
        coded = sum(len(rle["counts"]) for rle in (*result.candidates.rle, *result.masks.rle) if rle is not None)
        edited = sum(
            len(edits.labels) + len(edits.hidden) + len(edits.deleted)
            for _, edits in (*self.history.past, *self.history.future)
        )
        return picture + coded + 200 * (len(result.candidates) + len(result.masks)) + 100 * edited

    def update(self, result: MaskResult, model: str | None = None) -> Difference:
        """Take over a new result of this picture; ``model`` names what made it, if that may have changed."""
        with self.lock:
            if model is not None:
                self.model = model
            before = self._state
            if before.result is not None and result.has_candidates and not before.result.has_candidates:
                self._numbers.adopt(result, before.result.masks, before.numbers.tolist())
            numbers = self._numbers.of(result)
            self._pass_on(before, result, numbers.tolist())
            return self._replace(replace(before, result=result, numbers=numbers))

    def show_only(self, show: ShowOnly) -> Difference:
        """Show other masks of the same result."""
        with self.lock:
            return self._replace(replace(self._state, show=show))

    def set_hidden(self, ids: Iterable[int], hidden: bool) -> None:
        """Hide the masks with these numbers, or show them again; numbers that do not exist are passed over."""
        numbers = self._there(ids)
        self._do(Action("hide" if hidden else "show", len(numbers)), lambda edits: edits.with_hidden(numbers, hidden))

    def set_label(self, ids: Iterable[int], label: str) -> None:
        """Label the masks with these numbers, with a new class if need be; "" takes their labels away.

        Raises:
            LabelError: the name cannot be used, or there are too many classes.
        """
        numbers, label = self._there(ids), label and class_name(label)
        action = Action("label" if label else "unlabel", len(numbers), label)
        self._do(action, lambda edits: edits.with_label(numbers, label) if numbers else edits)

    def delete(self, ids: Iterable[int]) -> None:
        """Take the masks with these numbers away."""
        numbers = self._there(ids)
        self._do(Action("delete", len(numbers)), lambda edits: edits.with_deleted(numbers))

    def set_classes(self, names: Iterable[object]) -> None:
        """Another class list; labels that are not in it go.

        Raises:
            LabelError: a name cannot be used, or there are too many.
        """
        names = list(names)
        self._do(Action("classes", len(names)), lambda edits: edits.with_classes(names))

    def undo(self) -> Action | None:
        """Take the last step back; None where there is none."""
        with self.lock:
            action = self.history.undo
            self._take(self.history.undone())
            return action

    def redo(self) -> Action | None:
        """Do the step again that was taken back last; None where there is none."""
        with self.lock:
            action = self.history.redo
            self._take(self.history.redone())
            return action

    def snapshot(self) -> Snapshot:
        """All of it as it is now."""
        with self.lock:
            state, numbers = self._state, tuple(self._state.numbers.tolist())
            return Snapshot(self.model, state.result, numbers, self._numbers.contents, state.show, self.history.now)

    def take_up(self, work: Snapshot) -> None:
        """Go on from what another session had come to; nothing of that can be taken back."""
        with self.lock:
            self.model = work.model
            self._state = _State(work.result, np.array(work.numbers, np.int64), work.show)
            self._numbers = Numbers(work.contents)
            self._take(History(work.edits))

    def passing(self) -> tuple[tuple[int, ...], MaskSet]:
        """Numbers and masks that pass what is set, in upstream's order; hidden and deleted ones are among them."""
        state = self._state
        if state.result is None:
            return (), MaskSet.empty(self.image.rgb.shape[:2])
        return tuple(state.numbers[state.shown].tolist()), state.result.masks[state.shown]

    def shown(self) -> tuple[tuple[int, ...], MaskSet]:
        """Numbers and masks that the visitor has, in upstream's order; hidden ones are among them."""
        numbers, masks = self.passing()
        deleted = self.edits.deleted
        rows = [row for row, number in enumerate(numbers) if number not in deleted]
        return (numbers, masks) if len(rows) == len(numbers) else (tuple(numbers[row] for row in rows), masks[rows])

    def masks_of(self, ids: Sequence[int]) -> MaskSet:
        """The masks with these numbers, in this order.

        Raises:
            RunGoneError: a number is not (or no longer) there.
        """
        state = self._state
        deleted = self.edits.deleted
        rows = {int(number): row for row, number in enumerate(state.numbers) if int(number) not in deleted}
        if missing := [number for number in ids if number not in rows]:
            raise RunGoneError(f"Mask {missing[0]} is no longer there: select again, then repeat the download.")
        if state.result is None:
            return MaskSet.empty(self.image.rgb.shape[:2])
        return state.result.masks[[rows[number] for number in ids]]

    def difference(self, before: frozenset[int]) -> Difference:
        """What has changed in the masks that are shown since they were ``before``."""
        after = frozenset(self.shown()[0])
        return Difference(len(after), len(after - before), len(before - after))

    def before_gesture(self) -> frozenset[int]:
        """Numbers shown before the slider that is being dragged began to move: calls in quick succession are one."""
        now = time.monotonic()
        with self.lock:
            began, before = self._gesture
            if now - began > GESTURE_SECONDS:
                before = frozenset(self.shown()[0])
            self._gesture = (now, before)
            return before

    def end(self, job: Job) -> None:
        """Take note that ``job`` has ended; more than once does no harm."""
        with self.lock:
            if self.job is job:
                self.job = None
        job.ended.set()

    def stop(self) -> None:
        """Stop the run in progress, if there is one."""
        if self.job is not None:
            self.job.cancel.set()

    def close(self) -> None:
        """Stop the run in progress and remove the files."""
        self.stop()
        if self.has_files:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def has_files(self) -> bool:
        """Whether its folder was ever asked for."""
        return "folder" in self.__dict__

    def _pass_on(self, before: _State, result: MaskResult, numbers: list[int]) -> None:
        """Masks that come in the place of others, as better outlines of the same thing, have what was done to those."""
        edited, known = self.edits.numbers, before.numbers.tolist()
        if before.result is not None:
            self._missing |= dict(zip(known, before.result.masks.rle, strict=True))
        gone, old_ones = edited.difference(numbers), edited.union(known)
        self._missing = {number: rle for number, rle in self._missing.items() if number in gone}
        now = zip(numbers, result.masks.rle, strict=True)
        new = {number: rle for number, rle in now if number not in old_ones}
        old_numbers, new_numbers = list(self._missing), list(new)
        pairs = same_masks(list(self._missing.values()), list(new.values()), HEIR_IOU)
        if pairs:
            heirs = {old_numbers[one]: new_numbers[other] for one, other in pairs}
            for number in heirs:
                del self._missing[number]
            self._take(self.history.inherited(heirs))

    def _there(self, ids: Iterable[int]) -> frozenset[int]:
        with self.lock:
            return frozenset(range(1, len(self._numbers) + 1)).intersection(ids)

    def _do(self, action: Action, change: Callable[[Edits], Edits]) -> None:
        with self.lock:
            self._take(self.history.done(action, change(self.edits)))

    def _take(self, history: History) -> None:
        if history is not self.history:
            self.history = history
            self.version += 1

    def _replace(self, state: _State) -> Difference:
        before = frozenset(self.shown()[0])
        self._state = state
        return self.difference(before)
