"""The official mask decoder, computed for many clicks of many images at once and only where a loss looks.

The mathematics is that of `segment_anything.modeling.MaskDecoder` (a test compares them); the order of the products is
not: each click has 7 tokens and the image has a thousand or more, so projections of the image side are folded into the
tokens wherever they would be done anew for every click, and only chosen cells are upscaled.
"""

from dataclasses import dataclass

import torch
from segment_anything.modeling import MaskDecoder, Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor
from torch.nn import functional

from automask_ui.engine.encoders.builtin import IMAGE_SIZE, STRIDE

SUBPIXELS = 16


@dataclass(frozen=True, eq=False)
class Decoded:
    """What the transformer makes of B images with P clicks each; N cells an image, D channels.

    Attributes:
        cells: (B * P, N, D) float, the image as seen with each click in mind.
        hypers: (B * P, 4, D / 8) float, one filter per mask output.
        scores: (B * P, 4) float, predicted IoU per mask output.
    """

    cells: Tensor
    hypers: Tensor
    scores: Tensor


@dataclass(frozen=True, eq=False)
class Glimpse:
    """The cells of each image that the decoder looks at, K of N: all those around clicks, and some of the others.

    Attributes:
        cells: (B, K) int64 flat indices.
        stands_for: (B, K) float32, how many cells of the crop each of them stands for.
        attention_bias: (B, K) float32, the logarithm of how many cells of the model's full input it stands for. Added
            to attention scores, it makes the softmax what it would be over a full input that goes on like the crop.
    """

    cells: Tensor
    stands_for: Tensor
    attention_bias: Tensor


def glimpse_at(points_xy: Tensor, side: int, count: int, generator: torch.Generator) -> Glimpse:
    """Choose cells to look at: the click's own and the eight around it always, the rest at random.

    Args:
        points_xy: (B, P, 2) float32 clicks, pixels of the crop.
        side: Side of the crop, cells.
        count: How many cells, K.
        generator: Source of randomness.
    """
    columns, rows = (points_xy // STRIDE).long().unbind(-1)
    clicked = torch.zeros(len(points_xy), 1, side, side)
    clicked[torch.arange(len(points_xy))[:, None], 0, rows, columns] = 1
    near = functional.max_pool2d(clicked, 3, stride=1, padding=1).flatten(1)
    chosen = (near * 2 + torch.rand(near.shape, generator=generator)).topk(count, dim=1).indices
    is_near, near_count = near.gather(1, chosen) > 0, near.sum(dim=1, keepdim=True)
    others = (count - near_count).clamp_min(1)
    full = (IMAGE_SIZE // STRIDE) ** 2
    bias = torch.where(is_near, 0.0, ((full - near_count) / others).log())
    return Glimpse(chosen, torch.where(is_near, 1.0, (side**2 - near_count) / others), bias)


def decode_clicks(
    sam: Sam,
    embeddings: Tensor,
    points_xy: Tensor,
    origin_cells: tuple[int, int],
    glimpse: Glimpse | None = None,
) -> Decoded:
    """Run the transformer of the mask decoder for single foreground clicks.

    Args:
        sam: The model.
        embeddings: (B, D, C, C) float embeddings of crops; the image side is computed in their precision.
        points_xy: (B, P, 2) float32 clicks, pixels of the crop.
        origin_cells: (row, column) at which the crop lies in the model's full input.
        glimpse: The cells to look at, which then are all the cells there are; None for all of the crop.
    """
    prompts = points_xy.shape[1]
    decoder, transformer = sam.mask_decoder, sam.mask_decoder.transformer
    position = _position_code(sam, embeddings.shape[-1], origin_cells).to(embeddings.dtype)[None]
    shared = embeddings.flatten(2).transpose(1, 2) + sam.prompt_encoder.no_mask_embed.weight.to(embeddings.dtype)
    bias = torch.zeros(len(shared), shared.shape[1])
    if glimpse is not None:
        shared = shared.gather(1, glimpse.cells[..., None].expand(-1, -1, shared.shape[2]))
        position, bias = position[0][glimpse.cells], glimpse.attention_bias
    bias = bias.to(embeddings.dtype)
    code = _token_code(sam, points_xy, origin_cells)

    first, second = transformer.layers
    tokens = first.norm1(first.self_attn(q=code, k=code, v=code))
    pooled = _pool_shared(first.cross_attn_token_to_image, tokens + code, shared, position, bias)
    tokens = _finish_tokens(first, tokens, pooled)
    update = _spread_shared(first.cross_attn_image_to_token, tokens, code, shared, position)
    cells = first.norm4((shared[:, None] + update.unflatten(0, (-1, prompts))).flatten(0, 1))

    query = tokens + code
    tokens = second.norm1(tokens + second.self_attn(q=query, k=query, v=tokens))
    pooled = _pool(second.cross_attn_token_to_image, tokens + code, cells, position, bias)
    tokens = _finish_tokens(second, tokens, pooled)
    cells = second.norm4(cells + _spread(second.cross_attn_image_to_token, tokens, code, cells, position))

    pooled = _pool(transformer.final_attn_token_to_image, tokens + code, cells, position, bias)
    tokens = transformer.norm_final_attn(tokens + pooled)
    mask_tokens = tokens[:, 1 : 1 + decoder.num_mask_tokens]
    hypers = [mlp(mask_tokens[:, index]) for index, mlp in enumerate(decoder.output_hypernetworks_mlps)]
    return Decoded(cells, torch.stack(hypers, dim=1), decoder.iou_prediction_head(tokens[:, 0]))


def masks_at_cells(decoder: MaskDecoder, decoded: Decoded, chosen: Tensor) -> Tensor:
    """Mask logits inside chosen cells.

    Args:
        decoder: The model's mask decoder.
        decoded: What `decode_clicks` returned.
        chosen: (B * P, K) int64, flat cell indices for each click.

    Returns:
        (B * P, 4, K, SUBPIXELS) float logits; the last axis walks each cell in the order of `pixels_of_cells`.
    """
    width = decoded.cells.shape[-1]
    cells = decoded.cells.gather(1, chosen[..., None].expand(-1, -1, width))
    grow1, norm, act1, grow2, act2 = decoder.output_upscaling
    # A transposed convolution whose stride is its kernel size is one matrix product per cell.
    quarters = functional.linear(cells, grow1.weight.permute(2, 3, 1, 0).flatten(0, 2), grow1.bias.repeat(4))
    quarters = quarters.unflatten(-1, (4, width // 4))
    quarters = functional.layer_norm(quarters, (width // 4,), norm.weight, norm.bias, norm.eps)
    pixels = functional.linear(act1(quarters), grow2.weight.permute(2, 3, 1, 0).flatten(0, 2), grow2.bias.repeat(4))
    pixels = act2(pixels).reshape(len(cells), -1, width // 8)
    return (decoded.hypers @ pixels.transpose(1, 2)).unflatten(-1, (-1, SUBPIXELS))


def pixels_of_cells(maps: Tensor) -> Tensor:
    """Cut low-resolution maps, (..., 4C, 4C), into cells, (..., C * C, SUBPIXELS), in the order of `masks_at_cells`."""
    side = maps.shape[-1] // 4
    halves = maps.unflatten(-1, (side, 2, 2)).unflatten(-4, (side, 2, 2))
    # Axes are now (..., C, y1, y2, C, x1, x2): quarter (y1, x1) first, then the pixel (y2, x2) inside it.
    lead = halves.dim() - 6
    order = [*range(lead), lead, lead + 3, lead + 1, lead + 4, lead + 2, lead + 5]
    return halves.permute(order).flatten(lead, lead + 1).flatten(lead + 1)


def _position_code(sam: Sam, side: int, origin_cells: tuple[int, int]) -> Tensor:
    """The piece of the model's dense positional code that belongs to a crop. (N, D) float32."""
    row, column = origin_cells
    code = sam.prompt_encoder.get_dense_pe()[0, :, row : row + side, column : column + side]
    return code.flatten(1).T


def _token_code(sam: Sam, points_xy: Tensor, origin_cells: tuple[int, int]) -> Tensor:
    """The 7 tokens of each click: IoU, 4 masks, the click, and the padding point. (B * P, 7, D) float32."""
    row, column = origin_cells
    clicks = points_xy.flatten(0, 1)[:, None] + torch.tensor([column * STRIDE, row * STRIDE])
    prompts, _ = sam.prompt_encoder(points=(clicks, torch.ones(len(clicks), 1)), boxes=None, masks=None)
    learned = torch.cat([sam.mask_decoder.iou_token.weight, sam.mask_decoder.mask_tokens.weight])
    return torch.cat([learned.expand(len(clicks), -1, -1), prompts], dim=1)


def _finish_tokens(layer: TwoWayAttentionBlock, tokens: Tensor, pooled: Tensor) -> Tensor:
    tokens = layer.norm2(tokens + pooled)
    return layer.norm3(tokens + layer.mlp(tokens))


def _heads(attention: Attention, projected: Tensor) -> Tensor:
    """Split (..., T, H * d) into (..., H, T, d)."""
    return projected.unflatten(-1, (attention.num_heads, -1)).transpose(-3, -2)


def _pool_shared(attention: Attention, queries: Tensor, shared: Tensor, position: Tensor, bias: Tensor) -> Tensor:
    """Tokens look at an image that is still the same for all clicks: project it once. Returns (B * P, T, D)."""
    images, count = len(shared), queries.shape[1]
    query = _heads(attention, attention.q_proj(queries).reshape(images, -1, attention.internal_dim))
    key = _heads(attention, attention.k_proj(shared + position))
    value = _heads(attention, attention.v_proj(shared))
    pooled = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias[:, None, None].to(query.dtype))
    return attention.out_proj(pooled.transpose(1, 2).flatten(2).reshape(-1, count, attention.internal_dim))


def _spread_shared(attention: Attention, tokens: Tensor, code: Tensor, shared: Tensor, position: Tensor) -> Tensor:
    """The still shared image looks at each click's tokens. Returns the update, (B * P, N, D)."""
    images, (clicks, count) = len(shared), tokens.shape[:2]
    query = _heads(attention, attention.q_proj(shared + position))
    key = _heads(attention, attention.k_proj(tokens + code).reshape(images, -1, attention.internal_dim))
    logits = (key @ query.transpose(-1, -2)).unflatten(2, (-1, count)).transpose(1, 2)
    return _mix_tokens(attention, tokens, logits.reshape(clicks, attention.num_heads, count, -1))


def _pool(attention: Attention, queries: Tensor, cells: Tensor, position: Tensor, bias: Tensor) -> Tensor:
    """Tokens look at their own image: fold the key projection into them and pool before projecting values.

    The bias of the key projection shifts all scores of a token alike and so falls out of the softmax.
    """
    query = _heads(attention, attention.q_proj(queries))
    folded = (query @ attention.k_proj.weight.unflatten(0, (attention.num_heads, -1))).flatten(1, 2)
    logits = folded @ cells.transpose(1, 2) + _by_image(folded, position)
    logits = (logits * query.shape[-1] ** -0.5).unflatten(0, (len(bias), -1)) + bias[:, None, None]
    attend = functional.softmax(logits, dim=-1).flatten(0, 1)
    pooled = (attend @ cells).unflatten(1, (attention.num_heads, -1))
    values = pooled @ attention.v_proj.weight.unflatten(0, (attention.num_heads, -1)).transpose(1, 2)
    return attention.out_proj(values.transpose(1, 2).flatten(2) + attention.v_proj.bias)


def _spread(attention: Attention, tokens: Tensor, code: Tensor, cells: Tensor, position: Tensor) -> Tensor:
    """Each image looks at its tokens: fold the query projection into them. Returns the update, (B * P, N, D)."""
    heads = attention.num_heads
    key = _heads(attention, attention.k_proj(tokens + code))
    folded = (key @ attention.q_proj.weight.unflatten(0, (heads, -1))).flatten(1, 2)
    bias = (key @ attention.q_proj.bias.unflatten(0, (heads, -1))[..., None]).flatten(1, 2)
    logits = folded @ cells.transpose(1, 2) + _by_image(folded, position) + bias
    return _mix_tokens(attention, tokens, logits.unflatten(1, (heads, -1)))


def _by_image(folded: Tensor, position: Tensor) -> Tensor:
    """Each click's token vectors, (B * P, R, D), against its image's positional code, (B or 1, N, D): (B * P, R, N)."""
    if len(position) == 1:
        return folded @ position[0].T
    products = folded.reshape(len(position), -1, folded.shape[-1]) @ position.transpose(1, 2)
    return products.view(len(folded), -1, position.shape[1])


def _mix_tokens(attention: Attention, tokens: Tensor, logits: Tensor) -> Tensor:
    """Softmax over the tokens and their values through the output projection. logits (G, H, T, N) to (G, N, D)."""
    heads = attention.num_heads
    attend = functional.softmax(logits * (attention.internal_dim // heads) ** -0.5, dim=2).flatten(1, 2)
    value = _heads(attention, attention.v_proj(tokens))
    outputs = attention.out_proj.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)
    # Weights over the tokens sum to one in each head, so the bias may go in before the mixing.
    outcome = (value @ outputs).flatten(1, 2) + attention.out_proj.bias / heads
    return attend.transpose(1, 2) @ outcome.to(attend.dtype)
