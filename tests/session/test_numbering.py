"""The numbers of masks: 1 to n by size at the end of a first run, alike for everybody; edits made meanwhile follow."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fakes import fake_result

from automask_ui.export.hard_masks import mask_set
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskResult
from automask_ui.options import GeneratorOptions
from automask_ui.session import Session
from automask_ui.session.editor import size_order
from automask_ui.session.edits import OwnMask
from automask_ui.ui.components.viewer.display import viewer_edits
from automask_ui.ui.edit_requests import take_steps

RGB = np.zeros((40, 60, 3), np.uint8)
result_of = partial(fake_result, RGB, GeneratorOptions(points_per_side=4, pred_iou_thresh=0.7))

Block = tuple[int, int, int, int]  # x, y, width, height
SMALL, LARGE, MIDDLE, LOWER = (0, 0, 5, 5), (10, 0, 20, 20), (40, 0, 10, 10), (0, 30, 10, 10)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(LoadedImage(RGB, "photo.jpg", ()), "visitor", tmp_path)


def found(*blocks: Block) -> MaskResult:
    arrays = []
    for x, y, width, height in blocks:
        array = np.zeros(RGB.shape[:2], bool)
        array[y : y + height, x : x + width] = True
        arrays.append(array)
    return replace(result_of(), masks=mask_set(arrays, RGB.shape[:2]))


def places(session: Session) -> dict[int, Block]:
    """Box of each mask by its id."""
    ids, masks, _ = session.current_masks()
    boxes = [mask.bbox_xywh for mask in masks]
    # Upstream's boxes end at the last pixel, not after it.
    return {id_: (x, y, width + 1, height + 1) for id_, (x, y, width, height) in zip(ids, boxes, strict=True)}


def test_masks_are_numbered_by_size_then_from_top_then_from_the_left() -> None:
    masks = found(SMALL, LOWER, MIDDLE, (12, 30, 10, 10), LARGE).masks
    assert size_order(masks).tolist() == [4, 2, 1, 3, 0]


def test_a_first_run_ends_with_the_same_numbers_whatever_was_seen_on_its_way(session: Session, tmp_path: Path) -> None:
    session.update(found(SMALL, (50, 30, 3, 3)), "fake")
    session.update(found(SMALL, LOWER, LARGE))
    session.update(found(SMALL, LOWER, LARGE, MIDDLE), ends_run=True)
    assert places(session) == {1: LARGE, 2: MIDDLE, 3: LOWER, 4: SMALL}
    other = Session(LoadedImage(RGB, "photo.jpg", ()), "other", tmp_path)
    other.update(found(MIDDLE, SMALL, LARGE, LOWER), "fake", ends_run=True)
    assert places(other) == places(session)
    assert len(other.editor.ids) == len(session.editor.ids) == 4


def test_numbers_stay_from_then_on_and_later_masks_get_the_next_ones(session: Session) -> None:
    session.update(found(SMALL), "fake", ends_run=True)
    session.update(found(LARGE, SMALL), ends_run=True)
    session.update(found(MIDDLE), ends_run=True)
    session.update(found(LARGE, MIDDLE, SMALL), ends_run=True)
    assert places(session) == {2: LARGE, 3: MIDDLE, 1: SMALL}


def test_what_was_done_during_the_run_follows(session: Session) -> None:
    session.update(found(SMALL, LOWER, MIDDLE), "fake")
    session.editor.set_label([1], "cat")
    session.editor.set_hidden([2], True)
    session.editor.delete([3])
    (made,) = session.editor.put_masks("add", [OwnMask(found((30, 30, 6, 6)).masks.rle[0], "painted")])
    session.update(found(SMALL, LOWER, MIDDLE, LARGE), ends_run=True)
    assert made == 4
    assert places(session) == {1: LARGE, 3: LOWER, 4: SMALL, 5: (30, 30, 6, 6)}
    assert session.edits.labels == {4: "cat"}
    assert session.edits.hidden == {3}
    assert session.edits.deleted == {2}
    for _ in range(4):
        session.editor.undo()
    assert places(session) == {1: LARGE, 2: MIDDLE, 3: LOWER, 4: SMALL}
    for _ in range(4):
        session.editor.redo()
    assert places(session) == {1: LARGE, 3: LOWER, 4: SMALL, 5: (30, 30, 6, 6)}


def test_what_was_done_to_a_mask_that_the_run_then_dropped_is_kept_for_its_return(session: Session) -> None:
    session.update(found(SMALL, (50, 30, 3, 3)), "fake")
    session.editor.set_label([2], "cat")
    session.update(found(SMALL, LARGE), ends_run=True)
    assert places(session) == {1: LARGE, 2: SMALL}
    session.update(found((50, 30, 3, 3), SMALL))
    assert places(session) == {3: (50, 30, 3, 3), 2: SMALL}
    assert session.edits.labels == {3: "cat"}


def test_a_mask_made_before_the_first_run_keeps_its_number(session: Session) -> None:
    session.editor.put_masks("add", [OwnMask(found(SMALL).masks.rle[0], "painted")])
    session.update(found(LOWER, LARGE), "fake", ends_run=True)
    assert places(session) == {1: SMALL, 2: LARGE, 3: LOWER}


def test_steps_on_their_way_while_masks_are_numbered_are_done_to_the_masks_that_were_meant(session: Session) -> None:
    session.update(found(SMALL, (50, 30, 3, 3), MIDDLE), "fake")
    assert viewer_edits(session)["renumbered"] == []
    session.update(found(SMALL, MIDDLE, LARGE), ends_run=True)
    assert viewer_edits(session)["renumbered"] == [[1, 3], [2, 0], [3, 2], [4, 1]]
    take_steps(session, [{"do": "label", "ids": [1, 2], "label": "cat"}], is_renumbered=False)
    assert session.edits.labels == {3: "cat"}
    take_steps(session, [{"do": "label", "ids": [1], "label": "dog"}])
    assert session.edits.labels == {3: "cat", 1: "dog"}
    stroke = {"width": 3, "points": [[0, 0], [9, 9]]}
    ((painted,),) = take_steps(
        session, [{"do": "paint", "id": 3, "cut": False, "strokes": [stroke]}], is_renumbered=False
    ).made
    assert painted == 2
    refused = take_steps(
        session, [{"do": "paint", "id": 2, "cut": False, "strokes": [stroke]}], is_renumbered=False
    ).refused
    assert "no longer there" in str(refused)
