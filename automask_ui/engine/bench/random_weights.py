"""Random weights that behave like trained ones in speed and selection, for benchmarks and tests.

A freshly built SAM gives nearly the same mask and a score near 0 for every point, so no rule would ever have work to
do. Here points see different parts of the picture, masks have edges, and scores spread over the thresholds.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention
from torch import nn

__all__ = ["make_lifelike"]

# What the scores and logits of random points are brought to.
SCORE_MEAN, SCORE_SPREAD = 0.85, 0.08
LOGIT_SPREAD = 80.0
# Score of a token with the image token at its own place; others fall off around it.
OWN_PLACE_SCORE = 8.0
# How much more image tokens take up from a point than untrained ones: masks then lie around their points.
TAKEN_UP = 3.0
# How alike the pixels are that one image token is upscaled to: outlines then are lines and no noise.
EVENNESS = 0.9
# Share of the picture that masks cover on average.
COVERAGE = 0.15
PROBES = 64


@torch.no_grad()
def make_lifelike(sam: Sam, seed: int = 0) -> Sam:
    """Re-scale the random weights of ``sam`` in place, so that scores and masks of random points vary as if trained."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in sam.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    _see_own_place(sam, generator)
    _draw_even_outlines(sam)
    for block in getattr(sam.image_encoder, "blocks", []):
        for name in ("rel_pos_h", "rel_pos_w"):
            table = getattr(getattr(block, "attn", None), name, None)
            if table is not None:
                table.copy_(0.1 * torch.randn(table.shape, generator=generator))
    _spread_answers(sam, generator)
    return sam.eval().requires_grad_(False)


def _see_own_place(sam: Sam, generator: torch.Generator) -> None:
    """Make points attend to where they are: queries and keys are projected alike, and positions outweigh content."""
    sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.mul_(2.0)
    sam.prompt_encoder.no_mask_embed.weight.mul_(0.3)
    transformer = sam.mask_decoder.transformer
    for name, module in transformer.named_modules():
        if isinstance(module, Attention) and "self_attn" not in name:
            width = module.q_proj.weight.shape[1]
            head_dim = module.internal_dim // module.num_heads
            scale = (OWN_PLACE_SCORE * head_dim**0.5 / (width / 4 / module.num_heads)) ** 0.5
            shared = torch.linalg.qr(torch.randn(width, module.internal_dim, generator=generator))[0].T * scale
            module.q_proj.weight.copy_(shared)
            module.k_proj.weight.copy_(shared)
    for layer in transformer.layers:
        layer.cross_attn_image_to_token.out_proj.weight.mul_(TAKEN_UP)
    # In layer 0 every token takes up the point's position, which outweighs the tokens' own embeddings.
    first = transformer.layers[0].self_attn
    for projection in (first.v_proj, first.out_proj):
        projection.weight.copy_(torch.eye(len(projection.weight)))
    prompt, decoder = sam.prompt_encoder, sam.mask_decoder
    for tokens in (decoder.iou_token, decoder.mask_tokens, prompt.not_a_point_embed, *prompt.point_embeddings):
        tokens.weight.mul_(0.1)


def _draw_even_outlines(sam: Sam) -> None:
    """Make the pixels that one image token is upscaled to alike."""
    for layer in sam.mask_decoder.output_upscaling:
        if isinstance(layer, nn.ConvTranspose2d):
            even = 2 * layer.weight.mean(dim=(2, 3), keepdim=True)
            layer.weight.lerp_(even.expand_as(layer.weight), EVENNESS)


def _spread_answers(sam: Sam, generator: torch.Generator) -> None:
    """Scale the last layers so that scores and logits vary as those of a trained model do."""
    side = sam.image_encoder.img_size
    # Large even patches, so that the embedding has structure that masks can follow.
    picture = torch.rand(1, 3, 8, 8, generator=generator) * 255
    picture = torch.nn.functional.interpolate(picture, size=(side, side), mode="nearest")
    embedding = sam.image_encoder(sam.preprocess(picture))
    points = torch.rand(PROBES, 1, 2, generator=generator) * side
    sparse, dense = sam.prompt_encoder((points, torch.ones(PROBES, 1)), None, None)
    upscaled: list[torch.Tensor] = []
    hook = sam.mask_decoder.output_upscaling.register_forward_hook(lambda *call: upscaled.append(call[2]))
    masks, scores = sam.mask_decoder(0.3 * embedding, sam.prompt_encoder.get_dense_pe(), sparse, dense, True)
    hook.remove()

    # Adding the mean feature to a mask's weights moves all its logits alike: so each level covers the same share.
    mean_feature = upscaled[0].mean(dim=(0, 2, 3))
    for level, mlp in enumerate(sam.mask_decoder.output_hypernetworks_mlps[1:]):
        logits, head = masks[:, level], mlp.layers[-1]
        factor = LOGIT_SPREAD / logits.std()
        excess = torch.quantile(logits.flatten()[::97], 1 - COVERAGE)
        head.weight.mul_(factor)
        head.bias.copy_(factor * (head.bias - excess * mean_feature / mean_feature.square().sum()))
    last = sam.mask_decoder.iou_prediction_head.layers[-1]
    factor = SCORE_SPREAD / scores.std(dim=0)
    last.weight[1:] *= factor[:, None]
    last.bias[1:] = (last.bias[1:] - scores.mean(dim=0)) * factor + SCORE_MEAN
