"""How large a picture may be: checked once its header is read, and before anything is decoded."""

from __future__ import annotations

from automask_ui.errors import ImageTooLargeError, UnreadableImageError

__all__ = ["check_pixels"]


def check_pixels(width: int, height: int, name: str, max_pixels: int) -> None:
    """Refuse a picture with no pixels, or with more than ``max_pixels``.

    Raises:
        ImageTooLargeError: it has more.
        UnreadableImageError: it has none.
    """
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} has {width:,} × {height:,} = {width * height / 1e6:,.1f} million pixels, but the limit is "
            f"{max_pixels / 1e6:,.1f} million. Make it smaller, or cut out the part that matters."
        )
    if width < 1 or height < 1:
        raise UnreadableImageError(f"{name} has no pixels: its size is {width} × {height}.")
