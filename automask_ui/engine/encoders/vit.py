"""SAM's plain vision transformer, with attention that never holds N×N scores.

Upstream materialises heads × 4096 × 4096 scores in each global block and projects the padding of each windowed one.
Here scores live for one strip of queries of one head at a time, with the decomposed relative position added in place,
and padded positions, which are all zero before the projection, get its bias without one. Nothing of the model is
changed or copied: these functions only read the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from segment_anything.modeling.image_encoder import Attention, Block, ImageEncoderViT, get_rel_pos
from torch import Tensor, nn

from automask_ui.engine.runtime.scratch import Scratch
from automask_ui.engine.runtime.threads import map_parallel

__all__ = ["encode_vit", "vit_blocks"]

# Scores of one head that are computed together: half a million floats, which stay in the processor's cache.
STRIP_SCORES = 1 << 19
# Image tokens that pass through the layers between two attentions together.
TOKENS_TOGETHER = 512


def encode_vit(encoder: ImageEncoderViT, inputs: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Compute ``encoder(inputs)``: 1×3×S×S to 1×C×S/16×S/16, with large products between norms in ``dtype``.

    The first and the last layers stay float32: of what rounding adds, theirs would be half, and they take no longer.
    """
    for _, tokens in vit_blocks(encoder, inputs, dtype):
        x = tokens
    return encoder.neck(x.permute(2, 0, 1)[None])


def vit_blocks(encoder: ImageEncoderViT, inputs: Tensor, dtype: torch.dtype) -> Iterator[tuple[Block, Tensor]]:
    """Run the encoder up to its neck: yield each block, and the image tokens after it, H×W×C float32.

    The next block changes them in place.
    """
    x = encoder.patch_embed(inputs)
    if encoder.pos_embed is not None:
        x = x + encoder.pos_embed
    scratch, x = Scratch(), x[0].float().contiguous()
    for block in encoder.blocks:
        _run_block(block, x, dtype, scratch)
        yield block, x


def _run_block(block: Block, x: Tensor, dtype: torch.dtype, scratch: Scratch) -> None:
    """One transformer block on image tokens H×W×C float32, in place."""
    attention, (height, width, channels) = block.attn, x.shape
    window_hw = (block.window_size, block.window_size) if block.window_size else (height, width)
    padded_hw = (height + -height % window_hw[0], width + -width % window_hw[1])
    like = x.new_empty(0, dtype=dtype)
    qkv = scratch.take("qkv", (*padded_hw, 3 * channels), like)
    qkv[height:] = qkv[:, width:] = attention.qkv.bias
    project = _linear(attention.qkv, dtype)
    _by_rows(lambda rows: project(block.norm1(rows)), qkv[:height, :width], x)
    attended = scratch.take("attended", (*padded_hw, channels), like)
    _attend(attention, qkv, window_hw, attended, scratch)
    join, widen, narrow = (_linear(layer, dtype) for layer in (attention.proj, block.mlp.lin1, block.mlp.lin2))

    def finish(rows: Tensor, attended: Tensor) -> Tensor:
        rows = rows + join(attended)
        return rows + narrow(block.mlp.act(widen(block.norm2(rows))))

    _by_rows(finish, x, x, attended[:height, :width])


def _linear(layer: nn.Linear, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The layer in ``dtype``; its weights are converted once, not for every part of the rows."""
    weight, bias = layer.weight.to(dtype), layer.bias.to(dtype)
    # As a matrix: given rows with gaps between them, PyTorch copies the weights for each.
    return lambda x: F.linear(x.to(dtype).flatten(0, 1), weight, bias).unflatten(0, x.shape[:2])


def _by_rows(work: Callable[..., Tensor], result: Tensor, *inputs: Tensor) -> None:
    """Compute ``result = work(*inputs)`` for work on single tokens of H×W×C; a CPU does groups of rows in parallel."""
    step = max(1, TOKENS_TOGETHER // result.shape[1]) if result.device.type == "cpu" else len(result)

    def some(begin: int) -> None:
        rows = slice(begin, begin + step)
        result[rows] = work(*(tokens[rows] for tokens in inputs))

    _for_each_parallel(some, range(0, len(result), step), result.device)


def _for_each_parallel(work: Callable[[int], None], items: Sequence[int], device: torch.device) -> None:
    """Call ``work`` for every item; on a CPU in several threads."""
    if device.type != "cpu":
        for item in items:
            work(item)
        return

    def run(item: int) -> None:
        with torch.inference_mode():
            work(item)

    map_parallel(run, items)


def _attend(attention: Attention, qkv: Tensor, window_hw: tuple[int, int], result: Tensor, scratch: Scratch) -> None:
    """Attention within each window: H×W×3C to ``result``, H×W×C, before the last projection."""
    heads = attention.num_heads
    source = _windows(qkv.unflatten(2, (3, heads, -1)), window_hw)  # rows×columns×h×w×3×heads×d
    target = _windows(result.unflatten(2, (heads, -1)), window_hw)
    positions = None
    if attention.use_rel_pos:
        # Source: ``add_decomposed_rel_pos`` of upstream, after MViTv2.
        tables = zip(window_hw, (attention.rel_pos_h, attention.rel_pos_w), strict=True)
        positions = tuple(get_rel_pos(size, size, table).to(qkv.dtype) for size, table in tables)

    def attend(head: int) -> None:
        attended = _attend_head(source[..., head, :].flatten(0, 1), attention.scale, positions, scratch)
        target[..., head, :] = attended.view(target.shape[:-2] + attended.shape[-1:])

    _for_each_parallel(attend, range(heads), qkv.device)


def _windows(grid: Tensor, window_hw: tuple[int, int]) -> Tensor:
    """A view of H×W×... as rows×columns×h×w×... windows."""
    return grid.unflatten(1, (-1, window_hw[1])).unflatten(0, (-1, window_hw[0])).transpose(1, 2)


def _attend_head(qkv: Tensor, scale: float, positions: tuple[Tensor, ...] | None, scratch: Scratch) -> Tensor:
    """One head, a strip of queries after the other: B×H×W×3×d to B×H×W×d."""
    q, k, v = qkv.contiguous().unbind(3)
    batch, height, width, _ = q.shape
    keys, values = k.flatten(1, 2).transpose(1, 2).contiguous(), v.flatten(1, 2).contiguous()
    if positions is not None:
        # What the distance in rows and in columns adds.
        by_row = torch.einsum("bhwd,hkd->bhwk", q, positions[0])[..., None]
        by_column = torch.einsum("bhwd,wkd->bhwk", q, positions[1])[..., None, :]
    strips = []
    rows = max(1, STRIP_SCORES // (batch * width * height * width))
    for begin in range(0, height, rows):
        strip = slice(begin, begin + rows)
        queries = q[:, strip].flatten(1, 2)
        scores = scratch.take("scores", (*queries.shape[:2], height * width), q)
        if positions is None:
            scores.zero_()
        else:
            torch.add(by_row[:, strip], by_column[:, strip], out=scores.view(batch, -1, width, height, width))
        scores.baddbmm_(queries, keys, alpha=scale)
        weights = torch.softmax(scores, dim=-1, out=scores)
        strips.append((weights @ values).unflatten(1, (-1, width)))
    return torch.cat(strips, dim=1)
