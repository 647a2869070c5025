"""What a session remembers of the masks that a model has predicted for clicks, so that one of them can be taken."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automask_ui.errors import EditError
from automask_ui.session.edits import OwnMask

__all__ = ["MAX_CLICKS", "Clicks", "OfferedMasks"]

MAX_CLICKS = 100  # at one object

MAX_KEPT = 16  # a hovering pointer asks for one after the other; what is taken was asked for last, or nearly


@dataclass(frozen=True, eq=False)
class Clicks:
    """What a person shows of one object in the page. All in px of the picture, x to the right."""

    points_xy: np.ndarray  # (n, 2) float64
    labels: np.ndarray  # (n,) of 1 = on the object, 0 = beside it
    box_xyxy: np.ndarray | None = None  # (4,) float64: around it
    mask_id: int = 0  # of the mask that is to become better; 0 = none


class OfferedMasks:
    """The candidates of the last few predictions by the tickets with which the page asked for them. Thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[OwnMask, ...]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """About the memory that they hold."""
        with self._lock:
            return sum(len(mask.rle["counts"]) for masks in self._kept.values() for mask in masks)

    def remember(self, ticket: str, candidates: Sequence[OwnMask]) -> None:
        """Keep ``candidates``, and forget the oldest ones where there are too many."""
        with self._lock:
            self._kept[ticket] = tuple(candidates)
            self._kept.move_to_end(ticket)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def candidate(self, ticket: str, place: int) -> OwnMask:
        """One candidate of a prediction, by its place from 0.

        Raises:
            EditError: the prediction is no longer kept, or has no such candidate.
        """
        with self._lock:
            candidates = self._kept.get(ticket)
        if candidates is None:
            raise EditError("This suggestion is no longer kept: click again.")
        if not 0 <= place < len(candidates):
            raise EditError(f"This suggestion has {len(candidates)} masks, and none in place {place + 1}.")
        return candidates[place]
