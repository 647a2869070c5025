"""Kept work as files and folders side by side: what is too old goes, then the oldest, until the rest fits."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

__all__ = ["MAX_AGE_SECONDS", "age_and_size", "prune", "remove"]

MAX_AGE_SECONDS = 7 * 86_400


def prune(folder: Path, *, most_bytes: int, most_pieces: int, most_seconds: float = MAX_AGE_SECONDS) -> None:
    """Remove what has not changed for ``most_seconds``, then the oldest, until the rest fits.

    What a crash left half-written goes with it, for it does not change any more.
    """
    entries = []
    for path in folder.glob("*"):
        try:
            entries.append((*age_and_size(path), path))
        except OSError:
            continue  # removed by another process meanwhile
    total = sum(size for _, size, _ in entries)
    for place, (changed, size, path) in enumerate(sorted(entries)):
        is_old = time.time() - changed > most_seconds
        if is_old or total > most_bytes or len(entries) - place > most_pieces:
            remove(path)
            total -= size


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; what is not there stays so."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def age_and_size(path: Path) -> tuple[float, int]:
    """When a file or folder was changed last, in seconds since 1970, and the bytes of its files.

    Raises:
        OSError: it is not there.
    """
    inside = (path, *path.rglob("*"))
    return max(own.stat().st_mtime for own in inside), sum(own.stat().st_size for own in inside if own.is_file())
