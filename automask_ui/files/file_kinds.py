"""Files that are no pictures, or of kinds that are not read: known by their first bytes, and named with what to do."""

from __future__ import annotations

import io
import struct
import zipfile

__all__ = ["READABLE", "refusal", "unknown"]

READABLE = "JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP"

_DEVELOP = (
    "is a camera's RAW file ({}), which must be developed first. Export it as JPEG, PNG or TIFF from the camera's "
    "program, Lightroom, darktable or RawTherapee."
)
_VIDEO = "is a video ({}), not a picture. Save a frame of it as JPEG or PNG first."
_SOUND = "is a sound file ({}), not a picture."
_EXPORT = "is {}, which is not read here. Export it as PNG or TIFF from the program that made it."
_CONVERT = "is {}, which is not read here. Convert it to PNG or TIFF first."
_UNPACK = "is an archive ({}), not a picture. Unpack it, and open the pictures that are in it."
_DATA = "is {}, not a picture. Save its pixels as PNG or TIFF first."
_JPEG = "is a JPEG of a kind that is not read here ({}). Save it again as an ordinary JPEG or as PNG."

# What stands at which place -> what to say. The first that fits counts.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (8, b"CR\x02\0", _DEVELOP.format("CR2")),
    (4, b"ftypcrx ", _DEVELOP.format("CR3")),
    (0, b"FUJIFILMCCD-RAW", _DEVELOP.format("RAF")),
    (0, b"IIRO", _DEVELOP.format("ORF")),
    (0, b"IIRS", _DEVELOP.format("ORF")),
    (0, b"MMOR", _DEVELOP.format("ORF")),
    (0, b"IIU\0", _DEVELOP.format("RW2")),
    (0, b"FOVb", _DEVELOP.format("X3F")),
    (0, b"\0MRM", _DEVELOP.format("MRW")),
    (6, b"HEAPCCDR", _DEVELOP.format("CRW")),
    (0, b"\xff\x0a", _CONVERT.format("a JPEG XL picture")),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", _CONVERT.format("a JPEG XL picture")),
    (0, b"II\xbc", _CONVERT.format("a JPEG XR picture")),
    (0, b"8BPS", _EXPORT.format("a Photoshop document (PSD)")),
    (0, b"gimp xcf", _EXPORT.format("a GIMP document (XCF)")),
    (0, b"v/1\x01", _EXPORT.format("an OpenEXR picture")),
    (0, b"#?RADIANCE", _EXPORT.format("a Radiance HDR picture")),
    (0, b"#?RGBE", _EXPORT.format("a Radiance HDR picture")),
    (0, b"DDS ", _EXPORT.format("a DirectDraw texture (DDS)")),
    (0, b"qoif", _CONVERT.format("a QOI picture")),
    (0, b"farbfeld", _CONVERT.format("a farbfeld picture")),
    (0, b"BPG\xfb", _CONVERT.format("a BPG picture")),
    # A Targa picture of one colour a pixel; with a count in the fifth byte it would be a mouse pointer.
    *((0, b"\0\0" + kind + b"\0" * 5, _CONVERT.format("a Targa picture (TGA)")) for kind in (b"\x02", b"\x03", b"\n")),
    (0, b"\n\x05\x01\x08", _CONVERT.format("a Paintbrush picture (PCX)")),
    (0, b"\x01\xda\0\x01", _CONVERT.format("a Silicon Graphics picture (SGI)")),
    (0, b"\x01\xda\x01\x01", _CONVERT.format("a Silicon Graphics picture (SGI)")),
    (0, b"\0\0\x01\0", _CONVERT.format("an icon (ICO)")),
    (0, b"\0\0\x02\0", _CONVERT.format("a mouse pointer (CUR)")),
    (0, b"icns", _CONVERT.format("an icon (ICNS)")),
    (0, b"AT&TFORM", _CONVERT.format("a DjVu document")),
    (0, b"\xd7\xcd\xc6\x9a", _EXPORT.format("a Windows metafile (WMF)")),
    (40, b" EMF", _EXPORT.format("a Windows metafile (EMF)")),
    (0, b"%!PS", _EXPORT.format("a PostScript or EPS drawing")),
    (0, b"\xc5\xd0\xd3\xc6", _EXPORT.format("an EPS drawing")),
    (0, b"%PDF", "is a PDF document. Save the page as a PNG picture first."),
    (128, b"DICM", _EXPORT.format("a medical picture (DICOM)")),
    (344, b"n+1\0", _EXPORT.format("a medical volume (NIfTI)")),
    (344, b"ni1\0", _EXPORT.format("a medical volume (NIfTI)")),
    (0, b"NRRD000", _EXPORT.format("a medical volume (NRRD)")),
    (0, b"ZISRAWFILE", _EXPORT.format("a microscope's file (CZI)")),
    (0, b"\xda\xce\xbe\n", _EXPORT.format("a microscope's file (ND2)")),
    (0, b"p\0\0\0", _EXPORT.format("a microscope's file (LIF)")),
    (208, b"MAP ", _EXPORT.format("a microscope's file (MRC)")),
    (0, b"SIMPLE  =", _EXPORT.format("an astronomer's file (FITS)")),
    (0, b"\x89HDF\r\n\x1a\n", _DATA.format("an HDF5 file")),
    (0, b"CDF\x01", _DATA.format("a NetCDF file")),
    (0, b"CDF\x02", _DATA.format("a NetCDF file")),
    (0, b"\x93NUMPY", _DATA.format("a NumPy array")),
    (0, b"PAR1", _DATA.format("a Parquet table")),
    (0, b"SQLite format 3", _DATA.format("a database (SQLite)")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _EXPORT.format("an older Office document")),
    (0, b"{\\rtf", _EXPORT.format("a text document (RTF)")),
    (0, b"\x1f\x8b", _UNPACK.format("GZIP")),
    (0, b"7z\xbc\xaf\x27\x1c", _UNPACK.format("7z")),
    (0, b"Rar!\x1a\x07", _UNPACK.format("RAR")),
    (0, b"BZh", _UNPACK.format("BZIP2")),
    (0, b"\xfd7zXZ\0", _UNPACK.format("XZ")),
    (0, b"\x28\xb5\x2f\xfd", _UNPACK.format("Zstandard")),
    (257, b"ustar", _UNPACK.format("TAR")),
    (0, b"\x1aE\xdf\xa3", _VIDEO.format("WebM or Matroska")),
    (8, b"AVI ", _VIDEO.format("AVI")),
    (0, b"\0\0\x01\xba", _VIDEO.format("MPEG")),
    (0, b"\0\0\x01\xb3", _VIDEO.format("MPEG")),
    (0, b"FLV\x01", _VIDEO.format("FLV")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _VIDEO.format("WMV")),
    (4, b"moov", _VIDEO.format("QuickTime")),
    (4, b"mdat", _VIDEO.format("QuickTime")),
    (4, b"wide", _VIDEO.format("QuickTime")),
    (0, b"OggS", _SOUND.format("Ogg")),
    (8, b"WAVE", _SOUND.format("WAV")),
    (0, b"ID3", _SOUND.format("MP3")),
    (0, b"fLaC", _SOUND.format("FLAC")),
    (0, b"\0\x05\x16\x07", "holds only what macOS notes about a picture (its name begins with “._”). Use the picture."),
    (0, b"L\0\0\0\x01\x14\x02\0", "is a Windows shortcut. Use the picture that it points to."),
    (
        0,
        b"bplist00",
        "is a placeholder or settings file of macOS. Open the picture itself, once it is downloaded.",
    ),
    (0, b"version https://git-lfs", "only points to a picture (Git LFS). Fetch the picture with “git lfs pull”."),
    (0, b"\x7fELF", "is a program, not a picture."),
    (0, b"MZ\x90\0", "is a program, not a picture."),
)
_EARLY = 8  # where the last of the signatures stands that no picture can have
_VIDEO_BRANDS = ("isom", "iso2", "iso4", "iso5", "iso6", "mp41", "mp42", "avc1", "mmp4", "qt  ", "3gp", "M4V", "dash")
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)  # markers of frames
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def refusal(data: bytes) -> str:
    """Why a file is not read, and what to do: the end of a sentence that begins with its name; "" for all others."""
    if data.startswith(_ZIP_STARTS):
        return _zip(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if said := _signed(data, late=False):
        return said
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("latin-1")
        if brand.startswith(_VIDEO_BRANDS):
            return _VIDEO.format("QuickTime" if brand == "qt  " else "MP4")
    start = data[:200].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if start.startswith((b"<svg", b"<?xml", b"<!doctype", b"<html")):
        if b"<svg" in data[:4000].lower():
            return "is a drawing (SVG, XML). Export it as a PNG picture first."
        return "is a web page or another text file (XML). Save the picture itself."
    return ""


def unknown(data: bytes) -> str:
    """What is said of bytes that nothing here knows: the end of a sentence."""
    if said := _signed(data, late=True):
        return said
    start = data[:200]
    text = ""
    try:
        text = start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # A letter may have been cut in two at the end.
        text = start[: error.start].decode("utf-8-sig") if error.start > len(start) - 4 else ""
    shown = text.strip()[:20]
    if shown and all(char.isprintable() or char in "\r\n\t" for char in text):
        return f"is no picture: it holds text that begins with {shown!r}. Use {READABLE}."
    if not any(start):
        return "is no picture: it begins with zero bytes, as files do that were not copied completely."
    return f"is no picture of a known format. Use {READABLE}."


def _signed(data: bytes, late: bool) -> str:
    """What is said of the first signature that fits; late ones may stand inside a picture's pixels by chance."""
    for place, signature, said in _SIGNATURES:
        is_there = data[place : place + len(signature)] == signature
        if is_there and late == (place > _EARLY) and (place != _EARLY or _fits_8(data, signature)):
            return said
    return ""


def _fits_8(data: bytes, signature: bytes) -> bool:
    """Whether what should stand before the ninth byte does."""
    return data[:4] == (b"II*\0" if signature == b"CR\x02\0" else b"RIFF")


def _zip(data: bytes) -> str:
    """What a file that begins as a ZIP does is, by the names in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [entry.filename for entry in archive.filelist[:50]]
    # A stranger's list of entries: zipfile raises nearly anything.
    except Exception:
        return "is a damaged or incomplete ZIP archive. Copy or upload it again."
    if "[Content_Types].xml" in names:
        return _EXPORT.format("an Office document")
    if "mimetype" in names:
        return _EXPORT.format("a document of OpenOffice, Krita or OpenRaster")
    return _UNPACK.format("ZIP")


def _jpeg(data: bytes) -> str:
    """What kind of JPEG Pillow cannot read this is; "" for those that it can, or that are damaged."""
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAMES:
            if marker == 0xF7:
                return _JPEG.format("JPEG-LS")
            if marker in _LOSSLESS:
                return _JPEG.format("lossless")
            return _JPEG.format(f"{data[place + 4]} bits") if data[place + 4] in (10, 12, 16) else ""
        if marker == 0xFF:  # padding
            place += 1
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        place += 2 + max(2, length)
    return ""
