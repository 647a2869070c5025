"""SAM-HQ: what it adds to SAM for finer outlines (Ke et al. 2023, "Segment Anything in High Quality").

Its encoders are SAM's and MobileSAM's. Its mask decoder has one token more, and draws that token's mask on features of
its own: the encoder's early and late ones, and the decoder's, at four times the resolution of the image tokens. Names
of modules are those of the published weights. `automask_ui/engine/decoder/heads.py` computes its masks.
"""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, Sam
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn

from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.tiny_vit import TinyViTEncoder
from automask_ui.engine.encoders.vit import vit_blocks

__all__ = ["HQMaskDecoder", "encode_for_hq"]

# The stage of TinyViT, from 0, whose result is its early features.
_EARLY_STAGE = 1


class HQMaskDecoder(MaskDecoder):
    """SAM's mask decoder with the weights that SAM-HQ adds; called by itself, it answers as SAM would.

    Args:
        early_width: channels of the encoder's early features.
        transformer_dim: C, width of the image tokens.
        options: upstream's others.
    """

    def __init__(self, *, early_width: int, transformer_dim: int, **options: Any) -> None:
        super().__init__(transformer_dim=transformer_dim, **options)
        width = transformer_dim
        self.hf_token = nn.Embedding(1, width)
        self.hf_mlp = MLP(width, width, width // 8, 3)
        self.compress_vit_feat = _upscaling_by_4(early_width, width, width // 8)
        self.embedding_encoder = _upscaling_by_4(width, width // 4, width // 8)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(width // 8, width // 4, 3, padding=1),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.Conv2d(width // 4, width // 8, 3, padding=1),
        )

    def fine_features(self, tokens: Tensor, early: Tensor) -> Tensor:
        """What all prompts of a picture share of the features for the additional token's mask.

        Args:
            tokens: 1×C×h×w float32, the image embedding.
            early: 1×early_width×h×w float32, the encoder's early features.

        Returns:
            1×C/8×4h×4w float32.
        """
        return self.embedding_encoder(tokens) + self.compress_vit_feat(early)


def encode_for_hq(sam: Sam, inputs: Tensor, dtype: torch.dtype) -> ImageEmbedding:
    """Encode the model's input, 1×3×S×S float32, for a ``sam`` whose mask decoder is SAM-HQ's.

    The early features are those after the first block with global attention, or after TinyViT's second stage.
    """
    encoder, early = sam.image_encoder, None
    if type(encoder) is ImageEncoderViT:
        for block, x in vit_blocks(encoder, inputs, dtype):
            if early is None and block.window_size == 0:
                early = x.permute(2, 0, 1)[None].clone()  # the next block changes x in place
        tokens = encoder.neck(x.permute(2, 0, 1)[None])
    else:
        tokens, early = _encode_tiny_vit(encoder, inputs)
    return ImageEmbedding(tokens[0], (sam.mask_decoder.fine_features(tokens, early)[0],))


def _encode_tiny_vit(encoder: TinyViTEncoder, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The embedding, 1×C×h×w, and the early features, 1×D×h×w, both float32."""
    for number, features in enumerate(encoder.stages(inputs)):
        if number == _EARLY_STAGE:
            early = features
    return encoder.neck(features).contiguous(), early.contiguous()


def _upscaling_by_4(width: int, inner: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(width, inner, 2, stride=2),
        LayerNorm2d(inner),
        nn.GELU(),
        nn.ConvTranspose2d(inner, out, 2, stride=2),
    )
