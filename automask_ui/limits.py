"""Limits that whoever runs AutoMask can move, by environment variables: what Spaces and containers set."""

from __future__ import annotations

import math
import os

from automask_ui.errors import OptionError

__all__ = ["MAX_FILE_BYTES", "MAX_PHOTO_BYTES", "max_pixels", "max_points"]

MAX_PIXELS = 120_000_000  # the largest photos of phones with a 108-megapixel camera still pass
MAX_PHOTO_BYTES = 100 * 1024**2  # of one photo's file, which is read as a whole; archives may be larger
MAX_FILE_BYTES = 4 * 1024**3  # of one that is on this machine; many times what all its pixels take
MAX_POINTS = 100_000  # about an hour of MobileSAM on a laptop; upstream's defaults are 1,024 points


def max_pixels() -> int:
    """Most pixels of a picture: AUTOMASK_MAX_MEGAPIXELS, in millions.

    Raises:
        OptionError: the variable holds no number above 0.
    """
    return _limit("AUTOMASK_MAX_MEGAPIXELS", MAX_PIXELS, 1_000_000)


def max_points() -> int:
    """Most points of a run, over all crops: AUTOMASK_MAX_POINTS.

    Raises:
        OptionError: the variable holds no number above 0.
    """
    return _limit("AUTOMASK_MAX_POINTS", MAX_POINTS, 1)


def _limit(variable: str, default: int, unit: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        value = float(text) * unit
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 1):
        raise OptionError(f"{variable} must be a number above 0, but is {text[:40]!r}. Correct it, or leave it out.")
    return int(value)
