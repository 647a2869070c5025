"""State dicts of Hugging Face's transformers (``SamModel``, ``SamHQModel``, ``Sam2Model``) under their authors' names.

Both hold the same tensors. The names differ, transformers keeps the positional code twice, and of SAM 2 it has the
codes of the four kinds of points in one tensor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

__all__ = ["MARK", "meta_names", "to_meta_names"]

# The keys that tell the format.
MARK = "vision_encoder."

# Patterns of transformers' names and what Meta calls the same; every one that fits is applied, in this order.
_RENAMED = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^shared_image_embedding\.positional_embedding$", "prompt_encoder.shared_embedding.positional_embedding"),
        (r"^no_memory_embedding$", "image_encoder.no_mem_embed"),
        (r"^vision_encoder\.backbone\.patch_embed\.projection\.", "image_encoder.trunk.patch_embed.proj."),
        (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
        (r"^vision_encoder\.neck\.convs\.(\d+)\.", r"image_encoder.neck.convs.\1.conv."),
        (r"^vision_encoder\.neck\.conv1\.", "image_encoder.neck.0."),
        (r"^vision_encoder\.neck\.layer_norm1\.", "image_encoder.neck.1."),
        (r"^vision_encoder\.neck\.conv2\.", "image_encoder.neck.2."),
        (r"^vision_encoder\.neck\.layer_norm2\.", "image_encoder.neck.3."),
        (r"^vision_encoder\.patch_embed\.projection\.", "image_encoder.patch_embed.proj."),
        (r"^vision_encoder\.layers\.", "image_encoder.blocks."),
        (r"^vision_encoder\.", "image_encoder."),
        (r"^prompt_encoder\.shared_embedding\.positional_embedding$",
         "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
        (r"^prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
        (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
        (r"^prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
        (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
        (r"^prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
        (r"^prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
        (r"^mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
        (r"^mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
        (r"^mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
        (r"^mask_decoder\.hq_token\.", "mask_decoder.hf_token."),
        (r"^mask_decoder\.hq_mask_mlp\.", "mask_decoder.hf_mlp."),
        (r"^mask_decoder\.compress_vit_conv1\.", "mask_decoder.compress_vit_feat.0."),
        (r"^mask_decoder\.compress_vit_norm\.", "mask_decoder.compress_vit_feat.1."),
        (r"^mask_decoder\.compress_vit_conv2\.", "mask_decoder.compress_vit_feat.3."),
        (r"^mask_decoder\.encoder_conv1\.", "mask_decoder.embedding_encoder.0."),
        (r"^mask_decoder\.encoder_norm\.", "mask_decoder.embedding_encoder.1."),
        (r"^mask_decoder\.encoder_conv2\.", "mask_decoder.embedding_encoder.3."),
        (r"^mask_decoder\.mask_conv1\.", "mask_decoder.embedding_maskfeature.0."),
        (r"^mask_decoder\.mask_norm\.", "mask_decoder.embedding_maskfeature.1."),
        (r"^mask_decoder\.mask_conv2\.", "mask_decoder.embedding_maskfeature.3."),
        (r"\.o_proj\.", ".out_proj."),
        (r"\.layer_norm(\d|_final_attn)\.", r".norm\1."),
    )
]  # fmt: skip
# The codes of the kinds of points, of SAM 2 in one tensor.
_POINT_CODES = "prompt_encoder.point_embeddings.weight"
# An MLP's layers: transformers numbers only those between the first and the last.
_MLP_LAYER = re.compile(r"^(.*)\.(proj_in|proj_out|layers\.(\d+))\.(weight|bias)$")


def to_meta_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of transformers' models to what their authors call them; other names stay as they are."""
    names = meta_names(tensors)
    renamed = {names[key]: tensor for key, tensor in tensors.items()}
    kinds = renamed.pop(_POINT_CODES, None)
    if kinds is not None:
        renamed |= {f"prompt_encoder.point_embeddings.{kind}.weight": code[None] for kind, code in enumerate(kinds)}
    return renamed


def meta_names(keys: Iterable[str]) -> dict[str, str]:
    """Meta's name for each key of a state dict of transformers'; the two positional codes have one."""
    keys = list(keys)
    layers = [match for key in keys if (match := _MLP_LAYER.match(key))]
    last = {match[1]: 1 for match in layers if match[2] == "proj_out"}
    for mlp, _, between, _ in (match.groups() for match in layers):
        if mlp in last and between:
            last[mlp] = max(last[mlp], int(between) + 2)
    return {key: _meta_name(key, last) for key in keys}


def _meta_name(key: str, last: Mapping[str, int]) -> str:
    """What Meta calls the tensor ``key``; ``last`` has the number of each MLP's last layer."""
    match = _MLP_LAYER.match(key)
    if match is not None and match[1] in last:
        mlp, which, between, kind = match.groups()
        number = int(between) + 1 if between else {"proj_in": 0, "proj_out": last[mlp]}[which]
        key = f"{mlp}.layers.{number}.{kind}"
    for pattern, name in _RENAMED:
        key = pattern.sub(name, key)
    return key
