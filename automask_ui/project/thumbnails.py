"""Thumbnails of a list's pictures: small files beside the pictures' own, which the page fetches."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from automask_ui.batch.pictures import Picture
from automask_ui.errors import ImageError
from automask_ui.files.atomic import open_atomic
from automask_ui.files.images import fit_long_side, load_image

__all__ = ["THUMBNAIL_PX", "Thumbnails"]

THUMBNAIL_PX = 96  # the longest side; twice what is shown, for sharp screens


class Thumbnails:
    """The thumbnails of pictures, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, picture: Picture) -> Path | None:
        """The file of a picture's thumbnail; None where none was made."""
        path = self.path(picture)
        return path if path.exists() else None

    def make(self, picture: Picture, rgb: np.ndarray) -> None:
        """Write a picture's thumbnail from its pixels, H×W×3 uint8."""
        buffer = io.BytesIO()
        # Without loss, so that one that is kept and made again stays as it is.
        Image.fromarray(fit_long_side(rgb, THUMBNAIL_PX)).save(buffer, "WEBP", lossless=True)
        # The browser may be fetching it already.
        with open_atomic(self.path(picture)) as file:
            file.write(buffer.getvalue())

    def make_missing(self, pictures: list[Picture]) -> Iterator[Picture]:
        """Make the thumbnails that are not there, and tell of each; a file that is no picture has none.

        Args:
            pictures: may change meanwhile: what is taken out of it gets no thumbnail.
        """
        for picture in list(pictures):
            is_there = any(other is picture for other in pictures)
            if not is_there or self.get(picture) is not None:
                continue
            try:
                rgb = load_image(picture.path, name=picture.relative).rgb
            # Its row says why once it is looked at.
            except ImageError:
                continue
            self.make(picture, rgb)
            yield picture

    def path(self, picture: Picture) -> Path:
        """Where a picture's thumbnail is, or would be."""
        return self._folder / f"{picture.path.name}.thumb.webp"
