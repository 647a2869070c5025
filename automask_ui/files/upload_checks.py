"""An uploaded file, and what it must be before anything reads it: not too many bytes, pixels or pictures.

What a picture's bytes must be is checked while they are decoded (:mod:`automask_ui.files.images`), archives in
:mod:`automask_ui.files.safe_zip`, and names in :mod:`automask_ui.files.names`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from automask_ui import limits
from automask_ui.errors import BatchError, ImageTooLargeError, UnreadableImageError

__all__ = ["MAX_BYTES", "MAX_PICTURES", "Upload", "check_bytes", "check_count", "check_photo_bytes", "check_pixels"]

MAX_PICTURES = 200
MAX_BYTES = 1024**3  # of all pictures' files together, unpacked


class Upload(NamedTuple):
    """A file that a visitor has brought."""

    path: Path  # here, where its name may be another one
    name: str  # where it comes from

    @classmethod
    def of(cls, file: Upload | Path | str) -> Upload:
        """``file``; a path's own name is the name."""
        return file if isinstance(file, Upload) else cls(Path(file), Path(file).name)


_WAY = "drop them in parts, or make a dataset of the whole folder with python -m automask_ui batch."


def check_photo_bytes(path: Path, name: str | None = None) -> int:
    """Check that the file of an uploaded photo is not too large; return its size in bytes.

    Args:
        path: of the file.
        name: what to call it in the message; its own name by default.

    Raises:
        ImageTooLargeError: more than :data:`automask_ui.limits.MAX_PHOTO_BYTES`.
    """
    size = path.stat().st_size
    if size > limits.MAX_PHOTO_BYTES:
        raise ImageTooLargeError(
            f"{name or path.name} has {size / 1e6:,.0f} MB, but a photo may have "
            f"{limits.MAX_PHOTO_BYTES / 1e6:,.0f} MB here. Save it as JPEG or PNG, make it smaller, or leave it out."
        )
    return size


def check_pixels(width: int, height: int, name: str, max_pixels: int) -> None:
    """Refuse a picture with no pixels, or with more than ``max_pixels``.

    Raises:
        ImageTooLargeError: it has more.
        UnreadableImageError: it has none.
    """
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} has {width:,} × {height:,} = {width * height:,} pixels, but the limit is {max_pixels:,}. "
            "Make it smaller, or cut out the part that matters."
        )
    if width < 1 or height < 1:
        raise UnreadableImageError(f"{name} has no pixels: its size is {width} × {height}.")


def check_count(count: int) -> None:
    """Refuse more pictures than a list may have.

    Raises:
        BatchError: there are.
    """
    if count > MAX_PICTURES:
        raise BatchError(f"There are more than {MAX_PICTURES} pictures: {_WAY}")


def check_bytes(size: int) -> None:
    """Refuse more bytes than the pictures of a list may have together.

    Raises:
        BatchError: there are.
    """
    if size > MAX_BYTES:
        raise BatchError(f"The pictures have more than {MAX_BYTES / 1e9:.1f} GB together: {_WAY}")
