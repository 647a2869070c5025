"""Turn a mask that is only known as pixels into what a model takes as the mask of a prompt."""

from __future__ import annotations

import numpy as np

from automask_ui.masks import rle as rle_codec
from automask_ui.masks.rle import Rle

__all__ = ["SURE_LOGIT", "prompt_logits"]

# Of cells that lie wholly in the mask, and its negative of those wholly outside.
SURE_LOGIT = 8.0


def prompt_logits(mask: Rle | np.ndarray, mask_hw: tuple[int, int]) -> np.ndarray:
    """Low-resolution logits that stand for ``mask``, to refine it from there.

    A cell of the low resolution has the logit of the share of its pixels that are in the mask, between plus and minus
    ``SURE_LOGIT``: at the outline, where a model's own logits rise slowly too, and nowhere else, they lie in between.

    Args:
        mask: of the whole picture, H×W bool or RLE.
        mask_hw: size of the model's logits: its square input, whose side the picture's longer side fills.

    Returns:
        h×w float32; right of and below the picture it is sure that there is no mask.
    """
    encoded = rle_codec.encode(mask) if isinstance(mask, np.ndarray) else mask
    window, (left, top) = rle_codec.decode_window(encoded)
    long_side = max(encoded["size"])
    share = _sums_of_cells(window, top, mask_hw[0], long_side / mask_hw[0])
    share = _sums_of_cells(share.T, left, mask_hw[1], long_side / mask_hw[1]).T
    share *= mask_hw[0] * mask_hw[1] / long_side**2
    least = 1 / (1 + np.exp(SURE_LOGIT))
    share = np.clip(share, least, 1 - least)
    return np.log(share / (1 - share)).astype(np.float32)


def _sums_of_cells(values: np.ndarray, begin: int, cells: int, cell: float) -> np.ndarray:
    """Sum rows over each of ``cells`` cells of ``cell`` rows, which need not be whole: cells×columns float64.

    ``begin`` is the row, counted from where the first cell begins, of the first of ``values``.
    """
    if not values.size:
        return np.zeros((cells, values.shape[1]))
    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])
    edges = np.clip(np.arange(cells + 1) * cell - begin, 0, len(values))
    whole = np.minimum(edges.astype(int), len(values) - 1)
    at_edges = sums[whole] + (edges - whole)[:, None] * values[whole]
    return np.diff(at_edges, axis=0)
