"""What becomes of a point's own tokens after the transformer: scores, and masks made of the upscaled image tokens.

Every variant of SAM's mask decoder has a head; all of them share the transformer, which is the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from segment_anything.modeling import MaskDecoder
from torch import Tensor

from automask_ui.engine.decoder.upscaling import HighResUpscaling, Upscaling
from automask_ui.engine.encoders.embedding import ImageEmbedding
from automask_ui.engine.encoders.sam2.model import SAM2MaskDecoder
from automask_ui.engine.encoders.sam_hq import HQMaskDecoder
from automask_ui.engine.runtime.scratch import Scratch

__all__ = ["MaskHead", "head_of", "is_decoded_by_upstream", "masks_per_point"]

# Points of SAM-HQ that a GPU draws together: each takes some 50 MB for its features.
HQ_POINTS_TOGETHER = 8


def masks_per_point(decoder: MaskDecoder) -> int:
    """How many masks a model proposes for a point."""
    return 1 if isinstance(decoder, HQMaskDecoder) else decoder.num_multimask_outputs


def head_of(decoder: MaskDecoder, embedding: ImageEmbedding, dtype: torch.dtype, scratch: Scratch) -> MaskHead:
    """The head of a mask decoder, for one picture, which works in ``scratch``."""
    if isinstance(decoder, HQMaskDecoder):
        return HQHead(decoder, embedding.fine[0], dtype, scratch)
    if isinstance(decoder, SAM2MaskDecoder):
        return SAM2Head(decoder, embedding.fine, dtype, scratch)
    return MaskHead(decoder, dtype, scratch)


def is_decoded_by_upstream(decoder: MaskDecoder) -> bool:
    """Whether ``decoder`` itself, called as upstream does, gives the model's masks."""
    return not isinstance(decoder, (HQMaskDecoder, SAM2MaskDecoder))


class MaskHead:
    """SAM's: L masks a point, each from a token of its own, and a guess of the IoU of each.

    Attributes:
        levels: L.
        tokens: those that every point has before those of its prompt, T×C. Token 0 guesses the IoU of every mask,
            tokens 1 and on stand for the masks. The first mask and the first guess are for single-mask output.
        margin: image tokens beyond those shown that masks of the shown part are made of.
        settles_single: whether a single mask that is not stable gives way to the best of the others.
    """

    margin = 0
    settles_single = False

    def __init__(self, decoder: MaskDecoder, dtype: torch.dtype, scratch: Scratch) -> None:
        self.levels = masks_per_point(decoder)
        self.tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        self.upscaling = Upscaling(decoder, dtype, scratch)
        self._decoder = decoder

    def used(self, with_single: bool) -> list[int]:
        """Which of the tokens `answer` needs."""
        return [0, *range(1 if with_single else 2, 2 + self._decoder.num_multimask_outputs)]

    def answer(self, tokens: Sequence[Tensor], with_single: bool) -> tuple[Tensor, Tensor]:
        """Turn the used tokens, each B×C, into guesses of the IoU, B×L, and weights of the masks, B×L×D."""
        return self._scores_and_weights(tokens, 0 if with_single else 1)

    def masks(self, tiles: Iterable[tuple[Tensor, Tensor]], shown_hw: tuple[int, int], weights: Tensor) -> Tensor:
        """Make logits, B×L×4h×4w float32, of image tokens and weights; see `Upscaling.masks`."""
        return self.upscaling.masks(tiles, shown_hw, weights)

    def _scores_and_weights(self, tokens: Sequence[Tensor], first: int) -> tuple[Tensor, Tensor]:
        """Of the masks from number ``first`` on."""
        iou_token, *mask_tokens = tokens
        mlps = self._decoder.output_hypernetworks_mlps[first:]
        weights = torch.stack([mlp(token) for mlp, token in zip(mlps, mask_tokens, strict=True)], dim=1)
        return self._decoder.iou_prediction_head(iou_token)[:, first:], weights


class SAM2Head(MaskHead):
    """SAM 2's: a token more, for a score of video alone, features added while upscaling, and guesses from 0 to 1."""

    settles_single = True

    def __init__(
        self, decoder: SAM2MaskDecoder, fine: tuple[Tensor, ...], dtype: torch.dtype, scratch: Scratch
    ) -> None:
        super().__init__(decoder, dtype, scratch)
        self.upscaling = HighResUpscaling(decoder, fine, dtype, scratch)
        self.tokens = torch.cat([decoder.obj_score_token.weight, self.tokens])

    def used(self, with_single: bool) -> list[int]:
        """SAM's, which come after SAM 2's one."""
        return [1 + index for index in super().used(with_single)]

    def answer(self, tokens: Sequence[Tensor], with_single: bool) -> tuple[Tensor, Tensor]:
        """As `MaskHead.answer`."""
        scores, weights = super().answer(tokens, with_single)
        return scores.sigmoid(), weights


class HQHead(MaskHead):
    """SAM-HQ's: of SAM's masks the one with the best guess, and the logits of the additional token added to it.

    That is what upstream does with ``hq_token_only=False``, its default. The additional mask is the sum over channels
    of the token's weights ``w`` times features ``conv(x) + fine``, with ``conv`` the last of two 3×3 convolutions. So
    it is ``(w conv)(x) + w fine``: a convolution to one channel instead of C/8. It is made for wanted masks alone.

    Args:
        decoder: the model's.
        fine: C/8×4h×4w float32, of the picture.
        dtype: of SAM's own part; the convolutions are float32.
        scratch: memory to work in.
    """

    margin = 1  # two 3×3 convolutions look 2 px beyond; an image token is 4

    def __init__(self, decoder: HQMaskDecoder, fine: Tensor, dtype: torch.dtype, scratch: Scratch) -> None:
        super().__init__(decoder, dtype, scratch)
        self.tokens = torch.cat([self.tokens, decoder.hf_token.weight])
        self._hq_mlp, self._fine = decoder.hf_mlp, fine
        refining: Any = decoder.embedding_maskfeature
        self._first, self._norm, self._act, self._last = refining.children()

    def used(self, with_single: bool) -> list[int]:
        """SAM's, and SAM-HQ's one."""
        return [*super().used(with_single), 2 + self._decoder.num_multimask_outputs]

    def answer(self, tokens: Sequence[Tensor], with_single: bool) -> tuple[Tensor, Tensor]:
        """As `MaskHead.answer`, with one mask a point; its weights are SAM's and then SAM-HQ's."""
        scores, weights = super().answer(tokens[:-1], with_single)
        singles = 1 if with_single else 0
        best = scores[:, singles:].argmax(dim=1, keepdim=True) + singles
        chosen = torch.cat([best.new_zeros(len(best), singles), best], dim=1)
        own = weights.take_along_dim(chosen[..., None], dim=1)
        hq = self._hq_mlp(tokens[-1])[:, None].expand_as(own)
        return scores.take_along_dim(chosen, dim=1), torch.cat([own, hq], dim=2)

    def masks(self, tiles: Iterable[tuple[Tensor, Tensor]], shown_hw: tuple[int, int], weights: Tensor) -> Tensor:
        """As `MaskHead.masks`."""
        own, hq = weights.chunk(2, dim=2)
        features = self.upscaling.features(tiles, shown_hw)
        added = [
            self._added(some, hq_weights[:, 0])
            for some, hq_weights in zip(features.split(HQ_POINTS_TOGETHER), hq.split(HQ_POINTS_TOGETHER), strict=True)
        ]
        logits = (own @ features.flatten(2)).unflatten(2, features.shape[2:])
        return logits + torch.cat(added)[:, None]

    def _added(self, features: Tensor, weights: Tensor) -> Tensor:
        """The logits that SAM-HQ adds, B×4h×4w, of upscaled image tokens, B×C/8×4h×4w, and weights, B×C/8."""
        # Channels last, where a norm over the channels reads numbers that lie together.
        inner = self._first(features.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1)
        inner = F.layer_norm(inner, self._norm.weight.shape, self._norm.weight, self._norm.bias, self._norm.eps)
        inner = self._act(inner).permute(0, 3, 1, 2)
        batch, channels, height, width = inner.shape
        kernels = (weights @ self._last.weight.flatten(1)).view(batch, channels, 3, 3)
        # Every point has its own kernel: the batch becomes groups.
        drawn = F.conv2d(
            inner.reshape(1, -1, height, width), kernels, weights @ self._last.bias, padding=1, groups=batch
        )
        fine = self._fine[:, :height, :width]
        return drawn[0] + (weights @ fine.flatten(1)).view(batch, height, width)
