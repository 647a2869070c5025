"""What a person shows of one object (clicks, a box, an earlier mask), and the masks that a model answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from automask_ui.errors import OptionError
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.collection import MaskSet
from automask_ui.masks.mask_input import prompt_logits
from automask_ui.masks.rle import Rle

__all__ = ["MAX_CLICKS", "PicturePrompt", "Prediction"]

MAX_CLICKS = 200  # of one prompt: nobody clicks that often at one object


@dataclass(frozen=True, eq=False)
class PicturePrompt:
    """A checked prompt, in pixels of the picture."""

    points_xy: np.ndarray  # (n, 2) float64; n may be 0
    labels: np.ndarray  # (n,) int64: 1 = on the object, 0 = beside it
    box_xyxy: np.ndarray | None  # (4,) float64
    mask: np.ndarray | None  # h×w float32: low-resolution logits

    @classmethod
    def checked(
        cls,
        size_hw: tuple[int, int],
        mask_hw: tuple[int, int],
        points_xy: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box_xyxy: ArrayLike | None = None,
        mask: ArrayLike | Rle | None = None,
    ) -> PicturePrompt:
        """Check what was given; the arguments are those of ``MaskEngine.predict``.

        Args:
            size_hw: of the picture, px.
            mask_hw: size of the logits that the model takes as ``mask``.

        Raises:
            OptionError: nothing was given, or something that makes no sense.
        """
        points, kinds = _clicks(points_xy, labels, size_hw)
        box = None if box_xyxy is None else _box(box_xyxy, size_hw)
        logits = None if mask is None else _logits(mask, mask_hw, size_hw)
        if not len(points) and box is None and logits is None:
            raise OptionError("Nothing was shown: give points_xy with labels, box_xyxy, mask, or several of them.")
        return cls(points, kinds, box, logits)

    @property
    def is_ambiguous(self) -> bool:
        """Whether it may mean a thing as well as a part of it or what it is a part of: a single click alone does."""
        return len(self.points_xy) == 1 and self.box_xyxy is None and self.mask is None


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's answer to one prompt.

    Attributes:
        masks: the alternatives (three of SAM and SAM 2, one of SAM-HQ) in the model's order, from part to whole, and
            last the one mask that it proposes where the prompt leaves no doubt; with predicted IoU and stability.
        logits: len(masks)×h×w float32: the same masks at the model's low resolution, of its whole square input, with
            what is right of or below the picture. One of them can be the ``mask`` of the next prompt.
        best: the row to begin with: of a single click the alternative with the highest predicted IoU, else the last.
    """

    masks: MaskSet
    logits: np.ndarray
    best: int

    @property
    def alternatives(self) -> MaskSet:
        """The masks for a prompt that can mean several things, as ``SamPredictor`` gives with ``multimask_output``."""
        return self.masks[:-1]

    @property
    def single(self) -> MaskSet:
        """The one mask for a prompt that leaves no doubt, as ``SamPredictor`` gives without ``multimask_output``."""
        return self.masks[-1:]


def _clicks(points_xy: ArrayLike | None, labels: ArrayLike | None, size_hw: tuple[int, int]) -> Any:
    """Check clicks: (n, 2) float64 and (n,) int64."""
    if (points_xy is None) != (labels is None):
        given, missing = ("labels", "points_xy") if points_xy is None else ("points_xy", "labels")
        raise OptionError(f"{given} were given without {missing}: each point needs its label, 1 on the object or 0.")
    if points_xy is None or labels is None:
        return np.zeros((0, 2)), np.zeros(0, np.int64)
    points, kinds = _numbers("points_xy", points_xy), _numbers("labels", labels)
    if points.size == 0 and kinds.size == 0:
        return np.zeros((0, 2)), np.zeros(0, np.int64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise OptionError(f"points_xy must be n×2 numbers (x, y), but its shape is {points.shape}.")
    if kinds.shape != (len(points),):
        raise OptionError(f"labels must be {len(points)} numbers, one for each point, but its shape is {kinds.shape}.")
    if len(points) > MAX_CLICKS:
        raise OptionError(f"A prompt may have {MAX_CLICKS} points, but has {len(points)}. Take fewer.")
    if not np.isin(kinds, (0, 1)).all():
        wrong = kinds[~np.isin(kinds, (0, 1))][0]
        raise OptionError(f"A label is {wrong:g}, but must be 1 (on the object) or 0 (beside it).")
    _check_inside("A point", points, size_hw)
    return points, kinds.astype(np.int64)


def _box(box_xyxy: ArrayLike, size_hw: tuple[int, int]) -> np.ndarray:
    box = _numbers("box_xyxy", box_xyxy)
    if box.shape != (4,):
        raise OptionError(f"box_xyxy must be 4 numbers (left, top, right, bottom), but its shape is {box.shape}.")
    _check_inside("A corner of the box", box.reshape(2, 2), size_hw)
    if not (box[:2] < box[2:]).all():
        raise OptionError(f"The box {_listed(box)} has no area: right must exceed left, and bottom top.")
    return box


def _logits(mask: ArrayLike | Rle, mask_hw: tuple[int, int], size_hw: tuple[int, int]) -> np.ndarray:
    """Check a mask, and make low-resolution logits of its pixels where it has no other: h×w float32."""
    if isinstance(mask, dict):
        return prompt_logits(_rle(mask, size_hw), mask_hw)
    values = np.asarray(mask)
    if values.dtype == bool:
        if values.shape != size_hw:
            raise OptionError(f"mask is bool and so must be {_size(size_hw)} px, but its shape is {values.shape}.")
        return prompt_logits(values, mask_hw)
    wanted = f"{_size(mask_hw)} floating-point logits, or {_size(size_hw)} bool, or an RLE"
    if values.dtype.kind != "f":
        raise OptionError(f"mask must be {wanted}, but its type is {values.dtype}.")
    if values.shape not in (mask_hw, (1, *mask_hw)):
        raise OptionError(f"mask must be {wanted}, but its shape is {values.shape}.")
    logits = values.reshape(mask_hw).astype(np.float32)
    if not np.isfinite(logits).all():
        raise OptionError("mask has values that are not finite.")
    return logits


def _rle(mask: Mapping[str, Any], size_hw: tuple[int, int]) -> Rle:
    """Check an RLE; its counts may be bytes, text as in JSON, or the lengths of all runs."""
    wrong = f"mask must be an RLE of {_size(size_hw)} px, as the picture, but is {str(mask)[:60]}"
    if mask.keys() != {"size", "counts"} or not np.array_equal(mask["size"], size_hw):
        raise OptionError(f"{wrong}.")
    counts = mask["counts"]
    if isinstance(counts, (bytes, str)):
        try:
            return rle_codec.checked([counts if isinstance(counts, str) else counts.decode("latin-1")], size_hw)[0]
        except ValueError as error:
            raise OptionError(f"{wrong}: {error.args[0]}.") from error
    runs = _numbers("The counts of the mask", counts)
    if runs.ndim != 1 or (runs < 0).any() or (runs % 1).any() or runs.sum() != size_hw[0] * size_hw[1]:
        raise OptionError(f"{wrong}: its runs are not the pixels of a mask of this size.")
    return rle_codec.encode_borders(np.cumsum(runs[:-1].astype(np.int64)), size_hw)


def _size(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[0]}×{size_hw[1]}"


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """``values`` as float64.

    Raises:
        OptionError: they are not numbers, or not all finite.
    """
    try:
        numbers = np.asarray(values)
        is_number = numbers.dtype.kind in "iuf" or numbers.size == 0
        numbers = numbers.astype(np.float64) if is_number else numbers
    except (TypeError, ValueError, RuntimeError):  # the last one of tensors with a gradient, or on a GPU
        is_number = False
    if not is_number:
        raise OptionError(f"{name} must be numbers, but is {str(values)[:60]}.")
    if not np.isfinite(numbers).all():
        raise OptionError(f"{name} has a value that is not finite: {_listed(numbers.ravel())}.")
    return numbers


def _check_inside(what: str, points_xy: np.ndarray, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    is_outside = ((points_xy < 0) | (points_xy > (width, height))).any(axis=1)
    if is_outside.any():
        x, y = points_xy[is_outside.argmax()]
        raise OptionError(f"{what} lies at x {x:g}, y {y:g}, outside of the picture of {width}×{height} px.")


def _listed(numbers: np.ndarray) -> str:
    return ", ".join(f"{number:g}" for number in numbers[:8])
