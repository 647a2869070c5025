"""Batches on Ray: the files of a run on one machine, also when a worker dies."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from batch_runs import Engine, contents, make_pictures, run, task

from automask_ui.batch.on_ray import _share, run_batch_on_ray
from automask_ui.errors import BatchError

TESTS = Path(__file__).parents[1]


class Deadly(Engine):
    """Dies with its process at the third picture that any worker is shown, once."""

    def __init__(self, marks):
        super().__init__()
        self.marks = marks

    def steps(self, image, options, earlier=None):
        (self.marks / f"{os.getpid()}-{self.shown}").touch()
        if len(list(self.marks.glob("[0-9]*"))) == 3:
            (self.marks / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().steps(image, options, earlier)


@pytest.fixture(scope="module")
def cluster():
    """Two CPUs of this machine."""
    ray = pytest.importorskip("ray", reason='Ray is an extra: pip install "ray[data]"')
    # Workers are sent the names of the engines below, and import them.
    places = os.pathsep.join(map(str, (TESTS, TESTS.parent)))
    environment = {"env_vars": {"PYTHONPATH": places}}
    ray.init(num_cpus=2, runtime_env=environment, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_two_workers_one_of_which_is_killed_make_the_files_of_one(cluster, tmp_path):
    photos, out, marks = tmp_path / "photos", tmp_path / "dataset", tmp_path / "marks"
    make_pictures(photos, 24)
    (photos / "text.jpg").write_text("no picture")
    marks.mkdir()
    report = run_batch_on_ray(photos, out, partial(Deadly, marks), task(), workers=2)
    assert (marks / "killed").exists()
    local = run(photos, tmp_path / "local")
    assert contents(out) == contents(tmp_path / "local")
    assert report.total == report.made + report.kept + 1 == 25
    assert (report.masks, report.failures, report.written) == (local.masks, local.failures, local.written)


@pytest.mark.filterwarnings("ignore")
def test_what_stops_a_worker_stops_the_run(cluster, tmp_path):
    class Full(Engine):
        def steps(self, image, options, earlier=None):
            raise BatchError("The disk is full.")

    make_pictures(tmp_path / "photos", 2)
    with pytest.raises(BatchError, match="disk is full"):
        run_batch_on_ray(tmp_path / "photos", tmp_path / "dataset", Full, task(), workers=1)


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_cannot_begin_is_said(cluster, tmp_path):
    def refuse() -> Engine:
        raise RuntimeError("no model here")

    make_pictures(tmp_path / "photos", 2)
    with pytest.raises(BatchError, match=r"(?s)A worker failed .*no model here.*on every machine"):
        run_batch_on_ray(tmp_path / "photos", tmp_path / "dataset", refuse, task(), workers=1)


def test_without_ray_the_command_to_install_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BatchError, match=r'pip install "ray\[data\]"'):
        run_batch_on_ray(tmp_path, tmp_path / "dataset", Engine, task())


@pytest.mark.parametrize(
    ("resources", "workers", "share"),
    [
        ({"CPU": 8.0}, None, {"actors": 1, "num_cpus": 8}),  # a single machine
        ({"CPU": 8.0}, 3, {"actors": 3, "num_cpus": 2}),
        ({"CPU": 2.0}, 3, {"actors": 3, "num_cpus": 1}),  # more than there is room for at once
        ({"CPU": 16.0, "GPU": 4.0}, None, {"actors": 4, "num_cpus": 4, "num_gpus": 1.0}),  # one a GPU
        ({"CPU": 16.0, "GPU": 1.0}, 2, {"actors": 2, "num_cpus": 8, "num_gpus": 0.5}),  # two on one
    ],
)
def test_the_cluster_is_shared_out(resources, workers, share):
    assert _share(resources, workers) == share
