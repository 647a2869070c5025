"""The generator's parameters: as frozen dataclasses split by stage, and as one table for people.

Field names are exactly those of ``segment_anything.SamAutomaticMaskGenerator``. ``use_m2m`` and ``multimask_output``
are those that SAM 2's generator has besides, here for every model; ``adaptive_points`` is our own. The dataclasses
accept what upstream accepts, so that our generator can stand in for it; :func:`checked_options` also keeps callers from
outside (page, API, command line) inside the ranges of :data:`PARAMETERS`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automask_ui.errors import OptionError

__all__ = [
    "OUTPUT_MODES",
    "PARAMETERS",
    "PRESETS",
    "CleanupOptions",
    "FilterOptions",
    "GeneratorOptions",
    "GridOptions",
    "Parameter",
    "Preset",
    "check_value",
    "checked_options",
]

PointGrids = tuple[tuple[tuple[float, float], ...], ...]

# A crop with fewer points is decoded whole, whatever the share: there is nothing to be saved.
_FEWEST_ADAPTIVE = 64

OUTPUT_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")


class _Checked:
    """Options whose values are checked when they are made, against ``PARAMETERS``."""

    def __post_init__(self) -> None:
        """Types and lower bounds: all that a Python caller needs to keep to."""
        for name, value in list(vars(self).items()):
            if name == "point_grids" or (name == "points_per_side" and value is None):
                continue
            row = PARAMETERS[name]
            if row.is_switch:
                object.__setattr__(self, name, _switch(name, value))
                continue
            number = _number(value, row.is_integer)
            if number is None or number < row.minimum:
                kind = "a whole number" if row.is_integer else "a number"
                raise OptionError(f"{name} must be {kind} of at least {row.minimum:g}, but is {_shown(value)}.")
            object.__setattr__(self, name, number)


@dataclass(frozen=True)
class GridOptions(_Checked):
    """Where to look: which points of which crops are shown to the model."""

    points_per_side: int | None = 32  # points along one side; None where point_grids are given
    points_per_batch: int = 64  # points decoded together; bounds memory on a GPU
    crop_n_layers: int = 0  # layer i cuts the picture into 4**i crops
    crop_overlap_ratio: float = 512 / 1500  # share of the picture's short side
    crop_n_points_downscale_factor: int = 1  # layer i has points_per_side / factor**i points a side
    point_grids: PointGrids | None = None  # a layer's points as (x, y) in 0 to 1; instead of points_per_side
    adaptive_points: float = 1.0  # share of a crop's points that is decoded, where answers differ most; 1: all
    use_m2m: bool = False  # give each mask back to the model, with its point, for a better one
    multimask_output: bool = True  # the model's several masks of a point; else the one for prompts that leave no doubt

    def __post_init__(self) -> None:
        object.__setattr__(self, "point_grids", _frozen_grids(self.point_grids))
        super().__post_init__()
        if (self.points_per_side is None) == (self.point_grids is None):
            raise OptionError("Give either points_per_side or point_grids, not both and not neither.")
        if self.crop_overlap_ratio > 1:
            # Crops beyond the picture's short side: upstream fails on the way, after a long time.
            raise OptionError(f"crop_overlap_ratio must be at most 1, but is {self.crop_overlap_ratio:g}.")
        if self.adaptive_points > 1:
            raise OptionError(f"adaptive_points must be at most 1, but is {self.adaptive_points:g}.")
        factor = self.crop_n_points_downscale_factor
        if self.points_per_side is not None and self.points_per_side < factor**self.crop_n_layers:
            raise OptionError(
                f"points_per_side={self.points_per_side} thinned out by {factor} at each level leaves no point in crop "
                f"layer {self.crop_n_layers}: raise points_per_side, or lower crop_n_points_downscale_factor."
            )
        if self.point_grids is not None and len(self.point_grids) <= self.crop_n_layers:
            raise OptionError(
                f"point_grids has {len(self.point_grids)} layer(s), but crop_n_layers={self.crop_n_layers} needs "
                f"{self.crop_n_layers + 1}: one for the whole picture and one for each crop layer."
            )

    def decoded_of(self, points: int) -> int:
        """How many of the ``points`` of one crop are decoded."""
        is_whole = self.point_grids is not None or points < _FEWEST_ADAPTIVE
        return points if is_whole else round(self.adaptive_points * points)


@dataclass(frozen=True)
class FilterOptions(_Checked):
    """What to keep of the masks that the model found."""

    pred_iou_thresh: float = 0.88  # 0 to 1; keeps masks above it; 0 keeps all
    stability_score_thresh: float = 0.95  # 0 to 1; keeps masks at or above it; 0 keeps all
    stability_score_offset: float = 1.0  # logits; how far the cut-off moves for the stability score
    box_nms_thresh: float = 0.7  # box IoU above which the weaker mask of a crop is a duplicate
    crop_nms_thresh: float = 0.7  # the same between crops; the smaller crop wins


@dataclass(frozen=True)
class CleanupOptions(_Checked):
    """What to mend in the masks that are kept."""

    min_mask_region_area: int = 0  # px; holes and islands below it are removed; 0 leaves masks as they are


@dataclass(frozen=True, init=False)
class GeneratorOptions:
    """All options, given by stage or by their flat names: ``GeneratorOptions(points_per_side=16)``.

    What is not given has upstream's default, until a model is known that has one of its own (:meth:`for_model`).

    Attributes:
        given: flat names of those that were given, by themselves or with their stage.

    Raises:
        OptionError: for a name that does not exist, a value of the wrong type, or one that cannot work.
    """

    grid: GridOptions = field(default_factory=GridOptions)
    filter: FilterOptions = field(default_factory=FilterOptions)
    cleanup: CleanupOptions = field(default_factory=CleanupOptions)
    output_mode: str = "binary_mask"  # form of "segmentation" in the dicts
    given: frozenset[str] = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        grid: GridOptions | None = None,
        filter: FilterOptions | None = None,
        cleanup: CleanupOptions | None = None,
        output_mode: str = "binary_mask",
        **flat: Any,
    ) -> None:
        if unknown := sorted(flat.keys() - _STAGE_OF):
            raise OptionError(f"There is no option {', '.join(unknown)}; options are {', '.join(_STAGE_OF)}.")
        if flat.get("point_grids") is not None:
            flat.setdefault("points_per_side", None)
        if output_mode not in OUTPUT_MODES:
            raise OptionError(f"output_mode is {output_mode!r}, but must be one of {', '.join(OUTPUT_MODES)}.")
        stages = {
            "grid": grid or GridOptions(),
            "filter": filter or FilterOptions(),
            "cleanup": cleanup or CleanupOptions(),
        }
        for name, stage in stages.items():
            changes = {key: value for key, value in flat.items() if _STAGE_OF[key] == name}
            object.__setattr__(self, name, type(stage)(**{**vars(stage), **changes}))
        object.__setattr__(self, "output_mode", output_mode)
        whole = {name for name, stage in (("grid", grid), ("filter", filter), ("cleanup", cleanup)) if stage}
        by_stage = {name for name, stage in _STAGE_OF.items() if stage in whole}
        object.__setattr__(self, "given", frozenset(flat) | by_stage)

    def for_model(self, defaults: Mapping[str, float]) -> GeneratorOptions:
        """With a model's own ``defaults``, by flat name, for what was not given."""
        own = {name: value for name, value in defaults.items() if name not in self.given}
        return GeneratorOptions(**{**self.flat(), **own}) if own else self

    def replace(self, **flat: Any) -> GeneratorOptions:
        """A copy with some options changed, by stage or flat names; what was not given before still is not."""
        kept = {name: value for name, value in self.flat().items() if _STAGE_OF.get(name) not in flat}
        changed = GeneratorOptions(**{**kept, **flat})
        named = {name for name, stage in _STAGE_OF.items() if name in flat or stage in flat}
        object.__setattr__(changed, "given", self.given | named)
        return changed

    def flat(self) -> dict[str, Any]:
        """All options by name: upstream's 13 in its order, then the others."""
        values = {**vars(self.grid), **vars(self.filter), **vars(self.cleanup), "output_mode": self.output_mode}
        return {name: values[name] for name in (*_UPSTREAM, *_STAGE_OF)}  # a name that comes again keeps its place

    def upstream(self) -> dict[str, Any]:
        """The 13 options that ``SamAutomaticMaskGenerator`` has, by name."""
        flat = self.flat()
        return {name: flat[name] for name in _UPSTREAM}


# Flat name -> stage; upstream's in the order of its constructor, then the others.
_STAGE_OF = {
    "points_per_side": "grid",
    "points_per_batch": "grid",
    "pred_iou_thresh": "filter",
    "stability_score_thresh": "filter",
    "stability_score_offset": "filter",
    "box_nms_thresh": "filter",
    "crop_n_layers": "grid",
    "crop_nms_thresh": "filter",
    "crop_overlap_ratio": "grid",
    "crop_n_points_downscale_factor": "grid",
    "point_grids": "grid",
    "min_mask_region_area": "cleanup",
    "adaptive_points": "grid",
    "use_m2m": "grid",
    "multimask_output": "grid",
}
_NOT_UPSTREAM = ("adaptive_points", "use_m2m", "multimask_output")
_UPSTREAM = (*(name for name in _STAGE_OF if name not in _NOT_UPSTREAM), "output_mode")


@dataclass(frozen=True)
class Parameter:
    """One option as people meet it: a slider or a switch, a flag, a field of the API, a line of the README."""

    field: str  # upstream's name, or that of our own
    group: str  # "look", "keep" or "clean"
    title: str  # plain name
    minimum: float
    maximum: float
    step: float
    default: float  # bool makes it a switch
    raise_if: str  # completes "Raise it if ...", or "On if ..."
    lower_if: str  # completes "Lower it if ...", or "Off if ..."
    unit: str = ""
    is_basic: bool = False  # always on the page; the others are one click away

    @property
    def is_integer(self) -> bool:
        """Whether only whole numbers make sense."""
        return self.step >= 1

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off, as True or False."""
        return isinstance(self.default, bool)

    @property
    def help(self) -> str:
        """One sentence on when to move it which way."""
        if self.is_switch:
            return f"On if {self.raise_if}; off if {self.lower_if}."
        return f"Raise it if {self.raise_if}; lower it if {self.lower_if}."


_ROWS = (
    Parameter("points_per_side", "look", "Grid density", 1, 128, 1, 32,
              "small things are missed", "it takes too long (time grows with its square)", "points a side"),
    Parameter("adaptive_points", "look", "Share of points", 0.2, 1, 0.05, 1,
              "things that few points find are missed", "it takes too long (the rest is left out where answers agree)"),
    Parameter("points_per_batch", "look", "Points at a time", 1, 1024, 1, 64,
              "a GPU is not kept busy", "memory runs out", "points"),
    Parameter("crop_n_layers", "look", "Zoom levels", 0, 3, 1, 0,
              "tiny things in a large picture are missed", "it takes too long (each level has 4 times the crops)"),
    Parameter("crop_overlap_ratio", "look", "Crop overlap", 0, 0.9, 0.01, 512 / 1500,
              "things are cut at crop edges", "crops repeat too much work"),
    Parameter("crop_n_points_downscale_factor", "look", "Thin out the grid per level", 1, 8, 1, 1,
              "zoom levels take too long", "small things in the crops are missed"),
    Parameter("multimask_output", "look", "Several masks a point", 0, 1, 1, True,
              "both things and their parts are wanted", "parts of things are in the way"),
    Parameter("use_m2m", "look", "Refine every mask", 0, 1, 1, False,
              "outlines are poor", "it takes too long (each mask is decoded once more, alone)"),
    Parameter("pred_iou_thresh", "keep", "Mask quality", 0, 1, 0.01, 0.88,
              "there are poor masks", "good things are missing", is_basic=True),
    Parameter("stability_score_thresh", "keep", "Edge stability", 0, 1, 0.01, 0.95,
              "masks have vague edges", "things with soft edges are missing", is_basic=True),
    Parameter("stability_score_offset", "keep", "Stability test strength", 0, 5, 0.1, 1.0,
              "vague masks pass the stability test", "good masks fail it", "logits"),
    Parameter("box_nms_thresh", "keep", "Duplicate overlap", 0, 1, 0.01, 0.7,
              "things that lie close together go missing", "the same thing is found twice"),
    Parameter("crop_nms_thresh", "keep", "Duplicate overlap between crops", 0, 1, 0.01, 0.7,
              "zoom levels lose things that lie close together", "zoom levels find the same thing twice"),
    Parameter("min_mask_region_area", "clean", "Remove specks and holes", 0, 10_000, 10, 0,
              "masks have specks or holes", "fine detail is lost", "px", is_basic=True),
)  # fmt: skip

PARAMETERS: dict[str, Parameter] = {row.field: row for row in _ROWS}


@dataclass(frozen=True)
class Preset:
    """A named choice of options. What it leaves out is upstream's default; thresholds, the model's own.

    Thresholds in ``values`` are those for Meta's weights, whose scores upstream's defaults were made for. Other models
    score otherwise: theirs lie as far from their own defaults, or, where ``shares`` has one, are that share of them.
    """

    name: str
    title: str
    description: str
    values: Mapping[str, Any]
    shares: Mapping[str, float] = field(default_factory=dict)

    def options(self, **model_thresholds: float) -> GeneratorOptions:
        """The options of this preset for a model with these default thresholds; without them, upstream's."""
        values = dict(self.values)
        for name, own in model_thresholds.items():
            default = PARAMETERS[name].default
            # On the sliders' steps, so that Meta's weights have the very numbers above. A preset's own clean-up stays.
            if name in self.shares and own != default:
                values[name] = round(own * self.shares[name], 2)
            elif name in values and default:
                values[name] = round(own * values[name] / default, 2)
            else:
                values.setdefault(name, own)
        return GeneratorOptions(**values)


_PRESETS = (
    Preset("quick", "Quick look", "A coarse grid: a first impression, four times faster.", {"points_per_side": 16}),
    Preset("balanced", "Balanced", "The model's own defaults: most things at a fair price.", {}),
    Preset("small", "Small objects", "Looks at the picture in zoomed crops as well and cleans the masks.",
           {"points_per_side": 32, "pred_iou_thresh": 0.86, "stability_score_thresh": 0.92, "crop_n_layers": 1,
            "crop_n_points_downscale_factor": 2, "min_mask_region_area": 100},
           # Of a small thing more is edge: as vague as that of a large one, it costs more of the score.
           {"stability_score_thresh": 0.75}),
    Preset("everything", "Everything", "A dense grid and loose thresholds: sort out the masks afterwards.",
           {"points_per_side": 48, "pred_iou_thresh": 0.6, "stability_score_thresh": 0.75, "box_nms_thresh": 0.8}),
)  # fmt: skip

PRESETS: dict[str, Preset] = {row.name: row for row in _PRESETS}


def check_value(name: str, value: object) -> int | float:
    """``value`` as a number inside the range of the parameter ``name``, or as True or False of a switch.

    Raises:
        OptionError: naming the parameter, the range and the value.
    """
    row = PARAMETERS[name]
    if row.is_switch:
        return _switch(name, value)
    kind = "a whole number" if row.is_integer else "a number"
    number = _number(value, row.is_integer)
    if number is None or not row.minimum <= number <= row.maximum:
        raise OptionError(f"{name} must be {kind} from {row.minimum:g} to {row.maximum:g}, but is {_shown(value)}.")
    return number


def checked_options(values: Mapping[str, Any]) -> GeneratorOptions:
    """Options from outside: every value of the right type and inside the range of :data:`PARAMETERS`.

    ``values`` maps flat names to values; what is missing takes upstream's default. Everything else is refused.

    Raises:
        OptionError: for the first value that does not fit.
    """
    flat = dict(values)
    has_grids = flat.get("point_grids") is not None
    if has_grids:
        flat["points_per_side"] = None
    for name in PARAMETERS.keys() & flat.keys():
        if not (name == "points_per_side" and has_grids):
            flat[name] = check_value(name, flat[name])
    return GeneratorOptions(**flat)


def _number(value: object, whole: bool) -> int | float | None:
    """``value`` as int or float, or None where it is no finite number (or not whole, where it must be)."""
    if isinstance(value, bool) or not hasattr(value, "__float__") or isinstance(value, str):
        return None
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):  # too large; arrays of several numbers
        return None
    if not math.isfinite(number) or (whole and number != int(number)):
        return None
    return int(number) if whole else number


def _switch(name: str, value: object) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise OptionError(f"{name} must be True or False, but is {_shown(value)}.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _frozen_grids(grids: Iterable[Iterable[Sequence[float]]] | None) -> PointGrids | None:
    """Point grids (any nesting of sequences or N×2 arrays) as hashable tuples, each point checked."""
    if grids is None:
        return None
    try:
        frozen = tuple(tuple((float(x), float(y)) for x, y in layer) for layer in grids)
    except (OverflowError, TypeError, ValueError) as error:
        raise OptionError("point_grids must be a list of layers, each a list of (x, y) pairs.") from error
    for number, layer in enumerate(frozen):
        for x, y in layer:
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise OptionError(
                    f"Layer {number} of point_grids has the point ({x:g}, {y:g}), which is not in 0 to 1."
                )
    if not frozen or not frozen[0]:
        raise OptionError("point_grids has no points: give at least one in the first layer.")
    return frozen
