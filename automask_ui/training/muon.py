"""The Muon optimizer: momentum whose matrices are made orthogonal before they are applied.

Written after Keller Jordan's description (2024), with the step size of Liu et al. 2025 ("Muon is scalable for LLM
training"), which makes AdamW's learning rates fit. PyTorch's own takes plain matrices only; most weights here are
convolutions, which count as matrices of outputs by everything else.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from automask_ui.training.team import Team

MOMENTUM = 0.95
ITERATIONS = 5
# Coefficients of the quintic iteration that drives all singular values towards 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
ADAM_LIKE_SCALE = 0.2


class Muon(torch.optim.Optimizer):
    """Muon for weights with at least two dimensions.

    Args:
        params: Weights or groups of weights, as for any optimizer.
        lr: Learning rate, on AdamW's scale.
        weight_decay: Decoupled weight decay, as in AdamW.
        team: The processes that share the work; each keeps the momentum of its own share only.
    """

    def __init__(self, params: Iterable[Any], lr: float, weight_decay: float = 0.0, team: Team | None = None) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.team = team or Team()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Apply one step to every weight that has a gradient."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            updates = [torch.zeros_like(weight) for weight in weights]
            # Each process of the team works out its share of the updates.
            for index in range(self.team.rank, len(weights), self.team.size):
                updates[index] = self._update(weights[index])
            self.team.add_up(updates)
            for weight, update in zip(weights, updates, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"])
        return loss

    def _update(self, weight: nn.Parameter) -> Tensor:
        """What to take from a weight at learning rate 1, of the weight's shape."""
        assert weight.grad is not None
        gradient, state = weight.grad, self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM).flatten(1)
        update = orthogonal(ahead) * (ADAM_LIKE_SCALE * max(ahead.shape) ** 0.5)
        return update.reshape(weight.shape)


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with all its singular values brought near 1, by a Newton-Schulz iteration in bfloat16.

    Args:
        matrix: (M, N) float32.

    Returns:
        (M, N) float32.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    iterate = (matrix.T if tall else matrix).bfloat16()
    iterate = iterate / (iterate.norm() + 1e-7)
    first, third, fifth = QUINTIC
    for _ in range(ITERATIONS):
        gram = iterate @ iterate.T
        iterate = first * iterate + (third * gram + fifth * gram @ gram) @ iterate
    return (iterate.T if tall else iterate).float()
