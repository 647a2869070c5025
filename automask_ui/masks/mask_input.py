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
    height, width = encoded["size"]
    long_side = max(height, width)
    rows, columns = (
        np.minimum(np.arange(cells + 1) * (long_side / cells), limit)
        for cells, limit in zip(mask_hw, (height, width), strict=True)
    )
    left, _, box_width, _ = rle_codec.bbox_xywh(encoded)
    above = _pixels_above(rows, encoded, slice(left, left + box_width))
    before = _sums_before(np.clip(columns - left, 0, box_width), above)
    share = np.diff(np.diff(before, axis=0), axis=1).T * (mask_hw[0] * mask_hw[1] / long_side**2)
    least = 1 / (1 + np.exp(SURE_LOGIT))
    share = np.clip(share, least, 1 - least)
    return np.log(share / (1 - share)).astype(np.float32)


def _pixels_above(rows: np.ndarray, mask: Rle, columns: slice) -> np.ndarray:
    """Count the pixels of some columns of a mask above ``rows``, which need not be whole: columns×len(rows) float64.

    Runs go down the columns, so the pixels before a place of the whole mask are on a line that bends where runs end.
    """
    counts = rle_codec.run_counts(mask)
    ends = np.cumsum(counts)
    counts[::2] = 0
    places = np.arange(columns.start, columns.stop)[:, None] * mask["size"][0] + rows
    before = np.interp(places, ends, np.cumsum(counts))
    return before - before[:, :1]


def _sums_before(places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sum ``rows`` (n×m) before ``places``, from 0 to n, which need not be whole: len(places)×m float64."""
    if not len(rows):
        return np.zeros((len(places), rows.shape[1]))
    sums = np.zeros((len(rows) + 1, rows.shape[1]))
    np.cumsum(rows, axis=0, out=sums[1:])
    whole = np.minimum(places.astype(int), len(rows) - 1)
    return sums[whole] + (places - whole)[:, None] * rows[whole]
