"""Pasted point lists: what is understood, and what is said about what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from automask_ui.errors import OptionError
from automask_ui.files.point_grids import MAX_POINTS, parse_point_grids, read_point_grids
from automask_ui.options import checked_options


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("", None),  # nothing
        ("  \n\t\n", None),  # only blanks
        ("0.25, 0.5", [[(0.25, 0.5)]]),  # one point
        ("0.25,0.5\n0.75,0.5\n", [[(0.25, 0.5), (0.75, 0.5)]]),  # a layer
        ("0.1 0.2\n0.3\t0.4\n0.5;0.6", [[(0.1, 0.2), (0.3, 0.4), (0.5, 0.6)]]),  # other separators
        ("x,y\n0.1,0.2", [[(0.1, 0.2)]]),  # a CSV header
        ("# whole picture\n0.1,0.2 # centre\n", [[(0.1, 0.2)]]),  # remarks
        ("0.1,0.2\n\n\n0.3,0.4\n\n", [[(0.1, 0.2)], [(0.3, 0.4)]]),  # a blank line starts a layer
        ("0,0\n1,1\n1e-3,.5", [[(0.0, 0.0), (1.0, 1.0), (0.001, 0.5)]]),  # the corners, other ways to write numbers
        ("0.1,0.2\r\n0.3,0.4\r\n", [[(0.1, 0.2), (0.3, 0.4)]]),  # Windows line ends
        ("[[0.1, 0.2], [0.3, 0.4]]", [[(0.1, 0.2), (0.3, 0.4)]]),  # JSON, one layer
        ("[[[0.1, 0.2]], [[0.3, 0.4], [0, 1]]]", [[(0.1, 0.2)], [(0.3, 0.4), (0.0, 1.0)]]),  # JSON, two layers
        ('{"point_grids": [[[0.1, 0.2]]]}', [[(0.1, 0.2)]]),  # as in an exported options file
    ],
)
def test_understood(text: str, layers: object) -> None:
    assert parse_point_grids(text) == layers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.1, 0.2\n0.3", 'Line 2: "0.3" is not two numbers'),  # one number
        ("0.1, 0.2\n\n0.3, 0.4, 0.5", 'Line 3: "0.3, 0.4, 0.5" is not two numbers'),  # three, counted with blanks
        ("0.1, 0.2\nhello, you", 'Line 2: "hello, you"'),  # words
        ("0.5, 1.5", "Line 1: y is 1.5, but must be from 0 to 1, a share of the picture's height"),  # outside
        ("-0.1, 0.5", "Line 1: x is -0.1"),  # negative
        ("320, 240", "x is 320"),  # pixels
        ("nan, 0.5", "Line 1: x is nan"),  # not a number
        ("0.1, inf", "y is inf"),  # not finite
        ("# nothing\n#else", "has no points"),  # only remarks
        ("[[0.1, 0.2],\n [0.3 0.4]]", "Line 2, column 7"),  # broken JSON
        ("[]", "must be a list"),  # empty JSON
        ('{"points": 3}', "must be a list"),  # an object of another kind
        ("[[[0.1, 0.2]], []]", "Layer 2"),  # a layer without points
        ("[[[0.1, 0.2], [0.3]]]", "Layer 1, point 2: [0.3] is not two numbers"),  # a point with one number
        ("[[[0.1, true]]]", "Layer 1, point 1"),  # true is no number
        ("[[[0.1, 0.2], [0.3, 2]]]", "Layer 1, point 2: y is 2"),  # outside
        ("[[[0.1, 1e999]]]", "y is inf"),  # larger than a float
        ("[" * 100_000, "not valid JSON|nested too deeply"),  # a bomb
    ],
)
def test_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("[", r"\[") if "|" not in message else message):
        parse_point_grids(text)


def test_number_of_points_is_bounded() -> None:
    with pytest.raises(OptionError, match="100,001 points; at most 100,000"):
        parse_point_grids("0.5,0.5\n" * (MAX_POINTS + 1))


def test_result_is_taken_by_the_options() -> None:
    options = checked_options({"point_grids": parse_point_grids("0.1,0.2\n\n0.3,0.4"), "crop_n_layers": 1})
    assert options.grid.point_grids == (((0.1, 0.2),), ((0.3, 0.4),))
    assert options.grid.points_per_side is None


def test_file_with_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "점.txt").write_bytes(b"\xef\xbb\xbf0.1,0.2\n")
    assert parse_point_grids(read_point_grids(tmp_path / "점.txt")) == [[(0.1, 0.2)]]


def test_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(OptionError, match=r"photo.txt is no text file"):
        read_point_grids(tmp_path / "photo.txt")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this is Unix's")
def test_what_never_ends_is_not_read_to_its_end() -> None:
    with pytest.raises(OptionError, match=r"zero is too large: a point list may have 10,000,000 bytes"):
        read_point_grids("/dev/zero")


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read: Is a directory"):
        read_point_grids(tmp_path)
