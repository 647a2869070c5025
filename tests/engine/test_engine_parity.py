"""The engine against ``segment_anything.SamAutomaticMaskGenerator`` itself, on the same weights."""

import numpy as np
import pytest
import torch
from sams import assert_same_masks, picture, small_sam
from segment_anything import SamAutomaticMaskGenerator

from automask_ui import AutomaticMaskGenerator

# Loose thresholds, so that every rule has something to keep and something to drop.
LOOSE = {
    "points_per_side": 6,
    "pred_iou_thresh": 0.75,
    "stability_score_thresh": 0.88,
    "box_nms_thresh": 0.97,
    "crop_nms_thresh": 0.97,
}


@pytest.mark.parametrize(
    ("options", "fewest"),
    [
        ({}, 5),  # one crop, a filter of each kind
        ({"points_per_side": 1}, 0),  # a single point
        ({"points_per_batch": 5}, 5),  # batches that do not divide the points
        ({"pred_iou_thresh": 0.0}, 5),  # no IoU filter at all
        ({"stability_score_thresh": 0.0}, 5),  # no stability filter at all
        ({"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}, 80),  # nothing but duplicates
        ({"stability_score_offset": 4.0, "stability_score_thresh": 0.3}, 3),  # another stability test
        ({"stability_score_offset": 0.0}, 5),  # one that everything passes
        ({"box_nms_thresh": 0.3}, 1),  # many duplicates
        ({"crop_n_layers": 1}, 5),  # five crops
        ({"crop_n_layers": 2, "crop_n_points_downscale_factor": 2}, 5),  # 21 crops, thinner grids
        ({"crop_n_layers": 1, "crop_overlap_ratio": 0.0, "crop_nms_thresh": 0.8}, 2),  # crops side by side
        ({"min_mask_region_area": 25}, 4),  # clean-up
        ({"min_mask_region_area": 400}, 1),  # clean-up of more than most masks
        ({"crop_n_layers": 1, "min_mask_region_area": 40}, 4),  # clean-up across crops
        ({"points_per_side": None, "point_grids": [np.array([[0.1, 0.2], [0.5, 0.5], [0.9, 0.7]])]}, 1),  # own points
        (
            {
                "points_per_side": None,
                "point_grids": [np.array([[0.3, 0.6]]), np.array([[0.5, 0.5], [0.2, 0.9]])],
                "crop_n_layers": 1,
            },
            1,
        ),  # own points a layer
    ],
)
def test_same_masks_over_options(options, fewest):
    # Masks within 20 px of a crop's edge are dropped: crops need room.
    image = picture(200, 301) if options.get("crop_n_layers") else picture(53, 80)
    options = {**LOOSE, **options}
    upstream = SamAutomaticMaskGenerator(small_sam(), **options).generate(image)
    assert len(upstream) >= fewest
    assert_same_masks(AutomaticMaskGenerator(small_sam(), **options).generate(image), upstream)


@pytest.mark.parametrize("output_mode", ["binary_mask", "uncompressed_rle", "coco_rle"])
def test_same_masks_in_every_output_mode(output_mode):
    options = {**LOOSE, "output_mode": output_mode}
    image = picture(37, 53)
    upstream = SamAutomaticMaskGenerator(small_sam(), **options).generate(image)
    assert upstream
    assert_same_masks(AutomaticMaskGenerator(small_sam(), **options).generate(image), upstream, output_mode)


@pytest.mark.parametrize(
    "size_hw",
    [
        (37, 53),  # landscape, smaller than the model's input
        (80, 53),  # portrait
        (128, 128),  # exactly the model's input
        (200, 301),  # larger
        (1, 100),  # one row
        (100, 1),  # one column
        (1, 1),  # one pixel
    ],
)
def test_same_masks_over_sizes(size_hw):
    image = picture(*size_hw)
    upstream = SamAutomaticMaskGenerator(small_sam(), **LOOSE).generate(image)
    assert_same_masks(AutomaticMaskGenerator(small_sam(), **LOOSE).generate(image), upstream)


@pytest.mark.parametrize(
    ("depth", "heads", "width"),
    [
        (1, 4, 32),  # a single layer: only the shared one
        (3, 2, 32),  # three layers, wide heads
        (2, 8, 64),  # another width
    ],
)
def test_same_masks_over_decoders(depth, heads, width):
    sam = small_sam(seed=1, depth=depth, heads=heads, width=width)
    image = picture(53, 80)
    upstream = SamAutomaticMaskGenerator(sam, **LOOSE).generate(image)
    assert upstream
    assert_same_masks(AutomaticMaskGenerator(sam, **LOOSE).generate(image), upstream)


def _upstream_fails(options: dict, image: np.ndarray) -> bool:
    try:
        SamAutomaticMaskGenerator(small_sam(), **options).generate(image)
    except (IndexError, ZeroDivisionError, RuntimeError, ValueError):
        return True
    return False


@pytest.mark.parametrize(
    ("options", "size_hw"),
    [
        ({"pred_iou_thresh": 9.0, "crop_n_layers": 1}, (53, 80)),  # nothing passes in any crop
        ({"stability_score_thresh": 9.0, "crop_n_layers": 1}, (53, 80)),  # nothing is stable in any crop
        ({"pred_iou_thresh": 9.0, "crop_n_layers": 1}, (1, 1)),  # crops without a pixel
        ({"pred_iou_thresh": 9.0}, (1, 300)),  # resized to no row at all
    ],
)
def test_empty_result_where_upstream_fails(options, size_hw):
    image = picture(*size_hw)
    assert _upstream_fails({**LOOSE, **options}, image)
    assert AutomaticMaskGenerator(small_sam(), **{**LOOSE, **options}).generate(image) == []


@pytest.mark.parametrize(
    "options",
    [
        {"pred_iou_thresh": 9.0},  # no score passes
        {"stability_score_thresh": 9.0},  # nothing is stable
        {"pred_iou_thresh": 9.0, "min_mask_region_area": 10},  # and nothing to clean
    ],
)
def test_empty_result_as_upstream(options):
    image = picture(37, 53)
    assert SamAutomaticMaskGenerator(small_sam(), **{**LOOSE, **options}).generate(image) == []
    assert AutomaticMaskGenerator(small_sam(), **{**LOOSE, **options}).generate(image) == []


def test_weights_changed_between_calls_are_seen():
    sam = small_sam(seed=2)
    image, generator = picture(37, 53), AutomaticMaskGenerator(sam, **LOOSE)
    generator.generate(image)
    with torch.no_grad():
        sam.mask_decoder.iou_prediction_head.layers[-1].bias.sub_(0.05)
    try:
        assert_same_masks(generator.generate(image), SamAutomaticMaskGenerator(sam, **LOOSE).generate(image))
    finally:
        small_sam.cache_clear()
