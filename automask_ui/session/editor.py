"""The ids of one picture's masks, and what a visitor does to the masks while it is open: every step can be taken back.

Ids are given once, and found again by the masks' pixels over new thresholds and new runs. While a picture's first run
streams, they are given as masks come, which depends on the clock. At its end masks are numbered anew, by
:func:`size_order`, so that everybody has the same numbers.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from automask_ui.errors import EditError, RunGoneError
from automask_ui.masks import MaskResult, MaskSet
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.rle import Rle
from automask_ui.session.class_names import class_name
from automask_ui.session.edits import Edits, OwnMask
from automask_ui.session.history import Action, History

__all__ = ["Editor", "Fingerprint", "LostMasks", "MaskIds", "same_masks", "size_order"]

MAX_OWN = 5_000  # masks made by hand, deleted ones too: they can come back

# Hash of a found mask's runs, and how many equal ones came before it: these need ids of their own. Of a mask that was
# made by hand, no hash and its own id: no run finds it.
Fingerprint = tuple[bytes, int]

# Another machine, or another number of threads, computes a few pixels otherwise. (Two masks of one result overlap by
# more than this only where duplicates are let pass, and then each still takes its own best.)
SAME_IOU = 0.9
# A new mask is an old one's successor, another outline of the same thing, from here on: where SAM, too, takes one of
# two for a duplicate.
SUCCESSOR_IOU = 0.7


class Editor:
    """The edits of one session. Ids that were never given are passed over.

    Attributes:
        ids: of the session's masks.
        history: the steps; replaced as a whole.
        version: how often that has changed.
        renumbered: old id -> new id, 0 for a mask that is gone; empty until the ids were numbered anew.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.ids = MaskIds()
        self.history = History()
        self.version = 0
        self.renumbered: Mapping[int, int] = {}
        self._lock = lock

    @property
    def now(self) -> Edits:
        """The edits as they are."""
        return self.history.now

    def to_dict(self) -> dict[str, Any]:
        """Give the edits as plain values for the page, with their version: ids, names and places, no pixels."""
        with self._lock:
            history, version, renumbered = self.history, self.version, self.renumbered
        edits = history.now
        places = {name: place for place, name in enumerate(edits.classes)}
        return {
            "version": version,
            "renumbered": [[old, new] for old, new in renumbered.items()],
            "classes": list(edits.classes),
            "class_lines": edits.class_list.lines,
            "labels": [[id_, places[name]] for id_, name in edits.labels.items()],
            "hidden": sorted(edits.hidden),
            "deleted": sorted(edits.deleted),
            "undo": asdict(history.undo) if history.undo else None,
            "redo": asdict(history.redo) if history.redo else None,
        }

    def set_hidden(self, ids: Iterable[int], hidden: bool) -> None:
        """Hide masks, or show them again."""
        known = self._known(ids)
        self._do(Action("hide" if hidden else "show", len(known)), lambda edits: edits.with_hidden(known, hidden))

    def set_label(self, ids: Iterable[int], label: str) -> None:
        """Label masks, with a new class if need be; "" takes their labels away.

        Raises:
            LabelError: the name cannot be used, or there are too many classes.
        """
        known, label = self._known(ids), label and class_name(label)
        action = Action("label" if label else "unlabel", len(known), label)
        self._do(action, lambda edits: edits.with_label(known, label) if known else edits)

    def set_classes(self, names: Iterable[object], ids: tuple[int, ...] | None = None) -> None:
        """Take another class list, with the numbers ``ids`` if it has any; labels that are not in it go.

        Raises:
            LabelError: a name cannot be used, or there are too many.
        """
        names = list(names)
        self._do(Action("classes", len(names)), lambda edits: edits.with_classes(names, ids))

    def delete(self, ids: Iterable[int]) -> None:
        """Take masks away."""
        known = self._known(ids)
        self._do(Action("delete", len(known)), lambda edits: edits.with_deleted(known))

    def restore(self, ids: Iterable[int]) -> None:
        """Bring deleted masks back."""
        deleted = self._known(ids) & self.now.deleted
        self._do(Action("restore", len(deleted)), lambda edits: edits.with_deleted(deleted, False))

    def put_masks(
        self,
        kind: str,
        masks: Sequence[OwnMask],
        ids: Sequence[int] | None = None,
        instead_of: Iterable[int] = (),
        *,
        labels: Sequence[str] = (),
        count: int | None = None,
    ) -> tuple[int, ...]:
        """Put masks made by hand among the others, and take those away that they are made of, in one step.

        Args:
            kind: what the step is called.
            masks: of this picture.
            ids: of the masks whose pixels these become, one each; by default, each is a new mask with an id of its own.
            instead_of: ids of masks that go.
            labels: of ``masks``, one each; "" leaves a mask as it is. By default, for all of them.
            count: masks that the step was done to, for people; by default, as many as ``masks``.

        Returns:
            The ids of ``masks``.

        Raises:
            EditError: these would be too many masks, or a label cannot be used.
            RunGoneError: one of ``ids`` was never given.
        """
        with self._lock:
            if missing := [id_ for id_ in ids or () if id_ not in self.ids]:
                raise RunGoneError(f"Mask {missing[0]} is no longer there: select again.")
            if len(self.now.own.keys() - set(ids or ())) + len(masks) > MAX_OWN:
                raise EditError(
                    f"A picture can have {MAX_OWN:,} masks made by hand, and those that were merged, split or deleted "
                    "since count as well: take steps back."
                )
            given = self.ids.new(len(masks)) if ids is None else tuple(ids)
            own, gone = dict(zip(given, masks, strict=True)), self._known(instead_of)

            def change(edits: Edits) -> Edits:
                edits = edits.with_own(own).with_deleted(gone - own.keys())
                for label in filter(None, dict.fromkeys(labels)):
                    labelled = [id_ for id_, name in zip(given, labels, strict=True) if name == label]
                    edits = edits.with_label(labelled, label)
                return edits

            self._do(Action(kind, len(masks) if count is None else count), change)
            return given

    def undo(self) -> Action | None:
        """Take the last step back; None where there is none."""
        with self._lock:
            action = self.history.undo
            self._take(self.history.undone())
            return action

    def redo(self) -> Action | None:
        """Do the step again that was taken back last; None where there is none."""
        with self._lock:
            action = self.history.redo
            self._take(self.history.redone())
            return action

    def carry_over(self, successors: Mapping[int, int]) -> None:
        """Do what was done to each mask to its successor as well, at every step; ``successors``: old id -> new id."""
        if successors:
            with self._lock:
                self._take(self.history.at_every_step(lambda edits: edits.carried_over(successors)))

    def renumber(self, new_ids: Mapping[int, int]) -> None:
        """Give all masks the ids that they keep; ``new_ids``: old id -> new id, 0 for a mask that nothing needs."""
        with self._lock:
            self.ids.renumber(new_ids)
            self.renumbered = {old: new for old, new in new_ids.items() if old != new}
            self._take(self.history.at_every_step(lambda edits: edits.renumbered(new_ids)))

    def restart(self, history: History, fingerprints: Iterable[Fingerprint]) -> None:
        """Go on from ``history``, which is of the masks with these ``fingerprints``."""
        with self._lock:
            self.ids = MaskIds(fingerprints)
            self._take(history)

    def _known(self, ids: Iterable[int]) -> frozenset[int]:
        return frozenset(id_ for id_ in ids if id_ in self.ids)

    def _do(self, action: Action, change: Callable[[Edits], Edits]) -> None:
        with self._lock:
            self._take(self.history.done(action, change(self.now)))

    def _take(self, history: History) -> None:
        if history is not self.history:
            self.history = history
            self.version += 1


class MaskIds:
    """Gives ids, which count from 1 and are never given twice; ``fingerprints`` are those of the masks 1, 2, ..."""

    def __init__(self, fingerprints: Iterable[Fingerprint] = ()) -> None:
        self._known: dict[Fingerprint, int] = {
            fingerprint: id_ for id_, fingerprint in enumerate(fingerprints, start=1)
        }

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Those of the masks 1, 2, ..."""
        return tuple(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, id_: object) -> bool:
        return type(id_) is int and 1 <= id_ <= len(self)

    def of(self, result: MaskResult) -> np.ndarray:
        """(n,) int64: the id of each mask of ``result``; masks that were never met get the next ones."""
        ids = [self._known.setdefault(fingerprint, len(self._known) + 1) for fingerprint in _fingerprints(result)]
        return np.array(ids, dtype=np.int64)

    def new(self, count: int) -> tuple[int, ...]:
        """Ids for ``count`` masks that are made by hand."""
        ids = tuple(range(len(self) + 1, len(self) + count + 1))
        self._known |= {(b"", id_): id_ for id_ in ids}
        return ids

    def is_by_hand(self, id_: int) -> bool:
        """Whether the mask with this id was made by hand."""
        return (b"", id_) in self._known

    def candidate(self, id_: int, result: MaskResult) -> Rle | None:
        """The candidate of ``result`` that is the mask with this id, kept or not; None where there is none."""
        digest, _ = self.fingerprints[id_ - 1] if id_ in self else (b"", 0)
        decoded = (rle for rle in result.candidates.rle if rle is not None)
        return next((rle for rle in decoded if digest and _digest(rle) == digest), None)

    def renumber(self, new_ids: Mapping[int, int]) -> None:
        """Give every mask another id; ``new_ids``: old id -> new id, which are 1, 2, ...; 0 forgets the mask."""
        fingerprints = {new_ids[id_]: fingerprint for fingerprint, id_ in self._known.items() if new_ids[id_]}
        # The fingerprint of a mask made by hand is its id.
        self._known = {fingerprints[id_] if fingerprints[id_][0] else (b"", id_): id_ for id_ in sorted(fingerprints)}

    def adopt(self, result: MaskResult, masks: MaskSet, ids: Sequence[int]) -> None:
        """Give masks of ``result`` that were never met the ids of nearly the same ones of ``masks``.

        Args:
            result: what the model has found on this machine.
            masks: what was found elsewhere, and kept.
            ids: those of ``masks``.
        """
        found = _fingerprints(result)
        new = [row for row, fingerprint in enumerate(found) if fingerprint not in self._known]
        taken = {self._known[fingerprint] for fingerprint in found if fingerprint in self._known}
        free = [row for row, id_ in enumerate(ids) if id_ not in taken]
        fingerprints = list(self._known)
        free_rles, new_rles = [masks.rle[row] for row in free], [result.masks.rle[row] for row in new]
        for old, other in same_masks(free_rles, new_rles, SAME_IOU):
            fingerprints[ids[free[old]] - 1] = found[new[other]]
        self._known = {fingerprint: id_ for id_, fingerprint in enumerate(fingerprints, start=1)}


class LostMasks:
    """Found masks of one session that were edited and are in no result now; each waits for its successor."""

    def __init__(self) -> None:
        self._rles: dict[int, Rle] = {}  # by id

    def carry_edits_over(self, editor: Editor, before: Mapping[int, Rle], found: Mapping[int, Rle]) -> None:
        """Do what was done to masks that are gone to their successors: other outlines of the same things.

        Args:
            editor: of the session.
            before: what was found until now, by id.
            found: what is found now, by id.
        """
        edited = editor.now.ids
        gone, old = edited - found.keys(), edited | before.keys()
        self._rles = {id_: rle for id_, rle in (self._rles | dict(before)).items() if id_ in gone}
        new = {id_: rle for id_, rle in found.items() if id_ not in old}
        successors = _successors(self._rles, new)
        for id_ in successors:
            del self._rles[id_]
        editor.carry_over(successors)
        # A mask made by hand stays: what is found anew in its place is one too many.
        others = {id_: rle for id_, rle in new.items() if id_ not in successors.values()}
        editor.carry_over(_successors({id_: own.rle for id_, own in editor.now.own.items()}, others))

    def renumber(self, new_ids: Mapping[int, int]) -> None:
        """Give the masks the ids that they keep; ``new_ids``: old id -> new id."""
        self._rles = {new_ids[id_]: rle for id_, rle in self._rles.items()}


def size_order(masks: MaskSet) -> np.ndarray:
    """(n,) int64: rows of ``masks`` in the order in which they are numbered.

    The largest area comes first; of equal areas the upper box, then the one further left, then the earlier row.
    """
    boxes = masks.bbox_xywh
    return np.lexsort((boxes[:, 0], boxes[:, 1], -masks.area))


def same_masks(old: Sequence[Rle], new: Sequence[Rle], least_iou: float) -> list[tuple[int, int]]:
    """Places, in ``old`` and in ``new``, of masks with this IoU or more: each once, with the one most like it."""
    ious = rle_codec.iou_matrix(old, new)
    pairs = np.argwhere(ious >= least_iou)
    matched: dict[int, int] = {}
    taken: set[int] = set()
    # The most alike first; of the same likeness, the first.
    for one, other in pairs[np.argsort(-ious[tuple(pairs.T)], kind="stable")].tolist():
        if one not in matched and other not in taken:
            matched[one] = other
            taken.add(other)
    return list(matched.items())


def _fingerprints(result: MaskResult) -> list[Fingerprint]:
    """Of every mask: its pixels as found, before specks and holes were removed."""
    fingerprints: list[Fingerprint] = []
    seen: dict[bytes, int] = {}
    for rle, candidate in zip(result.masks.rle, result.masks.candidate.tolist(), strict=True):
        found = result.candidates.rle[candidate] if candidate >= 0 else None
        digest = _digest(found or rle)
        seen[digest] = seen.get(digest, -1) + 1
        fingerprints.append((digest, seen[digest]))
    return fingerprints


def _digest(rle: Rle) -> bytes:
    return hashlib.blake2b(rle["counts"], digest_size=12).digest()


def _successors(old: Mapping[int, Rle], new: Mapping[int, Rle]) -> dict[int, int]:
    """Ids of old masks with the ids of their successors, which are nearly the same; each once."""
    old_ids, new_ids = list(old), list(new)
    pairs = same_masks(list(old.values()), list(new.values()), SUCCESSOR_IOU)
    return {old_ids[one]: new_ids[other] for one, other in pairs}
