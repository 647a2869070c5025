"""The pixels of a TIFF page: its strips or tiles unpacked, put in their places, and nothing done to their values."""

from __future__ import annotations

import numpy as np

from automask_ui.files import tiff_codecs
from automask_ui.files.tiff_layout import FLOAT, SIGNED, Layout
from automask_ui.files.tiff_structure import Directory, TiffError

__all__ = ["read_samples"]

_YCBCR = 6


def read_samples(data: bytes, page: Directory, layout: Layout, bands: int, fill: float = 0) -> np.ndarray:
    """The first ``bands`` samples of every pixel.

    Args:
        data: the whole file.
        page: the page's tags.
        layout: what :func:`automask_ui.files.tiff_layout.layout_of` made of them.
        bands: at most the number of samples of a pixel.
        fill: value of segments that were left out of the file.

    Returns:
        H×W×bands of the smallest NumPy type that holds the file's: uint8 to uint64, int8 to int64, float16 to float64.

    Raises:
        TiffError: a segment is missing, damaged or packed in a way that is not read.
    """
    down, across = layout.grid
    dtype = sample_dtype(layout)
    out = np.empty((layout.height, layout.width, bands), dtype)
    planes = range(bands) if layout.is_planar else range(1)
    for plane in planes:
        chosen = slice(plane, plane + 1) if layout.is_planar else slice(0, bands)
        for place in range(down * across):
            top = place // across * layout.segment_height
            left = place % across * layout.segment_width
            target = out[top : top + layout.segment_height, left : left + layout.segment_width, chosen]
            index = plane * down * across + place
            if layout.offsets[index] == 0 or layout.counts[index] == 0:
                target[...] = _as_fill(fill, dtype)
                continue
            rows = layout.segment_height if layout.is_tiled else target.shape[0]
            segment = _segment(data, page, layout, index, rows)
            if segment.shape[0] < target.shape[0] or segment.shape[1] < target.shape[1]:
                raise TiffError("is damaged: a strip or tile of it has another size than it should.")
            target[...] = segment[: target.shape[0], : target.shape[1], : target.shape[2]]
    return out


def sample_dtype(layout: Layout) -> np.dtype:
    """The smallest NumPy type that holds the file's samples."""
    bits = 32 if layout.kind == FLOAT and layout.bits == 24 else layout.bits
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= bits)
    return np.dtype(f"{layout.kind}{size}")


def _as_fill(value: float, dtype: np.dtype) -> float:
    """``value`` where ``dtype`` can hold it, else 0."""
    if dtype.kind == "f":
        return value
    limits = np.iinfo(dtype)
    return value if np.isfinite(value) and limits.min <= value <= limits.max else 0


def _segment(data: bytes, page: Directory, layout: Layout, index: int, rows: int) -> np.ndarray:
    """One strip or tile as rows×width×samples."""
    offset, count = int(layout.offsets[index]), int(layout.counts[index])
    width, samples = layout.segment_width, layout.segment_samples
    row_bytes = -(-width * samples * layout.bits // 8)
    needed = rows * row_bytes
    # No packing makes twice as much of anything, so that more than this is not looked at.
    packed = data[offset : offset + min(count, 2 * needed + 65_536)]
    if layout.compression in tiff_codecs.PICTURES:
        return tiff_codecs.decode_picture(packed, page, layout, rows)
    if layout.reversed_bits:
        packed = np.packbits(np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")).tobytes()
    if layout.photometric == _YCBCR and layout.subsampling != (1, 1) and not layout.is_planar and samples == 3:
        return _subsampled(packed, page, layout, rows)
    raw = tiff_codecs.unpacked(packed, page, layout, rows, needed)
    if layout.predictor == 3:
        return _unpredicted_floats(raw, layout, rows)
    values = _unsigned(raw, layout, rows, width * samples)
    if layout.predictor == 2:
        if layout.bits not in (8, 16, 32, 64):
            raise TiffError(f"has a predictor for {layout.bits} bits, which is not read here. Save it without.")
        grid = values.reshape(rows, width, samples)
        values = np.cumsum(grid, axis=1, dtype=grid.dtype)
    elif layout.predictor != 1:
        raise TiffError(f"has predictor {layout.predictor}, which is not read here. Save it without.")
    return _typed(values, layout).reshape(rows, width, samples)


def _unsigned(raw: bytes, layout: Layout, rows: int, per_row: int) -> np.ndarray:
    """Samples as rows×per_row unsigned integers, in the machine's byte order."""
    bits = layout.bits
    if bits in (8, 16, 32, 64):
        dtype = np.dtype(f"{layout.order}u{bits // 8}")
        return np.frombuffer(raw, dtype, rows * per_row).reshape(rows, per_row).astype(dtype.newbyteorder("="))
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= bits)
    if bits % 8 == 0:
        octets = np.frombuffer(raw, np.uint8, rows * per_row * (bits // 8)).reshape(rows, per_row, bits // 8)
        wide = np.zeros((rows, per_row, size), np.uint8)
        wide[..., : bits // 8] = octets if layout.order == "<" else octets[..., ::-1]
        return wide.view(f"<u{size}")[..., 0].astype(f"u{size}")
    # Samples follow each other bit by bit, the highest first; every row begins with a whole byte.
    lines = np.frombuffer(raw, np.uint8).reshape(rows, -1)
    values = np.zeros((rows, per_row), f"u{size}")
    for row, line in enumerate(lines):
        planes = np.unpackbits(line, count=per_row * bits).reshape(per_row, bits)
        for bit in range(bits):
            values[row] = (values[row] << np.uint8(1)) | planes[:, bit]
    return values


def _typed(values: np.ndarray, layout: Layout) -> np.ndarray:
    """Unsigned integers as what their bits mean."""
    if layout.kind == FLOAT:
        return _float24(values) if layout.bits == 24 else values.view(f"f{values.itemsize}")
    if layout.kind == SIGNED:
        signed = values.view(f"i{values.itemsize}")
        spare = np.array(8 * values.itemsize - layout.bits, values.dtype).astype(signed.dtype)
        return (signed << spare) >> spare
    return values


def _float24(values: np.ndarray) -> np.ndarray:
    """Numbers of 1 sign, 7 exponent and 16 fraction bits (uint32) as float32."""
    exponent = ((values >> 16) & 0x7F).astype(np.int32)
    fraction = (values & 0xFFFF).astype(np.float32) / 65_536
    size = np.where(exponent == 0, np.ldexp(fraction, -62), np.ldexp(1 + fraction, exponent - 63))
    size = np.where(exponent == 0x7F, np.where(fraction == 0, np.inf, np.nan), size)
    return np.where(values >> 23 & 1, -size, size).astype(np.float32)


def _unpredicted_floats(raw: bytes, layout: Layout, rows: int) -> np.ndarray:
    """Floating-point numbers whose bytes were sorted by weight and differenced (Adobe's Technical Note 3)."""
    size, samples, width = layout.bits // 8, layout.segment_samples, layout.segment_width
    if layout.kind != FLOAT:
        raise TiffError("has a predictor for floating-point numbers, but holds others: it is damaged.")
    sorted_bytes = np.frombuffer(raw, np.uint8, rows * width * samples * size).reshape(rows, width * size, samples)
    octets = np.cumsum(sorted_bytes, axis=1, dtype=np.uint8).reshape(rows, size, width * samples).transpose(0, 2, 1)
    if size == 3:
        wide = np.zeros((rows, width * samples, 4), np.uint8)
        wide[..., 1:] = octets
        return _float24(wide.view(">u4")[..., 0].astype(np.uint32)).reshape(rows, width, samples)
    values = np.ascontiguousarray(octets).view(f">f{size}")[..., 0].astype(f"f{size}")
    return values.reshape(rows, width, samples)


def _subsampled(packed: bytes, page: Directory, layout: Layout, rows: int) -> np.ndarray:
    """YCbCr whose colour is stored once for several pixels, as rows×width×3 uint8."""
    across, down = layout.subsampling
    if layout.bits != 8 or layout.predictor != 1 or not (across in (1, 2, 4) and down in (1, 2, 4)):
        raise TiffError("has YCbCr colours of a kind that is not read here. Save it as RGB.")
    units_across, units_down = -(-layout.segment_width // across), -(-rows // down)
    unit = across * down + 2
    raw = tiff_codecs.unpacked(packed, page, layout, units_down, units_down * units_across * unit)
    units = np.frombuffer(raw, np.uint8, units_down * units_across * unit).reshape(units_down, units_across, unit)
    light = units[..., :-2].reshape(units_down, units_across, down, across).transpose(0, 2, 1, 3)
    light = light.reshape(units_down * down, units_across * across)
    colour = units[..., -2:].repeat(down, axis=0).repeat(across, axis=1)
    return np.dstack([light, colour])[:rows, : layout.segment_width]
