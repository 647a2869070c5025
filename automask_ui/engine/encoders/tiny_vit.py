"""MobileSAM's image encoder: a TinyViT whose last stage keeps the resolution (Zhang et al. 2023; Wu et al. 2022).

Written for inference, after the papers and the published weights' names, which are kept exactly so that
``mobile_sam.pt`` loads unchanged. timm's TinyViT is not used: the names, the order of stages, the last stride and the
missing neck would all have to be patched from outside, for a dependency that nothing else here needs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional

from automask_ui.engine.encoders.windows import join_windows, split_windows

__all__ = ["TinyViTConfig", "TinyViTEncoder"]


@dataclass(frozen=True)
class TinyViTConfig:
    """Sizes of the network, one entry a stage (the first has no attention); the defaults are MobileSAM's TinyViT-5M."""

    widths: Sequence[int] = (64, 128, 160, 320)
    depths: Sequence[int] = (2, 2, 6, 2)
    heads: Sequence[int] = (2, 4, 5, 10)
    windows: Sequence[int] = (7, 7, 14, 7)
    expansion: int = 4  # of the hidden layers, in convolution blocks and MLPs alike
    out_channels: int = 256
    classes: int = 1000  # of the ImageNet head, which the published file carries and nothing uses; 0: no head
    image_size: int = 1024


class ConvNorm(nn.Sequential):
    """Convolution without bias, then batch normalisation."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)


class ConvBlock(nn.Module):
    """Inverted bottleneck around a shortcut (MBConv of MobileNetV2), as used by the first stage."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        hidden = width * expansion
        self.conv1 = ConvNorm(width, hidden, 1)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        inner = functional.gelu(self.conv1(features))
        inner = functional.gelu(self.conv2(inner))
        return functional.gelu(features + self.conv3(inner))


class WindowAttention(nn.Module):
    """Self-attention among the cells of one window, biased by how far apart two cells are."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        # One learned number a head for every |dy|, |dx|, numbered row by row.
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))

    def forward(self, cells: Tensor) -> Tensor:
        """(windows, window², C) to the same shape."""
        count, length, width = cells.shape
        # Each head's query, key and value lie side by side in the projection.
        qkv = self.qkv(self.norm(cells)).view(count, length, self.heads, 3, width // self.heads)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=self.bias()[None])
        return self.proj(attended.transpose(1, 2).reshape(count, length, width))

    def bias(self) -> Tensor:
        """The bias of every pair of cells: (heads, window², window²)."""
        place = torch.arange(self.window, device=self.attention_biases.device)
        distance = (place[:, None] - place).abs()
        # Axes: row and column of the query, row and column of the key.
        index = distance[:, None, :, None] * self.window + distance[None, :, None, :]
        return self.attention_biases[:, index.reshape(self.window**2, self.window**2)]


class TinyViTMlp(nn.Module):
    """Two dense layers on each cell by itself."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, cells: Tensor) -> Tensor:
        """(..., C) to the same shape."""
        return self.fc2(functional.gelu(self.fc1(self.norm(cells))))


class AttentionBlock(nn.Module):
    """Attention within windows, a depthwise convolution across their borders, then the MLP."""

    def __init__(self, width: int, heads: int, window: int, expansion: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)
        self.mlp = TinyViTMlp(width, width * expansion)
        self.local_conv = ConvNorm(width, width, 3, groups=width)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        cells = features.permute(0, 2, 3, 1)
        attended = self.attn(split_windows(cells, self.window).flatten(1, 2))
        windows = attended.unflatten(1, (self.window, self.window))
        cells = cells + join_windows(windows, (cells.shape[1], cells.shape[2]))
        cells = self.local_conv(cells.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (cells + self.mlp(cells)).permute(0, 3, 1, 2)


class Merge(nn.Module):
    """Between two stages: change the width and, at stride 2, halve the resolution."""

    def __init__(self, width: int, next_width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, next_width, 1)
        self.conv2 = ConvNorm(next_width, next_width, 3, stride, groups=next_width)
        self.conv3 = ConvNorm(next_width, next_width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to (B, next C, H / stride, W / stride)."""
        inner = functional.gelu(self.conv1(features))
        return self.conv3(functional.gelu(self.conv2(inner)))


class TinyViTStage(nn.Module):
    """Blocks of one width, then the merge into the next stage; the last stage has none."""

    def __init__(self, config: TinyViTConfig, index: int) -> None:
        super().__init__()
        width, stages = config.widths[index], len(config.widths)
        if index == 0:
            blocks: list[nn.Module] = [ConvBlock(width, config.expansion) for _ in range(config.depths[0])]
        else:
            blocks = [
                AttentionBlock(width, config.heads[index], config.windows[index], config.expansion)
                for _ in range(config.depths[index])
            ]
        self.blocks = nn.Sequential(*blocks)
        self.downsample: nn.Module | None = None
        if index + 1 < stages:
            # MobileSAM keeps 1/16 of the resolution where TinyViT would go down to 1/32.
            stride = 1 if index + 2 == stages else 2
            self.downsample = Merge(width, config.widths[index + 1], stride)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the next stage's shape."""
        features = self.blocks(features)
        return features if self.downsample is None else self.downsample(features)


class TinyViTEncoder(nn.Module):
    """The encoder as ``Sam.image_encoder``.

    Attributes:
        img_size: side of the square input that `Sam.preprocess` pads to, pixels.
    """

    def __init__(self, config: TinyViTConfig | None = None) -> None:
        super().__init__()
        config = config or TinyViTConfig()
        self.img_size = config.image_size
        width = config.widths[0]
        # Pixels to cells of 4×4 pixels; in a module of its own for the names of the published weights.
        halving_twice = nn.Sequential(ConvNorm(3, width // 2, 3, 2), nn.GELU(), ConvNorm(width // 2, width, 3, 2))
        self.patch_embed = nn.Sequential(OrderedDict(seq=halving_twice))
        self.layers = nn.ModuleList(TinyViTStage(config, index) for index in range(len(config.widths)))
        last = config.widths[-1]
        if config.classes:
            self.norm_head = nn.LayerNorm(last)
            self.head = nn.Linear(last, config.classes)
        self.neck = nn.Sequential(
            nn.Conv2d(last, config.out_channels, 1, bias=False),
            LayerNorm2d(config.out_channels),
            nn.Conv2d(config.out_channels, config.out_channels, 3, padding=1, bias=False),
            LayerNorm2d(config.out_channels),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Encode normalised images, (B, 3, H, W) float, into embeddings, (B, out_channels, H/16, W/16) float."""
        for maps in self.stages(images):
            features = maps
        return self.neck(features).contiguous()

    def stages(self, images: Tensor) -> Iterator[Tensor]:
        """Run the encoder up to its neck: yield the features after each stage, (B, C, H, W) float."""
        # Channels last throughout: attention and MLPs see a map as rows of cells without copying it.
        features = self.patch_embed(images.contiguous(memory_format=torch.channels_last))
        for stage in self.layers:
            features = stage(features)
            yield features
