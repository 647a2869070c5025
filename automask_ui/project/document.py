"""The document of a project, ``automask.json``: what is in it, how it is written, and what it must be to be read.

A project is a list of pictures; one photo is a project of one.

    automask.json          {"format": "automask", "version": 2, "model", "options", "open", "pictures": [...]}
    automask/….json        the work on a picture: its masks as columns with their ids, and the edits
    automask/….jpg, …      its photo's own file
    automask/….thumb.webp  its thumbnail

The same in archives that are handed out and in folders that are kept on this machine. Of a project of one photo the
work stands in ``automask.json`` itself, so that this file and the photo are enough. Candidates are nowhere: the model
finds them again when they are needed. What is read is trusted in nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from automask_ui import __version__
from automask_ui.errors import ExportError, LabelError, OptionError, RestoreError
from automask_ui.files.json_fields import (
    MAX_INTEGER,
    JsonFieldError,
    integers_in,
    list_in,
    object_in,
    object_of,
    text_in,
    whole_of,
)
from automask_ui.files.names import MAX_PATH
from automask_ui.files.upload_checks import MAX_PICTURES
from automask_ui.limits import max_pixels
from automask_ui.masks import MaskSet, codec
from automask_ui.options import GeneratorOptions, checked_options
from automask_ui.project import version1
from automask_ui.session import ShowOnly, history_json
from automask_ui.session.class_names import clean_text
from automask_ui.session.edits import EditedMasks, Edits, apply_edits
from automask_ui.session.history import History

__all__ = [
    "MAX_ERROR",
    "MAX_JSON_BYTES",
    "NAME",
    "THUMBNAIL",
    "Saved",
    "SavedImage",
    "SavedModel",
    "SavedPicture",
    "SavedProject",
    "parse",
    "parse_work",
    "to_bytes",
]

NAME = "automask.json"
KIND = "automask"
WORK_KIND = "automask-work"
VERSION = 2  # raised when an older reader would misunderstand the document
THUMBNAIL = ".thumb.webp"

MAX_JSON_BYTES = 32 * 1024**2
MAX_IDS = 200_000  # that were ever given in one session
MAX_ERROR = 1000  # characters
MAX_SECONDS = 1e9

_HASH = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(r"([0-9a-f]{24})?")
# Version 1 called the photo of a single picture "photo".
_PLACE = re.compile(r"automask/(photo|[0-9a-f]{5,64})(\.thumb)?(\.[a-z0-9]{1,5})?")
_PACKAGES = ("torch", "segment-anything", "numpy", "pillow", "pycocotools")


@dataclass(frozen=True)
class SavedImage:
    """A picture, by what it can be recognised."""

    name: str
    size_hw: tuple[int, int]  # px
    sha256: str  # of its file; "" where it was not made of a file
    pixels_sha256: str  # of its height, width and RGB bytes: the same after it was saved again without loss


@dataclass(frozen=True)
class SavedModel:
    """The model that found the masks."""

    name: str
    title: str
    sha256: str | None  # of its file, where there is one


@dataclass(frozen=True, eq=False)
class Saved:
    """The work on one picture: all that a session is, but for pixels and candidates."""

    image: SavedImage
    model: SavedModel | None  # None: nothing has been found yet, and there are no options
    options: GeneratorOptions | None
    partial: bool  # the run was stopped
    masks: MaskSet  # as they were found
    ids: tuple[int, ...]  # one a mask
    fingerprints: tuple[tuple[bytes, int], ...]  # of the masks with the ids 1, 2, ..., as in automask_ui.session.editor
    show: ShowOnly
    history: History  # ends with what was done to the masks

    @property
    def edits(self) -> Edits:
        """What was done to the masks, as it is now."""
        return self.history.now

    def edited(self, *, with_hidden: bool = True) -> EditedMasks:
        """The masks with all that was done to them."""
        return apply_edits(self.masks, self.ids, self.edits, with_hidden=with_hidden)


@dataclass(frozen=True)
class SavedPicture:
    """One picture of a project. Places are those of files in the same archive or folder; None: there is none."""

    name: str
    sha256: str  # of its file; "" where it was not made of a file
    state: Literal["waiting", "done", "failed"]
    seconds: float | None = None
    error: str = ""
    edited: bool = False
    work: Saved | str | None = None  # itself, or its place
    photo: str | None = None
    thumbnail: str | None = None


@dataclass(frozen=True)
class SavedProject:
    """All pictures, and what those that nobody has edited were made with."""

    pictures: tuple[SavedPicture, ...]
    model: SavedModel | None = None  # None: there was no run, and there are no options
    options: GeneratorOptions | None = None
    open: int | None = None  # the picture that was in the main view

    @property
    def is_one_photo(self) -> bool:
        """Whether it is the work on a photo that was opened by itself, and no list that happens to have one picture."""
        return len(self.pictures) == 1 and isinstance(self.pictures[0].work, Saved)


def to_bytes(saved: SavedProject | Saved) -> bytes:
    """Write a project as a document, or the work on one picture as a file beside it.

    Raises:
        ExportError: it is more than can be read again.
    """
    if isinstance(saved, Saved):
        kind, values = WORK_KIND, _work_values(saved)
    else:
        kind, values = KIND, {**_made_with(saved), "open": saved.open, "pictures": _rows(saved)}
    document = {"format": kind, "version": VERSION, "made_with": _versions(), **values}
    data = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    name = saved.image.name if isinstance(saved, Saved) else ", ".join(row.name for row in saved.pictures[:3])
    if len(data) > MAX_JSON_BYTES:
        raise ExportError(
            f"The work on {name} is {len(data) / 2**20:.0f} MB, and at most {MAX_JSON_BYTES / 2**20:.0f} MB can be "
            "opened again: delete masks that are not needed, or download a format that is a single file, such as COCO."
        )
    works = [saved] if isinstance(saved, Saved) else [row.work for row in saved.pictures if isinstance(row.work, Saved)]
    for work in works:
        if len(work.masks) > codec.MAX_MASKS or len(work.fingerprints) > MAX_IDS:
            raise ExportError(
                f"The work on {work.image.name} has {len(work.masks):,} masks, of {len(work.fingerprints):,} that ever "
                f"were, and at most {codec.MAX_MASKS:,} of {MAX_IDS:,} can be opened again: raise the thresholds, or "
                "open the photo anew."
            )
    return data


def _made_with(made: SavedProject | Saved) -> dict[str, Any]:
    return {
        "model": None if made.model is None else asdict(made.model),
        "options": None if made.options is None else made.options.flat(),
    }


def _rows(project: SavedProject) -> list[dict[str, Any]]:
    rows = []
    for picture in project.pictures:
        row = {key: getattr(picture, key) for key in SavedPicture.__dataclass_fields__}
        rows.append(row if not isinstance(picture.work, Saved) else {**row, "work": _work_values(picture.work)})
    return rows


def _work_values(saved: Saved) -> dict[str, Any]:
    return {
        "image": asdict(saved.image),
        **_made_with(saved),
        "partial": saved.partial,
        "show": asdict(saved.show),
        "ids": list(saved.ids),
        "masks": codec.to_columns(saved.masks),
        "contents": [[fingerprint.hex(), count] for fingerprint, count in saved.fingerprints],
        "edits": saved.edits.to_dict(),
        # Earlier readers pass it over: they know the edits, and no way back.
        "history": history_json.to_dict(saved.history),
    }


def _versions() -> dict[str, str]:
    """Packages on which the masks may depend, for whoever has to explain a difference."""
    found = {"automask-ui": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def parse(data: bytes, name: str = NAME) -> SavedProject:
    """Read the project in ``data``, which may be anything; a file of one picture's work is a project of one.

    Args:
        data: a document of this version or of version 1.
        name: what to call it.

    Raises:
        RestoreError: saying what is wrong with it.
    """
    document = _document(data, name, (KIND, WORK_KIND, version1.LIST_KIND))
    try:
        if document["version"] == 1:
            return _project(version1.project_from(document))
        if document["format"] == WORK_KIND:
            work = _work(document)
            state: Literal["waiting", "done"] = "waiting" if work.model is None else "done"
            row = SavedPicture(work.image.name, work.image.sha256, state, edited=True, work=work)
            return SavedProject((row,), work.model, work.options, 0)
        return _project(document)
    except (JsonFieldError, OptionError, LabelError) as error:
        raise RestoreError(f"{name} cannot be used: {error}") from error


def parse_work(data: bytes, name: str) -> Saved:
    """Read the work on one picture from the file beside the document, in this version or in version 1.

    Raises:
        RestoreError: saying what is wrong with it; ``name`` is what to call it.
    """
    document = _document(data, name, (WORK_KIND, KIND))
    try:
        return _work(version1.work_from(document) if document["version"] == 1 else document)
    except (JsonFieldError, OptionError, LabelError) as error:
        raise RestoreError(f"{name} cannot be used: {error}") from error


def _document(data: bytes, name: str, kinds: tuple[str, ...]) -> dict[str, Any]:
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RestoreError(f"{name} is no readable JSON: {str(error)[:120]}.") from error
    if not isinstance(document, dict) or document.get("format") not in kinds:
        raise RestoreError(f"{name} holds no work of AutoMask: it does not say “format”: “{kinds[0]}”.")
    if type(document.get("version")) is not int or not 1 <= document["version"] <= VERSION:
        raise RestoreError(
            f"{name} has the version {str(document.get('version'))[:20]!r}, but this AutoMask reads versions 1 and "
            f"{VERSION}: open it with the AutoMask that it comes from, or with a newer one."
        )
    return document


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _project(document: Mapping[str, Any]) -> SavedProject:
    model, options = _model_and_options(document)
    pictures = tuple(_picture(object_of(row, "a picture")) for row in list_in(document, "pictures", MAX_PICTURES))
    if not pictures:
        raise JsonFieldError("it lists no pictures.")
    opened = document.get("open")
    is_one = type(opened) is int and 0 <= opened < len(pictures)
    return SavedProject(pictures, model, options, opened if is_one else None)


def _picture(row: Mapping[str, Any]) -> SavedPicture:
    name, state, seconds = clean_text(text_in(row, "name", 2 * MAX_PATH)), row.get("state"), row.get("seconds")
    work = _work(row["work"]) if isinstance(row.get("work"), dict) else _place(row, "work")
    sha256 = text_in(row, "sha256", 64)
    if not (_HASH.fullmatch(sha256) or (sha256 == "" and isinstance(work, Saved))):
        raise JsonFieldError(f"the SHA-256 of {name[:80]} is none.")
    if isinstance(work, Saved) and work.image.sha256 != sha256:
        raise JsonFieldError(f"what it holds is not the work on {name[:80]}.")
    if state not in ("waiting", "done", "failed"):
        raise JsonFieldError(f"{name[:80]} has the unknown state {str(state)[:20]!r}.")
    if seconds is not None and (type(seconds) not in (int, float) or not 0 <= seconds <= MAX_SECONDS):
        raise JsonFieldError(f"the seconds of {name[:80]} are no number: {str(seconds)[:20]}.")
    has_masks = work is not None and not (isinstance(work, Saved) and work.model is None)
    if (state == "done") != has_masks:
        raise JsonFieldError(f"{name[:80]} is {state}, which does not go with {'no ' * (not has_masks)}masks.")
    error, is_edited = clean_text(text_in(row, "error", MAX_ERROR)), row.get("edited") is True
    photo, thumbnail = _place(row, "photo"), _place(row, "thumbnail")
    return SavedPicture(name, sha256, state, seconds, error, is_edited, work, photo, thumbnail)


def _place(row: Mapping[str, Any], key: str) -> str | None:
    place = row.get(key)
    if place is not None and not (isinstance(place, str) and _PLACE.fullmatch(place)):
        raise JsonFieldError(f"the place {str(place)[:40]!r} of “{key}” is not one that AutoMask gives.")
    return place


def _work(values: Mapping[str, Any]) -> Saved:
    image = _image(object_in(values, "image"))
    model, options = _model_and_options(values)
    ids = tuple(whole_of(id_, "a mask's id", 1, MAX_INTEGER) for id_ in list_in(values, "ids", codec.MAX_MASKS))
    fingerprints = tuple(
        _fingerprint(row, id_) for id_, row in enumerate(list_in(values, "contents", MAX_IDS), start=1)
    )
    masks = codec.from_columns(values.get("masks"), image.size_hw)
    edits = Edits.from_dict(values.get("edits"), image.size_hw)
    history = history_json.from_dict(values.get("history", {}), edits, image.size_hw)
    if len(ids) != len(masks):
        raise JsonFieldError(f"{len(masks):,} masks have {len(ids):,} ids.")
    if model is None and ids:
        raise JsonFieldError("it has masks that no model has found.")
    if len(set(ids)) < len(ids) or len(set(fingerprints)) < len(fingerprints):
        raise JsonFieldError("two masks have the same id or the same content.")
    # Steps share most of what they hold, and each is looked through once.
    named = {id(part): part for step in history.every for part in (step.labels, step.hidden, step.deleted, step.own)}
    if (largest := max(max(part, default=0) for part in (ids, *named.values()))) > len(fingerprints):
        raise JsonFieldError(f"mask {largest} is not among the {len(fingerprints):,} that were given an id.")
    show = object_in(values, "show")
    if unknown := sorted(show.keys() - ShowOnly.__dataclass_fields__.keys()):
        raise JsonFieldError(f"“show” has the unknown setting {unknown[0][:40]!r}.")
    is_partial = values.get("partial") is True
    return Saved(image, model, options, is_partial, masks, ids, fingerprints, ShowOnly(**show), history)


def _image(values: Mapping[str, Any]) -> SavedImage:
    name = clean_text(text_in(values, "name", 255))
    size = integers_in(values, "size_hw", 2)
    if min(size) < 1 or size[0] * size[1] > max_pixels():
        raise JsonFieldError(f"a picture of {size[1]} × {size[0]} px cannot be: the limit is {max_pixels():,} pixels.")
    sha256, pixels_sha256 = (text_in(values, key, 64) for key in ("sha256", "pixels_sha256"))
    if not _HASH.fullmatch(pixels_sha256) or not (_HASH.fullmatch(sha256) or sha256 == ""):
        raise JsonFieldError("the picture's SHA-256 is none.")
    return SavedImage(name or "photo", (size[0], size[1]), sha256, pixels_sha256)


def _model_and_options(values: Mapping[str, Any]) -> tuple[SavedModel | None, GeneratorOptions | None]:
    """The model in ``values`` and what it was run with, where one is named."""
    if values.get("model") is None:
        return None, None
    model = object_in(values, "model")
    sha256 = model.get("sha256")
    if sha256 is not None and not (isinstance(sha256, str) and _HASH.fullmatch(sha256)):
        raise JsonFieldError("the model's SHA-256 is none.")
    name, title = (clean_text(text_in(model, key, 255)) for key in ("name", "title"))
    return SavedModel(name, title, sha256), checked_options(object_in(values, "options"))


def _fingerprint(row: object, id_: int) -> tuple[bytes, int]:
    """The fingerprint of the mask ``id_``; “contents” in the document."""
    if not isinstance(row, list) or len(row) != 2 or not isinstance(row[0], str) or not _FINGERPRINT.fullmatch(row[0]):
        raise JsonFieldError("“contents” must be a list of pairs of a hash and a count.")
    # Without a hash, the mask was made by hand.
    if type(row[1]) is not int or not (0 <= row[1] < codec.MAX_MASKS if row[0] else row[1] == id_):
        raise JsonFieldError("a count in “contents” is no number of masks.")
    return bytes.fromhex(row[0]), row[1]
