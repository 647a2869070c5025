"""SAM 2 against Meta's own package, on the same weights, where that is installed.

It comes as source that needs PyTorch to be built, so `tests/requirements.txt` has not got it; README.md says how to
install it. Without it, `test_sam2_files.py` compares with transformers.
"""

import warnings
from functools import cache
from importlib import resources

import numpy as np
import pytest
import torch
import yaml
from sams import SMALL_HIERA, assert_same_masks, picture, small_sam2, with_lively_single
from segment_anything.modeling import Sam

from automask_ui import AutomaticMaskGenerator, MaskEngine
from automask_ui.engine.encoders.encode import encode_image
from automask_ui.engine.loading.architecture import _HIERA
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.loading.sam2_tensor_names import to_sam_names

pytest.importorskip("sam2", reason="Meta's sam2 is not installed; see README.md")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # old features of torch
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
    from sam2.modeling.backbones.hieradet import Hiera
    from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine
    from sam2.modeling.sam2_base import SAM2Base
    from sam2.sam2_image_predictor import SAM2ImagePredictor

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # Meta's transforms

SIZE = SMALL_HIERA.image_size
LOOSE = {
    "points_per_side": 6,
    "pred_iou_thresh": 0.7,
    "stability_score_thresh": 0.85,
    "box_nms_thresh": 0.97,
    "crop_nms_thresh": 0.97,
}


@cache
def pair() -> tuple[Sam, torch.nn.Module]:
    """A small SAM 2, ours and Meta's."""
    sam = small_sam2()
    trunk = Hiera(
        embed_dim=SMALL_HIERA.embed_dim,
        num_heads=SMALL_HIERA.heads,
        stages=SMALL_HIERA.stages,
        window_spec=SMALL_HIERA.windows,
        global_att_blocks=SMALL_HIERA.global_blocks,
        window_pos_embed_bkg_spatial_size=(SMALL_HIERA.position_side,) * 2,
    )
    neck = FpnNeck(
        PositionEmbeddingSine(num_pos_feats=256),
        256,
        trunk.channel_list,
        fpn_top_down_levels=[2, 3],
        fpn_interp_model="nearest",
    )
    memory = torch.nn.Module()
    memory.d_model = 256
    encoder = torch.nn.Module()
    theirs = SAM2Base(
        ImageEncoder(trunk, neck, scalp=1),
        memory,
        encoder,
        num_maskmem=0,
        image_size=SIZE,
        directly_add_no_mem_embed=True,
        use_high_res_features_in_sam=True,
        iou_prediction_use_sigmoid=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        sam_mask_decoder_extra_args={
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
    ).eval()
    ours, state = sam.state_dict(), theirs.state_dict()
    # Through the very names that files have.
    names = dict(
        zip(
            to_sam_names({k: torch.tensor(i) for i, k in enumerate(state)}),
            [k for k in state if to_sam_names({k: state[k]})],
            strict=True,
        )
    )
    assert names.keys() == ours.keys()
    theirs.load_state_dict(state | {names[key]: tensor for key, tensor in ours.items()})
    return sam, theirs


def predictor_of(model: torch.nn.Module) -> SAM2ImagePredictor:
    predictor = SAM2ImagePredictor(model)
    predictor._bb_feat_sizes = [(SIZE // stride, SIZE // stride) for stride in (4, 8, 16)]
    return predictor


def test_same_embedding() -> None:
    sam, theirs = pair()
    predictor = predictor_of(theirs)
    predictor.set_image(picture(90, 130))
    found = encode_image(sam, picture(90, 130))
    torch.testing.assert_close(found.tokens, predictor._features["image_embed"][0], atol=1e-4, rtol=1e-3)
    for mine, expected in zip(found.fine, predictor._features["high_res_feats"], strict=True):
        torch.testing.assert_close(mine, expected[0], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "fewest"),
    [
        ({}, 4),
        ({"points_per_batch": 5, "stability_score_thresh": 0.0}, 4),
        ({"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}, 80),
        ({"stability_score_offset": 4.0, "stability_score_thresh": 0.3}, 3),
        ({"crop_n_layers": 1, "crop_n_points_downscale_factor": 2}, 4),
    ],
)
@pytest.mark.parametrize(
    "mode",
    [
        {},
        {"multimask_output": False},
        {"use_m2m": True},
        {"use_m2m": True, "multimask_output": False},
    ],
    ids=str,
)
def test_same_masks_as_metas_generator(options: dict, fewest: int, mode: dict) -> None:
    sam, theirs = (with_lively_single(model) for model in pair())
    options, fewest = options | mode, fewest if not mode else 2
    image = picture(200, 301) if options.get("crop_n_layers") else picture(90, 130)
    generator = SAM2AutomaticMaskGenerator(theirs, **LOOSE | options)
    generator.predictor = predictor_of(theirs)
    expected = generator.generate(image)
    assert len(expected) >= fewest
    found = AutomaticMaskGenerator(sam, **LOOSE | options).generate(image)
    for mask in (*found, *expected):  # Meta's points are float32
        mask["point_coords"] = np.round(np.array(mask["point_coords"]), 2).tolist()
    assert_same_masks(found, expected)


@pytest.mark.parametrize("area", [60, 10**7])
@pytest.mark.parametrize("mode", [{}, {"use_m2m": True}, {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2}])
def test_clean_up_is_the_one_of_sam(area: int, mode: dict) -> None:
    """Meta's generator still has it, but calls a CUDA extension on small logits instead, and nothing without that."""
    sam, theirs = (with_lively_single(model) for model in pair())
    image = picture(200, 301) if "crop_n_layers" in mode else picture(90, 130)
    generator = SAM2AutomaticMaskGenerator(theirs, **LOOSE | mode)
    generator.predictor = predictor_of(theirs)
    generate, overlap = generator._generate_masks, max(generator.box_nms_thresh, generator.crop_nms_thresh)
    generator._generate_masks = lambda image: generator.postprocess_small_regions(generate(image), area, overlap)
    expected = generator.generate(image)
    found = AutomaticMaskGenerator(sam, **LOOSE | mode, min_mask_region_area=area).generate(image)
    for mask in (*found, *expected):
        mask["point_coords"] = np.round(np.array(mask["point_coords"]), 2).tolist()
    assert_same_masks(found, expected)


POINTS = np.array([[20, 30], [60, 11], [44, 40]])
PROMPTS = [
    {"points": POINTS[:1], "labels": np.array([1])},
    {"points": POINTS, "labels": np.array([1, 0, 1])},
    {"box": np.array([5, 8, 30, 40])},
    {"box": np.array([5, 8, 30, 40]), "points": POINTS[:2], "labels": np.array([1, 0])},
    {"points": np.tile(POINTS, (12, 1)), "labels": np.ones(36)},  # many tokens
]


@pytest.mark.parametrize("size_hw", [(90, 130), (120, 70)])
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("with_mask", [False, True])
def test_same_answers_as_metas_predictor(prompt: dict, with_mask: bool, size_hw: tuple[int, int]) -> None:
    sam, theirs = pair()
    image = picture(*size_hw)
    predictor = predictor_of(theirs)
    predictor.set_image(image)
    mask = None
    if with_mask:
        _, _, mask = predictor.predict(POINTS[:1], np.array([1]), multimask_output=False)
    asked = {"points_xy": prompt.get("points"), "labels": prompt.get("labels"), "box_xyxy": prompt.get("box")}
    found = MaskEngine(SamModel.wrap(sam)).predict(image, **asked, mask=None if mask is None else mask[0])
    assert len(found.masks) == 4
    asked = {"point_coords": prompt.get("points"), "point_labels": prompt.get("labels"), "box": prompt.get("box")}
    several = predictor.predict(**asked, mask_input=mask, multimask_output=True)
    single = predictor.predict(**asked, mask_input=mask, multimask_output=False)
    masks, scores, logits = (np.concatenate(values) for values in zip(several, single, strict=True))
    np.testing.assert_allclose(found.masks.predicted_iou, scores, atol=1e-3)
    np.testing.assert_allclose(found.logits, logits, atol=5e-2, rtol=1e-3)
    for mine, expected in zip(found.masks, masks, strict=True):
        assert np.mean(mine.segmentation() != expected) <= 1e-3


@pytest.mark.parametrize("name", ["t", "s", "b+", "l"])
def test_published_sizes_are_metas(name: str) -> None:
    text = resources.files("sam2").joinpath(f"configs/sam2.1/sam2.1_hiera_{name}.yaml").read_text()
    trunk = yaml.safe_load(text)["model"]["image_encoder"]["trunk"]
    _, config = _HIERA[trunk["embed_dim"], tuple(trunk.get("stages", (2, 3, 16, 3)))]
    assert config.heads == trunk["num_heads"]
    assert config.windows == tuple(trunk.get("window_spec", (8, 4, 14, 7)))
    assert config.global_blocks == tuple(trunk.get("global_att_blocks", (12, 16, 20)))
    assert config.position_side == trunk.get("window_pos_embed_bkg_spatial_size", (14, 14))[0]
