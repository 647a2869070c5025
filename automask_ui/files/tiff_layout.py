"""How the pixels of a TIFF page are laid out: read off its tags and measured before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automask_ui.files.tiff_structure import Directory, TiffError

__all__ = ["FLOAT", "SIGNED", "UNSIGNED", "Layout", "TiffTooLargeError", "layout_of"]

BYTES_PER_PIXEL = 16  # of four floats of 32 bits: most that pictures at the limit of pixels may have
MAX_SEGMENTS = 500_000  # strips or tiles; 16×16 px each at the limit of pixels

UNSIGNED, SIGNED, FLOAT = "u", "i", "f"
_FORMATS = {1: UNSIGNED, 2: SIGNED, 3: FLOAT, 4: UNSIGNED}
_COMPLEX = (5, 6)


class TiffTooLargeError(TiffError):
    """It needs more memory than any picture at the limit of pixels."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The numbers that decide where a sample lies. A segment is a strip or a tile."""

    width: int
    height: int
    samples: int  # of a pixel, in all
    bits: int  # of a sample
    kind: str  # "u", "i" or "f"
    order: str  # "<" or ">"
    photometric: int
    is_planar: bool  # every sample has segments of its own
    compression: int
    predictor: int
    reversed_bits: bool  # in every byte
    segment_height: int
    segment_width: int
    is_tiled: bool
    offsets: np.ndarray  # vector, a number a segment; 0 for one that was left out
    counts: np.ndarray  # bytes of each
    subsampling: tuple[int, int]  # of YCbCr, across and down

    @property
    def segment_samples(self) -> int:
        """Samples of a pixel that lie in one segment."""
        return 1 if self.is_planar else self.samples

    @property
    def grid(self) -> tuple[int, int]:
        """Segments down and across, of one plane."""
        return -(-self.height // self.segment_height), -(-self.width // self.segment_width)


def layout_of(page: Directory, max_pixels: int) -> Layout:
    """The layout of a page.

    Args:
        page: its tags.
        max_pixels: what the picture's size has been checked against; memory for the samples is bounded by it as well.

    Raises:
        TiffError: it is damaged, of a kind that is not read, or too large.
    """
    width, height = page.number(256, 0), page.number(257, 0)
    samples = page.number(277, 1)
    is_planar = page.number(284, 1) == 2 and samples > 1
    is_tiled = 322 in page
    tile_width, tile_height = (page.number(322, 0), page.number(323, 0)) if is_tiled else (width, height)
    rows = tile_height if is_tiled else min(page.number(278, height), height)
    if not (0 < samples <= 4096 and tile_width > 0 and rows > 0):
        raise TiffError("is damaged: the sizes of its strips or tiles make no sense.")
    if max(page.number(32997, 1), page.number(32998, 1)) > 1:
        raise TiffError(
            "is a volume of several slices in one page, which is not read here. Save one slice as a picture."
        )
    down, across = -(-height // rows), -(-width // tile_width)
    segments = down * across * (samples if is_planar else 1)
    if segments > MAX_SEGMENTS:
        raise TiffError(f"is cut into {segments:,} strips or tiles, which is not read here. Save it with larger ones.")
    bits = _bits(page, samples)
    subsampling = page.numbers(530, 2).tolist()
    compression = page.number(259, 1)
    layout = Layout(
        width=width,
        height=height,
        samples=samples,
        bits=bits,
        kind=_kind(page, samples, bits),
        order=page.order,
        photometric=page.number(262, 2 if samples == 3 else 1),
        is_planar=is_planar,
        compression=compression,
        # Some microscopes name a predictor beside numbers that are not packed; as libtiff does, it is not applied.
        predictor=page.number(317, 1) if compression != 1 else 1,
        reversed_bits=page.number(266, 1) == 2,
        segment_height=rows,
        segment_width=tile_width,
        is_tiled=is_tiled,
        offsets=_addresses(page, 324 if 324 in page else 273, segments),
        counts=_addresses(page, 325 if 325 in page else 279, segments),
        subsampling=(int(subsampling[0]), int(subsampling[1])) if len(subsampling) == 2 else (2, 2),
    )
    _check_bytes(layout, segments, max_pixels)
    return layout


def _bits(page: Directory, samples: int) -> int:
    """Bits of a sample, which must be the same for all."""
    values = page.numbers(258, 4096)[:samples].tolist() or [1]
    if len(set(values)) > 1:
        raise TiffError(f"has bands of {', '.join(map(str, values[:6]))} bits, which is not read here. {_SAVE}")
    if not 1 <= values[0] <= 64:
        raise TiffError(f"has samples of {values[0]} bits, which is not read here. {_SAVE}")
    return int(values[0])


_SAVE = "Save it with 8 or 16 bits a channel."


def _kind(page: Directory, samples: int, bits: int) -> str:
    values = set(page.numbers(339, 4096)[:samples].tolist()) or {1}
    if values & set(_COMPLEX):
        raise TiffError(f"has complex numbers for pixels, which are no picture. {_SAVE}")
    kinds = {_FORMATS.get(value, UNSIGNED) for value in values}
    if len(kinds) > 1:
        raise TiffError(f"has bands of different kinds of numbers, which is not read here. {_SAVE}")
    kind = kinds.pop()
    if kind == FLOAT and bits not in (16, 24, 32, 64):
        raise TiffError(f"has floating-point samples of {bits} bits, which is not read here. {_SAVE}")
    return kind


def _addresses(page: Directory, tag: int, segments: int) -> np.ndarray:
    """One number a segment, int64."""
    values = page.numbers(tag, max(2 * segments, 4096))
    if values.dtype.kind not in "ui":
        raise TiffError("is damaged: the addresses of its pixels are no whole numbers.")
    # A single strip may go without the number of its bytes.
    if values.size == 0 and tag in (279, 325):
        return np.full(segments, 2**62, np.int64)
    if values.size < segments:
        raise TiffError(f"is damaged: it has {segments:,} strips or tiles, but only {values.size:,} addresses.")
    return np.minimum(values[:segments].astype(np.uint64), np.uint64(2**62)).astype(np.int64)


def _check_bytes(layout: Layout, segments: int, max_pixels: int) -> None:
    """Refuse what would need more memory than any picture at the limit."""
    segment = layout.segment_height * layout.segment_width * layout.segment_samples * layout.bits // 8
    total = segment * segments
    picture = layout.width * layout.height * layout.samples * layout.bits // 8
    most = max_pixels * BYTES_PER_PIXEL
    if max(segment, picture) > most or total > 4 * most:
        raise TiffTooLargeError(
            f"unpacks to {max(picture, total) / 1e6:,.0f} MB ({layout.samples} bands of {layout.bits} bits), but the "
            f"limit is {most / 1e6:,.0f} MB. Make it smaller, or save fewer bands."
        )
