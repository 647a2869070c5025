"""SAM-HQ against its authors' own package, on the same weights."""

import warnings
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import SMALL, is_same, save
from sams import assert_same_masks, picture
from segment_anything.modeling import Sam
from torch import nn
from transformers import SamHQConfig, SamHQModel

from automask_ui import AutomaticMaskGenerator, MaskEngine
from automask_ui.engine.bench.random_weights import make_lifelike
from automask_ui.engine.encoders.encode import encode_image
from automask_ui.engine.encoders.tiny_vit import TinyViTConfig
from automask_ui.engine.loading.architecture import PUBLISHED, DecoderConfig, build_vit_sam, build_vit_t_sam, recognise
from automask_ui.engine.loading.hugging_face import meta_names
from automask_ui.engine.loading.load import SamModel, load_model
from automask_ui.errors import CheckpointFormatError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # old names of timm's modules
    from segment_anything_hq import SamAutomaticMaskGenerator, SamPredictor
    from segment_anything_hq import modeling as upstream

WIDTH = 32
DECODER = DecoderConfig(embed_dim=WIDTH, mlp_dim=64, iou_head_hidden_dim=WIDTH, early_width=SMALL.embed_dim)
# The original's stride rule asks for a last width of 320 and its reshape for 1024 pixels; all else is small.
TINY_VIT = TinyViTConfig(widths=(8, 16, 24, 320), depths=(1, 1, 2, 1), heads=(1, 2, 3, 10), out_channels=WIDTH)
# How strong the logits are that SAM-HQ adds, beside SAM's with a spread of 80.
ADDED_SPREAD = 60.0
LOOSE = {
    "points_per_side": 6,
    "pred_iou_thresh": 0.8,
    "stability_score_thresh": 0.8,
    "box_nms_thresh": 0.97,
    "crop_nms_thresh": 0.97,
}


def as_upstream(sam: Sam, encoder: nn.Module) -> nn.Module:
    """The authors' model with the weights of ours, around an encoder of theirs."""
    size = sam.image_encoder.img_size
    theirs = upstream.Sam(
        encoder,
        upstream.PromptEncoder(
            embed_dim=WIDTH,
            image_embedding_size=(size // 16, size // 16),
            input_image_size=(size, size),
            mask_in_chans=16,
        ),
        upstream.MaskDecoderHQ(
            transformer_dim=WIDTH,
            transformer=upstream.TwoWayTransformer(depth=2, embedding_dim=WIDTH, mlp_dim=64, num_heads=8),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=WIDTH,
            vit_dim=sam.mask_decoder.compress_vit_feat[0].in_channels,
        ),
    ).eval()
    theirs.load_state_dict(sam.state_dict())
    return theirs


@torch.no_grad()
def make_added_masks_strong(sam: Sam, theirs: nn.Module, image: np.ndarray) -> None:
    """Scale the weights of both, so that what SAM-HQ adds changes the masks."""
    predictor = SamPredictor(theirs)
    predictor.set_image(image)
    _, _, logits = predictor.predict(np.array([[30, 20]]), np.array([1]), hq_token_only=True)
    for model in (sam, theirs):
        last = model.mask_decoder.hf_mlp.layers[-1]
        last.weight.mul_(ADDED_SPREAD / logits.std())
        last.bias.mul_(ADDED_SPREAD / logits.std())


@cache
def vit_pair() -> tuple[Sam, nn.Module]:
    """A small ViT SAM-HQ, ours and the authors'."""
    torch.manual_seed(0)
    sam = make_lifelike(build_vit_sam(SMALL, DECODER))
    encoder = upstream.ImageEncoderViT(
        img_size=SMALL.image_size,
        depth=SMALL.depth,
        embed_dim=SMALL.embed_dim,
        num_heads=SMALL.num_heads,
        mlp_ratio=SMALL.mlp_ratio,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=SMALL.window_size,
        global_attn_indexes=SMALL.global_attn_indexes,
        out_chans=WIDTH,
    )
    theirs = as_upstream(sam, encoder)
    make_added_masks_strong(sam, theirs, picture(53, 80))
    return sam, theirs


@pytest.mark.parametrize(
    ("options", "fewest"),
    [
        ({}, 4),
        ({"points_per_batch": 5, "stability_score_thresh": 0.0}, 4),
        ({"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}, 30),
        ({"stability_score_offset": 4.0, "stability_score_thresh": 0.3, "min_mask_region_area": 25}, 3),
        ({"crop_n_layers": 1, "crop_n_points_downscale_factor": 2}, 4),
    ],
)
def test_same_masks_as_upstreams_generator(options: dict, fewest: int) -> None:
    sam, theirs = vit_pair()
    image = picture(200, 301) if options.get("crop_n_layers") else picture(53, 80)
    expected = SamAutomaticMaskGenerator(theirs, **LOOSE | options).generate(image)
    assert len(expected) >= fewest
    assert_same_masks(AutomaticMaskGenerator(sam, **LOOSE | options).generate(image), expected)


POINTS = np.array([[20, 30], [60, 11], [44, 40]])


@pytest.mark.parametrize("size_hw", [(53, 80), (80, 37)])
@pytest.mark.parametrize(
    ("prompt", "clicks"),
    [
        ({"point_coords": POINTS[:1], "point_labels": np.array([1])}, {"points_xy": POINTS[:1], "labels": [1]}),
        ({"point_coords": POINTS, "point_labels": np.array([1, 0, 1])}, {"points_xy": POINTS, "labels": [1, 0, 1]}),
        ({"box": np.array([5, 8, 30, 40])}, {"box_xyxy": [5, 8, 30, 40]}),
        (
            {"point_coords": np.tile(POINTS, (12, 1)) % 36, "point_labels": np.ones(36)},  # many tokens
            {"points_xy": np.tile(POINTS, (12, 1)) % 36, "labels": [1] * 36},
        ),
    ],
)
@pytest.mark.parametrize("with_mask", [False, True])
def test_same_answers_as_upstreams_predictor(
    prompt: dict, clicks: dict, with_mask: bool, size_hw: tuple[int, int]
) -> None:
    sam, theirs = vit_pair()
    if size_hw[1] < 80:
        prompt, clicks = ({k: np.minimum(v, 36) if k != "point_labels" else v for k, v in prompt.items()}, dict(clicks))
        clicks = {k: np.minimum(v, 36) if k != "labels" else v for k, v in clicks.items()}
    image = picture(*size_hw)
    predictor = SamPredictor(theirs)
    predictor.set_image(image)
    mask = None
    if with_mask:
        _, _, mask = predictor.predict(POINTS[:1], np.array([1]), multimask_output=False)
    found = MaskEngine(SamModel.wrap(sam)).predict(image, **clicks, mask=None if mask is None else mask[0])
    assert len(found.masks) == 2
    for row, multimask in enumerate((True, False)):
        masks, scores, logits = predictor.predict(**prompt, mask_input=mask, multimask_output=multimask)
        assert found.masks.predicted_iou[row] == pytest.approx(scores[0], abs=1e-3)
        np.testing.assert_allclose(found.logits[row], logits[0], atol=2e-2, rtol=1e-3)
        assert np.mean(found.masks[row].segmentation() != masks[0]) <= 1e-3


def test_both_parts_of_a_mask_count() -> None:
    """Otherwise the tests above would not see what SAM-HQ adds, or what it adds to."""
    _, theirs = vit_pair()
    predictor = SamPredictor(theirs)
    predictor.set_image(picture(53, 80))
    _, _, both = predictor.predict(POINTS[:1], np.array([1]))
    _, _, added = predictor.predict(POINTS[:1], np.array([1]), hq_token_only=True)
    assert np.mean(both > 0) > 0.02
    assert np.mean((both > 0) != (added > 0)) > 0.02
    assert np.mean((both > 0) != (both - added > 0)) > 0.02


def test_light_variant() -> None:
    torch.manual_seed(0)
    sam = build_vit_t_sam(
        TINY_VIT, DecoderConfig(embed_dim=WIDTH, mlp_dim=64, iou_head_hidden_dim=WIDTH, early_width=24)
    )
    with torch.no_grad():
        for name, tensor in sam.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
    encoder = upstream.TinyViT(
        img_size=1024,
        num_classes=TINY_VIT.classes,
        embed_dims=list(TINY_VIT.widths),
        depths=list(TINY_VIT.depths),
        num_heads=list(TINY_VIT.heads),
        window_sizes=list(TINY_VIT.windows),
        drop_path_rate=0.0,
    )
    encoder.neck = sam.image_encoder.neck  # the original's has 256 channels whatever is asked for
    theirs = as_upstream(sam, encoder)
    image = picture(200, 300)
    predictor = SamPredictor(theirs)
    predictor.set_image(image)
    embedding = encode_image(sam, image)
    torch.testing.assert_close(embedding.tokens, predictor.features[0], atol=1e-4, rtol=1e-3)
    with torch.inference_mode():
        early = predictor.interm_features[0].permute(0, 3, 1, 2)
        decoder = theirs.mask_decoder
        fine = decoder.embedding_encoder(predictor.features) + decoder.compress_vit_feat(early)
    torch.testing.assert_close(embedding.fine[0], fine[0], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "wrap", [lambda state: state, lambda state: {"model": {f"module.{k}": v for k, v in state.items()}}]
)
def test_file_is_recognised(tmp_path: Path, wrap) -> None:
    sam, _ = vit_pair()
    model = load_model(checkpoint=save(wrap(sam.state_dict()), tmp_path / "mine.pth"))
    assert model.arch == "hq_vit"
    assert is_same(model.sam, sam.state_dict())


def test_model_of_transformers(tmp_path: Path) -> None:
    sam, _ = vit_pair()
    size, width = SMALL.image_size, SMALL.embed_dim
    vision = {
        "hidden_size": width,
        "num_hidden_layers": SMALL.depth,
        "num_attention_heads": SMALL.num_heads,
        "image_size": size,
        "window_size": SMALL.window_size,
        "global_attn_indexes": list(SMALL.global_attn_indexes),
        "output_channels": WIDTH,
        "num_pos_feats": WIDTH // 2,
    }
    decoder = {
        "hidden_size": WIDTH,
        "mlp_dim": 64,
        "iou_head_hidden_dim": WIDTH,
        "vit_dim": width,
        "layer_norm_eps": 1e-5,
    }
    prompts = {"hidden_size": WIDTH, "image_size": size}
    theirs = SamHQModel(
        SamHQConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    ).eval()
    ours = sam.state_dict()
    theirs.load_state_dict({key: ours[name] for key, name in meta_names(theirs.state_dict()).items()})
    theirs.save_pretrained(tmp_path / "sam_hq")
    model = load_model(checkpoint=tmp_path / "sam_hq")
    assert (model.name, model.arch) == ("sam_hq", "hq_vit")
    assert is_same(model.sam, ours)

    # By parts: transformers 5.24 upscales the image tokens of before its transformer, so its masks are not SAM-HQ's.
    ours, theirs = model.sam.mask_decoder, theirs.mask_decoder
    early, tokens = torch.randn(1, width, 8, 8), torch.randn(1, WIDTH, 8, 8)
    upscaled, token = torch.randn(1, 4, 32, 32), torch.randn(1, WIDTH)
    gelu = nn.functional.gelu
    with torch.inference_mode():
        compressed = theirs.compress_vit_conv2(gelu(theirs.compress_vit_norm(theirs.compress_vit_conv1(early))))
        encoded = theirs.encoder_conv2(gelu(theirs.encoder_norm(theirs.encoder_conv1(tokens))))
        drawn = theirs.mask_conv2(gelu(theirs.mask_norm(theirs.mask_conv1(upscaled))))
        torch.testing.assert_close(ours.fine_features(tokens, early), compressed + encoded)
        torch.testing.assert_close(ours.embedding_maskfeature(upscaled), drawn)
        torch.testing.assert_close(ours.hf_mlp(token), theirs.hq_mask_mlp(token))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_have_names(name: str) -> None:
    with torch.device("meta"):
        state = PUBLISHED[name]().state_dict()
    found = recognise({key: tuple(tensor.shape) for key, tensor in state.items()})
    assert found.name == name
    with torch.device("meta"):
        built = found.build().state_dict()
    assert {key: tensor.shape for key, tensor in built.items()} == {key: tensor.shape for key, tensor in state.items()}


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    sam, _ = vit_pair()
    state = {key: value for key, value in sam.state_dict().items() if "hf_mlp.layers.2" not in key}
    with pytest.raises(CheckpointFormatError, match=r"a SAM hq_vit but .* 2 tensors missing \(mask_decoder.hf_mlp"):
        load_model(checkpoint=save(state, tmp_path / "mine.pth"))
