"""Standard streams that whoever started the program has closed (``2>&-``, some service managers, ``pythonw``)."""

from __future__ import annotations

import os
import sys

__all__ = ["open_missing_streams"]


def open_missing_streams() -> None:
    """Open standard input, output and error to nowhere if they are closed: Python has None in their place.

    Call it before any file is opened: the next one would get the number of the closed stream, and whatever a library
    writes to that stream would land in the file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (for as long as the program runs)
