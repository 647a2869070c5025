"""What the controls say, as one object, and what it means: options, and what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from automask_ui.files.point_grids import format_point_grids, parse_point_grids
from automask_ui.options import PARAMETERS, PRESETS, GeneratorOptions, Parameter, checked_options
from automask_ui.session import ShowOnly

__all__ = ["CUSTOM", "Controls", "controls_of", "preset_values", "slider_value"]

CUSTOM = "custom"


@dataclass(frozen=True)
class Controls:
    """The controls' values, not yet checked."""

    model: str
    preset: str
    values: Mapping[str, Any] = field(default_factory=dict)  # of sliders and switches, by option name
    points_text: str = ""
    show_values: Mapping[str, Any] = field(default_factory=dict)  # Show only, by ShowOnly's fields; None: left empty
    shown: object = ""  # id of the session that the page showed with them; "" where it does not say

    def is_preset(self, thresholds: Mapping[str, float]) -> bool:
        """Whether the sliders stand where the preset puts them, for a model with these thresholds or an unknown one."""
        if self.preset not in PRESETS:
            return False
        return any(self.set_to(self.preset, known).values == self.values for known in (thresholds, {}))

    def set_to(self, preset: str, thresholds: Mapping[str, float]) -> Controls:
        """The sliders where ``preset`` puts them, for a model with these thresholds.

        How many points go at a time is about the machine, not about the picture: it stays.
        """
        batch = {"points_per_batch": self.values.get("points_per_batch")}
        return replace(self, preset=preset, values={**preset_values(preset, thresholds), **batch})

    def options(self, thresholds: Mapping[str, float]) -> GeneratorOptions:
        """The options that are meant; an untouched preset takes the model's own ``thresholds``.

        Raises:
            OptionError: for a value that does not fit, or a line of the point list.
        """
        flat = {name: _exact(PARAMETERS[name], value) for name, value in self.values.items()}
        if self.is_preset(thresholds):
            batch = flat["points_per_batch"]
            flat = {**PRESETS[self.preset].options(**thresholds).flat(), "points_per_batch": batch}
        if self.points_text:
            flat["point_grids"] = parse_point_grids(self.points_text)
        return checked_options(flat)

    def show(self) -> ShowOnly:
        """What is to be shown.

        Raises:
            OptionError: for a value that does not fit.
        """
        given = {name: value for name, value in self.show_values.items() if value is not None}
        # 0 says what an empty field says: no limit.
        return ShowOnly(**{**given, "largest": given.get("largest") or None})


def preset_values(preset: str, thresholds: Mapping[str, float]) -> dict[str, float]:
    """Slider values of a preset for a model with these default thresholds."""
    flat = PRESETS[preset].options(**thresholds).flat()
    return {row.field: slider_value(row, flat[row.field]) for row in PARAMETERS.values()}


def controls_of(model: str, options: GeneratorOptions, show: ShowOnly, thresholds: Mapping[str, float]) -> Controls:
    """Controls that say ``options`` and ``show``, under the name of a preset where one says the same."""
    flat = options.flat()
    grids = options.grid.point_grids
    values = {row.field: row.default if flat[row.field] is None else flat[row.field] for row in PARAMETERS.values()}
    controls = Controls(
        model,
        CUSTOM,
        {name: slider_value(PARAMETERS[name], value) for name, value in values.items()},
        "" if grids is None else format_point_grids(grids),
        {**asdict(show), "largest": show.largest or 0},
    )
    named = (replace(controls, preset=name) for name in PRESETS)
    return next((one for one in named if one.is_preset(thresholds) and one.options(thresholds) == options), controls)


def slider_value(row: Parameter, value: float) -> float:
    """``value`` on the slider's steps, as its number field shows it; of a switch, True or False."""
    if row.is_switch:
        return bool(value)
    return int(value) if row.is_integer else round(value, 4 if row.step < 0.01 else 2)


def _exact(row: Parameter, value: Any) -> Any:
    """What a slider's value stands for: upstream's crop overlap, 512/1500, lies between two steps."""
    return row.default if value == slider_value(row, row.default) else value
