"""The official mask decoder, computed for many prompts of many images at once and only where a loss looks.

The mathematics is that of `segment_anything.modeling.MaskDecoder` (a test compares them); the order of the products is
not: each prompt has 7 to 11 tokens and the image has a thousand or more, so projections of the image side are folded
into the tokens wherever they would be done anew for every prompt, and only chosen cells are upscaled.
"""

import math
from dataclasses import dataclass

import torch
from segment_anything.modeling import MaskDecoder, Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor
from torch.nn import functional

from automask_ui.engine.encoders.builtin import STRIDE
from automask_ui.training.prompts import ABSENT

SUBPIXELS = 16
FORBIDDEN = -1e4
# At most this share of the cells that are looked at are outlines, and this many are padding.
OUTLINE_SHARE = 0.4
VOID_CELLS = 64


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
        stands_for: (B, K) float32, how many cells each of them stands for. Its logarithm, added to attention scores,
            makes the softmax what it would be over all cells.
    """

    cells: Tensor
    stands_for: Tensor


@dataclass(frozen=True, eq=False)
class MaskPrompts:
    """`logits` (M, 4C, 4C) float32 of low-resolution masks, and the `rows` (M,) int64 of the prompts with them."""

    logits: Tensor
    rows: Tensor


def glimpse_at(points_xy: Tensor, outlines: Tensor, is_void: Tensor, count: int, generator: torch.Generator) -> Glimpse:
    """Choose cells to look at: those around clicks always, outlines often, padding hardly, the rest at random.

    Args:
        points_xy: (B, M, 2) float32, pixels, around which all cells are looked at.
        outlines: (B, N) bool, cells that the outline of a target runs through.
        is_void: (B, N) bool, cells of padding.
        count: How many cells, K.
        generator: Source of randomness.
    """
    side = math.isqrt(outlines.shape[1])
    columns, rows = (points_xy // STRIDE).long().clamp(0, side - 1).unbind(-1)
    clicked = torch.zeros(len(points_xy), 1, side, side)
    clicked[torch.arange(len(points_xy))[:, None], 0, rows, columns] = 1
    near = functional.max_pool2d(clicked, 3, stride=1, padding=1).flatten(1) > 0
    # Strata: 0 padding, 1 anything else, 2 outlines, 3 around clicks.
    stratum = torch.where(near, 3, torch.where(outlines, 2, torch.where(is_void, 0, 1)))
    sizes = functional.one_hot(stratum, 4).sum(dim=1)
    takes = torch.zeros_like(sizes)
    takes[:, 3] = sizes[:, 3]
    takes[:, 2] = sizes[:, 2].clamp_max(int(count * OUTLINE_SHARE))
    takes[:, 0] = sizes[:, 0].clamp_max(VOID_CELLS)
    takes[:, 1] = torch.minimum(sizes[:, 1], count - takes.sum(dim=1))
    for index in (2, 0):
        takes[:, index] += torch.minimum(sizes[:, index] - takes[:, index], count - takes.sum(dim=1))
    chosen, stands_for = take_from_strata(stratum, sizes, takes, generator)
    return Glimpse(chosen, stands_for)


def take_from_strata(
    stratum: Tensor, sizes: Tensor, takes: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose from each row's strata at random.

    Args:
        stratum: (G, N) int64, the stratum of each cell.
        sizes: (G, S) int64, how many cells are in each stratum.
        takes: (G, S) int64, how many to choose of each; the sums over S are all the same, K.
        generator: Source of randomness.

    Returns:
        (G, K) int64 cells, and (G, K) float32, how many cells of its stratum each of them stands for.
    """
    # One sort shuffles each stratum; then the first few of each are taken.
    order = (stratum * 2 + torch.rand(stratum.shape, generator=generator)).argsort(dim=1)
    sorted_stratum = stratum.gather(1, order)
    starts = sizes.cumsum(dim=1) - sizes
    rank = torch.arange(stratum.shape[1]) - starts.gather(1, sorted_stratum)
    chosen = order[rank < takes.gather(1, sorted_stratum)].view(len(stratum), -1)
    stands_for = sizes / takes.clamp_min(1)
    return chosen, stands_for.gather(1, stratum.gather(1, chosen))


def decode_prompts(
    sam: Sam,
    embeddings: Tensor,
    points_xy: Tensor,
    labels: Tensor,
    glimpse: Glimpse | None = None,
    masks: MaskPrompts | None = None,
) -> Decoded:
    """Run the transformer of the mask decoder.

    Args:
        sam: The model.
        embeddings: (B, D, C, C) float embeddings; the image side is computed in their precision.
        points_xy: (B, P, T, 2) float32, pixels: clicks, padding points and corners of boxes.
        labels: (B, P, T) int64, what each of them is; see `prompts`.
        glimpse: The cells to look at, which then are all the cells there are; None for all.
        masks: The masks that some of the prompts bring along; None where none does.
    """
    prompts = points_xy.shape[1]
    decoder, transformer = sam.mask_decoder, sam.mask_decoder.transformer
    position = sam.prompt_encoder.get_dense_pe().flatten(2).transpose(1, 2).to(embeddings.dtype)
    shared = embeddings.flatten(2).transpose(1, 2) + sam.prompt_encoder.no_mask_embed.weight.to(embeddings.dtype)
    bias = torch.zeros(len(shared), shared.shape[1])
    if glimpse is not None:
        shared, bias = _rows(shared, glimpse.cells), glimpse.stands_for.log()
        position = position[0][glimpse.cells]
    bias = bias.to(embeddings.dtype)
    code = _token_code(sam, points_xy.flatten(0, 1), labels.flatten(0, 1))
    absent = _absence(labels.flatten(0, 1), code.shape[1])

    first, second = transformer.layers
    tokens = first.norm1(_attend_tokens(first.self_attn, code, code, absent))
    if masks is None:
        pooled = _pool_shared(first.cross_attn_token_to_image, tokens + code, shared, position, bias)
        tokens = _finish_tokens(first, tokens, pooled)
        update = _spread_shared(first.cross_attn_image_to_token, tokens, code, absent, shared, position)
        cells = first.norm4((shared[:, None] + update.unflatten(0, (-1, prompts))).flatten(0, 1))
    else:
        cells = _with_masks(sam, shared.repeat_interleave(prompts, 0), masks, glimpse)
        pooled = _pool(first.cross_attn_token_to_image, tokens + code, cells, position, bias)
        tokens = _finish_tokens(first, tokens, pooled)
        update = _spread(first.cross_attn_image_to_token, tokens, code, absent, cells, position)
        cells = first.norm4(cells + update)

    query = tokens + code
    tokens = second.norm1(tokens + _attend_tokens(second.self_attn, query, tokens, absent))
    pooled = _pool(second.cross_attn_token_to_image, tokens + code, cells, position, bias)
    tokens = _finish_tokens(second, tokens, pooled)
    update = _spread(second.cross_attn_image_to_token, tokens, code, absent, cells, position)
    cells = second.norm4(cells + update)

    pooled = _pool(transformer.final_attn_token_to_image, tokens + code, cells, position, bias)
    tokens = transformer.norm_final_attn(tokens + pooled)
    mask_tokens = tokens[:, 1 : 1 + decoder.num_mask_tokens]
    hypers = [mlp(mask_tokens[:, index]) for index, mlp in enumerate(decoder.output_hypernetworks_mlps)]
    return Decoded(cells, torch.stack(hypers, dim=1), decoder.iou_prediction_head(tokens[:, 0]))


def _with_masks(sam: Sam, cells: Tensor, masks: MaskPrompts, glimpse: Glimpse | None) -> Tensor:
    """Cells (G, N, D) of all prompts, with what some prompts' masks say about them instead of "no mask"."""
    prompts = sam.prompt_encoder
    change = prompts.mask_downscaling(masks.logits[:, None]).flatten(2).transpose(1, 2) - prompts.no_mask_embed.weight
    change = change.to(cells.dtype)
    if glimpse is not None:
        change = _rows(change, glimpse.cells[masks.rows // (len(cells) // len(glimpse.cells))])
    return cells.index_add(0, masks.rows, change)


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


def _rows(table: Tensor, rows: Tensor) -> Tensor:
    """Some rows of each (N, D) table of a batch: (B, N, D) and (B, K) to (B, K, D)."""
    return table.gather(1, rows[..., None].expand(-1, -1, table.shape[2]))


def _token_code(sam: Sam, points_xy: Tensor, labels: Tensor) -> Tensor:
    """The tokens of each prompt: IoU, 4 masks, then its points. (G, T, 2) and (G, T) to (G, 5 + T, D) float32."""
    encoder, decoder = sam.prompt_encoder, sam.mask_decoder
    codes = encoder.pe_layer.forward_with_coords(points_xy + 0.5, encoder.input_image_size)
    kinds = torch.cat([encoder.not_a_point_embed.weight, *(kind.weight for kind in encoder.point_embeddings)])
    points = codes * (labels >= 0)[..., None] + kinds[(labels + 1).clamp_min(0)]
    learned = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    return torch.cat([learned.expand(len(points), -1, -1), points], dim=1)


def _absence(labels: Tensor, count: int) -> Tensor | None:
    """What to add to attention scores so that nothing looks at absent tokens. (G, count) float32, or None."""
    if (labels != ABSENT).all():
        return None
    absent = torch.zeros(len(labels), count)
    absent[:, -labels.shape[1] :] = torch.where(labels == ABSENT, FORBIDDEN, 0.0)
    return absent


def _attend_tokens(attention: Attention, queries: Tensor, values: Tensor, absent: Tensor | None) -> Tensor:
    """Tokens look at one another, queries also serving as keys. (G, T, D) each."""
    query, key = _heads(attention, attention.q_proj(queries)), _heads(attention, attention.k_proj(queries))
    value = _heads(attention, attention.v_proj(values))
    bias = None if absent is None else absent[:, None, None].to(query.dtype)
    pooled = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return attention.out_proj(pooled.transpose(1, 2).flatten(2))


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


def _spread_shared(
    attention: Attention, tokens: Tensor, code: Tensor, absent: Tensor | None, shared: Tensor, position: Tensor
) -> Tensor:
    """The still shared image looks at each click's tokens. Returns the update, (B * P, N, D)."""
    images, (clicks, count) = len(shared), tokens.shape[:2]
    query = _heads(attention, attention.q_proj(shared + position))
    key = _heads(attention, attention.k_proj(tokens + code).reshape(images, -1, attention.internal_dim))
    logits = (key @ query.transpose(-1, -2)).unflatten(2, (-1, count)).transpose(1, 2)
    return _mix_tokens(attention, tokens, absent, logits.reshape(clicks, attention.num_heads, count, -1))


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


def _spread(
    attention: Attention, tokens: Tensor, code: Tensor, absent: Tensor | None, cells: Tensor, position: Tensor
) -> Tensor:
    """Each image looks at its tokens: fold the query projection into them. Returns the update, (B * P, N, D)."""
    heads = attention.num_heads
    key = _heads(attention, attention.k_proj(tokens + code))
    folded = (key @ attention.q_proj.weight.unflatten(0, (heads, -1))).flatten(1, 2)
    bias = (key @ attention.q_proj.bias.unflatten(0, (heads, -1))[..., None]).flatten(1, 2)
    logits = folded @ cells.transpose(1, 2) + _by_image(folded, position) + bias
    return _mix_tokens(attention, tokens, absent, logits.unflatten(1, (heads, -1)))


def _by_image(folded: Tensor, position: Tensor) -> Tensor:
    """Each click's token vectors, (B * P, R, D), against its image's positional code, (B or 1, N, D): (B * P, R, N)."""
    if len(position) == 1:
        return folded @ position[0].T
    products = folded.reshape(len(position), -1, folded.shape[-1]) @ position.transpose(1, 2)
    return products.view(len(folded), -1, position.shape[1])


def _mix_tokens(attention: Attention, tokens: Tensor, absent: Tensor | None, logits: Tensor) -> Tensor:
    """Softmax over the tokens and their values through the output projection. logits (G, H, T, N) to (G, N, D)."""
    heads = attention.num_heads
    logits = logits * (attention.internal_dim // heads) ** -0.5
    if absent is not None:
        logits = logits + absent[:, None, :, None].to(logits.dtype)
    attend = functional.softmax(logits, dim=2).flatten(1, 2)
    value = _heads(attention, attention.v_proj(tokens))
    outputs = attention.out_proj.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)
    # Weights over the tokens sum to one in each head, so the bias may go in before the mixing.
    outcome = (value @ outputs).flatten(1, 2) + attention.out_proj.bias / heads
    return attend.transpose(1, 2) @ outcome.to(attend.dtype)
