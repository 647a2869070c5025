"""Edits outlive the masks that they were made to: what comes next in a mask's place takes them over."""

from __future__ import annotations

from collections.abc import Mapping

from automask_ui.masks.rle import Rle
from automask_ui.session.editor import Editor, same_masks

__all__ = ["LostMasks"]

# A new mask is an old one's successor, another outline of the same thing, from here on: where SAM, too, takes one of
# two for a duplicate.
SUCCESSOR_IOU = 0.7


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


def _successors(old: Mapping[int, Rle], new: Mapping[int, Rle]) -> dict[int, int]:
    """Ids of old masks with the ids of their successors, which are nearly the same; each once."""
    old_ids, new_ids = list(old), list(new)
    pairs = same_masks(list(old.values()), list(new.values()), SUCCESSOR_IOU)
    return {old_ids[one]: new_ids[other] for one, other in pairs}
