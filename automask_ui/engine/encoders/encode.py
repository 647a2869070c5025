"""Encode a picture: upstream's preprocessing, and the encoder of the model."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from PIL import Image
from segment_anything.modeling import ImageEncoderViT, Sam

from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.geometry import resized_hw
from automask_ui.engine.encoders.sam2.model import SAM2MaskDecoder, encode_for_sam2, stretched
from automask_ui.engine.encoders.sam_hq import HQMaskDecoder, encode_for_hq
from automask_ui.engine.encoders.vit import encode_vit

__all__ = ["encode_image"]


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
    if isinstance(sam.mask_decoder, SAM2MaskDecoder):
        pixels = torch.from_numpy(image.copy()).to(device).permute(2, 0, 1)[None]
        return encode_for_sam2(sam, sam.preprocess(stretched(pixels, sam.image_encoder.img_size)))
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
