"""The picture's embedding: upstream's preprocessing, and the ViT encoder with attention that never holds N×N.

Upstream materialises heads × 4096 × 4096 scores in each global block and projects the padding of each windowed one.
Here scores live for one strip of queries of one head at a time, with the decomposed relative position added in place,
and padded positions, which are all zero before the projection, get its bias without one. Nothing of the model is
changed or copied: these functions only read the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import torch
from PIL import Image
from segment_anything.modeling import Sam
from segment_anything.modeling.image_encoder import Attention, Block, ImageEncoderViT, get_rel_pos
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

__all__ = ["encode_image", "encode_vit", "resized_hw"]

# Scores of one head that are computed together: half a million floats, which stay in the cache of a core.
STRIP_SCORES = 1 << 19


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
        x = x + _attend(block, block.norm1(x))
        x = x + block.mlp(block.norm2(x))
    return encoder.neck(x.permute(0, 3, 1, 2))


def _attend(block: Block, x: Tensor) -> Tensor:
    """Attention of one block, windowed or global: 1×H×W×C to the same."""
    attention, window = block.attn, block.window_size
    height, width = x.shape[1:3]
    qkv = attention.qkv(x)[0]  # H×W×3C
    if window == 0:
        attended = _attention(attention, qkv[None])
    else:
        padding = (-height % window, -width % window)
        if any(padding):
            padded = attention.qkv.bias.to(qkv.dtype).expand(height + padding[0], width + padding[1], -1).clone()
            padded[:height, :width] = qkv
            qkv = padded
        windows = qkv.unflatten(0, (-1, window)).unflatten(2, (-1, window)).transpose(1, 2)
        rows, columns = windows.shape[:2]
        attended = _attention(attention, windows.flatten(0, 1))
        attended = attended.unflatten(0, (rows, columns)).transpose(1, 2).flatten(2, 3).flatten(0, 1)[None]
    return attention.proj(attended[:, :height, :width])


def _attention(attention: Attention, qkv: Tensor) -> Tensor:
    """Softmax attention with decomposed relative positions: B×H×W×3C to B×H×W×C, before the last projection."""
    batch, height, width, _ = qkv.shape
    heads = attention.num_heads
    # 3×heads×B×H×W×d: a head's data side by side, so that a strip of it is read in one go.
    q, k, v = qkv.unflatten(3, (3, heads, -1)).permute(3, 4, 0, 1, 2, 5).contiguous()
    out = torch.empty_like(q)
    bias = _relative_positions(attention, q) if attention.use_rel_pos else None
    for head, rows in _strips(batch, heads, height, width):
        queries = q[head][:, rows].flatten(1, 2)
        scores = (queries * attention.scale) @ k[head].flatten(1, 2).transpose(1, 2)
        if bias is not None:
            by_row, by_column = (part[head][:, rows].flatten(1, 2) for part in bias)
            grid = scores.unflatten(2, (height, width))
            grid += by_row[..., None]
            grid += by_column[..., None, :]
        out[head][:, rows] = (torch.softmax(scores, dim=-1) @ v[head].flatten(1, 2)).unflatten(1, (-1, width))
    return out.permute(1, 2, 3, 0, 4).flatten(3)


def _strips(batch: int, heads: int, height: int, width: int) -> Iterator[tuple[int, slice]]:
    """Pairs of a head and rows of queries whose scores stay within :data:`STRIP_SCORES`."""
    rows = max(1, STRIP_SCORES // (batch * width * height * width))
    for head in range(heads):
        for begin in range(0, height, rows):
            yield head, slice(begin, begin + rows)


def _relative_positions(attention: Attention, q: Tensor) -> tuple[Tensor, Tensor]:
    """What the distance in rows and in columns adds to the scores of ``q`` (heads×B×H×W×d).

    Returns:
        heads×B×H×W×H and heads×B×H×W×W.

    Source: ``add_decomposed_rel_pos`` of upstream, after MViTv2.
    """
    height, width = q.shape[2:4]
    rows = get_rel_pos(height, height, attention.rel_pos_h).to(q.dtype)
    columns = get_rel_pos(width, width, attention.rel_pos_w).to(q.dtype)
    return torch.einsum("nbhwd,hkd->nbhwk", q, rows), torch.einsum("nbhwd,wkd->nbhwk", q, columns)
