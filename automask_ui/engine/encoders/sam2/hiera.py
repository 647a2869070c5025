"""SAM 2's image encoder: Hiera with a pyramid of features (Ryali et al. 2023; Ravi et al. 2024).

Written for inference, after the papers and the published weights' names, which are kept exactly.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from automask_ui.engine.encoders.windows import join_windows, split_windows

__all__ = ["Hiera", "HieraConfig", "HieraEncoder"]

# Levels of the pyramid, from 0 with the finest, that take up the next coarser one.
_TOP_DOWN = (2, 3)
# Rows of a map, about, that pass through a block together: what a block makes on the way is many times as large.
_ROWS_TOGETHER = 32


@dataclass(frozen=True)
class HieraConfig:
    """Sizes of the network, one entry a stage; the defaults are those of "tiny"."""

    embed_dim: int = 96  # width of the first stage; each next one has twice as much
    heads: int = 1  # of the first stage, likewise
    stages: Sequence[int] = (1, 2, 7, 2)  # blocks of each
    windows: Sequence[int] = (8, 4, 14, 7)  # side of the windows of each
    global_blocks: Sequence[int] = (5, 7, 9)  # blocks, from 0, that attend to the whole picture
    position_side: int = 7  # of the table of positions, which is enlarged to the picture
    out_channels: int = 256
    image_size: int = 1024


class HieraMlp(nn.Module):
    """Two dense layers on each cell by itself."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, hidden), nn.Linear(hidden, width)])

    def forward(self, cells: Tensor) -> Tensor:
        """(..., C) to the same shape."""
        return self.layers[1](functional.gelu(self.layers[0](cells)))


class HieraAttention(nn.Module):
    """Self-attention among the cells of a window; where it pools, only every 2×2 cells' largest queries ask."""

    def __init__(self, width: int, out: int, heads: int, pools: bool) -> None:
        super().__init__()
        self.heads = heads
        self.pools = pools
        self.qkv = nn.Linear(width, 3 * out)
        self.proj = nn.Linear(out, out)

    def forward(self, windows: Tensor) -> Tensor:
        """(N, h, w, C) to (N, h, w, C'), or to (N, h/2, w/2, C') where it pools."""
        query, key, value = self.qkv(windows).chunk(3, dim=3)
        if self.pools:
            query = _pooled(query)
        asked = [x.flatten(1, 2).unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (query, key, value)]
        attended = functional.scaled_dot_product_attention(*asked)
        return self.proj(attended.transpose(1, 2).reshape(query.shape))


class HieraBlock(nn.Module):
    """Attention within windows (of the whole picture where ``window`` is 0), then the MLP; may halve the resolution."""

    def __init__(self, width: int, out: int, heads: int, window: int, pools: bool) -> None:
        super().__init__()
        self.window = window
        self.pools = pools
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = HieraAttention(width, out, heads, pools)
        self.norm2 = nn.LayerNorm(out, eps=1e-6)
        self.mlp = HieraMlp(out, 4 * out)
        if width != out:
            self.proj = nn.Linear(width, out)

    def forward(self, cells: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C'), or to (B, H/2, W/2, C') where it pools."""
        if not self.window:
            return self.transform(cells)
        # Windows see nothing of each other: some rows of them at a time take little memory.
        rows = self.window * max(1, _ROWS_TOGETHER // self.window)
        return torch.cat([self.transform(band) for band in cells.split(rows, dim=1)], dim=1)

    def transform(self, cells: Tensor) -> Tensor:
        """All rows together, with shapes as in `forward`."""
        normed = self.norm1(cells)
        shortcut = cells
        if hasattr(self, "proj"):
            shortcut = self.proj(normed)
            shortcut = _pooled(shortcut) if self.pools else shortcut
        cells = shortcut + (self.attend(normed) if self.window else self.attn(normed))
        return cells + self.mlp(self.norm2(cells))

    def attend(self, cells: Tensor) -> Tensor:
        """Attend in windows, with shapes as in `forward`."""
        height, width = cells.shape[1:3]
        attended = self.attn(split_windows(cells, self.window))
        return join_windows(attended, (height // 2, width // 2) if self.pools else (height, width))


class Hiera(nn.Module):
    """The trunk: four stages, of strides 4, 8, 16 and 32."""

    def __init__(self, config: HieraConfig) -> None:
        super().__init__()
        width, heads = config.embed_dim, config.heads
        # Cells of 4×4 pixels, which overlap; in a module of its own for the names of the published weights.
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, width, 7, stride=4, padding=3)))
        self.pos_embed = nn.Parameter(torch.zeros(1, width, config.position_side, config.position_side))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, width, config.windows[0], config.windows[0]))
        self.blocks = nn.ModuleList()
        self.ends: list[int] = []  # the last block of each stage
        for stage, depth in enumerate(config.stages):
            for number in range(depth):
                # The block that begins a stage still has the windows of the one before, whose cells it pools.
                first = stage > 0 and number == 0
                window = config.windows[stage - 1 if first else stage]
                window = 0 if len(self.blocks) in config.global_blocks else window
                out, heads = (2 * width, 2 * heads) if first else (width, heads)
                self.blocks.append(HieraBlock(width, out, heads, window, pools=first))
                width = out
            self.ends.append(len(self.blocks) - 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode (B, 3, H, W): the features after each stage, (B, C, H/4, W/4) and so on."""
        cells = self.patch_embed(images).permute(0, 2, 3, 1)
        cells = cells + self.positions((cells.shape[1], cells.shape[2]))
        maps = []
        for number, block in enumerate(self.blocks):
            cells = block(cells)
            if number in self.ends:
                maps.append(cells.permute(0, 3, 1, 2))
        return maps

    def positions(self, size_hw: tuple[int, int]) -> Tensor:
        """The positional code of a map, (1, H, W, C): one table enlarged to it, and one repeated in every window."""
        window = self.pos_embed_window
        enlarged = functional.interpolate(self.pos_embed, size=size_hw, mode="bicubic")
        repeated = window.tile([1, 1, size_hw[0] // window.shape[2], size_hw[1] // window.shape[3]])
        return (enlarged + repeated).permute(0, 2, 3, 1)


class Neck(nn.Module):
    """The pyramid: all stages at one width, where the coarser ones are merged (Lin et al. 2017, FPN)."""

    def __init__(self, channels: Sequence[int], out: int) -> None:
        super().__init__()
        laterals = (nn.Conv2d(count, out, 1) for count in reversed(channels))
        self.convs = nn.ModuleList(nn.Sequential(OrderedDict(conv=lateral)) for lateral in laterals)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The trunk's maps, finest first, to as many of ``out`` channels."""
        merged: list[Tensor] = []
        for level in reversed(range(len(maps))):
            lateral = self.convs[len(maps) - 1 - level](maps[level])
            if merged and level in _TOP_DOWN:
                lateral = lateral + functional.interpolate(merged[0], scale_factor=2.0, mode="nearest")
            merged.insert(0, lateral)
        return merged


class HieraEncoder(nn.Module):
    """The encoder as ``Sam.image_encoder``.

    Attributes:
        img_size: side of the square input that pictures are stretched to, pixels.
        no_mem_embed: (1, 1, C), what SAM 2 adds to the embedding of a picture that no other came before.
    """

    def __init__(self, config: HieraConfig | None = None) -> None:
        super().__init__()
        config = config or HieraConfig()
        self.img_size = config.image_size
        self.trunk = Hiera(config)
        widths = [config.embed_dim << stage for stage in range(len(config.stages))]
        self.neck = Neck(widths, config.out_channels)
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, config.out_channels))

    def forward(self, images: Tensor) -> Tensor:
        """Encode normalised images, (B, 3, H, W) float, into embeddings, (B, C, H/16, W/16) float."""
        return self.pyramid(images)[2]

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Encode into maps of strides 4, 8 and 16, each (B, C, h, w) float; the last is the embedding."""
        # The coarsest level has done its part in the one before.
        maps = self.neck(self.trunk(images))[:3]
        maps[2] = maps[2] + self.no_mem_embed[0, 0, :, None, None]
        return maps


def _pooled(cells: Tensor) -> Tensor:
    """The largest of every 2×2 cells: (B, H, W, C) to (B, H/2, W/2, C)."""
    return functional.max_pool2d(cells.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
