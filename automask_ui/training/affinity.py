"""What training adds to the built-in model: a head for the dense loss."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from automask_ui.engine.encoders.builtin import EMBED_DIM

AFFINITY_DIM = 64


class AffinityHead(nn.Module):
    """Says of any two cells whether they belong together, by the cosine similarity of their projected embeddings.

    There are two such projections, one for instances and one for the wholes that they are parts of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(EMBED_DIM, 2 * AFFINITY_DIM, 1)
        self.scale = nn.Parameter(torch.full((2,), 8.0))
        self.shift = nn.Parameter(torch.full((2,), -3.0))

    def forward(self, embeddings: Tensor, cells: Tensor) -> Tensor:
        """Compare chosen cells of each image with one another.

        Args:
            embeddings: (B, EMBED_DIM, C, C) float.
            cells: (K,) int64, flat indices of the cells to compare.

        Returns:
            (2, B, K, K) float32 logits of "same instance" and of "same whole".
        """
        features = self.project(embeddings).flatten(2)[..., cells].float()
        features = features.unflatten(1, (2, AFFINITY_DIM)).permute(1, 0, 3, 2)
        features = functional.normalize(features, dim=-1)
        similarity = features @ features.transpose(-1, -2)
        return similarity * self.scale[:, None, None, None] + self.shift[:, None, None, None]
