"""TIFF pictures, read without trust: measured before anything is decoded, then by what their tags say.

libtiff, by way of Pillow, unpacks what zlib does not; everything that decides what a number means happens here, since
Pillow shows some layouts wrongly without a word (16-bit RGB in planes as stripes, min-is-white of 16 bits as it is).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from automask_ui.errors import ImageTooLargeError, UnreadableImageError
from automask_ui.files.colour_spaces import from_palette, from_ycbcr, rgb_from_cmyk_or_lab
from automask_ui.files.raster import Raster, rgb_of, turn_notes, upright
from automask_ui.files.tiff.codecs import PICTURES
from automask_ui.files.tiff.layout import FLOAT, SIGNED, UNSIGNED, Layout, TiffTooLargeError, layout_of
from automask_ui.files.tiff.segments import read_samples
from automask_ui.files.tiff.structure import Directory, TiffError, TiffStructure
from automask_ui.files.upload_checks import check_pixels

__all__ = ["is_tiff", "read_tiff"]

_OLD_JPEG = 6
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR, _CIELAB, _ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
_COLOURS = {_RGB: 3, _CMYK: 4, _YCBCR: 3, _CIELAB: 3, _ICCLAB: 3}  # samples that make the colour; 1 for all others
_RAW_PHOTOMETRICS = (32803, 34892)  # a sensor's own pattern, and its linear values
_RAW_COMPRESSIONS = (32767, 32769, 34713, 65535)  # of Sony, Epson, Nikon, Pentax
_RAW_NAMES = {"canon": "CR2", "nikon": "NEF", "sony": "ARW", "pentax": "PEF", "samsung": "SRW", "hasselblad": "3FR"}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_DNG_VERSION, _NO_DATA, _PROFILE = 50706, 42113, 34675


@dataclass(frozen=True, eq=False)
class _Bands:
    """Which samples of a pixel are looked at."""

    colours: int  # the first ones
    alpha: int | None  # the number of the one that says how much can be seen
    is_premultiplied: bool
    notes: tuple[str, ...]


def is_tiff(data: bytes) -> bool:
    """Whether the file begins as a TIFF or BigTIFF does."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_tiff(data: bytes, name: str, max_pixels: int) -> tuple[np.ndarray, list[str]] | None:
    """The first page that is a picture of its own.

    Args:
        data: the whole file.
        name: what to call it in messages.
        max_pixels: width times height above which it is refused before anything is decoded.

    Returns:
        H×W×3 uint8 RGB, upright and on white, and sentences on what was done; None for a form of JPEG that is best
        left to Pillow.

    Raises:
        UnreadableImageError: it is damaged, a camera's RAW, or of a kind that is not read.
        ImageTooLargeError: it has more pixels or bytes than the limit.
    """
    try:
        structure = TiffStructure(data)
        pages = list(structure.pages())
        if not pages:
            raise TiffError("is damaged: it has no page.")
        _refuse_raw(structure, pages)
        page = next((page for page in pages if _is_picture(page)), pages[0])
        check_pixels(page.number(256, 0), page.number(257, 0), name, max_pixels)
        if page.number(259, 1) == _OLD_JPEG:
            return None
        layout = layout_of(page, max_pixels)
        rgb, notes = _read_page(data, page, layout)
    except TiffTooLargeError as error:
        raise ImageTooLargeError(f"{name} {error}") from error
    except TiffError as error:
        raise UnreadableImageError(f"{name} {error}") from error
    orientation = page.number(274, 1)
    return upright(rgb, orientation), [*_page_notes(page, pages), *turn_notes(orientation), *notes]


def _is_picture(page: Directory) -> bool:
    """Whether a page is neither a smaller copy nor a mask of another."""
    return not page.number(254, 0) & 0b101 and page.number(255, 1) != 2 and page.number(262, 1) != _MASK


def _refuse_raw(structure: TiffStructure, pages: list[Directory]) -> None:
    """Refuse what a camera's sensor saw: the pictures beside it are previews."""
    first = pages[0]
    directories = [inner for page in pages[:4] for inner in (page, *structure.inside(page))]
    is_raw = _DNG_VERSION in first or any(
        page.number(262, 1) in _RAW_PHOTOMETRICS or page.number(259, 1) in _RAW_COMPRESSIONS for page in directories
    )
    if is_raw:
        maker = first.text(271).lower().split(" ")[0]
        kind = "DNG" if _DNG_VERSION in first else _RAW_NAMES.get(maker, "TIFF")
        raise TiffError(
            f"is a camera's RAW file ({kind}), which must be developed first. Export it as JPEG, PNG or TIFF from the "
            "camera's program, Lightroom, darktable or RawTherapee."
        )


def _page_notes(page: Directory, pages: list[Directory]) -> list[str]:
    """What is said of a file with several pictures."""
    count = sum(_is_picture(other) for other in pages)
    # ImageJ writes a stack as one page and tells its number of pictures in words.
    description = page.text(270)
    stacked = re.search(r"^images=(\d{1,9})", description, re.MULTILINE) if description.startswith("ImageJ=") else None
    count = max(count, int(stacked[1]) if stacked and len(pages) == 1 else 0)
    return [f"This is the first of {count:,} pages."] if count > 1 else []


def _read_page(data: bytes, page: Directory, layout: Layout) -> tuple[np.ndarray, list[str]]:
    """The pixels of a page as H×W×3 uint8 RGB on white, as they lie in the file, and what was done."""
    bands = _bands_of(page, layout)
    no_data = _no_data(page)
    needed = bands.colours if bands.alpha is None else max(bands.colours, bands.alpha + 1)
    samples = read_samples(data, page, layout, needed, no_data or 0)
    alpha = None if bands.alpha is None else samples[..., bands.alpha]
    colour, bits, notes = samples[..., : bands.colours], layout.bits, []
    photometric = _photometric(layout)
    if photometric == _PALETTE:
        colour, bits = from_palette(_whole(colour[..., 0], layout), _palette(page, layout)), 8
    elif photometric == _YCBCR:
        colour = _ycbcr(colour, page, layout)
    elif photometric in (_CMYK, _CIELAB, _ICCLAB):
        colour, bits = _converted(colour, page, layout), 8
        notes.append(f"Colours were converted from {'CMYK' if photometric == _CMYK else 'Lab'} to RGB.")
    if bits != layout.bits and alpha is not None:
        alpha = _top_8_bits(alpha, layout)
    white_is_zero = photometric == _WHITE_IS_ZERO and bands.colours == 1
    raster = Raster(colour, bits, alpha, bands.is_premultiplied, white_is_zero, no_data)
    rgb, more = rgb_of(raster)
    return rgb, [*bands.notes, *notes, *more]


def _photometric(layout: Layout) -> int:
    """What the numbers mean. JPEG's own colours have become RGB by now."""
    return _RGB if layout.photometric == _YCBCR and layout.compression in PICTURES else layout.photometric


def _bands_of(page: Directory, layout: Layout) -> _Bands:
    """Which samples are colour, which one is transparency, and what is left out."""
    photometric = layout.photometric
    if photometric not in (*_COLOURS, _WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE, _MASK):
        raise TiffError(f"has colours of a kind that is not read here (number {photometric}). Save it as RGB.")
    base = _COLOURS.get(photometric, 1)
    if photometric == _CMYK and page.number(332, 1) != 1:
        raise TiffError("has inks other than CMYK, which is not read here. Save it as RGB.")
    extra_kinds = page.numbers(338, 4096).tolist()[: max(0, layout.samples - base)]
    alpha = next((base + n for n, kind in enumerate(extra_kinds) if kind in (_ASSOCIATED, _UNASSOCIATED)), None)
    is_premultiplied = alpha is not None and extra_kinds[alpha - base] == _ASSOCIATED
    colours = layout.samples - (alpha is not None)
    if layout.samples < base:
        if photometric != _RGB:
            raise TiffError(f"is damaged: it has {layout.samples} bands, but its colours need {base}.")
        base = 1
    elif photometric == _BLACK_IS_ZERO and colours >= 3 and alpha not in (1, 2):
        base = 3
        note = f"The first three of {colours} bands are shown as red, green and blue."
        if colours == 3:
            note = "Its three bands are shown as red, green and blue."
        return _Bands(3, alpha, is_premultiplied, (note,))
    left_out = colours - base
    if left_out <= 0:
        return _Bands(base, alpha, is_premultiplied, ())
    shown = {1: "grey", 3: "colour", 4: "colour"}[base]
    return _Bands(base, alpha, is_premultiplied, (f"Of {colours} bands, {base} {_are(base)} shown as {shown}.",))


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _no_data(page: Directory) -> float | None:
    """GDAL's number for “no data”."""
    try:
        return float(page.text(_NO_DATA).replace(",", ".")) if _NO_DATA in page else None
    except ValueError:
        return None


def _whole(values: np.ndarray, layout: Layout) -> np.ndarray:
    if layout.kind != UNSIGNED or layout.bits > 16:
        raise TiffError(f"has a palette for {layout.bits}-bit numbers, which is not read here. Save it as RGB.")
    return values


def _palette(page: Directory, layout: Layout) -> np.ndarray:
    values = page.numbers(320, 3 * 65_536)
    if values.size < 3 or values.size % 3 or values.dtype.kind != "u":
        raise TiffError("is damaged: it has no palette, but needs one.")
    return values.astype(np.uint16).reshape(3, -1)


def _ycbcr(colour: np.ndarray, page: Directory, layout: Layout) -> np.ndarray:
    """YCbCr that is not JPEG's, as RGB."""
    is_halved = layout.is_planar and layout.subsampling != (1, 1)
    if layout.bits != 8 or layout.kind != UNSIGNED or is_halved:
        raise TiffError("has YCbCr colours of a kind that is not read here. Save it as RGB.")
    luma, reference = page.numbers(529, 3).tolist(), page.numbers(532, 6).tolist()
    is_usable = len(luma) == 3 and all(share > 0.01 for share in luma)
    return from_ycbcr(
        np.ascontiguousarray(colour),
        tuple(luma) if is_usable else (0.299, 0.587, 0.114),
        tuple(reference) if len(reference) == 6 else (),
    )


def _top_8_bits(values: np.ndarray, layout: Layout) -> np.ndarray:
    """Numbers whose range is that of their bits, as uint8."""
    if values.dtype == np.uint8 and layout.bits == 8:
        return values
    if layout.kind == FLOAT:
        return np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
    return np.rint(np.clip(values, 0, None) * (255 / (2.0**layout.bits - 1))).astype(np.uint8)


def _converted(colour: np.ndarray, page: Directory, layout: Layout) -> np.ndarray:
    """CMYK or Lab of 8 or 16 bits as H×W×3 uint8 RGB."""
    is_lab = layout.photometric != _CMYK
    if layout.bits not in (8, 16) or layout.kind == FLOAT:
        raise TiffError(f"has {'Lab' if is_lab else 'CMYK'} colours of {layout.bits} bits, which is not read here.")
    if layout.kind == SIGNED:
        colour = colour.view(f"u{colour.dtype.itemsize}")
    if not is_lab:
        octets = _top_8_bits(colour, layout)
    elif layout.bits == 8:
        octets = colour
    else:
        # The upper byte: a* and b* are signed numbers with 8 bits behind the point.
        octets = (colour >> 8).astype(np.uint8)
        if layout.photometric == _CIELAB:
            octets[..., 0] = _top_8_bits(colour[..., 0], layout)
    if layout.photometric == _CIELAB:
        octets = octets ^ np.array([0, 128, 128], np.uint8)  # signed numbers as Pillow has them, from 0
    height, width = octets.shape[:2]
    # Pillow's raw Lab is TIFF's: a* and b* as signed numbers.
    raw = octets ^ np.array([0, 128, 128], np.uint8) if is_lab else np.ascontiguousarray(octets)
    image = Image.frombytes("LAB" if is_lab else "CMYK", (width, height), raw.tobytes())
    profile = page.bytes_of(_PROFILE, 16_000_000)
    return np.asarray(rgb_from_cmyk_or_lab(image, profile))
