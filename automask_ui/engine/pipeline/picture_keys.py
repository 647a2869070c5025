"""The pictures that an engine works on: nobody changes them, and a key stands for their content."""

from __future__ import annotations

import weakref

import numpy as np

from automask_ui.cache import array_key
from automask_ui.errors import OptionError
from automask_ui.masks import MaskResult

__all__ = ["PictureKeys"]


class PictureKeys:
    """Checks pictures and finds their keys; that of the last one is remembered, since it takes a look at all pixels."""

    def __init__(self) -> None:
        self._last: tuple[weakref.ref[np.ndarray], str] | None = None

    def identify(self, picture: np.ndarray | MaskResult | None) -> tuple[np.ndarray, str]:
        """Find a picture's pixels, read-only, and the key of their content.

        Args:
            picture: H×W×3 uint8 RGB, copied if it can be written to, or a result, which has both.

        Raises:
            OptionError: it is neither.
        """
        if isinstance(picture, MaskResult):
            return picture.image, picture.image_key
        pixels = _own_pixels(picture)
        known = self._last
        if known is not None and known[0]() is pixels:
            return pixels, known[1]
        key = array_key(pixels)
        self._last = (weakref.ref(pixels), key)
        return pixels, key


def _own_pixels(image: np.ndarray | None) -> np.ndarray:
    """Check the picture and make it read-only, so that results and caches stay valid."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        found = f"{image.dtype} array of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise OptionError(f"image must be an H×W×3 uint8 RGB array, but is {found}. open_image() makes one of a file.")
    if 0 in image.shape:
        raise OptionError(f"image has no pixels: its shape is {image.shape}.")
    if image.flags.writeable or image.base is not None:
        image = image.copy()
        image.setflags(write=False)
    return image
