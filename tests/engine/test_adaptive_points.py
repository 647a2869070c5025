"""Adaptive points: which points of a grid are decoded, that nothing but their number changes, and that runs go on."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sams import picture, small_sam
from test_engine import Counting, same_masks
from test_engine_parity import LOOSE

from automask_ui import AutomaticMaskGenerator, GeneratorOptions, MaskEngine, MaskResult, Verdict
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline.adaptive_points import FoundMasks, adaptive_rounds
from automask_ui.masks.rle import decode

SIDE, SHARE = 9, 0.5
CHOSEN = round(SHARE * SIDE * SIDE)
WHOLE = GeneratorOptions(**{**LOOSE, "points_per_side": SIDE})
ADAPTIVE = WHOLE.replace(adaptive_points=SHARE)


def engine() -> MaskEngine:
    """A small model with a threshold of its own that some of its masks pass: they say where to look next."""
    return MaskEngine(replace(SamModel.wrap(small_sam()), pred_iou_thresh=LOOSE["pred_iou_thresh"]))


def fresh(image: np.ndarray, options: GeneratorOptions) -> MaskResult:
    return engine().generate(image, options)


@pytest.fixture
def runs(monkeypatch):
    return Counting(monkeypatch)


def decoded_points(result: MaskResult) -> set[tuple[int, float, float]]:
    candidates = result.candidates[result.candidates.decoded]
    return {(crop, *xy) for crop, xy in zip(candidates.crop_index.tolist(), candidates.point_xy.tolist(), strict=True)}


def no_masks(points: np.ndarray) -> FoundMasks:
    """Nothing is found anywhere."""
    return FoundMasks(np.zeros((len(points), 3), bool), np.zeros((len(points), 3, 4)), np.zeros((len(points), 3)))


@pytest.mark.parametrize("side", range(8, 41))
def test_rounds_choose_as_many_points_as_are_asked_for_and_none_twice(side):
    count = round(0.2 * side * side)
    chosen = np.concatenate(list(adaptive_rounds(np.arange(side * side) + 7, count, no_masks)))
    assert len(chosen) == len(set(chosen.tolist())) == count
    assert set(chosen.tolist()) <= set(range(7, side * side + 7))


def test_where_nothing_differs_no_place_is_far_from_a_point():
    chosen = np.concatenate(list(adaptive_rounds(np.arange(1024), 256, no_masks)))
    y, x = np.divmod(np.arange(1024), 32)
    there_y, there_x = np.divmod(chosen, 32)
    nearest = np.hypot(y[:, None] - there_y, x[:, None] - there_x).min(axis=1)
    assert nearest.max() <= 3


def test_points_go_where_answers_differ():
    """Left of the middle every point gives the same mask, right of it each a mask of its own."""

    def found(points: np.ndarray) -> FoundMasks:
        y, x = np.divmod(points, 32)
        own = np.stack([x, y, x, y], axis=-1) * 10
        box = np.where((x < 16)[:, None], (0, 0, 159, 319), own)
        return FoundMasks(np.ones((len(points), 1), bool), box[:, None], np.full((len(points), 1), 100))

    chosen = np.concatenate(list(adaptive_rounds(np.arange(1024), 512, found)))
    left = (chosen % 32 < 15).sum()
    assert left < 100 < 400 < (chosen % 32 >= 16).sum()


@given(st.integers(8, 20), st.floats(0.2, 1), st.floats(0.2, 1), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_larger_share_begins_with_the_points_of_a_smaller(side, one, other, seed):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 100, (side * side, 3, 2, 2))
    boxes = np.sort(corners, axis=2).reshape(-1, 3, 4)
    counts, areas = rng.random((side * side, 3)) < 0.7, rng.integers(1, 100, (side * side, 3))

    def chosen(share: float) -> set[int]:
        def found(points: np.ndarray) -> FoundMasks:
            return FoundMasks(counts[points], boxes[points], areas[points])

        rounds = adaptive_rounds(np.arange(side * side), round(share * side * side), found)
        return set(np.concatenate(list(rounds)).tolist())

    assert chosen(min(one, other)) <= chosen(max(one, other))


def test_a_share_of_one_is_the_whole_grid(runs):
    image = picture(53, 80)
    assert same_masks(fresh(image, WHOLE.replace(adaptive_points=1.0)), fresh(image, WHOLE))
    assert runs.take()[1] == 2 * SIDE * SIDE


@pytest.mark.parametrize(
    "changes",
    [
        {"points_per_side": 7},  # fewer points than are worth choosing from
        {"point_grids": [[(0.25, 0.5), (0.75, 0.5)]], "points_per_side": None},  # own points are all meant
    ],
)
def test_nothing_is_skipped_where_nothing_can_be_chosen(changes):
    image, options = picture(53, 80), WHOLE.replace(**changes)
    found = fresh(image, options.replace(adaptive_points=SHARE))
    assert same_masks(found, fresh(image, options))
    assert found.candidates.counts()[Verdict.SKIPPED] == 0


@settings(max_examples=8, deadline=None)
@given(
    share=st.sampled_from([0.2, 0.35, 0.6, 0.95]), seed=st.integers(0, 3), layers=st.sampled_from([0, 0, 1]),
    side=st.sampled_from([8, 9]),
)  # fmt: skip
def test_candidates_are_those_of_the_whole_grid_and_masks_stand_in_their_order(share, seed, layers, side):
    image = picture(200, 301, seed)
    options = WHOLE.replace(points_per_side=side, crop_n_layers=layers)
    whole, found = fresh(image, options), fresh(image, options.replace(adaptive_points=share))
    crops = 1 + 4 * (layers > 0)
    decoded = found.candidates.decoded
    assert decoded.sum() == 3 * crops * round(share * side * side)
    assert not found.partial
    assert found.candidates.counts()[Verdict.SKIPPED] == (~decoded).sum()
    assert (found.candidates.verdict[~decoded] == Verdict.SKIPPED).all()
    # What is kept is kept as the whole grid has it: the same pixels and scores at the same row. Points stand in other
    # batches, which may round a pixel at an outline otherwise.
    rows = found.masks.candidate
    for ours, theirs in zip(found.candidates.rle[rows], whole.candidates.rle[rows], strict=True):
        assert (decode(ours) != decode(theirs)).sum() <= 4
    np.testing.assert_allclose(found.masks.predicted_iou, whole.candidates.predicted_iou[rows], atol=1e-6)
    # And those that the whole grid keeps too stand in its order.
    both = [row for row in whole.masks.candidate.tolist() if row in set(rows.tolist())]
    assert [row for row in rows.tolist() if row in set(both)] == both


def test_the_same_run_finds_the_same(runs):
    image = picture(53, 80)
    first, again = fresh(image, ADAPTIVE), fresh(image, ADAPTIVE)
    assert runs.take() == (2, 2 * CHOSEN)
    assert same_masks(first, again)
    assert decoded_points(first) == decoded_points(again)


@pytest.mark.parametrize("stop_after", [1, 12, 20, CHOSEN - 1, CHOSEN])
@pytest.mark.parametrize("points_per_batch", [64, 2])
def test_a_stopped_run_goes_on_with_the_points_that_it_would_have_had(runs, stop_after, points_per_batch):
    image, options = picture(53, 80), ADAPTIVE.replace(points_per_batch=points_per_batch)
    one = engine()
    steps = one.steps(image, options)
    for step in steps:
        if step.done >= stop_after:
            break
    partial = step.snapshot()
    steps.close()
    assert step.total == CHOSEN
    assert partial.partial
    assert partial.candidates.counts()[Verdict.SKIPPED] == 0
    assert runs.take()[1] >= step.done

    totals = []
    finished = one.refilter(partial, partial.options, lambda done, total, stage: totals.append((done, total)))
    left = CHOSEN - step.done
    assert all(total == left for _, total in totals)
    assert (totals[-1] if totals else (0, 0)) == (left, left)
    assert not finished.partial
    assert same_masks(finished, fresh(image, options))
    assert decoded_points(finished) == decoded_points(fresh(image, options))


def test_progress_counts_the_points_of_all_crops():
    calls = []
    options = ADAPTIVE.replace(crop_n_layers=1)
    result = engine().generate(picture(200, 301), options, lambda *call: calls.append(call))
    assert {total for _, total, _ in calls} == {5 * CHOSEN}
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)
    assert calls[-1][0] == 5 * CHOSEN
    assert [stage for _, _, stage in calls].count("encode") == 5
    assert len({crop for crop, _, _ in decoded_points(result)}) == 5


def test_a_stop_between_crops_goes_on():
    image, options, cancel = picture(200, 301), ADAPTIVE.replace(crop_n_layers=1), threading.Event()

    def stop(done: int, total: int, stage: str) -> None:
        if done >= 2 * CHOSEN + 5:
            cancel.set()

    one = engine()
    partial = one.generate(image, options, stop, cancel)
    assert partial.candidates.counts()[Verdict.SKIPPED] == 2 * 3 * (SIDE * SIDE - CHOSEN)
    assert same_masks(one.resume(partial), fresh(image, options))


@pytest.mark.parametrize(
    ("changes", "decodes"),
    [
        ({"pred_iou_thresh": 0.9}, False),
        ({"stability_score_thresh": 0.5}, False),
        ({"box_nms_thresh": 0.5, "min_mask_region_area": 40}, False),
        ({"pred_iou_thresh": 0.6}, True),  # masks of points that were decoded
        ({"stability_score_offset": 2.0}, True),  # stability is measured anew
    ],
)
def test_thresholds_change_no_point(runs, changes, decodes):
    image = picture(53, 80)
    one, options = engine(), ADAPTIVE.replace(**changes)
    result = one.generate(image, ADAPTIVE)
    runs.take()
    refiltered = one.refilter(result, options)
    assert (runs.take()[1] > 0) == decodes
    assert same_masks(refiltered, fresh(image, options))
    assert decoded_points(refiltered) == decoded_points(result)


def test_a_high_threshold_leaves_what_says_where_to_look():
    """Masks below it are made all the same: they are what the choice of points hangs on."""
    image = picture(53, 80)
    high = fresh(image, ADAPTIVE.replace(pred_iou_thresh=0.99))
    assert decoded_points(high) == decoded_points(fresh(image, ADAPTIVE))


def test_the_stand_in_for_upstream_has_it_off_and_can_switch_it_on(runs):
    generator = AutomaticMaskGenerator(small_sam(), **{**LOOSE, "points_per_side": SIDE})
    generator.generate(picture(53, 80))
    assert runs.take()[1] == SIDE * SIDE
    generator.options = generator.options.replace(adaptive_points=SHARE)
    generator.generate(picture(53, 80))
    assert runs.take()[1] == CHOSEN
