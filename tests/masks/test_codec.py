"""Masks as plain JSON values: they come back as they were, and nothing else is let in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask_ui.export.hard_masks import hard_mask_set
from automask_ui.files.json_fields import JsonFieldError
from automask_ui.masks import MaskSet, rle
from automask_ui.masks.codec import from_columns, to_columns

SIZE_HW = (37, 53)


def same(one: MaskSet, other: MaskSet) -> bool:
    """Whether two sets are equal to the last bit, but for rows of candidates."""
    names = [name for name in MaskSet.column_names() if name not in ("rle", "candidate")]
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return (
        one.size_hw == other.size_hw
        and list(one.rle) == list(other.rle)
        and all(a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
    )


def read(columns: Any, size_hw: tuple[int, int] = SIZE_HW) -> MaskSet:
    return from_columns(json.loads(json.dumps(columns)), size_hw)


@pytest.mark.parametrize("size_hw", [SIZE_HW, (534, 800)])
def test_masks_come_back_as_they_were(size_hw: tuple[int, int]) -> None:
    masks = hard_mask_set(size_hw)
    back = read(to_columns(masks), size_hw)
    assert same(back, masks)
    assert (back.candidate == -1).all()


def test_many_masks_come_back_as_they_were() -> None:
    masks = hard_mask_set(SIZE_HW)
    many = masks[np.tile(np.arange(len(masks)), 30)]
    assert len(many) > 700
    assert same(read(to_columns(many)), many)


def test_missing_scores_and_points_come_back_missing() -> None:
    masks = hard_mask_set(SIZE_HW)
    own = MaskSet.from_rles(list(masks.rle), SIZE_HW)
    assert np.isnan(own.predicted_iou).all()
    assert same(read(to_columns(own)), own)
    assert np.array_equal(own.area, masks.area)
    assert np.array_equal(own.bbox_xywh, masks.bbox_xywh)


def test_no_masks_and_an_empty_mask_come_back() -> None:
    assert same(read(to_columns(MaskSet.empty(SIZE_HW))), MaskSet.empty(SIZE_HW))
    nothing = MaskSet.from_rles([rle.encode(np.zeros(SIZE_HW, bool))], SIZE_HW)
    assert same(read(to_columns(nothing)), nothing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("area"), "“area” must be a list"),  # missing
        (lambda c: c["area"].pop(), "“area” has 23 numbers; 24 masks need 24"),  # short
        (lambda c: c["bbox_xywh"].append(0), "“bbox_xywh” has 97 numbers"),  # long
        (lambda c: c.update(counts={}), "“counts” must be a list"),  # wrong type
        (lambda c: c.update(counts=[7] * 24), "must be text"),  # uncompressed
        (lambda c: c.update(counts=["1"] * 20_001), "at most 20,000"),  # too many
        (lambda c: put(c, "counts", 1, "zzz"), "row 2 are no RLE"),  # not of an RLE
        (lambda c: put(c, "counts", 1, ""), "characters"),  # nothing
        (lambda c: put(c, "counts", 1, "\0" * 9), "characters"),  # not of an RLE
        (lambda c: put(c, "counts", 1, "고"), "characters"),  # no ASCII
        (lambda c: put(c, "counts", 1, "1" * 999), "its runs are not"),  # other pixels
        (lambda c: put(c, "counts", 1, "P"), "row 2 are no RLE: a number in it has no end"),  # endless number
        (lambda c: put(c, "counts", 1, c["counts"][1] + "0"), "its runs are not"),  # a run of nothing
        (lambda c: put(c, "area", 1, 7), "row 2 has 1 pixels, not 7"),  # a lie
        (lambda c: put(c, "area", 1, True), "no number of its kind: 'True'"),  # a bool
        (lambda c: put(c, "area", 1, 1.0), "no number of its kind"),  # not whole by type
        (lambda c: put(c, "area", 1, None), "no number of its kind"),  # an area is always known
        (lambda c: put(c, "bbox_xywh", 4, 0), "row 2 does not hold its pixels"),  # a lie
        (lambda c: put(c, "bbox_xywh", 0, -1), "“bbox_xywh” of the mask in row 1 is not inside"),  # outside
        (lambda c: put(c, "crop_box_xywh", 2, 99), "“crop_box_xywh” of the mask in row 1 is not inside"),  # outside
        (lambda c: put(c, "crop_box_xywh", 2, 2**80), "too large"),  # would not fit an array
        (lambda c: put(c, "point_xy", 0, 1e300), "too large"),  # far away
        (lambda c: put(c, "point_xy", 0, 54), "not in the picture"),  # outside
        (lambda c: put(c, "point_xy", 0, None), "not in the picture"),  # half a point
        (lambda c: put(c, "point_xy", 0, "1"), "no number of its kind"),  # text
        (lambda c: put(c, "predicted_iou", 0, "1"), "no number of its kind"),  # text
        (lambda c: put(c, "predicted_iou", 0, 101), "is no score"),  # out of range
        (lambda c: put(c, "stability_score", 0, 1e39), "too large"),  # infinite in float32
        (lambda c: put(c, "stability_score", 0, float("inf")), "too large"),  # JSON's 1e999
    ],
)
def test_what_is_no_masks_is_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    columns = to_columns(hard_mask_set(SIZE_HW))
    change(columns)
    with pytest.raises(JsonFieldError, match=message):
        from_columns(columns, SIZE_HW)


def put(columns: dict[str, Any], name: str, place: int, value: object) -> None:
    columns[name][place] = value


@pytest.mark.parametrize("values", [None, [], "x", 7])
def test_what_is_no_object_is_refused(values: object) -> None:
    with pytest.raises(JsonFieldError, match="must be an object"):
        from_columns(values, SIZE_HW)


def test_sides_cannot_be_swapped() -> None:
    masks = hard_mask_set(SIZE_HW)
    with pytest.raises(JsonFieldError, match="not inside the picture"):
        read(to_columns(masks), (53, 37))


COUNTS = to_columns(hard_mask_set(SIZE_HW))["counts"]


@given(st.sampled_from(COUNTS), st.lists(st.tuples(st.integers(0, 200), st.characters(codec="latin-1")), max_size=3))
def test_spoilt_runs_are_refused_or_are_a_mask(text: str, changes: list[tuple[int, str]]) -> None:
    """What is let in is, to the character, what COCO writes for its pixels."""
    for place, char in changes:
        text = text[:place] + char + text[place + 1 :]
    try:
        (own,) = rle.checked([text], SIZE_HW)
    except ValueError:
        return
    assert rle.encode(rle.decode(own)) == own


@given(st.lists(st.integers(0, 80), min_size=1, max_size=40))
def test_every_mask_is_let_in(runs: list[int]) -> None:
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs)[: 37 * 53]
    mask = np.zeros(37 * 53, bool)
    mask[: len(pixels)] = pixels
    own = rle.encode(mask.reshape(53, 37).T)
    texts = [COUNTS[0], own["counts"].decode(), COUNTS[1]]
    assert rle.checked(texts, SIZE_HW)[1] == own


def test_own_masks_follow_found_ones() -> None:
    found = hard_mask_set(SIZE_HW)
    own = MaskSet.from_rles([found.rle[2]], SIZE_HW, [0.5])
    both = found.followed_by(own)
    assert len(both) == len(found) + 1
    assert both[len(found)].rle == found.rle[2]
    assert same(both[: len(found)], found)
