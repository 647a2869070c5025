"""Recognise the architecture of a SAM state dict from the names and shapes of its tensors.

Fine-tuned and reduced models load like the published ones: width, depth, heads, windows and image size all show in the
shapes. Only the number of heads in the mask decoder does not; it is 8 in every published SAM.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from automask_ui.engine.encoders.builtin import build_tiny_sam
from automask_ui.engine.encoders.sam2.hiera import HieraConfig, HieraEncoder
from automask_ui.engine.encoders.sam2.model import SAM2MaskDecoder
from automask_ui.engine.encoders.sam_hq import HQMaskDecoder
from automask_ui.engine.encoders.tiny_vit import TinyViTConfig, TinyViTEncoder
from automask_ui.errors import CheckpointFormatError

__all__ = [
    "PUBLISHED",
    "Architecture",
    "DecoderConfig",
    "ViTConfig",
    "build_sam2",
    "build_vit_sam",
    "build_vit_t_sam",
    "check_fit",
    "recognise",
]

Shapes = Mapping[str, tuple[int, ...]]

_TINY_VIT_STRIDE = 16
_HIERA_STRIDE = 16
# SAM 2's by the width of the first stage and the blocks of each: windows, heads and the blocks that see the whole
# picture do not show in a file.
_HIERA: dict[tuple[int, tuple[int, ...]], tuple[str, HieraConfig]] = {
    (96, (1, 2, 7, 2)): ("sam2_t", HieraConfig()),
    (96, (1, 2, 11, 2)): ("sam2_s", HieraConfig(stages=(1, 2, 11, 2), global_blocks=(7, 10, 13))),
    (112, (2, 3, 16, 3)): (
        "sam2_b",
        HieraConfig(embed_dim=112, heads=2, stages=(2, 3, 16, 3), global_blocks=(12, 16, 20), position_side=14),
    ),
    (144, (2, 6, 36, 4)): (
        "sam2_l",
        HieraConfig(embed_dim=144, heads=2, stages=(2, 6, 36, 4), windows=(8, 4, 16, 8), global_blocks=(23, 33, 43)),
    ),
}
_SAM2_PRED_IOU_THRESH = 0.8  # of ``SAM2AutomaticMaskGenerator``


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of SAM's plain vision transformer; the defaults are ViT-B's."""

    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    global_attn_indexes: tuple[int, ...] = (2, 5, 8, 11)
    window_size: int = 14
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    patch_size: int = 16
    image_size: int = 1024


_VIT = {
    "vit_b": ViTConfig(),
    "vit_l": ViTConfig(embed_dim=1024, depth=24, num_heads=16, global_attn_indexes=(5, 11, 17, 23)),
    "vit_h": ViTConfig(embed_dim=1280, depth=32, num_heads=16, global_attn_indexes=(7, 15, 23, 31)),
}


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of prompt encoder and mask decoder; the defaults are those of every published SAM."""

    embed_dim: int = 256
    mask_in_chans: int = 16
    depth: int = 2
    mlp_dim: int = 2048
    num_heads: int = 8
    attention_downsample_rate: int = 2
    num_multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    early_width: int = 0  # of SAM-HQ alone: channels of the encoder's early features; 0 builds SAM's own decoder
    is_sam2: bool = False


@dataclass(frozen=True)
class Architecture:
    """A recognised architecture: its registry name ("vit" or "hq_vit" for sizes of its own) and how to build it."""

    name: str
    build: Callable[[], Sam]
    pred_iou_thresh: float = 0.88  # default of its authors' generator


def recognise(shapes: Shapes, declared: str | None = None) -> Architecture:
    """Recognise the architecture of a state dict with these shapes; ``declared`` is the name stored in the file.

    Raises:
        CheckpointFormatError: it is none that is known, or tensors that tell its sizes are missing or contradict
            each other. The message begins with a verb ("has no ..."), for the caller to put the file's name before it.
    """
    if declared == "tiny" or "image_encoder.lateral4.weight" in shapes:
        return Architecture("tiny", build_tiny_sam)
    if "image_encoder.patch_embed.seq.0.c.weight" in shapes:
        return _variant("vit_t", partial(build_vit_t_sam, _read_tiny_vit(shapes)), shapes)
    if "image_encoder.patch_embed.proj.weight" in shapes:
        config = _read_vit(shapes)
        sizes = {(known.embed_dim, known.depth): name for name, known in _VIT.items()}
        name = sizes.get((config.embed_dim, config.depth), "vit")
        return _variant(name, partial(build_vit_sam, config), shapes)
    if "image_encoder.trunk.pos_embed_window" in shapes:
        name, hiera = _read_hiera(shapes)
        return Architecture(name, partial(build_sam2, hiera, _read_decoder(shapes)), _SAM2_PRED_IOU_THRESH)
    raise CheckpointFormatError(
        "has an image encoder of an unknown kind; ViT, TinyViT, SAM 2's Hiera and the built-in one are known"
    )


def _variant(encoder: str, build: Callable[[DecoderConfig], Sam], shapes: Shapes) -> Architecture:
    """The architecture of an encoder with the decoder that has these shapes: SAM's, or SAM-HQ's."""
    decoder = _read_decoder(shapes)
    return Architecture(f"hq_{encoder}" if decoder.early_width else encoder, partial(build, decoder))


def check_fit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], arch: str) -> None:
    """Check a state dict against that of its architecture, ``expected``, which may be on the "meta" device.

    Raises:
        CheckpointFormatError: tensors are missing, too many, of another shape or type, or without finite numbers.
    """
    both = [key for key in expected if key in found]
    dense = [key for key in both if found[key].layout is torch.strided and not found[key].is_meta]
    faults = {
        "missing": [key for key in expected if key not in found],
        "not of SAM": [key for key in found if key not in expected],
        "of another shape": [
            f"{key} is {tuple(found[key].shape)} instead of {tuple(expected[key].shape)}"
            for key in both
            if found[key].shape != expected[key].shape
        ],
        "of another type": [
            f"{key} is {found[key].dtype}"
            for key in both
            if expected[key].is_floating_point() and not found[key].is_floating_point()
        ],
        "stored without their numbers, or sparse": [key for key in both if key not in dense],
        # One sum a tensor: it is not finite as soon as one number is not.
        "with infinite numbers or NaN": [
            key for key in dense if found[key].is_floating_point() and not math.isfinite(found[key].float().sum())
        ],
    }
    listed = [
        f"{len(keys)} tensors {what} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"
        for what, keys in faults.items()
        if keys
    ]
    if listed:
        raise CheckpointFormatError(f"looks like a SAM {arch} but does not fit: {'; '.join(listed)}")


def build_vit_sam(config: ViTConfig | None = None, decoder: DecoderConfig | None = None) -> Sam:
    """Build a SAM with a plain vision transformer and random weights, in evaluation mode."""
    config, decoder = config or ViTConfig(), decoder or DecoderConfig()
    encoder = ImageEncoderViT(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.num_heads,
        mlp_ratio=config.mlp_ratio,
        out_chans=decoder.embed_dim,
        qkv_bias=config.qkv_bias,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=config.window_size,
        global_attn_indexes=config.global_attn_indexes,
    )
    return _assemble(encoder, decoder, config.image_size, config.image_size // config.patch_size)


def build_vit_t_sam(config: TinyViTConfig | None = None, decoder: DecoderConfig | None = None) -> Sam:
    """Build MobileSAM with random weights, in evaluation mode."""
    config = config or TinyViTConfig()
    grid = config.image_size // _TINY_VIT_STRIDE
    return _assemble(TinyViTEncoder(config), decoder or DecoderConfig(), config.image_size, grid)


def build_sam2(config: HieraConfig | None = None, decoder: DecoderConfig | None = None) -> Sam:
    """Build SAM 2, for pictures alone, with random weights, in evaluation mode."""
    config = config or HieraConfig()
    decoder = replace(decoder or DecoderConfig(), is_sam2=True)
    return _assemble(HieraEncoder(config), decoder, config.image_size, config.image_size // _HIERA_STRIDE)


def _assemble(encoder: nn.Module, config: DecoderConfig, image_size: int, grid: int) -> Sam:
    """Build a SAM around an image encoder."""
    sam = Sam(
        image_encoder=encoder,
        prompt_encoder=PromptEncoder(
            embed_dim=config.embed_dim,
            image_embedding_size=(grid, grid),
            input_image_size=(image_size, image_size),
            mask_in_chans=config.mask_in_chans,
        ),
        mask_decoder=_build_decoder(config),
    )
    return sam.eval()


def _build_decoder(config: DecoderConfig) -> MaskDecoder:
    build: Callable[..., MaskDecoder] = SAM2MaskDecoder if config.is_sam2 else MaskDecoder
    if config.early_width:
        build = partial(HQMaskDecoder, early_width=config.early_width)
    return build(
        transformer_dim=config.embed_dim,
        transformer=TwoWayTransformer(
            depth=config.depth,
            embedding_dim=config.embed_dim,
            num_heads=config.num_heads,
            mlp_dim=config.mlp_dim,
            attention_downsample_rate=config.attention_downsample_rate,
        ),
        num_multimask_outputs=config.num_multimask_outputs,
        iou_head_depth=config.iou_head_depth,
        iou_head_hidden_dim=config.iou_head_hidden_dim,
    )


def _read_vit(shapes: Shapes) -> ViTConfig:
    width, _, patch, _ = _shape(shapes, "image_encoder.patch_embed.proj.weight", 4)
    grid = _shape(shapes, "image_encoder.pos_embed", 4)[1]
    depth = _count(shapes, r"image_encoder\.blocks\.(\d+)\.")
    block = "image_encoder.blocks.{}.attn.rel_pos_h"
    rel_pos = [_shape(shapes, block.format(index), 2) for index in range(depth)]
    # A table of relative positions has 2·side - 1 rows: the side is the window's, or the whole grid's.
    sides = [(rows + 1) // 2 for rows, _ in rel_pos]
    windows = {side for side in sides if side != grid}
    if len(windows) > 1:
        raise CheckpointFormatError(f"has blocks with different window sizes, {sorted(windows)}")
    return ViTConfig(
        embed_dim=width,
        depth=depth,
        num_heads=_divide(width, rel_pos[0][1], "width of the encoder", "width of a head"),
        global_attn_indexes=tuple(index for index, side in enumerate(sides) if side == grid),
        window_size=windows.pop() if windows else 0,
        mlp_ratio=_shape(shapes, "image_encoder.blocks.0.mlp.lin1.weight", 2)[0] / width,
        qkv_bias="image_encoder.blocks.0.attn.qkv.bias" in shapes,
        patch_size=patch,
        image_size=grid * patch,
    )


def _read_tiny_vit(shapes: Shapes) -> TinyViTConfig:
    stages = _count(shapes, r"image_encoder\.layers\.(\d+)\.")
    prefix = "image_encoder.layers.{}.blocks."
    first = _shape(shapes, "image_encoder.layers.0.blocks.0.conv1.c.weight", 4)
    biases = [_shape(shapes, prefix.format(stage) + "0.attn.attention_biases", 2) for stage in range(1, stages)]
    return TinyViTConfig(
        widths=[
            first[1],
            *(_shape(shapes, prefix.format(stage) + "0.attn.proj.weight", 2)[0] for stage in range(1, stages)),
        ],
        depths=[_count(shapes, re.escape(prefix.format(stage)) + r"(\d+)\.") for stage in range(stages)],
        heads=[0, *(heads for heads, _ in biases)],
        windows=[0, *(math.isqrt(distances) for _, distances in biases)],
        expansion=_divide(first[0], first[1], "hidden width", "width of the first stage"),
        out_channels=_shape(shapes, "image_encoder.neck.0.weight", 4)[0],
        classes=shapes.get("image_encoder.head.weight", (0,))[0],
    )


def _read_hiera(shapes: Shapes) -> tuple[str, HieraConfig]:
    trunk = "image_encoder.trunk."
    width = _shape(shapes, trunk + "patch_embed.proj.weight", 4)[0]
    depth = _count(shapes, re.escape(trunk) + r"blocks\.(\d+)\.")
    # Blocks that begin a stage change the width.
    begins = [0, *(index for index in range(depth) if f"{trunk}blocks.{index}.proj.weight" in shapes), depth]
    stages = tuple(end - begin for begin, end in pairwise(begins))
    if (width, stages) not in _HIERA:
        raise CheckpointFormatError(
            f"holds a SAM 2 of other sizes than the published ones (width {width}, blocks {stages}), whose windows "
            "are not known"
        )
    return _HIERA[width, stages]


def _read_decoder(shapes: Shapes) -> DecoderConfig:
    width = _shape(shapes, "prompt_encoder.no_mask_embed.weight", 2)[1]
    transformer = "mask_decoder.transformer."
    inner = _shape(shapes, transformer + "final_attn_token_to_image.q_proj.weight", 2)[0]
    heads = DecoderConfig.num_heads
    _divide(inner, heads, "width of the decoder's attention", "number of its heads")
    return DecoderConfig(
        embed_dim=width,
        mask_in_chans=_shape(shapes, "prompt_encoder.mask_downscaling.3.weight", 4)[0],
        depth=_count(shapes, r"mask_decoder\.transformer\.layers\.(\d+)\."),
        mlp_dim=_shape(shapes, transformer + "layers.0.mlp.lin1.weight", 2)[0],
        num_heads=heads,
        attention_downsample_rate=_divide(width, inner, "width of the decoder", "width of its attention"),
        num_multimask_outputs=_shape(shapes, "mask_decoder.mask_tokens.weight", 2)[0] - 1,
        iou_head_depth=_count(shapes, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\."),
        iou_head_hidden_dim=_shape(shapes, "mask_decoder.iou_prediction_head.layers.0.weight", 2)[0],
        early_width=(
            _shape(shapes, "mask_decoder.compress_vit_feat.0.weight", 4)[0]
            if "mask_decoder.hf_token.weight" in shapes
            else 0
        ),
    )


def _shape(shapes: Shapes, key: str, axes: int) -> tuple[int, ...]:
    shape = shapes.get(key)
    if shape is None:
        raise CheckpointFormatError(f"has no {key}")
    if len(shape) != axes or min(shape) == 0:
        raise CheckpointFormatError(f"has {key} of shape {tuple(shape)}, where {axes} axes were expected")
    return shape


def _count(shapes: Shapes, pattern: str) -> int:
    """How many modules a list has, from the numbers in the keys that match ``pattern``."""
    numbers = {int(match[1]) for key in shapes if (match := re.match(pattern, key))}
    if not numbers:
        raise CheckpointFormatError(f"has no {pattern}".replace("\\", "").replace("(d+)", "0"))
    if max(numbers) >= len(numbers):
        raise CheckpointFormatError(f"has gaps in its blocks: {len(numbers)} numbers up to {max(numbers)}")
    return len(numbers)


def _divide(whole: int, part: int, whole_name: str, part_name: str) -> int:
    if whole % part:
        raise CheckpointFormatError(f"has a {whole_name} of {whole}, which {part}, the {part_name}, does not divide")
    return whole // part


#: Builds each published architecture but the built-in one, with random weights, by its name.
PUBLISHED: Mapping[str, Callable[[], Sam]] = {
    "vit_t": build_vit_t_sam,
    "hq_vit_t": partial(build_vit_t_sam, decoder=DecoderConfig(early_width=TinyViTConfig().widths[2])),
    **{name: partial(build_vit_sam, config) for name, config in _VIT.items()},
    **{
        f"hq_{name}": partial(build_vit_sam, config, DecoderConfig(early_width=config.embed_dim))
        for name, config in _VIT.items()
    },
    **{name: partial(build_sam2, config) for name, config in _HIERA.values()},
}
