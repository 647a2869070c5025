"""Hashes of large files, computed once: a file is hashed again only after its size or time of change has moved."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from automask_ui.files.atomic import write_atomic

__all__ = ["VerifiedFiles", "sha256_of"]

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class VerifiedFiles:
    """Hashes that outlive the process in the JSON file ``notes``: resolved path -> [size, mtime in ns, SHA-256]."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes

    def sha256(self, path: Path) -> str:
        """SHA-256 of the file, from the notes where it has not changed since it was noted.

        Raises:
            OSError: the file cannot be read.
        """
        stat = path.stat()
        note = self._read().get(str(path.resolve()))
        if isinstance(note, list) and note[:2] == [stat.st_size, stat.st_mtime_ns] and len(note) == 3:
            return str(note[2])
        digest = sha256_of(path)
        self.note(path, digest)
        return digest

    def note(self, path: Path, digest: str) -> None:
        """Remember the hash of the file as it is now."""
        stat = path.stat()
        notes = self._read()
        notes[str(path.resolve())] = [stat.st_size, stat.st_mtime_ns, digest]
        try:
            self._notes.parent.mkdir(parents=True, exist_ok=True)
            # Two writers at once can lose a note, which costs a hash, but never break the file.
            write_atomic(self._notes, json.dumps(notes, indent=1).encode())
        except OSError as error:
            _log.warning("%s cannot be written, so %s will be hashed again: %s", self._notes, path, error)

    def _read(self) -> dict[str, Any]:
        try:
            notes = json.loads(self._notes.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}
