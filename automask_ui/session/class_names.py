"""Class names: what a name may be, and lists of them, typed, pasted or from the files of other tools.

Files that number their classes (COCO, YOLO, tables) keep the numbers in :class:`ClassList`: elsewhere 18 may mean dog.
"""

from __future__ import annotations

import csv
import json
import re
import reprlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import yaml

from automask_ui.errors import LabelError

__all__ = [
    "MAX_CLASSES",
    "MAX_NAME",
    "ClassList",
    "class_name",
    "class_names_of",
    "clean_text",
    "joined",
    "parse_class_list",
    "read_class_list",
    "unused_class",
    "with_numbers",
]

MAX_CLASSES = 2000  # LVIS, the longest list in common use, has 1,203
MAX_NAME = 100  # characters
MAX_FILE_BYTES = 32 * 1024**2  # COCO JSON carries its annotations along
MAX_ID = 2**31 - 1

# Of these, invisible between two letters, Persian and Hindi words and emoji are made; and flags of parts of countries.
_JOINERS = "\u200c\u200d"
_FLAG_LETTERS = range(0xE0020, 0xE0080)
_INVISIBLE = "\u00ad\u2060\ufeff"  # a soft hyphen and marks that hold a word together: nothing without them
_LONE_JOINERS = re.compile(f"(?<!\\S)[{_JOINERS}]+|(?<![{_JOINERS}])[{_JOINERS}]+(?!\\S)")

_ID_COLUMNS = {"id", "class_id", "classid", "class id", "category_id", "label_id", "index", "number", "#", "idx"}
_NAME_COLUMNS = {"name", "class", "class_name", "classname", "class name", "category", "category_name", "label"}
_BETWEEN_NAMES = re.compile("[,;，；、]")  # on a single line
_HEADINGS = {name for name in _NAME_COLUMNS if name.endswith("name")}  # these alone; "label" may well be a class
_OF_FILES = re.compile(r'[,;，；、:{\["\'<]')  # without one of these, lines are nothing but names
_ITEM = re.compile(r"item\s*(?::\s*)?\{([^{}]*)\}")  # of TensorFlow's label maps
_FIELD = re.compile(r"""(id|name|display_name)\s*:\s*(?:(\d+)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(.))")  # in texts of label maps; protobuf writes all but ASCII as octal bytes
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_COLOUR_LINE = re.compile(r"(.+):\d+,\d+,\d+:[^:]*:[^:]*")  # of VOC's label maps, as CVAT, Datumaro and we write them
_MARKUP = re.compile(  # an element that ends again, since “<s>” may well be a class
    r"<(?:\?xml\b|!doctype\b|!--|([a-z][\w.:-]*)(?:\s[^<>]*)?(?:/>|>.*</\1\s*>))", re.IGNORECASE | re.DOTALL
)
_QUOTED = r"""\s*(?:"([^"]+)"|'([^']+)')\s*"""
_QUOTED_NAMES = re.compile(f"{_QUOTED}(?:,{_QUOTED})*,?\\s*")  # as programs list them
_QUOTED_LINE = re.compile(r'\s*"((?:[^"]|"")*)"\s*')  # of a table with a single column, as R writes it
_NUMBERED_LINE = re.compile(r"\s*(\d{1,99})\s*:\s*(\S.*)")


@dataclass(frozen=True)
class ClassList:
    """Classes in their order, and the numbers that their file gives them."""

    names: tuple[str, ...]
    ids: tuple[int, ...] | None = None  # one a name, rising; None where the file has no numbers of its own
    notes: tuple[str, ...] = ()  # sentences on what was understood or left out

    @property
    def lines(self) -> list[str]:
        """A line a class, which :func:`parse_class_list` reads as this list."""
        if self.ids is None:
            is_odd = any(map(_OF_FILES.search, self.names)) or any(one.lower() in _HEADINGS for one in self.names[:1])
            is_plain = not is_odd or _is_read_as_lines(self.names)
            return list(self.names) if is_plain else [json.dumps(self.names, ensure_ascii=False)]
        return [f"{id_}: {name}" for id_, name in zip(self.ids, self.names, strict=True)]


def with_numbers(names: Iterable[str], known: Mapping[str, int]) -> tuple[int, ...]:
    """One number a name: the known one, else the next one above all others."""
    names, numbers, taken = tuple(names), dict(known), set(known.values())
    # Where the highest number is taken, the lowest free ones.
    free = (number for number in chain(range(max(taken, default=-1) + 1, MAX_ID + 1), count()) if number not in taken)
    for name in names:
        if name not in numbers:
            numbers[name] = next(free)
            taken.add(numbers[name])
    return tuple(numbers[name] for name in names)


def joined(lists: Iterable[ClassList]) -> ClassList:
    """One list of several: every name once, with the number of the first list that has one for it, if any has."""
    lists = list(lists)
    names = tuple(dict.fromkeys(name for one in lists for name in one.names))
    known: dict[str, int] = {}
    taken: set[int] = set()
    for one in lists:
        for name, id_ in zip(one.names, one.ids or (), strict=one.ids is not None):
            if name not in known and id_ not in taken:
                known[name] = id_
                taken.add(id_)
    return ClassList(names, with_numbers(names, known) if known else None)


def unused_class(number: int) -> str:
    """What stands for a number that no class has, in files of tools that allow no gaps."""
    return f"unused {number}"


def clean_text(text: str) -> str:
    """``text`` on one line and without control characters, which XML and line-based formats cannot hold.

    Letters that are joined or held apart by an invisible character stay so.
    """
    visible = "".join(char if _is_kept(char) else "" if char in _INVISIBLE else " " for char in text)
    return " ".join(_LONE_JOINERS.sub("", visible).split())


def _is_kept(char: str) -> bool:
    category, code = unicodedata.category(char), ord(char)
    if category == "Cn":
        # Not assigned in this Python's tables, as the newest emoji are; but some never will be.
        return code & 0xFFFE != 0xFFFE and not 0xFDD0 <= code <= 0xFDEF
    return category[0] != "C" or category == "Co" or char in _JOINERS or code in _FLAG_LETTERS


def class_name(value: object) -> str:
    """``value`` as the name of a class, on one line.

    Raises:
        LabelError: it is no text, has nothing to be seen in it, or is too long.
    """
    if not isinstance(value, str):
        raise LabelError(f"The name of a class must be text, but is {reprlib.repr(value)[:40]}.")
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


def parse_class_list(text: str) -> ClassList:
    """The class list in ``text``: a name a line, or names between commas; or the content of a file that tools write.

    Files: COCO JSON (``categories``), CVAT's label list, numbers and names in JSON, YOLO's ``data.yaml`` (``names``),
    ``classes.txt``, tables with a column of numbers and one of names, label maps of TensorFlow and of Pascal VOC.

    Raises:
        LabelError: there is no class list in it, or its numbers contradict each other.
    """
    text = text.removeprefix("\ufeff").strip()
    if text[:1] in ("{", "["):
        return _from_json(text)
    if re.search(r"^[ \t]*[\"']?names[\"']?\s*:", text, re.MULTILINE):
        return _from_yaml(text)
    if _ITEM.match(items := _COMMENT.sub("", text).strip()):
        return _from_items(items)
    if _MARKUP.match(text):
        raise LabelError("The class list looks like XML or HTML, which is not read: paste the names, one a line.")
    lines = [line for line in text.splitlines() if clean_text(line)]
    coloured = [_COLOUR_LINE.fullmatch(line) for line in lines if not line.startswith("#")]
    if coloured and all(coloured):
        names = [found[1] for found in coloured if found]
        return _typed([name for name in names if name != "background"])
    table = _from_table(lines)
    if table is not None:
        return table
    quoted = [_QUOTED_LINE.fullmatch(line) for line in lines]
    if all(quoted):
        lines = [found[1].replace('""', '"') for found in quoted if found]
    heading = clean_text(lines[0]) if len(lines) > 1 else ""
    if heading.lower() in _HEADINGS:
        found = _typed(lines[1:])
        return replace(found, notes=(*found.notes, f"“{heading}” in the first line was taken for a heading."))
    if "," in text and _QUOTED_NAMES.fullmatch(text):
        return _typed([double or single for double, single in re.findall(_QUOTED, text)])
    # Only a single line is cut at commas: in a list of lines a comma belongs to the name.
    values = lines if len(lines) > 1 or all(quoted) else _BETWEEN_NAMES.split(text)
    return _typed([value for value in values if clean_text(value)])


def read_class_list(path: str | Path) -> ClassList:
    """The class list in a file.

    Raises:
        LabelError: it cannot be read, or there is no class list in it.
    """
    path = Path(path)
    try:
        # Not all that comes: nobody knows the size of a pipe or a device.
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            most = f"{MAX_FILE_BYTES / 1e6:.0f} MB"
            raise LabelError(f"Class lists are read from files of at most {most}. Paste the names instead.")
        # Excel's “Unicode text” begins with a mark of its own.
        return parse_class_list(data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"))
    except OSError as error:
        raise LabelError(f"The class list could not be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise LabelError("The class list is not text in UTF-8: save it as UTF-8, or paste the names.") from error


def _typed(values: Sequence[object]) -> ClassList:
    """A list without numbers, as people write it: a name that comes again is left out."""
    names = class_names_of(values)
    if not names:
        raise LabelError("There are no class names in it: write one name a line.")
    left_out = len(values) - len(names)
    said = f"{left_out} {'name was' if left_out == 1 else 'names were'} there already, and left out."
    return ClassList(names, None, (said,) if left_out else ())


def _numbered(rows: Iterable[tuple[int, object]]) -> ClassList:
    """A list with numbers: each stands for one name, and each name for one number."""
    by_id: dict[int, str] = {}
    by_name: dict[str, int] = {}
    for number, value in rows:
        name = class_name(value)
        if not 0 <= number <= MAX_ID:
            raise LabelError(f"The number of a class must be from 0 to {MAX_ID:,}, but that of “{name}” is {number}.")
        if by_id.setdefault(number, name) != name:
            raise LabelError(f"The number {number} stands for both “{by_id[number]}” and “{name}”: correct the file.")
        if by_name.setdefault(name, number) != number:
            raise LabelError(
                f"“{name}” has both the numbers {by_name[name]} and {number}: give one of them another name."
            )
    ids = tuple(sorted(by_id))
    names = class_names_of(by_id[number] for number in ids)
    if not names:
        raise LabelError("There are no class names in it: write one name a line.")
    missing = ids[-1] + 1 - max(ids[0], 0) - len(ids)
    said = f"Their numbers go from {ids[0]} to {ids[-1]}, and {missing:,} between them {_are(missing)} not used."
    return ClassList(names, ids, (said,) if missing else ())


def _is_read_as_lines(names: Sequence[str]) -> bool:
    """Whether ``names``, a line each, are these names again: the first may begin as JSON does, or all as a table."""
    try:
        return parse_class_list("\n".join(names)).names == tuple(names)
    except LabelError:
        return False


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _from_json(text: str) -> ClassList:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelError(f"The class list looks like JSON, but cannot be read: {str(error)[:80]}.") from error
    if isinstance(document, Mapping):
        if all(map(_is_number, document)) and document:
            pairs = json.loads(text, object_pairs_hook=list)  # with those whose number comes again
            return _numbered((int(number), name) for number, name in pairs)
        categories = document.get("categories")
        if not isinstance(categories, list):
            raise LabelError("The JSON file has no “categories”: a COCO file is expected.")
        return _numbered(map(_category, categories))
    # The categories of a COCO file by themselves; numbers of CVAT's raw labels, with attributes, are its database's.
    if document and all(isinstance(row, Mapping) and "id" in row and "attributes" not in row for row in document):
        return _numbered(map(_category, document))
    return _typed([value["name"] if isinstance(value, Mapping) and "name" in value else value for value in document])


def _category(row: Any) -> tuple[int, object]:
    number = row.get("id") if isinstance(row, Mapping) else None
    if type(number) is not int or "name" not in row:
        raise LabelError(f"The category {reprlib.repr(row)[:60]} has no “id” and “name”: a COCO file is expected.")
    return number, row["name"]


def _is_number(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 10


def _from_items(text: str) -> ClassList:
    """TensorFlow's ``label_map.pbtxt``: of a class that has both, the name that is shown."""
    rows: list[tuple[int, object]] = []
    for block in _ITEM.findall(text):
        fields = {key: number or single or double for key, number, single, double in _FIELD.findall(block)}
        name = fields.get("display_name") or fields.get("name")
        if name is None or not _is_number(fields.get("id")):
            raise LabelError(f"The item {reprlib.repr(clean_text(block))} has no id and name: correct the file.")
        rows.append((int(fields["id"]), _unescaped(name)))
    return _numbered(rows)


def _unescaped(text: str) -> str:
    def meant(found: re.Match[bytes]) -> bytes:
        return bytes([int(found[1], 8) & 0xFF]) if found[1] else found[2]

    return _ESCAPE.sub(meant, text.encode()).decode("utf-8", "replace")


class _Pairs(yaml.BaseLoader):
    """Knows nothing but text, lists, and mappings, which become tuples of pairs: a key that comes again stays."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        pairs = [
            (self.construct_object(key, deep=True), self.construct_object(value, deep=True))
            for key, value in node.value
        ]
        return tuple(pairs)


def _from_yaml(text: str) -> ClassList:
    """YOLO's ``data.yaml``; a name stays the words that stand there, also where YAML means something else by them."""
    try:
        document = yaml.load(text, Loader=_Pairs)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise LabelError(f"The class list looks like YAML, but cannot be read: {str(error)[:80]}.") from error
    fields = document if isinstance(document, tuple) else ()
    names = next((value for key, value in fields if key == "names"), None)
    if isinstance(names, tuple):
        if not all(_is_number(number) for number, _ in names):
            raise LabelError("The “names” of the YAML file are not numbered 0, 1, 2: YOLO's data.yaml is expected.")
        rows = [(int(number), name) for number, name in names]
    elif isinstance(names, list):
        rows = list(enumerate(names))
    else:
        raise LabelError("The YAML file has no list of “names”: YOLO's data.yaml is expected.")
    return _numbered((number, name) for number, name in rows if name != unused_class(number))


def _from_table(lines: Sequence[str]) -> ClassList | None:
    """Lines with a number and a name, with or without a heading; None for lines that are no such table."""
    numbered = [_NUMBERED_LINE.fullmatch(line) for line in lines]
    if lines and numbered[0]:
        given: list[tuple[int, object]] = [(int(found[1]), found[2]) for found in numbered if found]
        known = {class_name(name): number for number, name in given}
        added = [class_name(line) for line, found in zip(lines, numbered, strict=True) if not found]
        return _numbered([*given, *zip(with_numbers(added, known), added, strict=True)])
    for separator in (",", ";", "\t"):
        try:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
        except csv.Error:  # a field that never ends
            continue
        if not rows or len(rows[0]) < 2:
            continue
        heading = [cell.lower() for cell in rows[0]]
        ids = [place for place, cell in enumerate(heading) if cell in _ID_COLUMNS]
        names = [place for place, cell in enumerate(heading) if cell in _NAME_COLUMNS]
        # pandas and R write the names or numbers of their rows first, without a heading.
        is_indexed = not heading[0] and len(rows) > 1
        if is_indexed and len(heading) == 2:
            names = [1]
        is_headed = bool(names) and (bool(ids) or is_indexed or heading[names[0]].endswith("name"))
        if is_headed and len(rows) > 1 and len({len(row) for row in rows}) == 1:
            return _of_columns(rows[1:], ids[0] if ids else None, names[0])
        if is_headed and ids and (uneven := [row for row in rows if len(row) != len(heading)]):
            raise LabelError(
                f"The table has {len(heading)} columns, but the row “{separator.join(uneven[0])[:60]}” has "
                f"{len(uneven[0])}: correct it; a name with “{separator}” in it stands in double quotes."
            )
        for number, name in ((0, 1), (1, 0)):
            are_pairs = all(len(row) == 2 and _is_number(row[number]) and not _is_number(row[name]) for row in rows)
            # “chair, 3” and “table, 3” are names, and “lane, 1” and “lane, 2”; numbers before names are files'.
            if are_pairs and (number == 0 or all(len({row[place] for row in rows}) == len(rows) for place in (0, 1))):
                return _of_columns(rows, number, name)
    return None


def _of_columns(rows: Sequence[Sequence[str]], ids: int | None, names: int) -> ClassList:
    """The classes of a table whose columns are known."""
    if ids is None:
        return _typed([row[names] for row in rows])
    for row in rows:
        if not _is_number(row[ids]):
            raise LabelError(
                f"“{row[ids][:20]}” stands where the table has numbers: correct the row of “{row[names][:40]}”."
            )
    return _numbered((int(row[ids]), row[names]) for row in rows)
