"""The ids of one picture's masks: given once, and found again by the masks' pixels over new thresholds and new runs.

While a picture's first run streams, ids are given as masks come, which depends on the clock. At its end they are
numbered anew, by :func:`size_order`, so that everybody has the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from automask_ui.masks import MaskResult, MaskSet
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.rle import Rle

__all__ = ["Fingerprint", "MaskIds", "same_masks", "size_order"]

# Hash of a found mask's runs, and how many equal ones came before it: these need ids of their own. Of a mask that was
# made by hand, no hash and its own id: no run finds it.
Fingerprint = tuple[bytes, int]

# Another machine, or another number of threads, computes a few pixels otherwise. (Two masks of one result overlap by
# more than this only where duplicates are let pass, and then each still takes its own best.)
SAME_IOU = 0.9


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
        digest = hashlib.blake2b((found or rle)["counts"], digest_size=12).digest()
        seen[digest] = seen.get(digest, -1) + 1
        fingerprints.append((digest, seen[digest]))
    return fingerprints
