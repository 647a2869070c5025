"""Class names, and lists of them from people and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from automask_ui.errors import LabelError
from automask_ui.session import class_names
from automask_ui.session.class_names import MAX_CLASSES, MAX_NAME, class_name, parse_classes, read_classes


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("car\nperson\ndog", ("car", "person", "dog")),  # a name a line
        ("car, person ,dog", ("car", "person", "dog")),  # one line, commas
        ("car;person；dog", ("car", "person", "dog")),  # semicolons, also those of East Asia
        ("person, standing\nperson, sitting", ("person, standing", "person, sitting")),  # commas inside lines
        ("\ufeffcar\r\n\r\n  person  \r\ncar\r\n", ("car", "person")),  # byte order mark, Windows, blank, twice
        ("delivery van", ("delivery van",)),  # a name with a blank
        ("사람, 자동차", ("사람", "자동차")),  # Korean
        ('{"categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "car"}]}', ("car", "dog")),  # COCO: by id
        ('[{"name": "car", "attributes": []}, {"name": "dog"}]', ("car", "dog")),  # CVAT's raw labels
        ('["car", "dog"]', ("car", "dog")),  # a plain JSON list
        ("train: images\nnames:\n  0: car\n  1: dog\n", ("car", "dog")),  # YOLO
        ("names:\n  1: dog\n  0: car\n", ("car", "dog")),  # YOLO out of order
        ("nc: 2\nnames: [car, 'traffic: light']\n", ("car", "traffic: light")),  # YOLO as it used to be
        ("names: [1, 2.5, yes]\n", ("1", "2.5", "True")),  # names that YAML takes for something else
    ],
)
def test_parse(text: str, names: tuple[str, ...]) -> None:
    assert parse_classes(text) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no class names"),  # nothing
        (" ,\t;\n", "no class names"),  # separators only
        ("{", "looks like JSON"),  # cut off
        ("[" * 100_000, "looks like JSON"),  # nested deeper than Python goes
        ('{"images": []}', "no “categories”"),  # another JSON
        ('{"categories": [{"name": "car"}]}', "no “id”"),  # without ids
        ('{"categories": [{"id": 1, "name": ["car"]}]}', "must be text"),  # a list for a name
        ("names: {a: b}", "not numbered"),  # a mapping of something else
        ("names: car", "no list of “names”"),  # text, which is iterable too
        ("names: [!!python/object/apply:os.system [x]]", "looks like YAML"),  # code
        ("names: [&a [x, x], *a]", "must be text"),  # an alias, which could multiply
        ("x" * (MAX_NAME + 1), f"at most {MAX_NAME}"),  # one word of a novel
        ("\n".join(map(str, range(MAX_CLASSES + 1))), "2,001 classes"),  # more than any list
    ],
)
def test_parse_refuses(text: str, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        parse_classes(text)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (" a\r\n\x00b ", "a b"),  # one line, no control characters
        ("a\u202eb", "a b"),  # no character that turns the rest around
        ("<b>&amp;", "<b>&amp;"),  # markup is text
        ("=1+1", "=1+1"),  # a formula is text; the CSV writer guards it
    ],
)
def test_class_name(value: str, name: str) -> None:
    assert class_name(value) == name


def test_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("car\n사람\n", encoding="utf-8")
    assert read_classes(path) == ("car", "사람")
    path.write_bytes("사람".encode("euc-kr"))
    with pytest.raises(LabelError, match="UTF-8"):
        read_classes(path)
    with pytest.raises(LabelError, match="could not be read"):
        read_classes(tmp_path / "missing.txt")
    monkeypatch.setattr(class_names, "MAX_FILE_BYTES", 3)
    with pytest.raises(LabelError, match="Paste the names"):
        read_classes(path)
