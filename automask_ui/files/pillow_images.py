"""Pictures that Pillow reads: identified by their bytes, decoded, and brought to upright RGB uint8."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
from PIL import Image

from automask_ui.errors import ImageTooLargeError, UnreadableImageError
from automask_ui.files.colour_spaces import rgb_from_cmyk_or_lab
from automask_ui.files.file_kinds import READABLE, unknown
from automask_ui.files.high_bit_depth import high_bit_depth_raster
from automask_ui.files.raster import WHITE_NOTE, Raster, rgb_of, turn_notes, upright
from automask_ui.files.upload_checks import check_pixels

__all__ = ["read_with_pillow"]

# Decoders that are let near files from outside. (EPS, for one, would start Ghostscript.)
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "DIB", "JPEG2000", "PPM", "HEIF")

_EXIF_ORIENTATION = 0x0112
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH = 24  # where a PNG's header has its bits
_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")  # for the pixels, and how the camera was held
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_NOT_READ = ("unsupported", "not supported", "cannot handle", "unknown")  # words of decoders that know what they meet


def read_with_pillow(data: bytes, name: str, max_pixels: int) -> tuple[np.ndarray, list[str]]:
    """The first picture of a file.

    Args:
        data: the whole file.
        name: what to call it in messages.
        max_pixels: width times height above which it is refused before it is decoded.

    Returns:
        H×W×3 uint8 RGB, upright and on white, and sentences on what was done.

    Raises:
        UnreadableImageError: it is damaged, or no picture of a known format.
        ImageTooLargeError: it has more than ``max_pixels``.
    """
    try:
        return _read(data, name, max_pixels)
    except UnreadableImageError:
        bare = _bare_png(data) if data.startswith(_PNG_START) else data
        if len(bare) == len(data):
            raise
    return _read(bare, name, max_pixels)


def _read(data: bytes, name: str, max_pixels: int) -> tuple[np.ndarray, list[str]]:
    image = _identify(data, name)
    check_pixels(*image.size, name, max_pixels)
    image, notes = _decode(image, data, name)
    notes += _frame_notes(image)
    try:
        raster = high_bit_depth_raster(image, data) or _raster(image)
        if raster is not None:
            rgb, colour_notes = rgb_of(raster)
        else:
            flat, colour_notes = _to_rgb(image, data)
            rgb = np.asarray(flat)
        orientation = _orientation(image)
        return upright(rgb, orientation), [*notes, *turn_notes(orientation), *colour_notes]
    except MemoryError as error:
        raise _out_of_memory(image, name) from error


def _identify(data: bytes, name: str) -> Image.Image:
    """The picture with its header read and its pixels not yet.

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
            reasons.append((name_of_format, f"{error or type(error).__name__}"))
    raise UnreadableImageError(f"{name} {_what_instead(data, reasons)}")


def _bare_png(data: bytes) -> bytes:
    """A PNG without texts, profiles and the like, which may be damaged, or larger than Pillow takes them.

    Programs that make pictures put what they were made with there, which can have megabytes.
    """
    kept, place = [_PNG_START], len(_PNG_START)
    while place + 8 <= len(data):
        kind, end = data[place + 4 : place + 8], place + 12 + int.from_bytes(data[place : place + 4], "big")
        if kind in _PNG_NEEDED:
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _register_heif() -> None:
    """Let ``pillow-heif`` read HEIC where it is installed; it is not required, since its wheels carry GPL code."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


def _what_instead(data: bytes, reasons: list[tuple[str, str]]) -> str:
    """Why bytes that no decoder took are no picture, and what to do: the end of a sentence."""
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "is a HEIC photo, which cannot be read here. Convert it to JPEG or PNG (or install pillow-heif)."
    if not reasons:
        return unknown(data)
    said = "; ".join(f"as {kind} it cannot be read: {reason}" for kind, reason in reasons)
    if any(word in said.lower() for word in _NOT_READ):
        return f"is of a kind that is not read here, or damaged: {said}. Save it again as {READABLE}."
    return f"is damaged: {said}. Save it again as {READABLE}."


def _decode(image: Image.Image, data: bytes, name: str) -> tuple[Image.Image, list[str]]:
    """The picture with its pixels read. Of a JPEG that was cut off, as much as there is."""
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
    """What is said of a file with several pictures. (A JPEG's further pictures are previews and depth maps.)"""
    frames = 1
    # A damaged later page does not matter: the first one has been read.
    with suppress(Exception):
        frames = getattr(image, "n_frames", 1)
    if frames == 1 or image.format in ("JPEG", "MPO"):
        return []
    return [f"This is the first of {frames:,} {'pages' if image.format == 'TIFF' else 'frames'}."]


def _orientation(image: Image.Image) -> int:
    """EXIF's number of how the camera was held; 1 where nothing usable is said."""
    orientation = None
    # Broken EXIF is common and no reason to refuse a photo.
    with suppress(Exception):
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    return orientation if isinstance(orientation, int) else 1


def _raster(image: Image.Image) -> Raster | None:
    """Numbers of more than 8 bits; None for any other picture."""
    if image.mode in ("F", "I") or image.mode.startswith("I;"):
        values = np.asarray(image)[..., None]
        return Raster(values, 8 * values.dtype.itemsize)
    return None


def _to_rgb(image: Image.Image, data: bytes) -> tuple[Image.Image, list[str]]:
    """A picture of 8 bits in mode RGB, and what was done."""
    if image.mode in ("CMYK", "LAB"):
        note = f"Colours were converted from {image.mode.replace('LAB', 'Lab')} to RGB."
        return rgb_from_cmyk_or_lab(image, image.info.get("icc_profile", b"")), [note]
    if image.has_transparency_data:
        return _on_white(image, data)
    return image.convert("RGB"), []


def _on_white(image: Image.Image, data: bytes) -> tuple[Image.Image, list[str]]:
    """A picture with transparency, as it looks on white paper."""
    if image.mode == "La":
        image = image.convert("LA")
    clear = image.info.get("transparency")
    if image.format == "PNG" and image.mode in ("1", "L") and isinstance(clear, int) and data[_PNG_DEPTH] < 8:
        # Pillow scales the grey values of 1, 2 and 4 bits, but not the one that is transparent.
        image = image.convert("L")
        image.info["transparency"] = clear * 255 // (2 ** data[_PNG_DEPTH] - 1)
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba.convert("RGB"), []
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB"), [WHITE_NOTE]


def _out_of_memory(image: Image.Image, name: str) -> ImageTooLargeError:
    width, height = image.size
    return ImageTooLargeError(f"Memory ran out while {name} ({width:,} × {height:,} px) was decoded. Make it smaller.")
