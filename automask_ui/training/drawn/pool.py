"""A pool of drawn scenes on disk, drawn once by all cores before training and read as memory maps.

`python -m automask_ui.training.drawn.pool --scenes 5000` draws it. Scene `i` of a pool depends on the pool's seed and
on `i` only, however many processes draw. Needs scikit-image, whose redistributable photographs lend surface grain.
"""

import argparse
import json
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.format import open_memmap
from platformdirs import user_cache_path

from automask_ui.training.drawn.scenes import Scene, draw_scene
from automask_ui.training.drawn.textures import FloatImage, SizeHW

logger = logging.getLogger(__name__)

TRAINING_SEED = 1
HELD_OUT_SEED = 2_000_003
MAX_INSTANCES = 384
# CC0 or public domain; none of them is a picture that the checkpoint is measured on.
TEXTURE_PHOTOS = ("brick", "grass", "gravel", "hubble_deep_field", "retina")


@dataclass(frozen=True, eq=False)
class ScenePool:
    """Scenes of one size: `images` (N, H, W, 3) uint8, `ids` (N, H, W) int16, `parents` (N, MAX_INSTANCES) int16."""

    images: np.ndarray
    ids: np.ndarray
    parents: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def default_state_dir() -> Path:
    """Where pools, optimizer state and logs live: never inside the checkout."""
    return user_cache_path("automask-ui", "automask-ui") / "training"


@lru_cache(maxsize=1)
def texture_photos() -> tuple[FloatImage, ...]:
    """The grey photographs that lend their grain to surfaces, each (H, W) float32 in [0, 1]."""
    from skimage import data

    photos = [np.asarray(getattr(data, name)()) for name in TEXTURE_PHOTOS]
    grey = [photo if photo.ndim == 2 else cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) for photo in photos]
    # Very large photographs are brought to the scale of the others, so that their grain is as fine.
    return tuple(_at_most(photo.astype(np.float32) / 255, 768) for photo in grey)


def _at_most(photo: FloatImage, longest: int) -> FloatImage:
    scale = longest / max(photo.shape)
    return photo if scale >= 1 else cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def scene_at(seed: int, index: int, size_hw: SizeHW) -> Scene:
    """Scene `index` of the endless series that `seed` names."""
    return draw_scene(np.random.default_rng([seed, index]), size_hw, texture_photos())


def held_out_scenes(count: int, size_hw: SizeHW) -> Iterator[Scene]:
    """Scenes that no training run draws."""
    for index in range(count):
        yield scene_at(HELD_OUT_SEED, index, size_hw)


def draw_pool(folder: Path, scenes: int, size_hw: SizeHW, seed: int = TRAINING_SEED, processes: int = 2) -> ScenePool:
    """Draw a pool into a folder, or take the one already there if it is of the same kind and large enough.

    Args:
        folder: Where its arrays are kept.
        scenes: How many.
        size_hw: Height and width of each, pixels.
        seed: Names the series of scenes.
        processes: How many processes draw.
    """
    about = folder / "pool.json"
    kind = {"size_hw": list(size_hw), "seed": seed}
    if about.exists():
        found = json.loads(about.read_text())
        if found["kind"] == kind and found["scenes"] >= scenes:
            return load_pool(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images = open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=(scenes, *size_hw, 3))
    ids = open_memmap(folder / "ids.npy", mode="w+", dtype=np.int16, shape=(scenes, *size_hw))
    parents = open_memmap(folder / "parents.npy", mode="w+", dtype=np.int16, shape=(scenes, MAX_INSTANCES))
    draw = partial(scene_at, seed, size_hw=size_hw)
    with multiprocessing.get_context("spawn").Pool(processes, initializer=cv2.setNumThreads, initargs=(1,)) as workers:
        for index, scene in enumerate(workers.imap(draw, range(scenes), chunksize=8)):
            images[index], ids[index] = scene.image, np.minimum(scene.ids, MAX_INSTANCES - 1)
            parents[index] = _padded(scene.parents)
            if (index + 1) % 500 == 0:
                logger.info("drew %d of %d scenes", index + 1, scenes)
    for array in (images, ids, parents):
        array.flush()
    about.write_text(json.dumps({"kind": kind, "scenes": scenes}))
    return load_pool(folder)


def load_pool(folder: Path) -> ScenePool:
    """Map a drawn pool into memory, read-only."""
    arrays = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "ids", "parents"))
    return ScenePool(*arrays)


def _padded(parents: np.ndarray) -> np.ndarray:
    """Parents cut or extended to MAX_INSTANCES entries; what is beyond belongs to itself."""
    table = np.arange(MAX_INSTANCES, dtype=np.int16)
    count = min(len(parents), MAX_INSTANCES)
    table[:count] = np.minimum(parents[:count], MAX_INSTANCES - 1)
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a pool from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=5000)
    parser.add_argument("--size", type=int, default=384, help="height and width of a scene, pixels")
    parser.add_argument("--seed", type=int, default=TRAINING_SEED)
    parser.add_argument("--state-dir", type=Path, default=default_state_dir())
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    draw_pool(options.state_dir / f"pool-{options.size}", options.scenes, (options.size, options.size), options.seed)


if __name__ == "__main__":
    main()
