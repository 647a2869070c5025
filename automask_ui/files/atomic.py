"""Files that appear whole or not at all: written beside their place, then moved there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["PART", "move_file", "open_atomic", "write_atomic"]

PART = ".part"  # suffix of files that are being written; what a crash leaves of them can be removed


@contextmanager
def open_atomic(
    target: Path, *, is_private: bool = False, is_synced: bool = False, scratch: Path | None = None
) -> Iterator[BinaryIO]:
    """Open a new file, for writing and reading, that takes the place of ``target`` when the block ends.

    When the block raises, the new file is removed and ``target`` stays as it was.

    Args:
        target: where the file goes. Its folder exists; with ``scratch``, it is made where it does not.
        is_private: nobody but this user may read it.
        is_synced: it is on the disk before it gets its name, which a power cut then cannot leave with nothing behind.
        scratch: folder, on the same disk, of the unfinished file; that of ``target`` by default.

    Raises:
        OSError: the disk cannot take it.
    """
    part = (scratch or target.parent) / f".{secrets.token_hex(8)}{PART}"
    try:
        # Not tempfile: its files are always private, and most of these are handed on.
        number = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o666)
        with os.fdopen(number, "w+b") as file:
            yield file
            file.flush()
            if is_synced:
                os.fsync(file.fileno())
        move_file(part, target)
    finally:
        # Gone already where all went well.
        part.unlink(missing_ok=True)


def write_atomic(
    target: Path,
    content: bytes | Path,
    *,
    is_private: bool = False,
    is_synced: bool = False,
    scratch: Path | None = None,
) -> None:
    """Make ``target`` hold ``content``, bytes or a copy of a file, at once or not at all; as :func:`open_atomic`.

    Raises:
        OSError: the disk cannot take it, or the file cannot be read.
    """
    with open_atomic(target, is_private=is_private, is_synced=is_synced, scratch=scratch) as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            with content.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)


def move_file(source: Path, target: Path) -> None:
    """Move a complete file to ``target`` on the same disk, over an older one; the folder is made where it is missing.

    Raises:
        OSError: it cannot be moved.
    """
    while True:
        try:
            return os.replace(source, target)
        except FileNotFoundError:
            if not source.exists():
                raise
            # Not there yet, or another process has just removed it since it was empty.
            target.parent.mkdir(parents=True, exist_ok=True)
