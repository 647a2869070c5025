"""What a command says: output never decides whether its work goes on."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

__all__ = ["counted", "make_forgiving", "say"]


def make_forgiving() -> None:
    """Let standard output and error show what their encoding lacks as ``\\u65e5`` instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        # A stream of another kind, or none at all (pythonw), is left as it is.
        with suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def say(line: str, stream: TextIO | None = None, end: str = "\n") -> None:
    """Print ``line`` at once, to standard output by default; nothing where nobody can read it any more."""
    stream = stream or sys.stdout
    try:
        print(line, end=end, file=stream, flush=True)
    except (OSError, ValueError):  # the reader has gone, the disk is full, or the stream is closed
        _mute(stream)


def counted(count: int, noun: str) -> str:
    """``count`` things with their name: "1 mask", "1,024 masks"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _mute(stream: TextIO) -> None:
    """Send what comes next nowhere: also what waits in the stream, which Python writes at its end."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
