"""Small pools of drawn scenes, in memory."""

import numpy as np

from automask_ui.training.drawn.pool import MAX_INSTANCES, ScenePool
from automask_ui.training.drawn.scenes import draw_scene

PHOTOS = (np.random.default_rng(0).random((40, 50), dtype=np.float32),)


def small_pool(scenes: int = 6, side: int = 96) -> ScenePool:
    """A pool in memory, drawn with noise for a photograph."""
    drawn = [draw_scene(np.random.default_rng(seed), (side, side), PHOTOS) for seed in range(scenes)]
    parents = np.tile(np.arange(MAX_INSTANCES, dtype=np.int16), (scenes, 1))
    for row, scene in zip(parents, drawn, strict=True):
        row[: len(scene.parents)] = scene.parents
    return ScenePool(np.stack([scene.image for scene in drawn]), np.stack([scene.ids for scene in drawn]), parents)
