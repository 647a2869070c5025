"""One visitor's work on one picture: a plain object that knows neither the page nor the model.

Ids are numbered once, at the end of the first run: 1 to n by size. A mask keeps its id as long as its content stays,
over new thresholds and new runs, and later masks get the next ones; ids are never given twice. Edits are remembered by
id and therefore stay as well; a mask made by hand stays whatever is found.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from automask_ui.errors import OptionError, RunGoneError
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskResult, MaskSet
from automask_ui.options import GeneratorOptions
from automask_ui.session.editor import Editor, Fingerprint, LostMasks, size_order
from automask_ui.session.edits import EditedMasks, Edits, apply_edits
from automask_ui.session.history import History
from automask_ui.session.offered_masks import OfferedMasks

__all__ = ["Difference", "Job", "Session", "ShowOnly", "Snapshot"]

GESTURE_SECONDS = 1.5  # between two moves of one drag


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

    def matches(self, masks: MaskSet) -> np.ndarray:
        """(n,) bool: the masks to show."""
        pixels = masks.size_hw[0] * masks.size_hw[1]
        area = masks.area if self.unit == "px" else masks.area * 100 / pixels
        shown = (area >= self.smallest) & (masks.area * 100 <= self.covering * pixels)
        return shown if self.largest is None else shown & (area <= self.largest)


@dataclass(frozen=True)
class Difference:
    """What a step changed in the current masks."""

    total: int
    more: int
    fewer: int


class Job:
    """A run in progress, to be stopped from elsewhere.

    Attributes:
        cancel: set to end it.
        ended: set once it has.
        refilter_options: what it applies to what was found; such a job gives way to newer ones. None: it finds masks.
        is_superseded: it was ended for newer ones.
        is_whole: the session keeps what it has until the run is through.
    """

    def __init__(self, refilter_options: GeneratorOptions | None = None) -> None:
        self.refilter_options = refilter_options
        self.is_superseded = False
        self.is_whole = False
        self.cancel = threading.Event()
        self.ended = threading.Event()


@dataclass(frozen=True, eq=False)
class _State:
    """A result with the ids of its masks; replaced as a whole, so that readers never see a half."""

    result: MaskResult | None = None
    ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # one a mask
    show: ShowOnly = field(default_factory=ShowOnly)

    @cached_property
    def rows(self) -> np.ndarray:
        """(m,) int64: rows of ``result.masks`` that match Show only, in their order."""
        return np.zeros(0, np.int64) if self.result is None else np.flatnonzero(self.show.matches(self.result.masks))


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a session has come to at one moment, to be taken up by another one on the same picture."""

    model: str
    result: MaskResult | None
    ids: tuple[int, ...]  # one a mask of the result
    fingerprints: tuple[Fingerprint, ...]  # of the masks with the ids 1, 2, ...
    show: ShowOnly
    history: History


class Session:
    """One visitor's work on one picture.

    Attributes:
        id: names this work, and cannot be guessed; a new picture has a new one.
        owner: the visitor it belongs to.
        model: registry name of the model that made the result, "" before there is one.
        editor: what the visitor does to the masks, step by step.
        offered: masks that clicks were answered with last.
        files: folder of files made from this work, or None where none was asked for.
        job: the run in progress, or None.
        given: the result that it began with, which nobody has asked for; None where there was none.
        lock: held while any of this changes.
    """

    def __init__(self, image: LoadedImage, owner: str, scratch: Path | None = None) -> None:
        self.id = uuid.uuid4().hex
        self.owner = owner
        self.image = image
        self.model = ""
        self.files: Path | None = None
        self.job: Job | None = None
        self.given: MaskResult | None = None
        self.lock = threading.RLock()
        self.editor = Editor(self.lock)
        self.offered = OfferedMasks()
        self._state = _State()
        self._scratch = scratch
        self._is_numbered = False  # ids are those that stay
        self._early_ids = 0  # given before the first run
        self._lost = LostMasks()
        self._gesture: tuple[float, frozenset[int]] = (-math.inf, frozenset())

    @property
    def result(self) -> MaskResult | None:
        """All that was found so far, shown or not."""
        return self._state.result

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the picture, px."""
        height, width = self.image.rgb.shape[:2]
        return height, width

    @property
    def show(self) -> ShowOnly:
        """What is shown of it."""
        return self._state.show

    @property
    def edits(self) -> Edits:
        """What the visitor did to the masks, as it is now."""
        return self.editor.now

    @property
    def folder(self) -> Path:
        """A folder for files made from this work, under a name that cannot be guessed; it goes when the work does."""
        with self.lock:
            if self.files is None:
                self.files = Path(tempfile.mkdtemp(prefix=f"session-{self.id}-", dir=self._scratch))
            return self.files

    @property
    def nbytes(self) -> int:
        """About the memory that this work holds."""
        size = self.image.rgb.nbytes + len(self.image.data) + self.editor.history.nbytes + self.offered.nbytes
        if self.result is not None:
            candidates, masks = self.result.candidates, self.result.masks
            size += sum(len(rle["counts"]) for rle in (*candidates.rle, *masks.rle) if rle is not None)
            size += 200 * (len(candidates) + len(masks))
        return size

    def update(self, result: MaskResult, model: str | None = None, *, ends_run: bool = False) -> Difference:
        """Take over a new result of this picture.

        Args:
            result: all that was found.
            model: names what made it, if that may have changed.
            ends_run: no more of this run follows. At the end of the first one, masks get the ids that they keep.
        """
        with self.lock:
            if model is not None:
                self.model = model
            before = self._state
            if before.result is None:
                self._early_ids = len(self.editor.ids)
            if before.result is not None and result.has_candidates and not before.result.has_candidates:
                self.editor.ids.adopt(result, before.result.masks, before.ids.tolist())
            ids = self.editor.ids.of(result)
            known = () if before.result is None else zip(before.ids.tolist(), before.result.masks.rle, strict=True)
            found = zip(ids.tolist(), result.masks.rle, strict=True)
            self._lost.carry_edits_over(self.editor, dict(known), dict(found))
            difference = self._replace(replace(before, result=result, ids=ids))
            if ends_run and not self._is_numbered:
                self._number()
            return difference

    def show_only(self, show: ShowOnly) -> Difference:
        """Show other masks of the same result."""
        with self.lock:
            return self._replace(replace(self._state, show=show))

    def snapshot(self) -> Snapshot:
        """All of it as it is now."""
        with self.lock:
            state, ids = self._state, tuple(self._state.ids.tolist())
            return Snapshot(
                self.model, state.result, ids, self.editor.ids.fingerprints, state.show, self.editor.history
            )

    def restore(self, work: Snapshot) -> None:
        """Go on from what another session had come to."""
        with self.lock:
            self.model = work.model
            self._state = _State(work.result, np.array(work.ids, np.int64), work.show)
            self._is_numbered = work.result is not None
            self.editor.restart(work.history, work.fingerprints)

    def current_masks(self, *, with_deleted: bool = False) -> EditedMasks:
        """The masks that pass all settings, in upstream's order, then those made by hand; hidden ones too."""
        state = self._state
        return self._edited(state, state.rows, with_deleted=with_deleted)

    def masks_of(self, ids: Sequence[int]) -> EditedMasks:
        """The masks with these ids, in this order, whether or not they pass what is set.

        Raises:
            RunGoneError: one is not (or no longer) there.
        """
        every = self._edited(self._state, slice(None))
        rows = {id_: row for row, id_ in enumerate(every.ids)}
        if missing := [id_ for id_ in ids if id_ not in rows]:
            raise RunGoneError(f"Mask {missing[0]} is no longer there: select again, then repeat the download.")
        wanted = [rows[id_] for id_ in ids]
        return EditedMasks(tuple(ids), every.masks[wanted], tuple(every.labels[row] for row in wanted))

    def difference(self, before: frozenset[int]) -> Difference:
        """What has changed in the current masks since their ids were ``before``."""
        after = frozenset(self.current_masks().ids)
        return Difference(len(after), len(after - before), len(before - after))

    def before_gesture(self) -> frozenset[int]:
        """Ids of the masks before the slider that is being dragged began to move: calls in quick succession are one."""
        now = time.monotonic()
        with self.lock:
            began, before = self._gesture
            if now - began > GESTURE_SECONDS:
                before = frozenset(self.current_masks().ids)
            self._gesture = (now, before)
            return before

    def close(self, *, with_files: bool = True) -> None:
        """Stop the run in progress, if there is one, and remove the files."""
        if self.job is not None:
            self.job.cancel.set()
        if with_files and self.files is not None:
            shutil.rmtree(self.files, ignore_errors=True)

    def _edited(self, state: _State, rows: np.ndarray | slice, *, with_deleted: bool = False) -> EditedMasks:
        masks = MaskSet.empty(self.size_hw) if state.result is None else state.result.masks[rows]
        return apply_edits(masks, state.ids[rows].tolist(), self.edits, with_deleted=with_deleted)

    def _number(self) -> None:
        """Number the masks by size, 1 to n; then those that were edited or made meanwhile and are not among them.

        Masks that were made before the first run keep their ids, and the others follow.
        """
        state, editor = self._state, self.editor
        assert state.result is not None, "there is a result at the end of a run"
        order = [*range(1, self._early_ids + 1), *state.ids[size_order(state.result.masks)].tolist()]
        touched = frozenset().union(*(edits.ids for edits in editor.history.every))
        order += sorted(touched.difference(order))
        new_ids = dict.fromkeys(range(1, len(editor.ids) + 1), 0) | {old: new for new, old in enumerate(order, start=1)}
        editor.renumber(new_ids)
        self._state = replace(state, ids=np.array([new_ids[id_] for id_ in state.ids.tolist()], np.int64))
        self._lost.renumber(new_ids)
        self._is_numbered = True

    def _replace(self, state: _State) -> Difference:
        before = frozenset(self.current_masks().ids)
        self._state = state
        return self.difference(before)
