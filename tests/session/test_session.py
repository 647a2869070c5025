"""One visitor's work: numbers that stay, what is shown, what is hidden, what has changed."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fakes import fake_result

from automask_ui.errors import OptionError, RunGoneError
from automask_ui.export.hard_masks import mask_set
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskResult
from automask_ui.options import GeneratorOptions
from automask_ui.session import Difference, Session, ShowOnly
from automask_ui.session.edits import Edits
from automask_ui.session.history import Action
from automask_ui.session.store import SessionStore

RGB = np.zeros((37, 53, 3), np.uint8)
LOOSE = GeneratorOptions(points_per_side=4, pred_iou_thresh=0.7, stability_score_thresh=0.0)
result_of = partial(fake_result, RGB)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(LoadedImage(RGB, "photo.jpg", ()), "visitor", tmp_path)


def test_new_session_has_nothing(session: Session) -> None:
    ids, masks, _ = session.current_masks()
    assert ids == ()
    assert len(masks) == 0
    assert masks.size_hw == (37, 53)


def test_numbers_stay_over_other_thresholds(session: Session) -> None:
    assert session.update(result_of(LOOSE), "fake").more > 3
    before = dict(zip(*_ids_and_counts(session), strict=True))
    strict = session.update(result_of(LOOSE.replace(pred_iou_thresh=0.9)))
    assert strict.fewer > 0
    kept = dict(zip(*_ids_and_counts(session), strict=True))
    assert kept
    assert kept.items() <= before.items()
    session.update(result_of(LOOSE))
    assert dict(zip(*_ids_and_counts(session), strict=True)) == before


def test_new_masks_get_the_next_numbers(session: Session) -> None:
    session.update(result_of(LOOSE.replace(pred_iou_thresh=0.9)))
    first = set(session.current_masks()[0])
    session.update(result_of(LOOSE))
    added = set(session.current_masks()[0]) - first
    assert added
    assert min(added) == max(first) + 1


def test_equal_masks_have_numbers_of_their_own(session: Session) -> None:
    result = result_of(LOOSE)
    twice = replace(result, masks=result.masks[np.array([0, 0, 1])])
    session.update(twice)
    assert len(set(session.current_masks()[0])) == 3


def test_number_hangs_on_the_mask_before_clean_up(session: Session) -> None:
    result = result_of(LOOSE)
    session.update(result)
    before = session.current_masks()[0]
    cleaned = result.masks.rle.copy()
    cleaned[0] = {"size": [37, 53], "counts": cleaned[1]["counts"]}
    session.update(replace(result, masks=replace(result.masks, rle=cleaned)))
    assert session.current_masks()[0] == before


@pytest.mark.parametrize(
    ("show", "areas"),
    [
        (ShowOnly(), [10, 100, 1000, 1961]),  # everything
        (ShowOnly(smallest=100), [100, 1000, 1961]),  # from a size on, itself included
        (ShowOnly(largest=100), [10, 100]),  # up to a size, itself included
        (ShowOnly(smallest=11, largest=999), [100]),  # a range
        (ShowOnly(smallest=5, unit="%"), [100, 1000, 1961]),  # 5 % of 1,961 px are 98
        (ShowOnly(covering=60), [10, 100, 1000]),  # what covers most of the picture is hidden
        (ShowOnly(smallest=2000), []),  # nothing
    ],
)
def test_show_only(show: ShowOnly, areas: list[int]) -> None:
    result = result_of(LOOSE)
    masks = replace(result.masks[:4], area=np.array([10, 100, 1000, 1961]))
    assert masks.area[show.matches(masks)].tolist() == areas


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"smallest": -1}, "smallest area must be a number of at least 0"),  # negative
        ({"smallest": float("nan")}, "smallest area"),  # not a number
        ({"smallest": True}, "smallest area"),  # a bool
        ({"largest": "9"}, "largest area"),  # text
        ({"smallest": 10, "largest": 5}, "below the smallest"),  # swapped
        ({"covering": 101}, "from 0 to 100"),  # more than all
        ({"unit": "inch"}, "must be px or %"),  # another unit
    ],
)
def test_show_only_refuses(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ShowOnly(**values)  # type: ignore[arg-type]


def test_show_only_counts_what_changed(session: Session) -> None:
    total = session.update(result_of(LOOSE)).total
    areas = session.current_masks()[1].area
    smallest = float(np.median(areas))
    below = int((areas < smallest).sum())
    assert session.show_only(ShowOnly(smallest=smallest)) == Difference(total - below, 0, below)
    assert session.show_only(ShowOnly()) == Difference(total, below, 0)


def test_hidden_masks_stay_hidden_and_unknown_numbers_are_passed_over(session: Session) -> None:
    session.update(result_of(LOOSE))
    session.editor.set_hidden([1, 2, 999], True)
    session.editor.set_hidden([2], False)
    assert session.edits.hidden == {1}
    session.update(result_of(LOOSE.replace(pred_iou_thresh=0.95)))
    session.update(result_of(LOOSE))
    assert session.edits.hidden == {1}


def test_edits_are_replaced_not_changed(session: Session) -> None:
    session.update(result_of(LOOSE))
    before = session.edits
    session.editor.set_hidden([1], True)
    assert before.hidden == frozenset()


def test_labels_stay_over_other_thresholds_and_go_with_undo(session: Session) -> None:
    session.update(result_of(LOOSE))
    session.editor.set_label([1, 2, 999], "car")
    session.update(result_of(LOOSE.replace(pred_iou_thresh=0.95)))
    session.editor.set_label([2], "person")
    session.update(result_of(LOOSE))
    assert session.edits.labels == {1: "car", 2: "person"}
    assert session.edits.classes == ("car", "person")
    assert session.editor.undo() == Action("label", 1, "person")
    assert session.edits.labels == {1: "car", 2: "car"}
    assert session.editor.redo() == Action("label", 1, "person")
    assert session.edits.labels == {1: "car", 2: "person"}


def test_deleted_masks_are_not_there_until_it_is_taken_back(session: Session) -> None:
    session.update(result_of(LOOSE))
    ids = session.current_masks()[0]
    session.editor.delete(ids[:2])
    assert session.current_masks()[0] == ids[2:]
    assert len(session.current_masks()[1]) == len(ids) - 2
    assert session.current_masks(with_deleted=True)[0] == ids
    with pytest.raises(RunGoneError, match="no longer there"):
        session.masks_of(ids[:1])
    session.editor.undo()
    assert session.current_masks()[0] == ids


def test_version_counts_changes_only(session: Session) -> None:
    session.update(result_of(LOOSE))
    for change in (
        lambda: session.editor.set_hidden([1], False),  # is not hidden
        lambda: session.editor.set_label([999], "car"),  # no such mask: no class either
        lambda: session.editor.delete([]),  # nothing
        session.editor.undo,  # nothing was done
    ):
        change()
        assert (session.editor.version, session.editor.history.undo) == (0, None)
    session.editor.set_label([1], "car")
    session.editor.set_classes(["person", "dog"])
    assert session.editor.version == 2
    assert session.edits == Edits(("person", "dog"))


def test_masks_come_in_the_order_asked_for(session: Session) -> None:
    session.update(result_of(LOOSE))
    ids, masks, _ = session.current_masks()
    wanted = session.masks_of([ids[2], ids[0]]).masks
    assert [rle["counts"] for rle in wanted.rle] == [masks.rle[2]["counts"], masks.rle[0]["counts"]]


def test_mask_that_is_gone(session: Session) -> None:
    session.update(result_of(LOOSE))
    with pytest.raises(RunGoneError, match="Mask 4711 is no longer there"):
        session.masks_of([1, 4711])


def test_close_removes_the_files_and_stops_the_run(session: Session, tmp_path: Path) -> None:
    (session.folder / "photo.webp").write_bytes(b"x")
    assert len(list(tmp_path.iterdir())) == 1
    session.close()
    assert not list(tmp_path.iterdir())


def test_files_of_a_picture_that_was_left_stay_until_the_next_is_left(session: Session) -> None:
    store = SessionStore(1 << 20)
    folders = []
    for _ in range(3):
        opened = store.begin(session.image, "ann")
        (opened.folder / "masks-1.bin").write_bytes(b"x")  # the page may be fetching it when the next is opened
        folders.append(opened.folder)
    assert [folder.exists() for folder in folders] == [False, True, True]
    store.forget("ann")
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("what", ["begin", "forget"])
def test_what_comes_in_the_middle_of_a_beginning_comes_after_it(
    session: Session, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Two tabs of one browser, or a page that is left while a photo opens: no session stays that nobody owns."""
    store = SessionStore(1 << 30)
    put, others = store._sessions.put, []

    def put_late(id_: str, opened: Session) -> list[Session]:
        if not others:
            do = partial(store.begin, session.image) if what == "begin" else store.forget
            others.append(threading.Thread(target=do, args=("ann",)))
            others[0].start()
            others[0].join(0.3)
        return put(id_, opened)

    monkeypatch.setattr(store._sessions, "put", put_late)
    first = store.begin(session.image, "ann")
    others[0].join()
    assert store._sessions.peek(first.id) is None
    assert len(store._sessions) == (what == "begin")
    store.forget("ann")
    assert len(store._sessions) == 0


def _ids_and_counts(session: Session) -> tuple[list[int], list[bytes]]:
    ids, masks, _ = session.current_masks()
    return list(ids), [rle["counts"] for rle in masks.rle]


def blocks(*rows_and_widths: tuple[int, int]) -> MaskResult:
    """A result with a block of 10 rows from each row on, so many pixels wide."""
    arrays = []
    for row, width in rows_and_widths:
        array = np.zeros(RGB.shape[:2], bool)
        array[row : row + 10, :width] = True
        arrays.append(array)
    return replace(result_of(LOOSE), masks=mask_set(arrays, RGB.shape[:2]))


def test_edits_pass_on_to_nearly_the_same_masks(session: Session) -> None:
    session.update(blocks((0, 40), (12, 40), (24, 40)), "fake")
    session.editor.set_label([1], "cat")
    session.editor.set_label([2], "dog")
    session.editor.delete([3])
    # A run with other points: bit by bit, some outlines a little otherwise, one mask gone for good.
    session.update(blocks((24, 41)))
    session.update(blocks((24, 41), (0, 41)))
    session.update(blocks((24, 41), (0, 41), (12, 20)))
    assert session.edits.labels == {1: "cat", 2: "dog", 5: "cat"}
    assert session.edits.deleted == {3, 4}
    assert session.current_masks()[0] == (5, 6)
    # What is taken back is taken back for the successors, too.
    session.editor.undo()
    assert session.edits.deleted == frozenset()
    session.editor.undo()
    assert session.edits.labels == {1: "cat", 5: "cat"}
    session.editor.redo()
    session.editor.redo()
    assert session.edits.deleted == {3, 4}
    # Back again: what was edited first is as it was.
    session.update(blocks((0, 40), (12, 40), (24, 40)))
    assert session.edits.labels == {1: "cat", 2: "dog", 5: "cat"}
    assert session.current_masks()[0] == (1, 2)


def test_a_label_taken_from_an_heir_does_not_come_back(session: Session) -> None:
    session.update(blocks((0, 40)), "fake")
    session.editor.set_label([1], "cat")
    session.update(blocks((0, 41)))
    session.editor.set_label([2], "")
    session.update(blocks((24, 40)))
    session.update(blocks((0, 41)))
    assert session.edits.labels == {1: "cat"}


def test_masks_that_stay_pass_nothing_on(session: Session) -> None:
    session.update(blocks((0, 40)), "fake")
    session.editor.set_label([1], "cat")
    version = session.editor.version
    session.update(blocks((0, 40), (0, 41)))
    assert (session.edits.labels, session.editor.version) == ({1: "cat"}, version)
