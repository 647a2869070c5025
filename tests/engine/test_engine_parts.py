"""Encoder, decoder and resampling, each against the part of upstream that it stands for."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sams import picture, small_sam
from segment_anything.modeling import ImageEncoderViT
from segment_anything.utils.amg import calculate_stability_score
from test_engine_parity import LOOSE

from automask_ui import GeneratorOptions, MaskEngine
from automask_ui.engine.decoder.point_decoder import PointDecoder
from automask_ui.engine.encoders import vit as encoder_module
from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.encode import encode_image
from automask_ui.engine.encoders.geometry import resized_hw
from automask_ui.engine.encoders.vit import encode_vit
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline.resample import Resampler
from automask_ui.masks import rle


def _encoder(**changes) -> ImageEncoderViT:
    torch.manual_seed(0)
    settings = {"img_size": 128, "depth": 2, "embed_dim": 48, "num_heads": 3, "out_chans": 32, "use_rel_pos": True}
    encoder = ImageEncoderViT(**{**settings, "window_size": 3, "global_attn_indexes": (1,), **changes})
    for name, parameter in encoder.named_parameters():
        if "rel_pos" in name or parameter.dim() == 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return encoder.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "changes",
    [
        {},  # windows of 3 in a grid of 8: padded to 9
        {"window_size": 4},  # windows that fit
        {"window_size": 14},  # one window larger than the grid
        {"use_rel_pos": False},
        {"use_abs_pos": False},
        {"qkv_bias": True, "global_attn_indexes": ()},  # windows only
        {"global_attn_indexes": (0, 1)},  # global only
    ],
)
@pytest.mark.parametrize("strip", [1 << 8, 1 << 21])
def test_encoder_equals_upstream(changes, strip, monkeypatch):
    monkeypatch.setattr(encoder_module, "STRIP_SCORES", strip)
    encoder = _encoder(**changes)
    inputs = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(encode_vit(encoder, inputs), encoder(inputs), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("size_hw", [(37, 53), (200, 301), (128, 128), (1, 1)])
def test_embedding_equals_the_predictor(size_hw):
    from segment_anything import SamPredictor

    image, predictor = picture(*size_hw), SamPredictor(small_sam())
    predictor.set_image(image)
    embedding = encode_image(small_sam(), image).tokens
    torch.testing.assert_close(embedding, predictor.get_image_embedding()[0], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("size_hw", "expected"),
    [
        ((534, 800), (684, 1024)),  # landscape
        ((800, 534), (1024, 684)),  # portrait
        ((1, 20_000), (1, 1024)),  # upstream's formula gives no row at all
    ],
)
def test_resized_size(size_hw, expected):
    assert resized_hw(size_hw, 1024) == expected


@pytest.mark.parametrize(
    ("shown_hw", "depth", "heads"),
    [
        (None, 2, 4),  # the whole grid
        ((5, 8), 2, 4),  # landscape
        ((8, 3), 2, 4),  # portrait
        (None, 1, 4),  # no second block that changes image tokens again
        (None, 4, 2),  # four times changed ones, other heads
    ],
)
@pytest.mark.parametrize("tile", [8, 24, 1024])  # rows of the 8×8 grid: one, three (the last tile has two), all
def test_decoder_equals_upstream(shown_hw, depth, heads, tile, monkeypatch):
    monkeypatch.setattr("automask_ui.engine.decoder.point_decoder.TILE_TOKENS_ON_CPU", tile)
    sam = copy.deepcopy(small_sam(depth=depth, heads=heads))
    with torch.no_grad():
        for name, parameter in sam.mask_decoder.named_parameters():
            if parameter.dim() == 1:  # norms and biases as training leaves them, not one and zero
                parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name)))
    embedding = encode_image(sam, picture(80, 128)).tokens
    points = torch.rand(7, 2, generator=torch.Generator().manual_seed(0)) * 128
    with torch.inference_mode():
        sparse, dense = sam.prompt_encoder((points[:, None], torch.ones(7, 1)), None, None)
        masks, scores = sam.mask_decoder(embedding[None], sam.prompt_encoder.get_dense_pe(), sparse, dense, True)

    decoder = PointDecoder(sam, ImageEmbedding(embedding), shown_hw)
    decoded = decoder.decode(points)
    torch.testing.assert_close(decoded.predicted_iou, scores, atol=1e-5, rtol=1e-4)
    wanted = torch.tensor([[True, False, True]] * 3 + [[False] * 3] + [[False, True, False]] * 3)
    rows, columns = (4 * side for side in shown_hw or (8, 8))
    torch.testing.assert_close(decoder.masks(decoded, wanted), masks[wanted][:, :rows, :columns], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])  # as a GPU computes
def test_masks_of_half_precision_are_nearly_the_same(dtype):
    embedding = ImageEmbedding(encode_image(small_sam(), picture(80, 128)).tokens)
    points = torch.rand(7, 2, generator=torch.Generator().manual_seed(0)) * 128
    exact, half = PointDecoder(small_sam(), embedding), PointDecoder(small_sam(), embedding, dtype=dtype)
    wanted = torch.ones(7, 3, dtype=torch.bool)
    expected, found = (decoder.masks(decoder.decode(points), wanted) for decoder in (exact, half))
    assert found.dtype == torch.float32
    # Eight bits or eleven of each number, in some products one after the other.
    assert 0 < (found - expected).abs().mean() < 0.05 * expected.std()


@pytest.mark.parametrize("scale", [1.0, 3.0, 10.0])  # of what cancels: where rounding falls is not known beforehand
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_image_tokens_that_cancel_out_are_normalised(dtype, scale):
    sam = copy.deepcopy(small_sam())
    first, second = sam.mask_decoder.transformer.layers
    embedding = torch.randn(32, 1, 1, generator=torch.Generator().manual_seed(0)).expand(32, 8, 8)
    points = torch.tensor([[30.0, 40.0], [60.0, 60.0]])
    with torch.inference_mode():
        for block in (first, second):
            block.cross_attn_image_to_token.out_proj.weight.zero_()
            block.cross_attn_image_to_token.out_proj.bias.zero_()
        first.norm4.weight.fill_(scale)
        token = embedding[:, 0, 0] + sam.prompt_encoder.no_mask_embed.weight[0]
        second.cross_attn_image_to_token.out_proj.bias.copy_(-first.norm4(token))
        sparse, dense = sam.prompt_encoder((points[:, None], torch.ones(2, 1)), None, None)
        _, scores = sam.mask_decoder(embedding[None], sam.prompt_encoder.get_dense_pe(), sparse, dense, True)
    found = PointDecoder(sam, ImageEmbedding(embedding), dtype=dtype).decode(points).predicted_iou
    # Eight bits leave a remainder of what cancels, which the norm makes larger: some number, but none that says much.
    assert found.isfinite().all()
    if dtype == torch.float32:
        torch.testing.assert_close(found, scores, atol=0.01, rtol=0.0)


@pytest.mark.parametrize(
    ("crop", "size_hw"),
    [
        ((0, 0, 53, 37), (37, 53)),  # the whole picture, enlarged by the model's input and made smaller again
        ((0, 0, 301, 200), (200, 301)),  # made smaller by the model's input, enlarged again
        ((0, 0, 90, 640), (640, 90)),  # much larger, and portrait
        ((0, 0, 128, 128), (128, 128)),  # just the model's input
        ((20, 11, 90, 61), (200, 301)),  # a crop
        ((0, 0, 1, 1), (1, 1)),
        ((0, 0, 400, 1), (1, 400)),
        ((0, 0, 1, 400), (400, 1)),
    ],
)
@pytest.mark.parametrize(
    ("stride", "threshold", "offset"), [(4, 0.0, 1.0), (2, 0.1, 0.3), (1, 0.0, 0.0), (8, -1.0, 2.0)]
)
@pytest.mark.parametrize("together", [3, 128])
def test_resampling_equals_postprocess_masks(crop, size_hw, stride, threshold, offset, together, monkeypatch):
    monkeypatch.setattr("automask_ui.engine.pipeline.resample.TOGETHER", together)
    sam = small_sam()
    crop_hw = (crop[3] - crop[1], crop[2] - crop[0])
    resized = resized_hw(crop_hw, 128)
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(7, 1, 5, 5, generator=generator) * 4
    logits = torch.nn.functional.interpolate(coarse, size=128 // stride, mode="bicubic")[:, 0]
    logits[3] = torch.randn(logits.shape[1:], generator=generator) * 3  # all edges
    logits[4] = -9.0  # nothing
    logits[5] = -9.0
    logits[5, 3, 2] = 9.0  # a speck
    logits[6] = 9.0  # everything

    resampler = Resampler(stride, 128, resized, crop, size_hw, torch.device("cpu"))
    rows, columns = resampler.used_hw
    measured = resampler.measure(logits[:, :rows, :columns], threshold, offset)
    full = sam.postprocess_masks(logits[:, None], resized, crop_hw)[:, 0]
    stability = calculate_stability_score(full, threshold, offset)
    for mask, expected, score in zip(measured, full > threshold, stability, strict=True):
        frame = np.zeros(size_hw, dtype=bool)
        frame[crop[1] : crop[3], crop[0] : crop[2]] = expected.numpy()
        assert np.mean(rle.decode(mask.rle) != frame) <= 1e-4
        assert mask.rle == rle.encode(rle.decode(mask.rle))
        assert mask.area == rle.area(mask.rle)
        assert mask.stability_score == pytest.approx(float(score), abs=1e-3, nan_ok=True)
        x, y, width, height = rle.bbox_xywh(mask.rle)
        assert mask.box_xyxy == ((x, y, x + width - 1, y + height - 1) if width else (crop[0], crop[1]) * 2)


@pytest.mark.parametrize("odd", [torch.nan, -torch.inf, torch.inf])
def test_resampling_of_what_half_precision_may_leave(odd):
    logits = torch.full((1, 32, 32), -9.0)
    logits[0, 8:16] = odd
    logits[0, 16:] = 9.0
    (mask,) = Resampler(4, 128, (128, 128), (0, 0, 200, 200), (200, 200), torch.device("cpu")).measure(logits, 0.0, 1.0)
    frame = rle.decode(mask.rle)
    assert mask.rle == rle.encode(frame)
    assert not frame[:46].any()
    assert (frame[54:96] == (odd > 0)).all()
    assert frame[104:].all()


def test_turbo_gives_nearly_the_same_masks():
    image, options = picture(80, 120), GeneratorOptions(**LOOSE).replace(pred_iou_thresh=0.0)
    exact = MaskEngine(SamModel.wrap(small_sam())).generate(image, options).candidates
    # Not asked for by name, so that it is tried on processors that only imitate it, too.
    model = replace(SamModel.wrap(small_sam()), precision="bf16")
    turbo = MaskEngine(model).generate(image, options).candidates
    pairs = [pair for pair in zip(exact.rle, turbo.rle, strict=True) if any(rle.area(mask) for mask in pair)]
    ious = [rle.iou_matrix([left], [right])[0, 0] for left, right in pairs]
    assert len(ious) > 20
    assert 0.98 <= np.mean(ious) < 1.0
    np.testing.assert_allclose(turbo.predicted_iou, exact.predicted_iou, atol=0.05)
