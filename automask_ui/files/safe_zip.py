"""Read ZIP files from untrusted sources within bounds, whatever their headers claim; entries are never paths."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from automask_ui.errors import ArchiveError
from automask_ui.files.zip_names import correct_names

__all__ = ["Archive", "is_archive", "open_archive"]

MAX_DIRECTORY_BYTES = 8 * 1024**2  # of the list of entries, which is read as a whole: some 100,000 of them

_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # with files, empty, and cut into several
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x07"
_END_BYTES = 22
_LONGEST_COMMENT = 65_535
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can need any amount of memory
_ENCRYPTED = 0x1


def is_archive(path: Path) -> bool:
    """Whether the file begins as a ZIP does; a file that cannot be read does not."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _STARTS
    except OSError:
        return False


class Archive:
    """An open ZIP; from :func:`open_archive`.

    ``files`` are its entries without folders, by the names that their writer meant (``filename``); ``notes`` are
    sentences on names that had to be guessed.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self.name = name
        self.files = [entry for entry in archive.infolist() if not entry.is_dir()]
        note = correct_names(self.files)
        self.notes: tuple[str, ...] = (f"{name}: {note}",) if note else ()

    def read(self, entry: zipfile.ZipInfo, most: int) -> bytes:
        """Unpack ``entry``, of at most ``most`` bytes, which are counted while they are unpacked.

        Raises:
            ArchiveError: there are more, or it cannot be unpacked.
        """
        shown = f"{entry.filename[:80]} in {self.name}"
        if entry.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"{shown} is protected by a password: save the ZIP without one.")
        if entry.compress_type not in _METHODS:
            raise ArchiveError(f"{shown} is packed in a way that is not read here: save it as an ordinary ZIP.")
        try:
            with self._archive.open(entry) as file:
                data = file.read(most + 1)
        except (zipfile.BadZipFile, zlib.error, struct.error, OSError, RuntimeError, EOFError, ValueError) as error:
            raise ArchiveError(f"{shown} is damaged: {error}. Copy or save the ZIP again.") from error
        if len(data) > most:
            raise ArchiveError(f"{shown} unpacks to more than {most / 1e6:,.0f} MB, which is the limit here.")
        return data


@contextmanager
def open_archive(path: Path, name: str | None = None) -> Iterator[Archive]:
    """Open a ZIP for as long as the block lasts; ``name`` is what to call it, its own name by default.

    Raises:
        ArchiveError: it is damaged, or lists too many entries.
    """
    name = name or path.name
    with ExitStack() as opened:
        try:
            file = opened.enter_context(path.open("rb"))
            _check_directory(file, name)
            archive = opened.enter_context(zipfile.ZipFile(file))
        except (zipfile.BadZipFile, struct.error, RuntimeError, ValueError, EOFError, OverflowError) as error:
            raise ArchiveError(f"{name} is no complete ZIP: {error}. Copy or save it again.") from error
        except OSError as error:
            raise ArchiveError(f"{name} could not be read: {error.strerror or error}.") from error
        # What goes wrong in the block is its own affair.
        yield Archive(archive, name)


def _check_directory(file: BinaryIO, name: str) -> None:
    """Check the size of the list of entries before it is read, since it could fill the memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_COMMENT - _END_BYTES - 20))
    tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise ArchiveError(f"{name} is no complete ZIP: its end is missing. Copy or upload it again.")
    (directory_bytes,) = struct.unpack("<L", tail[end + 12 : end + 16])
    # The form for huge archives has a second, larger number elsewhere.
    if directory_bytes > MAX_DIRECTORY_BYTES or _END_64 in tail[max(0, end - 20) : end]:
        raise ArchiveError(f"{name} lists too many files: split it into several ZIPs.")
    file.seek(0)
