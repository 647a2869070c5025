"""Class names, and lists of them from people and from files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from automask_ui.errors import LabelError
from automask_ui.session import class_names
from automask_ui.session.class_names import (
    MAX_CLASSES,
    MAX_ID,
    MAX_NAME,
    ClassList,
    class_name,
    class_names_of,
    clean_text,
    joined,
    parse_class_list,
    read_class_list,
)


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
        ("names: [1, 2.5, yes]\n", ("1", "2.5", "yes")),  # names that YAML takes for something else
        (
            "names: [no, yes, on, off, ~, 0x10, 007, 1e3, 2024-01-01]",
            ("no", "yes", "on", "off", "~", "0x10", "007", "1e3", "2024-01-01"),
        ),
        ("names:\n  0: no\n  1: null\n", ("no", "null")),
        ("id,name\n0,dog\n1,cat\n", ("dog", "cat")),  # a table
        ("0,dog", ("dog",)),  # of one class
        ('name;id\n"dog; big";1\ncat;0\n', ("cat", "dog; big")),  # the other way round
        ("id\tname\tcolor\n7\tdog\t#ff0000\n", ("dog",)),  # with more columns
        ("0: dog\n1: cat", ("dog", "cat")),
        ('{"0": "dog", "1": "cat"}', ("dog", "cat")),  # numbers and names, as classifiers have them
        ("person, standing\n3, seater", ("person, standing", "3, seater")),  # no table
        ("chair, 3\ntable, 3", ("chair, 3", "table, 3")),
        ("lane, 1\nlane, 2", ("lane, 1", "lane, 2")),
        ("chair,3\ntable,1", ("table", "chair")),  # a table: numbers, and different ones
        (",label\n0,cat\n1,dog", ("cat", "dog")),  # as pandas writes tables, with numbers of rows
        (",0\n0,cat\n1,dog", ("cat", "dog")),
        ('"","x"\n"1","cat"\n"2","dog, big"', ("cat", "dog, big")),  # and R
        (",id,label\n0,3,dog\n1,2,cat", ("cat", "dog")),
        ("'cat, big', \"driver's seat\"", ("cat, big", "driver's seat")),  # as programs list them
        ("'cat',\n'dog',\n", ("cat", "dog")),
        ("driver's\n'80s", ("driver's", "'80s")),
        ("<bos>\n<eos>\n<unk>", ("<bos>", "<eos>", "<unk>")),
        ("chair,3", ("chair",)),
        ('"name"\n"cat, big"\n"6"" pipe"\n', ("cat, big", '6" pipe')),  # as R writes tables
        ('"cat"', ("cat",)),
        ("class_name\ncat\ndog\n", ("cat", "dog")),  # a table of one column
        ("name", ("name",)),
        ("label\nname", ("label", "name")),
    ],
)
def test_parse(text: str, names: tuple[str, ...]) -> None:
    assert parse_class_list(text).names == names


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
        ("names: [!!python/object/apply:os.system [x]]", "must be text"),  # code, which never runs
        ("names: {0: dog, 1: dog}", "both the numbers 0 and 1"),  # twice
        ("names: [dog, dog]", "both the numbers 0 and 1"),  # leaving one out would change the numbers of others
        ('{"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}', "number 1 stands for both"),
        ('{"categories": [{"id": -1, "name": "a"}]}', "from 0 to"),
        ('<View>\n  <Label value="cat"/>\n</View>', "looks like XML or HTML"),  # Label Studio's settings
        ("<!DOCTYPE html>\n<p>404", "looks like XML or HTML"),  # instead of the file that was to be fetched
        ("<annotation>\n  <name>cat</name>\n</annotation>", "looks like XML or HTML"),  # as LabelImg writes VOC
        ("<!-- mine -->\n<Label value='cat'/>", "looks like XML or HTML"),
        ('<Label value="cat"/>', "looks like XML or HTML"),
        ("id,name\n0,dog\nx,cat", "“x” stands where the table has numbers"),
        ("names: [&a [x, x], *a]", "must be text"),  # an alias, which could multiply
        ("x" * (MAX_NAME + 1), f"at most {MAX_NAME}"),  # one word of a novel
        ("\n".join(map(str, range(MAX_CLASSES + 1))), "2,001 classes"),  # more than any list
    ],
)
def test_parse_refuses(text: str, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        parse_class_list(text)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (" a\r\n\x00b ", "a b"),  # one line, no control characters
        ("a\u202eb", "a b"),  # no character that turns the rest around
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian: letters held apart
        ("क\u094d\u200dष", "क\u094d\u200dष"),  # Hindi: letters joined
        ("👩\u200d🚀 1", "👩\u200d🚀 1"),  # an emoji of two
        (
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        ),
        ("\u200da \u200c b\u200c", "a b"),  # a joiner with nothing to join
        ("Auto\u00adbahn\ufeff", "Autobahn"),  # a soft hyphen
        ("\uffff\ud800a", "a"),  # what XML cannot hold
        ("<b>&amp;", "<b>&amp;"),  # markup is text
        ("=1+1", "=1+1"),  # a formula is text; the CSV writer guards it
    ],
)
def test_class_name(value: str, name: str) -> None:
    assert class_name(value) == name


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@pytest.mark.parametrize(
    ("text", "ids", "note"),
    [
        (
            '{"categories": [{"id": 90, "name": "c"}, {"id": 1, "name": "a"}, {"id": 18, "name": "b"}]}',
            (1, 18, 90),
            "87",
        ),
        ("names: {0: a, 2: b, 5: c}", (0, 2, 5), "from 0 to 5, and 3 between them are not used"),
        ("names: [a, b, c]", (0, 1, 2), None),
        ("id,name\n3,a\n4,b\n5,c", (3, 4, 5), None),
        ("a\nb\nc", None, None),
        ("a\nb\nb\nc", None, "1 name was there already"),
    ],
)
def test_numbers_are_kept(text: str, ids: tuple[int, ...] | None, note: str | None) -> None:
    found = parse_class_list(text)
    assert found.names == ("a", "b", "c")
    assert found.ids == ids
    assert [note in said for said in found.notes] == [True] * (note is not None)


def test_many_aliases_of_aliases_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    with pytest.raises(LabelError, match="must be text"):
        parse_class_list("\n".join([*lines, "names: [*a59]"]))


def test_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("car\n사람\n", encoding="utf-8")
    assert read_class_list(path).names == ("car", "사람")
    path.write_bytes("id\tname\r\n3\t사람".encode("utf-16"))  # Excel's “Unicode text”
    assert read_class_list(path).ids == (3,)
    path.write_bytes("사람".encode("euc-kr"))
    with pytest.raises(LabelError, match="UTF-8"):
        read_class_list(path)
    with pytest.raises(LabelError, match="could not be read"):
        read_class_list(tmp_path / "missing.txt")
    monkeypatch.setattr(class_names, "MAX_FILE_BYTES", 3)
    for too_large in [path, *filter(Path.exists, [Path("/dev/zero")])]:  # which never ends
        with pytest.raises(LabelError, match="Paste the names"):
            read_class_list(too_large)


# Numbers


def test_a_heading_that_is_left_out_is_said() -> None:
    assert parse_class_list("name\ncat\ndog").notes == ("“name” in the first line was taken for a heading.",)


def test_lines_are_read_as_the_list_that_they_are_of() -> None:
    for one in [ClassList(("a", "b")), ClassList(("a", "b: c", "7"), (1, 18, 90)), ClassList(("0: x",), (5,))]:
        back = parse_class_list("\n".join(one.lines))
        assert (back.names, back.ids) == (one.names, one.ids)


def test_lines_that_are_added_to_a_numbered_list_get_the_next_numbers() -> None:
    found = parse_class_list("1: person\ncow\n18: dog\nhorse")
    assert (found.names, found.ids) == (("person", "dog", "cow", "horse"), (1, 18, 19, 20))


def test_stand_ins_for_unused_numbers_are_no_classes() -> None:
    found = parse_class_list("names:\n  0: person\n  1: unused 1\n  2: dog\n  3: unused 7\n")
    assert (found.names, found.ids) == (("person", "dog", "unused 7"), (0, 2, 3))


def test_joined_lists_keep_their_numbers() -> None:
    coco, typed = ClassList(("person", "dog"), (1, 18)), ClassList(("cat", "dog"))
    assert joined([]) == ClassList(())
    assert joined([typed, ClassList(("cow", "cat"))]) == ClassList(("cat", "dog", "cow"))
    assert joined([coco, typed]) == ClassList(("person", "dog", "cat"), (1, 18, 19))
    assert joined([typed, coco]) == ClassList(("cat", "dog", "person"), (19, 18, 1))
    assert joined([coco, ClassList(("cow",), (18,))]) == ClassList(("person", "dog", "cow"), (1, 18, 19))
    assert joined([ClassList(("a", "b"), (0, MAX_ID)), ClassList(("c",))]).ids == (0, MAX_ID, 1)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(st.sampled_from('ab ,;:{}[]<>"names\t#01、|'), min_size=1, max_size=9), min_size=1, max_size=4),
    st.one_of(st.none(), st.lists(st.integers(0, 30), min_size=4, max_size=4, unique=True)),
)
def test_what_the_panel_shows_of_a_list_is_read_as_that_list(texts: list[str], numbers: list[int] | None) -> None:
    names = class_names_of(text for text in texts if text.strip())
    assume(names)
    shown = ClassList(names, None if numbers is None else tuple(sorted(numbers))[: len(names)])
    read = parse_class_list("\n".join(shown.lines))
    assert (read.names, read.ids) == (shown.names, shown.ids)


@pytest.mark.parametrize(
    ("text", "names", "ids"),
    [
        ('["a, b"]', ("a, b",), None),
        ('[{"id": 18, "name": "dog", "isthing": 1}, {"id": 1, "name": "cat"}]', ("cat", "dog"), (1, 18)),
        ('[{"id": 5201, "name": "cat", "attributes": []}]', ("cat",), None),
        ("item {\n  id: 1\n  name: 'cat'\n}\nitem {\n  id: 18\n  name: \"dog\"\n}", ("cat", "dog"), (1, 18)),
        ("item {\n name: '/m/01'\n id: 3\n display_name: 'Large cat'\n}", ("Large cat",), (3,)),
        (r"""item { id: 1 name: "3\" pipe" } item { id: 2 name: 'it\'s 8\8' }""", ('3" pipe', "it's 88"), (1, 2)),
        ('# made by hand\nitem { id: 1 name: "caf\\303\\251" }', ("café",), (1,)),
        ("# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\na, b:0,128,0::", ("cat", "a, b"), None),
    ],
)
def test_lists_of_further_tools(text: str, names: tuple[str, ...], ids: tuple[int, ...] | None) -> None:
    found = parse_class_list(text)
    assert (found.names, found.ids) == (names, ids)
    assert parse_class_list("\n".join(found.lines)) == replace(found, notes=parse_class_list(text).notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names:\n  0: cat\n  0: dog", "The number 0 stands for both “cat” and “dog”"),
        ('{"0": "cat", "0": "dog"}', "The number 0 stands for both “cat” and “dog”"),
        ("item {\n  name: 'cat'\n}", "has no id and name"),
        ("id,name\n0,cat\n1,dog, brown", "2 columns, but the row “1,dog,brown” has 3: correct it"),
        ("id;name\n0;cat\n1", "2 columns, but the row “1” has 1"),
        ("9" * 99 + ": cat\n1: dog", "from 0 to 2,147,483,647"),
        ("9" * 5000 + ": cat\n1: dog", "at most 100 are allowed"),
    ],
)
def test_numbers_that_contradict_each_other_are_said(text: str, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        parse_class_list(text)
