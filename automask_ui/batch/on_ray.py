"""Run a batch on the machines of a Ray cluster: a pool of actors, each with a model of its own.

Ray distributes names of pictures and collects outcomes; pixels and masks go between an actor and the file system, which
all machines have to share. An actor that dies is replaced and its pictures are distributed again; those that it had
finished are found on disk.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from automask_ui.batch.dataset import Dataset
from automask_ui.batch.pictures import Picture
from automask_ui.batch.run import BatchProgress, BatchReport, run_batch_with
from automask_ui.batch.worker import BatchTask, PictureOutcome, process_pictures
from automask_ui.errors import BatchError
from automask_ui.protocol import Engine

__all__ = ["run_batch_on_ray"]

_PICTURES_A_TASK = 8  # what is handed out at a time, and looked through again when an actor dies


def run_batch_on_ray(
    folder: Path,
    out: Path,
    make_engine: Callable[[], Engine],
    task: BatchTask,
    workers: int | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
) -> BatchReport:
    """`run_batch` on Ray: on the cluster that ``RAY_ADDRESS`` names, or on this machine; the same files to the byte.

    Args:
        folder: searched by this process; every machine has to see it under this path.
        out: likewise.
        make_engine: called once in every actor.
        task: what to do.
        workers: how many actors; one a GPU by default, or one where there is none.
        progress: called after every picture.

    Raises:
        BatchError: Ray is not installed, or what `run_batch` raises.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise BatchError('Ray is not installed. Install it: pip install "ray[data]"') from error

    work = partial(_process_on_actors, ray, make_engine, task, workers)
    return run_batch_with(work, folder.absolute(), out, task, progress)


def _process_on_actors(
    ray: Any,
    make_engine: Callable[[], Engine],
    task: BatchTask,
    workers: int | None,
    dataset: Dataset,
    pictures: Sequence[Picture],
) -> Generator[PictureOutcome, None, None]:
    """Process ``pictures`` on the actors; yield the outcomes in their order."""
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="warning")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    share = _share(ray.cluster_resources(), workers)
    rows = ray.data.from_items([{"picture": pickle.dumps(picture)} for picture in pictures])
    results = rows.map_batches(
        _Actor,
        fn_constructor_args=(dataset.root.absolute(), make_engine, task),
        batch_size=_PICTURES_A_TASK,
        compute=ray.data.ActorPoolStrategy(size=share.pop("actors")),
        **share,
    )
    try:
        for row in results.iter_rows():
            outcome = pickle.loads(row["outcome"])
            if isinstance(outcome, BatchError):
                raise outcome
            yield outcome
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BatchError(
            f"A worker failed ({type(error).__name__}: {reason}). AutoMask, the model's file and the folders have "
            "to be on every machine of the cluster. What is finished is kept."
        ) from error


class _Actor:
    """A worker process with a model of its own."""

    def __init__(self, root: Path, make_engine: Callable[[], Engine], task: BatchTask) -> None:
        self._dataset, self._engine, self._task = Dataset(root), make_engine(), task

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        pictures = [pickle.loads(picture) for picture in batch["picture"]]
        outcomes: list[PictureOutcome | BatchError] = []
        # Handed over as a value: Ray would wrap it, and try again what cannot work.
        try:
            outcomes.extend(process_pictures(self._dataset, self._engine, self._task, pictures))
        except BatchError as error:
            outcomes.append(error)
        return {"outcome": [pickle.dumps(outcome) for outcome in outcomes]}


def _share(resources: dict[str, float], workers: int | None) -> dict[str, Any]:
    """Choose the number of actors, and the share of the cluster's CPUs and GPUs for each."""
    gpus, cpus = resources.get("GPU", 0.0), resources.get("CPU", 1.0)
    count = workers or int(gpus) or 1
    # Ray lets an actor use as many threads as it has CPUs.
    share: dict[str, Any] = {"actors": count, "num_cpus": max(1, int(cpus) // count)}
    return {**share, "num_gpus": min(1.0, gpus / count)} if gpus else share
