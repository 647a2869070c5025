"""Resample low-resolution logits to full-size masks, without computing most of their pixels.

Upstream enlarges every mask to the model's input size, cuts off the padding and resizes to the picture, all at full
size. Both steps are linear along each axis. So down a column of the picture, logits follow a line that bends at a few
known places only, two for each low-resolution logit, however large the picture is; it is computed there alone. Where
two neighbours lie on both sides of a cut-off, the line says between which two pixels it is crossed, and these crossings
are the runs in which masks are encoded.

Bilinear weights are convex: a pixel can exceed a cut-off only where a low-resolution logit that it is made of does. So
only the window of a mask is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from automask_ui.masks.rle import Rle, bbox_xywh, encode_borders

__all__ = ["MeasuredMask", "Resampler"]

# Columns that are computed together: neighbouring ones are made of only a few low-resolution ones.
TOGETHER = 64
# Stands before and after each column. No logit is lower, and lines to and from it can be followed, since it is finite.
OUTSIDE = -1e30


@dataclass(frozen=True)
class MeasuredMask:
    """A mask of the whole picture with its area, box and stability score."""

    rle: Rle
    area: int  # px
    box_xyxy: tuple[int, int, int, int]  # px of the picture, last pixel included; the crop's corner for an empty mask
    stability_score: float  # 0 to 1; NaN where not even the lower cut-off is exceeded


class Resampler:
    """Resample low-resolution logits of one crop to masks of the picture.

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
        # What each pixel of the model's input is made of, along either axis.
        enlarged = _resized(torch.eye(input_size // stride, dtype=torch.float32, device=device), input_size)
        bends = _Bends.of(stride, resized_hw[0], bottom - top)
        self._bends = _Pairs.of(enlarged[bends.samples])
        self._columns = _Axis.of(_resized(enlarged[: resized_hw[1]], right - left))
        # Rows of the crop at which the bends lie, after what stands for the outside, and the way from each to the next.
        self._places = np.append(-1.0, bends.places)
        self._gaps = np.diff(self._places, append=self._places[-1])
        #: Rows and columns of logits, from the top left, that masks are made of; the others need not be given.
        self.used_hw = (int(self._bends.last.max()) + 1, int(self._columns.last.max()) + 1)

    @property
    def nbytes(self) -> int:
        """Memory of the two axes."""
        return self._bends.weights.nbytes + self._columns.weights.nbytes

    @torch.inference_mode()
    def measure(self, logits: Tensor, threshold: float, offset: float) -> list[MeasuredMask]:
        """Measure masks, areas, boxes and stability scores of M×h×w float32 ``logits``.

        A pixel belongs to the mask where its logit exceeds ``threshold``. The stability score is the mask's area at
        ``threshold + offset`` over that at ``threshold - offset``, as in upstream's ``calculate_stability_score``.
        """
        # As exact as the logits that they are compared with.
        cutoffs = [float(np.float32(cutoff)) for cutoff in (threshold, threshold + offset, threshold - offset)]
        return [self._measure_one(logits_of_one, cutoffs) for logits_of_one in logits]

    def _measure_one(self, logits: Tensor, cutoffs: Sequence[float]) -> MeasuredMask:
        reached = (logits > cutoffs[2]).cpu().numpy()
        columns = slice(*self._columns.reach(*_extent(reached.any(axis=0))))
        top, bottom = self._bends.reach(*_extent(reached.any(axis=1)))
        # Lines into and out of the window begin and end at the bends beside it.
        bends = slice(max(0, top - 1), min(len(self._bends.first), bottom + 1))
        values = self._values(logits, bends, columns).cpu().numpy()
        tops, (own, *around) = self._crossings(values, bends, columns.start, cutoffs)
        crossed, rows = own
        # By rounding, a run of no pixel could end before it begins.
        borders = np.maximum.accumulate(tops[crossed] + rows)
        inner, outer = (int(np.maximum(rows[1::2] - rows[::2], 0).sum()) for _, rows in around)
        rle = encode_borders(borders, self._size_hw)
        area = int((borders[1::2] - borders[::2]).sum())
        return MeasuredMask(rle, area, self._box(rle), inner / outer if outer else float("nan"))

    def _values(self, logits: Tensor, bends: slice, columns: slice) -> Tensor:
        """Logits of columns at bends, flat: each column after what is outside, and that once more at the end."""
        count = bends.stop - bends.start
        flat = logits.new_empty((columns.stop - columns.start) * (1 + count) + 1)
        flat[:: 1 + count] = OUTSIDE
        if len(flat) > 1:
            known = logits[self._bends.inputs(bends), self._columns.inputs(columns)]
            # Not a number is above no cut-off; what is without end would make lines without slope.
            known = known.nan_to_num(nan=OUTSIDE, posinf=-OUTSIDE, neginf=OUTSIDE)
            at_bends = self._bends.outputs_of_pairs(bends, known)
            self._columns.outputs(columns, at_bends.T, flat[:-1].view(-1, 1 + count)[:, 1:])
        return flat

    def _crossings(
        self, values: np.ndarray, bends: slice, left: int, cutoffs: Sequence[float]
    ) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Find where runs above each cut-off begin and end in turn, column by column.

        Runs and gaps between bends that have no pixel between them are left in: their two borders are the same.

        Returns:
            (n,) int64 for each step across any cut-off: where its column begins in the picture; and for each cut-off
            which of these steps cross it, and at which rows of the column, (k,) int64 each.
        """
        levels = np.zeros(len(values), dtype=np.uint8)
        for cutoff in cutoffs:
            levels += (values > cutoff).view(np.uint8)
        steps = np.flatnonzero(levels[1:] != levels[:-1])
        before, after = (values[places].astype(np.float64) for places in (steps, steps + 1))
        in_column = 1 + bends.stop - bends.start
        columns = steps // in_column
        last_bends = steps - columns * in_column + bends.start
        places, slopes = self._places[last_bends], self._gaps[last_bends] / (after - before)
        x, y = self._offset_xy
        tops = (columns + (x + left)) * self._size_hw[0] + y
        crossings = []
        for cutoff in cutoffs:
            crossed = np.flatnonzero((before > cutoff) != (after > cutoff))
            rows = places[crossed] + slopes[crossed] * (cutoff - before[crossed])
            rows[::2] = np.floor(rows[::2]) + 1
            rows[1::2] = np.ceil(rows[1::2])
            crossings.append((crossed, rows.astype(np.int64)))
        return tops, crossings

    def _box(self, rle: Rle) -> tuple[int, int, int, int]:
        left, top, width, height = bbox_xywh(rle)
        x, y = self._offset_xy
        return (left, top, left + width - 1, top + height - 1) if width else (x, y, x, y)


@dataclass(frozen=True)
class _Bends:
    """Where the line that logits follow along an axis of the picture can change its slope."""

    samples: np.ndarray  # pixels of the model's input that have the line's height there
    places: np.ndarray  # in pixels of the picture, rising

    @classmethod
    def of(cls, stride: int, resized: int, size: int) -> _Bends:
        """The bends on ``size`` px of a picture that were ``resized`` px of the model's input, ``stride`` to a logit.

        Enlarging draws lines from the centre of each logit to the next; resizing draws them from pixel to pixel of the
        model's input and so cuts the corners. Beyond the outermost pixels' centres the line is level.
        """
        centres = np.arange(0, resized, stride) + (stride - 1) / 2
        corners = np.unique(np.floor([centres, centres + 0.5]).astype(int))
        samples = np.append(corners[corners < resized - 1], resized - 1)
        places = (samples + 0.5) * size / resized - 0.5
        return cls(samples[[0, *range(len(samples)), -1]], np.concatenate([[-1.0], places, [size]]))


@dataclass(frozen=True)
class _Axis:
    """Outputs along an axis as sums of inputs, few for each."""

    weights: Tensor  # outputs×inputs float32
    first: np.ndarray  # per output: first input with a weight; never falls along the axis
    last: np.ndarray  # per output: last input with a weight

    @classmethod
    def of(cls, weights: Tensor) -> _Axis:
        used = (weights != 0).cpu().numpy()
        return cls(weights, used.argmax(axis=1), weights.shape[1] - 1 - used[:, ::-1].argmax(axis=1))

    def reach(self, first: int, last: int) -> tuple[int, int]:
        """Begin and end of the outputs that use any of the inputs ``first`` to ``last``; 0, 0 where there is none."""
        begin = int(np.searchsorted(self.last, first, side="left"))
        end = int(np.searchsorted(self.first, last, side="right"))
        return (0, 0) if first > last or begin >= end else (begin, end)

    def inputs(self, outputs: slice) -> slice:
        """The inputs that a slice of at least one output is computed from."""
        return slice(int(self.first[outputs.start]), int(self.last[outputs.stop - 1]) + 1)

    def outputs(self, which: slice, inputs: Tensor, out: Tensor) -> Tensor:
        """Compute the outputs ``which`` from their ``inputs``, into ``out``."""
        begin = self.inputs(which).start
        for start in range(which.start, which.stop, TOGETHER):
            part = slice(start, min(start + TOGETHER, which.stop))
            used = self.inputs(part)
            mixed = inputs[used.start - begin : used.stop - begin]
            torch.mm(self.weights[part, used], mixed, out=out[part.start - which.start : part.stop - which.start])
        return out


@dataclass(frozen=True)
class _Pairs(_Axis):
    """An axis whose outputs are made of two neighbouring inputs each, or of one."""

    places: tuple[Tensor, Tensor]  # per output: its first and its last input
    parts: tuple[Tensor, Tensor]  # outputs×1 float32: their weights

    @classmethod
    def of(cls, weights: Tensor) -> _Pairs:
        axis = _Axis.of(weights)
        first, last = (torch.as_tensor(inputs, device=weights.device) for inputs in (axis.first, axis.last))
        of_last = weights.gather(1, last[:, None]).where((last > first)[:, None], 0)
        return cls(axis.weights, axis.first, axis.last, (first, last), (weights.gather(1, first[:, None]), of_last))

    def outputs_of_pairs(self, which: slice, inputs: Tensor) -> Tensor:
        """Compute the outputs ``which`` from their ``inputs``, without a product with all that are not theirs."""
        begin = self.inputs(which).start
        of_first, of_last = (
            inputs.index_select(0, places[which] - begin).mul_(part[which])
            for places, part in zip(self.places, self.parts, strict=True)
        )
        return of_first.add_(of_last)


def _resized(x: Tensor, size: int) -> Tensor:
    """n×inputs to size×inputs as upstream resizes pictures along an axis."""
    return F.interpolate(x.T[None], size=size, mode="linear", align_corners=False)[0].T.contiguous()


def _extent(flags: ArrayLike) -> tuple[int, int]:
    """First and last true index of 1-D ``flags``; (n, -1) where there is none."""
    places = np.flatnonzero(flags)
    return (int(places[0]), int(places[-1])) if len(places) else (np.size(flags), -1)
