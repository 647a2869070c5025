"""Train the built-in checkpoint further, on photographs with masks and on drawn scenes.

`python -m automask_ui.training.train --photographs FOLDER --minutes 120` goes on with an interrupted run or, where
there is none, starts one from the committed weights. The state, the log and the pool of drawn scenes live in the state
folder, outside the checkout. `python -m automask_ui.training.evaluate --from-state` measures the result, and
`python -m automask_ui.training.export` writes the weights.
"""

import argparse
import copy
import json
import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional

from automask_ui.engine.encoders.builtin import build_tiny_sam
from automask_ui.training.affinity import AffinityHead
from automask_ui.training.correction_clicks import SampledMasks, correction_clicks
from automask_ui.training.data import Batch, Sources, sample_batch
from automask_ui.training.decoder import (
    SUBPIXELS,
    Decoded,
    Glimpse,
    MaskPrompts,
    decode_prompts,
    glimpse_at,
    masks_at_cells,
)
from automask_ui.training.drawn.pool import default_state_dir, draw_pool
from automask_ui.training.losses import (
    DOUBT_WEIGHT,
    affinity_loss,
    certain_loss,
    choose_cells,
    click_loss,
    doubt_loss,
    mask_losses,
)
from automask_ui.training.photographs import read_manifest
from automask_ui.training.prompts import FOREGROUND, PADDING, UPPER_LEFT
from automask_ui.training.team import Team, run_team
from automask_ui.training.weights import WEIGHTS_PATH, load_weights

logger = logging.getLogger(__name__)

SEED = 11
DRAWN_SCENES, DRAWN_PX = 600, 512
AFFINITY_CELLS = 256
AVERAGE_DECAY = 0.996
WARMUP_STEPS = 60
GRADIENT_NORM = 1.0
WEIGHT_DECAY = 0.02
SAVE_EVERY_S = 180
LOG_EVERY = 25
# A step that takes longer was interrupted; the run's clock does not count the rest.
LONGEST_STEP_S = 20.0
# The stem and the first blocks see edges and colours; ImageNet's are good enough.
FROZEN_BLOCKS = 3
# Learning rates: of the trunk as a share of each tensor's size, since its folded batch norms made these differ.
TRUNK_RATE, NEW_RATE, DECODER_RATE = 2e-3, 1e-3, 4e-4


@dataclass(frozen=True)
class Settings:
    """How much a step sees.

    Attributes:
        images: Full inputs a step, over the whole team.
        clicks: Single clicks on each.
        others: Boxes and corrections on each, half of them boxes.
        further: How many of the clicks on each get further clicks where their masks are wrong.
        seen: At how many of the 4096 cells of an input the decoder looks.
        cells: In how many of these the masks of a click are compared.
        balance: See `mask_losses`.
        dice_weight: See `mask_losses`.
        dense_weight: Weight of the affinity loss beside the clicks' loss.
        others_weight: Weight of the loss of all other prompts beside it.
    """

    images: int = 4
    clicks: int = 12
    others: int = 12
    further: int = 6
    seen: int = 1280
    cells: int = 448
    balance: float = 0.3
    dice_weight: float = 1.0
    dense_weight: float = 0.3
    others_weight: float = 1.5


@dataclass(eq=False)
class Run:
    """A run in progress: everything that a checkpoint keeps."""

    sam: Sam
    head: AffinityHead
    average: Sam
    optimizer: torch.optim.Optimizer
    minutes: float
    team: Team = field(default_factory=Team)
    seconds: float = 0.0
    step: int = 0
    first_step: int = 0
    last_tick: float = field(default_factory=time.monotonic)
    recent: deque[dict[str, float]] = field(default_factory=lambda: deque(maxlen=LOG_EVERY))

    @property
    def progress(self) -> float:
        """Share of the run's time that has passed."""
        return self.seconds / (60 * self.minutes)


def new_run(sam: Sam, head: AffinityHead, minutes: float, team: Team | None = None) -> Run:
    """A run from given weights."""
    encoder = sam.image_encoder
    for module in (encoder.stem, *encoder.blocks[:FROZEN_BLOCKS]):
        module.requires_grad_(False)
    # Not learned in SAM either: the positional code is a buffer, and what has no use for clicks alone stays as it is.
    trunk = list(encoder.blocks[FROZEN_BLOCKS:].parameters())
    taken = {id(weight) for weight in encoder.blocks.parameters()}
    new = [weight for weight in encoder.parameters() if id(weight) not in taken and weight.requires_grad]
    sizes = [float(weight.detach().pow(2).mean().sqrt().clamp_min(1e-3)) for weight in trunk]
    groups = [_group("trunk", [weight], TRUNK_RATE * size) for weight, size in zip(trunk, sizes, strict=True)]
    groups.append(_group("new", [*new, *head.parameters()], NEW_RATE))
    groups.append(_group("decoder", [*sam.prompt_encoder.parameters(), *sam.mask_decoder.parameters()], DECODER_RATE))
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY, fused=True)
    return Run(sam, head, copy.deepcopy(sam), optimizer, minutes, team or Team())


def _group(part: str, weights: list[nn.Parameter], rate: float) -> dict[str, object]:
    return {"params": weights, "part": part, "full_rate": rate}


def save_run(run: Run, folder: Path) -> None:
    """Write the run's state, replacing the one before only when the new one is complete."""
    state = {
        "sam": run.sam.state_dict(),
        "head": run.head.state_dict(),
        "average": run.average.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "progress": {"minutes": run.minutes, "seconds": run.seconds, "step": run.step, "first_step": run.first_step},
    }
    unfinished = folder / "state.pt.new"
    torch.save(state, unfinished)
    os.replace(unfinished, folder / "state.pt")


def load_run(folder: Path, team: Team | None = None) -> Run:
    """Read the state that `save_run` wrote."""
    state = torch.load(folder / "state.pt", weights_only=True)
    run = new_run(build_tiny_sam(), AffinityHead(), state["progress"]["minutes"], team)
    run.sam.load_state_dict(state["sam"])
    run.head.load_state_dict(state["head"])
    run.average.load_state_dict(state["average"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.seconds, run.step = state["progress"]["seconds"], state["progress"]["step"]
    run.first_step = state["progress"]["first_step"]
    return run


def start_or_resume(folder: Path, minutes: float, team: Team) -> Run:
    """The run to go on with: the interrupted one, or one from the last one's result or from the committed weights."""
    if not (folder / "state.pt").exists():
        torch.manual_seed(0)
        sam = build_tiny_sam()
        load_weights(sam, WEIGHTS_PATH)
        return new_run(sam, AffinityHead(), minutes, team)
    run = load_run(folder, team)
    if run.progress < 1:
        return run
    further = new_run(run.average, run.head, minutes, team)
    further.step = further.first_step = run.step
    return further


def train(run: Run, sources: Sources, folder: Path, settings: Settings, max_steps: int | None = None) -> None:
    """Train until the run's time or the number of steps is up, saving every few minutes and at the end."""
    last_step = None if max_steps is None else run.step + max_steps
    saved_at = time.monotonic()
    run.last_tick = time.monotonic()
    for batch in _batches(settings, sources, run):
        run.recent.append(train_step(run, settings, batch))
        if run.team.is_rank_zero and run.step % LOG_EVERY == 0:
            _log(run, folder)
        if run.step == last_step or run.progress >= 1:
            break
        if run.team.is_rank_zero and time.monotonic() - saved_at > SAVE_EVERY_S:
            save_run(run, folder)
            saved_at = time.monotonic()
    if run.team.is_rank_zero:
        save_run(run, folder)


def _batches(settings: Settings, sources: Sources, run: Run) -> Iterator[Batch]:
    """This process's share of each step's batch; drawn in the background while the one before is trained on."""

    def draw(step: int) -> Batch:
        rng = np.random.default_rng([SEED, step, run.team.rank])
        return sample_batch(sources, rng, settings.images // run.team.size, settings.clicks, settings.others)

    with ThreadPoolExecutor(max_workers=1) as background:
        coming = background.submit(draw, run.step)
        while True:
            batch = coming.result()
            coming = background.submit(draw, run.step + 1)
            yield batch


def train_step(run: Run, settings: Settings, batch: Batch) -> dict[str, float]:
    """One step of the optimizer; returns the figures for the log."""
    generator = torch.Generator().manual_seed(run.step * run.team.size + run.team.rank)
    pixels = (batch.images.float() - run.sam.pixel_mean) / run.sam.pixel_std
    cells = torch.randperm(batch.cell_ids.shape[1], generator=generator)[:AFFINITY_CELLS]
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = run.sam.image_encoder(pixels)
        affinity = run.head(embeddings, cells)
    dense = affinity_loss(affinity, batch.cell_ids, batch.cell_wholes, cells)
    clicks, looked, figures = _clicks_loss(run.sam, settings, batch, embeddings, generator)
    others, more = _others_loss(run.sam, settings, batch, embeddings, looked, generator)
    (settings.dense_weight * dense + clicks + settings.others_weight * others).backward()
    _update(run)
    return {"dense": dense.item(), "clicks": clicks.item(), **figures, "others": others.item(), **more}


def _clicks_loss(
    sam: Sam, settings: Settings, batch: Batch, embeddings: Tensor, generator: torch.Generator
) -> tuple[Tensor, SampledMasks, dict[str, float]]:
    """The loss of all single clicks of a batch, what came of them, and its figures."""
    glimpse = glimpse_at(batch.clicks_xy, outlines_of(batch.targets), batch.is_void, settings.seen, generator)
    points_xy = functional.pad(batch.clicks_xy[:, :, None], (0, 0, 0, 1))
    labels = torch.tensor([FOREGROUND, PADDING]).expand(points_xy.shape[:3])
    with torch.autocast("cpu", torch.bfloat16):
        decoded = decode_prompts(sam, embeddings.bfloat16(), points_xy, labels, glimpse)
    looked = _look(sam, settings, decoded, glimpse, batch.targets, generator)
    is_target, scores = batch.is_target.flatten(0, 1), decoded.scores.float()
    losses, iou = mask_losses(looked.logits, looked.wanted, looked.weights, settings.balance, settings.dice_weight)
    figures = _click_figures(iou.detach(), scores.detach(), is_target)
    loss = click_loss(losses, iou, scores, is_target, batch.knows_parts.flatten())
    doubt = doubt_loss(looked.logits, looked.weights, iou.masked_fill(~is_target[:, None], 0).amax(dim=2))
    return loss + DOUBT_WEIGHT * doubt, looked, {**figures, "doubt": doubt.item()}


def _others_loss(
    sam: Sam, settings: Settings, batch: Batch, embeddings: Tensor, looked: SampledMasks, generator: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """The loss of boxes and corrections, and of the clicks of before with further ones where their masks are wrong."""
    correcting = correction_clicks(batch, looked, settings.further, generator)
    meant = torch.cat([batch.meant, correcting.meant], dim=1)
    targets = batch.targets.flatten(1, 2)[torch.arange(len(meant))[:, None], meant][:, :, None]
    points_xy = torch.cat([batch.points_xy, correcting.points_xy], dim=1)
    labels = torch.cat([batch.labels, correcting.labels], dim=1)
    near = torch.where((labels >= 0)[..., None], points_xy, points_xy[:, :, :1]).flatten(1, 2)
    glimpse = glimpse_at(near, outlines_of(targets), batch.is_void, settings.seen, generator)
    has_mask = functional.pad(batch.has_mask, (0, settings.further)).flatten()
    masks = MaskPrompts(batch.masks[batch.has_mask].float(), has_mask.nonzero()[:, 0])
    with torch.autocast("cpu", torch.bfloat16):
        decoded = decode_prompts(sam, embeddings.bfloat16(), points_xy, labels, glimpse, masks)
    seen = _look(sam, settings, decoded, glimpse, targets, generator)
    losses, iou = mask_losses(seen.logits, seen.wanted, seen.weights, settings.balance, settings.dice_weight)
    scores = decoded.scores.float()
    by_kind = iou[:, 1:, 0].gather(1, scores[:, 1:].argmax(dim=1, keepdim=True)).view(len(meant), -1)
    boxes = (batch.labels == UPPER_LEFT).any(dim=2).sum(dim=1)[0]
    figures = {
        "box": by_kind[:, :boxes].mean().item(),
        "corrected": by_kind[:, boxes : batch.meant.shape[1]].mean().item(),
        "further": by_kind[:, batch.meant.shape[1] :].mean().item(),
    }
    return certain_loss(losses, iou, scores), figures


def _look(
    sam: Sam, settings: Settings, decoded: Decoded, glimpse: Glimpse, targets: Tensor, generator: torch.Generator
) -> SampledMasks:
    """Masks and targets in some of the cells that the decoder looked at. targets (B, P, L, N, SUBPIXELS) uint8."""
    prompts = targets.shape[1]
    seen, stands_for = (values.repeat_interleave(prompts, 0) for values in (glimpse.cells, glimpse.stands_for))
    there = _at_cells(targets.flatten(0, 1), seen).float() / 4
    chosen, weights = choose_cells(there, settings.cells, generator)
    with torch.autocast("cpu", torch.bfloat16):
        logits = masks_at_cells(sam.mask_decoder, decoded, chosen)
    weights = weights * stands_for.gather(1, chosen)
    return SampledMasks(logits.float(), _at_cells(there, chosen), weights, seen.gather(1, chosen))


def outlines_of(targets: Tensor) -> Tensor:
    """Cells that the outline of any target runs through. (B, P, L, N, SUBPIXELS) uint8 to (B, N) bool."""
    cover = targets.flatten(1, 2).sum(dim=-1, dtype=torch.int32)
    return ((cover > 0) & (cover < 4 * SUBPIXELS)).any(dim=1)


def _at_cells(targets: Tensor, cells: Tensor) -> Tensor:
    """Some cells of (G, L, N, SUBPIXELS) targets, chosen by (G, K) indices."""
    return targets.gather(2, cells[:, None, :, None].expand(-1, targets.shape[1], -1, targets.shape[-1]))


def _click_figures(iou: Tensor, scores: Tensor, is_target: Tensor) -> dict[str, float]:
    """Mean IoU of the best mask for each target and of the preferred mask, and the scores' correlation and error.

    Args:
        iou: (G, 4, 2) float32.
        scores: (G, 4) float32.
        is_target: (G, 2) bool.
    """
    best = iou[:, 1:].amax(dim=1)[is_target]
    measured = iou.masked_fill(~is_target[:, None], 0).amax(dim=2)[:, 1:]
    preferred = measured.gather(1, scores[:, 1:].argmax(dim=1, keepdim=True))
    together = torch.corrcoef(torch.stack([measured.flatten(), scores[:, 1:].flatten()]))
    return {"best": best.mean().item(), "preferred": preferred.mean().item(), "correlation": together[0, 1].item()}


def _update(run: Run) -> None:
    """Apply the team's gradients, and move the averaged weights a little towards the new ones."""
    groups = run.optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    # Time is agreed upon with the gradients, so that all end at the same step.
    now = time.monotonic()
    run.seconds += run.team.average(parameters, min(LONGEST_STEP_S, now - run.last_tick))
    run.last_tick = now
    for part in {group["part"] for group in groups}:
        of_part = [weight for group in groups if group["part"] == part for weight in group["params"]]
        nn.utils.clip_grad_norm_(of_part, GRADIENT_NORM)
    own_steps = run.step - run.first_step
    for group in groups:
        group["lr"] = group["full_rate"] * min(1.0, (own_steps + 1) / WARMUP_STEPS) * max(0.0, 1 - run.progress**2)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.step += 1
    # A young run's average must not lag behind the weights it began with.
    decay = min(AVERAGE_DECAY, (own_steps + 1) / (own_steps + 51))
    with torch.no_grad():
        torch._foreach_lerp_(list(run.average.parameters()), list(run.sam.parameters()), 1 - decay)


def _log(run: Run, folder: Path) -> None:
    names = run.recent[-1].keys()
    figures = {name: float(np.nanmean([row[name] for row in run.recent if name in row])) for name in names}
    text = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
    logger.info("step %d %.0f s (%.0f %%) %s", run.step, run.seconds, 100 * run.progress, text)
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": run.step, "seconds": run.seconds, **figures}) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--minutes", type=float, default=120, help="length of a run that is started")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--state-dir", type=Path, default=default_state_dir())
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    draw_pool(options.state_dir / "pool-512", DRAWN_SCENES, (DRAWN_PX, DRAWN_PX), processes=options.processes)
    run_team(options.processes, _train_in_team, options.state_dir, options.photographs, options.minutes)


def _train_in_team(team: Team, folder: Path, photographs: Path, minutes: float) -> None:
    """What each process of the team does."""
    logging.basicConfig(level=logging.INFO if team.is_rank_zero else logging.WARNING, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    drawn = draw_pool(folder / "pool-512", DRAWN_SCENES, (DRAWN_PX, DRAWN_PX))
    sources = Sources.of(read_manifest(photographs), drawn)
    train(start_or_resume(folder, minutes, team), sources, folder, Settings())


if __name__ == "__main__":
    main()
