"""The two losses: do cells belong together (on the encoder alone), and are the masks of a click right."""

import torch
from torch import Tensor
from torch.nn import functional

from automask_ui.training.decoder import SUBPIXELS, take_from_strata

ALL_MASKS_WEIGHT = 0.05
ALTERNATIVES_WEIGHT = 0.7
SINGLE_WEIGHT = 0.25
SCORE_WEIGHT = 1.0
DOUBT_WEIGHT = 0.3
MIN_CLASS_SHARE = 0.02
# In the cross-entropy cells that an outline runs through weigh this much more than others.
OUTLINE_EMPHASIS = 3.0
ORDERED_PAIRS = ((0, 1), (0, 2), (1, 2))


def affinity_loss(logits: Tensor, cell_ids: Tensor, cell_wholes: Tensor, cells: Tensor) -> Tensor:
    """Balanced cross-entropy of "these two cells belong together", where somebody knows.

    Args:
        logits: (2, B, K, K) float32 from `AffinityHead`.
        cell_ids: (B, N) int64 instances, -1 where nobody knows.
        cell_wholes: (B, N) int64 wholes, -1 where nobody knows.
        cells: (K,) int64, which cells were compared.

    Returns:
        () float32, the mean over both kinds of pairs of the sum over a batch.
    """
    labels = torch.stack([cell_ids, cell_wholes])[..., cells]
    same = (labels[..., :, None] == labels[..., None, :]).float()
    known = (labels >= 0).float()
    # Of two unknown cells nobody knows whether they belong together; an unknown and a labelled one do not.
    counts = 1 - (1 - known[..., :, None]) * (1 - known[..., None, :])
    total = counts.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1)
    share = ((same * counts).sum(dim=(1, 2, 3), keepdim=True) / total).clamp(1e-3, 1 - 1e-3)
    weight = torch.where(same > 0, 0.5 / share, 0.5 / (1 - share)) * counts / total
    return functional.binary_cross_entropy_with_logits(logits, same, weight=weight, reduction="sum") / len(labels)


def choose_cells(targets: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Choose the cells in which a click's masks are compared: most of them where a target is, some anywhere else.

    Args:
        targets: (G, L, N, SUBPIXELS) float32 cover of each prompt's targets.
        count: How many cells to choose, K.
        generator: Source of randomness.

    Returns:
        (G, K) int64 cells, and (G, K) float32 weights: how many cells each of them stands for.
    """
    cover = targets.mean(dim=-1)
    # Strata: 0 ground, 1 inside a target, 2 on an outline. Outlines and insides may take up to three eighths each.
    edge = ((cover > 0) & (cover < 1)).any(dim=1)
    stratum = torch.where(edge, 2, (cover > 0).any(dim=1).long())
    sizes = functional.one_hot(stratum, 3).sum(dim=1)
    ground, inner, outline = sizes.unbind(dim=1)
    take_outline = outline.clamp_max(count * 3 // 8)
    take_inner = inner.clamp_max(count * 3 // 8)
    take_ground = torch.minimum(ground, count - take_inner - take_outline)
    take_inner = torch.minimum(inner, count - take_ground - take_outline)
    takes = torch.stack([take_ground, take_inner, count - take_ground - take_inner], dim=1)
    return take_from_strata(stratum, sizes, takes, generator)


def mask_losses(
    logits: Tensor, targets: Tensor, weights: Tensor, balance: float, dice_weight: float
) -> tuple[Tensor, Tensor]:
    """Compare every mask output with every target.

    Args:
        logits: (G, 4, K, SUBPIXELS) float32.
        targets: (G, L, K, SUBPIXELS) float32 in [0, 1].
        weights: (G, K) float32, how many cells each chosen cell stands for.
        balance: From 0, plain cross-entropy, to 1, target and ground weigh the same however small the target.
        dice_weight: Weight of the dice loss beside the cross-entropy.

    Returns:
        (G, 4, L) float32 losses, cross-entropy plus dice, and (G, 4, L) float32 measured IoU, without gradient.
    """
    each = weights[:, None, :, None].expand(-1, 1, -1, SUBPIXELS).flatten(2)
    is_outline = (targets.amin(dim=3) < 0.5) & (targets.amax(dim=3) >= 0.5)
    emphasised = each * (1 + OUTLINE_EMPHASIS * is_outline.any(dim=1).repeat_interleave(SUBPIXELS, dim=1)[:, None])
    logits, wanted = logits.flatten(2), targets.flatten(2).transpose(1, 2)
    total, wanted_sum = emphasised.sum(dim=2, keepdim=True), each @ wanted
    surplus = functional.softplus(logits) * emphasised
    missed = surplus @ wanted - (logits * emphasised) @ wanted
    spilt = surplus.sum(dim=2, keepdim=True) - surplus @ wanted
    share = (emphasised @ wanted / total).clamp(MIN_CLASS_SHARE, 1 - MIN_CLASS_SHARE)
    entropy = (missed * (0.5 / share) ** balance + spilt * (0.5 / (1 - share)) ** balance) / total
    likely = torch.sigmoid(logits) * each
    dice = 1 - (2 * (likely @ wanted) + 1) / (likely.sum(dim=2, keepdim=True) + wanted_sum + 1)
    with torch.no_grad():
        hard, masks = (wanted > 0.5).float(), (logits > 0) * each
        both = masks @ hard
        iou = both / (masks.sum(dim=2, keepdim=True) + each @ hard - both).clamp_min(1e-6)
    return entropy + dice_weight * dice, iou


def doubt_loss(logits: Tensor, weights: Tensor, iou: Tensor) -> Tensor:
    """How unstable right masks are: one minus the stability score at an offset of 1, with soft steps.

    Wrong masks are left alone, so that the stability score goes on telling them from right ones. Without this loss
    right masks of small parts get a score too low for any threshold: their blurred outline is much of their area.

    Args:
        logits: (G, 4, K, SUBPIXELS) float32.
        weights: (G, K) float32, how many cells each chosen cell stands for.
        iou: (G, 4) float32, measured with the nearest target.

    Returns:
        () float32, the mean over all masks, each weighing as its IoU.
    """
    each = weights[:, None, :, None]
    inner, outer = ((torch.sigmoid(3 * (logits - offset)) * each).sum(dim=(2, 3)) for offset in (1, -1))
    doubt = 1 - (inner + 1) / (outer + 1)
    return (doubt * iou).sum() / iou.sum().clamp_min(1)


def click_loss(losses: Tensor, iou: Tensor, scores: Tensor, is_target: Tensor, knows_parts: Tensor) -> Tensor:
    """The loss of a click: each target is the business of one output; scores must tell the measured IoU.

    A click with two targets wants the smaller one from an earlier output than the larger one. Where nobody has labelled
    parts, the first alternative may find one: its mask is not compared with the thing then, and of its score nothing is
    known but that it should not be above the others', since what was asked for is the thing.

    Args:
        losses: (G, 4, 2) float32 from `mask_losses`; output 0 is the single mask, 1 to 3 are the alternatives.
        iou: (G, 4, 2) float32 from `mask_losses`.
        scores: (G, 4) float32, predicted IoU.
        is_target: (G, 2) bool, which targets there are; the first always is.
        knows_parts: (G,) bool, whether a click has two targets wherever there is a part.

    Returns:
        () float32, the mean over the clicks.
    """
    is_free = torch.zeros_like(scores, dtype=torch.bool)
    is_free[:, 1] = ~knows_parts & ~is_target[:, 1]
    first, second = losses[:, 1:].unbind(dim=2)
    pairs = torch.stack([first[:, i] + second[:, j] for i, j in ORDERED_PAIRS], dim=1)
    alone = first.masked_fill(is_free[:, 1:], torch.inf).amin(dim=1)
    nearest = torch.where(is_target[:, 1], pairs.amin(dim=1) / 2, alone).mean()
    to_any = losses.masked_fill(~is_target[:, None], torch.inf).amin(dim=2)
    # Of a part and a thing the single mask is to be the thing.
    single = torch.where(is_target[:, 1], losses[:, 0, 1], losses[:, 0, 0]).mean()
    measured = iou.masked_fill(~is_target[:, None], 0).amax(dim=2)
    surplus = (scores[:, 1] - scores[:, 2:].amax(dim=1).detach()).clamp_min(0)
    error = torch.cat([(scores - measured)[~is_free], surplus[is_free[:, 1]]])
    score_error = error.square().mean()
    return (
        nearest
        + ALL_MASKS_WEIGHT * to_any[:, 1:][~is_free[:, 1:]].mean()
        + SINGLE_WEIGHT * single
        + SCORE_WEIGHT * score_error
    )


def certain_loss(losses: Tensor, iou: Tensor, scores: Tensor) -> Tensor:
    """The loss of a prompt that can mean one thing only: all masks are to be it.

    Args:
        losses: (G, 4, 1) float32 from `mask_losses`.
        iou: (G, 4, 1) float32 from `mask_losses`.
        scores: (G, 4) float32, predicted IoU.

    Returns:
        () float32, the mean over the prompts.
    """
    single, alternatives = losses[:, 0, 0], losses[:, 1:, 0]
    masks = single.mean() + alternatives.amin(dim=1).mean() + ALTERNATIVES_WEIGHT * alternatives.mean()
    return 0.5 * masks + SCORE_WEIGHT * functional.mse_loss(scores, iou[..., 0])
