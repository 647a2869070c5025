"""Encode a picture: upstream's preprocessing, and the encoder of the model."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from PIL import Image
from segment_anything.modeling import ImageEncoderViT, Sam
from segment_anything.utils.transforms import ResizeLongestSide

from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.sam_hq import HQMaskDecoder, encode_for_hq
from automask_ui.engine.encoders.vit import encode_vit

__all__ = ["encode_image", "resized_hw"]


def resized_hw(size_hw: tuple[int, int], input_size: int) -> tuple[int, int]:
    """Compute a picture's size once its long side is ``input_size`` px; at least 1 px a side (upstream allows 0)."""
    height, width = ResizeLongestSide.get_preprocess_shape(*size_hw, input_size)
    return max(1, height), max(1, width)


@torch.inference_mode()
def encode_image(sam: Sam, image: np.ndarray, dtype: torch.dtype = torch.float32) -> ImageEmbedding:
    """Encode a picture or crop into its embedding.

    Args:
        sam: the model.
        image: H×W×3 uint8 RGB.
        dtype: type that large products are computed in.

    Returns:
        Its embedding, on the model's device.
    """
    device = sam.device
    size = resized_hw(image.shape[:2], sam.image_encoder.img_size)
    # Upstream's resizing: Pillow, bilinear with antialiasing.
    resized = np.array(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    pixels = torch.from_numpy(resized).to(device).permute(2, 0, 1).contiguous()[None]
    inputs = sam.preprocess(pixels)
    if isinstance(sam.mask_decoder, HQMaskDecoder):
        return encode_for_hq(sam, inputs, dtype)
    if type(sam.image_encoder) is ImageEncoderViT:
        return ImageEmbedding(encode_vit(sam.image_encoder, inputs, dtype)[0])
    # Other encoders are small: on a CPU, rounding would cost them more than it saves.
    low_precision = dtype != torch.float32 and device.type != "cpu"
    with torch.autocast(device.type, dtype) if low_precision else nullcontext():
        return ImageEmbedding(sam.image_encoder(inputs)[0].float())
