"""Train the built-in checkpoint from scratch on drawn scenes, or go on with it.

`python -m automask_ui.training.train --minutes 120` starts anew; `--resume` goes on with an interrupted run or, where
that is finished or gone, starts a further run from its result or from the committed weights. Pools, optimizer state and
the log live in the state folder, outside the checkout. `python -m automask_ui.training.evaluate --from-state --export
VERSION` measures the result and writes the weights.
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

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from automask_ui.training.data import Batch, sample_batch
from automask_ui.training.decoder import Decoded, decode_clicks, glimpse_at, masks_at_cells, pixels_of_cells
from automask_ui.training.losses import affinity_loss, choose_cells, click_loss, mask_losses
from automask_ui.training.model import AffinityHead, new_model
from automask_ui.training.muon import Muon
from automask_ui.training.pool import ScenePool, default_state_dir, draw_pool, load_pool
from automask_ui.training.team import Team, run_team
from automask_ui.training.weights import WEIGHTS_PATH, load_weights

logger = logging.getLogger(__name__)

SEED = 7
AFFINITY_CELLS = 256
AVERAGE_DECAY = 0.996
WARMUP_STEPS = 120
GRADIENT_NORM = 1.0
WEIGHT_DECAY = 0.02
SAVE_EVERY_S = 120
LOG_EVERY = 50


@dataclass(frozen=True)
class Stage:
    """One part of a run.

    Attributes:
        name: For the log.
        until: Share of the run's time at which the stage ends.
        scene_px: Side of the pool's scenes.
        crop_px: Side of the crops.
        images: Crops a step.
        clicks: Clicks a crop; 0 trains the encoder alone.
        seen: At how many cells of a crop the decoder looks.
        cells: In how many of these the masks of a click are compared.
        rate: Learning rate at the start of a run; it falls to zero over the whole run.
        balance: See `mask_losses`.
        dice_weight: See `mask_losses`.
        dense_weight: Weight of the affinity loss beside the clicks' loss; at 0 the encoder is left as it is.
    """

    name: str
    until: float
    scene_px: int
    crop_px: int
    images: int
    clicks: int
    seen: int
    cells: int
    rate: float
    balance: float
    dice_weight: float
    dense_weight: float


STAGES = (
    Stage("dense", 0.12, 384, 256, 12, 0, 0, 0, 1.5e-3, 1.0, 0.0, 1.0),
    Stage("ignite", 0.20, 384, 128, 24, 12, 256, 112, 6e-4, 1.0, 0.5, 0.5),
    Stage("small", 0.27, 384, 128, 24, 12, 256, 112, 8e-4, 0.5, 1.0, 0.4),
    Stage("crops", 0.57, 384, 256, 12, 16, 448, 192, 1e-3, 0.4, 1.0, 0.4),
    Stage("full", 1.0, 512, 512, 4, 16, 1280, 512, 1e-3, 0.3, 1.0, 0.3),
)
POOL_SCENES = {384: 6000, 512: 3000}


@dataclass(eq=False)
class Run:
    """A run in progress: everything that a checkpoint keeps."""

    sam: Sam
    head: AffinityHead
    average: Sam
    optimizers: tuple[torch.optim.Optimizer, ...]
    minutes: float
    team: Team = field(default_factory=Team)
    seconds: float = 0.0
    step: int = 0
    last_tick: float = field(default_factory=time.monotonic)
    recent: deque[dict[str, float]] = field(default_factory=lambda: deque(maxlen=LOG_EVERY))

    @property
    def progress(self) -> float:
        """Share of the run's time that has passed."""
        return self.seconds / (60 * self.minutes)


def new_run(sam: Sam, head: AffinityHead, minutes: float, skip_to: float = 0.0, team: Team | None = None) -> Run:
    """A run from given weights; `skip_to` is the share of the schedule that those weights have behind them."""
    team = team or Team()
    sam.image_encoder.to(memory_format=torch.channels_last)
    named = [*sam.image_encoder.named_parameters(), *sam.mask_decoder.named_parameters()]
    matrices = [
        weight for name, weight in named if weight.dim() > 1 and "tokens" not in name and "iou_token" not in name
    ]
    taken = {id(weight) for weight in matrices}
    others = [weight for weight in (*sam.parameters(), *head.parameters()) if id(weight) not in taken]
    optimizers = (
        Muon(matrices, lr=0.0, weight_decay=WEIGHT_DECAY, team=team),
        torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    )
    return Run(sam, head, copy.deepcopy(sam), optimizers, minutes, team, seconds=skip_to * 60 * minutes)


def save_run(run: Run, folder: Path) -> None:
    """Write the run's state, replacing the one before only when the new one is complete."""
    state = {
        "sam": run.sam.state_dict(),
        "head": run.head.state_dict(),
        "average": run.average.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in run.optimizers],
        "progress": {"minutes": run.minutes, "seconds": run.seconds, "step": run.step},
    }
    unfinished = folder / "state.pt.new"
    torch.save(state, unfinished)
    os.replace(unfinished, folder / "state.pt")


def load_run(folder: Path, team: Team | None = None) -> Run:
    """Read the state that `save_run` wrote."""
    state = torch.load(folder / "state.pt", weights_only=True)
    sam, head = new_model()
    run = new_run(sam, head, state["progress"]["minutes"], team=team)
    run.sam.load_state_dict(state["sam"])
    run.head.load_state_dict(state["head"])
    run.average.load_state_dict(state["average"])
    for optimizer, kept in zip(run.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(kept)
    run.seconds, run.step = state["progress"]["seconds"], state["progress"]["step"]
    return run


def start_or_resume(folder: Path, minutes: float, resume: bool, team: Team) -> Run:
    """The run to go on with: the interrupted one, a further one from the weights at hand, or one from scratch."""
    if not resume:
        return new_run(*new_model(), minutes, team=team)
    if (folder / "state.pt").exists():
        run = load_run(folder, team)
        if run.progress < 1:
            return run
        return new_run(run.average, run.head, minutes, skip_to=STAGES[3].until, team=team)
    sam, head = new_model()
    load_weights(sam, WEIGHTS_PATH)
    return new_run(sam, head, minutes, skip_to=STAGES[3].until, team=team)


def train(run: Run, pools: dict[int, ScenePool], folder: Path, max_steps: int | None = None) -> None:
    """Train until the run's time or the number of steps is up, saving every few minutes and at the end."""
    last_step = None if max_steps is None else run.step + max_steps
    saved_at = time.monotonic()
    for stage in STAGES:
        if run.progress >= stage.until:
            continue
        logger.info("stage %s from step %d", stage.name, run.step)
        for batch in _batches(stage, pools[stage.scene_px], run):
            run.recent.append(train_step(run, stage, batch))
            if run.team.leads and run.step % LOG_EVERY == 0:
                _log(run, stage, folder)
            if run.team.leads and time.monotonic() - saved_at > SAVE_EVERY_S:
                save_run(run, folder)
                saved_at = time.monotonic()
            if run.step == last_step or run.progress >= stage.until:
                break
        if run.step == last_step:
            break
    if run.team.leads:
        save_run(run, folder)


def _batches(stage: Stage, pool: ScenePool, run: Run) -> Iterator[Batch]:
    """Batches one after another, each drawn in the background while the one before is trained on."""

    def draw(step: int) -> Batch:
        rng = np.random.default_rng([SEED, step, run.team.rank])
        return sample_batch(pool, rng, stage.crop_px, stage.images // run.team.size, stage.clicks)

    with ThreadPoolExecutor(max_workers=1) as background:
        coming = background.submit(draw, run.step)
        while True:
            batch = coming.result()
            coming = background.submit(draw, run.step + 1)
            yield batch


def train_step(run: Run, stage: Stage, batch: Batch) -> dict[str, float]:
    """One step of the optimizer; returns the figures for the log."""
    run.sam.train()
    if stage.crop_px == run.sam.image_encoder.img_size:
        # So few images a step would spoil the running statistics of the crops.
        _freeze_norms(run.sam.image_encoder)
    generator = torch.Generator().manual_seed(run.step * run.team.size + run.team.rank)
    pixels = (batch.images.float() - run.sam.pixel_mean) / run.sam.pixel_std
    cells = torch.randperm(batch.cell_ids[0].numel(), generator=generator)[:AFFINITY_CELLS]
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(stage.dense_weight > 0):
        embeddings = run.sam.image_encoder(pixels.to(memory_format=torch.channels_last), batch.origin_cells)
        affinity = run.head(embeddings, cells)
    dense = affinity_loss(affinity, batch.cell_ids, batch.cell_wholes, cells)
    figures = {"dense": dense.item()}
    loss = stage.dense_weight * dense
    if stage.clicks:
        clicks, more = _clicks_loss(run.sam, stage, batch, embeddings, generator)
        loss = loss + clicks
        figures |= {"clicks": clicks.item(), **more}
    loss.backward()
    _update(run, stage)
    return figures


def _clicks_loss(
    sam: Sam, stage: Stage, batch: Batch, embeddings: Tensor, generator: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """The loss of all clicks of a batch and its figures."""
    glimpse = glimpse_at(batch.points_xy, embeddings.shape[-1], stage.seen, generator)
    seen, stands_for = (values.repeat_interleave(stage.clicks, 0) for values in (glimpse.cells, glimpse.stands_for))
    targets = _at_cells(pixels_of_cells(batch.targets.flatten(0, 1)), seen)
    chosen, weights = choose_cells(targets, stage.cells, generator)
    with torch.autocast("cpu", torch.bfloat16):
        decoded = decode_clicks(sam, embeddings.bfloat16(), batch.points_xy, batch.origin_cells, glimpse)
        logits = masks_at_cells(sam.mask_decoder, decoded, chosen)
    wanted = _at_cells(targets, chosen)
    weights = weights * stands_for.gather(1, chosen)
    scores = decoded.scores.float()
    losses, iou = mask_losses(logits.float(), wanted, weights, stage.balance, stage.dice_weight)
    figures = _click_figures(iou[:, 1:].amax(dim=2), scores[:, 1:].detach())
    figures["spread"] = _spread_across_clicks(sam, decoded, stage.clicks)
    return click_loss(losses, iou, scores), figures


def _at_cells(targets: Tensor, cells: Tensor) -> Tensor:
    """Some cells of (G, 2, N, SUBPIXELS) targets, chosen by (G, K) indices."""
    return targets.gather(2, cells[:, None, :, None].expand(-1, 2, -1, targets.shape[-1]))


@torch.no_grad()
def _spread_across_clicks(sam: Sam, decoded: Decoded, clicks: int) -> float:
    """How much a pixel's logit differs between clicks on one image; near zero means that clicks are ignored."""
    few = Decoded(*(values[:clicks].float() for values in (decoded.cells, decoded.hypers, decoded.scores)))
    every_fourth = torch.arange(0, few.cells.shape[1], 4).expand(clicks, -1)
    return masks_at_cells(sam.mask_decoder, few, every_fourth).float().std(dim=0).mean().item()


def _click_figures(iou: Tensor, scores: Tensor) -> dict[str, float]:
    """Mean IoU of the best and the preferred of three masks, and the scores' correlation with it. Both (G, 3)."""
    preferred = iou.gather(1, scores.argmax(dim=1, keepdim=True))
    together = torch.corrcoef(torch.stack([iou.flatten(), scores.flatten()]))
    return {
        "best": iou.amax(dim=1).mean().item(),
        "preferred": preferred.mean().item(),
        "correlation": together[0, 1].item(),
    }


def _freeze_norms(encoder: nn.Module) -> None:
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _update(run: Run, stage: Stage) -> None:
    """Apply the team's gradients, and move the averaged weights a little towards the new ones."""
    groups = [group for optimizer in run.optimizers for group in optimizer.param_groups]
    parameters = [parameter for group in groups for parameter in group["params"]]
    # Time is agreed upon with the gradients, so that all enter the next stage at the same step.
    now = time.monotonic()
    run.seconds += run.team.average(parameters, now - run.last_tick)
    run.last_tick = now
    warmup = min(1.0, (run.step + 1) / WARMUP_STEPS)
    for group in groups:
        group["lr"] = stage.rate * warmup * max(0.0, 1 - run.progress**2)
        nn.utils.clip_grad_norm_(group["params"], GRADIENT_NORM)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad()
    run.step += 1
    # A young run's average must not lag behind the weights it began with.
    decay = min(AVERAGE_DECAY, run.step / (run.step + 50))
    with torch.no_grad():
        torch._foreach_lerp_(list(run.average.parameters()), list(run.sam.parameters()), 1 - decay)
        for kept, new in zip(run.average.buffers(), run.sam.buffers(), strict=True):
            kept.copy_(new)


def _log(run: Run, stage: Stage, folder: Path) -> None:
    names = run.recent[-1].keys()
    figures = {name: float(np.mean([row[name] for row in run.recent if name in row])) for name in names}
    text = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
    logger.info("step %d %.0f s (%.0f %%) %s %s", run.step, run.seconds, 100 * run.progress, stage.name, text)
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": run.step, "seconds": run.seconds, "stage": stage.name, **figures}) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120, help="length of the run")
    parser.add_argument("--resume", action="store_true", help="go on instead of starting from scratch")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--state-dir", type=Path, default=default_state_dir())
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for side, count in POOL_SCENES.items():
        draw_pool(options.state_dir / f"pool-{side}", count, (side, side), processes=options.processes)
    run_team(options.processes, _train_in_team, options.state_dir, options.minutes, options.resume)


def _train_in_team(team: Team, folder: Path, minutes: float, resume: bool) -> None:
    """What each process of the team does."""
    logging.basicConfig(level=logging.INFO if team.leads else logging.WARNING, format="%(asctime)s %(message)s")
    run = start_or_resume(folder, minutes, resume, team)
    train(run, {side: load_pool(folder / f"pool-{side}") for side in POOL_SCENES}, folder)


if __name__ == "__main__":
    main()
