"""Work that visitors have left for another picture: the last few pieces of each, on the disk, one click back.

A piece is a folder of :class:`automask_ui.project.saving.ProjectFolder` with what a row of thumbnails needs beside it,
so that nothing large is read to show that row. The pieces of one visitor have one stem: that of the kept work of their
tab, where work is kept on this machine, and else one of their own, in a folder that goes with the process. What closed
tabs were at becomes pieces of a new one, too.
"""

from __future__ import annotations

import io
import json
import logging
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from automask_ui.errors import AutoMaskError, RunGoneError
from automask_ui.files.atomic import write_atomic
from automask_ui.files.images import fit_long_side
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.project.retention import prune, remove
from automask_ui.project.saving import ProjectFolder, photo_to_save
from automask_ui.session import Session

__all__ = ["Recent", "RecentWork", "describe", "hand_over", "make_piece"]

_log = logging.getLogger(__name__)

MOST = 5  # pieces of one visitor
MAX_BYTES = 1024**3  # of all that goes with the process, together
MAX_PIECES = 200  # of the same
THUMBNAIL_PX = 128  # twice what is shown, for sharp screens

_KEY = re.compile(r"\d{20}-[0-9a-f]{8}")
_INFIX = ".recent-"  # between a stem and a key
_GONE = "This work is no longer kept here: open its photo again."
_SUMMARY, _THUMBNAIL = "summary.json", "thumbnail.webp"


@dataclass(frozen=True)
class RecentWork:
    """One piece of work that was left.

    Attributes:
        key: names it among its owner's; later ones have larger keys.
        name: of the picture.
        masks: how many there are, hidden ones too.
        thumbnail: the small picture, WebP.
    """

    key: str
    name: str
    masks: int
    thumbnail: bytes


@dataclass(frozen=True)
class _Place:
    """Where a visitor's pieces lie."""

    folder: Path
    stem: str
    stays: bool  # after its owner has left


class Recent:
    """The work that each visitor has left last; nobody reaches another one's.

    Args:
        folder: for those whose work is not kept; made where it is not there, for this user alone.
        models: the models that can be chosen, by name.
    """

    def __init__(self, folder: Path, models: Mapping[str, AvailableModel]) -> None:
        self._folder, self._models = folder, models
        self._places: dict[str, _Place] = {}  # by owner

    def keep_in(self, owner: str, folder: Path, stem: str) -> None:
        """Let what the owner leaves lie in ``folder``, which is bounded by others, where pieces under ``stem`` are."""
        self._places[owner] = _Place(folder, stem, stays=True)

    def of(self, owner: str) -> list[RecentWork]:
        """The owner's pieces, the one that was left last first."""
        found = []
        for path in self._paths(owner):
            # Removed by another process meanwhile, or what a crash left.
            with suppress(OSError, ValueError, KeyError):
                summary = _summary(path)
                thumbnail = (path / _THUMBNAIL).read_bytes()
                found.append(RecentWork(_key_of(path), str(summary["name"]), int(summary["masks"]), thumbnail))
        return found[:MOST]

    def add(self, session: Session) -> None:
        """Keep the work of a session that its owner leaves; the oldest goes for it. What goes wrong is logged."""
        if _is_untouched(session):
            return
        place = self._places.setdefault(session.owner, _Place(self._folder, secrets.token_hex(20), stays=False))
        path = place.folder / f"{place.stem}{_INFIX}{time.time_ns():020d}-{secrets.token_hex(4)}"
        try:
            place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            ProjectFolder(path).write(photo_to_save(session, self._models), MAX_BYTES * 3 // 4)
            describe(path, session)
        except (OSError, AutoMaskError) as error:
            # The next picture opens all the same.
            _log.warning("The work on a picture that was left could not be kept in %s: %s", place.folder, error)
            remove(path)
        for old in self._paths(session.owner)[MOST:]:
            remove(old)
        if not place.stays:
            prune(place.folder, most_bytes=MAX_BYTES, most_pieces=MAX_PIECES)

    @contextmanager
    def taken(self, owner: str, key: object) -> Iterator[Path]:
        """The folder of a piece that is opened: it is among the owner's no longer, but comes back where that fails.

        Raises:
            RunGoneError: the owner has no such piece.
        """
        path = next((path for path in self._paths(owner) if _key_of(path) == key), None)
        if path is None:
            raise RunGoneError(_GONE)
        away = path.with_name(path.name.replace(_INFIX, ".opening-"))
        try:
            path.rename(away)
        except OSError as error:
            raise RunGoneError(_GONE) from error
        try:
            yield away
        except BaseException:
            away.rename(path)
            raise
        remove(away)

    def leave(self, owner: str) -> None:
        """The visitor has gone: what is not kept goes with them."""
        place = self._places.get(owner)
        if place is not None and not place.stays:
            for path in self._paths(owner):
                remove(path)
        self._places.pop(owner, None)

    def _paths(self, owner: str) -> list[Path]:
        place = self._places.get(owner)
        return [] if place is None else pieces(place.folder, place.stem)


def pieces(folder: Path, stem: str) -> list[Path]:
    """The pieces under ``stem``, the one that was left last first."""
    return sorted((path for path in folder.glob(f"{stem}{_INFIX}*") if _KEY.fullmatch(_key_of(path))), reverse=True)


def hand_over(folder: Path, old: str, new: str) -> None:
    """Put the pieces under the stem ``old`` under ``new``, as far as there is room for them."""
    room = max(0, MOST - len(pieces(folder, new)))
    for path in pieces(folder, old)[:room]:
        # Another new tab may have taken it meanwhile.
        with suppress(OSError):
            path.rename(folder / f"{new}{_INFIX}{_key_of(path)}")


def make_piece(kept: Path, new: str) -> None:
    """Make kept work on a photo, which :func:`describe` has described, a piece under the stem ``new`` beside it.

    It stays where it is if there is no room for it.
    """
    # Another new tab may have taken it meanwhile.
    with suppress(OSError):
        left_at = (kept / _SUMMARY).stat().st_mtime_ns
        if len(pieces(kept.parent, new)) < MOST:
            kept.rename(kept.parent / f"{new}{_INFIX}{left_at:020d}-{secrets.token_hex(4)}")


def describe(path: Path, session: Session) -> None:
    """Put what a row of thumbnails needs into a folder that keeps ``session``; what nobody has worked on needs none.

    Raises:
        OSError: the disk cannot take it.
    """
    if _is_untouched(session):
        (path / _SUMMARY).unlink(missing_ok=True)
        return
    image = session.image
    if not (path / _THUMBNAIL).exists() or _summary(path).get("sha256") != image.sha256:
        write_atomic(path / _THUMBNAIL, _thumbnail(session), is_private=True)
    # Last: with it the description is whole.
    summary = {"name": image.name, "masks": len(session.current_masks()[0]), "sha256": image.sha256}
    write_atomic(path / _SUMMARY, json.dumps(summary, ensure_ascii=False).encode(), is_private=True)


def _summary(path: Path) -> dict[str, Any]:
    """The description of a piece of work; empty where it has none that can be read."""
    with suppress(OSError, ValueError):
        summary = json.loads((path / _SUMMARY).read_bytes())
        return summary if isinstance(summary, dict) else {}
    return {}


def _key_of(path: Path) -> str:
    return path.name.rpartition(_INFIX)[2]


def _is_untouched(session: Session) -> bool:
    """Whether nobody has found masks in its picture, or done anything to them."""
    return session.result is session.given and not any(edits.ids for edits in session.editor.history.every)


def _thumbnail(session: Session) -> bytes:
    data = io.BytesIO()
    Image.fromarray(fit_long_side(session.image.rgb, THUMBNAIL_PX)).save(data, "WEBP", quality=80)
    return data.getvalue()
