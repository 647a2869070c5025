"""Files of SAM 2, Meta's and those of Hugging Face's transformers, whose ``Sam2Model`` has to see the same masks."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoint_files import is_same, save
from sams import SMALL_HIERA, small_sam2
from segment_anything.modeling import Sam
from torch import Tensor
from transformers import Sam2Config, Sam2Model

from automask_ui.engine.decoder.point_decoder import PointDecoder
from automask_ui.engine.encoders.sam2 import hiera
from automask_ui.engine.encoders.sam2.hiera import HieraConfig, HieraEncoder
from automask_ui.engine.encoders.sam2.model import encode_for_sam2
from automask_ui.engine.loading import architecture
from automask_ui.engine.loading.hugging_face import meta_names
from automask_ui.engine.loading.load import load_model
from automask_ui.engine.loading.sam2_tensor_names import to_sam_names
from automask_ui.errors import CheckpointFormatError

SIZE = SMALL_HIERA.image_size


@pytest.fixture
def small_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes of the small model among the published ones, since a file does not tell all of them."""
    key = (SMALL_HIERA.embed_dim, SMALL_HIERA.stages)
    monkeypatch.setitem(architecture._HIERA, key, ("sam2_t", SMALL_HIERA))


def metas_state(sam: Sam) -> dict[str, Tensor]:
    """The weights by the names that Meta's files have, and some that only video needs."""
    state = {}
    for key, tensor in sam.state_dict().items():
        name = key if key.startswith("image_encoder.") else f"sam_{key}"
        name = name.replace("image_encoder.no_mem_embed", "no_mem_embed")
        if "transformer.layers" in name:
            name = name.replace("mlp.lin1", "mlp.layers.0").replace("mlp.lin2", "mlp.layers.1")
        state[name] = tensor
    return state | {"maskmem_tpos_enc": torch.ones(7, 1, 1, 64), "memory_attention.norm.weight": torch.ones(256)}


@pytest.mark.usefixtures("small_is_published")
def test_metas_file(tmp_path: Path) -> None:
    sam = small_sam2()
    model = load_model(checkpoint=save({"model": metas_state(sam)}, tmp_path / "sam2.1_hiera_tiny.pt"))
    assert model.arch == "sam2_t"
    assert is_same(model.sam, sam.state_dict())
    assert (model.pred_iou_thresh, model.stability_score_thresh) == (0.8, 0.95)


def test_other_sizes_are_refused(tmp_path: Path) -> None:
    path = save(metas_state(small_sam2()), tmp_path / "mine.pt")
    with pytest.raises(CheckpointFormatError, match=r"SAM 2 of other sizes .*width 16, blocks \(1, 2, 3, 2\)"):
        load_model(checkpoint=path)


def as_transformers(sam: Sam) -> Sam2Model:
    """Transformers' model with the weights of ours."""
    stages = range(len(SMALL_HIERA.stages))
    widths = [SMALL_HIERA.embed_dim << stage for stage in stages]
    backbone = {
        "hidden_size": widths[0],
        "num_attention_heads": 1,
        "image_size": [SIZE, SIZE],
        "blocks_per_stage": list(SMALL_HIERA.stages),
        "embed_dim_per_stage": widths,
        "num_attention_heads_per_stage": [SMALL_HIERA.heads << stage for stage in stages],
        "window_size_per_stage": list(SMALL_HIERA.windows),
        "global_attention_blocks": list(SMALL_HIERA.global_blocks),
        "window_positional_embedding_background_size": [SMALL_HIERA.position_side] * 2,
    }
    vision = {
        "backbone_config": {"model_type": "sam2_hiera_det_model", **backbone},
        "backbone_channel_list": widths[::-1],
        "backbone_feature_sizes": [[SIZE // stride] * 2 for stride in (4, 8, 16)],
    }
    theirs = Sam2Model(Sam2Config(vision_config=vision, prompt_encoder_config={"image_size": SIZE})).eval()
    ours, state = sam.state_dict(), {}
    for key, name in meta_names(theirs.state_dict()).items():
        if key == "prompt_encoder.point_embed.weight":
            state[key] = torch.cat([ours[f"prompt_encoder.point_embeddings.{kind}.weight"] for kind in range(4)])
        else:
            state[key] = ours[next(iter(to_sam_names({name: torch.ones(1)})))]
    theirs.load_state_dict(state)
    return theirs


@pytest.mark.usefixtures("small_is_published")
def test_model_of_transformers(tmp_path: Path) -> None:
    sam = small_sam2()
    theirs = as_transformers(sam)
    theirs.save_pretrained(tmp_path / "sam2.1-hiera-tiny")
    model = load_model(checkpoint=tmp_path / "sam2.1-hiera-tiny")
    assert (model.name, model.arch) == ("sam2.1-hiera-tiny", "sam2_t")
    assert is_same(model.sam, sam.state_dict())

    images, points = torch.randn(1, 3, SIZE, SIZE), torch.rand(7, 2) * SIZE
    with torch.inference_mode():
        expected = theirs(images, input_points=points[None, :, None], multimask_output=True)
        decoder = PointDecoder(model.sam, encode_for_sam2(model.sam, images))
    found = decoder.decode(points)
    torch.testing.assert_close(found.predicted_iou, expected.iou_scores[0], atol=1e-3, rtol=1e-3)
    logits = decoder.masks(found, torch.ones(7, 3, dtype=torch.bool)).view(7, 3, SIZE // 4, SIZE // 4)
    torch.testing.assert_close(logits, expected.pred_masks[0], atol=5e-2, rtol=1e-3)


def test_default_sizes_are_those_of_tiny() -> None:
    assert architecture._HIERA[96, (1, 2, 7, 2)] == ("sam2_t", HieraConfig())


def test_rows_of_windows_are_the_same_alone_as_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of the published sizes, and pooling, at maps that are no multiple of them, in bands of other heights."""
    torch.manual_seed(0)
    encoder = HieraEncoder(replace(SMALL_HIERA, windows=(8, 4, 14, 7))).eval()
    inputs = torch.randn(1, 3, SMALL_HIERA.image_size, SMALL_HIERA.image_size)
    with torch.inference_mode():
        found = [encoder.pyramid(inputs)]
        for rows in (1, 8, 1000):
            monkeypatch.setattr(hiera, "_ROWS_TOGETHER", rows)
            found.append(encoder.pyramid(inputs))
    for other in found[1:]:
        for mine, expected in zip(found[0], other, strict=True):
            torch.testing.assert_close(mine, expected)
