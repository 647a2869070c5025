"""Low-resolution logits to a finished mask, touching only the pixels that the mask can reach.

Upstream enlarges every mask to the model's input size, cuts off the padding and resizes to the picture, all at full
size. Both steps are separable and linear, so together they are ``A_y · L · A_xᵀ`` with two small banded matrices.
Bilinear weights are convex: a pixel can exceed a cut-off only where a low-resolution logit that it is made of does.
So one mask at a time, only its window is computed, in strips of columns, and everything is read off that window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from automask_ui.rle import Rle, area, bbox_xywh, encode_columns

__all__ = ["MeasuredMask", "Resampler"]

# Pixels of a window that are computed together: half a megabyte of logits, which stays in the cache of a core. Smaller
# strips are faster on one thread, but threads side by side then wait for the interpreter between them.
STRIP_PIXELS = 1 << 17
# Rows that are resampled together: a few neighbouring ones are made of only a few low-resolution ones.
ROWS_TOGETHER = 64


@dataclass(frozen=True)
class MeasuredMask:
    """A mask of the whole picture with what was measured on its logits."""

    rle: Rle
    area: int  # px
    box_xyxy: tuple[int, int, int, int]  # px of the picture, last pixel included; the crop's corner for an empty mask
    stability_score: float  # 0 to 1; NaN where not even the lower cut-off is exceeded


class Resampler:
    """Turns low-resolution logits of one crop into masks of the picture.

    Args:
        stride: pixels of the model's input to a logit.
        input_size: side of the model's square input, px.
        resized_hw: size to which the crop was resized inside that square, px.
        crop_box_xyxy: the crop in the picture, px.
        size_hw: the picture's size, px.
        device: where the logits are.
    """

    def __init__(
        self,
        stride: int,
        input_size: int,
        resized_hw: tuple[int, int],
        crop_box_xyxy: tuple[int, int, int, int],
        size_hw: tuple[int, int],
        device: torch.device,
    ) -> None:
        left, top, right, bottom = crop_box_xyxy
        self._offset_xy = (left, top)
        self._size_hw = size_hw
        lowres = input_size // stride
        self._rows = _Axis.of(lowres, input_size, resized_hw[0], bottom - top, device)
        self._columns = _Axis.of(lowres, input_size, resized_hw[1], right - left, device)
        #: Rows and columns of logits, from the top left, that masks are made of; the others need not be given.
        self.used_hw = (int(self._rows.last.max()) + 1, int(self._columns.last.max()) + 1)

    @torch.inference_mode()
    def measure(self, logits: Tensor, threshold: float, offset: float) -> list[MeasuredMask]:
        """Masks, areas, boxes and stability scores of M×h×w float32 ``logits``.

        A pixel belongs to the mask where its logit exceeds ``threshold``. The stability score is the mask's area at
        ``threshold + offset`` over that at ``threshold - offset``, as in upstream's ``calculate_stability_score``.
        """
        reached = (logits > threshold - offset).cpu().numpy()
        return [self._measure_one(logits[i], reached[i], threshold, offset) for i in range(len(logits))]

    def _measure_one(self, logits: Tensor, reached: np.ndarray, threshold: float, offset: float) -> MeasuredMask:
        top, bottom = self._rows.reach(*_extent(reached.any(axis=1)))
        left, right = self._columns.reach(*_extent(reached.any(axis=0)))
        # Transposed, since masks are encoded column by column; each column after an empty pixel, as encoding needs it.
        window = np.zeros((right - left, bottom - top + 1), dtype=bool)
        inner = outer = 0
        first, last = int(self._columns.first[left]), int(self._columns.last[right - 1])
        by_row = logits.new_empty(last + 1 - first, bottom - top)
        for outputs, inputs in self._rows.parts(top, bottom, ROWS_TOGETHER):
            here = by_row[:, outputs.start - top : outputs.stop - top]
            torch.mm(logits[inputs, first : last + 1].T, self._rows.weights[outputs, inputs].T, out=here)
        step = max(1, STRIP_PIXELS // window.shape[1])
        for outputs, inputs in self._columns.parts(left, right, step):
            # Most masks are narrower in their columns than as a whole.
            begin, end = self._rows.reach(*_extent(reached[:, inputs].any(axis=1)))
            shown = by_row[inputs.start - first : inputs.stop - first, begin - top : end - top]
            strip = self._columns.weights[outputs, inputs] @ shown
            rows = slice(1 + begin - top, 1 + end - top)
            window[outputs.start - left : outputs.stop - left, rows] = _above(strip, threshold)
            inner += np.count_nonzero(_above(strip, threshold + offset)) if offset else 0
            outer += np.count_nonzero(_above(strip, threshold - offset)) if offset else 0
        x, y = self._offset_xy
        rle = encode_columns(window, (x + left, y + top), self._size_hw)
        mask_area = area(rle)
        if not offset:
            inner = outer = mask_area
        box_left, box_top, width, height = bbox_xywh(rle)
        box = (box_left, box_top, box_left + width - 1, box_top + height - 1) if width else (x, y, x, y)
        return MeasuredMask(rle, mask_area, box, inner / outer if outer else float("nan"))


def _above(values: Tensor, threshold: float) -> np.ndarray:
    """``values > threshold`` as a NumPy array."""
    if values.device.type == "cpu":
        # PyTorch would wake its threads for each strip, which takes longer than comparing it.
        return values.numpy() > threshold
    return (values > threshold).cpu().numpy()


@dataclass(frozen=True)
class _Axis:
    """Both resizings along one axis as one matrix, and which inputs each output is made of."""

    weights: Tensor  # outputs×inputs float32
    first: np.ndarray  # per output: first input with a weight; never falls along the axis
    last: np.ndarray  # per output: last input with a weight

    @classmethod
    def of(cls, lowres: int, input_size: int, resized: int, size: int, device: torch.device) -> _Axis:
        identity = torch.eye(lowres, device=device)[None]
        enlarged = F.interpolate(identity, size=input_size, mode="linear", align_corners=False)[..., :resized]
        weights = F.interpolate(enlarged, size=size, mode="linear", align_corners=False)[0].T.contiguous()
        used = (weights != 0).cpu().numpy()
        return cls(weights, used.argmax(axis=1), lowres - 1 - used[:, ::-1].argmax(axis=1))

    def reach(self, first: int, last: int) -> tuple[int, int]:
        """Begin and end of the outputs that use any of the inputs ``first`` to ``last``; 0, 0 where there is none."""
        begin = int(np.searchsorted(self.last, first, side="left"))
        end = int(np.searchsorted(self.first, last, side="right"))
        return (0, 0) if first > last or begin >= end else (begin, end)

    def parts(self, begin: int, end: int, step: int) -> Iterator[tuple[slice, slice]]:
        """Outputs ``begin`` to ``end`` in parts, with the few inputs that each is made of."""
        for start in range(begin, end, step):
            stop = min(start + step, end)
            yield slice(start, stop), slice(int(self.first[start]), int(self.last[stop - 1]) + 1)


def _extent(flags: ArrayLike) -> tuple[int, int]:
    """First and last true index of 1-D ``flags``; (n, -1) where there is none."""
    places = np.flatnonzero(flags)
    return (int(places[0]), int(places[-1])) if len(places) else (np.size(flags), -1)
