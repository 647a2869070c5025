"""Models that Hugging Face's transformers saved, against transformers' own ``SamModel`` with the same weights."""

from pathlib import Path

import pytest
import torch
from checkpoint_files import is_same, save
from sams import small_sam
from segment_anything.modeling import Sam
from transformers import SamConfig, SamModel

from automask_ui.engine.decoder.point_decoder import PointDecoder
from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.loading.hugging_face import meta_names
from automask_ui.engine.loading.load import load_model
from automask_ui.errors import CheckpointFormatError, CheckpointNotFoundError
from automask_ui.models.checkpoints import available_models

SIZE, WIDTH = 128, 32


@pytest.fixture(scope="module")
def sam() -> Sam:
    return small_sam(heads=8)


@pytest.fixture(scope="module")
def theirs(sam: Sam) -> SamModel:
    """Transformers' model with the weights of ``sam``."""
    config = SamConfig(
        vision_config={
            "hidden_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "image_size": SIZE,
            "window_size": 3,
            "global_attn_indexes": [1],
            "output_channels": WIDTH,
            "mlp_dim": 96,
            "num_pos_feats": WIDTH // 2,
        },
        prompt_encoder_config={"hidden_size": WIDTH, "image_size": SIZE},
        mask_decoder_config={
            "hidden_size": WIDTH,
            "mlp_dim": 64,
            "num_attention_heads": 8,
            "iou_head_hidden_dim": WIDTH,
            "layer_norm_eps": 1e-5,  # Meta's, which transformers' default misses
        },
    )
    model = SamModel(config)
    ours = sam.state_dict()
    model.load_state_dict({key: ours[name] for key, name in meta_names(model.state_dict()).items()})
    return model.eval()


@pytest.fixture(params=["folder", "safetensors", "bin", "old", "wrapped"])
def checkpoint(theirs: SamModel, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The model as a folder of transformers', or as one of its files."""
    folder = tmp_path / "medsam"
    state = theirs.state_dict()
    if request.param in ("folder", "safetensors"):
        theirs.save_pretrained(folder)
        return folder if request.param == "folder" else folder / "model.safetensors"
    if request.param == "wrapped":
        return save({"state_dict": {f"model.{key}": value for key, value in state.items()}}, tmp_path / "medsam.pth")
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    once = {key: value for key, value in state.items() if "prompt_encoder.shared_embedding" not in key}
    save(once if request.param == "old" else state, folder / "pytorch_model.bin")
    return folder


def test_weights_and_name(sam: Sam, checkpoint: Path) -> None:
    model = load_model(checkpoint=checkpoint)
    assert is_same(model.sam, sam.state_dict())
    assert (model.name, model.title, model.arch) == ("medsam", "medsam", "vit")


def test_same_embedding_and_masks_as_transformers(theirs: SamModel, tmp_path: Path) -> None:
    theirs.save_pretrained(tmp_path)
    ours = load_model(checkpoint=tmp_path).sam
    images, points = torch.randn(1, 3, SIZE, SIZE), torch.rand(7, 2) * SIZE
    with torch.inference_mode():
        embedding = theirs.get_image_embeddings(images)
        torch.testing.assert_close(ours.image_encoder(images), embedding, atol=1e-5, rtol=1e-4)
        expected = theirs(image_embeddings=embedding, input_points=points[None, :, None], multimask_output=True)
    decoder = PointDecoder(ours, ImageEmbedding(embedding[0]))
    found = decoder.decode(points)
    torch.testing.assert_close(found.predicted_iou, expected.iou_scores[0], atol=1e-4, rtol=1e-4)
    logits = decoder.masks(found, torch.ones(7, 3, dtype=torch.bool)).view(7, 3, SIZE // 4, SIZE // 4)
    torch.testing.assert_close(logits, expected.pred_masks[0], atol=5e-3, rtol=1e-3)


def test_a_folder_is_listed_by_its_name(theirs: SamModel, tmp_path: Path) -> None:
    theirs.save_pretrained(tmp_path / "models" / "medsam")
    save({}, tmp_path / "models" / "other.pth")
    for place in (tmp_path / "models", tmp_path / "models" / "medsam"):
        found = {model.name: model for model in available_models([place])}
        assert found["medsam"].path == tmp_path / "models" / "medsam" / "model.safetensors"
        assert found["medsam"].title == "medsam"
        assert ("other" in found) == (place.name == "models")
        assert load_model("medsam", folders=[place]).name == "medsam"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "holds neither model.safetensors nor pytorch_model.bin"),
        (["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"], "in several files"),
        (["adapter_config.json", "adapter_model.safetensors"], "only an adapter"),
    ],
)
def test_folders_without_a_whole_model(tmp_path: Path, files: list[str], reason: str) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(CheckpointNotFoundError, match=reason):
        load_model(checkpoint=tmp_path)


def test_one_of_several_files_is_no_model(theirs: SamModel, tmp_path: Path) -> None:
    theirs.save_pretrained(tmp_path, max_shard_size="100KB")
    parts = sorted(tmp_path.glob("model-0*.safetensors"))
    assert len(parts) > 1
    with pytest.raises(CheckpointNotFoundError, match=r"in several files\. Save them in one"):
        load_model(checkpoint=parts[0])
    listed = {model.name for model in available_models([tmp_path])}
    assert not listed & {part.stem for part in parts}


def test_missing_tensors_are_named(theirs: SamModel, tmp_path: Path) -> None:
    state = {key: value for key, value in theirs.state_dict().items() if "upscale_conv2" not in key}
    with pytest.raises(CheckpointFormatError, match=r"2 tensors missing \(mask_decoder.output_upscaling.3"):
        load_model(checkpoint=save(state, tmp_path / "mine.pth"))
