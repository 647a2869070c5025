"""A picture's numbers as a file has them, on their way to upright 8-bit RGB: depth, inverted grey, transparency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automask_ui.files.bit_depth import scaled_to_8_bits

__all__ = ["TURNED_NOTE", "WHITE_NOTE", "Raster", "rgb_of", "turn_notes", "upright"]

WHITE_NOTE = "Transparent parts are shown white."
# Masks fit the picture as it is seen; readers of the file that pass EXIF over see another one.
TURNED_NOTE = "Turned upright, as the file says (EXIF)."
_ROWS = 256  # that are blended together: memory stays bounded


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels whose meaning is known, and whose numbers are the file's own."""

    colour: np.ndarray  # H×W×1 (grey) or H×W×3 (red, green, blue) of any NumPy type of numbers
    bits: int  # of one number in the file
    alpha: np.ndarray | None = None  # H×W of the same type: how much of the pixel can be seen
    is_premultiplied: bool = False  # the colour has been multiplied by alpha already
    white_is_zero: bool = False
    no_data: float | None = None  # the number that stands for “no data”, where the file says so
    white: float | None = None  # the number that stands for white, where the file says so


def rgb_of(raster: Raster) -> tuple[np.ndarray, list[str]]:
    """The picture on white as H×W×3 uint8 RGB, and sentences on what was done."""
    scaled = scaled_to_8_bits(raster.colour, raster.bits, no_data=raster.no_data, white=raster.white)
    notes = [scaled.note] if scaled.note else []
    pixels = 255 - scaled.values if raster.white_is_zero else scaled.values
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    if raster.alpha is not None:
        alpha = _alpha_8_bits(raster.alpha, raster.bits, scaled.white)
        if alpha.min() < 255:
            pixels = _on_white(pixels, alpha, raster.is_premultiplied)
            notes.append(WHITE_NOTE)
    return pixels, notes


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """H×W×3 pixels as the camera was held; ``orientation`` is EXIF's number, of which unknown ones change nothing."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2) if orientation <= 8 else pixels
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def turn_notes(orientation: int) -> list[str]:
    """The sentence on what :func:`upright` does; none where it changes nothing."""
    return [TURNED_NOTE] if 2 <= orientation <= 8 else []


def _alpha_8_bits(alpha: np.ndarray, bits: int, white: float) -> np.ndarray:
    """H×W uint8: as deep as the colours where it fits into their range, else as deep as the file can hold."""
    if alpha.dtype == np.uint8 and bits == 8:
        return alpha
    # What is no number hides its pixel.
    alpha = np.nan_to_num(alpha, nan=0.0) if alpha.dtype.kind == "f" else alpha
    highest = float(alpha.max())
    if alpha.dtype.kind == "f":
        white = 1.0 if highest <= 1 else max(white, highest)
    elif highest > white:
        white = 2.0**bits - 1
    return np.rint(np.clip(alpha.astype(np.float64) / max(white, 1e-30), 0, 1) * 255).astype(np.uint8)


def _on_white(pixels: np.ndarray, alpha: np.ndarray, is_premultiplied: bool) -> np.ndarray:
    blended = np.empty_like(pixels)
    for top in range(0, len(pixels), _ROWS):
        rows = slice(top, top + _ROWS)
        share = alpha[rows, :, None].astype(np.uint32)
        seen = pixels[rows].astype(np.uint32) * (255 if is_premultiplied else share)
        blended[rows] = np.minimum((seen + 255 * (255 - share) + 127) // 255, 255)
    return blended
