"""The picture's embedding: upstream's preprocessing, and the ViT encoder with attention that never holds N×N.

Upstream materialises heads × 4096 × 4096 scores in each global block and projects the padding of each windowed one.
Here scores live for one strip of queries of one head at a time, with the decomposed relative position added in place,
and padded positions, which are all zero before the projection, get its bias without one. Nothing of the model is
changed or copied: these functions only read the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from segment_anything.modeling import Sam
from segment_anything.modeling.image_encoder import Attention, Block, ImageEncoderViT, get_rel_pos
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from automask_ui.engine.threads import side_by_side

__all__ = ["encode_image", "encode_vit", "resized_hw"]

T = TypeVar("T")
R = TypeVar("R")

# Scores of one head that are computed together: half a million floats, which stay in the processor's cache.
STRIP_SCORES = 1 << 19
# Rows (image tokens) that pass through the layers between two attentions together.
ROWS_TOGETHER = 512


def resized_hw(size_hw: tuple[int, int], input_size: int) -> tuple[int, int]:
    """Size of a picture once its long side is ``input_size`` px; no side is less than one (upstream's can be)."""
    height, width = ResizeLongestSide.get_preprocess_shape(*size_hw, input_size)
    return max(1, height), max(1, width)


@torch.inference_mode()
def encode_image(sam: Sam, image: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
    """Embedding of a picture or crop.

    Args:
        sam: the model.
        image: H×W×3 uint8 RGB.
        dtype: type that large products are computed in.

    Returns:
        C×h×w float32, on the model's device.
    """
    device = sam.device
    size = resized_hw(image.shape[:2], sam.image_encoder.img_size)
    resized = _resize(image, size)
    pixels = torch.from_numpy(resized).to(device).permute(2, 0, 1).contiguous()[None]
    inputs = sam.preprocess(pixels)
    low_precision = torch.autocast(device.type, dtype) if dtype != torch.float32 else nullcontext()
    with low_precision:
        is_vit = type(sam.image_encoder) is ImageEncoderViT
        embedding = encode_vit(sam.image_encoder, inputs) if is_vit else sam.image_encoder(inputs)
    return embedding[0].float()


def _resize(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Upstream's resizing (Pillow, bilinear with antialiasing): H×W×3 uint8 to h×w×3 uint8."""
    return np.array(Image.fromarray(image).resize(size_hw[::-1], Image.Resampling.BILINEAR))


def encode_vit(encoder: ImageEncoderViT, inputs: Tensor) -> Tensor:
    """``encoder(inputs)``: 1×3×S×S to 1×C×S/16×S/16."""
    x = encoder.patch_embed(inputs)
    if encoder.pos_embed is not None:
        x = x + encoder.pos_embed
    for block in encoder.blocks:
        x = _run_block(block, x)
    return encoder.neck(x.permute(0, 3, 1, 2))


def _run_block(block: Block, x: Tensor) -> Tensor:
    """One transformer block: 1×H×W×C to the same."""
    attention, size = block.attn, x.shape[1:3]
    tokens = x.flatten(0, 2)
    qkv = _by_rows(lambda rows: attention.qkv(block.norm1(rows)), tokens)
    attended = _attend(attention, qkv.unflatten(0, size), block.window_size)

    def finish(rows: Tensor, attended: Tensor) -> Tensor:
        rows = rows + attention.proj(attended)
        return rows + block.mlp(block.norm2(rows))

    return _by_rows(finish, tokens, attended.flatten(0, 1)).view(x.shape)


def _by_rows(work: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """``work(*inputs)`` for what treats each row by itself; a CPU takes parts of the rows side by side."""
    if inputs[0].device.type != "cpu":
        return work(*inputs)
    parts = list(zip(*(rows.split(ROWS_TOGETHER) for rows in inputs), strict=True))
    return torch.cat(side_by_side(_like_here(lambda part: work(*part)), parts))


def _like_here(work: Callable[[T], R]) -> Callable[[T], R]:
    """``work`` for other threads: without gradients, and in the type of products that is set in this one."""
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None

    def run(item: T) -> R:
        with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype is not None):
            return work(item)

    return run


def _attend(attention: Attention, qkv: Tensor, window: int) -> Tensor:
    """Attention, windowed or (0) global: H×W×3C to H×W×C, before the last projection."""
    height, width = qkv.shape[:2]
    if window == 0:
        return _attention(attention, qkv[None])[0]
    padding = (-height % window, -width % window)
    if any(padding):
        padded = attention.qkv.bias.to(qkv.dtype).expand(height + padding[0], width + padding[1], -1).clone()
        padded[:height, :width] = qkv
        qkv = padded
    windows = qkv.unflatten(0, (-1, window)).unflatten(2, (-1, window)).transpose(1, 2)
    attended = _attention(attention, windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
    return attended.transpose(1, 2).flatten(2, 3).flatten(0, 1)[:height, :width]


def _attention(attention: Attention, qkv: Tensor) -> Tensor:
    """Softmax attention with decomposed relative positions: B×H×W×3C to B×H×W×C."""
    by_head = qkv.unflatten(3, (3, attention.num_heads, -1)).unbind(4)
    positions = None
    if attention.use_rel_pos:
        height, width = qkv.shape[1:3]
        # Source: ``add_decomposed_rel_pos`` of upstream, after MViTv2.
        tables = ((height, attention.rel_pos_h), (width, attention.rel_pos_w))
        positions = tuple(get_rel_pos(size, size, table).to(qkv.dtype) for size, table in tables)

    def attend(head: Tensor) -> Tensor:
        return _attend_head(head, attention.scale, positions)

    work = _like_here(attend)
    on_cpu = qkv.device.type == "cpu"
    heads = side_by_side(work, by_head) if on_cpu else [work(head) for head in by_head]
    return torch.stack(heads, dim=3).flatten(3)


def _attend_head(qkv: Tensor, scale: float, positions: tuple[Tensor, ...] | None) -> Tensor:
    """One head, a strip of queries after the other: B×H×W×3×d to B×H×W×d."""
    q, k, v = qkv.contiguous().unbind(3)
    batch, height, width, _ = q.shape
    keys, values = k.flatten(1, 2).transpose(1, 2), v.flatten(1, 2)
    strips = []
    rows = max(1, STRIP_SCORES // (batch * width * height * width))
    for begin in range(0, height, rows):
        queries = q[:, begin : begin + rows]
        scores = (queries.flatten(1, 2) * scale) @ keys
        if positions is not None:
            # What the distance in rows and in columns adds.
            by_row = torch.einsum("bhwd,hkd->bhwk", queries, positions[0][begin : begin + rows])
            by_column = torch.einsum("bhwd,wkd->bhwk", queries, positions[1])
            grid = scores.view(*queries.shape[:3], height, width)
            grid += by_row[..., None]
            grid += by_column[..., None, :]
        weights = torch.softmax(scores, dim=-1, out=scores)
        strips.append((weights @ values).view_as(queries))
    return torch.cat(strips, dim=1)
