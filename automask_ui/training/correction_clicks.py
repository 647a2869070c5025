"""Further clicks where the model's own mask is wrong, as somebody would click who corrects it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from automask_ui.engine.encoders.builtin import IMAGE_SIZE, STRIDE
from automask_ui.training.data import Batch
from automask_ui.training.prompts import ABSENT, BACKGROUND, FOREGROUND, MAX_TOKENS, PADDING

MOST_FURTHER = 4


@dataclass(frozen=True, eq=False)
class SampledMasks:
    """Masks of prompts and their targets, in some cells of the input.

    Attributes:
        logits: (G, 4, K, SUBPIXELS) float32.
        wanted: (G, L, K, SUBPIXELS) float32 cover in [0, 1].
        weights: (G, K) float32, how many cells each of them stands for.
        cells: (G, K) int64, flat indices.
    """

    logits: Tensor
    wanted: Tensor
    weights: Tensor
    cells: Tensor


@dataclass(frozen=True, eq=False)
class CorrectionClicks:
    """Prompts as in `Batch`: `meant` (B, R) int64, `points_xy` (B, R, T, 2) float32, `labels` (B, R, T) int64."""

    meant: Tensor
    points_xy: Tensor
    labels: Tensor


@torch.no_grad()
def correction_clicks(batch: Batch, looked: SampledMasks, count: int, generator: torch.Generator) -> CorrectionClicks:
    """Take some clicks, the one of their masks that is nearest to a target, and click one to four times on its errors.

    Args:
        batch: With its single clicks.
        looked: What came of these.
        count: How many of each image's clicks to go on with, R.
        generator: Source of randomness.
    """
    images, clicks = batch.clicks_xy.shape[:2]
    picked = torch.stack([torch.randperm(clicks, generator=generator)[:count] for _ in range(images)])
    rows = (picked + torch.arange(images)[:, None] * clicks).flatten()
    levels = _random_level(batch.is_target.flatten(0, 1)[rows], generator)
    wanted = looked.wanted[rows, levels].flatten(1) > 0.5
    masks = looked.logits[rows, 1:].flatten(2) > 0
    each = looked.weights[rows].repeat_interleave(looked.logits.shape[-1], dim=1)
    overlap = ((masks & wanted[:, None]) * each[:, None]).sum(2) / ((masks | wanted[:, None]) * each[:, None]).sum(2)
    nearest = masks[torch.arange(len(rows)), overlap.nan_to_num().argmax(dim=1)]
    # Where nothing is wrong, further clicks inside are as good as any.
    error = (nearest != wanted) * each + (wanted * each + 1e-3) * 1e-6
    places = torch.multinomial(error, MOST_FURTHER, generator=generator)
    points_xy = _pixels_at(looked.cells[rows], places)
    labels = torch.where(wanted.gather(1, places), FOREGROUND, BACKGROUND)
    number = torch.randint(1, MOST_FURTHER + 1, (len(rows), 1), generator=generator)
    labels = torch.where(torch.arange(MOST_FURTHER) < number, labels, ABSENT)
    first = batch.clicks_xy.flatten(0, 1)[rows][:, None]
    all_points = torch.cat([first, torch.zeros_like(first), points_xy], dim=1)
    all_labels = torch.cat([torch.tensor([[FOREGROUND, PADDING]]).expand(len(rows), -1), labels], dim=1)
    assert all_labels.shape[1] == MAX_TOKENS
    return CorrectionClicks(
        meant=picked * batch.is_target.shape[2] + levels.view(images, count),
        points_xy=all_points.unflatten(0, (images, count)),
        labels=all_labels.unflatten(0, (images, count)),
    )


def _random_level(is_target: Tensor, generator: torch.Generator) -> Tensor:
    """One of the targets that there are. (G, L) bool to (G,) int64."""
    return torch.multinomial(is_target.float(), 1, generator=generator)[:, 0]


def _pixels_at(cells: Tensor, places: Tensor) -> Tensor:
    """Pixels of the input, (G, M, 2) float32 xy, at places that number the low-resolution pixels of chosen cells."""
    cell, inside = cells.gather(1, places // 16), places % 16
    # Inside a cell, quarter (y1, x1) comes first, then the pixel (y2, x2) in it.
    rows = (inside >> 3 & 1) * 4 + (inside >> 1 & 1) * 2
    columns = (inside >> 2 & 1) * 4 + (inside & 1) * 2
    side = IMAGE_SIZE // STRIDE
    return torch.stack([cell % side * STRIDE + columns + 1, cell // side * STRIDE + rows + 1], dim=2).float()
