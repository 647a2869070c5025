"""Paint masks onto the photo, and choose the colour that each mask has everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from automask_ui.masks import MaskSet
from automask_ui.masks.geometry import innermost_pixel
from automask_ui.masks.rle import Rle, decode_window

__all__ = ["NO_CLASS_COLOUR", "PALETTE", "class_colour", "draw", "hex_to_rgb", "mask_colour"]

# Vivid colours that stay as far apart as possible in OKLab, both as they are and as people with protanopia,
# deuteranopia or tritanopia see them (farthest-point choice among 435 colours; a test holds the distances).
PALETTE = (
    "#8000ff", "#c0ff00", "#ff2000", "#00a0c0", "#a02080", "#ffa020", "#60e0c0", "#e0a0ff",
    "#c060ff", "#c06080", "#0060c0", "#c00020", "#e0e080", "#ff60a0", "#60ffff", "#808000",
    "#2080c0", "#20c0e0", "#a0ffc0", "#e08060", "#a0c060", "#8060e0", "#8040a0", "#ff00a0",
)  # fmt: skip

NO_CLASS_COLOUR = "#9a9aa2"  # of masks without a label, where classes have colours
ALPHA = 0.35  # how much of the fill's colour shows
_PX_PER_OUTLINE = 1000  # a picture of 4000 px on its long side gets outlines of 4 px


def mask_colour(rle: Rle) -> str:
    """Choose a mask's colour, "#rrggbb", from its content: the same in every view and after every run."""
    digest = hashlib.blake2b(b"%d %d " % tuple(rle["size"]) + rle["counts"], digest_size=8).digest()
    return PALETTE[int.from_bytes(digest, "big") % len(PALETTE)]


def class_colour(place: int) -> str:
    """The colour of the class at this place of the class list: the first ones are the easiest to tell apart."""
    return PALETTE[place % len(PALETTE)]


def hex_to_rgb(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" as three values of 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def draw(
    image: np.ndarray,
    masks: MaskSet,
    alpha: float = ALPHA,
    outlines: bool = True,
    numbers: Sequence[int] | None = None,
    colours: Sequence[str] | None = None,
) -> np.ndarray:
    """Paint masks over the photo, the largest first, so that masks inside others stay visible.

    Args:
        image: H×W×3 uint8 RGB; it is not changed.
        masks: of that picture.
        alpha: 0 (no fill) to 1 (opaque fill).
        outlines: draw each mask's edge, inside the mask, in its full colour.
        numbers: written into the masks, one each.
        colours: "#rrggbb", one a mask, instead of the colour that comes from the mask's content.

    Returns:
        H×W×3 uint8 RGB, a new array.
    """
    picture = image.copy()
    colours = colours or [mask_colour(rle) for rle in masks.rle]
    order = np.argsort(-masks.area, kind="stable").tolist()
    if alpha > 0:
        for row, window, region in _windows(picture, masks, order):
            paint = np.array(hex_to_rgb(colours[row]), dtype=np.float32)
            # Through tables of all 256 levels: floating-point pixels would take 17 times the memory of the photo.
            levels = np.arange(256, dtype=np.uint8)[:, None]
            painted = np.rint(levels * (1 - alpha) + paint * alpha).astype(np.uint8)
            for band in range(3):
                plane = region[..., band]
                plane[window] = cv2.LUT(plane[window], painted[:, band]).ravel()
    # Edges come after all fills: a later fill would tint them.
    if outlines:
        thickness = max(1, round(max(image.shape[:2]) / _PX_PER_OUTLINE))
        for row, window, region in _windows(picture, masks, order):
            region[_inner_edge(window, thickness)] = hex_to_rgb(colours[row])
    if numbers is not None:
        for row in order:
            window, offset_xy = decode_window(masks.rle[row])
            if window.size:
                _write_number(picture, str(numbers[row]), innermost_pixel(window, offset_xy))
    return picture


def _windows(picture: np.ndarray, masks: MaskSet, order: Sequence[int]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each row: the mask in its box (h×w bool), and the same part of the picture, to be painted in."""
    for row in order:
        window, (left, top) = decode_window(masks.rle[row])
        height, width = window.shape
        if window.size:
            yield row, window, picture[top : top + height, left : left + width]


def _inner_edge(window: np.ndarray, thickness: int) -> np.ndarray:
    """The pixels of the mask that lie within ``thickness`` px of its outside: h×w bool."""
    padded = np.pad(window.astype(np.uint8), 1)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inside = cv2.erode(padded, cross, iterations=thickness, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(window & (inside[1:-1, 1:-1] == 0))


def _write_number(picture: np.ndarray, text: str, centre_xy: tuple[int, int]) -> None:
    """White digits on a dark halo: readable on every colour."""
    height, width = picture.shape[:2]
    scale = min(max(max(height, width) / 1600, 0.4), 4.0)
    weight = max(1, round(scale * 1.5))
    (text_width, text_height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    left = int(np.clip(centre_xy[0] - text_width // 2, 0, max(0, width - text_width)))
    bottom = int(np.clip(centre_xy[1] + text_height // 2, text_height, max(text_height, height - 1)))
    for colour, thickness in (((0, 0, 0), 3 * weight), ((255, 255, 255), weight)):
        cv2.putText(picture, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
