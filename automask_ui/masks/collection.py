"""What the engine finds, as immutable columns: every candidate with its verdict, and the masks that were kept.

Both collections are indexed like NumPy arrays (slice, index array, boolean array) and every operation returns a new
object. They compare by identity, so that they can be cached and tracked without comparing arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from functools import cached_property
from typing import Any, TypeVar, overload

import numpy as np

from automask_ui.errors import OptionError
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.rle import Rle
from automask_ui.options import OUTPUT_MODES, GeneratorOptions

__all__ = ["Candidates", "Mask", "MaskResult", "MaskSet", "Step", "Verdict", "object_column"]

C = TypeVar("C", bound="_Columns")


class Verdict(IntEnum):
    """What became of a candidate: kept, or the first rule that dropped it, in the order in which rules apply."""

    KEPT = 0
    PENDING = 1  # its point has not been decoded yet (a run that was stopped)
    LOW_PREDICTED_IOU = 2
    LOW_STABILITY = 3
    EMPTY = 4  # no pixel
    CROP_EDGE = 5  # cut off by the edge of a crop inside the picture
    DUPLICATE = 6  # of a better mask of the same crop
    CROP_DUPLICATE = 7  # of a mask from another crop
    CLEANED_AWAY = 8  # a duplicate once specks and holes were removed
    SKIPPED = 9  # its point was left out: adaptive points are where answers differ


def object_column(values: Sequence[Any]) -> np.ndarray:
    """``values`` as a 1-D object array, whatever they are."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


class _Columns:
    """Rows of equal-length arrays; fields marked ``shared`` belong to the whole collection."""

    @classmethod
    def column_names(cls) -> list[str]:
        return [f.name for f in fields(cls) if not f.metadata.get("shared")]  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in self.column_names()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Columns must have one length, but have {lengths}.")
        for name in lengths:
            getattr(self, name).setflags(write=False)

    def __len__(self) -> int:
        return len(getattr(self, self.column_names()[0]))

    def rows(self: C, index: Any) -> C:
        """The rows that ``index`` (slice, integer array or boolean array) selects, as a new collection."""
        return replace(self, **{name: getattr(self, name)[index].copy() for name in self.column_names()})  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class Candidates(_Columns):
    """Every mask that the model proposed for the point grid: one row per crop, point and multimask level.

    A row below the thresholds of all runs so far has scores but no mask (``rle`` is None).
    """

    size_hw: tuple[int, int] = field(metadata={"shared": True})  # the picture, px
    crop_boxes_xyxy: np.ndarray = field(metadata={"shared": True})  # (n_crops, 4) int64, px

    point_xy: np.ndarray  # (n, 2) float64, px of the picture
    crop_index: np.ndarray  # (n,) int64 into crop_boxes_xyxy
    level: np.ndarray  # (n,) int64, which of the model's masks for the point
    predicted_iou: np.ndarray  # (n,) float32; NaN = point not decoded yet
    stability_score: np.ndarray  # (n,) float32; NaN = not measured
    area: np.ndarray  # (n,) int64, px; -1 = not measured
    box_xyxy: np.ndarray  # (n, 4) int64, px, last pixel included; zero where not measured
    rle: np.ndarray  # (n,) object: Rle or None
    verdict: np.ndarray  # (n,) int8 of Verdict
    dropped_by: np.ndarray  # (n,) int64: row of the winner for duplicates, else -1

    @classmethod
    def unknown(cls, size_hw: tuple[int, int]) -> Candidates:
        """Of a picture whose masks were kept without them."""
        columns = {name: np.zeros(0, np.int64) for name in ("crop_index", "level", "area", "verdict", "dropped_by")}
        scores = dict.fromkeys(("predicted_iou", "stability_score"), np.zeros(0, np.float32))
        boxes = {"crop_boxes_xyxy": np.zeros((0, 4), np.int64), "box_xyxy": np.zeros((0, 4), np.int64)}
        return cls(size_hw, point_xy=np.zeros((0, 2)), rle=object_column([]), **columns, **scores, **boxes)

    def __getitem__(self, index: Any) -> Candidates:
        return self.rows(index)

    @cached_property
    def decoded(self) -> np.ndarray:
        """(n,) bool: the row's point has been shown to the model."""
        return ~np.isnan(self.predicted_iou)

    @cached_property
    def has_mask(self) -> np.ndarray:
        """(n,) bool: the row's mask is known."""
        return self.area >= 0

    def counts(self) -> dict[Verdict, int]:
        """How many rows have each verdict."""
        numbers = np.bincount(self.verdict, minlength=len(Verdict))
        return {verdict: int(numbers[verdict]) for verdict in Verdict}


@dataclass(frozen=True, eq=False)
class MaskSet(_Columns):
    """Masks of one picture, in the order of upstream's result."""

    size_hw: tuple[int, int] = field(metadata={"shared": True})  # the picture, px

    rle: np.ndarray  # (n,) object: Rle
    area: np.ndarray  # (n,) int64, px
    bbox_xywh: np.ndarray  # (n, 4) int64, px; width and height one less than the pixels, as upstream has them
    predicted_iou: np.ndarray  # (n,) float32: the model's own guess; may exceed 1; NaN = no model has scored it
    stability_score: np.ndarray  # (n,) float32, 0 to 1; NaN = not measured
    point_xy: np.ndarray  # (n, 2) float64, px: the point that was shown to the model; NaN = none
    crop_box_xywh: np.ndarray  # (n, 4) int64, px
    candidate: np.ndarray  # (n,) int64: row in the Candidates, -1 = none

    @classmethod
    def empty(cls, size_hw: tuple[int, int]) -> MaskSet:
        """No masks of a picture of ``size_hw``."""
        whole = {"rle": object_column([]), "point_xy": np.zeros((0, 2))}
        scores = dict.fromkeys(("predicted_iou", "stability_score"), np.zeros(0, np.float32))
        boxes = dict.fromkeys(("bbox_xywh", "crop_box_xywh"), np.zeros((0, 4), np.int64))
        return cls(size_hw, area=np.zeros(0, np.int64), candidate=np.zeros(0, np.int64), **whole, **scores, **boxes)

    @classmethod
    def from_rles(
        cls,
        rles: Sequence[Rle],
        size_hw: tuple[int, int],
        predicted_iou: Sequence[float] | None = None,
        stability_score: Sequence[float] | None = None,
    ) -> MaskSet:
        """Masks that come from no grid point: their areas and boxes from their pixels, no point, no candidate.

        Args:
            rles: the masks.
            size_hw: of the picture, px.
            predicted_iou: one a mask; NaN by default, as of masks that no model has scored.
            stability_score: likewise.
        """
        count = len(rles)
        boxes = np.array([rle_codec.bbox_xywh(rle) for rle in rles], np.int64).reshape(-1, 4)
        boxes[:, 2:] = np.maximum(boxes[:, 2:] - 1, 0)
        unknown = [np.nan] * count
        return cls(
            size_hw,
            rle=object_column(rles),
            area=np.array([rle_codec.area(rle) for rle in rles], np.int64),
            bbox_xywh=boxes,
            predicted_iou=np.array(unknown if predicted_iou is None else predicted_iou, np.float32),
            stability_score=np.array(unknown if stability_score is None else stability_score, np.float32),
            point_xy=np.full((count, 2), np.nan),
            crop_box_xywh=np.tile(np.array([0, 0, size_hw[1], size_hw[0]], np.int64), (count, 1)),
            candidate=np.full(count, -1, np.int64),
        )

    def followed_by(self, other: MaskSet) -> MaskSet:
        """These masks, then those of ``other``, which are of the same picture."""
        columns = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.column_names()}
        return MaskSet(self.size_hw, **columns)

    @overload
    def __getitem__(self, index: int) -> Mask: ...
    @overload
    def __getitem__(self, index: slice | np.ndarray | Sequence[int]) -> MaskSet: ...
    def __getitem__(self, index: Any) -> Mask | MaskSet:
        if isinstance(index, (int, np.integer)):
            return Mask(
                rle=self.rle[index],
                area=int(self.area[index]),
                bbox_xywh=tuple(self.bbox_xywh[index].tolist()),
                predicted_iou=float(self.predicted_iou[index]),
                stability_score=float(self.stability_score[index]),
                point_xy=tuple(self.point_xy[index].tolist()),
                crop_box_xywh=tuple(self.crop_box_xywh[index].tolist()),
            )
        return self.rows(np.asarray(index, dtype=np.int64) if isinstance(index, list) and not index else index)

    def __iter__(self) -> Iterator[Mask]:
        return (self[row] for row in range(len(self)))

    def to_sam_dicts(self, output_mode: str = "binary_mask") -> list[dict[str, Any]]:
        """The masks as upstream's ``SamAutomaticMaskGenerator.generate`` returns them.

        Args:
            output_mode: form of ``segmentation``: ``binary_mask`` (H×W bool), ``uncompressed_rle`` or ``coco_rle``.

        Raises:
            OptionError: for another ``output_mode``.
        """
        if output_mode not in OUTPUT_MODES:
            raise OptionError(f"output_mode is {output_mode!r}, but must be one of {', '.join(OUTPUT_MODES)}.")
        return [mask.to_sam_dict(output_mode) for mask in self]


@dataclass(frozen=True, eq=False)
class Mask:
    """One row of a :class:`MaskSet`."""

    rle: Rle
    area: int
    bbox_xywh: tuple[int, int, int, int]
    predicted_iou: float  # NaN: no model has scored it
    stability_score: float  # NaN: not measured
    point_xy: tuple[float, float]  # NaN, NaN: it comes from no point of a grid
    crop_box_xywh: tuple[int, int, int, int]

    @property
    def point_coords(self) -> list[list[float]]:
        """The points that were shown to the model, as upstream lists them: one, or none of a mask made by hand."""
        return [] if np.isnan(self.point_xy[0]) else [list(self.point_xy)]

    def segmentation(self, output_mode: str = "binary_mask") -> Any:
        """The mask's pixels: H×W bool, or one of the two RLE forms."""
        forms = {
            "binary_mask": rle_codec.decode,
            "uncompressed_rle": rle_codec.to_uncompressed,
            "coco_rle": rle_codec.to_coco_json,
        }
        return forms[output_mode](self.rle)

    def to_sam_dict(self, output_mode: str = "binary_mask") -> dict[str, Any]:
        """The seven fields of upstream's result, under upstream's names."""
        return {
            "segmentation": self.segmentation(output_mode),
            "area": self.area,
            "bbox": list(self.bbox_xywh),
            "predicted_iou": self.predicted_iou,
            "point_coords": self.point_coords,
            "stability_score": self.stability_score,
            "crop_box": list(self.crop_box_xywh),
        }


@dataclass(frozen=True, eq=False)
class MaskResult:
    """One picture's candidates under one set of options, and the masks that these options keep."""

    image: np.ndarray  # H×W×3 uint8 RGB, read-only: kept, since lower thresholds may need more masks decoded
    image_key: str  # content key of the picture
    model_key: str  # identity of the weights
    options: GeneratorOptions
    candidates: Candidates
    masks: MaskSet
    partial: bool = False  # stopped before every point was decoded
    # Stage -> time spent on it in this call: encode, decode (of which transformer, upscaling, resampling), select.
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what the user should know, e.g. that memory ran out on the way

    @property
    def has_candidates(self) -> bool:
        """Whether other thresholds can be applied; masks that were kept and taken up again come without candidates."""
        return len(self.candidates) > 0


@dataclass(frozen=True)
class Step:
    """Where a run stands; the engine yields one after encoding and one after every decoded chunk."""

    stage: str  # "encode", "decode" or "clean"
    done: int  # points decoded by this call
    total: int  # points that this call has to decode
    snapshot: Callable[[], MaskResult]  # what has been found so far, marked partial
