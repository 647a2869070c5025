"""One mask a point, and masks given back to the decoder, against the authors' own predictors, for every kind of SAM.

What Meta's generator makes of these options is in `test_sam2.py`; those of SAM and SAM-HQ do not know them.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sams import assert_same_masks, picture, small_sam, small_sam2, with_lively_single
from segment_anything import SamAutomaticMaskGenerator
from test_sam_hq import SamAutomaticMaskGenerator as HQAutomaticMaskGenerator
from test_sam_hq import vit_pair

from automask_ui import AutomaticMaskGenerator, GeneratorOptions, MaskEngine
from automask_ui.engine.loading.load import SamModel

LOOSE = {
    "points_per_side": 5,
    "pred_iou_thresh": 0.7,
    "stability_score_thresh": 0.7,
    "box_nms_thresh": 0.97,
    "crop_nms_thresh": 0.97,
}
MODES = [
    {"multimask_output": False},
    {"use_m2m": True},
    {"use_m2m": True, "multimask_output": False},
]


def answering(predict: Any, several: bool, refines: bool, points: Any, labels: Any, **options: Any) -> Any:
    """Upstream's ``predict_torch``, asked for one mask or several, and once more with what it has answered."""
    masks, scores, logits = predict(points, labels, **options | {"multimask_output": several})
    if not refines:
        return masks, scores, logits
    levels = scores.shape[1]
    again = points.repeat_interleave(levels, 0), labels.repeat_interleave(levels, 0)
    given = {"mask_input": logits.flatten(0, 1)[:, None], "multimask_output": False}
    masks, scores, logits = predict(*again, **options | given)
    return masks.unflatten(0, (-1, levels))[:, :, 0], scores.view(-1, levels), logits


def expected_masks(generator: Any, image: np.ndarray, mode: dict) -> list[dict]:
    predict = generator.predictor.predict_torch
    several, refines = mode.get("multimask_output", True), mode.get("use_m2m", False)
    generator.predictor.predict_torch = partial(answering, predict, several, refines)
    return generator.generate(image)


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0},
        {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2},
        {"points_per_batch": 3, "min_mask_region_area": 20},
    ],
    ids=str,
)
def test_same_masks_as_sams_predictor(options: dict, mode: dict) -> None:
    sam = with_lively_single(small_sam())
    image = picture(150, 201) if options.get("crop_n_layers") else picture(90, 130)
    expected = expected_masks(SamAutomaticMaskGenerator(sam, **LOOSE | options), image, mode)
    assert len(expected) >= 2
    assert_same_masks(AutomaticMaskGenerator(sam, **LOOSE | options | mode).generate(image), expected)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_same_masks_as_sam_hqs_predictor(mode: dict) -> None:
    sam, theirs = (with_lively_single(model) for model in vit_pair())
    image = picture(53, 80)
    generator = HQAutomaticMaskGenerator(theirs, **LOOSE)
    expected = expected_masks(generator, image, mode)
    assert len(expected) >= 2
    assert_same_masks(AutomaticMaskGenerator(sam, **LOOSE | mode).generate(image), expected)


@pytest.mark.parametrize("build", [small_sam, small_sam2])
def test_refining_and_single_masks_change_what_is_found(build: Any) -> None:
    """Otherwise the tests above would compare nothing."""
    engine = MaskEngine(SamModel.wrap(with_lively_single(build())))
    options = GeneratorOptions(points_per_side=4, pred_iou_thresh=0.0, stability_score_thresh=0.0, box_nms_thresh=1.0)
    image = picture(90, 130)
    whole = engine.generate(image, options)
    single = engine.generate(image, options.replace(multimask_output=False))
    refined = engine.generate(image, options.replace(use_m2m=True))
    assert (len(whole.candidates), len(single.candidates), len(refined.candidates)) == (48, 16, 48)
    assert np.abs(whole.candidates.predicted_iou - refined.candidates.predicted_iou).max() > 0.01
    differing = [
        np.mean(mine.segmentation() != other.segmentation())
        for mine, other in zip(whole.masks, refined.masks, strict=False)
    ]
    assert max(differing) > 0.01


def test_candidates_of_one_mode_are_none_of_another() -> None:
    """Back and forth between the modes, with lower thresholds in each, from one engine with its caches."""
    sam = with_lively_single(small_sam())
    engine, image = MaskEngine(SamModel.wrap(sam)), picture(90, 130)
    result = None
    for mode in (*MODES, {}, *reversed(MODES)):
        for threshold in (0.9, 0.8):
            options = GeneratorOptions(**LOOSE | {"pred_iou_thresh": threshold} | mode)
            result = engine.refilter(result, options) if result else engine.generate(image, options)
            fresh = MaskEngine(SamModel.wrap(sam)).generate(image, options)
            assert_same_masks(result.masks.to_sam_dicts("binary_mask"), fresh.masks.to_sam_dicts("binary_mask"))


def test_single_rows_of_candidates_get_their_masks() -> None:
    engine = MaskEngine(SamModel.wrap(with_lively_single(small_sam())))
    options = GeneratorOptions(points_per_side=4, pred_iou_thresh=1.0, use_m2m=True, multimask_output=False)
    result = engine.generate(picture(90, 130), options)
    assert not result.candidates.has_mask.any()
    made = engine.materialize(result, [3, 7])
    assert np.flatnonzero(made.candidates.has_mask).tolist() == [3, 7]


def test_many_threads_refine_as_one_does() -> None:
    sam, image = with_lively_single(small_sam()), picture(90, 130)
    options = GeneratorOptions(**LOOSE, use_m2m=True)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        found = MaskEngine(SamModel.wrap(sam)).generate(image, options).masks
        torch.set_num_threads(1)
        expected = MaskEngine(SamModel.wrap(sam)).generate(image, options).masks
    finally:
        torch.set_num_threads(before)
    assert_same_masks(found.to_sam_dicts("binary_mask"), expected.to_sam_dicts("binary_mask"))
