"""What strangers may send in any length takes time that grows with it: while a pattern is matched, nobody is served."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from automask_ui.errors import AutoMaskError
from automask_ui.files.images import load_image
from automask_ui.files.point_grids import parse_point_grids
from automask_ui.session.class_names import clean_text, parse_class_list
from automask_ui.ui.text import Words, words_for

MOST_SECONDS = 3.0  # of the processor: with patterns that match in several ways these took 10 s to hours

LONG: dict[str, Callable[[], object]] = {
    "class list, empty lines": lambda: parse_class_list("cat" + "\n" * 100_000 + "dog"),
    "class list, blanks in a label map": lambda: parse_class_list("item { id: 1 name: 'a' } item" + " " * 100_000),
    "class list, names without numbers": lambda: parse_class_list("0: a\n" + "\n".join(map(str, range(50_000)))),
    "class name, joiners": lambda: clean_text("a" + "\u200d" * 60_000 + "a"),
    "points, no-break spaces": lambda: parse_point_grids("0.1" + "\xa0" * 60_000 + "0.1"),
    "points, blanks in a heading": lambda: parse_point_grids("x" + " " * 60_000 + "z"),
    "picture, blanks before no number": lambda: load_image(b"P5" + b" " * 60 + b"+3 3\n65535\n" + bytes(18)),
    "picture, comments": lambda: load_image(b"P5" + b"# # #\n" * 60 + b"3 3\n65535\n" + bytes(18)),
    "header, letters": lambda: words_for({"accept-language": "a" * 60_000 + "!"}),
    "header, blanks": lambda: words_for({"accept-language": "en" + " " * 60_000 + "!"}),
    "sentence, blanks": lambda: Words("en").sentence("a" + " " * 60_000 + "b"),
}


@pytest.mark.parametrize("case", LONG)
def test_time_grows_with_the_length(case: str) -> None:
    began = time.process_time()
    with suppress(AutoMaskError):  # refused, but soon
        LONG[case]()
    assert time.process_time() - began < MOST_SECONDS


def test_comments_of_ppm_files_stay_read() -> None:
    header = b"P5 #a 9\n 3 # 4\r#\n\n2 # 1 #2\n65535\n"
    assert load_image(header + bytes(12)).rgb.shape == (2, 3, 3)
