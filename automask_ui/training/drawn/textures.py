"""Surfaces for the drawn training scenes: colours, noise and textures as float RGB arrays.

Nothing here knows about objects. Every function takes the random generator first, so that a seed fixes the result.
"""

from collections.abc import Sequence

import cv2
import numpy as np

FloatImage = np.ndarray  # float32, HW or HWC
SizeHW = tuple[int, int]


def fractal_noise(rng: np.random.Generator, size_hw: SizeHW, cell_px: float, octaves: int = 4) -> FloatImage:
    """Sum of smooth random fields, each of half the cell size and a random fraction of the strength of the one before.

    Args:
        rng: Source of randomness.
        size_hw: Height and width of the result, pixels.
        cell_px: Size of the coarsest blotches, pixels.
        octaves: How many fields to add; fields finer than a pixel are left out.

    Returns:
        (H, W) float32 of zero mean and about unit standard deviation.
    """
    height, width = size_hw
    field = np.zeros(size_hw, dtype=np.float32)
    gain, roughness, power = 1.0, rng.uniform(0.35, 0.85), 0.0
    for _ in range(octaves):
        grid = rng.standard_normal((int(height / cell_px) + 2, int(width / cell_px) + 2)).astype(np.float32)
        field += gain * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        power += gain**2
        gain, cell_px = gain * roughness, cell_px / 2
        if cell_px < 1.3:
            break
    return field / np.float32(np.sqrt(power) * 0.75)


def brushed_noise(rng: np.random.Generator, size_hw: SizeHW) -> FloatImage:
    """Noise stretched along a random direction: fur, wood grain, grass, brushed metal. (H, W) float32, unit spread."""
    height, width = size_hw
    side = int(np.hypot(height, width)) + 2
    stretch = rng.uniform(3, 9)
    grid_hw = (side, max(2, int(side / stretch)))
    field = cv2.resize(fractal_noise(rng, grid_hw, log_uniform(rng, 2, 14)), (side, side))
    turn = np.asarray(cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(0, 180), 1.0), dtype=np.float64)
    turn[:, 2] -= np.array([side - width, side - height]) / 2
    return cv2.warpAffine(field, turn, (width, height), borderMode=cv2.BORDER_REFLECT)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between low and high (both above zero), uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def random_colour(rng: np.random.Generator) -> FloatImage:
    """An RGB colour in [0, 1], mostly muted as in photographs. (3,) float32."""
    if rng.random() < 0.2:
        return np.clip(rng.uniform(0.03, 0.97) + rng.normal(0, 0.02, 3), 0, 1).astype(np.float32)
    hsv = np.array([[[rng.uniform(0, 360), rng.beta(1.3, 2.0), rng.beta(2.0, 1.3)]]], dtype=np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]


def colour_near(rng: np.random.Generator, colour: FloatImage, spread: float) -> FloatImage:
    """The colour, moved in brightness and a little in hue by about `spread`. (3,) float32."""
    return np.clip(colour + rng.normal(0, spread) + rng.normal(0, spread / 2, 3), 0, 1).astype(np.float32)


def waves(rng: np.random.Generator, size_hw: SizeHW) -> FloatImage:
    """Stripes, checks or rings, bent by noise. (H, W) float32 in about [-1, 1]."""
    height, width = size_hw
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, frequency = rng.uniform(0, np.pi), 2 * np.pi / log_uniform(rng, 4, 50)
    bend = fractal_noise(rng, size_hw, log_uniform(rng, 10, 80), 2) * rng.uniform(0, 1.5)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    across = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
    pattern = np.sin(along * np.float32(frequency) + bend)
    if rng.random() < 0.35:
        pattern = pattern * np.sin(across * np.float32(frequency * rng.uniform(0.5, 1.5)) + bend)
    if rng.random() < 0.5:
        pattern = np.tanh(pattern * np.float32(rng.uniform(2, 6)))
    return pattern.astype(np.float32)


def spots(rng: np.random.Generator, size_hw: SizeHW, colours: Sequence[FloatImage], ground: FloatImage) -> FloatImage:
    """Many small leaves, dots or flakes over a ground, none of them an object of its own. (H, W, 3) float32."""
    height, width = size_hw
    image = np.empty((height, width, 3), dtype=np.float32)
    image[:] = ground
    size = log_uniform(rng, 2, 11)
    count = int(min(500, rng.uniform(0.3, 1.6) * height * width / (size * size * 3)))
    flat, square = rng.uniform(0.3, 1.0), rng.random() < 0.3
    for x, y, grow, turn, shade, pick in rng.random((count, 6)):
        colour = colours[int(pick * len(colours))] * (0.75 + 0.5 * shade)
        centre = (float(x * width), float(y * height))
        axes = (2 * size * (0.5 + grow), 2 * size * flat * (0.5 + grow))
        bgr = tuple(float(v) for v in colour)
        if square:
            corners = cv2.boxPoints((centre, axes, turn * 180)).round().astype(np.int32)
            cv2.fillConvexPoly(image, corners, bgr)
        else:
            cv2.ellipse(image, (centre, axes, turn * 180), bgr, -1)
    return image


def photo_patch(rng: np.random.Generator, size_hw: SizeHW, photos: Sequence[FloatImage]) -> FloatImage:
    """A turned, rescaled piece of one of the grey texture photographs. (H, W) float32 of zero mean, unit spread."""
    height, width = size_hw
    photo = photos[int(rng.integers(len(photos)))]
    scale = max(log_uniform(rng, 0.35, 1.6), height / photo.shape[0], width / photo.shape[1])
    crop_h, crop_w = max(4, int(height / scale)), max(4, int(width / scale))
    top = rng.integers(max(1, photo.shape[0] - crop_h))
    left = rng.integers(max(1, photo.shape[1] - crop_w))
    piece = cv2.resize(photo[top : top + crop_h, left : left + crop_w], (width, height), interpolation=cv2.INTER_AREA)
    piece = piece[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    return (piece - piece.mean()) / (piece.std() + np.float32(1e-3))


def draw_texture(
    rng: np.random.Generator, size_hw: SizeHW, colour: FloatImage, photos: Sequence[FloatImage]
) -> FloatImage:
    """A surface of roughly the given colour.

    Args:
        rng: Source of randomness.
        size_hw: Height and width, pixels.
        colour: (3,) float32 RGB in [0, 1], the surface's main colour.
        photos: Grey texture photographs, each (H, W) float32, that may lend their grain.

    Returns:
        (H, W, 3) float32 RGB, around [0, 1] but not clipped.
    """
    image = np.empty((*size_hw, 3), dtype=np.float32)
    image[:] = colour
    other = random_colour(rng) if rng.random() < 0.4 else colour_near(rng, colour, 0.15)
    kind = rng.random()
    if kind < 0.12:
        image += rng.standard_normal((*size_hw, 1), dtype=np.float32) * np.float32(rng.uniform(0, 0.08))
    elif kind < 0.38:
        image += fractal_noise(rng, size_hw, log_uniform(rng, 4, 90))[..., None] * np.float32(
            log_uniform(rng, 0.01, 0.18)
        )
    elif kind < 0.50:
        blend = fractal_noise(rng, size_hw, log_uniform(rng, 4, 60)) * np.float32(rng.uniform(0.3, 2.5)) + 0.5
        image += np.clip(blend, 0, 1)[..., None] * (other - colour) * np.float32(rng.uniform(0.3, 1.0))
    elif kind < 0.62:
        image += waves(rng, size_hw)[..., None] * (other - colour) * np.float32(rng.uniform(0.2, 0.7))
    elif kind < 0.76:
        image += brushed_noise(rng, size_hw)[..., None] * np.float32(log_uniform(rng, 0.02, 0.16))
    elif kind < 0.86:
        image = spots(rng, size_hw, (colour, other, colour_near(rng, colour, 0.1)), colour_near(rng, colour, 0.1))
    else:
        image *= 1 + photo_patch(rng, size_hw, photos)[..., None] * np.float32(rng.uniform(0.08, 0.4))
    if rng.random() < 0.5:
        image *= 1 + light_gradient(rng, size_hw, rng.uniform(0, 0.6))[..., None]
    return image


def light_gradient(rng: np.random.Generator, size_hw: SizeHW, strength: float) -> FloatImage:
    """A linear ramp across the area in a random direction. (H, W) float32 within [-strength, strength]."""
    height, width = size_hw
    angle = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(np.cos(angle))
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    return (across + down) * np.float32(strength * 0.7)
