"""Numbers of any size as the 256 steps that a picture is worked on with: one rule for grey, colour and more bands.

- Whole numbers from 0 are taken for the fewest bits, 8 or more, that hold their maximum: 12 bits of a microscope or
  reflectance in a file of 16 bits are not black.
- Floating-point numbers in 0 to 1 or 0 to 255 keep their meaning, unless all would be nearly black.
- Everything else (numbers below 0, floating-point numbers of another range) is stretched from minimum to maximum.
- What is no number or stands for “no data” does not count, and is shown black. Neither do a few numbers far away from
  all others: a hot pixel does not make everything else black.

All bands are scaled alike, so that colours stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Scaled", "scaled_to_8_bits"]

_BLOCK = 4_000_000  # numbers that are looked at together: memory stays bounded
_OUTLIERS = 10_000  # one number of so many may be an outlier, and at least ...
_FEW = 4  # ... so many, but ...
_AT_MOST = 100  # ... never more than one of so many
_DARK = 0.25  # floating-point pictures whose maximum is below this share of white are stretched

# What programs write for “no data”, where nothing in the file says so.
_LOW_MARKS = (-9999.0, -99999.0, -32768.0, -32767.0, -999.0, float(np.finfo(np.float32).min))
_HIGH_MARKS = (float(np.finfo(np.float32).max), 1e20, 9.969209968386869e36)


@dataclass(frozen=True, eq=False)
class Scaled:
    """What became of the numbers."""

    values: np.ndarray  # H×W×C uint8
    white: float  # the number that became 255
    note: str  # a sentence on what was done; "" for nothing that anybody would notice


@dataclass(frozen=True)
class _Range:
    low: float
    high: float


def scaled_to_8_bits(
    values: np.ndarray, bits: int, *, no_data: float | None = None, white: float | None = None
) -> Scaled:
    """Scale numbers to 0 to 255 by the rule above.

    Args:
        values: H×W×C of any NumPy type of numbers.
        bits: of one number in the file; 3 bits lie in uint8, say.
        no_data: the number that stands for “no data”, where the file says so.
        white: the number that stands for white, where the file says so.
    """
    if values.dtype == np.uint8:
        return Scaled(_from_few_bits(values, bits), 2**bits - 1, "")
    marks = _marks(values, no_data)
    found = _range(values, marks)
    if found is None:  # nothing but gaps
        found = _Range(0, 0)
    robust = _without_outliers(values, marks, found)
    shown = _Range(0, white) if white is not None else _shown(robust, values.dtype, bits)
    pixels, outside, gaps = _scale(values, marks, shown, robust)
    kind = "Floating-point" if values.dtype.kind == "f" else "Grey" if values.shape[2] == 1 else "Colour"
    note = f"{kind} values of {shown.low:g} to {shown.high:g} were scaled to 0 to 255"
    if robust != found and outside:
        note += f"; {outside:,} {'outlier lies' if outside == 1 else 'outliers lie'} outside"
    if gaps:
        named = f" ({', '.join(f'{mark:g}' for mark in marks)})" if marks else ""
        note += f"; {gaps:,} values for “no data”{named} are shown black"
    is_plain = shown == _Range(0, 255) and not (robust != found and outside) and not gaps
    return Scaled(pixels, shown.high, "" if is_plain else f"{note}.")


def _from_few_bits(values: np.ndarray, bits: int) -> np.ndarray:
    if bits >= 8:
        return values
    steps = 2**bits - 1
    table = np.rint(np.arange(256).clip(0, steps) * (255 / steps)).astype(np.uint8)
    return table[values]


def _blocks(values: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """``values`` in pieces of whole rows, with the rows of each."""
    rows = max(1, _BLOCK // max(1, values[0].size))
    for top in range(0, len(values), rows):
        yield slice(top, top + rows), values[top : top + rows]


def _is_data(block: np.ndarray, marks: tuple[float, ...]) -> np.ndarray:
    """Where ``block`` holds numbers that count."""
    is_data = np.isfinite(block)
    for mark in marks:
        if block.dtype.kind == "f":
            with np.errstate(over="ignore"):
                is_data &= block != block.dtype.type(mark)
        else:
            is_data &= block != int(mark)
    return is_data


def _range(values: np.ndarray, marks: tuple[float, ...]) -> _Range | None:
    """Least and greatest of the numbers that count; None for none."""
    lows, highs = [], []
    for _, block in _blocks(values):
        real = block[_is_data(block, marks)]
        if real.size:
            lows.append(float(real.min()))
            highs.append(float(real.max()))
    return _Range(min(lows), max(highs)) if lows else None


def _marks(values: np.ndarray, no_data: float | None) -> tuple[float, ...]:
    """The numbers that stand for “no data”: by the file's word, or usual ones that are far away from the others."""
    if no_data is not None:
        is_whole = float(no_data).is_integer() if np.isfinite(no_data) else False
        limits = np.iinfo(values.dtype) if values.dtype.kind in "ui" else None
        is_possible = limits is None or (is_whole and limits.min <= no_data <= limits.max)
        return (float(no_data),) if np.isfinite(no_data) and is_possible else ()
    found = _range(values, ()) if values.dtype.kind in "if" else None
    if found is None:
        return ()
    for mark in (*_LOW_MARKS, *_HIGH_MARKS):
        near = found.low if mark < 0 else found.high
        if near != mark and not np.isclose(near, mark, rtol=1e-6):
            continue
        others = _range(values, (near,))
        if others is not None and min(abs(others.low - near), abs(others.high - near)) > others.high - others.low:
            return (near,)
    return ()


def _without_outliers(values: np.ndarray, marks: tuple[float, ...], found: _Range) -> _Range:
    """``found`` without a few numbers that lie farther from the others than those from each other."""
    if values.dtype.kind == "f" and found.low >= 0 and found.high <= 1:
        return found
    pixels = values.reshape(-1, values.shape[2])
    sample = pixels[:: -(-values.size // _BLOCK)]
    real = sample[_is_data(sample, marks)]
    skipped = min(max(_FEW, real.size // _OUTLIERS), real.size // _AT_MOST)
    if not skipped:
        return found
    parts = np.partition(real, (skipped, real.size - 1 - skipped))
    low, high = float(parts[skipped]), float(parts[real.size - 1 - skipped])
    if values.dtype.kind != "f" and found.low >= 0:
        return _Range(found.low, high if 0 < high < found.high / 2 - 1 else found.high)
    span = high - low
    if not 0 < span < np.inf:
        return found
    return _Range(
        low if low - found.low > span else found.low,
        high if found.high - high > span else found.high,
    )


def _shown(real: _Range, dtype: np.dtype, bits: int) -> _Range:
    """The numbers that become black and white."""
    if dtype.kind == "f":
        if real.low < 0:
            return real
        if real.high <= 1 and (real.high >= _DARK or real.high == real.low):
            return _Range(0, 1)
        return _Range(0, 255) if 127 < real.high <= 255 else real
    if real.low < 0:
        return real
    # A signed number has one bit less for its size.
    most = bits - (dtype.kind == "i")
    return _Range(0, next(2.0**n - 1 for n in range(min(8, most), 65) if real.high <= 2.0**n - 1))


def _scale(values: np.ndarray, marks: tuple[float, ...], shown: _Range, robust: _Range) -> tuple[np.ndarray, int, int]:
    """H×W×C uint8, how many numbers lie outside of ``robust``, and how many stand for no data."""
    pixels = np.empty(values.shape, np.uint8)
    outside = gaps = 0
    exact = np.float32 if values.dtype.itemsize <= 2 else np.float64
    # Halved where the difference of two numbers would be infinite.
    half = 0.5 if shown.high - shown.low == np.inf else 1.0
    span = shown.high * half - shown.low * half
    factor = 255 / span if span > 0 else 0.0
    for rows, block in _blocks(values):
        is_data = _is_data(block, marks)
        gaps += block.size - int(np.count_nonzero(is_data))
        outside += int(np.count_nonzero(is_data & ((block < robust.low) | (block > robust.high))))
        clipped = np.clip(np.where(is_data, block, 0).astype(exact), shown.low, shown.high)
        scaled = (clipped * half - shown.low * half) * factor
        pixels[rows] = np.where(is_data, np.rint(scaled), 0)
    return pixels, outside, gaps
