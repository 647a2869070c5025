"""Local folders, and remote ones that fsspec reaches: ``s3://bucket/photos``, ``gs://``, ``memory://`` ...

The latter are ``universal_pathlib.UPath`` objects, which have the methods of ``pathlib.Path`` without being one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from automask_ui.errors import BatchError

__all__ = ["exists", "folder_at", "is_local", "is_within", "same_folder", "walk"]


def folder_at(text: str) -> Path:
    """Make a path of ``text``: a local path, or a URL of any file system that fsspec has.

    Raises:
        BatchError: what this file system needs is not installed.
    """
    if "://" not in text:
        return Path(text)
    try:
        from upath import UPath
    except ImportError as error:
        raise BatchError(f"{text} is no folder of this machine. To reach it: pip install universal-pathlib") from error
    try:
        place: Any = UPath(text)
        # Made only now, with what it needs.
        protocols = place.fs.protocol
    # File systems raise errors of all kinds: what they need is not installed, the server does not answer ...
    except Exception as error:
        raise BatchError(f"{text} cannot be reached: {error}") from error
    return Path(place.path) if "file" in protocols else place


def is_local(place: Path) -> bool:
    """Whether ``place`` is on this machine, where files can be moved and locked."""
    return isinstance(place, Path)


def exists(place: Path) -> bool:
    """Whether there is something at ``place``, as far as this user may know. (``Path.exists`` raises there.)"""
    try:
        return place.exists()
    except OSError:
        return False


def same_folder(one: Path, other: Path) -> bool:
    """Whether both paths are the same folder."""
    return str(one.resolve()) == str(other.resolve())


def is_within(place: Path, folder: Path) -> bool:
    """Whether ``place`` is ``folder``, or lies in it."""
    return PurePath(str(place.resolve())).is_relative_to(PurePath(str(folder.resolve())))


def walk(
    folder: Path, on_error: Callable[[OSError], None], is_searched: Callable[[Path], bool]
) -> Iterator[tuple[PurePosixPath, list[str], list[str]]]:
    """Yield every folder from ``folder`` down, in order: its relative path, and the names of its folders and files."""
    # Path.walk came with Python 3.12.
    steps = os.walk(folder, onerror=on_error) if is_local(folder) else folder.walk(on_error=on_error)  # type: ignore[attr-defined]
    for root, folders, files in steps:
        below = PurePosixPath(PurePath(os.path.relpath(str(root), str(folder))).as_posix())
        # Emptied in place: this is how a walk is told where not to go.
        folders[:] = sorted(name for name in folders if is_searched(folder / below / name))
        yield below, folders, sorted(files)
