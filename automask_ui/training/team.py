"""Training by several single-threaded processes that average their gradients.

On a machine shared with other work this is much faster than one process with several threads: threads wait for each
other in every operation, these processes only once a step.
"""

import signal
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, multiprocessing, nn


@dataclass(frozen=True)
class Team:
    """This process's place among `size` processes."""

    rank: int = 0
    size: int = 1

    @property
    def is_rank_zero(self) -> bool:
        """Whether this process writes the log and the state."""
        return self.rank == 0

    def average(self, parameters: Iterable[nn.Parameter], figure: float) -> float:
        """Replace gradients by their mean over the team; returns the mean of a figure that each process has."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        together = torch.tensor([figure])
        self.add_up([*gradients, together])
        torch._foreach_div_([*gradients, together], self.size)
        return float(together)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace float32 tensors, the same in number and shape everywhere, by their sums over the team."""
        if self.size == 1:
            return
        everything = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(everything)
        pieces = everything.split([tensor.numel() for tensor in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view_as(tensor))


def run_team(size: int, work: Callable[..., None], *arguments: object) -> None:
    """Call `work(team, *arguments)` in `size` processes and wait for all; in this one, if it is one."""
    if size == 1:
        work(Team(), *arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting_place = (Path(folder) / "meet").as_uri()
        multiprocessing.spawn(_join, (size, meeting_place, work, arguments), nprocs=size)


def _join(rank: int, size: int, meeting_place: str, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    # With this signal PyTorch ends the team of a process that is gone; a program started in the background ignores it,
    # and two runs would then write into one state folder.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    distributed.init_process_group("gloo", init_method=meeting_place, rank=rank, world_size=size)
    torch.set_num_threads(1)
    try:
        work(Team(rank, size), *arguments)
    finally:
        distributed.destroy_process_group()
