"""The columnar collections: indexing, immutability, and upstream's dicts."""

import numpy as np
import pytest

from automask_ui.errors import OptionError
from automask_ui.masks import MaskSet, object_column, rle

SIZE_HW = (37, 53)


def make_masks(count: int) -> MaskSet:
    """Boxes that grow with their index, in a 37x53 picture."""
    rles = []
    for index in range(count):
        mask = np.zeros(SIZE_HW, dtype=bool)
        mask[2 : 3 + index, 4 : 7 + index] = True
        rles.append(rle.encode(mask))
    rows = np.arange(count)
    return MaskSet(
        SIZE_HW,
        rle=object_column(rles),
        area=np.array([rle.area(item) for item in rles], np.int64),
        bbox_xywh=np.stack([np.full(count, 4), np.full(count, 2), rows + 2, rows], axis=1),
        predicted_iou=np.linspace(0.8, 0.9, count).astype(np.float32),
        stability_score=np.linspace(0.9, 1.0, count).astype(np.float32),
        point_xy=np.stack([rows + 0.5, rows + 1.5], axis=1),
        crop_box_xywh=np.tile([0, 0, 53, 37], (count, 1)),
        candidate=rows,
    )


@pytest.mark.parametrize(
    ("index", "areas"),
    [
        (slice(1, 3), [8, 15]),  # a slice
        ([2, 0], [15, 3]),  # an index list, in its order
        (np.array([True, False, True]), [3, 15]),  # a boolean array
        ([], []),  # nothing
        (slice(0, 0), []),  # an empty slice
    ],
)
def test_indexing_gives_a_new_set(index, areas):
    masks = make_masks(3)
    chosen = masks[index]
    assert isinstance(chosen, MaskSet)
    assert chosen.area.tolist() == areas
    assert chosen.size_hw == SIZE_HW
    assert len(masks) == 3


def test_columns_cannot_be_written():
    masks = make_masks(3)
    with pytest.raises(ValueError, match="read-only"):
        masks.area[0] = 1


def test_columns_of_different_length_are_refused():
    masks = make_masks(3)
    with pytest.raises(ValueError, match="one length"):
        MaskSet(SIZE_HW, **{name: getattr(masks, name)[: 2 if name == "area" else 3] for name in masks.column_names()})


def test_sam_dicts_have_the_seven_fields():
    first, *_ = make_masks(2).to_sam_dicts()
    assert list(first) == [
        "segmentation",
        "area",
        "bbox",
        "predicted_iou",
        "point_coords",
        "stability_score",
        "crop_box",
    ]
    assert first["segmentation"].shape == SIZE_HW
    assert first["segmentation"].sum() == first["area"] == 3
    assert first["bbox"] == [4, 2, 2, 0]
    assert first["point_coords"] == [[0.5, 1.5]]
    assert first["crop_box"] == [0, 0, 53, 37]


@pytest.mark.parametrize("mode", ["uncompressed_rle", "coco_rle"])
def test_rle_forms_decode_to_the_same_mask(mode):
    form = make_masks(3).to_sam_dicts(mode)[2]["segmentation"]
    counts = form["counts"]
    again = (
        rle.encode_counts(np.array(counts), SIZE_HW)
        if mode == "uncompressed_rle"
        else {**form, "counts": counts.encode()}
    )
    np.testing.assert_array_equal(rle.decode(again), make_masks(3)[2].segmentation())


def test_unknown_output_mode_names_the_choices():
    with pytest.raises(OptionError, match=r"png.*binary_mask, uncompressed_rle, coco_rle"):
        make_masks(1).to_sam_dicts("png")


def test_empty_set():
    empty = MaskSet.empty(SIZE_HW)
    assert len(empty) == 0
    assert list(empty) == []
    assert empty.to_sam_dicts() == []
    assert len(empty[np.zeros(0, dtype=bool)]) == 0
