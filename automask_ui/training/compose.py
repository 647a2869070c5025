"""Things pasted into scenes: cut from other photographs or rendered, several deep, so that who hides whom is exact."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from automask_ui.training.augment import other_light
from automask_ui.training.drawn.scenes import UNKNOWN, Scene
from automask_ui.training.drawn.textures import log_uniform

# Sources whose outlines are good enough to cut along.
CUT_FROM = ("ccp", "oianimal", "food", "balloon", "coco2", "cocoinst")
MIN_CUT_SHARE = 0.01
MIN_PASTED_PIXELS = 40


@dataclass(frozen=True, eq=False)
class Cutout:
    """A thing without its surroundings.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) float32 in [0, 1].
        ids: (H, W) int16, 0 for the thing itself and outside of it, then its parts.
    """

    image: np.ndarray
    alpha: np.ndarray
    ids: np.ndarray


def cut_rendered(picture: np.ndarray) -> Cutout:
    """A cut-out from a picture with alpha. (H, W, 4) uint8."""
    alpha = picture[..., 3].astype(np.float32) / 255
    return Cutout(np.ascontiguousarray(picture[..., :3]), alpha, np.zeros(alpha.shape, np.int16))


def cut_thing(rng: np.random.Generator, scene: Scene) -> Cutout | None:
    """One of a scene's things with its parts, or None if none is large enough."""
    wholes = np.where(scene.parents[scene.ids] == UNKNOWN, -1, scene.parents[scene.ids])
    labels, areas = np.unique(wholes, return_counts=True)
    labels = labels[(labels > 0) & (areas >= MIN_CUT_SHARE * wholes.size)]
    if not len(labels):
        return None
    mask = wholes == rng.choice(labels)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    mask = mask[box]
    # The outermost pixels are of two colours; they stay behind.
    alpha = cv2.erode(np.pad(mask, 1).astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1].astype(np.float32)
    ids = np.where(mask, scene.ids[box], 0)
    parts = [label for label in np.unique(ids) if label and scene.parents[label] != label]
    local = np.zeros(mask.shape, np.int16)
    for number, label in enumerate(parts, start=1):
        local[ids == label] = number
    return Cutout(np.ascontiguousarray(scene.image[box]), alpha, local)


def paste_things(rng: np.random.Generator, scene: Scene, cutouts: Sequence[Cutout]) -> Scene:
    """Paste cut-outs over a scene, far ones first: at any place, some several times, some with a shadow."""
    image, ids, parents = scene.image.copy(), scene.ids.copy(), list(scene.parents)
    side = max(ids.shape)
    jobs = []
    for cutout in cutouts:
        length = side * log_uniform(rng, 0.07, 0.65)
        copies = int(rng.integers(2, 6)) if rng.random() < 0.3 and length < 0.3 * side else 1
        centre = rng.uniform(0, 1, 2) * ids.shape
        for _ in range(copies):
            jobs.append((length, tuple(centre), cutout))
            centre = centre + rng.normal(0, 0.75, 2) * length
    for length, centre, cutout in sorted(jobs, key=lambda job: -job[0]):
        _paste(rng, image, ids, parents, _scaled(rng, cutout, length * rng.uniform(0.9, 1.1)), centre)
    return Scene(image, ids, np.asarray(parents, dtype=np.int16))


def _scaled(rng: np.random.Generator, cutout: Cutout, length: float) -> Cutout:
    """A cut-out whose longer side is `length` pixels, flipped now and then, in other light."""
    scale = length / max(cutout.alpha.shape)
    size_wh = (max(2, round(cutout.alpha.shape[1] * scale)), max(2, round(cutout.alpha.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image, alpha = (cv2.resize(layer, size_wh, interpolation=how) for layer in (cutout.image, cutout.alpha))
    ids = cv2.resize(cutout.ids, size_wh, interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        image, alpha, ids = (np.ascontiguousarray(layer[:, ::-1]) for layer in (image, alpha, ids))
    if rng.random() < 0.3:
        blur = rng.uniform(0.3, 1.5)
        image, alpha = cv2.GaussianBlur(image, (0, 0), blur), cv2.GaussianBlur(alpha, (0, 0), blur)
    return Cutout(other_light(rng, image) if rng.random() < 0.7 else image, alpha, ids)


def _paste(
    rng: np.random.Generator,
    image: np.ndarray,
    ids: np.ndarray,
    parents: list[int],
    cutout: Cutout,
    centre: tuple[float, float],
) -> None:
    """Paste one cut-out in place; hardly visible ones are left out."""
    height, width = cutout.alpha.shape
    top, left = int(centre[0] - height / 2), int(centre[1] - width / 2)
    rows, columns = (
        slice(max(0, top), min(ids.shape[0], top + height)),
        slice(max(0, left), min(ids.shape[1], left + width)),
    )
    own = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    alpha = cutout.alpha[own]
    mask = alpha > 0.5
    if mask.sum() < MIN_PASTED_PIXELS:
        return
    view = image[rows, columns]
    if rng.random() < 0.35:
        _cast_shadow(rng, image, cutout.alpha, (top, left))
    view[:] = (view + (cutout.image[own] - view.astype(np.float32)) * alpha[..., None]).astype(np.uint8)
    whole, parts = len(parents), int(cutout.ids.max())
    parents += [whole] * (parts + 1)
    ids[rows, columns][mask] = cutout.ids[own][mask] + whole


def _cast_shadow(rng: np.random.Generator, image: np.ndarray, alpha: np.ndarray, corner: tuple[int, int]) -> None:
    """Darken what lies under and beside a thing that is about to be pasted with its upper left at `corner`."""
    reach = max(2, int(0.12 * max(alpha.shape)))
    soft = cv2.GaussianBlur(np.pad(alpha, 2 * reach), (0, 0), reach * rng.uniform(0.3, 1.0))
    top, left = (int(at - 2 * reach + rng.integers(-reach, reach + 1)) for at in corner)
    rows = slice(max(0, top), min(image.shape[0], top + soft.shape[0]))
    columns = slice(max(0, left), min(image.shape[1], left + soft.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    soft = soft[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    view = image[rows, columns]
    view[:] = (view * (1 - rng.uniform(0.15, 0.6) * soft[..., None])).astype(np.uint8)
