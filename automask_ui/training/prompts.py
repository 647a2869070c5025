"""Prompts other than a single click: boxes, further clicks where a mask is wrong, and the mask to be corrected."""

from dataclasses import dataclass

import cv2
import numpy as np

from automask_ui.engine.encoders.builtin import IMAGE_SIZE
from automask_ui.training.drawn.textures import log_uniform

# What a point token is, as in `PromptEncoder`; ABSENT tokens are not there at all.
ABSENT, PADDING, BACKGROUND, FOREGROUND, UPPER_LEFT, LOWER_RIGHT = -2, -1, 0, 1, 2, 3
MAX_TOKENS = 6
LOWRES = IMAGE_SIZE // 2
BOX_JITTER, BOX_JITTER_PX = 0.1, 20.0


@dataclass(frozen=True, eq=False)
class Prompt:
    """One prompt: `points_xy` (MAX_TOKENS, 2) float32, pixels; `labels` (MAX_TOKENS,) int64; `mask` logits or None."""

    points_xy: np.ndarray
    labels: np.ndarray
    mask: np.ndarray | None = None

    @classmethod
    def of(cls, points: list[tuple[float, float]], labels: list[int], mask: np.ndarray | None = None) -> "Prompt":
        """A prompt of so many tokens; a padding point is added where `PromptEncoder` adds one."""
        if UPPER_LEFT not in labels:
            points, labels = [*points, (0.0, 0.0)], [*labels, PADDING]
        points_xy, all_labels = np.zeros((MAX_TOKENS, 2), np.float32), np.full(MAX_TOKENS, ABSENT, np.int64)
        points_xy[: len(points)], all_labels[: len(labels)] = points, labels
        return cls(points_xy, all_labels, mask)


def box_prompt(rng: np.random.Generator, target: np.ndarray) -> Prompt:
    """The box around a mask, none too exact, and now and then a click inside.

    Args:
        rng: Source of randomness.
        target: (LOWRES, LOWRES) bool, at least one pixel.
    """
    rows, columns = np.flatnonzero(target.any(axis=1)), np.flatnonzero(target.any(axis=0))
    box = 2.0 * np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    spread = np.minimum(BOX_JITTER * np.tile(box[2:] - box[:2], 2), BOX_JITTER_PX) * rng.choice([0.1, 0.5, 1.0])
    box = np.clip(box + rng.normal(0, 1, 4) * spread, 0, IMAGE_SIZE)
    points, labels = [(box[0], box[1]), (box[2], box[3])], [UPPER_LEFT, LOWER_RIGHT]
    if rng.random() < 0.2:
        points, labels = [_pixel_of(rng, target), *points], [FOREGROUND, *labels]
    return Prompt.of(points, labels)


def correcting_prompt(rng: np.random.Generator, target: np.ndarray, other: np.ndarray | None = None) -> Prompt:
    """A wrong mask as input, one click inside the target, and one to three where the mask is wrong.

    Args:
        rng: Source of randomness.
        target: (LOWRES, LOWRES) bool, at least one pixel.
        other: Another mask that the click may have meant, as a model that guessed wrong would have given it.
    """
    wrong = _spoilt(rng, target) if other is None or rng.random() < 0.3 else other
    points, labels = [_pixel_of(rng, target)], [FOREGROUND]
    for _ in range(int(rng.integers(1, 4))):
        error = wrong != target
        if not error.any():
            break
        point = _pixel_of(rng, error)
        points.append(point)
        labels.append(FOREGROUND if target[int(point[1]) // 2, int(point[0]) // 2] else BACKGROUND)
    return Prompt.of(points, labels, _as_logits(rng, wrong) if rng.random() < 0.8 else None)


def _pixel_of(rng: np.random.Generator, mask: np.ndarray) -> tuple[float, float]:
    """(x, y) of a random pixel of a low-resolution mask, in pixels of the input."""
    flat = np.flatnonzero(mask)
    row, column = divmod(int(flat[rng.integers(len(flat))]), mask.shape[1])
    return 2.0 * column + float(rng.uniform(0, 2)), 2.0 * row + float(rng.uniform(0, 2))


def _spoilt(rng: np.random.Generator, target: np.ndarray) -> np.ndarray:
    """What a model might have made of a target: too large, too small, half of it, or with something else."""
    mask = target.astype(np.uint8)
    size = max(2.0, float(np.sqrt(mask.sum())))
    if rng.random() < 0.5:
        reach = 2 * max(1, int(size * log_uniform(rng, 0.01, 0.12))) + 1
        change = cv2.dilate if rng.random() < 0.5 else cv2.erode
        mask = change(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))).astype(np.uint8)
    for value in (0, 1):
        for _ in range(int(rng.integers(0, 3))):
            row, column = np.array(_pixel_of(rng, target))[::-1] / 2
            shift = rng.normal(0, 0.5 * size, 2)
            axes = tuple(max(1, int(size * log_uniform(rng, 0.08, 0.5))) for _ in range(2))
            middle = (int(column + shift[0]), int(row + shift[1]))
            cv2.ellipse(mask, middle, axes, float(rng.uniform(0, 180)), 0, 360, value, -1)
    return mask > 0


def _as_logits(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """Soft-edged logits of a mask, as a model puts them out. (LOWRES, LOWRES) float16."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), log_uniform(rng, 0.5, 4.0))
    return ((2 * soft - 1) * np.float32(log_uniform(rng, 3.0, 15.0))).astype(np.float16)
