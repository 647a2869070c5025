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
    fine: Tensor | None = None  # C/8×4h×4w float32: what SAM-HQ draws finer outlines from; others have none

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.tokens.device

    @property
    def nbytes(self) -> int:
        """Memory of it."""
        return self.tokens.nbytes + (0 if self.fine is None else self.fine.nbytes)

    def cpu(self) -> ImageEmbedding:
        """A copy in the main memory."""
        return ImageEmbedding(self.tokens.cpu(), None if self.fine is None else self.fine.cpu())
