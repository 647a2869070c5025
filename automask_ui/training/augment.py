"""What happens to a scene before it is trained on: turned, a window of it at the model's scale, another camera."""

from collections.abc import Sequence

import cv2
import numpy as np

from automask_ui.training.drawn.scenes import UNKNOWN, Scene
from automask_ui.training.drawn.textures import log_uniform

FULL_SHARE, TILTED_SHARE = 0.5, 0.4
MAX_TILT_DEGREES, MAX_STRETCH = 25.0, 1.35
# What `Sam.preprocess` pads with is this colour, once normalised.
MEAN_COLOUR = (124, 116, 104)


def random_window(rng: np.random.Generator, scene: Scene, side: int) -> Scene:
    """All of a scene or a piece of it, flipped now and then, its longer side brought to `side` pixels."""
    height, width = scene.ids.shape
    top, left, bottom, right = 0, 0, height, width
    if rng.random() > FULL_SHARE:
        share = log_uniform(rng, 0.35, 1.0)
        aspect = log_uniform(rng, 0.6, 1.6)
        tall = int(min(height, max(height, width) * share / max(1.0, aspect)))
        wide = int(min(width, max(height, width) * share * min(1.0, aspect)))
        row, column = _place_of_a_thing(rng, scene)
        top = int(np.clip(row - tall * rng.uniform(0.1, 0.9), 0, height - tall))
        left = int(np.clip(column - wide * rng.uniform(0.1, 0.9), 0, width - wide))
        bottom, right = top + tall, left + wide
    image, ids = scene.image[top:bottom, left:right], scene.ids[top:bottom, left:right]
    if rng.random() < 0.5:
        image, ids = image[:, ::-1], ids[:, ::-1]
    if rng.random() < 0.05:
        image, ids = image.transpose(1, 0, 2), ids.T
    scale = side / max(ids.shape)
    size_wh = (max(1, round(ids.shape[1] * scale)), max(1, round(ids.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(np.ascontiguousarray(image), size_wh, interpolation=how)
    ids = cv2.resize(np.ascontiguousarray(ids), size_wh, interpolation=cv2.INTER_NEAREST)
    return Scene(image, ids, scene.parents)


def tilted(rng: np.random.Generator, scene: Scene) -> Scene:
    """Now and then a scene that is turned, stretched and sheared; what comes in at its corners is an unknown."""
    if rng.random() > TILTED_SHARE:
        return scene
    height, width = scene.ids.shape
    angle = np.deg2rad(rng.uniform(-MAX_TILT_DEGREES, MAX_TILT_DEGREES))
    stretch = log_uniform(rng, 1 / MAX_STRETCH, MAX_STRETCH) ** 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[stretch, rng.uniform(-0.15, 0.15)], [0, 1 / stretch]])
    middle = np.array([width / 2, height / 2])
    affine = np.column_stack([matrix, middle - matrix @ middle])
    image = cv2.warpAffine(scene.image, affine, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    ids = cv2.warpAffine(
        scene.ids, affine, (width, height), flags=cv2.INTER_NEAREST, borderValue=float(len(scene.parents))
    )
    return Scene(image, ids, np.append(scene.parents, np.int16(UNKNOWN)))


def side_by_side(scenes: Sequence[Scene]) -> Scene:
    """Four square inputs of one size as one of twice the side, so that all in them is small."""
    parents, ids, first = [], [], 0
    for scene in scenes:
        parents.append(np.where(scene.parents == UNKNOWN, UNKNOWN, scene.parents + first))
        ids.append(scene.ids + np.int16(first))
        first += len(scene.parents)
    images = [scene.image for scene in scenes]
    image, laid_out = (np.vstack([np.hstack(row[:2]), np.hstack(row[2:])]) for row in (images, ids))
    return Scene(image, laid_out, np.concatenate(parents).astype(np.int16))


def _place_of_a_thing(rng: np.random.Generator, scene: Scene) -> tuple[int, int]:
    """(row, column) of a pixel of something labelled; all things are as likely, however large."""
    labels = np.flatnonzero(np.bincount(scene.ids.ravel()))
    labels = labels[scene.parents[labels] != UNKNOWN]
    if not len(labels):
        return scene.ids.shape[0] // 2, scene.ids.shape[1] // 2
    rows, columns = np.nonzero(scene.ids == rng.choice(labels))
    index = int(rng.integers(len(rows)))
    return int(rows[index]), int(columns[index])


def padded(scene: Scene, side: int) -> Scene:
    """A full square input, with nothing at its bottom or at its right; what is there is an unknown of its own."""
    height, width = scene.ids.shape
    if height == width == side:
        return scene
    image = np.full((side, side, 3), MEAN_COLOUR, np.uint8)
    ids = np.full((side, side), len(scene.parents), np.int16)
    image[:height, :width], ids[:height, :width] = scene.image, scene.ids
    return Scene(image, ids, np.append(scene.parents, np.int16(UNKNOWN)))


def another_camera(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """The same scene in other light, with another sensor, and compressed. (H, W, 3) uint8 to the same."""
    if rng.random() < 0.6:
        image = other_light(rng, image)
    if rng.random() < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.15:
        grain = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(2, 14))
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(25, 90))
        compressed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(compressed, cv2.IMREAD_COLOR))
    return image


def other_light(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Brightness, contrast, gamma, colour cast and saturation."""
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    gain = rng.uniform(0.65, 1.3) * (1 + rng.normal(0, 0.07, 3).astype(np.float32))
    curve = np.clip(levels * gain + rng.uniform(-0.08, 0.08), 0, 1) ** np.float32(log_uniform(rng, 0.6, 1.6))
    curve = (curve * 255).astype(np.uint8)
    image = cv2.LUT(image, curve[:, None])
    kind = rng.random()
    if kind < 0.08:
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if kind < 0.16:
        return np.ascontiguousarray(image[..., rng.permutation(3)])
    if kind < 0.7:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        colourful = float(rng.uniform(0.3, 1.5))
        return cv2.addWeighted(image, colourful, grey, 1 - colourful, 0)
    return image
