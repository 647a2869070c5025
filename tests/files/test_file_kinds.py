"""Files that are no pictures, or of kinds that are not read, are called what they are."""

from __future__ import annotations

import io
import zipfile

import pytest

from automask_ui.errors import UnreadableImageError
from automask_ui.files.images import load_image


def zipped(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return data.getvalue()


def ftyp(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(4) + b"isommp42"


KINDS = {
    "DICOM": (bytes(128) + b"DICM" + bytes(40), "DICOM"),
    "PSD": (b"8BPS\0\1" + bytes(20), "Photoshop"),
    "CR3": (ftyp(b"crx "), "RAW file (CR3)"),
    "CR2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(20), "RAW file (CR2)"),
    "RAF": (b"FUJIFILMCCD-RAW 0201", "RAW file (RAF)"),
    "ORF": (b"IIRO\x08\0\0\0" + bytes(20), "RAW file (ORF)"),
    "RW2": (b"IIU\0\x08\0\0\0" + bytes(20), "RAW file (RW2)"),
    "JPEG XL": (b"\xff\x0a" + bytes(20), "JPEG XL"),
    "JPEG XL in a container": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing (SVG"),
    "SVG with a head": (b"<?xml version='1.0'?>\n<svg/>", "drawing (SVG"),
    "a web page": (b"<!DOCTYPE html><html>", "web page"),
    "PDF": (b"%PDF-1.7\n", "PDF document"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS"),
    "EPS with a preview": (b"\xc5\xd0\xd3\xc6" + bytes(30), "EPS"),
    "MP4": (ftyp(b"isom"), "video (MP4)"),
    "MOV": (ftyp(b"qt  "), "video (QuickTime)"),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", "video (AVI)"),
    "WebM": (b"\x1aE\xdf\xa3" + bytes(20), "video (WebM"),
    "WAV": (b"RIFF\0\0\0\0WAVEfmt ", "sound file"),
    "HEIC": (ftyp(b"heic"), "HEIC"),
    "ZIP": (zipped(a__txt="a"), "archive (ZIP)"),
    "empty ZIP": (zipped(), "archive (ZIP)"),
    "half a ZIP": (zipped(a__txt="a")[:40], "damaged or incomplete ZIP"),
    "GZIP": (b"\x1f\x8b\x08" + bytes(20), "archive (GZIP)"),
    "macOS's notes": (b"\0\x05\x16\x07" + bytes(20), "macOS notes"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "JPEG of 12 bits": (b"\xff\xd8\xff\xc1\0\x11\x0c" + bytes(30), "12 bits"),
    "lossless JPEG": (b"\xff\xd8\xff\xdb\0\x04ab\xff\xc3\0\x11\x08" + bytes(30), "lossless"),
    "JPEG-LS": (b"\xff\xd8\xff\xf7\0\x0b\x08" + bytes(30), "JPEG-LS"),
    "TGA": (b"\0\0\x02" + bytes(9) + b"\x50\0\x3c\0\x18\0" + bytes(30), "Targa picture (TGA)"),
    "run-length TGA": (b"\0\0\n" + bytes(9) + b"\x50\0\x3c\0\x18\0" + bytes(30), "Targa picture (TGA)"),
    "a mouse pointer": (b"\0\0\x02\0\x01\0\x20\x20" + bytes(30), "mouse pointer (CUR)"),
    "PCX": (b"\n\x05\x01\x08" + bytes(30), "Paintbrush picture (PCX)"),
    "SGI": (b"\x01\xda\x01\x01" + bytes(30), "Silicon Graphics picture (SGI)"),
    "zeros": (bytes(500), "begins with zero bytes"),
    "zeros and a few others": (b"\0\1\2\3" + bytes(500), "is no picture of a known format. Use "),
    "text": ("Straße und Bücher".encode(), "text that begins with 'Straße und Bücher'"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_is_named(kind: str) -> None:
    data, words = KINDS[kind]
    with pytest.raises(UnreadableImageError) as caught:
        load_image(data, name="photo.jpg")
    message = str(caught.value)
    assert message.startswith("photo.jpg ")
    assert words in message
    assert message.endswith(".")
    assert "\\x" not in message
