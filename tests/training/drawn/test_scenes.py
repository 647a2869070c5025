"""Drawn scenes: made by seed, with instance masks that are true."""

import numpy as np
import pytest
from drawn_pools import PHOTOS

from automask_ui.training.drawn.pool import draw_pool, held_out_scenes, load_pool, scene_at
from automask_ui.training.drawn.scenes import draw_scene
from automask_ui.training.drawn.shapes import MIN_PIXELS, random_shape
from automask_ui.training.drawn.textures import draw_texture, photo_patch, random_colour


@pytest.mark.parametrize("size_hw", [(37, 53), (96, 64), (128, 128)])
def test_a_scene_is_its_seed(size_hw: tuple[int, int]) -> None:
    first, again, other = (draw_scene(np.random.default_rng(seed), size_hw, PHOTOS) for seed in (3, 3, 4))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.ids, again.ids)
    assert not np.array_equal(first.image, other.image)
    assert first.image.shape == (*size_hw, 3)
    assert first.image.dtype == np.uint8


@pytest.mark.parametrize("seed", range(12))
def test_ids_and_parents_agree(seed: int) -> None:
    scene = draw_scene(np.random.default_rng(seed), (96, 128), PHOTOS)
    assert scene.ids.min() >= 0
    assert scene.ids.max() < len(scene.parents)
    wholes = scene.parents[scene.parents]
    assert np.array_equal(wholes, scene.parents)  # a whole is nobody's part
    assert (scene.parents <= np.arange(len(scene.parents))).all()  # wholes are painted before their parts


def test_parts_lie_on_the_outline_of_their_whole() -> None:
    """Every part touches its whole or another part of it: painted inside, never beside."""
    parts = 0
    for seed in range(20):
        scene = draw_scene(np.random.default_rng(seed), (128, 128), PHOTOS)
        wholes = scene.parents[scene.ids]
        for part in np.flatnonzero(scene.parents != np.arange(len(scene.parents))):
            mask = scene.ids == part
            if mask.any():
                parts += 1
                assert (wholes[mask] == scene.parents[part]).all()
    assert parts > 10


@pytest.mark.parametrize("seed", range(30))
def test_shapes_stay_on_the_canvas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = random_shape(rng, (60, 90), (rng.uniform(-10, 100), rng.uniform(-10, 70)), rng.uniform(3, 40))
    if shape is None:
        return
    top, left, bottom, right = shape.window
    assert 0 <= top < bottom <= 60
    assert 0 <= left < right <= 90
    assert shape.mask.shape == (bottom - top, right - left)
    assert shape.mask.sum() >= MIN_PIXELS


def test_a_shape_far_off_the_canvas_is_none() -> None:
    assert random_shape(np.random.default_rng(0), (60, 90), (500.0, 500.0), 10.0) is None


@pytest.mark.parametrize("seed", range(20))
def test_textures_are_finite_and_near_their_colour(seed: int) -> None:
    rng = np.random.default_rng(seed)
    colour = random_colour(rng)
    surface = draw_texture(rng, (37, 53), colour, PHOTOS)
    assert surface.shape == (37, 53, 3)
    assert np.isfinite(surface).all()
    assert np.abs(np.median(surface, axis=(0, 1)) - colour).max() < 0.75


def test_photo_patches_have_no_brightness_of_their_own() -> None:
    patch = photo_patch(np.random.default_rng(1), (37, 53), PHOTOS)
    assert patch.mean() == pytest.approx(0, abs=1e-4)
    assert patch.std() == pytest.approx(1, abs=0.02)


def test_a_pool_on_disk_holds_the_scenes_of_its_seed(tmp_path) -> None:
    pool = draw_pool(tmp_path / "pool", 3, (48, 48), seed=11, processes=1)
    scene = scene_at(11, 2, (48, 48))
    assert np.array_equal(pool.images[2], scene.image)
    assert np.array_equal(pool.parents[2][pool.ids[2]], scene.parents[scene.ids])
    assert len(load_pool(tmp_path / "pool")) == 3


def test_held_out_scenes_are_not_training_scenes() -> None:
    held_out = next(held_out_scenes(1, (48, 48)))
    assert not np.array_equal(held_out.image, scene_at(1, 0, (48, 48)).image)
