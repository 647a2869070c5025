"""A dataset on the disk: what is known of each picture, and files that appear only when they are complete.

    DATASET/.automask/masks/xx/<id>.json   masks of a picture with the key of all that they depend on
    DATASET/.automask/files/xx/<id>.json   the files made of them, format by format
    DATASET/.automask/files/whole.json     the files of all pictures together, such as coco.json
    DATASET/.automask/scratch/             files being written; emptied when a run starts
    DATASET/changed/                       files that somebody else has changed or put there, and that stood in the way

Records hold neither times nor paths of this machine: an interrupted run and one that was not leave the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from automask_ui.batch.paths import is_local
from automask_ui.batch.pictures import NOTES, SUFFIXES, Picture
from automask_ui.errors import BatchError
from automask_ui.files.atomic import move_file, write_atomic
from automask_ui.files.json_fields import (
    MAX_INTEGER,
    JsonFieldError,
    integers_in,
    list_in,
    object_in,
    text_in,
    text_of,
    whole_of,
)
from automask_ui.masks import MaskSet, codec

__all__ = ["Dataset", "FilesRecord", "MasksRecord", "Written", "writing"]

_log = logging.getLogger(__name__)

_VERSION = 1  # of the records' form


@dataclass(frozen=True, eq=False)
class MasksRecord:
    """The masks of one picture."""

    key: str  # of all that they depend on
    sha256: str  # of the picture's file
    masks: MaskSet


@dataclass(frozen=True)
class Written:
    """What was made of a picture in one format, and what its check found."""

    files: dict[str, int]  # path in the dataset -> bytes
    masks: int
    exact: int
    worst_iou: float
    hashes: dict[str, str] = field(default_factory=dict)  # path -> SHA-256; earlier versions kept none


@dataclass(frozen=True)
class FilesRecord:
    """All files of one picture, or those of all pictures together."""

    key: str = ""  # of the masks that they show, and of the class list
    stem: str = ""
    formats: dict[str, Written] = field(default_factory=dict)
    stale: tuple[str, ...] = ()  # files that may be there and belong to none of the formats
    stale_hashes: dict[str, tuple[str, ...]] = field(default_factory=dict)  # path -> SHA-256 of all that it may hold

    def hashes_of(self, path: str) -> set[str]:
        """SHA-256 of all that was left at ``path``, or may have been by a run that was stopped."""
        kept = {written.hashes[path] for written in self.formats.values() if path in written.hashes}
        return kept.union(self.stale_hashes.get(path, ()))


class Dataset:
    """The folder ``root``. All writing goes through here, and every failure of the disk is a :class:`BatchError`.

    Every user of one dataset has a scratch folder of its own: in it where files can be moved from there, else on this
    machine, since object stores have whole files only.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._notes = root / NOTES
        self._scratch_of_all = self._notes / "scratch"
        self.scratch = self._scratch_of_all
        self.put_aside: list[str] = []  # what put_aside.py has moved out of the way

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Have the dataset to oneself; what an earlier run had begun to write is thrown away.

        Where files cannot be locked, it is left to the user that there is one run at a time.

        Raises:
            BatchError: another run has it, or the folder cannot be written.
        """
        if not is_local(self.root):
            yield
            return
        lock = FileLock(self._notes / "lock")
        with writing(self._notes):
            self._notes.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout as error:
                raise BatchError(
                    f"Another run is writing to {self.root}: wait for it, or give another folder."
                ) from error
        try:
            shutil.rmtree(self._scratch_of_all, ignore_errors=True)
            yield
        finally:
            lock.release()

    @contextmanager
    def open_scratch(self) -> Iterator[None]:
        """Have the scratch folder for as long as the block lasts: nothing can be written without it."""
        if is_local(self.root):
            self.scratch = self._scratch_of_all / secrets.token_hex(8)
        else:
            self.scratch = Path(tempfile.gettempdir(), f"automask-{secrets.token_hex(8)}")
        with writing(self.scratch):
            self.scratch.mkdir(parents=True)
        try:
            yield
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def read_masks(self, picture: Picture) -> MasksRecord | None:
        """What is kept of a picture's masks, if anything is."""
        record = _read(self._path("masks", picture))
        if record is None:
            return None
        try:
            height, width = integers_in(record, "size_hw", 2)
            masks = codec.from_columns(record.get("masks"), (height, width))
            return MasksRecord(text_in(record, "key", 64), text_in(record, "sha256", 64), masks)
        except JsonFieldError as error:
            _log.warning("The kept masks of %s are damaged, so they are found again: %s", picture.relative, error)
            return None

    def write_masks(self, picture: Picture, record: MasksRecord) -> None:
        """Keep a picture's masks."""
        values = {
            "picture": picture.relative,
            "key": record.key,
            "sha256": record.sha256,
            "size_hw": list(record.masks.size_hw),
            "masks": codec.to_columns(record.masks),
        }
        self._write_record(values, self._path("masks", picture))

    def read_files(self, picture: Picture | None) -> FilesRecord:
        """Which files were made of a picture, or of all together (None); an empty record where none were."""
        record = _read(self._path("files", picture))
        if record is None:
            return FilesRecord()
        try:
            return _files_of(record)
        except JsonFieldError as error:
            name = picture.relative if picture else "the dataset"
            _log.warning("What is kept of %s's files is damaged, so they are made again: %s", name, error)
            return FilesRecord()

    def write_files(self, picture: Picture | None, record: FilesRecord) -> None:
        """Keep the list of a picture's files, or of those of all together (None)."""
        values = {"picture": picture.relative} if picture else {}
        self._write_record({**values, **asdict(record)}, self._path("files", picture))

    def read_namesakes(self, picture: Picture) -> Iterator[FilesRecord]:
        """What was made of pictures that differ from ``picture`` in their ending alone, as converted ones do."""
        name = PurePosixPath(picture.relative)
        for suffix in (*SUFFIXES, *map(str.upper, SUFFIXES)):
            if suffix != name.suffix:
                yield self.read_files(replace(picture, relative=str(name.with_suffix(suffix))))

    def count_others(self, pictures: Iterable[Picture]) -> int:
        """Of how many pictures besides ``pictures`` masks are kept."""
        known = {self._path("masks", picture).name for picture in pictures}
        return sum(path.name not in known for path in (self._notes / "masks").glob("*/*.json"))

    def has(self, files: dict[str, int]) -> bool:
        """Whether all these files are there at their full size."""
        try:
            return all((self.root / path).stat().st_size == size for path, size in files.items())
        except OSError:
            return False

    def land(self, data: bytes, target: Path, *, is_synced: bool = False) -> None:
        """Make ``target`` hold ``data``, at once or not at all; ``is_synced`` as in :mod:`automask_ui.files.atomic`."""
        with writing(target):
            if is_local(target):
                write_atomic(target, data, is_synced=is_synced, scratch=self.scratch)
            else:
                part = self.new_part()
                part.write_bytes(data)
                self.move(part, target)

    def move(self, part: Path, target: Path) -> None:
        """Bring a complete file from the scratch folder to its place, over an older one."""
        with writing(target):
            if is_local(target):
                move_file(part, target)
            else:
                # A store shows a file when all of it has arrived.
                target.fs.put_file(str(part), target.path)  # type: ignore[attr-defined]
                part.unlink()

    def new_part(self) -> Path:
        """A new path in the scratch folder."""
        return self.scratch / secrets.token_hex(8)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files and the folders that they leave empty."""
        for path in sorted(paths):
            target = self.root / path
            with writing(target):
                target.unlink(missing_ok=True)
            if not is_local(target):
                continue
            for parent in target.relative_to(self.root).parents[:-1]:
                try:
                    (self.root / parent).rmdir()
                except OSError:
                    break

    def _write_record(self, values: dict[str, Any], target: Path) -> None:
        text = json.dumps({"version": _VERSION, **values}, sort_keys=True, separators=(",", ":"), allow_nan=False)
        # On the disk at once: other files are compared by their sizes, records are believed.
        self.land(text.encode("ascii"), target, is_synced=True)

    def _path(self, kind: str, picture: Picture | None) -> Path:
        if picture is None:
            return self._notes / kind / "whole.json"
        # A hash, since the picture's own name may be too long for a suffix.
        name = hashlib.sha256(os.fsencode(picture.relative)).hexdigest()[:32]
        return self._notes / kind / name[:2] / f"{name}.json"


def _files_of(record: dict[str, Any]) -> FilesRecord:
    """``record`` as it was kept; a dataset may come from elsewhere, and files that are listed are also removed."""
    formats = {}
    for name in (kept := object_in(record, "formats")):
        values = object_in(kept, name)
        files = {_below(path): whole_of(size, "A size", 0, 2**62) for path, size in object_in(values, "files").items()}
        masks, exact = (whole_of(values.get(key), f"“{key}”", 0, MAX_INTEGER) for key in ("masks", "exact"))
        worst: object = values.get("worst_iou")
        if isinstance(worst, bool) or not isinstance(worst, int | float) or not 0 <= worst <= 1:
            raise JsonFieldError("“worst_iou” must be a number from 0 to 1.")
        if any(PurePosixPath(path).parts[0] != name for path in files):
            raise JsonFieldError(f"A file of “{name}” lies outside of its folder.")
        formats[name] = Written(files, masks, exact, worst, _hashes_of(values))
    stale = tuple(_below(path) for path in list_in(record, "stale", MAX_INTEGER))
    stale_hashes = object_in(record, "stale_hashes") if "stale_hashes" in record else {}
    may_hold = {
        _below(path): tuple(text_of(sha256, "A hash", 64) for sha256 in list_in(stale_hashes, path, MAX_INTEGER))
        for path in stale_hashes
    }
    return FilesRecord(text_in(record, "key", 64), text_in(record, "stem", 255), formats, stale, may_hold)


def _hashes_of(values: Mapping[str, Any]) -> dict[str, str]:
    hashes = object_in(values, "hashes") if "hashes" in values else {}
    return {_below(path): text_of(sha256, "A hash", 64) for path, sha256 in hashes.items()}


def _below(path: object) -> str:
    """``path`` if it leads to a place below the dataset's folder."""
    text = text_of(path, "A path", 32_767)
    # As this machine names files: on Windows a backslash parts folders, too, and a drive leads elsewhere.
    place = PurePath(text)
    if not place.parts or ".." in place.parts or place.anchor or "\0" in text:
        raise JsonFieldError(f"{text[:80]!r} is no path below the dataset.")
    return text


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Make a :class:`BatchError` of what keeps ``target`` from being written."""
    try:
        yield
    except OSError as error:
        raise BatchError(
            f"{target} could not be written: {error.strerror or error}. What is finished is kept; when this is mended, "
            "the same command goes on from there."
        ) from error
    # What file systems raise that can only be read, such as archives and web servers.
    except RuntimeError as error:
        raise BatchError(
            f"{target} could not be written: files cannot be replaced or removed there. Give a folder."
        ) from error


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read, so its picture is done again: %s", path, error)
        return None
    # Records of another version are as good as none.
    return record if isinstance(record, dict) and record.get("version") == _VERSION else None
