"""The parameters: what is accepted, what is refused and in which words, presets, and upstream's defaults."""

import dataclasses
import inspect
import math
import pickle

import numpy as np
import pytest
from segment_anything import SamAutomaticMaskGenerator

from automask_ui import AutomaticMaskGenerator
from automask_ui.errors import OptionError
from automask_ui.options import (
    PARAMETERS,
    PRESETS,
    FilterOptions,
    GeneratorOptions,
    GridOptions,
    check_value,
    checked_options,
)

UPSTREAM = {
    name: parameter.default
    for name, parameter in inspect.signature(SamAutomaticMaskGenerator).parameters.items()
    if name != "model"
}


# What upstream has not, SAM 2's generator partly: without effect by default.
OWN = {"adaptive_points": 1.0, "use_m2m": False, "multimask_output": True}


def test_names_order_and_defaults_are_upstreams():
    assert GeneratorOptions().flat() == {**UPSTREAM, **OWN}
    assert list(GeneratorOptions().flat()) == [*UPSTREAM, *OWN]
    assert list(GeneratorOptions().upstream().items()) == list(UPSTREAM.items())
    ours = list(inspect.signature(AutomaticMaskGenerator).parameters.values())[1:]
    assert [(parameter.name, parameter.default) for parameter in ours] == list({**UPSTREAM, **OWN}.items())


def test_the_table_has_a_row_for_every_number():
    assert set(PARAMETERS) == {*UPSTREAM, *OWN} - {"point_grids", "output_mode"}
    for name, row in PARAMETERS.items():
        assert row.default == {**UPSTREAM, **OWN}[name]
        assert row.minimum <= row.default <= row.maximum
        assert row.help.startswith("On if " if row.is_switch else "Raise it if ")


def test_flat_names_and_stages_are_the_same():
    flat = GeneratorOptions(points_per_side=16, pred_iou_thresh=0.5, min_mask_region_area=9)
    staged = GeneratorOptions(grid=GridOptions(points_per_side=16), filter=FilterOptions(pred_iou_thresh=0.5))
    assert flat == staged.replace(min_mask_region_area=9)
    assert hash(flat) == hash(staged.replace(min_mask_region_area=9))
    assert flat != staged


def test_options_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GeneratorOptions().grid.points_per_side = 3  # type: ignore[misc]


def test_numpy_numbers_become_plain_ones():
    options = GeneratorOptions(points_per_side=np.int64(3), box_nms_thresh=np.float64(0.5))
    assert type(options.grid.points_per_side) is int
    assert type(options.filter.box_nms_thresh) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"points_per_sid": 3}, "There is no option points_per_sid; options are points_per_side"),  # misspelt
        ({"points_per_side": 0}, "points_per_side must be a whole number of at least 1, but is 0"),
        ({"points_per_side": 2.5}, "points_per_side must be a whole number of at least 1, but is 2.5"),
        ({"points_per_side": True}, "but is True"),  # bool is an int in Python
        ({"points_per_side": None}, "either points_per_side or point_grids"),
        ({"points_per_side": "32"}, "but is '32'"),
        ({"pred_iou_thresh": math.nan}, "pred_iou_thresh must be a number of at least 0, but is nan"),
        ({"pred_iou_thresh": math.inf}, "but is inf"),
        ({"pred_iou_thresh": [0.5]}, r"but is \[0.5\]"),
        ({"stability_score_offset": -1}, "stability_score_offset must be a number of at least 0, but is -1"),
        ({"output_mode": "png"}, "output_mode is 'png'"),
        ({"points_per_side": 32, "point_grids": [[(0.5, 0.5)]]}, "either points_per_side or point_grids"),
        ({"point_grids": [[(0.5, 1.5)]]}, r"Layer 0 of point_grids has the point \(0.5, 1.5\)"),
        ({"point_grids": [[(0.5, math.nan)]]}, "not in 0 to 1"),
        ({"point_grids": [[0.5, 0.5]]}, r"list of \(x, y\) pairs"),
        ({"point_grids": []}, "no points"),
        ({"point_grids": [[(0.5, 0.5)]], "crop_n_layers": 1}, r"has 1 layer\(s\), but crop_n_layers=1 needs 2"),
        ({"adaptive_points": 0.1}, "adaptive_points must be a number of at least 0.2, but is 0.1"),
        ({"adaptive_points": 1.2}, "adaptive_points must be at most 1, but is 1.2"),
        ({"points_per_side": 4, "crop_n_layers": 2, "crop_n_points_downscale_factor": 3}, "no point in crop layer 2"),
    ],
)
def test_wrong_options_say_what_and_why(values, message):
    with pytest.raises(OptionError, match=message):
        GeneratorOptions(**values)


@pytest.mark.parametrize("grids", [[np.array([[0.25, 0.5]])], [[(0.25, 0.5)]], (((0.25, 0.5),),), [[[0.25, 0.5]]]])
def test_point_grids_in_any_form_are_the_same(grids):
    options = GeneratorOptions(point_grids=grids)
    assert options.grid.point_grids == (((0.25, 0.5),),)
    assert options.grid.points_per_side is None
    assert options.replace(pred_iou_thresh=0.1).grid.point_grids == options.grid.point_grids


@pytest.mark.parametrize("name", [name for name, row in PARAMETERS.items() if row.is_switch])
def test_switches_are_true_or_false(name):
    for value in (True, False, np.True_, np.False_):
        assert check_value(name, value) is bool(value)
        assert getattr(GeneratorOptions(**{name: value}).grid, name) is bool(value)
    for wrong in (0, 1, 1.0, "true", "off", None, [True], math.nan):
        for make in (lambda value: check_value(name, value), lambda value: GeneratorOptions(**{name: value})):
            with pytest.raises(OptionError, match=rf"{name} must be True or False, but is "):
                make(wrong)


@pytest.mark.parametrize("name", [name for name, row in PARAMETERS.items() if not row.is_switch])
def test_every_range_is_checked(name):
    row = PARAMETERS[name]
    assert check_value(name, row.minimum) == row.minimum
    assert check_value(name, row.maximum) == row.maximum
    for outside in (row.minimum - row.step, row.maximum + row.step, math.nan, math.inf, None, "1", True, [1], {}):
        with pytest.raises(OptionError, match=rf"{name} must be .* from {row.minimum:g} to {row.maximum:g}"):
            check_value(name, outside)


def test_outside_values_become_options():
    options = checked_options({"points_per_side": 16.0, "pred_iou_thresh": 1})
    assert options.grid.points_per_side == 16
    assert checked_options({"points_per_side": 200, "point_grids": [[(0, 1)]]}).grid.points_per_side is None
    with pytest.raises(OptionError, match="points_per_side must be a whole number from 1 to 128, but is 200"):
        checked_options({"points_per_side": 200})


def test_a_long_wrong_value_is_shown_shortened():
    with pytest.raises(OptionError) as raised:
        check_value("points_per_side", "x" * 10_000)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
@pytest.mark.parametrize("own", [(0.4, 0.7), (0.88, 0.95), (1.0, 1.0), (0.0, 0.0)])
def test_presets_fit_the_table_for_every_model(preset, own):
    options = preset.options(pred_iou_thresh=own[0], stability_score_thresh=own[1])
    checked_options({name: value for name, value in options.flat().items() if name != "point_grids"})


def test_presets_are_relative_to_the_models_own_thresholds():
    quick, balanced, small, everything = (
        (options.filter.pred_iou_thresh, options.filter.stability_score_thresh)
        for options in (PRESETS[name].options(pred_iou_thresh=0.4, stability_score_thresh=0.6) for name in PRESETS)
    )
    assert quick == balanced == (0.4, 0.6)
    assert small == (0.39, 0.45)
    assert everything == (0.27, 0.47)


def test_small_objects_is_the_tutorials_second_run():
    metas = {"pred_iou_thresh": 0.88, "stability_score_thresh": 0.95}
    assert PRESETS["small"].options(**metas) == PRESETS["small"].options()
    assert PRESETS["small"].options().upstream() == {
        **UPSTREAM,
        "points_per_side": 32,
        "pred_iou_thresh": 0.86,
        "stability_score_thresh": 0.92,
        "crop_n_layers": 1,
        "crop_n_points_downscale_factor": 2,
        "min_mask_region_area": 100,
    }


@pytest.mark.parametrize("value", [10**400, np.array([0.5, 0.6]), [0.5], "0.5", None, float("nan")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(OptionError, match="pred_iou_thresh must be a number"):
        GeneratorOptions(pred_iou_thresh=value)
    if value is not None:
        with pytest.raises(OptionError, match="points_per_side must be a whole number"):
            GeneratorOptions(points_per_side=value)


def test_grids_of_no_numbers_are_refused():
    with pytest.raises(OptionError, match="point_grids must be a list"):
        GeneratorOptions(point_grids=[[(10**400, 0.5)]])


def test_crops_beyond_the_picture_are_refused():
    GeneratorOptions(crop_n_layers=1, crop_overlap_ratio=1.0)
    with pytest.raises(OptionError, match=r"crop_overlap_ratio must be at most 1, but is 1\.2"):
        GeneratorOptions(crop_n_layers=1, crop_overlap_ratio=1.2)


def test_what_was_not_given_is_the_models_own() -> None:
    own = {"pred_iou_thresh": 0.4, "stability_score_thresh": 0.6, "min_mask_region_area": 5}
    some = GeneratorOptions(points_per_side=4, pred_iou_thresh=0.88).for_model(own)
    assert (some.filter.pred_iou_thresh, some.filter.stability_score_thresh) == (0.88, 0.6)
    assert (some.grid.points_per_side, some.cleanup.min_mask_region_area) == (4, 5)
    # A stage that is given is given as a whole, and so is what comes of flat values.
    whole = GeneratorOptions(filter=FilterOptions(), min_mask_region_area=0)
    assert whole.for_model(own) is whole
    assert some.for_model({"pred_iou_thresh": 0.1}) is some
    stages = GeneratorOptions(points_per_side=4).replace(filter=FilterOptions(box_nms_thresh=0.3), box_nms_thresh=0.2)
    assert stages == GeneratorOptions(points_per_side=4, box_nms_thresh=0.2)
    assert stages.replace(filter=FilterOptions(pred_iou_thresh=0.3)).filter == FilterOptions(pred_iou_thresh=0.3)
    assert stages.for_model(own).filter.pred_iou_thresh == 0.88  # given with its stage
    changed = GeneratorOptions().replace(points_per_side=4).replace(stability_score_thresh=0.95)
    assert (changed.given, GeneratorOptions().given) == ({"points_per_side", "stability_score_thresh"}, set())
    assert changed.for_model(own).filter.pred_iou_thresh == 0.4
    assert changed.for_model(own).filter.stability_score_thresh == 0.95
    assert GeneratorOptions() == GeneratorOptions(pred_iou_thresh=0.88)
    assert pickle.loads(pickle.dumps(GeneratorOptions(points_per_side=4))).for_model(own).filter.pred_iou_thresh == 0.4
