"""Training data: photographs are read and split as they should be, pasting and prompts are exact."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_pools import small_pool

from automask_ui.engine.encoders.builtin import IMAGE_SIZE
from automask_ui.training.augment import another_camera, padded, random_window, side_by_side, tilted
from automask_ui.training.compose import Cutout, cut_rendered, cut_thing, paste_things
from automask_ui.training.correction_clicks import SampledMasks, correction_clicks
from automask_ui.training.data import Batch, Sources, in_cells, in_rows, sample_batch
from automask_ui.training.decoder import pixels_of_cells
from automask_ui.training.drawn.scenes import UNKNOWN, Scene
from automask_ui.training.photographs import (
    Photograph,
    draw_weights,
    read_manifest,
    read_scene,
    training_photographs,
    validation_photographs,
)
from automask_ui.training.prompts import (
    ABSENT,
    BACKGROUND,
    FOREGROUND,
    LOWER_RIGHT,
    LOWRES,
    PADDING,
    UPPER_LEFT,
    box_prompt,
    correcting_prompt,
)

HEIGHT, WIDTH = 120, 160


def write_photographs(root: Path) -> Path:
    """Two dozen photographs of a box with a lid on a plain ground, two cut-outs and two pictures without masks."""
    for name in ("images", "masks", "cutouts", "backgrounds"):
        (root / name).mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        source = ("ccp", "coco2", "nuclei")[number % 3]
        things, parts = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
        things[30:90, 40:110], parts[30:45, 35:110] = 7, 3
        image = np.where(things[..., None] > 0, (40, 60, 220), (90, 90, 90)).astype(np.uint8)
        image += rng.integers(0, 20, image.shape, dtype=np.uint8)
        name = f"{source}_{number:04d}"
        cv2.imwrite(str(root / "images" / f"{name}.jpg"), image)
        cv2.imwrite(str(root / "masks" / f"{name}.png"), things)
        cv2.imwrite(str(root / "masks" / f"{name}_L2.png"), parts)
        rest = "not annotated" if source == "coco2" else "background as one region"
        with_parts = f"masks/{name}_L2.png" if source == "ccp" else ""
        rows.append((f"images/{name}.jpg", f"masks/{name}.png", with_parts, rest))
    for number in range(2):
        cutout = np.zeros((50, 40, 4), np.uint8)
        cv2.circle(cutout, (20, 25), 15, (200, 30 * number, 90, 255), -1)
        cv2.imwrite(str(root / "cutouts" / f"fluent3d_{number}.png"), cutout)
        rows.append((f"cutouts/fluent3d_{number}.png", "", "", ""))
        cv2.imwrite(str(root / "backgrounds" / f"oi_{number}.jpg"), rng.integers(0, 255, (80, 100, 3), dtype=np.uint8))
        rows.append((f"backgrounds/oi_{number}.jpg", "", "", "not annotated"))
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "mask_L1", "mask_L2", "unlabelled_area"))
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def sources(folder: Path) -> Sources:
    return Sources.of(read_manifest(folder), small_pool(scenes=3, side=128))


def of_source(folder: Path, source: str) -> Photograph:
    return next(row for row in read_manifest(folder) if row.source == source)


def test_a_photograph_has_things_with_parts_inside(folder: Path) -> None:
    scene = read_scene(of_source(folder, "ccp"))
    assert scene.parents.tolist() == [0, 1, 1]  # the ground, the box, its lid
    assert (scene.ids == 2).sum() == 15 * 70  # what lies beside the box is no part of it
    assert (scene.ids == 1).sum() == 45 * 70
    unknown = read_scene(of_source(folder, "coco2"))
    assert unknown.parents.tolist() == [UNKNOWN, 1]


def test_a_tenth_of_the_everyday_photographs_is_held_out_by_name() -> None:
    rows = [Photograph(Path(f"images/coco2_{n:04d}.jpg"), Path("m.png"), None, "coco2", False) for n in range(2000)]
    held_out = validation_photographs(rows)
    assert 150 < len(held_out) < 250
    assert not {row.path for row in held_out} & {row.path for row in training_photographs(rows)}
    crowds = [Photograph(Path(f"images/nuclei_{n:04d}.png"), Path("m.png"), None, "nuclei", True) for n in range(100)]
    assert not validation_photographs(crowds)


def test_a_source_is_drawn_as_often_however_many_photographs_it_has() -> None:
    few = [Photograph(Path("images/ccp_1.jpg"), Path("m.png"), None, "ccp", True)]
    many = [Photograph(Path(f"images/nuclei_{n}.png"), Path("m.png"), None, "nuclei", True) for n in range(50)]
    weights = draw_weights(few + many)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1:].sum()


@pytest.mark.parametrize("seed", range(8))
def test_a_window_keeps_labels_on_their_pixels(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    window = random_window(rng, read_scene(of_source(folder, "ccp")), 128)
    assert max(window.ids.shape) == 128
    assert window.image.shape == (*window.ids.shape, 3)
    inside = cv2.erode((window.ids > 0).astype(np.uint8), np.ones((9, 9))) > 0
    outside = cv2.erode((window.ids == 0).astype(np.uint8), np.ones((9, 9))) > 0
    red, blue = window.image[..., 0].astype(int), window.image[..., 2].astype(int)
    assert (red - blue)[inside].min(initial=255) > 60
    assert np.abs(red - blue)[outside].max(initial=0) < 60


def test_a_tilted_scene_keeps_labels_on_their_pixels(folder: Path) -> None:
    scene = read_scene(of_source(folder, "ccp"))
    is_tilted = []
    for seed in range(20):
        turned = tilted(np.random.default_rng(seed), scene)
        is_tilted.append(len(turned.parents) > len(scene.parents))
        assert turned.image.shape == scene.image.shape
        inside = cv2.erode(np.isin(turned.ids, (1, 2)).astype(np.uint8), np.ones((9, 9))) > 0
        outside = cv2.erode((turned.ids == 0).astype(np.uint8), np.ones((9, 9))) > 0
        red, blue = turned.image[..., 0].astype(int), turned.image[..., 2].astype(int)
        assert inside.any()
        assert (red - blue)[inside].min() > 60
        assert np.abs(red - blue)[outside].max() < 60
        if is_tilted[-1]:
            assert turned.parents[-1] == UNKNOWN
            assert (turned.ids == len(scene.parents)).any()  # what came in at the corners
    assert {True, False} == set(is_tilted)


def test_four_scenes_side_by_side_keep_their_own_things_and_parts() -> None:
    def quarter(colour: int, parents: tuple[int, ...]) -> Scene:
        ids = np.arange(64, dtype=np.int16).reshape(8, 8) % len(parents)
        return Scene(np.full((8, 8, 3), colour, np.uint8), ids.astype(np.int16), np.array(parents, np.int16))

    quarters = [quarter(10, (0, 1, 1)), quarter(20, (UNKNOWN, 1)), quarter(30, (0,)), quarter(40, (UNKNOWN, 1, 1, 3))]
    scene = side_by_side(quarters)
    assert scene.image.shape == (16, 16, 3)
    assert scene.parents.tolist() == [0, 1, 1, UNKNOWN, 4, 5, UNKNOWN, 7, 7, 9]
    first = np.cumsum([0, 3, 2, 1])
    for number, (row, column) in enumerate(((0, 0), (0, 8), (8, 0), (8, 8))):
        place = (slice(row, row + 8), slice(column, column + 8))
        assert np.array_equal(scene.image[place], quarters[number].image)
        assert np.array_equal(scene.ids[place], quarters[number].ids + first[number])


def test_padding_is_an_unknown_of_its_own(folder: Path) -> None:
    scene = padded(random_window(np.random.default_rng(0), read_scene(of_source(folder, "ccp")), 128), 128)
    assert scene.ids.shape == (128, 128)
    last = len(scene.parents) - 1
    assert scene.parents[last] == UNKNOWN
    assert (scene.ids == last).any()


def test_another_camera_changes_no_shape() -> None:
    image = np.random.default_rng(0).integers(0, 255, (37, 53, 3), dtype=np.uint8)
    for seed in range(20):
        changed = another_camera(np.random.default_rng(seed), image)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8


def test_what_is_pasted_hides_what_is_behind() -> None:
    ground = Scene(np.full((100, 140, 3), 80, np.uint8), np.zeros((100, 140), np.int16), np.array([UNKNOWN], np.int16))
    green = np.tile(np.array([0, 255, 0], np.uint8), (40, 30, 1))
    parts = np.zeros((40, 30), np.int16)
    parts[:10] = 1
    cutout = Cutout(green, np.ones((40, 30), np.float32), parts)
    seen = 0
    for seed in range(6):
        scene = paste_things(np.random.default_rng(seed), ground, [cutout, cutout])
        pasted = scene.ids > 0
        assert not np.array_equal(scene.image[pasted], ground.image[pasted]) or not pasted.any()
        for label in np.unique(scene.ids[pasted]):
            whole = int(scene.parents[label])
            assert scene.parents[whole] == whole
            seen += label != whole
    assert seen > 3  # parts came along


def test_a_thing_is_cut_out_with_its_parts(folder: Path) -> None:
    cutout = cut_thing(np.random.default_rng(0), read_scene(of_source(folder, "ccp")))
    assert cutout is not None
    assert cutout.alpha.shape == (60, 70)
    assert cutout.alpha[0].max() == 0  # the outermost pixels stay behind
    assert cutout.ids.max() == 1
    alone = Scene(np.zeros((50, 50, 3), np.uint8), np.zeros((50, 50), np.int16), np.array([UNKNOWN], np.int16))
    assert cut_thing(np.random.default_rng(0), alone) is None
    rendered = cut_rendered(np.full((4, 5, 4), 255, np.uint8))
    assert rendered.alpha.tolist() == [[1.0] * 5] * 4


def test_cells_hold_pixels_in_the_decoders_order() -> None:
    ids = np.arange(IMAGE_SIZE**2, dtype=np.int32).reshape(IMAGE_SIZE, IMAGE_SIZE)
    lowres = torch.from_numpy(ids[::2, ::2].copy())
    expected = pixels_of_cells(lowres[None].float())[0].long().numpy()
    cells = in_cells(ids)
    assert np.array_equal(cells[..., 0], expected)
    assert np.array_equal(in_rows(cells[..., 0]), ids[::2, ::2])


def batch_of(sources: Sources, seed: int = 5) -> Batch:
    return sample_batch(sources, np.random.default_rng(seed), images=3, clicks=5, others=4)


def test_prompts_lie_in_their_targets(sources: Sources) -> None:
    batch = batch_of(sources)
    assert batch.images.shape == (3, 3, IMAGE_SIZE, IMAGE_SIZE)
    for image in range(3):
        for click in range(5):
            column, row = (batch.clicks_xy[image, click] // 2).long().tolist()
            masks = [in_rows(batch.targets[image, click, level].numpy()) for level in range(2)]
            assert masks[0][row, column] > 0
            if batch.is_target[image, click, 1]:
                assert (masks[1] >= masks[0]).all()  # what is in the part is in the thing
            else:
                assert not masks[1].any()
        for prompt in range(4):
            target = in_rows(batch.targets.flatten(1, 2)[image, batch.meant[image, prompt]].numpy()) > 0
            for point, label in zip(batch.points_xy[image, prompt], batch.labels[image, prompt].tolist(), strict=True):
                column, row = (point // 2).long().clamp_max(LOWRES - 1).tolist()
                if label == FOREGROUND:
                    assert target[row, column]
    assert batch.is_void.float().mean() < 0.7
    assert (batch.cell_ids[batch.is_void] == -1).all()


def test_batches_are_their_seed(sources: Sources) -> None:
    first, again = batch_of(sources), batch_of(sources)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.clicks_xy, again.clicks_xy)
    assert torch.equal(first.masks, again.masks)


def round_target() -> np.ndarray:
    target = np.zeros((LOWRES, LOWRES), np.uint8)
    cv2.circle(target, (100, 140), 40, 1, -1)
    return target > 0


@pytest.mark.parametrize("seed", range(10))
def test_a_box_prompt_is_near_its_box(seed: int) -> None:
    prompt = box_prompt(np.random.default_rng(seed), round_target())
    corners = dict(zip(prompt.labels.tolist(), prompt.points_xy, strict=True))
    assert np.abs(corners[UPPER_LEFT] - (120, 200)).max() < 70
    assert np.abs(corners[LOWER_RIGHT] - (282, 362)).max() < 70
    assert PADDING not in corners  # as with upstream's encoder


@pytest.mark.parametrize("seed", range(10))
def test_a_correction_clicks_on_errors_only(seed: int) -> None:
    target = round_target()
    prompt = correcting_prompt(np.random.default_rng(seed), target)
    assert prompt.labels[0] == FOREGROUND
    for point, label in zip(prompt.points_xy, prompt.labels, strict=True):
        if label in (FOREGROUND, BACKGROUND):
            assert target[int(point[1]) // 2, int(point[0]) // 2] == (label == FOREGROUND)
    assert (prompt.labels == PADDING).sum() == 1
    if prompt.mask is not None:
        overlap = ((prompt.mask > 0) & target).sum() / ((prompt.mask > 0) | target).sum()
        assert 0 < overlap < 1.01


def test_further_clicks_are_where_the_mask_is_wrong(sources: Sources) -> None:
    batch = batch_of(sources)
    cells = torch.arange(4096).expand(15, -1)
    wanted = batch.targets.flatten(0, 1).float() / 4
    logits = torch.full((15, 4, 4096, 16), -5.0)  # masks of nothing: all of a target is missing
    looked = SampledMasks(logits, wanted, torch.ones(15, 4096), cells)
    further = correction_clicks(batch, looked, 3, torch.Generator().manual_seed(0))
    assert further.points_xy.shape == (3, 3, 6, 2)
    for image in range(3):
        for row in range(3):
            target = in_rows(batch.targets.flatten(1, 2)[image, further.meant[image, row]].numpy()) > 0
            assert further.labels[image, row, :3].tolist() == [FOREGROUND, PADDING, FOREGROUND]
            for point, label in zip(further.points_xy[image, row], further.labels[image, row].tolist(), strict=True):
                assert label in (FOREGROUND, PADDING, ABSENT)
                if label == FOREGROUND:
                    assert target[int(point[1]) // 2, int(point[0]) // 2]
