"""Training the built-in model: its decoder is upstream's, its losses tell right from wrong, a run can be resumed."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_pools import small_pool
from safetensors import safe_open
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam
from test_training_photos import write_photographs
from torch import Tensor

from automask_ui.engine.encoders.builtin import BLOCK_SHAPES, IMAGE_SIZE, build_tiny_sam
from automask_ui.models.registry import BUILT_IN_MODEL, CHECKPOINTS
from automask_ui.training import train
from automask_ui.training.affinity import AffinityHead
from automask_ui.training.data import Sources
from automask_ui.training.decoder import MaskPrompts, decode_prompts, glimpse_at, masks_at_cells, pixels_of_cells
from automask_ui.training.drawn.scenes import UNKNOWN, Scene
from automask_ui.training.evaluate import count_coins
from automask_ui.training.export import calibrate_scores
from automask_ui.training.losses import (
    affinity_loss,
    certain_loss,
    choose_cells,
    click_loss,
    doubt_loss,
    mask_losses,
)
from automask_ui.training.measures import best_ious, boundary_f, calibration_error, deepest_point, islands, pairwise_iou
from automask_ui.training.photographs import read_manifest
from automask_ui.training.prompted import Answers, Measured, masks_of, measure_picture, measure_scenes
from automask_ui.training.prompts import ABSENT, BACKGROUND, FOREGROUND, LOWER_RIGHT, PADDING, UPPER_LEFT
from automask_ui.training.reference import COINS_LABELS, COINS_PHOTO, label_coins, read_things
from automask_ui.training.trunk import fill_trunk
from automask_ui.training.weights import WEIGHTS_PATH, Defaults, load_weights, read_defaults, save_weights

MAX_WEIGHTS_BYTES = 14_000_000
# Kinds of prompts: a click, clicks of both kinds, a box, a box with a click.
LABELS = torch.tensor(
    [
        [[FOREGROUND, PADDING, ABSENT], [FOREGROUND, BACKGROUND, PADDING], [UPPER_LEFT, LOWER_RIGHT, ABSENT]],
        [[FOREGROUND, UPPER_LEFT, LOWER_RIGHT], [BACKGROUND, PADDING, ABSENT], [FOREGROUND, FOREGROUND, PADDING]],
    ]
)


@pytest.fixture(scope="module")
def stirred_sam() -> Sam:
    """A model whose biases and norms are not the identity, so that a forgotten one shows."""
    torch.manual_seed(1)
    sam = build_tiny_sam()
    with torch.no_grad():
        for parameter in sam.mask_decoder.parameters():
            parameter += torch.randn_like(parameter) * 0.05
    return sam


@pytest.mark.parametrize("with_masks", [False, True])
def test_decoder_agrees_with_upstream(stirred_sam: Sam, with_masks: bool) -> None:
    torch.manual_seed(0)
    embeddings, points = torch.randn(2, 128, 64, 64) * 0.5, torch.rand(2, 3, 3, 2) * IMAGE_SIZE
    logits, rows = torch.randn(3, 256, 256), torch.tensor([0, 2, 5])
    masks = MaskPrompts(logits, rows) if with_masks else None
    with torch.no_grad():
        decoded = decode_prompts(stirred_sam, embeddings, points, LABELS, masks=masks)
        found = masks_at_cells(stirred_sam.mask_decoder, decoded, torch.arange(64 * 64).expand(6, -1))
        for row in range(6):
            brought = logits[rows.tolist().index(row)] if with_masks and row in rows else None
            expected, scores = upstream(stirred_sam, embeddings[row // 3], points[row // 3, row % 3], row, brought)
            torch.testing.assert_close(found[row], pixels_of_cells(expected[0]), atol=2e-4, rtol=1e-4)
            torch.testing.assert_close(decoded.scores[row], scores[0], atol=1e-5, rtol=1e-4)


def upstream(sam: Sam, embedding: Tensor, points: Tensor, row: int, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """All four masks and scores of one of the prompts of `LABELS`."""
    labels = LABELS[row // 3, row % 3]
    is_click, is_corner = (labels == FOREGROUND) | (labels == BACKGROUND), labels >= UPPER_LEFT
    sparse, dense = sam.prompt_encoder(
        points=(points[is_click][None], labels[is_click][None]) if is_click.any() else None,
        boxes=points[is_corner].reshape(1, 4) if is_corner.any() else None,
        masks=None if mask is None else mask[None, None],
    )
    return sam.mask_decoder.predict_masks(
        image_embeddings=embedding[None],
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )


def test_a_glimpse_of_everything_is_no_glimpse(stirred_sam: Sam) -> None:
    """All cells, in another order: the same scores, and the same cells once they are put back."""
    embeddings, points = torch.randn(2, 128, 64, 64) * 0.5, torch.rand(2, 3, 3, 2) * IMAGE_SIZE
    nothing = torch.zeros(2, 4096, dtype=torch.bool)
    glimpse = glimpse_at(points[:, :, 0], nothing, nothing, 4096, torch.Generator().manual_seed(0))
    masks = MaskPrompts(torch.randn(2, 256, 256), torch.tensor([1, 4]))
    with torch.no_grad():
        plain = decode_prompts(stirred_sam, embeddings, points, LABELS, masks=masks)
        seen = decode_prompts(stirred_sam, embeddings, points, LABELS, glimpse, masks)
    torch.testing.assert_close(seen.scores, plain.scores, atol=1e-5, rtol=1e-4)
    moved = plain.cells.gather(1, glimpse.cells.repeat_interleave(3, 0)[..., None].expand_as(plain.cells))
    torch.testing.assert_close(seen.cells, moved, atol=1e-4, rtol=1e-4)


def test_a_glimpse_has_every_click_and_stands_for_all() -> None:
    points = torch.tensor([[[3.0, 3.0], [500.0, 100.0]], [[64.0, 64.0], [65.0, 64.0]]])
    outlines, void = torch.zeros(2, 4096, dtype=torch.bool), torch.zeros(2, 4096, dtype=torch.bool)
    outlines[0, 200:900], void[:, 3000:] = True, True
    glimpse = glimpse_at(points, outlines, void, 1000, torch.Generator().manual_seed(0))
    assert glimpse.cells.shape == (2, 1000)
    assert glimpse.stands_for.sum(dim=1).tolist() == pytest.approx([4096, 4096])
    assert {0, 12 * 64 + 62} <= set(glimpse.cells[0].tolist())
    assert 8 * 64 + 8 in glimpse.cells[1]
    assert (glimpse.cells[0] < 900).sum() > 400  # outlines are looked at often
    assert (glimpse.cells >= 3000).sum() < 200  # padding hardly


def test_the_trunk_is_that_of_imagenet() -> None:
    """Folded batch norms and another normalisation of pixels give what the unfolded layers give."""
    sam = build_tiny_sam()
    state = random_trunk()
    fill_trunk(sam.image_encoder, state, sam.pixel_mean, sam.pixel_std)
    colours = torch.randint(0, 256, (1, 3, 32, 32)).float()
    stem = torch.nn.functional.conv2d((colours - 127) / 128, state["_conv_stem.weight"], stride=2)
    expected = normalised(stem, state, "_bn0")
    found = sam.image_encoder.stem((colours - sam.pixel_mean) / sam.pixel_std)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)
    features = torch.randn(1, 16, 8, 8)
    weight = state["_blocks.1._expand_conv.weight"]
    expanded = normalised(torch.nn.functional.conv2d(features, weight), state, "_blocks.1._bn0")
    torch.testing.assert_close(sam.image_encoder.blocks[1].expand(features), expanded, atol=1e-3, rtol=1e-4)


def random_trunk() -> dict[str, Tensor]:
    """A state dict with the names and shapes of the package's file."""
    torch.manual_seed(0)
    state = {"_conv_stem.weight": torch.randn(32, 3, 3, 3)}
    norms = {"_bn0": 32}
    for number, shape in enumerate(BLOCK_SHAPES):
        name, inner = f"_blocks.{number}.", shape.channels_in * shape.expansion
        if shape.expansion > 1:
            state[name + "_expand_conv.weight"] = torch.randn(inner, shape.channels_in, 1, 1)
            norms[name + "_bn0"] = inner
        state[name + "_depthwise_conv.weight"] = torch.randn(inner, 1, shape.kernel, shape.kernel)
        state[name + "_project_conv.weight"] = torch.randn(shape.channels_out, inner, 1, 1)
        norms |= {name + "_bn1": inner, name + "_bn2": shape.channels_out}
    for name, channels in norms.items():
        state[name + ".running_var"] = torch.rand(channels) + 0.5
        for part in ("weight", "bias", "running_mean"):
            state[f"{name}.{part}"] = torch.randn(channels)
    return state


def normalised(features: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return torch.nn.functional.batch_norm(features, *parts, eps=1e-3)


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
    both = torch.tensor([[True, True]])
    known = torch.tensor([True])
    right, wrong = (click_loss(losses, iou, scores, both, known) for scores in (iou.amax(2), 1 - iou.amax(2)))
    assert right < wrong


def test_parts_come_from_earlier_outputs_than_things() -> None:
    """The same two masks in the other order cost more; where there is one target any output may be it."""
    losses = torch.full((1, 4, 2), 1.0)
    losses[0, 1, 0] = losses[0, 2, 1] = 0.0
    swapped = losses[:, [0, 2, 1, 3]]
    iou, scores, both = torch.zeros(1, 4, 2), torch.zeros(1, 4), torch.tensor([[True, True]])
    known = torch.tensor([True])
    assert click_loss(losses, iou, scores, both, known) < click_loss(swapped, iou, scores, both, known) - 0.4
    one = torch.tensor([[True, False]])
    assert click_loss(losses, iou, scores, one, known) == pytest.approx(
        float(click_loss(swapped, iou, scores, one, known))
    )


def test_where_nobody_labelled_parts_the_first_alternative_may_be_one() -> None:
    """Its mask does not count there, and its score only where it is above those of the others, which do count."""
    one, unknown = torch.tensor([[True, False]]), torch.tensor([False])
    losses, iou, scores = torch.full((1, 4, 2), 1.0), torch.zeros(1, 4, 2), torch.zeros(1, 4)
    plain = click_loss(losses, iou, scores, one, unknown)
    first_differs, second_differs = losses.clone(), losses.clone()
    first_differs[0, 1], second_differs[0, 2] = 0.0, 0.0
    assert click_loss(first_differs, iou, scores, one, unknown) == plain
    assert click_loss(second_differs, iou, scores, one, unknown) < plain
    assert click_loss(losses, iou, torch.tensor([[0.0, -1.0, 0.0, 0.0]]), one, unknown) == plain
    assert click_loss(losses, iou, torch.tensor([[0.0, 1.0, 0.0, 0.0]]), one, unknown) > plain
    assert click_loss(losses, iou, torch.tensor([[0.0, 0.0, 1.0, 0.0]]), one, unknown) > plain


def test_right_masks_are_to_be_stable_and_wrong_ones_may_be_anything() -> None:
    """Logits beyond the offsets cost nothing, those between them do, and of a wrong mask nothing is asked."""
    weights, right, wrong = torch.ones(1, 4), torch.ones(1, 4), torch.zeros(1, 4)
    sure = torch.full((1, 4, 4, 16), 9.0)
    unsure = sure.clone()
    unsure[:, :, :2] = 0.0
    assert doubt_loss(sure, weights, right) < 0.001
    assert doubt_loss(unsure, weights, right) == pytest.approx(0.48, abs=0.03)
    assert doubt_loss(unsure, weights, wrong) == 0


def test_a_certain_prompt_wants_all_masks_to_be_the_same() -> None:
    one_right, all_right = torch.ones(1, 4, 1), torch.zeros(1, 4, 1)
    one_right[0, 2] = 0
    iou = 1 - one_right
    assert certain_loss(all_right, 1 - all_right, torch.ones(1, 4)) == 0
    assert certain_loss(one_right, iou, iou[..., 0]) > 0.5


def test_affinity_loss_knows_neighbours_and_leaves_the_unknown_alone() -> None:
    ids = torch.tensor([[0, 0, 1, 1]])
    cells = torch.arange(4)
    same = (ids[0][:, None] == ids[0]).float()
    right = ((same * 2 - 1) * 5).expand(2, 1, 4, 4).clone()
    assert affinity_loss(right, ids, ids, cells) < 0.01
    assert affinity_loss(-right, ids, ids, cells) > 4
    unknown = torch.tensor([[0, 0, -1, -1]])
    right[..., 2, 3] = right[..., 3, 2] = -5.0
    assert affinity_loss(right, unknown, unknown, cells) < 0.01


def test_affinity_head_shape() -> None:
    assert AffinityHead()(torch.randn(2, 128, 8, 8), torch.arange(10)).shape == (2, 2, 10, 10)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    photographs = write_photographs(tmp_path_factory.mktemp("photos"))
    return Sources.of(read_manifest(photographs), small_pool(scenes=3, side=128))


@pytest.fixture
def settings() -> train.Settings:
    """A step that takes a moment."""
    return replace(train.Settings(), images=1, clicks=3, others=2, further=1, seen=256, cells=64)


def test_a_resumed_run_is_the_run_itself(tmp_path: Path, sources: Sources, settings: train.Settings) -> None:
    straight, halves = tmp_path / "straight", tmp_path / "halves"
    straight.mkdir()
    halves.mkdir()

    def start() -> train.Run:
        torch.manual_seed(0)
        return train.new_run(build_tiny_sam(), AffinityHead(), minutes=1e6)

    run = start()
    before = {name: value.clone() for name, value in run.sam.state_dict().items()}
    train.train(run, sources, straight, settings, max_steps=2)
    train.train(start(), sources, halves, settings, max_steps=1)
    resumed = train.load_run(halves)
    assert resumed.step == 1
    train.train(resumed, sources, halves, settings, max_steps=1)
    assert resumed.step == run.step == 2
    for name, value in run.sam.state_dict().items():
        torch.testing.assert_close(resumed.sam.state_dict()[name], value, msg=name, atol=1e-4, rtol=1e-2)
    changed = [name for name, value in run.sam.state_dict().items() if not torch.equal(value, before[name])]
    for part in ("image_encoder.blocks.9", "image_encoder.lateral2", "mask_decoder.output_hypernetworks"):
        assert any(name.startswith(part) for name in changed)
    assert not any(name.startswith("image_encoder.stem") for name in changed)


def test_the_log_has_a_figure_for_every_kind_of_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: Sources, settings: train.Settings
) -> None:
    monkeypatch.setattr(train, "LOG_EVERY", 1)
    run = train.new_run(build_tiny_sam(), AffinityHead(), minutes=1e6)
    train.train(run, sources, tmp_path, settings, max_steps=1)
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert row["step"] == 1
    assert 0 <= row["preferred"] <= row["best"] <= 1
    assert all(0 <= row[kind] <= 1 for kind in ("box", "corrected", "further"))


def test_a_finished_run_is_followed_by_a_further_one(tmp_path: Path) -> None:
    run = train.new_run(build_tiny_sam(), AffinityHead(), minutes=1.0)
    run.seconds, run.step = 61.0, 7
    train.save_run(run, tmp_path)
    further = train.start_or_resume(tmp_path, 5.0, run.team)
    assert (further.progress, further.step, further.first_step) == (0, 7, 7)
    run.seconds = 30.0
    train.save_run(run, tmp_path)
    assert train.start_or_resume(tmp_path, 5.0, run.team).progress == 0.5


def test_weights_round_trip(tmp_path: Path, stirred_sam: Sam) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(stirred_sam, path, "test", Defaults(0.5, 0.75, 80))
    sam = build_tiny_sam()
    header = load_weights(sam, path)
    assert header["version"] == "test"
    assert read_defaults(header) == Defaults(0.5, 0.75, 80)
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


def test_committed_weights_are_those_of_the_registry() -> None:
    row = CHECKPOINTS[BUILT_IN_MODEL]
    assert WEIGHTS_PATH.stat().st_size == row.size_bytes
    assert hashlib.sha256(WEIGHTS_PATH.read_bytes()).hexdigest() == row.sha256


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
    clicks = measure_scenes(sam, [Scene(image, ids, np.array([0, 1], np.int16))], 0.01)
    assert clicks.iou.shape == (2, 3)
    assert clicks.iou[1].max() > 0.7


def test_every_kind_of_prompt_is_measured(stirred_sam: Sam) -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    measured = Measured()
    measure_picture(stirred_sam, np.full((60, 80, 3), 90, np.uint8), [mask, ~mask], measured)
    for answers in (measured.click, measured.three_clicks, measured.three_with_mask, measured.box):
        assert Measured.joined(answers).iou.shape == (2, 3)
    assert len(measured.boundary) == 2


def test_masks_of_a_scene_are_wholes_and_parts_that_are_large_enough() -> None:
    ids = np.zeros((40, 50), np.int16)
    ids[5:25, 5:25], ids[10:20, 10:20], ids[30:32, 40:42] = 1, 2, 3
    scene = Scene(np.zeros((40, 50, 3), np.uint8), ids, np.array([0, 1, 1, 3], np.int16))
    masks, is_part = masks_of(scene, 0.01)
    assert [(int(mask.sum()), part) for mask, part in zip(masks, is_part, strict=True)] == [
        (100, True), (1596, False), (400, False),
    ]  # fmt: skip
    unknown = Scene(scene.image, ids, np.array([UNKNOWN, 1, 1, 3], np.int16))
    assert sorted(int(mask.sum()) for mask in masks_of(unknown, 0.01)[0]) == [100, 400]
    assert len(masks_of(scene, 0.01, with_ground=False)[0]) == 2


def test_calibrated_scores_mean_measured_iou(stirred_sam: Sam) -> None:
    scores = np.tile(np.linspace(0.1, 0.5, 9)[:, None], (1, 3))
    iou = 2 * scores - 0.1
    layer = stirred_sam.mask_decoder.iou_prediction_head.layers[-1]
    inputs = torch.randn(4, layer.in_features)
    with torch.no_grad():
        before = layer(inputs)
        assert calibrate_scores(stirred_sam, Answers(iou, scores, iou)) == pytest.approx((2, -0.1), abs=1e-6)
        torch.testing.assert_close(layer(inputs), 2 * before - 0.1, atol=1e-5, rtol=1e-5)


def test_measures() -> None:
    mask = np.zeros((100, 200), bool)
    mask[20:60, 30:90] = True
    shifted = np.roll(mask, 1, axis=1)
    assert boundary_f(mask, mask) == 1
    assert boundary_f(shifted, mask) == pytest.approx(1)  # within the tolerance of two pixels
    assert boundary_f(np.roll(mask, 20, axis=1), mask) < 0.7
    assert boundary_f(np.zeros_like(mask), mask) == 0
    assert islands(mask | np.roll(mask, 100, axis=1)) == 2
    assert islands(np.zeros_like(mask)) == 0
    assert mask[deepest_point(mask)[::-1]]
    assert best_ious([], [mask]).tolist() == [0]
    assert best_ious([~mask, mask], [mask]).tolist() == [1]
    assert best_ious([mask], []).tolist() == []
    there = torch.from_numpy(mask)[None]
    assert pairwise_iou(torch.stack([there, ~there], dim=1), there).tolist() == [[1, 0]]
    scores = np.array([0.25, 0.25, 0.85, 0.85])
    assert calibration_error(scores, np.array([0.5, 0.0, 0.9, 0.8])) == pytest.approx(0)
    assert calibration_error(scores, scores - 0.1) == pytest.approx(0.1)


def test_named_things_lie_where_they_are() -> None:
    things = read_things("coffee.jpg", (400, 600))
    assert set(things) == {"cup", "coffee", "saucer", "spoon", "table"}
    assert not (things["saucer"] & (things["cup"] | things["spoon"])).any()
    assert things["coffee"][150, 300]
    assert things["table"][300, 550]
    assert all(mask.any() for picture in ("chelsea.jpg", "astronaut.jpg", "rocket.jpg")
               for mask in read_things(picture, (512, 640)).values())  # fmt: skip
    assert read_things("coins.png", (303, 384)) == {}


def test_coins_reference_is_what_its_segmentation_makes() -> None:
    from PIL import Image

    labels = np.asarray(Image.open(COINS_LABELS))
    assert np.array_equal(labels, label_coins(np.asarray(Image.open(COINS_PHOTO))))
    assert labels.max() == 24
    perfect = [{"segmentation": labels == coin} for coin in range(1, 25)]
    assert count_coins(perfect)[0] == 24
    assert count_coins(perfect[:5])[0] == 5
    assert count_coins([])[0] == 0
