"""The structure of TIFF files: directories, their tags, and where the pixels lie. Hostile bytes cost little.

Every value is read when it is asked for, at most as many as the caller can use, and never past the end of the file:
a directory may claim billions of values, a thousand times over. The source is TIFF 6.0 and BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Directory", "TiffError", "TiffStructure"]

MAX_DIRECTORIES = 10_000  # that are counted
_MAX_TAGS = 4096  # of one directory
_MAX_SUB_DIRECTORIES = 16  # that are looked at

_SUB_IFDS = 330

# Type of a tag's values -> NumPy's name of it. Rational numbers are pairs.
_TYPES = {1: "u1", 2: "S1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "i4", 11: "f4"}
_TYPES |= {12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
_RATIONAL = (5, 10)


class TiffError(Exception):
    """What is wrong with the structure, as the end of a sentence that begins with the file's name."""


@dataclass(frozen=True)
class _Entry:
    kind: int
    count: int
    position: int  # of the values, in the file


class Directory:
    """The tags of one page."""

    def __init__(self, data: bytes, order: Literal["<", ">"], entries: dict[int, _Entry]) -> None:
        self._data, self._entries = data, entries
        self.order: Literal["<", ">"] = order

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def numbers(self, tag: int, most: int) -> np.ndarray:
        """The values of ``tag`` (vector in the machine's byte order; float64 for rationals); empty where it is absent.

        Raises:
            TiffError: there are more than ``most``, they are no numbers, or they lie outside the file.
        """
        entry = self._entries.get(tag)
        if entry is None:
            return np.zeros(0, np.uint8)
        pairs = 2 if entry.kind in _RATIONAL else 1
        if entry.count > most or np.dtype(_TYPES.get(entry.kind, "S1")).kind not in "uif":
            raise TiffError(f"is damaged: its tag {tag} claims {entry.count:,} values of type {entry.kind}.")
        dtype = np.dtype(_TYPES[entry.kind]).newbyteorder(self.order)
        if entry.position + dtype.itemsize * entry.count * pairs > len(self._data):
            raise TiffError(f"is damaged or incomplete: its tag {tag} lies outside the file.")
        values = np.frombuffer(self._data, dtype, entry.count * pairs, entry.position)
        if pairs == 2:
            return values[::2] / np.maximum(values[1::2], 1).astype(np.float64)
        return values.astype(dtype.newbyteorder("="))

    def number(self, tag: int, default: int) -> int:
        """The first value of ``tag`` as a whole number; ``default`` where it is absent or nonsense."""
        try:
            values = self.numbers(tag, 4096)
        except TiffError:
            return default
        if not values.size or not np.isfinite(values[0]):
            return default
        return int(values[0])

    def bytes_of(self, tag: int, most: int) -> bytes:
        """The bytes of ``tag``, at most ``most``; b"" where it is absent or lies outside the file."""
        entry = self._entries.get(tag)
        if entry is None or entry.kind not in (1, 2, 6, 7):
            return b""
        return self._data[entry.position : entry.position + min(entry.count, most)]

    def text(self, tag: int) -> str:
        """The text of ``tag``, of which the first 1,000 bytes are looked at."""
        return self.bytes_of(tag, 1000).split(b"\0")[0].decode("latin-1").strip()


class TiffStructure:
    """The directories of a TIFF or BigTIFF file.

    Raises:
        TiffError: the bytes are no TIFF.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order: Literal["<", ">"] = ">" if data[:2] == b"MM" else "<"
        version = self._unpack("H", 2) if data[:2] in (b"II", b"MM") else 0
        if version not in (42, 43) or len(data) < 16:
            raise TiffError("is damaged or incomplete: it has no TIFF header.")
        self._is_big = version == 43
        self._first = self._unpack("Q", 8) if self._is_big else self._unpack("I", 4)

    def pages(self) -> Iterator[Directory]:
        """The directories of the main chain, at most ``MAX_DIRECTORIES``; a damaged one ends it."""
        position = self._first
        seen: set[int] = set()
        while position and position not in seen and len(seen) < MAX_DIRECTORIES:
            seen.add(position)
            try:
                directory, position = self._read(position)
            except TiffError:
                if len(seen) == 1:
                    raise
                return
            yield directory

    def inside(self, page: Directory) -> list[Directory]:
        """The directories below a page: smaller copies, or a camera's raw picture. Damaged ones are left out."""
        found = []
        try:
            positions = page.numbers(_SUB_IFDS, 4096)
        except TiffError:
            return []
        for position in positions[:_MAX_SUB_DIRECTORIES].tolist():
            try:
                found.append(self._read(int(position))[0])
            except (TiffError, ValueError):
                continue
        return found

    def _read(self, position: int) -> tuple[Directory, int]:
        """The directory at ``position``, and where the next one lies (0 for none)."""
        count = self._unpack("Q" if self._is_big else "H", position)
        if not 0 < count <= _MAX_TAGS:
            raise TiffError(f"is damaged: a directory of it claims {count:,} tags.")
        start, form = (position + 8, "HHQ") if self._is_big else (position + 2, "HHI")
        size, inline = (20, 8) if self._is_big else (12, 4)
        entries: dict[int, _Entry] = {}
        for place in range(start, start + count * size, size):
            tag, kind, values = struct.unpack_from(self._order + form, self._bytes(place, size))
            # Short values stand where longer ones have their address.
            value = place + size - inline
            width = np.dtype(_TYPES.get(kind, "u1")).itemsize * (2 if kind in _RATIONAL else 1)
            if width * values > inline:
                value = self._unpack("Q" if self._is_big else "I", value)
            entries.setdefault(tag, _Entry(kind, values, value))
        end = start + count * size
        has_next = end + inline <= len(self._data)
        following = self._unpack("Q" if self._is_big else "I", end) if has_next else 0
        return Directory(self._data, self._order, entries), following

    def _bytes(self, position: int, count: int) -> bytes:
        if position < 0 or position + count > len(self._data):
            raise TiffError("is damaged or incomplete: a directory of it lies outside the file.")
        return self._data[position : position + count]

    def _unpack(self, form: str, position: int) -> int:
        (value,) = struct.unpack(self._order + form, self._bytes(position, struct.calcsize(f"<{form}")))
        return int(value)
