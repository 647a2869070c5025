"""Class names: what a name may be, and lists of them, typed, pasted or from the files of other tools."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from automask_ui.errors import LabelError

__all__ = ["MAX_CLASSES", "MAX_NAME", "class_name", "class_names_of", "clean_text", "parse_classes", "read_classes"]

MAX_CLASSES = 2000  # LVIS, the longest list in common use, has 1,203
MAX_NAME = 100  # characters
MAX_FILE_BYTES = 32 * 1024**2  # COCO JSON carries its annotations along


def clean_text(text: str) -> str:
    """``text`` on one line and without control characters, which XML and line-based formats cannot hold."""
    return " ".join("".join(char if unicodedata.category(char)[0] != "C" else " " for char in text).split())


def class_name(value: object) -> str:
    """``value`` as the name of a class, on one line.

    Raises:
        LabelError: it is no text, has nothing to be seen in it, or is too long.
    """
    if not isinstance(value, str):
        raise LabelError(f"The name of a class must be text, but is {str(value)[:40]!r}.")
    name = clean_text(value)
    if not name:
        raise LabelError("The name of a class is empty: give it at least one letter.")
    if len(name) > MAX_NAME:
        raise LabelError(f"The class name “{name[:30]}…” has {len(name)} characters; at most {MAX_NAME} are allowed.")
    return name


def class_names_of(values: Iterable[object]) -> tuple[str, ...]:
    """A class list: every name once, in its order.

    Raises:
        LabelError: a name cannot be used, or there are too many.
    """
    names = tuple(dict.fromkeys(class_name(value) for value in values))
    if len(names) > MAX_CLASSES:
        raise LabelError(f"The list has {len(names):,} classes; at most {MAX_CLASSES:,} are allowed.")
    return names


def parse_classes(text: str) -> tuple[str, ...]:
    """The class list in ``text``: a name a line, or names between commas; or the content of a file that tools write.

    Files: COCO JSON (``categories``, by id), CVAT's label list, YOLO's ``data.yaml`` (``names``), ``classes.txt``.

    Raises:
        LabelError: there is no class list in it.
    """
    text = text.removeprefix("\ufeff").strip()
    if text[:1] in ("{", "["):
        return _listed(_from_json(text))
    if re.search(r"^\s*names\s*:", text, re.MULTILINE):
        return _listed(_from_yaml(text))
    lines = text.splitlines()
    # Only a single line is cut at commas: in a list of lines a comma belongs to the name.
    values = lines if len(lines) > 1 else re.split("[,;，；、]", text)
    return _listed([value for value in values if clean_text(value)])


def read_classes(path: str | Path) -> tuple[str, ...]:
    """The class list in a file.

    Raises:
        LabelError: it cannot be read, or there is no class list in it.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise LabelError(
                f"The file has {size / 1e6:,.0f} MB; class lists are read from files of at most "
                f"{MAX_FILE_BYTES / 1e6:.0f} MB. Paste the names instead."
            )
        return parse_classes(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise LabelError(f"The class list could not be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise LabelError("The class list is not text in UTF-8: save it as UTF-8, or paste the names.") from error


def _listed(values: Iterable[object]) -> tuple[str, ...]:
    names = class_names_of(values)
    if not names:
        raise LabelError("There are no class names in it: write one name a line.")
    return names


def _from_json(text: str) -> list[object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelError(f"The class list looks like JSON, but cannot be read: {str(error)[:80]}.") from error
    if isinstance(document, Mapping):
        categories = document.get("categories")
        if not isinstance(categories, list):
            raise LabelError("The JSON file has no “categories”: a COCO file is expected.")
        return [row["name"] for row in sorted(map(_category, categories), key=lambda row: row["id"])]
    # CVAT's raw labels are objects with a name.
    return [value["name"] if isinstance(value, Mapping) and "name" in value else value for value in document]


def _category(row: Any) -> dict[str, Any]:
    number = row.get("id") if isinstance(row, Mapping) else None
    if type(number) is not int or "name" not in row:
        raise LabelError(f"The category {str(row)[:60]} has no “id” and “name”: a COCO file is expected.")
    return {"id": number, "name": row["name"]}


def _from_yaml(text: str) -> list[object]:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise LabelError(f"The class list looks like YAML, but cannot be read: {str(error)[:80]}.") from error
    names = document.get("names") if isinstance(document, Mapping) else None
    if isinstance(names, Mapping):
        if not all(type(number) is int for number in names):
            raise LabelError("The “names” of the YAML file are not numbered 0, 1, 2: YOLO's data.yaml is expected.")
        names = [names[number] for number in sorted(names)]
    if not isinstance(names, list):
        raise LabelError("The YAML file has no list of “names”: YOLO's data.yaml is expected.")
    # YAML takes 1, 2.5, yes and dates for something else than names.
    return [str(name) if isinstance(name, (int, float)) else name for name in names]
