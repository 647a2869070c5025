"""The built-in model's architecture: the official Segment Anything classes around a small convolutional encoder.

Only the shape of the network is here; how its weights were made is under `automask_ui/training`.
"""

import math

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional

IMAGE_SIZE = 512
STRIDE = 8
EMBED_DIM = 128
HEADS = 4
WIDTHS = (32, 48, 96, 144, 192)
BLOCKS = (2, 3, 3, 3)
# Waves of the positional code, in cells of the embedding, and in how many directions each of them runs.
WAVELENGTHS = (128, 64, 32, 16, 8)
DIRECTIONS = 5


class Downsample(nn.Sequential):
    """Halve the resolution: a 3x3 convolution of stride 2, normalised and rectified."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016, basic block)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) float to the same shape."""
        inner = functional.relu(self.norm1(self.conv1(features)), inplace=True)
        return functional.relu(features + self.norm2(self.conv2(inner)), inplace=True)


class TinyEncoder(nn.Module):
    """A residual network of strides 4 to 32, merged top down into one map of stride 8 (Lin et al. 2017, FPN).

    Attributes:
        img_size: Side of the square input that `Sam.preprocess` pads to, pixels; other multiples of 32 work too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.img_size = IMAGE_SIZE
        stem, quarter, eighth, sixteenth, coarse = WIDTHS
        self.stem = nn.Sequential(Downsample(3, stem), Downsample(stem, quarter))
        self.stage4 = _blocks(quarter, BLOCKS[0])
        self.stage8 = nn.Sequential(Downsample(quarter, eighth), *_blocks(eighth, BLOCKS[1]))
        self.stage16 = nn.Sequential(Downsample(eighth, sixteenth), *_blocks(sixteenth, BLOCKS[2]))
        self.stage32 = nn.Sequential(Downsample(sixteenth, coarse), *_blocks(coarse, BLOCKS[3]))
        # The finest map is folded 2x2 into stride 8, so that outlines inside a cell are not lost.
        self.lateral4 = nn.Conv2d(quarter, EMBED_DIM, 2, stride=2)
        self.lateral8 = nn.Conv2d(eighth, EMBED_DIM, 1)
        self.lateral16 = nn.Conv2d(sixteenth, EMBED_DIM, 1)
        self.lateral32 = nn.Conv2d(coarse, EMBED_DIM, 1)
        self.merge16 = nn.Conv2d(EMBED_DIM, EMBED_DIM, 3, padding=1)
        self.merge8 = nn.Conv2d(EMBED_DIM, EMBED_DIM, 3, padding=1)
        self.norm = LayerNorm2d(EMBED_DIM)
        self.place = nn.Conv2d(2 * len(WAVELENGTHS) * DIRECTIONS, EMBED_DIM, 1)
        self.project = nn.Conv2d(EMBED_DIM, EMBED_DIM, 1)

    def forward(self, images: Tensor, origin_cells: tuple[int, int] = (0, 0)) -> Tensor:
        """Encode images.

        Convolutions alone cannot tell two things of one look apart, so each cell is also told where it is.

        Args:
            images: (B, 3, H, W) float, normalised.
            origin_cells: (row, column) of the images in the cells of the full input, other than 0 for crops of it.

        Returns:
            (B, EMBED_DIM, H / 8, W / 8) float embeddings.
        """
        quarter = self.stage4(self.stem(images))
        eighth = self.stage8(quarter)
        sixteenth = self.stage16(eighth)
        merged = _doubled(self.lateral32(self.stage32(sixteenth))) + self.lateral16(sixteenth)
        merged = _doubled(functional.relu(self.merge16(merged)))
        merged = merged + self.lateral8(eighth) + self.lateral4(quarter)
        # Normalised in float32 even where autocast computed the rest in bfloat16.
        features = self.norm(self.merge8(functional.relu(merged)).float())
        code = _place_code(origin_cells, (features.shape[2], features.shape[3]), features.device)
        return self.project(features + self.place(code))


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


def _place_code(origin_cells: tuple[int, int], size_hw: tuple[int, int], device: torch.device) -> Tensor:
    """Sines and cosines of plane waves, by which near cells look alike and far ones do not. (1, C, H, W) float32."""
    rows = torch.arange(size_hw[0], device=device, dtype=torch.float32)[:, None] + origin_cells[0]
    columns = torch.arange(size_hw[1], device=device, dtype=torch.float32) + origin_cells[1]
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
