"""The list of many pictures' work: ``automask.json`` where each picture's work is a document of its own beside it.

    automask.json         which pictures, what has become of each, and where the rest is
    automask/….json       a picture's masks and edits, as automask_ui.project.document has them
    automask/….jpg, …     its photo's own file
    automask/….thumb.webp its thumbnail

The same in archives that are handed out and in folders that are kept on this machine. What is read is trusted in
nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from automask_ui.errors import OptionError, ResumeError
from automask_ui.files.json_fields import WrongError, list_in, object_in, object_of, text_in
from automask_ui.options import GeneratorOptions, checked_options
from automask_ui.project.document import NAME, SavedModel, document_of, is_sha256, model_of, versions
from automask_ui.project.uploads import MAX_NAME, MAX_PICTURES
from automask_ui.session.class_names import clean_text

__all__ = ["MAX_ERROR", "MAX_LIST_BYTES", "THUMBNAIL", "KeptList", "KeptPicture", "is_list", "parse", "to_bytes"]

KIND = "automask-pictures"
FORM = 1  # of the list; raised when an older reader would misunderstand it
MAX_LIST_BYTES = 8 * 1024**2

MAX_ERROR = 1000  # characters
MAX_SECONDS = 1e9

THUMBNAIL = ".thumb.webp"

_PLACE = re.compile(r"automask/[0-9a-f]{5,64}(\.thumb)?(\.[a-z0-9]{1,5})?")


@dataclass(frozen=True)
class KeptPicture:
    """One picture. Places are those of files in the same archive or folder; None: there is none."""

    name: str
    sha256: str  # of its file
    state: Literal["waiting", "done", "failed"]
    seconds: float | None = None
    error: str = ""
    edited: bool = False
    work: str | None = None
    photo: str | None = None
    thumbnail: str | None = None


@dataclass(frozen=True)
class KeptList:
    """All pictures, and what those that nobody has edited were made with."""

    pictures: tuple[KeptPicture, ...]
    model: SavedModel | None = None  # None: there was no run, and there are no options
    options: GeneratorOptions | None = None
    open: int | None = None  # the picture that was in the main view


def to_bytes(kept: KeptList) -> bytes:
    """The list as a document."""
    document = {
        "format": KIND,
        "version": FORM,
        "made_with": versions(),
        "model": None if kept.model is None else asdict(kept.model),
        "options": None if kept.options is None else kept.options.flat(),
        "open": kept.open,
        "pictures": [asdict(picture) for picture in kept.pictures],
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()


def is_list(data: bytes) -> bool:
    """Whether ``data`` is a list of pictures, by its own word, and no document of one picture's work."""
    # One picture's work can be large: it is not read twice.
    if f'"{KIND}"'.encode() not in data:
        return False
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("format") == KIND


def parse(data: bytes, name: str = NAME) -> KeptList:
    """The list in ``data``, which may be anything; ``name`` is what to call it.

    Raises:
        ResumeError: saying what is wrong with it.
    """
    document = document_of(data, name, KIND, FORM)
    try:
        model = model_of(document)
        options = None if model is None else checked_options(object_in(document, "options"))
        pictures = tuple(_picture(object_of(row, "a picture")) for row in list_in(document, "pictures", MAX_PICTURES))
    except (WrongError, OptionError) as error:
        raise ResumeError(f"{name} cannot be used: {error}") from error
    if not pictures:
        raise ResumeError(f"{name} lists no pictures.")
    opened = document.get("open")
    is_one = type(opened) is int and 0 <= opened < len(pictures)
    return KeptList(pictures, model, options, opened if is_one else None)


def _picture(row: Mapping[str, Any]) -> KeptPicture:
    name, state, seconds = clean_text(text_in(row, "name", 2 * MAX_NAME)), row.get("state"), row.get("seconds")
    if not is_sha256(row.get("sha256")):
        raise WrongError(f"the SHA-256 of {name[:80]} is none.")
    if state not in ("waiting", "done", "failed"):
        raise WrongError(f"{name[:80]} has the unknown state {str(state)[:20]!r}.")
    if seconds is not None and (type(seconds) not in (int, float) or not 0 <= seconds <= MAX_SECONDS):
        raise WrongError(f"the seconds of {name[:80]} are no number: {str(seconds)[:20]}.")
    places = {key: _place(row, key) for key in ("work", "photo", "thumbnail")}
    if (state == "done") != (places["work"] is not None):
        raise WrongError(f"{name[:80]} is {state}, which does not go with {'no ' * (not places['work'])}masks.")
    error = clean_text(text_in(row, "error", MAX_ERROR))
    return KeptPicture(name, row["sha256"], state, seconds, error, row.get("edited") is True, **places)


def _place(row: Mapping[str, Any], key: str) -> str | None:
    place = row.get(key)
    if place is not None and not (isinstance(place, str) and _PLACE.fullmatch(place)):
        raise WrongError(f"the place {str(place)[:40]!r} of “{key}” is not one that AutoMask gives.")
    return place
