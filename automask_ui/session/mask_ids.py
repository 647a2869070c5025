"""The numbers of one picture's masks: given once, and found again by content over new thresholds and new runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from automask_ui.masks import MaskResult, MaskSet
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.rle import Rle

__all__ = ["Content", "Numbers", "same_masks"]

# Hash of a mask's runs, and how many equal ones came before it: these need numbers of their own.
Content = tuple[bytes, int]

# Another machine, or another number of threads, computes a few pixels otherwise. (Two masks of one result overlap by
# more than this only where duplicates are let pass, and then each still takes its own best.)
SAME_IOU = 0.9


class Numbers:
    """Counts from 1; ``contents`` are what the numbers 1, 2, ... hang on."""

    def __init__(self, contents: Iterable[Content] = ()) -> None:
        self._known: dict[Content, int] = {content: number for number, content in enumerate(contents, start=1)}

    @property
    def contents(self) -> tuple[Content, ...]:
        """What the numbers hang on, in their order."""
        return tuple(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def of(self, result: MaskResult) -> np.ndarray:
        """(n,) int64: the number of each mask of ``result``, new ones counted on."""
        numbers = [self._known.setdefault(content, len(self._known) + 1) for content in _contents(result)]
        return np.array(numbers, dtype=np.int64)

    def adopt(self, result: MaskResult, masks: MaskSet, numbers: Sequence[int]) -> None:
        """Let masks of ``result`` that were never met have the numbers of nearly the same ones of ``masks``.

        Args:
            result: what the model has found on this machine.
            masks: what was found elsewhere, and kept.
            numbers: those of ``masks``.
        """
        found = _contents(result)
        new = [row for row, content in enumerate(found) if content not in self._known]
        taken = {self._known[content] for content in found if content in self._known}
        free = [row for row, number in enumerate(numbers) if number not in taken]
        contents = list(self._known)
        free_rles, new_rles = [masks.rle[row] for row in free], [result.masks.rle[row] for row in new]
        for old, other in same_masks(free_rles, new_rles, SAME_IOU):
            contents[numbers[free[old]] - 1] = found[new[other]]
        self._known = {content: number for number, content in enumerate(contents, start=1)}


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


def _contents(result: MaskResult) -> list[Content]:
    """Of every mask: its pixels as found, before specks and holes were removed."""
    contents: list[Content] = []
    seen: dict[bytes, int] = {}
    for rle, candidate in zip(result.masks.rle, result.masks.candidate.tolist(), strict=True):
        found = result.candidates.rle[candidate] if candidate >= 0 else None
        digest = hashlib.blake2b((found or rle)["counts"], digest_size=12).digest()
        seen[digest] = seen.get(digest, -1) + 1
        contents.append((digest, seen[digest]))
    return contents
