"""Outlines for the drawn training scenes: each shape is a filled boolean mask inside its own window of the canvas."""

from typing import NamedTuple

import cv2
import numpy as np

from automask_ui.training.drawn.textures import SizeHW

MIN_PIXELS = 24
MARGIN_PX = 3
_SUBPIXEL_BITS = 4


class Window(NamedTuple):
    """A rectangle of the canvas: rows top..bottom, columns left..right, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size_hw(self) -> SizeHW:
        """Height and width, pixels."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """What indexes an (H, W, ...) array with this window."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Shape(NamedTuple):
    """A filled outline: `mask` is boolean, of the window's size."""

    window: Window
    mask: np.ndarray


def _blob(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A smooth closed curve: a few random radii, interpolated by their Fourier series. (64, 2) xy."""
    corners = int(rng.integers(5, 16))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radii = radius * rng.uniform(0.5, 1.3, corners)
    coarse = np.fft.fft(radii * (np.cos(angles) + 1j * rng.uniform(0.4, 1.0) * np.sin(angles)))
    half, fine = corners // 2, np.zeros(64, dtype=complex)
    fine[:half], fine[-half:] = coarse[:half], coarse[-half:]
    curve = np.fft.ifft(fine) * 64 / corners
    return np.stack([curve.real, curve.imag], axis=1)


def _disc(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A nearly round outline, worn a little or struck off centre. (72, 2) xy."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radii = np.full(72, radius)
    for waves in range(2, 7):
        radii += radius * rng.normal(0, 0.06 / waves) * np.cos(waves * angles + rng.uniform(0, 2 * np.pi))
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _polygon(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A star-shaped polygon with 3 to 8 corners. (N, 2) xy."""
    corners = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = radius * rng.uniform(0.6, 1.3, corners)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles) * rng.uniform(0.4, 1)], axis=1)


def _ellipse(rng: np.random.Generator, radius: float) -> np.ndarray:
    """An ellipse, often nearly round; by a random exponent also a rounded box. (72, 2) xy."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    power = 1.0 if rng.random() < 0.7 else rng.uniform(0.2, 0.8)
    flat = rng.uniform(0.3, 1.0) if rng.random() < 0.6 else rng.uniform(0.9, 1.0)
    x = np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power
    y = np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power
    return radius * np.stack([x, y * flat], axis=1)


def _box(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A rectangle or a trapezium. (4, 2) xy."""
    flat, taper = rng.uniform(0.2, 1.0), rng.uniform(0.5, 1.0) if rng.random() < 0.4 else 1.0
    return radius * np.array([[-1, -flat], [1, -flat * taper], [1, flat * taper], [-1, flat]])


def _figure(rng: np.random.Generator, radius: float) -> list[tuple[np.ndarray, float]]:
    """A body with limbs: (polyline xy, thickness) strokes around the origin, drawn as one filled shape."""
    spine = np.array([[-rng.uniform(0.2, 0.6), 0], [rng.uniform(0.2, 0.6), rng.normal(0, 0.1)]]) * radius
    strokes = [(spine, radius * rng.uniform(0.3, 0.8))]
    for _ in range(int(rng.integers(2, 7))):
        start = spine[0] + (spine[1] - spine[0]) * rng.random()
        angle, bend, reach = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.6), radius * rng.uniform(0.4, 1.1)
        knee = start + 0.5 * reach * np.array([np.cos(angle), np.sin(angle)])
        foot = knee + 0.5 * reach * np.array([np.cos(angle + bend), np.sin(angle + bend)])
        strokes.append((np.array([start, knee, foot]), radius * rng.uniform(0.08, 0.3)))
    return strokes


def _stroke(rng: np.random.Generator, radius: float) -> list[tuple[np.ndarray, float]]:
    """One wandering line: cable, branch, river, lamp post."""
    straight = rng.random() < 0.5
    steps = rng.normal(0, radius * 0.45, (5, 2)) if not straight else np.tile(rng.normal(0, radius * 0.5, 2), (5, 1))
    return [(np.cumsum(steps, axis=0) - steps.sum(axis=0) / 2, max(2.5, radius * rng.uniform(0.08, 0.35)))]


def random_shape(
    rng: np.random.Generator, canvas_hw: SizeHW, centre_xy: tuple[float, float], radius: float, disc: bool = False
) -> Shape | None:
    """Draw one random outline about a centre.

    Args:
        rng: Source of randomness.
        canvas_hw: Size of the canvas; what lies outside is cut off.
        centre_xy: Centre of the shape, canvas pixels.
        radius: About half of its longer side, pixels.
        disc: Draw it nearly round, without a hole.

    Returns:
        The shape, or None if fewer than `MIN_PIXELS` of it fall on the canvas.
    """
    kind = rng.random()
    turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.7 else rng.integers(4) * np.pi / 2
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    if disc:
        strokes = [(_disc(rng, radius) + centre_xy, 0.0)]
    elif kind < 0.86:
        outline = (_blob, _polygon, _ellipse, _box)[int(np.searchsorted([0.3, 0.42, 0.68], kind))](rng, radius)
        strokes = [(outline @ rotation + centre_xy, 0.0)]
    else:
        parts = _figure(rng, radius) if kind < 0.94 else _stroke(rng, radius)
        strokes = [(line @ rotation + centre_xy, width) for line, width in parts]
    window = _window_of(strokes, canvas_hw)
    if window is None:
        return None
    mask = _fill(strokes, window)
    if not disc and kind < 0.68 and rng.random() < 0.1:
        hole = (int(centre_xy[0]) - window.left, int(centre_xy[1]) - window.top)
        cv2.circle(mask, hole, max(1, int(radius * rng.uniform(0.2, 0.6))), 0, -1)
    return Shape(window, mask.astype(bool)) if int(mask.sum()) >= MIN_PIXELS else None


def _window_of(strokes: list[tuple[np.ndarray, float]], canvas_hw: SizeHW) -> Window | None:
    """The part of the canvas that the strokes can touch, or None if they miss it."""
    low = np.min([line.min(axis=0) - width / 2 for line, width in strokes], axis=0) - MARGIN_PX
    high = np.max([line.max(axis=0) + width / 2 for line, width in strokes], axis=0) + MARGIN_PX
    left, top = np.maximum(np.floor(low).astype(int), 0)
    right, bottom = np.minimum(np.ceil(high).astype(int), canvas_hw[::-1])
    return Window(int(top), int(left), int(bottom), int(right)) if right > left and bottom > top else None


def _fill(strokes: list[tuple[np.ndarray, float]], window: Window) -> np.ndarray:
    """Fill outlines (width 0) and thick lines into a (H, W) uint8 mask of the window's size."""
    mask = np.zeros(window.size_hw, dtype=np.uint8)
    for line, width in strokes:
        points = np.round((line - (window.left, window.top)) * 2**_SUBPIXEL_BITS).astype(np.int32)
        if width == 0:
            cv2.fillPoly(mask, [points], 1, shift=_SUBPIXEL_BITS)
        else:
            cv2.polylines(mask, [points], False, 1, max(1, int(width)), shift=_SUBPIXEL_BITS)
    return mask
