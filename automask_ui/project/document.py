"""The document of kept work, ``automask.json``: what is in it, how it is written, and what it must be to be read.

It holds everything but the pixels: which picture and which model, by hash; the options; every mask with its number; the
edits. Candidates are not in it: the model finds them again when they are needed. What is read is trusted in nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from automask_ui import __version__
from automask_ui.errors import LabelError, OptionError, ResumeError
from automask_ui.files.json_fields import (
    MAX_INTEGER,
    WrongError,
    integers_in,
    list_in,
    object_in,
    object_of,
    text_in,
    whole_in,
)
from automask_ui.limits import max_pixels
from automask_ui.masks import MaskSet, object_column
from automask_ui.masks import rle as rle_codec
from automask_ui.options import GeneratorOptions, checked_options
from automask_ui.session import ShowOnly
from automask_ui.session.class_names import clean_text
from automask_ui.session.edits import Edits

__all__ = [
    "MAX_JSON_BYTES",
    "NAME",
    "PHOTO",
    "Saved",
    "SavedImage",
    "SavedModel",
    "document_of",
    "is_sha256",
    "model_of",
    "parse",
    "to_bytes",
    "versions",
]

NAME = "automask.json"
KIND = "automask"
PHOTO = re.compile(r"automask/photo(\.[a-z0-9]{1,5})?")  # where the picture's own file may be, in the same archive
FORM = 1  # of the document; raised when an older reader would misunderstand it

MAX_JSON_BYTES = 32 * 1024**2
MAX_MASKS = 20_000
MAX_NUMBERS = 200_000  # masks that were ever numbered in one session

_HASH = re.compile(r"[0-9a-f]{64}")
_CONTENT = re.compile(r"[0-9a-f]{24}")
_PACKAGES = ("torch", "segment-anything", "numpy", "pillow", "pycocotools")


@dataclass(frozen=True)
class SavedImage:
    """The picture, by what it can be recognised."""

    name: str
    size_hw: tuple[int, int]  # px
    sha256: str  # of its file; "" where it was not made of a file
    pixels_sha256: str  # of its height, width and RGB bytes: the same after it was saved again without loss
    file: str | None = None  # where it is in the archive, if it is


@dataclass(frozen=True)
class SavedModel:
    """The model that found the masks."""

    name: str
    title: str
    sha256: str | None  # of its file, where there is one


@dataclass(frozen=True, eq=False)
class Saved:
    """All that a session is, but for pixels and candidates."""

    image: SavedImage
    model: SavedModel | None  # None: nothing has been found yet, and there are no options
    options: GeneratorOptions | None
    partial: bool  # the run was stopped
    masks: MaskSet
    numbers: tuple[int, ...]  # one a mask
    contents: tuple[tuple[bytes, int], ...]  # what the numbers 1, 2, ... hang on: hash and count of equal masks
    show: ShowOnly
    edits: Edits


def to_bytes(saved: Saved, photo: str | None = None) -> bytes:
    """The document; ``photo`` is where the picture's file is beside it."""
    document = {
        "format": KIND,
        "version": FORM,
        "made_with": versions(),
        "image": {**asdict(saved.image), "file": photo},
        "model": None if saved.model is None else asdict(saved.model),
        "options": None if saved.options is None else saved.options.flat(),
        "partial": saved.partial,
        "show": asdict(saved.show),
        "masks": [_mask_row(saved.masks, row, number) for row, number in enumerate(saved.numbers)],
        "contents": [[content.hex(), count] for content, count in saved.contents],
        "edits": saved.edits.to_dict(),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _mask_row(masks: MaskSet, row: int, number: int) -> dict[str, Any]:
    mask = masks[row]
    scores = {"predicted_iou": mask.predicted_iou, "stability_score": mask.stability_score}
    return {
        "id": int(number),
        "segmentation": rle_codec.to_coco_json(mask.rle),
        "area": mask.area,
        "bbox": list(mask.bbox_xywh),
        # JSON has no NaN: a score that was not measured is null.
        **{name: None if math.isnan(score) else score for name, score in scores.items()},
        "point": list(mask.point_xy),
        "crop_box": list(mask.crop_box_xywh),
    }


def versions() -> dict[str, str]:
    """Packages on which the masks may depend, for whoever has to explain a difference."""
    found = {"automask-ui": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def parse(data: bytes, name: str = NAME) -> Saved:
    """The document in ``data``, which may be anything; ``name`` is what to call it.

    Raises:
        ResumeError: saying what is wrong with it.
    """
    document = document_of(data, name, KIND, FORM)
    try:
        return _saved(document)
    except (WrongError, OptionError, LabelError) as error:
        raise ResumeError(f"{name} cannot be used: {error}") from error


def document_of(data: bytes, name: str, kind: str, form: int) -> Mapping[str, Any]:
    """The JSON object in ``data``, which may be anything but must say that it is of this kind and form.

    Raises:
        ResumeError: saying what is wrong with it; ``name`` is what to call it.
    """
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ResumeError(f"{name} is no readable JSON: {str(error)[:120]}.") from error
    if not isinstance(document, dict) or document.get("format") != kind:
        raise ResumeError(f"{name} holds no work of AutoMask: it does not say “format”: “{kind}”.")
    if document.get("version") != form:
        raise ResumeError(
            f"{name} has the version {str(document.get('version'))[:20]!r}, but this AutoMask reads version {form}: "
            "open it with the AutoMask that it comes from, or with a newer one."
        )
    return document


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _saved(document: Mapping[str, Any]) -> Saved:
    image = _image(object_in(document, "image"))
    model = model_of(document)
    options = None if model is None else checked_options(object_in(document, "options"))
    rows = list_in(document, "masks", MAX_MASKS if model else 0)
    numbers = tuple(whole_in(object_of(row, "a mask"), "id", 1, MAX_INTEGER) for row in rows)
    contents = tuple(_content(row) for row in list_in(document, "contents", MAX_NUMBERS))
    if len(set(numbers)) < len(numbers) or len(set(contents)) < len(contents):
        raise WrongError("two masks have the same number or the same content.")
    if max(numbers, default=0) > len(contents):
        raise WrongError(f"mask {max(numbers)} is not among the {len(contents):,} that were numbered.")
    show = object_in(document, "show")
    if unknown := sorted(show.keys() - ShowOnly.__dataclass_fields__.keys()):
        raise WrongError(f"“show” has the unknown setting {unknown[0][:40]!r}.")
    return Saved(
        image=image,
        model=model,
        options=options,
        partial=document.get("partial") is True,
        masks=_masks(rows, image.size_hw),
        numbers=numbers,
        contents=contents,
        show=ShowOnly(**show),
        edits=Edits.from_dict(document.get("edits")),
    )


def is_sha256(value: object) -> bool:
    """Whether ``value`` is a SHA-256 in hexadecimal."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _image(values: Mapping[str, Any]) -> SavedImage:
    name = clean_text(text_in(values, "name", 255))
    size = integers_in(values, "size_hw", 2)
    if min(size) < 1 or size[0] * size[1] > max_pixels():
        raise WrongError(f"a picture of {size[1]} × {size[0]} px cannot be: the limit is {max_pixels():,} pixels.")
    file = values.get("file")
    if file is not None and not (isinstance(file, str) and PHOTO.fullmatch(file)):
        raise WrongError(f"the photo's place {str(file)[:40]!r} is not one that AutoMask gives.")
    hashes = {key: text_in(values, key, 64) for key in ("sha256", "pixels_sha256")}
    if not is_sha256(hashes["pixels_sha256"]) or not (is_sha256(hashes["sha256"]) or hashes["sha256"] == ""):
        raise WrongError("the picture's SHA-256 is none.")
    return SavedImage(name or "photo", (size[0], size[1]), file=file, **hashes)


def model_of(document: Mapping[str, Any]) -> SavedModel | None:
    """The model at ``model`` in ``document``, if one is named.

    Raises:
        WrongError: it is not as it must be.
    """
    if document.get("model") is None:
        return None
    values = object_in(document, "model")
    sha256 = values.get("sha256")
    if sha256 is not None and not is_sha256(sha256):
        raise WrongError("the model's SHA-256 is none.")
    return SavedModel(clean_text(text_in(values, "name", 255)), clean_text(text_in(values, "title", 255)), sha256)


def _content(row: object) -> tuple[bytes, int]:
    if not isinstance(row, list) or len(row) != 2 or not isinstance(row[0], str) or not _CONTENT.fullmatch(row[0]):
        raise WrongError("“contents” must be a list of pairs of a hash and a count.")
    if type(row[1]) is not int or not 0 <= row[1] < MAX_MASKS:
        raise WrongError("a count in “contents” is no number of masks.")
    return bytes.fromhex(row[0]), row[1]


def _masks(rows: Sequence[Mapping[str, Any]], size_hw: tuple[int, int]) -> MaskSet:
    if not rows:
        return MaskSet.empty(size_hw)
    height, width = size_hw
    return MaskSet(
        size_hw,
        rle=object_column([_rle(row, size_hw) for row in rows]),
        area=np.array([whole_in(row, "area", 0, height * width) for row in rows], np.int64),
        bbox_xywh=np.array([_box(row, "bbox", size_hw) for row in rows], np.int64),
        predicted_iou=np.array([_score(row, "predicted_iou") for row in rows], np.float32),
        stability_score=np.array([_score(row, "stability_score") for row in rows], np.float32),
        point_xy=np.array([_point(row, size_hw) for row in rows], np.float64),
        crop_box_xywh=np.array([_box(row, "crop_box", size_hw) for row in rows], np.int64),
        candidate=np.full(len(rows), -1, np.int64),
    )


def _rle(row: Mapping[str, Any], size_hw: tuple[int, int]) -> rle_codec.Rle:
    """The mask's pixels, checked before any C code sees them, and that the row says the truth about them."""
    value, number = object_in(row, "segmentation"), row["id"]
    if value.get("size") != list(size_hw):
        raise WrongError(f"mask {number} is for a picture of {str(value.get('size'))[:40]}, not {list(size_hw)}.")
    try:
        (rle,) = rle_codec.checked([text_in(value, "counts", MAX_JSON_BYTES)], size_hw)
    except ValueError as error:
        raise WrongError(f"the pixels of mask {number} are no RLE: {error.args[0]}.") from error
    if rle_codec.area(rle) != row.get("area"):
        raise WrongError(f"mask {number} has {rle_codec.area(rle):,} pixels, not {str(row.get('area'))[:20]}.")
    left, top, width, height = rle_codec.bbox_xywh(rle)
    box = _box(row, "bbox", size_hw)
    # Boxes count from pixel to pixel: one less than the pixels.
    if width and not (
        box[0] <= left and box[1] <= top and box[0] + box[2] >= left + width - 1 and box[1] + box[3] >= top + height - 1
    ):
        raise WrongError(f"the box of mask {number} does not hold its pixels.")
    return rle


def _box(row: Mapping[str, Any], key: str, size_hw: tuple[int, int]) -> list[int]:
    box = integers_in(row, key, 4)
    left, top, width, height = box
    if min(box) < 0 or left + width > size_hw[1] or top + height > size_hw[0]:
        raise WrongError(f"“{key}” of mask {row['id']} is not inside the picture: {box}.")
    return box


def _point(row: Mapping[str, Any], size_hw: tuple[int, int]) -> list[float]:
    point = row.get("point")
    if not isinstance(point, list) or len(point) != 2 or not all(type(value) in (int, float) for value in point):
        raise WrongError(f"“point” of mask {row['id']} must be two numbers.")
    if not (0 <= point[0] <= size_hw[1] and 0 <= point[1] <= size_hw[0]):
        raise WrongError(f"the point of mask {row['id']} is not in the picture.")
    return point


def _score(row: Mapping[str, Any], key: str) -> float:
    value = row.get(key)
    if value is None:
        return math.nan
    if type(value) not in (int, float) or not -100 <= value <= 100:
        raise WrongError(f"“{key}” of mask {row['id']} is no score: {str(value)[:20]}.")
    return float(value)
