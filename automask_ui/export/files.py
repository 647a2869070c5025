"""Files inside files: pictures, archives and JSON, written piece by piece and read back."""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TextIO

import numpy as np
from PIL import Image

from automask_ui.errors import ExportError
from automask_ui.export.base import ExportItem, Found, stemmed

__all__ = [
    "jpeg_bytes",
    "png_bytes",
    "read_json",
    "read_pixels",
    "write_json",
    "zip_add",
    "zipped_pictures",
]

JPEG_QUALITY = 95
JPEG_MAX_SIDE = 65_500


def zipped_pictures(
    extension: str,
    write_one: Callable[[ExportItem, BinaryIO], None],
    read_one: Callable[[BinaryIO, ExportItem], Iterable[Found]],
) -> dict[str, Any]:
    """``write`` and ``read`` of a format that holds one picture a file: alone as it is, several in a ZIP."""

    def _write(items: Sequence[ExportItem], file: BinaryIO) -> None:
        if len(items) == 1:
            return write_one(items[0], file)
        with zipfile.ZipFile(file, "w") as archive:
            for stem, item in stemmed(items):
                buffer = io.BytesIO()
                write_one(item, buffer)
                zip_add(archive, f"{stem}.{extension}", buffer.getvalue())

    def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterable[Found]]:
        if len(items) == 1:
            yield read_one(file, items[0])
            return
        with zipfile.ZipFile(file) as archive:
            for stem, item in stemmed(items):
                yield read_one(io.BytesIO(archive.read(f"{stem}.{extension}")), item)

    # Keyword arguments for the format's row.
    return {"extension": extension, "write": _write, "read": _read, "one_picture_a_file": True}


def zip_add(archive: zipfile.ZipFile, name: str, data: bytes, *, packed: bool = False) -> None:
    """Add a file; ``packed`` data (PNG, JPEG) is stored as it is."""
    method = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    # A fixed date: the same masks give the same bytes.
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    archive.writestr(info, data, compress_type=method)


def png_bytes(picture: Image.Image | np.ndarray) -> bytes:
    """A picture (an array is H×W, H×W×3 or H×W×4) as PNG.

    Only runs are packed: for masks and for photos that is quicker than zlib's default, and smaller.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def jpeg_bytes(rgb: np.ndarray) -> bytes:
    """The photo (H×W×3 uint8) as JPEG, for datasets that carry their pictures."""
    if max(rgb.shape[:2]) > JPEG_MAX_SIDE:
        raise ExportError(
            f"JPEG holds at most {JPEG_MAX_SIDE:,} px a side, but the picture is {rgb.shape[1]} × {rgb.shape[0]}."
        )
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def read_pixels(data: bytes) -> np.ndarray:
    """The pixels of a PNG, TIFF or JPEG that we have written, in the file's own mode.

    The plug-ins are called directly: ``Image.open`` would refuse pictures above Pillow's process-wide pixel limit.
    """
    Image.init()
    kind = {b"II": "TIFF", b"MM": "TIFF", b"\xff\xd8": "JPEG"}.get(data[:2], "PNG")
    image = Image.OPEN[kind][0](io.BytesIO(data), "")
    return np.asarray(image)


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
    """JSON has no NaN: a score that was not measured is null."""
    if isinstance(value, Mapping):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], (Mapping, list)):
        return [_without_nan(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json(file: BinaryIO) -> Any:
    """The whole document in ``file``."""
    return json.loads(file.read().decode("utf-8"))
