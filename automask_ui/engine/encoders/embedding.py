"""What an image encoder makes of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ImageEmbedding"]


@dataclass(frozen=True, eq=False)
class ImageEmbedding:
    """A picture or crop as a mask decoder sees it."""

    tokens: Tensor  # C×h×w float32: SAM's image embedding
    # What finer outlines are drawn from, float32: of SAM-HQ C/8×4h×4w; of SAM 2 that and C/4×2h×2w; SAM has none.
    fine: tuple[Tensor, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.tokens.device

    @property
    def nbytes(self) -> int:
        """Memory of it."""
        return sum(tensor.nbytes for tensor in (self.tokens, *self.fine))

    def cpu(self) -> ImageEmbedding:
        """A copy in the main memory."""
        return ImageEmbedding(self.tokens.cpu(), tuple(tensor.cpu() for tensor in self.fine))
