"""Edits that take long: nobody waits for them, and what others do meanwhile is not lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from blocks import RGB, block, found

from automask_ui.files.images import LoadedImage
from automask_ui.masks import operations, rle
from automask_ui.masks.rle import Rle
from automask_ui.session import Session
from automask_ui.session.history import Action
from automask_ui.session.mask_edits import MASK_EDITS
from automask_ui.session.pixel_work import PixelWork
from automask_ui.ui.edit_requests import take_steps

PATIENCE_S = 20
ONE, TWO = block(0, 0), block(20, 0)
GROW = {"do": "reshape", "how": "grow", "ids": [1, 2], "px": 1}


class Slow:
    """Growing that waits in its first call until it is let go."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, bool]] = []  # the mask, and whether the session waited meanwhile
        self.begun, self.go_on = threading.Event(), threading.Event()

    def grow(self, session: Session, mask: Rle, px: float) -> Rle:
        self.calls.append((mask["counts"], is_locked(session)))
        if len(self.calls) == 1:
            self.begun.set()
            assert self.go_on.wait(PATIENCE_S)
        return operations_grow(mask, px)


operations_grow = operations.grow


def is_locked(session: Session) -> bool:
    """Whether somebody holds the session's lock, asked by a thread of its own: it is reentrant."""
    with ThreadPoolExecutor(1) as other:
        got = other.submit(session.lock.acquire, False).result()
        if got:
            other.submit(session.lock.release).result()
    return not got


@pytest.fixture
def session() -> Session:
    """The masks 1 and 2."""
    session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
    session.update(found(ONE, TWO), "fake", ends_run=True)
    return session


@pytest.fixture
def slow(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slow = Slow()
    monkeypatch.setattr(operations, "grow", lambda mask, px: slow.grow(session, mask, px))
    yield slow
    slow.go_on.set()


def pixels(session: Session, id_: int) -> np.ndarray:
    return rle.decode(session.masks_of([id_]).masks.rle[0])


def grown(mask: np.ndarray) -> np.ndarray:
    return rle.decode(operations_grow(rle.encode(mask), 1))


def test_nobody_waits_for_pixels(session: Session, slow: Slow) -> None:
    with ThreadPoolExecutor(1) as worker:
        answer = worker.submit(MASK_EDITS["reshape"].do, session, GROW)
        assert slow.begun.wait(PATIENCE_S)
        assert not is_locked(session)
        slow.go_on.set()
        assert answer.result(PATIENCE_S) == (1, 2)
    # Each mask once, and never while others wait.
    assert sorted(slow.calls) == sorted((rle.encode(mask)["counts"], False) for mask in (ONE, TWO))
    assert np.array_equal(pixels(session, 1), grown(ONE))


def test_what_is_done_meanwhile_is_not_lost(session: Session, slow: Slow) -> None:
    dot = {"do": "paint", "id": 1, "cut": False, "strokes": [{"width": 3, "points": [[40.5, 30.5]]}], "outline": None}
    with ThreadPoolExecutor(1) as worker:
        answer = worker.submit(take_steps, session, [GROW])
        assert slow.begun.wait(PATIENCE_S)
        assert take_steps(session, [dot]).refused is None
        slow.go_on.set()
        assert answer.result(PATIENCE_S).refused is None
    painted = rle.decode(session.editor.history.past[-1][1].own[1].rle)
    assert painted[30, 40]
    assert np.array_equal(pixels(session, 1), grown(painted))
    assert np.array_equal(pixels(session, 2), grown(TWO))
    assert [action for action, _ in session.editor.history.past] == [Action("paint", 1), Action("grow", 2)]


def test_mask_that_goes_meanwhile_is_refused(session: Session, slow: Slow) -> None:
    with ThreadPoolExecutor(1) as worker:
        answer = worker.submit(take_steps, session, [GROW])
        assert slow.begun.wait(PATIENCE_S)
        session.editor.delete([2])
        slow.go_on.set()
        assert "no longer there" in str(answer.result(PATIENCE_S).refused)
    assert np.array_equal(pixels(session, 1), ONE)


def test_masks_that_are_numbered_anew_meanwhile_are_still_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
    small, large = block(0, 0, 2, 2), block(20, 0, 9, 9)
    session.update(found(small, large), "fake")
    slow = Slow()
    monkeypatch.setattr(operations, "grow", lambda mask, px: slow.grow(session, mask, px))
    with ThreadPoolExecutor(1) as worker:
        answer = worker.submit(
            lambda: take_steps(session, [{**GROW, "ids": [1]}], is_renumbered=bool(session.editor.renumbered))
        )
        assert slow.begun.wait(PATIENCE_S)
        session.update(found(small, large), "fake", ends_run=True)
        slow.go_on.set()
        assert answer.result(PATIENCE_S).made == ((2,),)
    assert session.editor.renumbered == {1: 2, 2: 1}
    assert np.array_equal(pixels(session, 2), grown(small))
    assert np.array_equal(pixels(session, 1), large)


def test_same_arguments_are_computed_once() -> None:
    calls: list[object] = []
    work = PixelWork()

    def note(*arguments: object) -> int:
        calls.append(arguments)
        return len(calls)

    for masks in ([rle.encode(ONE)], [rle.encode(ONE.copy())]):
        assert work(note, masks, 1) == 1
        assert work(note, masks, 2) == 2
        assert work(note, np.arange(3), (1, 2)) == 3
    assert work(note, np.arange(3.0), (1, 2)) == 4
    assert work(note, [rle.encode(TWO)], 1) == 5
