"""Give the decoder a start at which it already works: a click's mask is what the encoder finds alike.

Gradients alone take the decoder many hours to get as far as the encoder already is, because it must first find out that
its masks are similarities. So that is built in: a short code of each cell is trained by the dense loss, the first
attention brings the code of the clicked cell into the tokens, and the hypernetworks compare it with the code of every
cell, at another threshold for each of the outputs. All else starts at zero and is learned from there.

`python -m automask_ui.training.affinity_start --minutes 5` does this to the encoder of the run in the state folder and
leaves a state from which `train --resume` goes on.
"""

import argparse
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional

from automask_ui.engine.encoders.builtin import EMBED_DIM, HEADS, IMAGE_SIZE, STRIDE, build_tiny_sam
from automask_ui.training.data import Batch, sample_batch
from automask_ui.training.decoder import decode_clicks
from automask_ui.training.losses import affinity_loss
from automask_ui.training.pool import ScenePool, default_state_dir, load_pool
from automask_ui.training.train import STAGES, load_run, new_run, save_run

logger = logging.getLogger(__name__)

CODE_DIM = 15
LOGIT_SCALE = 12.0
# Cosines from which on a cell belongs to the mask: the single mask, then the three alternatives.
THRESHOLDS = (0.78, 0.66, 0.78, 0.88)
COMPARED_CELLS = 700
WAVELENGTHS = (128.0, 38.0, 12.0, 4.6)
POSITION_GAIN = 3.6
TOKEN_GAIN = 1.5
# Added before the last GELU and taken off by the hypernetworks, so that the code passes it unbent.
LIFT = 7.0
FITTED_SCENES = 24
# Channels of the embedding: the first quarter carries features, the third their negatives (so that normalisation does
# not shift them), and the others are left to the positional code.
QUARTER = EMBED_DIM // 4
FEATURES, POSITIONS, NEGATIVES = slice(0, QUARTER), slice(QUARTER, 2 * QUARTER), slice(2 * QUARTER, 3 * QUARTER)
POSITIONS_TOO = slice(3 * QUARTER, None)


def learn_code(sam: Sam, pools: Sequence[ScenePool], seconds: float) -> nn.Conv2d:
    """Train a short code whose cosine says whether two cells belong together, on the encoder as it is."""
    code = nn.Conv2d(EMBED_DIM, CODE_DIM, 1)
    scale, shift = nn.Parameter(torch.full((2,), 7.0)), nn.Parameter(torch.full((2,), -4.0))
    optimizer = torch.optim.Adam([*code.parameters(), scale, shift], lr=1e-2, betas=(0.9, 0.98))
    started, step = time.monotonic(), 0
    while (spent := (time.monotonic() - started) / seconds) < 1:
        pool = pools[step % len(pools)]
        size = min(pool.ids.shape[1] // 256 * 256, IMAGE_SIZE)
        batch = sample_batch(pool, np.random.default_rng([55, step]), size, 2 * (IMAGE_SIZE // size), 0)
        cells = torch.randperm(batch.cell_ids[0].numel())[:COMPARED_CELLS]
        with torch.autocast("cpu", torch.bfloat16):
            embeddings = _embed(sam, batch)
        codes = functional.normalize(code(embeddings.float()).flatten(2)[..., cells].transpose(1, 2), dim=-1)
        logits = (codes @ codes.transpose(1, 2)) * scale[:, None, None, None] + shift[:, None, None, None]
        loss = affinity_loss(logits, batch.cell_ids, batch.cell_wholes, cells)
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - spent)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 40 == 0:
            logger.info("code: step %d, dense loss %.3f", step, loss.item())
    return code


@torch.no_grad()
def _embed(sam: Sam, batch: Batch) -> Tensor:
    pixels = (batch.images.float() - sam.pixel_mean) / sam.pixel_std
    return sam.image_encoder(pixels, batch.origin_cells)


@torch.no_grad()
def start_from_code(trained: Sam, code: nn.Conv2d, pool: ScenePool) -> Sam:
    """A model with the encoder of another, and a new decoder whose masks are similarities of the code."""
    sam = build_tiny_sam()
    sam.image_encoder.load_state_dict(trained.image_encoder.state_dict())
    _project_code(sam, code)
    _place_waves(sam)
    _carry_code_to_tokens(sam)
    _compare_codes(sam)
    tokens, codes = _clicked_codes(sam, pool)
    for output, mlp in enumerate(sam.mask_decoder.output_hypernetworks_mlps):
        _read_code(list(mlp.layers), tokens[:, output], codes, THRESHOLDS[output])
    return sam


def _project_code(sam: Sam, code: nn.Conv2d) -> None:
    """Let the encoder's last projection give the code, other features, and the negatives of both."""
    project = sam.image_encoder.project
    old = project.weight[..., 0, 0].clone()
    weight, bias = torch.zeros(EMBED_DIM, EMBED_DIM), torch.zeros(EMBED_DIM)
    assert code.bias is not None
    # The code was learned on what the projection gave until now.
    weight[:CODE_DIM] = code.weight[..., 0, 0] @ old
    bias[:CODE_DIM] = code.bias + code.weight[..., 0, 0] @ project.bias
    others = nn.init.orthogonal_(torch.empty(EMBED_DIM, EMBED_DIM))[: QUARTER - CODE_DIM]
    weight[CODE_DIM:QUARTER] = others * 0.5
    weight[NEGATIVES], bias[NEGATIVES] = -weight[FEATURES], -bias[FEATURES]
    project.weight.copy_(weight[..., None, None])
    project.bias.copy_(bias)


def _place_waves(sam: Sam) -> None:
    """Choose the positional code's waves: four lengths in two directions for each head, an unmistakable address."""
    waves = torch.zeros(2, EMBED_DIM // 2)
    each = QUARTER // HEADS
    for head in range(HEADS):
        for wave in range(each):
            length = WAVELENGTHS[wave // 2] * (1 + 0.07 * head)
            angle = math.pi / 8 * head + math.pi / 2 * (wave % 2)
            turns = IMAGE_SIZE / STRIDE / 2 / length
            waves[:, QUARTER + each * head + wave] = turns * torch.tensor([math.cos(angle), math.sin(angle)])
    prompts, decoder = sam.prompt_encoder, sam.mask_decoder
    prompts.pe_layer.positional_encoding_gaussian_matrix.copy_(waves)
    for learned in (decoder.iou_token, decoder.mask_tokens, *prompts.point_embeddings, prompts.not_a_point_embed):
        nn.init.normal_(learned.weight, std=0.005)
    nn.init.zeros_(prompts.no_mask_embed.weight)


def _carry_code_to_tokens(sam: Sam) -> None:
    """First layer: hand the click's address to all tokens, then fetch what lies there. All later layers pass it on."""
    transformer = sam.mask_decoder.transformer
    first, second = transformer.layers
    talk, look = first.self_attn, first.cross_attn_token_to_image
    one = torch.eye(QUARTER)
    for attention in (talk, look):
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
    nn.init.eye_(talk.v_proj.weight)
    talk.out_proj.weight[POSITIONS, POSITIONS] = one
    talk.out_proj.weight[FEATURES, POSITIONS] = -one
    talk.out_proj.weight[POSITIONS_TOO, POSITIONS_TOO] = one
    talk.out_proj.weight[NEGATIVES, POSITIONS_TOO] = -one
    address = _address_rows()
    look.q_proj.weight.copy_(address * POSITION_GAIN)
    look.k_proj.weight.copy_(address * POSITION_GAIN)
    look.v_proj.weight[:QUARTER, FEATURES], look.v_proj.weight[:QUARTER, NEGATIVES] = one / 2, -one / 2
    look.out_proj.weight[FEATURES, :QUARTER] = one * TOKEN_GAIN
    look.out_proj.weight[NEGATIVES, :QUARTER] = -one * TOKEN_GAIN
    later = (second.cross_attn_token_to_image, transformer.final_attn_token_to_image)
    for attention in later:
        attention.q_proj.weight.copy_(address * POSITION_GAIN * 0.7)
        attention.k_proj.weight.copy_(address * POSITION_GAIN * 0.7)
    quiet = [first.cross_attn_image_to_token, second.self_attn, second.cross_attn_image_to_token, *later]
    for linear in (*(attention.out_proj for attention in quiet), first.mlp.lin2, second.mlp.lin2):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)


def _address_rows() -> Tensor:
    """Which channels of the positional code each head reads: the sines and cosines of its own waves. (64, 128)."""
    rows, each = torch.zeros(EMBED_DIM // 2, EMBED_DIM), QUARTER // HEADS
    for head in range(HEADS):
        for wave in range(each):
            rows[2 * each * head + wave, QUARTER + each * head + wave] = 1
            rows[2 * each * head + each + wave, 3 * QUARTER + each * head + wave] = 1
    return rows


def _compare_codes(sam: Sam) -> None:
    """Upscaling: code and negative pass the first GELU, their difference is the code; lifted, it passes the second."""
    grow, _, _, shrink, _ = sam.mask_decoder.output_upscaling
    for linear in (grow, shrink):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    for channel in range(CODE_DIM):
        grow.weight[channel, channel], grow.weight[2 * QUARTER + channel, channel] = 2, -2
        grow.weight[channel, CODE_DIM + channel], grow.weight[2 * QUARTER + channel, CODE_DIM + channel] = -2, 2
        shrink.weight[channel, channel], shrink.weight[CODE_DIM + channel, channel] = 1, -1
    shrink.bias.fill_(LIFT)


def _clicked_codes(sam: Sam, pool: ScenePool) -> tuple[Tensor, Tensor]:
    """Final mask tokens of many clicks, (N, 4, EMBED_DIM), and the codes of the clicked cells, (N, CODE_DIM)."""
    tokens: list[Tensor] = []
    codes: list[Tensor] = []
    norm = sam.mask_decoder.transformer.norm_final_attn
    hook = norm.register_forward_hook(lambda _module, _inputs, output: tokens.append(output[:, 1:5]))
    for number in range(FITTED_SCENES):
        batch = sample_batch(pool, np.random.default_rng([77, number]), IMAGE_SIZE, 1, 24)
        embeddings = _embed(sam, batch)
        decode_clicks(sam, embeddings, batch.points_xy, batch.origin_cells)
        columns, rows = (batch.points_xy[0] // STRIDE).long().unbind(-1)
        codes.append(functional.normalize(embeddings[0, :CODE_DIM, rows, columns].T, dim=1))
    hook.remove()
    return torch.cat(tokens), torch.cat(codes)


def _read_code(layers: Sequence[nn.Linear], tokens: Tensor, codes: Tensor, threshold: float) -> None:
    """Fit a hypernetwork that reads the code from a token and turns it into a filter with a threshold."""
    known = torch.cat([tokens, torch.ones(len(tokens), 1)], dim=1)
    ridge = 0.05 * torch.eye(known.shape[1])
    fitted = torch.linalg.solve(known.T @ known + ridge, known.T @ codes)
    both = 2 * CODE_DIM
    # Two rectified halves, the code and its negative, carry signs through the ReLUs.
    layers[0].weight[:both] = torch.cat([fitted[:-1].T, -fitted[:-1].T])
    layers[0].bias[:both] = torch.cat([fitted[-1], -fitted[-1]])
    layers[1].weight[:both], layers[1].bias[:both] = 0, 0
    layers[1].weight[:both, :both] = torch.eye(both)
    nn.init.zeros_(layers[2].weight)
    nn.init.zeros_(layers[2].bias)
    # Normalised over 32 channels, code and negative together have length 4 each.
    gain = torch.eye(CODE_DIM) * LOGIT_SCALE / 4
    layers[2].weight[:CODE_DIM, :both] = torch.cat([gain, -gain], dim=1)
    layers[2].weight[CODE_DIM] = -layers[2].weight[:CODE_DIM].sum(dim=0)
    layers[2].bias[CODE_DIM] = -threshold * LOGIT_SCALE / LIFT


def main(arguments: Sequence[str] | None = None) -> None:
    """Rebuild the decoder of the run in the state folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long to train the code")
    parser.add_argument("--state-dir", type=Path, default=default_state_dir())
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(0)
    old = load_run(options.state_dir)
    sam = old.average.eval()
    crops, full = (load_pool(options.state_dir / f"pool-{side}") for side in (384, 512))
    code = learn_code(sam, (crops, full), 60 * options.minutes)
    sam = start_from_code(sam, code, full)
    before = next(stage.until for index, stage in enumerate(STAGES) if STAGES[index + 1].name == "full")
    run = new_run(sam, old.head, old.minutes, skip_to=before)
    run.step = old.step
    save_run(run, options.state_dir)


if __name__ == "__main__":
    main()
