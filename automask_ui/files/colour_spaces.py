"""Colours that are not RGB, made RGB: CMYK, Lab, YCbCr and palettes."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
from PIL import Image, ImageCms

__all__ = ["from_palette", "from_ycbcr", "rgb_from_cmyk_or_lab"]

_LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601, the default of TIFF and the only one of JPEG
_ROWS = 256  # that are computed together: memory stays bounded


def rgb_from_cmyk_or_lab(image: Image.Image, profile: bytes = b"") -> Image.Image:
    """A CMYK or Lab picture in sRGB, by the file's ICC ``profile`` where it has a usable one."""
    if image.mode == "CMYK" and not profile:
        return image.convert("RGB")
    # A profile may be damaged or made for another colour space: then a plain formula is better than no picture.
    with suppress(ImageCms.PyCMSError, OSError):
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB") if image.mode == "LAB" else io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if converted is not None:
            return converted
    return image.convert("RGB") if image.mode == "CMYK" else image.getchannel(0).convert("RGB")


def from_palette(indices: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """H×W whole numbers as H×W×3 uint8 of ``palette`` (3×N: all reds, all greens, all blues, of 8 or 16 bits).

    Numbers that have no colour become black.
    """
    # Some programs write 8 bits where the format wants 16.
    table = (palette if palette.max(initial=0) < 256 else palette >> 8).astype(np.uint8).T
    size = 1 << max(0, int(indices.max()).bit_length())
    padded = np.zeros((max(size, len(table)), 3), np.uint8)
    padded[: len(table)] = table
    return padded[indices]


def from_ycbcr(pixels: np.ndarray, luma: tuple[float, ...] = _LUMA, reference: tuple[float, ...] = ()) -> np.ndarray:
    """H×W×3 uint8 YCbCr as RGB.

    Args:
        pixels: H×W×3 uint8.
        luma: shares of red, green and blue in Y.
        reference: codes of black and white for Y, Cb and Cr (six numbers); the full range by default.
    """
    black_y, white_y, zero_b, most_b, zero_r, most_r = reference or (0, 255, 128, 255, 128, 255)
    red, green, blue = luma
    rgb = np.empty_like(pixels)
    for top in range(0, len(pixels), _ROWS):
        block = pixels[top : top + _ROWS].astype(np.float32)
        light = (block[..., 0] - black_y) * (255 / max(white_y - black_y, 1))
        towards_blue = (block[..., 1] - zero_b) * (127 / max(most_b - zero_b, 1))
        towards_red = (block[..., 2] - zero_r) * (127 / max(most_r - zero_r, 1))
        r = light + (2 - 2 * red) * towards_red
        b = light + (2 - 2 * blue) * towards_blue
        g = (light - red * r - blue * b) / green
        rgb[top : top + _ROWS] = np.rint(np.clip(np.stack([r, g, b], axis=2), 0, 255))
    return rgb
