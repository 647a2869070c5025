"""Encode pictures, write ZIPs and JSON documents piece by piece, and read pictures back."""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TextIO, TypeVar

import numpy as np
from PIL import Image

from automask_ui.errors import ExportError
from automask_ui.export.base import ExportItem, ReadMask, with_stems

__all__ = [
    "jpeg_bytes",
    "json_writer",
    "png_bytes",
    "read_pixels",
    "write_json",
    "zip_add",
    "zipped_pictures",
]

T = TypeVar("T")

JPEG_QUALITY = 95
JPEG_MAX_SIDE = 65_500


def zipped_pictures(
    extension: str,
    write_one: Callable[[ExportItem, BinaryIO], None],
    read_one: Callable[[BinaryIO, ExportItem], Iterable[ReadMask]],
) -> dict[str, Any]:
    """Make ``write`` and ``read`` of a format that holds one picture a file; several pictures become a ZIP."""

    def _write(items: Sequence[ExportItem], file: BinaryIO) -> None:
        if len(items) == 1:
            return write_one(items[0], file)
        with zipfile.ZipFile(file, "w") as archive:
            for stem, item in with_stems(items):
                buffer = io.BytesIO()
                write_one(item, buffer)
                zip_add(archive, f"{stem}.{extension}", buffer.getvalue())

    def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterable[ReadMask]]:
        if len(items) == 1:
            yield read_one(file, items[0])
            return
        with zipfile.ZipFile(file) as archive:
            for stem, item in with_stems(items):
                yield read_one(io.BytesIO(archive.read(f"{stem}.{extension}")), item)

    # Keyword arguments for the format's row.
    return {"extension": extension, "write": _write, "read": _read, "one_picture_a_file": True}


def zip_add(archive: zipfile.ZipFile, name: str, data: bytes, *, packed: bool = False) -> None:
    """Add a file to a ZIP; data that is ``packed`` already (PNG, JPEG) is stored without compression."""
    method = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    # A fixed date: the same masks give the same bytes.
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    archive.writestr(info, data, compress_type=method)


def png_bytes(picture: Image.Image | np.ndarray) -> bytes:
    """Encode a picture (a Pillow image, or H×W, H×W×3 or H×W×4 uint8 or uint16) as PNG.

    Only runs are packed: for masks and for photos that is quicker than zlib's default, and smaller.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def jpeg_bytes(rgb: np.ndarray) -> bytes:
    """Encode a photo (H×W×3 uint8 RGB) as JPEG, for datasets that carry their pictures."""
    if max(rgb.shape[:2]) > JPEG_MAX_SIDE:
        raise ExportError(
            f"JPEG holds at most {JPEG_MAX_SIDE:,} px a side, but the picture is {rgb.shape[1]} × {rgb.shape[0]}."
        )
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def read_pixels(data: bytes) -> np.ndarray:
    """Decode a PNG, TIFF or JPEG that we have written, in the file's own mode.

    The plug-ins are called directly: ``Image.open`` would refuse pictures above Pillow's process-wide pixel limit.

    Returns:
        H×W uint8, uint16 or int32 for grey values, palette indices and label maps; H×W×3 uint8 for RGB; H×W×4 uint8 for
        RGBA.
    """
    Image.init()
    kind = {b"II": "TIFF", b"MM": "TIFF", b"\xff\xd8": "JPEG"}.get(data[:2], "PNG")
    image = Image.OPEN[kind][0](io.BytesIO(data), "")
    return np.asarray(image)


def json_writer(build: Callable[[T], Mapping[str, Any] | Iterator[Any]]) -> Callable[[T, BinaryIO], None]:
    """Make the ``write`` of a format that is a JSON document; ``build`` makes the document of one or all items."""

    def write(items: T, file: BinaryIO) -> None:
        write_json(build(items), file)

    return write


def write_json(value: Mapping[str, Any] | Iterator[Any], file: BinaryIO) -> None:
    """Write ``value`` as UTF-8 JSON; iterators in it become arrays whose elements are made and written one by one."""
    text = io.TextIOWrapper(file, encoding="utf-8")
    _write_value(value, text)
    text.write("\n")
    # The binary file stays open: it is read back next.
    text.detach()


def _write_value(value: Any, text: TextIO) -> None:
    if isinstance(value, Mapping) and any(isinstance(part, (Mapping, Iterator)) for part in value.values()):
        pieces: Iterable[tuple[str, Any]] = ((f"{json.dumps(key)}: ", part) for key, part in value.items())
        brackets = "{}"
    elif isinstance(value, Iterator):
        pieces = (("", part) for part in value)
        brackets = "[]"
    else:
        text.write(json.dumps(_without_nan(value), ensure_ascii=False, allow_nan=False))
        return
    text.write(brackets[0])
    for index, (start, part) in enumerate(pieces):
        text.write(f"{',' if index else ''}\n{start}")
        _write_value(part, text)
    text.write(f"\n{brackets[1]}")


def _without_nan(value: Any) -> Any:
    """Replace NaN, a score that was not measured, by null, since JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
