"""TIFF and PNG files of any layout, written from arrays by the words of their standards; no reader had a hand in it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
_SHORT, _LONG, _LONG8 = 3, 4, 16


@dataclass
class TiffLayout:
    """How a page is to be laid out; see TIFF 6.0."""

    bits: int = 8
    kind: str = "u"  # unsigned, "i" for signed, "f" for floating point
    photometric: int = 1
    order: str = "<"
    is_big: bool = False
    is_planar: bool = False
    tile: tuple[int, int] | None = None  # height, width
    rows_per_strip: int | None = None
    compression: int = NONE
    predictor: int = 1
    reversed_bits: bool = False
    extra_samples: tuple[int, ...] = ()
    tags: Mapping[int, tuple[int, tuple[int, ...] | bytes]] = field(default_factory=dict)  # tag -> type, values


def tiff(pixels: np.ndarray, layout: TiffLayout, *others: tuple[np.ndarray, TiffLayout]) -> bytes:
    """A file with a page of H×W×samples, and further pages; numbers of fewer bits than their type has are cut."""
    order, is_big = layout.order, layout.is_big
    data = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}H", 43 if is_big else 42)
    data += struct.pack(f"{order}HHQ", 8, 0, 16) if is_big else struct.pack(f"{order}I", 8)
    pages = [(pixels, layout), *others]
    for number, (page, own) in enumerate(pages):
        data = _with_page(data, page, own, is_last=number == len(pages) - 1)
    return data


def _with_page(data: bytes, pixels: np.ndarray, layout: TiffLayout, is_last: bool) -> bytes:
    """``data``, which ends where the directory belongs, with one."""
    height, width, samples = pixels.shape
    segments = [packed(segment, layout) for segment in _segments(pixels, layout)]
    formats = {"u": 1, "i": 2, "f": 3}
    tags: dict[int, tuple[int, tuple[int, ...] | bytes]] = {
        256: (_LONG, (width,)), 257: (_LONG, (height,)), 258: (_SHORT, (layout.bits,) * samples),
        259: (_SHORT, (layout.compression,)), 262: (_SHORT, (layout.photometric,)), 277: (_SHORT, (samples,)),
        284: (_SHORT, (2 if layout.is_planar else 1,)), 317: (_SHORT, (layout.predictor,)),
        339: (_SHORT, (formats[layout.kind],) * samples), 266: (_SHORT, (2 if layout.reversed_bits else 1,)),
    }  # fmt: skip
    if layout.extra_samples:
        tags[338] = (_SHORT, layout.extra_samples)
    if layout.tile:
        tags |= {322: (_LONG, layout.tile[1:]), 323: (_LONG, layout.tile[:1])}
    else:
        tags[278] = (_LONG, (layout.rows_per_strip or height,))
    tags |= layout.tags
    return with_directory(data, tags, segments, layout, is_last)


def with_directory(
    data: bytes,
    tags: Mapping[int, tuple[int, tuple[int, ...] | bytes]],
    segments: list[bytes],
    layout: TiffLayout,
    is_last: bool = True,
) -> bytes:
    """``data``, which ends where the directory belongs, with one and the segments behind it."""
    order, is_big = layout.order, layout.is_big
    offset_tag, count_tag = (324, 325) if layout.tile else (273, 279)
    address = _LONG8 if is_big else _LONG
    tags = {offset_tag: (address, (0,) * len(segments)), count_tag: (address, tuple(map(len, segments))), **tags}
    size, inline, form = (20, 8, "Q") if is_big else (12, 4, "I")
    behind = len(data) + (8 if is_big else 2) + size * len(tags) + inline
    values = {tag: _values(*value, order) for tag, value in tags.items()}
    lengths = sum(len(value) + len(value) % 2 for value in values.values() if len(value) > inline)
    places = np.cumsum([behind + lengths, *(len(segment) + len(segment) % 2 for segment in segments)]).tolist()
    values[offset_tag] = _values(address, tuple(places[:-1]), order)
    directory = struct.pack(f"{order}{'Q' if is_big else 'H'}", len(tags))
    tail = b""
    for tag in sorted(tags):
        kind, value = tags[tag][0], values[tag]
        count = len(value) // struct.calcsize({1: "B", 2: "B", 7: "B", 3: "H", 4: "I", 5: "Q", 11: "f", 16: "Q"}[kind])
        directory += struct.pack(f"{order}HH{form}", tag, kind, count)
        if len(value) <= inline:
            directory += value.ljust(inline, b"\0")
        else:
            directory += struct.pack(f"{order}{form}", behind + len(tail))
            tail += value + b"\0" * (len(value) % 2)
    directory += struct.pack(f"{order}{form}", 0 if is_last else places[-1])
    return data + directory + tail + b"".join(segment + b"\0" * (len(segment) % 2) for segment in segments)


def _values(kind: int, values: tuple[int, ...] | bytes, order: str) -> bytes:
    if isinstance(values, bytes):
        return values
    form = {1: "B", _SHORT: "H", _LONG: "I", 5: "I", 11: "f", _LONG8: "Q"}[kind]
    return struct.pack(f"{order}{len(values)}{form}", *values)


def _segments(pixels: np.ndarray, layout: TiffLayout) -> list[np.ndarray]:
    """Strips or tiles as rows×width×samples, in the order of the file; tiles are filled up."""
    height, width, samples = pixels.shape
    rows, columns = layout.tile or (layout.rows_per_strip or height, width)
    planes = [pixels[..., band : band + 1] for band in range(samples)] if layout.is_planar else [pixels]
    found = []
    for plane in planes:
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                part = plane[top : top + rows, left : left + columns]
                if layout.tile:
                    missing = ((0, rows - part.shape[0]), (0, columns - part.shape[1]), (0, 0))
                    part = np.pad(part, missing, mode="edge")
                found.append(part)
    return found


def packed(segment: np.ndarray, layout: TiffLayout) -> bytes:
    """A strip or tile as it stands in the file."""
    raw = _bytes(segment, layout)
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        raw = zlib.compress(raw)
    elif layout.compression == LZW:
        raw = _lzw(raw)
    elif layout.compression == PACKBITS:
        raw = b"".join(bytes([len(raw[at : at + 128]) - 1]) + raw[at : at + 128] for at in range(0, len(raw), 128))
    if layout.reversed_bits:
        raw = bytes(int(f"{octet:08b}"[::-1], 2) for octet in raw)
    return raw


def _bytes(segment: np.ndarray, layout: TiffLayout) -> bytes:
    rows, width, samples = segment.shape
    bits = layout.bits
    if layout.predictor == 3:
        octets = segment.astype(f">f{bits // 8}").reshape(rows, width * samples, 1).view(np.uint8)
        planes = octets.reshape(rows, width * samples, bits // 8).transpose(0, 2, 1).reshape(rows, -1, samples)
        return np.diff(planes, axis=1, prepend=np.zeros((rows, 1, samples), np.uint8)).astype(np.uint8).tobytes()
    values = np.ascontiguousarray(segment).view(f"u{segment.dtype.itemsize}")
    if layout.predictor == 2:
        values = np.concatenate([values[:, :1], values[:, 1:] - values[:, :-1]], axis=1)
    if bits in (8, 16, 32, 64):
        return values.astype(f"{layout.order}u{bits // 8}").tobytes()
    if bits % 8 == 0:
        words = "little" if layout.order == "<" else "big"
        return b"".join((value & (1 << bits) - 1).to_bytes(bits // 8, words) for value in values.ravel().tolist())
    lines = []
    for row in values.reshape(rows, -1).tolist():
        line = "".join(f"{value & (1 << bits) - 1:0{bits}b}" for value in row)
        line = line.ljust(-(-len(line) // 8) * 8, "0")
        lines.append(int(line, 2).to_bytes(len(line) // 8, "big"))
    return b"".join(lines)


def _lzw(raw: bytes) -> bytes:
    """LZW whose table is emptied before its codes grow: every byte is a code of 9 bits."""
    codes = []
    for at in range(0, len(raw), 200):
        codes += [256, *raw[at : at + 200]]
    line = "".join(f"{code:09b}" for code in [*codes, 257])
    line = line.ljust(-(-len(line) // 8) * 8, "0")
    return int(line, 2).to_bytes(len(line) // 8, "big")


def png(pixels: np.ndarray, depth: int, colour_type: int, chunks: bytes = b"", is_interlaced: bool = False) -> bytes:
    """A PNG of H×W×channels whose rows use the filters None, Sub and Up in turn."""
    height, width, channels = pixels.shape
    step = max(1, depth * channels // 8)
    passes = ((0, 0, 1, 1),)
    if is_interlaced:
        passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = b""
    for top, left, down, across in passes:
        part = pixels[top::down, left::across]
        before = None
        for number, row in enumerate(part if part.shape[1] else []):
            line = np.frombuffer(_png_row(row, depth), np.uint8)
            kind = number % 3 if number else 0
            if kind == 1:
                changed = line - np.concatenate([np.zeros(step, np.uint8), line[:-step]])
            else:
                changed = line - before if kind == 2 else line
            rows += bytes([kind]) + changed.astype(np.uint8).tobytes()
            before = line
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, is_interlaced)
    body = png_chunk(b"IHDR", header) + chunks + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and check."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_row(row: np.ndarray, depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    if depth == 8:
        return row.astype(np.uint8).tobytes()
    line = "".join(f"{value:0{depth}b}" for value in row.ravel().tolist())
    line = line.ljust(-(-len(line) // 8) * 8, "0")
    return int(line, 2).to_bytes(len(line) // 8, "big")
