"""The built-in model's architecture: the official Segment Anything classes around EfficientNet-Lite0.

Only the shape of the network is here; how its weights were made is under `automask_ui/training`.
"""

import math
from typing import NamedTuple

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional

IMAGE_SIZE = 512
STRIDE = 8
EMBED_DIM = 128
HEADS = 4
# Waves of the positional code, in cells of the embedding, and in how many directions each of them runs.
WAVELENGTHS = (128, 64, 32, 16, 8)
DIRECTIONS = 5
STEM_CHANNELS = 32


class BlockShape(NamedTuple):
    """Sizes of one inverted residual block.

    Attributes:
        late: Whether a stride of 2 starts at the first pixel instead of the one before it. Every second one does, so
            that the maps of all strides stay centred on their cells; ImageNet's trunk has all of them late.
    """

    channels_in: int
    channels_out: int
    kernel: int
    stride: int
    expansion: int
    late: bool = False


def _block_shapes() -> tuple[BlockShape, ...]:
    """The 16 blocks of EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excite)."""
    # Repeats, kernel, stride of the first, expansion, channels out.
    stages = (
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
    )  # fmt: skip
    shapes, channels = [], STEM_CHANNELS
    for repeats, kernel, stride, expansion, channels_out in stages:
        for number in range(repeats):
            first = number == 0
            late = first and channels_out in (40, 192)
            shapes.append(BlockShape(channels, channels_out, kernel, stride if first else 1, expansion, late))
            channels = channels_out
    return tuple(shapes)


BLOCK_SHAPES = _block_shapes()
# The last block of each stride, 2 to 32, whose output is merged into the embedding.
TAPS = {2: 0, 4: 2, 8: 4, 16: 10, 32: 15}


class InvertedResidual(nn.Module):
    """Widen by a 1x1 convolution, filter each channel by itself, narrow again (Sandler et al. 2018).

    Its batch norms are folded into the convolutions.
    """

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        inner = shape.channels_in * shape.expansion
        self.expand = nn.Conv2d(shape.channels_in, inner, 1) if shape.expansion > 1 else None
        self.late = shape.late
        padding = 0 if shape.late else shape.kernel // 2
        self.depthwise = nn.Conv2d(inner, inner, shape.kernel, shape.stride, padding, groups=inner)
        self.narrow = nn.Conv2d(inner, shape.channels_out, 1)
        self.is_residual = shape.stride == 1 and shape.channels_in == shape.channels_out

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) float to (B, C', H / stride, W / stride) float."""
        inner = features if self.expand is None else functional.relu6(self.expand(features), inplace=True)
        filtered = self.depthwise(_padded_late(inner, self.depthwise) if self.late else inner)
        narrowed = self.narrow(functional.relu6(filtered, inplace=True))
        return features + narrowed if self.is_residual else narrowed


class TinyEncoder(nn.Module):
    """EfficientNet-Lite0 of strides 2 to 32, merged top down into one map of stride 8 (Lin et al. 2017, FPN).

    Attributes:
        img_size: Side of the square input that `Sam.preprocess` pads to, pixels; other multiples of 32 work too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.img_size = IMAGE_SIZE
        self.stem = nn.Conv2d(3, STEM_CHANNELS, 3, stride=2)
        self.blocks = nn.ModuleList(InvertedResidual(shape) for shape in BLOCK_SHAPES)
        channels = {stride: BLOCK_SHAPES[index].channels_out for stride, index in TAPS.items()}
        # The finest maps are folded into the cells of stride 8, so that outlines inside a cell are not lost.
        self.lateral2 = nn.Conv2d(channels[2], EMBED_DIM, 4, stride=4)
        self.lateral4 = nn.Conv2d(channels[4], EMBED_DIM, 2, stride=2)
        self.lateral8 = nn.Conv2d(channels[8], EMBED_DIM, 1)
        self.lateral16 = nn.Conv2d(channels[16], EMBED_DIM, 1)
        self.lateral32 = nn.Conv2d(channels[32], EMBED_DIM, 1)
        self.merge16 = nn.Conv2d(EMBED_DIM, EMBED_DIM, 3, padding=1)
        self.merge8 = nn.Conv2d(EMBED_DIM, EMBED_DIM, 3, padding=1)
        self.norm = LayerNorm2d(EMBED_DIM)
        self.place = nn.Conv2d(2 * len(WAVELENGTHS) * DIRECTIONS, EMBED_DIM, 1)
        self.project = nn.Conv2d(EMBED_DIM, EMBED_DIM, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Encode images.

        Convolutions alone cannot tell two things of one look apart, so each cell is also told where it is.

        Args:
            images: (B, 3, H, W) float, normalised.

        Returns:
            (B, EMBED_DIM, H / 8, W / 8) float embeddings.
        """
        features = functional.relu6(self.stem(_padded_late(images.contiguous(), self.stem)))
        maps = []
        for block in self.blocks:
            features = block(features)
            maps.append(features)
        merged = _doubled(self.lateral32(maps[TAPS[32]])) + self.lateral16(maps[TAPS[16]])
        merged = _doubled(functional.relu(self.merge16(merged))) + self.lateral8(maps[TAPS[8]])
        merged = merged + self.lateral4(maps[TAPS[4]]) + self.lateral2(maps[TAPS[2]])
        # Normalised in float32 even where autocast computed the rest in bfloat16.
        features = self.norm(self.merge8(functional.relu(merged)).float())
        return self.project(features + self.place(_place_code((features.shape[2], features.shape[3]), features.device)))


def _padded_late(features: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Pad so that a convolution without padding of its own has its first output centred on the second input."""
    reach = convolution.kernel_size[0] // 2
    return functional.pad(features, (reach - 1, reach, reach - 1, reach))


def _place_code(size_hw: tuple[int, int], device: torch.device) -> Tensor:
    """Sines and cosines of plane waves, by which near cells look alike and far ones do not. (1, C, H, W) float32."""
    rows = torch.arange(size_hw[0], device=device, dtype=torch.float32)[:, None]
    columns = torch.arange(size_hw[1], device=device, dtype=torch.float32)
    waves = []
    for number, length in enumerate(WAVELENGTHS):
        for direction in range(DIRECTIONS):
            # Each wavelength's fan of directions is turned against the one before.
            angle = math.pi * (direction + 0.5 * number) / DIRECTIONS
            phase = (columns * math.cos(angle) + rows * math.sin(angle)) * (2 * math.pi / length)
            waves += [phase.sin(), phase.cos()]
    return torch.stack(waves)[None]


def _doubled(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


def build_tiny_sam() -> Sam:
    """Build the built-in architecture with random weights, in evaluation mode."""
    grid = IMAGE_SIZE // STRIDE
    sam = Sam(
        image_encoder=TinyEncoder(),
        prompt_encoder=PromptEncoder(
            embed_dim=EMBED_DIM,
            image_embedding_size=(grid, grid),
            input_image_size=(IMAGE_SIZE, IMAGE_SIZE),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=EMBED_DIM,
            transformer=TwoWayTransformer(depth=2, embedding_dim=EMBED_DIM, mlp_dim=512, num_heads=HEADS),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=EMBED_DIM,
        ),
    )
    return sam.eval()
