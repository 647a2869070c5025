"""Drawn training scenes: photographs-to-be with an exact instance mask for every thing and every part of a thing.

A scene is painted from back to front: ground regions (sky, wall, meadow), then things from large to small, some of
them alike and in groups, some with parts, shadows and shading; at last light, blur, noise and compression. Colour alone
seldom decides where a thing ends: colours come from a small palette, and surfaces are textured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from automask_ui.training.drawn.shapes import MIN_PIXELS, Shape, Window, random_shape
from automask_ui.training.drawn.textures import (
    FloatImage,
    SizeHW,
    colour_near,
    draw_texture,
    fractal_noise,
    light_gradient,
    log_uniform,
    random_colour,
)

CROWD_SHARE = 0.25
MEDAL_SHARE = 0.4
RELIEF_SHARE = 0.12
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture and who owns each of its pixels.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        ids: (H, W) int16, the topmost instance at each pixel; a part has an id of its own.
        parents: (N,) int16, for each id the whole that it is a part of; wholes are their own parents. What nobody has
            labelled, an id of its own, has `UNKNOWN` for its parent.
    """

    image: np.ndarray
    ids: np.ndarray
    parents: np.ndarray


@dataclass(eq=False)
class _Canvas:
    """A scene in the making: `image` is (H, W, 3) float32, `ids` (H, W) int16, `parents` one entry per id."""

    image: FloatImage
    ids: np.ndarray
    palette: Sequence[FloatImage]
    photos: Sequence[FloatImage]
    parents: list[int] = field(default_factory=lambda: [0])

    @property
    def size_hw(self) -> SizeHW:
        return self.ids.shape[0], self.ids.shape[1]

    def add(self, shape: Shape, surface: FloatImage, softness_px: float, parent: int | None = None) -> int:
        """Paint a surface through a shape with soft edges; returns the new instance's id."""
        cover = cv2.GaussianBlur(shape.mask.astype(np.float32), (0, 0), softness_px)[..., None]
        view = self.image[shape.window.slices]
        view += (surface - view) * cover
        new_id = len(self.parents)
        self.ids[shape.window.slices][shape.mask] = new_id
        self.parents.append(new_id if parent is None else parent)
        return new_id

    def colour(self, rng: np.random.Generator) -> FloatImage:
        """A colour of the scene's palette or near it; now and then quite another."""
        if rng.random() < 0.2:
            return random_colour(rng)
        return colour_near(rng, self.palette[int(rng.integers(len(self.palette)))], rng.choice([0.02, 0.06, 0.15]))


def draw_scene(rng: np.random.Generator, size_hw: SizeHW, photos: Sequence[FloatImage]) -> Scene:
    """Draw one scene; the generator's state decides everything about it.

    Args:
        rng: Source of randomness.
        size_hw: Height and width of the scene, pixels.
        photos: Grey texture photographs, each (H, W) float32, that may lend their grain.
    """
    palette = [random_colour(rng) for _ in range(rng.integers(3, 9))]
    canvas = _Canvas(np.zeros((*size_hw, 3), np.float32), np.zeros(size_hw, np.int16), palette, photos)
    _paint_ground(rng, canvas)
    short = min(size_hw)
    if rng.random() < CROWD_SHARE:
        _paint_crowd(rng, canvas)
        if rng.random() < 0.5:
            return Scene(_photograph(rng, canvas.image), canvas.ids, np.asarray(canvas.parents, dtype=np.int16))
    radii = short * np.exp(rng.uniform(np.log(0.025), np.log(0.4), rng.integers(2, 26)))
    if rng.random() < 0.35:
        # A portrait: one large thing, and the rest in front of it or around it.
        radii[0] = short * rng.uniform(0.3, 0.55)
    radii = np.sort(radii)[::-1]
    focus_from = rng.integers(len(radii)) if rng.random() < 0.3 else -1
    for index, radius in enumerate(radii):
        if index == focus_from:
            # What lies behind is out of focus, as with a real lens.
            canvas.image = cv2.GaussianBlur(canvas.image, (0, 0), rng.uniform(0.6, 2.5))
        centre = (rng.uniform(0, size_hw[1]), rng.uniform(0, size_hw[0]))
        if radius < short * 0.12 and rng.random() < 0.12:
            _paint_group(rng, canvas, centre, radius)
        else:
            _paint_thing(rng, canvas, centre, radius, canvas.colour(rng))
    return Scene(_photograph(rng, canvas.image), canvas.ids, np.asarray(canvas.parents, dtype=np.int16))


def _paint_ground(rng: np.random.Generator, canvas: _Canvas) -> None:
    """Cover the canvas with one to four regions, parted by noisy lines."""
    height, width = canvas.size_hw
    canvas.image[:] = draw_texture(rng, canvas.size_hw, canvas.colour(rng), canvas.photos)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(rng.choice([0, 1, 2, 3], p=[0.35, 0.35, 0.2, 0.1])):
        angle = np.pi / 2 + rng.normal(0, 0.25) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
        wobble = fractal_noise(rng, canvas.size_hw, log_uniform(rng, 15, 150), 2) * np.float32(rng.uniform(0, 0.06))
        across, down = x / width - rng.uniform(0.2, 0.8), y / height - rng.uniform(0.2, 0.8)
        mask = across * np.cos(angle) + down * np.sin(angle) + wobble > 0
        if MIN_PIXELS < mask.sum() < mask.size - MIN_PIXELS:
            surface = draw_texture(rng, canvas.size_hw, canvas.colour(rng), canvas.photos)
            canvas.add(Shape(Window(0, 0, height, width), mask), surface, rng.uniform(0.4, 1.5))


def _paint_group(rng: np.random.Generator, canvas: _Canvas, centre: tuple[float, float], radius: float) -> None:
    """Several things alike, in a grid or a heap: coins, windows, fruit, people."""
    colour, spacing = canvas.colour(rng), radius * rng.uniform(1.6, 3.2)
    rows, columns = rng.integers(1, 5), rng.integers(2, 6)
    jitter = radius * rng.choice([0.05, 0.4, 1.0])
    seed = int(rng.integers(2**31))
    alike = rng.random() < 0.6
    for row in range(rows):
        for column in range(columns):
            x = centre[0] + (column - columns / 2) * spacing + rng.normal(0, jitter)
            y = centre[1] + (row - rows / 2) * spacing + rng.normal(0, jitter)
            # A generator started anew from one seed draws the same outline and surface again.
            maker = np.random.default_rng(seed) if alike else rng
            _paint_thing(maker, canvas, (x, y), radius * rng.uniform(0.8, 1.15), colour_near(rng, colour, 0.03))


def _paint_crowd(rng: np.random.Generator, canvas: _Canvas) -> None:
    """Things alike all over the picture and apart from each other: only place tells one from the next."""
    height, width = canvas.size_hw
    spacing = min(height, width) * log_uniform(rng, 0.1, 0.35)
    radius = spacing * rng.uniform(0.3, 0.47)
    jitter = (spacing / 2 - radius) * rng.uniform(0, 0.9)
    turn, missing = rng.normal(0, 0.3), rng.uniform(0, 0.25)
    offsets = (np.arange(-12, 13) + rng.random()) * spacing
    colour, spread, seed = canvas.colour(rng), rng.choice([0.01, 0.05, 0.12]), int(rng.integers(2**31))
    likeness = rng.choice(["twins", "one outline each", "all different"], p=[0.5, 0.3, 0.2])
    # Coins, buttons, pebbles: round, and each with a pattern of its own.
    medals = rng.random() < MEDAL_SHARE
    for x in offsets:
        for y in offsets:
            column = width / 2 + x * np.cos(turn) - y * np.sin(turn) + rng.normal(0, jitter / 2)
            row = height / 2 + x * np.sin(turn) + y * np.cos(turn) + rng.normal(0, jitter / 2)
            if not (0 < column < width and 0 < row < height) or rng.random() < missing:
                continue
            maker = rng if medals or likeness == "all different" else np.random.default_rng(seed)
            if likeness == "one outline each":
                seed += 1
            size, shade = radius * rng.uniform(0.65 if medals else 0.9, 1.05), colour_near(rng, colour, spread)
            _paint_thing(maker, canvas, (column, row), size, shade, medal=medals)


def _paint_thing(
    rng: np.random.Generator,
    canvas: _Canvas,
    centre: tuple[float, float],
    radius: float,
    colour: FloatImage,
    medal: bool = False,
) -> None:
    """One thing with its shadow and shading and, if it is large enough, parts; a medal is round and embossed."""
    shape = random_shape(rng, canvas.size_hw, centre, radius, disc=medal)
    if shape is None:
        return
    if rng.random() < 0.35:
        _cast_shadow(rng, canvas, shape, radius)
    surface = draw_texture(rng, shape.window.size_hw, colour, canvas.photos)
    surface *= _shading(rng, shape.mask, radius)[..., None]
    if medal or rng.random() < RELIEF_SHARE:
        surface *= _relief(rng, shape.mask, radius)[..., None]
    softness = rng.uniform(0.3, 1.0)
    whole = canvas.add(shape, surface, softness)
    if medal or radius < min(canvas.size_hw) * 0.06 or rng.random() < 0.5:
        return
    for _ in range(rng.integers(1, 5)):
        offset = rng.normal(0, radius * 0.45, 2)
        part_centre = (centre[0] + offset[0], centre[1] + offset[1])
        part = random_shape(rng, canvas.size_hw, part_centre, radius * log_uniform(rng, 0.15, 0.6))
        part = None if part is None else _inside(part, canvas.ids, whole)
        if part is not None:
            part_colour = colour_near(rng, colour, 0.12) if rng.random() < 0.4 else canvas.colour(rng)
            part_surface = draw_texture(rng, part.window.size_hw, part_colour, canvas.photos)
            part_surface *= _shading(rng, part.mask, radius)[..., None]
            canvas.add(part, part_surface, softness, parent=whole)


def _inside(part: Shape, ids: np.ndarray, whole: int) -> Shape | None:
    """The part without what lies off its whole, or None if hardly any is left."""
    mask = part.mask & (ids[part.window.slices] == whole)
    return Shape(part.window, mask) if int(mask.sum()) >= MIN_PIXELS else None


def _cast_shadow(rng: np.random.Generator, canvas: _Canvas, shape: Shape, radius: float) -> None:
    """Darken what lies beside and under a thing that is about to be painted."""
    reach = int(max(2, radius * rng.uniform(0.05, 0.4)))
    height, width = canvas.size_hw
    top, left, bottom, right = shape.window
    grown = Window(max(0, top - reach), max(0, left - reach), min(height, bottom + reach), min(width, right + reach))
    shadow = np.zeros(grown.size_hw, dtype=np.float32)
    shift = rng.integers(-reach, reach + 1, 2)
    rows = np.clip([top - grown.top + shift[0], bottom - grown.top + shift[0]], 0, grown.size_hw[0])
    columns = np.clip([left - grown.left + shift[1], right - grown.left + shift[1]], 0, grown.size_hw[1])
    shadow[rows[0] : rows[1], columns[0] : columns[1]] = shape.mask[: rows[1] - rows[0], : columns[1] - columns[0]]
    soft = cv2.GaussianBlur(shadow, (0, 0), max(0.6, reach * rng.uniform(0.1, 0.6)))
    canvas.image[grown.slices] *= 1 - np.float32(rng.uniform(0.15, 0.6)) * soft[..., None]


def _shading(rng: np.random.Generator, mask: np.ndarray, radius: float) -> FloatImage:
    """Brightness of a lit surface: flat, rounded like a pebble, or dark towards its edge. (H, W) float32 about 1."""
    kind = rng.random()
    if kind < 0.35:
        return np.ones(mask.shape, dtype=np.float32)
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    if kind < 0.6:
        rim = np.exp(-depth / np.float32(max(1.0, radius * log_uniform(rng, 0.03, 0.4))))
        return 1 + rim * np.float32(rng.uniform(-0.6, 0.3))
    height = np.sqrt(np.minimum(depth / (depth.max() * np.float32(rng.uniform(0.3, 1)) + 1e-6), 1))
    height = cv2.GaussianBlur(height, (0, 0), max(0.8, radius * 0.08))
    light = rng.uniform(0, 2 * np.pi)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0) * np.cos(light) + cv2.Sobel(height, cv2.CV_32F, 0, 1) * np.sin(light)
    return np.clip(1 + slope.astype(np.float32) * np.float32(radius * rng.uniform(0.02, 0.12)), 0.25, 1.8)


def _relief(rng: np.random.Generator, mask: np.ndarray, radius: float) -> FloatImage:
    """Brightness of a lit embossed surface: edges inside a thing that do not end it. (H, W) float32 about 1."""
    size_hw: SizeHW = mask.shape
    height = fractal_noise(rng, size_hw, max(2.0, radius * log_uniform(rng, 0.1, 0.6)), 3) * np.float32(rng.random())
    for _ in range(rng.integers(0, 8)):
        centre = (rng.normal(0.5, 0.2) * size_hw[1], rng.normal(0.5, 0.2) * size_hw[0])
        figure = random_shape(rng, size_hw, centre, radius * log_uniform(rng, 0.1, 0.6))
        if figure is not None:
            height[figure.window.slices] += figure.mask * np.float32(rng.uniform(0.4, 1.5))
    if rng.random() < 0.4:
        depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        height += (depth > radius * rng.uniform(0.1, 0.25)) * np.float32(rng.uniform(-1, 1))
    height = cv2.GaussianBlur(height, (0, 0), max(0.6, radius * log_uniform(rng, 0.01, 0.05)))
    light = rng.uniform(0, 2 * np.pi)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0) * np.cos(light) + cv2.Sobel(height, cv2.CV_32F, 0, 1) * np.sin(light)
    slope = slope.astype(np.float32) * np.float32(log_uniform(rng, 0.06, 0.3) / (slope.std() + 1e-3))
    return np.clip(1 + slope, 0.45, 1.7)


def _photograph(rng: np.random.Generator, image: FloatImage) -> np.ndarray:
    """What a camera makes of the scene: light across things, colour cast, blur, noise, compression. (H, W, 3) uint8."""
    size_hw: SizeHW = image.shape[:2]
    if rng.random() < 0.35:
        image = image * (1 + light_gradient(rng, size_hw, rng.uniform(0.1, 0.6))[..., None])
    if rng.random() < 0.3:
        image = image * _shadow_band(rng, size_hw)[..., None]
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.3))
    if rng.random() < 0.15:
        # Black and white: only brightness and texture are left to go by.
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    elif rng.random() < 0.5:
        grey = image.mean(axis=2, keepdims=True)
        image = grey + (image - grey) * np.float32(rng.uniform(0.3, 1.2))
    cast = 1 + rng.normal(0, 0.06, 3).astype(np.float32)
    image = np.clip(image * cast * np.float32(rng.uniform(0.7, 1.2)), 0, 1) ** np.float32(rng.uniform(0.65, 1.5))
    if rng.random() < 0.6:
        grain = np.float32(rng.uniform(0.004, 0.04))
        image = image + rng.standard_normal(image.shape, dtype=np.float32) * grain
    picture = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(45, 95))
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return picture


def _shadow_band(rng: np.random.Generator, size_hw: SizeHW) -> FloatImage:
    """The shadow of something outside the picture, falling across whatever is there. (H, W) float32 in (0, 1]."""
    height, width = size_hw
    area = np.zeros(size_hw, dtype=np.float32)
    centre = (rng.uniform(0, width), rng.uniform(0, height))
    shape = random_shape(rng, size_hw, centre, min(size_hw) * rng.uniform(0.2, 0.8))
    if shape is not None:
        area[shape.window.slices] = shape.mask
    soft = cv2.GaussianBlur(area, (0, 0), log_uniform(rng, 1.0, 25.0))
    return 1 - np.float32(rng.uniform(0.15, 0.55)) * soft
