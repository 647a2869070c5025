"""What runs will take: measured, remembered from one process to the next, judged by other models."""

import json
from pathlib import Path

import pytest

from automask_ui.models.registry import CHECKPOINTS
from automask_ui.serving.speeds import speeds_here
from automask_ui.session.run import Forecast, Speeds, Workload

WORK = Workload(1000, 2)


def measure(speeds: Speeds, model: str, encode: float, decode: float) -> None:
    speeds.record_encode(model, encode, 1)
    speeds.record_decode(model, decode * 100, 100)


def test_nothing_is_said_before_anything_was_measured() -> None:
    assert speeds_here().forecast("tiny", WORK) is None
    assert speeds_here().forecast("mine", WORK) is None


def test_measures_outlive_the_process_for_the_same_machine_alone(tmp_path: Path) -> None:
    notes = tmp_path / "new folder" / "speeds.json"
    measure(speeds_here(notes, "a, cpu, 2 threads"), "vit_b", 5.0, 0.01)
    again = speeds_here(notes, "a, cpu, 2 threads")
    assert again.forecast("vit_b", WORK) == Forecast(20.0, None)
    assert speeds_here(notes, "a, cpu, 8 threads").forecast("vit_b", WORK) is None
    measure(speeds_here(notes, "a, cpu, 8 threads"), "vit_b", 1.0, 0.001)
    measure(again, "tiny", 1.0, 0.001)
    assert speeds_here(notes, "a, cpu, 2 threads").forecast("vit_b", WORK) == Forecast(20.0, None)
    assert speeds_here(notes, "a, cpu, 8 threads").forecast("vit_b", WORK) == Forecast(3.0, None)


def test_runs_that_say_nothing_of_others(tmp_path: Path) -> None:
    """After a run of one point, 0.2 s of set-up were said for each of the next run's thousand."""
    speeds = speeds_here()
    speeds.record_encode("tiny", 0.0, 1)  # clicks had read the picture before
    speeds.record_decode("tiny", 0.2, 1)
    assert speeds.forecast("tiny", WORK) is None
    measure(speeds, "tiny", 0.5, 0.01)
    speeds.record_encode("tiny", 0.0, 1)
    speeds.record_decode("tiny", 0.2, 1)
    assert speeds.forecast("tiny", WORK) == Forecast(11.0, None)


def test_files_of_ones_own_and_refined_points_are_not_noted(tmp_path: Path) -> None:
    """Another file can have the same name tomorrow."""
    notes = tmp_path / "speeds.json"
    speeds = speeds_here(notes, "here")
    measure(speeds, "mine", 5.0, 0.01)
    speeds.record_encode("tiny", 1.0, 1)
    speeds.record_decode("tiny", 100.0, 100, is_refined=True)
    assert speeds.forecast("mine", WORK) == Forecast(20.0, None)
    assert speeds.forecast("tiny", Workload(10, 1, is_refined=True)) == Forecast(11.0, None)
    assert not notes.exists()


def test_other_models_are_judged_by_the_one_that_is_most_like_them() -> None:
    speeds = speeds_here()
    measure(speeds, "tiny", 1.0, 0.01)
    tiny, large, huge = (CHECKPOINTS[name] for name in ("tiny", "vit_l", "vit_h"))
    expected = 2 * huge.encode_cost / tiny.encode_cost + 10 * huge.decode_cost / tiny.decode_cost
    assert speeds.forecast("vit_h", WORK) == Forecast(pytest.approx(expected), "tiny")
    measure(speeds, "vit_l", 7.0, 0.02)
    expected = 14 * huge.encode_cost / large.encode_cost + 20 * huge.decode_cost / large.decode_cost
    assert speeds.forecast("vit_h", WORK) == Forecast(pytest.approx(expected), "vit_l")
    assert speeds.forecast("mine", WORK) is None
    assert speeds.forecast("vit_h", Workload(1000, 2, is_refined=True)) is None


def test_on_a_gpu_no_model_says_anything_of_another() -> None:
    speeds = speeds_here(on_cpu=False)
    measure(speeds, "tiny", 1.0, 0.01)
    assert speeds.forecast("tiny", WORK) == Forecast(12.0, None)
    assert speeds.forecast("vit_b", WORK) is None


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[1]",
        '{"here": 3}',
        '{"here": {"tiny": [1]}}',
        '{"here": {"tiny": [1, "2"]}}',
        '{"here": {"tiny": [1, -2]}}',
        '{"here": {"tiny": [1, NaN]}}',
        '{"here": {"tiny": [1, Infinity]}}',
        '{"here": {"nobody": [1, 2]}}',
    ],
)
def test_spoilt_notes_say_nothing_and_are_written_anew(tmp_path: Path, text: str) -> None:
    notes = tmp_path / "speeds.json"
    notes.write_text(text)
    speeds = speeds_here(notes, "here")
    assert speeds.forecast("tiny", WORK) is None
    measure(speeds, "tiny", 1.0, 0.01)
    assert json.loads(notes.read_text())["here"]["tiny"] == [1.0, 0.01]


def test_a_disk_that_cannot_be_written_costs_the_note_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    speeds = speeds_here(tmp_path / "file" / "speeds.json", "here")
    measure(speeds, "tiny", 1.0, 0.01)
    assert speeds.forecast("tiny", WORK) == Forecast(12.0, None)
