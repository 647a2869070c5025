"""How a picture, or a crop of one, lies in the square input of a model, and its masks in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide

from automask_ui.engine.encoders.sam2.model import SAM2MaskDecoder

__all__ = ["Geometry", "resized_hw"]


@dataclass(frozen=True)
class Geometry:
    """SAM pads a picture to its square input, and enlarges masks to that first; SAM 2 stretches both at once."""

    input_size: int  # side of the square, px
    is_stretched: bool

    @classmethod
    def of(cls, sam: Sam) -> Geometry:
        """The geometry of a model."""
        return cls(sam.image_encoder.img_size, isinstance(sam.mask_decoder, SAM2MaskDecoder))

    def resized_hw(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """The size that a picture of ``size_hw`` has in the square, px."""
        return (self.input_size, self.input_size) if self.is_stretched else resized_hw(size_hw, self.input_size)

    def in_input(self, points_xy: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
        """Where points of a picture, n×2 px, lie in the square: n×2 float64."""
        transform = ResizeLongestSide(self.input_size)
        if not self.is_stretched:
            return transform.apply_coords(points_xy, size_hw)
        return np.asarray(points_xy, dtype=np.float64) / size_hw[::-1] * self.input_size

    def of_logits(self, side: int, size_hw: tuple[int, int]) -> tuple[int, int, tuple[int, int]]:
        """How low-resolution logits, ``side`` px square, are enlarged to a picture of ``size_hw``.

        Returns:
            Px of a first enlargement to a logit, side of what that gives, and the part of it that shows the picture.
        """
        if self.is_stretched:
            return 1, side, (side, side)
        return self.input_size // side, self.input_size, self.resized_hw(size_hw)


def resized_hw(size_hw: tuple[int, int], input_size: int) -> tuple[int, int]:
    """Compute a picture's size once its long side is ``input_size`` px; at least 1 px a side (upstream allows 0)."""
    height, width = ResizeLongestSide.get_preprocess_shape(*size_hw, input_size)
    return max(1, height), max(1, width)
