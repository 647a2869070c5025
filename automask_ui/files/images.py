"""Read pictures of any common format as upright RGB uint8.

Pixels stay as the file has them wherever 8-bit RGB can hold them: colours are converted only from spaces that are not
RGB (CMYK, Lab), through the file's own ICC profile if it has one. Everything that a person should know about what was
done to the picture is said in ``notes``.
"""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageCms

from automask_ui import limits
from automask_ui.errors import ImageTooLargeError, UnreadableImageError

__all__ = ["LoadedImage", "Source", "check_photo_bytes", "fit_long_side", "load_image", "open_image"]

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

# Decoders that are let near files from outside. (EPS, for one, would start Ghostscript.)
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "DIB", "JPEG2000", "PPM", "HEIF")
_READABLE = "JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP"

# EXIF orientation -> what makes the picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


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
        UnreadableImageError: for a file that is missing, empty, damaged, or no picture of a known format.
        ImageTooLargeError: for more than ``max_pixels``.
    """
    data, own_name = _read(source)
    name = name or own_name
    if not data:
        raise UnreadableImageError(f"{name} is empty (0 bytes). It may not have been copied or uploaded completely.")

    image = _identify(data, name)
    _check_pixels(image, name, limits.max_pixels() if max_pixels is None else max_pixels)
    image, notes = _decode(image, data, name)
    notes += _frame_notes(image)
    try:
        image = _upright(image)
        image, colour_notes = _to_rgb(image)
        rgb = np.array(image)
    except MemoryError as error:
        raise _out_of_memory(image, name) from error
    rgb.setflags(write=False)
    return LoadedImage(rgb, name, tuple(notes + colour_notes), data)


def check_photo_bytes(path: Path) -> int:
    """Check that the file of an uploaded photo is not too large; return its size in bytes.

    Raises:
        ImageTooLargeError: more than :data:`automask_ui.limits.MAX_PHOTO_BYTES`.
    """
    size = path.stat().st_size
    if size > limits.MAX_PHOTO_BYTES:
        raise ImageTooLargeError(
            f"{path.name} has {size / 1e6:,.0f} MB, but a photo may have {limits.MAX_PHOTO_BYTES / 1e6:,.0f} MB here. "
            "Save it as JPEG or PNG, make it smaller, or leave it out."
        )
    return size


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
            return path.read_bytes(), path.name
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


def _identify(data: bytes, name: str) -> Image.Image:
    """Open the picture: its header is read, its pixels are not yet.

    The plug-ins are called directly: ``Image.open`` would add its own pixel limit, which is one setting for the whole
    process and which warns where ours decides.
    """
    Image.init()
    _register_heif()
    reasons = []
    for name_of_format in _FORMATS:
        factory, accept = Image.OPEN.get(name_of_format, (None, None))
        # Padded, since some plug-ins look for more than a short file has.
        if factory is None or (accept and accept(data[:16].ljust(16, b"\0")) is not True):
            continue
        # Decoders meet hostile bytes here and raise nearly anything: struct.error, KeyError, RuntimeError ...
        try:
            return factory(io.BytesIO(data), "")
        except Exception as error:
            reasons.append(f"as {name_of_format} it cannot be read: {error or type(error).__name__}")
    raise UnreadableImageError(f"{name} {_what_instead(data, reasons)}")


def _register_heif() -> None:
    """Let ``pillow-heif`` read HEIC where it is installed; it is not required, since its wheels carry GPL code."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


def _what_instead(data: bytes, reasons: list[str]) -> str:
    """Say why no decoder reads these bytes, and what to do: the end of a sentence."""
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "is a HEIC photo, which cannot be read here. Convert it to JPEG or PNG (or install pillow-heif)."
    if reasons:
        return f"is damaged: {'; '.join(reasons)}. Save it again as {_READABLE}."
    if data.startswith(b"%PDF"):
        return "is a PDF document. Save the page as a PNG picture first."
    start = data[:200].lstrip(b"\xef\xbb\xbf \r\n\t")
    if start.startswith((b"<svg", b"<?xml", b"<!DOCTYPE", b"<html")):
        return "is a text or vector file (XML). Export it as a PNG picture first."
    with suppress(UnicodeDecodeError):
        return f"is no picture: it holds text that begins with {start[:20].decode('ascii')!r}. Use {_READABLE}."
    return f"is no picture of a known format: it begins with the bytes {data[:8].hex(' ')}. Use {_READABLE}."


def _check_pixels(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} has {width:,} × {height:,} = {width * height / 1e6:,.1f} million pixels, but the limit is "
            f"{max_pixels / 1e6:,.1f} million. Make it smaller, or cut out the part that matters."
        )
    if not width * height:
        raise UnreadableImageError(f"{name} has no pixels: its size is {width} × {height}.")


def _decode(image: Image.Image, data: bytes, name: str) -> tuple[Image.Image, list[str]]:
    """Decode the pixels; of a truncated JPEG, as many as there are."""
    try:
        image.load()
        return image, []
    except MemoryError as error:
        raise _out_of_memory(image, name) from error
    except Exception as error:
        if not data.startswith(_JPEG_START):
            raise UnreadableImageError(
                f"{name} is damaged or incomplete: {error or type(error).__name__}. Copy or save it again."
            ) from error
    # An end mark where the data stops makes the decoder fill up what is missing.
    partial = _identify(data + _JPEG_END, name)
    try:
        partial.load()
    except Exception as error:
        raise UnreadableImageError(f"{name} is damaged: {error}. Copy or save it again.") from error
    return partial, ["The file is incomplete: its last part is missing and shown plain."]


def _frame_notes(image: Image.Image) -> list[str]:
    """Note that a file has further pages or frames. (A JPEG's further pictures are previews and depth maps.)"""
    frames = 1
    # A damaged later page does not matter: the first one has been read.
    with suppress(Exception):
        frames = getattr(image, "n_frames", 1)
    if frames == 1 or image.format in ("JPEG", "MPO"):
        return []
    return [f"This is the first of {frames:,} {'pages' if image.format == 'TIFF' else 'frames'}."]


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation."""
    orientation = None
    # Broken EXIF is common and no reason to refuse a photo.
    with suppress(Exception):
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Convert the picture to mode RGB, with notes on what was done."""
    if image.mode in ("F", "I") or image.mode.startswith("I;"):
        return _scaled(np.asarray(image))
    if image.mode in ("CMYK", "LAB"):
        return _through_profile(image), [f"Colours were converted from {image.mode.replace('LAB', 'Lab')} to RGB."]
    if image.has_transparency_data:
        return _on_white(image)
    return image.convert("RGB"), []


def _scaled(values: np.ndarray) -> tuple[Image.Image, list[str]]:
    """Scale grey values of more than 8 bits (H×W, integer or float) to 8.

    Integers are taken for the fewest bits that hold their maximum, so that 12-bit microscope data in a 16-bit file is
    not black. Floats in 0 to 1 or 0 to 255 keep their meaning; others are stretched from minimum to maximum.
    """
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    is_integer = np.issubdtype(values.dtype, np.integer)
    shown_from, shown_to = low, high
    if low >= 0:
        tops = [2.0**bits - 1 for bits in range(8, 33)] if is_integer else [1.0, 255.0]
        shown_from, shown_to = next(((0.0, top) for top in tops if high <= top), (low, high))
    factor = 255 / (shown_to - shown_from) if shown_to > shown_from else 0.0
    grey = np.clip((np.where(finite, values, shown_from).astype(np.float32) - shown_from) * factor, 0, 255)
    kind = "Grey values" if is_integer else "Floating-point values"
    note = f"{kind} of {shown_from:g} to {shown_to:g} were scaled to 0 to 255."
    return Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB"), [note] if shown_to != 255 else []


def _through_profile(image: Image.Image) -> Image.Image:
    """Convert CMYK or Lab to sRGB, by the file's ICC profile where it has a usable one."""
    profile = image.info.get("icc_profile", b"")
    if image.mode == "CMYK" and not profile:
        return image.convert("RGB")
    # A profile may be damaged or made for another colour space: then a plain formula is better than no picture.
    with suppress(ImageCms.PyCMSError, OSError):
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB") if image.mode == "LAB" else io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if converted is not None:
            return converted
    return image.convert("RGB") if image.mode == "CMYK" else image.getchannel(0).convert("RGB")


def _on_white(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Blend a picture with transparency onto white."""
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba.convert("RGB"), []
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB"), ["Transparent parts are shown white."]


def _out_of_memory(image: Image.Image, name: str) -> ImageTooLargeError:
    width, height = image.size
    return ImageTooLargeError(f"Memory ran out while {name} ({width:,} × {height:,} px) was decoded. Make it smaller.")
