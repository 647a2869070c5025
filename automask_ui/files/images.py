"""Read pictures of any common format as upright RGB uint8.

Pixels stay as the file has them wherever 8-bit RGB can hold them: colours are converted only from spaces that are not
RGB (CMYK, Lab), through the file's own ICC profile if it has one, and numbers of more bits by one rule
(:mod:`automask_ui.files.bit_depth`). Everything that a person should know about what was done to the picture is said
in ``notes``.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from automask_ui import limits
from automask_ui.errors import ImageTooLargeError, UnreadableImageError
from automask_ui.files.file_kinds import refusal
from automask_ui.files.pillow_images import read_with_pillow
from automask_ui.files.tiff.pages import is_tiff, read_tiff

__all__ = ["LoadedImage", "Source", "fit_long_side", "load_image", "open_image", "read_file"]

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """A decoded picture, with its file's bytes."""

    rgb: np.ndarray  # H×W×3 uint8, C-contiguous, upright, read-only: results share it
    name: str  # file name, to be shown only
    notes: tuple[str, ...]  # sentences on what was done to the picture
    data: bytes = b""  # the file that it was made of; empty where there is none

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file; "" where there is none."""
        return hashlib.sha256(self.data).hexdigest() if self.data else ""

    @cached_property
    def pixels_sha256(self) -> str:
        """SHA-256 of height, width and RGB bytes: the same after the picture was saved again without loss."""
        digest = hashlib.sha256(f"{self.rgb.shape[0]} {self.rgb.shape[1]} ".encode())
        digest.update(np.ascontiguousarray(self.rgb).data)
        return digest.hexdigest()


def open_image(source: Source, *, max_pixels: int | None = None) -> np.ndarray:
    """Decode the picture in ``source`` to H×W×3 uint8 RGB; see :func:`load_image`."""
    rgb = load_image(source, max_pixels=max_pixels).rgb
    rgb.setflags(write=True)  # nobody else has it
    return rgb


def load_image(source: Source, *, name: str | None = None, max_pixels: int | None = None) -> LoadedImage:
    """Decode a picture, with EXIF orientation applied, transparency on white, and the first of several frames.

    Args:
        source: a path, the file's bytes, or a binary file.
        name: what to call the picture in messages; the file's own name by default.
        max_pixels: width times height above which the picture is refused before it is decoded; None is the limit of
            :func:`automask_ui.limits.max_pixels`.

    Raises:
        UnreadableImageError: for a file that is missing, empty, damaged, or no picture of a kind that is read.
        ImageTooLargeError: for more than ``max_pixels``.
    """
    data, own_name = _read(source)
    name = name or own_name
    if not data:
        raise UnreadableImageError(f"{name} is empty (0 bytes). It may not have been copied or uploaded completely.")
    if reason := refusal(data):
        raise UnreadableImageError(f"{name} {reason}")

    most = limits.max_pixels() if max_pixels is None else max_pixels
    try:
        decoded = read_tiff(data, name, most) if is_tiff(data) else None
    except MemoryError as error:
        raise ImageTooLargeError(f"Memory ran out while {name} was decoded. Make it smaller.") from error
    rgb, notes = decoded or read_with_pillow(data, name, most)
    if not rgb.flags.owndata:
        rgb = rgb.copy()
    rgb.setflags(write=False)
    return LoadedImage(rgb, name, tuple(notes), data)


def read_file(path: Path) -> bytes:
    """Read a picture's file as a whole, unless it is far larger than what is decoded from it.

    Raises:
        UnreadableImageError: it is a device, which may never end.
        ImageTooLargeError: it is, or memory runs out.
        OSError: it cannot be read.
    """
    status = path.stat()
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        raise UnreadableImageError(f"{path.name} is a device, and no file.")
    most, size = limits.MAX_FILE_BYTES, status.st_size
    try:
        if stat.S_ISFIFO(status.st_mode):
            data = _read_pipe(path, most)
            size = len(data)
        else:
            data = path.read_bytes() if size <= most else b""
    except MemoryError as error:
        raise ImageTooLargeError(f"Memory ran out while {path.name} was read. Make it smaller.") from error
    if size > most:
        raise ImageTooLargeError(
            f"{path.name} has more than {most / 1e9:.1f} GB, the most that a picture's file may have. "
            "Save the part that matters as a file of its own."
        )
    return data


def _read_pipe(path: Path, most: int) -> bytes:
    """Read all that comes through a pipe, whose size nobody knows before, or a little more than ``most`` bytes."""
    data = bytearray()
    with path.open("rb") as pipe:
        while len(data) <= most and (chunk := pipe.read(1 << 20)):
            data += chunk
    return bytes(data)


def fit_long_side(rgb: np.ndarray, longest: int) -> np.ndarray:
    """Shrink ``rgb`` (H×W×3 uint8) to at most ``longest`` px on its long side, by area averaging; never enlarge it.

    A picture that fits is returned as it is.
    """
    height, width = rgb.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return rgb
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA))


def _read(source: Source) -> tuple[bytes, str]:
    """Read the bytes of ``source``, and the name for messages."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "The picture"
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            return read_file(path), path.name
        except IsADirectoryError as error:
            name = path.resolve().name
            raise UnreadableImageError(f"{name} is a folder: give the pictures in it, one by one.") from error
        except OSError as error:
            raise UnreadableImageError(f"{path.name} could not be opened: {error.strerror}.") from error
        except ValueError as error:  # a null character
            raise UnreadableImageError(f"{str(path)[:80]!r} could not be opened: {error}.") from error
    data = source.read() if hasattr(source, "read") else None
    if not isinstance(data, bytes):
        raise UnreadableImageError(
            f"A picture is opened from a path, from bytes or from a file opened with “rb”, not from "
            f"{'text' if isinstance(data, str) else type(source).__name__}. An array needs no opening."
        )
    return data, Path(str(getattr(source, "name", "The picture"))).name
