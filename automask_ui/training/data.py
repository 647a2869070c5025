"""Training batches: random crops of drawn scenes, with clicks and the masks that each click may mean."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from automask_ui.engine.encoders.builtin import IMAGE_SIZE, STRIDE
from automask_ui.training.pool import MAX_INSTANCES, ScenePool
from automask_ui.training.textures import log_uniform

MIN_TARGET_PIXELS = 24
LOWRES_STRIDE = 2
# What `Sam.preprocess` pads with is this colour, once normalised; its cells belong to an instance nobody clicks on.
MEAN_COLOUR = (124, 116, 104)
PADDING = MAX_INSTANCES - 1


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step sees. S is the crop's side, C = S / STRIDE its side in cells.

    Attributes:
        images: (B, 3, S, S) uint8 RGB.
        cell_ids: (B, C, C) int64, the instance at the middle of each cell.
        cell_wholes: (B, C, C) int64, the whole at the middle of each cell.
        points_xy: (B, P, 2) float32 clicks, pixels of the crop.
        targets: (B, P, 2, S / 2, S / 2) float32 cover in [0, 1] of the two masks that a click may mean: the
            instance under it, and the whole that this is a part of.
        origin_cells: (row, column) of the crop in the cells of the model's full input, as if cut from it.
    """

    images: Tensor
    cell_ids: Tensor
    cell_wholes: Tensor
    points_xy: Tensor
    targets: Tensor
    origin_cells: tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Crop:
    """A square piece of a scene: `image` (S, S, 3) uint8, `ids` and `wholes` (S, S) int16."""

    image: np.ndarray
    ids: np.ndarray
    wholes: np.ndarray


def sample_batch(pool: ScenePool, rng: np.random.Generator, size: int, images: int, prompts: int) -> Batch:
    """Cut random crops from random scenes and click on things in them.

    Args:
        pool: Where the scenes come from.
        rng: Source of randomness; decides everything.
        size: Side of the crops, pixels, a multiple of 32.
        images: Crops a batch.
        prompts: Clicks a crop; no clicks are drawn for 0.
    """
    crops = [_random_crop(pool, rng, size) for _ in range(images)]
    ids = torch.from_numpy(np.stack([crop.ids for crop in crops]))
    wholes = torch.from_numpy(np.stack([crop.wholes for crop in crops]))
    points = np.stack([_random_points(rng, crop.ids, prompts) for crop in crops])
    rows, columns = torch.from_numpy(points[..., 1]), torch.from_numpy(points[..., 0])
    which = torch.arange(images)[:, None]
    targets = torch.stack([_cover(labels, labels[which, rows, columns]) for labels in (ids, wholes)], dim=2)
    middle = slice(STRIDE // 2, None, STRIDE)
    spare = (IMAGE_SIZE - size) // STRIDE
    return Batch(
        images=torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2),
        cell_ids=ids[:, middle, middle].long(),
        cell_wholes=wholes[:, middle, middle].long(),
        points_xy=torch.from_numpy(points).float(),
        targets=targets,
        origin_cells=(int(rng.integers(spare + 1)), int(rng.integers(spare + 1))),
    )


def _cover(labels: Tensor, chosen: Tensor) -> Tensor:
    """How much of each low-resolution pixel belongs to each chosen label.

    Args:
        labels: (B, S, S) int16.
        chosen: (B, P) int16.

    Returns:
        (B, P, S / 2, S / 2) float32 in [0, 1].
    """
    total = torch.zeros(1)
    for row in range(LOWRES_STRIDE):
        for column in range(LOWRES_STRIDE):
            phase = labels[:, None, row::LOWRES_STRIDE, column::LOWRES_STRIDE]
            total = total + (phase == chosen[..., None, None])
    return total / LOWRES_STRIDE**2


def _random_crop(pool: ScenePool, rng: np.random.Generator, size: int) -> _Crop:
    """A piece of a random scene, at a random scale, flipped, its colours exchanged now and then."""
    index = int(rng.integers(len(pool)))
    scene_side = pool.ids.shape[1]
    window = int(min(scene_side, size * log_uniform(rng, 0.7, 2.2)))
    top, left = rng.integers(0, scene_side - window + 1, 2)
    area = (index, slice(top, top + window), slice(left, left + window))
    image, ids = np.asarray(pool.images[area]), np.asarray(pool.ids[area])
    if window != size:
        how = cv2.INTER_AREA if window > size else cv2.INTER_LINEAR
        image = cv2.resize(image, (size, size), interpolation=how)
        ids = cv2.resize(ids, (size, size), interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        image, ids = image[:, ::-1], ids[:, ::-1]
    if rng.random() < 0.3:
        image, ids = image.transpose(1, 0, 2), ids.T
    if rng.random() < 0.4:
        image = image[..., rng.permutation(3)]
    if size == IMAGE_SIZE and rng.random() < 0.7:
        image, ids = _padded(rng, image, ids)
    ids = np.ascontiguousarray(ids)
    return _Crop(np.ascontiguousarray(image), ids, pool.parents[index][ids])


def _padded(rng: np.random.Generator, image: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A full input as of a photograph that is not square: nothing at its bottom or at its right."""
    image, ids = image.copy(), ids.copy()
    kept = int(ids.shape[0] * rng.uniform(0.5, 0.95))
    void = (slice(kept, None), slice(None)) if rng.random() < 0.7 else (slice(None), slice(kept, None))
    image[void], ids[void] = MEAN_COLOUR, PADDING
    return image, ids


def _random_points(rng: np.random.Generator, ids: np.ndarray, count: int) -> np.ndarray:
    """Clicks on instances, large ones more often, but less so than their area says. (P, 2) int64 xy."""
    order = np.argsort(ids, axis=None, kind="stable")
    labels, starts, areas = np.unique(ids.ravel()[order], return_index=True, return_counts=True)
    weights = np.sqrt(areas) * (areas >= MIN_TARGET_PIXELS) * (labels != PADDING)
    chosen = rng.choice(len(areas), size=count, p=weights / weights.sum())
    pixels = order[starts[chosen] + (rng.random(count) * areas[chosen]).astype(np.int64)]
    return np.stack([pixels % ids.shape[1], pixels // ids.shape[1]], axis=1)
