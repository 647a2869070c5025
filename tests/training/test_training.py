"""Training the built-in model: its decoder is upstream's, its losses tell right from wrong, a run can be resumed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam
from test_training_scenes import small_pool
from torch import nn

from automask_ui.engine.encoders.builtin import IMAGE_SIZE, build_tiny_sam
from automask_ui.training import train
from automask_ui.training.affinity_start import start_from_code
from automask_ui.training.decoder import decode_clicks, glimpse_at, masks_at_cells, pixels_of_cells
from automask_ui.training.evaluate import count_coins, instances_of, score_clicks
from automask_ui.training.losses import affinity_loss, choose_cells, click_loss, mask_losses
from automask_ui.training.model import AffinityHead, new_model
from automask_ui.training.muon import orthogonal
from automask_ui.training.pool import ScenePool
from automask_ui.training.reference import COINS_LABELS, COINS_PHOTO, label_coins
from automask_ui.training.scenes import Scene
from automask_ui.training.weights import WEIGHTS_PATH, load_weights, save_weights

MAX_WEIGHTS_BYTES = 12_000_000


@pytest.fixture(scope="module")
def stirred_sam() -> Sam:
    """A model whose biases and norms are not the identity, so that a forgotten one shows."""
    sam, _ = new_model(seed=1)
    with torch.no_grad():
        for parameter in sam.mask_decoder.parameters():
            parameter += torch.randn_like(parameter) * 0.05
    return sam


def test_decoder_agrees_with_upstream(stirred_sam: Sam) -> None:
    embeddings = torch.randn(2, 128, 64, 64) * 0.5
    points = torch.rand(2, 3, 2) * IMAGE_SIZE
    with torch.no_grad():
        decoded = decode_clicks(stirred_sam, embeddings, points, (0, 0))
        masks = masks_at_cells(stirred_sam.mask_decoder, decoded, torch.arange(64 * 64).expand(6, -1))
        for image in range(2):
            clicks = (points[image][:, None], torch.ones(3, 1))
            sparse, dense = stirred_sam.prompt_encoder(points=clicks, boxes=None, masks=None)
            expected, scores = stirred_sam.mask_decoder.predict_masks(
                image_embeddings=embeddings[image : image + 1],
                image_pe=stirred_sam.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
            )
            rows = slice(3 * image, 3 * image + 3)
            torch.testing.assert_close(masks[rows], pixels_of_cells(expected), atol=2e-4, rtol=1e-4)
            torch.testing.assert_close(decoded.scores[rows], scores, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("origin", [(0, 0), (5, 3), (60, 60)])
def test_a_crop_is_seen_where_it_lies_in_the_full_input(stirred_sam: Sam, origin: tuple[int, int]) -> None:
    """Moving crop and click together must not change which cell the click is in."""
    row, column = origin
    embeddings, points = torch.zeros(1, 128, 4, 4), torch.tensor([[[11.5, 3.5]]])
    code = stirred_sam.prompt_encoder.get_dense_pe()[0, :, row : row + 4, column : column + 4].flatten(1)
    moved = points[:, :, None] + torch.tensor([8.0 * column, 8.0 * row])
    click, _ = stirred_sam.prompt_encoder(points=(moved[0], torch.ones(1, 1)), boxes=None, masks=None)
    assert int((click[0, 0] @ code).argmax()) == 1  # x 11.5 is column 1, y 3.5 is row 0
    decoded = decode_clicks(stirred_sam, embeddings, points, origin)
    assert decoded.cells.shape == (1, 16, 128)


def test_a_glimpse_of_everything_is_no_glimpse(stirred_sam: Sam) -> None:
    """All cells of a full input, in another order: the same scores, and the same cells once they are put back."""
    embeddings = torch.randn(2, 128, 64, 64) * 0.5
    points = torch.rand(2, 2, 2) * IMAGE_SIZE
    glimpse = glimpse_at(points, 64, 64 * 64, torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = decode_clicks(stirred_sam, embeddings, points, (0, 0))
        seen = decode_clicks(stirred_sam, embeddings, points, (0, 0), glimpse)
    torch.testing.assert_close(seen.scores, plain.scores, atol=1e-5, rtol=1e-4)
    moved = plain.cells.gather(1, glimpse.cells.repeat_interleave(2, 0)[..., None].expand_as(plain.cells))
    torch.testing.assert_close(seen.cells, moved, atol=1e-4, rtol=1e-4)


def test_a_glimpse_has_every_click_and_stands_for_all() -> None:
    points = torch.tensor([[[3.0, 3.0], [120.0, 60.0]], [[64.0, 64.0], [65.0, 64.0]]])
    glimpse = glimpse_at(points, 16, 40, torch.Generator().manual_seed(0))
    assert glimpse.stands_for.sum(dim=1).tolist() == pytest.approx([256, 256])
    assert glimpse.attention_bias.exp().sum(dim=1).tolist() == pytest.approx([4096, 4096], rel=1e-4)
    for image, clicked in enumerate([{0, 7 * 16 + 15}, {8 * 16 + 8}]):
        assert clicked <= set(glimpse.cells[image].tolist())
        near = glimpse.attention_bias[image] == 0
        assert near.sum() == [4 + 6, 9][image]  # a corner, a border, and the same cell twice


def test_pixels_of_cells_walks_quarters_then_pixels() -> None:
    maps = torch.arange(64.0).reshape(1, 8, 8)
    cells = pixels_of_cells(maps)
    assert cells.shape == (1, 4, 16)
    assert cells[0, 0].tolist() == [0, 1, 8, 9, 2, 3, 10, 11, 16, 17, 24, 25, 18, 19, 26, 27]
    assert cells[0, 3, 0] == 36  # row 4, column 4


@pytest.mark.parametrize(
    ("covered", "count"),
    [
        (0, 32),  # no target at all
        (1, 32),  # a single cell
        (20, 32),  # some
        (64, 32),  # everything
        (20, 64),  # every cell is chosen
    ],
)
def test_chosen_cells_stand_for_all(covered: int, count: int) -> None:
    targets = torch.zeros(3, 2, 64, 16)
    targets[:, :, :covered] = 1
    if 0 < covered < 64:
        targets[:, :, covered - 1, :8] = 0
    chosen, weights = choose_cells(targets, count, torch.Generator().manual_seed(0))
    assert chosen.shape == weights.shape == (3, count)
    assert all(len(set(row.tolist())) == count for row in chosen)
    assert weights.sum(dim=1).tolist() == pytest.approx([64] * 3)
    inside = chosen < covered
    assert (weights * inside).sum(dim=1).tolist() == pytest.approx([covered] * 3)


def test_losses_prefer_the_right_mask_and_measure_iou() -> None:
    targets = torch.zeros(1, 2, 4, 16)
    targets[:, 0, 0], targets[:, 1, :2] = 1, 1
    logits = torch.full((1, 4, 4, 16), -9.0)
    logits[:, 1, 0] = 9  # output 1 is the part, 2 the whole, 3 nothing, 0 everything
    logits[:, 2, :2] = 9
    logits[:, 0] = 9
    losses, iou = mask_losses(logits, targets, torch.ones(1, 4), balance=0.5, dice_weight=1.0)
    assert losses[0, :, 0].argmin() == 1
    assert losses[0, :, 1].argmin() == 2
    assert iou[0].tolist() == [[0.25, 0.5], [1.0, 0.5], [0.5, 1.0], [0.0, 0.0]]
    right, wrong = (click_loss(losses, iou, scores) for scores in (iou.amax(2), 1 - iou.amax(2)))
    assert right < wrong


def test_affinity_loss_knows_neighbours() -> None:
    ids = torch.tensor([[[0, 0], [1, 1]]])
    cells = torch.arange(4)
    same = (ids.flatten()[:, None] == ids.flatten()).float()
    right = ((same * 2 - 1) * 5).expand(2, 1, 4, 4)
    assert affinity_loss(right, ids, ids, cells) < 0.01
    assert affinity_loss(-right, ids, ids, cells) > 4


def test_affinity_head_shape() -> None:
    assert AffinityHead()(torch.randn(2, 128, 8, 8), torch.arange(10)).shape == (2, 2, 10, 10)


@pytest.fixture
def short_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages so small that a step takes a moment; the run never gets past their time."""
    clicks = replace(train.STAGES[1], scene_px=96, crop_px=64, images=2, clicks=2, seen=48, cells=32, until=1.0)
    monkeypatch.setattr(train, "STAGES", (clicks,))


@pytest.mark.usefixtures("short_stages")
def test_a_resumed_run_is_the_run_itself(tmp_path: Path) -> None:
    pools: dict[int, ScenePool] = {96: small_pool()}
    straight, halves = tmp_path / "straight", tmp_path / "halves"
    straight.mkdir()
    halves.mkdir()
    before = {name: value.clone() for name, value in new_model()[0].state_dict().items()}
    run = train.new_run(*new_model(), minutes=1e6)
    train.train(run, pools, straight, max_steps=2)
    train.train(train.new_run(*new_model(), minutes=1e6), pools, halves, max_steps=1)
    resumed = train.load_run(halves)
    assert resumed.step == 1
    train.train(resumed, pools, halves, max_steps=1)
    assert resumed.step == run.step == 2
    for name, value in run.sam.state_dict().items():
        torch.testing.assert_close(resumed.sam.state_dict()[name], value, msg=name, atol=1e-5, rtol=1e-3)
    changed = [name for name, value in run.sam.state_dict().items() if not torch.equal(value, before[name])]
    assert any(name.startswith("image_encoder") for name in changed)
    assert any(name.startswith("mask_decoder.output_hypernetworks") for name in changed)


@pytest.mark.usefixtures("short_stages")
def test_the_log_tells_whether_clicks_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "LOG_EVERY", 1)
    train.train(train.new_run(*new_model(), minutes=1e6), {96: small_pool()}, tmp_path, max_steps=1)
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert row["step"] == 1
    assert row["spread"] > 0.01
    assert 0 <= row["preferred"] <= row["best"] <= 1


def test_weights_round_trip(tmp_path: Path, stirred_sam: Sam) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(stirred_sam, path, "test", 0.5, 0.75)
    sam = build_tiny_sam()
    header = load_weights(sam, path)
    assert header["pred_iou_thresh"] == "0.5"
    assert header["stability_score_thresh"] == "0.75"
    for name, value in sam.state_dict().items():
        torch.testing.assert_close(value, stirred_sam.state_dict()[name], atol=1e-2, rtol=1e-2, msg=name)


def test_committed_weights_are_small_and_fit() -> None:
    assert WEIGHTS_PATH.stat().st_size <= MAX_WEIGHTS_BYTES
    header = load_weights(build_tiny_sam())
    assert header["architecture"] == "tiny"
    assert 0 < float(header["pred_iou_thresh"]) < 1
    assert 0 < float(header["stability_score_thresh"]) < 1
    with safe_open(WEIGHTS_PATH, framework="pt") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118 (not a mapping)
    assert kinds <= {torch.float16, torch.int64}  # int64: how many batches the normalisation has counted


def test_upstream_generator_runs_on_the_committed_weights() -> None:
    sam = build_tiny_sam()
    header = load_weights(sam)
    generator = SamAutomaticMaskGenerator(
        sam,
        points_per_side=4,
        pred_iou_thresh=float(header["pred_iou_thresh"]),
        stability_score_thresh=float(header["stability_score_thresh"]),
    )
    image = np.full((61, 97, 3), 90, np.uint8)
    image[15:45, 30:70] = (220, 60, 40)
    masks = generator.generate(image)
    assert all(mask["segmentation"].shape == (61, 97) for mask in masks)


def test_a_plain_thing_on_a_plain_ground_is_found() -> None:
    """The least that the committed weights must do: one click on a red box gives the box."""
    ids = np.zeros((120, 160), np.int16)
    ids[30:90, 50:110] = 1
    image = np.where(ids[..., None] == 1, (220, 60, 40), (90, 90, 90)).astype(np.uint8)
    sam = build_tiny_sam()
    load_weights(sam)
    clicks = score_clicks(sam, [Scene(image, ids, np.array([0, 1], np.int16))])
    assert clicks.iou.shape == (2, 3)
    assert clicks.iou[1].max() > 0.7


def test_instances_are_wholes_and_parts_that_are_large_enough() -> None:
    ids = np.zeros((40, 50), np.int16)
    ids[5:25, 5:25], ids[10:20, 10:20], ids[30:32, 40:42] = 1, 2, 3
    scene = Scene(np.zeros((40, 50, 3), np.uint8), ids, np.array([0, 1, 1, 3], np.int16))
    masks, centres = instances_of(scene)
    assert sorted(int(mask.sum()) for mask in masks) == [100, 400, 1596]  # the part, the whole with it, the ground
    assert all(mask[int(y), int(x)] for mask, (x, y) in zip(masks, centres, strict=True))


def test_coins_reference_is_what_its_segmentation_makes() -> None:
    from PIL import Image

    labels = np.asarray(Image.open(COINS_LABELS))
    assert np.array_equal(labels, label_coins(np.asarray(Image.open(COINS_PHOTO))))
    assert labels.max() == 24
    perfect = [{"segmentation": labels == coin} for coin in range(1, 25)]
    assert count_coins(perfect)[0] == 24
    assert count_coins(perfect[:5])[0] == 5
    assert count_coins([])[0] == 0


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (16, 16)])
def test_muon_makes_updates_nearly_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    singular = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert singular.max() < 1.4
    assert singular.min() > 0.3


def test_a_decoder_started_from_a_code_masks_what_has_the_clicked_code() -> None:
    """With a code that is there from the start, masks are its likeness: three nested ones, the click in all."""
    torch.manual_seed(0)
    trained, _ = new_model()
    code = nn.Conv2d(128, 15, 1).requires_grad_(False)
    sam = start_from_code(trained.eval(), code, small_pool(scenes=4, side=512))
    with torch.no_grad():
        embeddings = sam.image_encoder(torch.randn(1, 3, 512, 512).clamp(-2, 2))
        points = torch.tensor([[[100.0, 204.0], [300.0, 404.0]]])
        decoded = decode_clicks(sam, embeddings, points, (0, 0))
        masks = masks_at_cells(sam.mask_decoder, decoded, torch.arange(4096).expand(2, -1))
    for click, (column, row) in enumerate([(12, 25), (37, 50)]):
        loose, middle, tight = (masks[click, 1:, :, 0] > 0).unbind()
        assert loose[row * 64 + column]
        assert (loose >= middle).all()
        assert (middle >= tight).all()
