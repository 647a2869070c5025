"""The table's plain values, and a CSV that a spreadsheet cannot run."""

import csv
import io

import numpy as np
import pytest

from automask_ui.export.hard_masks import mask_set
from automask_ui.masks import overlay, table

KEYS = [column.key for column in table.COLUMNS]


def one_row(**arguments: object) -> dict[str, object]:
    mask = np.zeros((37, 53), bool)
    mask[3:10, 5:20] = True
    masks = mask_set([mask], (37, 53))
    (row,) = table.rows(masks, **arguments)
    assert row[2] == overlay.mask_colour(masks.rle[0])
    return dict(zip(KEYS, row, strict=True))


def test_rows() -> None:
    row = one_row(ids=[17], labels=["Katze"])
    assert row["number"] == 17
    assert row["label"] == "Katze"
    assert row["area_px"] == 7 * 15
    assert row["area_percent"] == pytest.approx(100 * 7 * 15 / (37 * 53), abs=1e-4)
    assert [row[key] for key in ("left", "top", "width", "height")] == [5, 3, 15, 7]
    assert row["predicted_iou"] == 0.99
    assert [row[key] for key in ("crop_left", "crop_top", "crop_width", "crop_height")] == [0, 0, 53, 37]
    assert {type(value) for value in row.values()} == {int, float, str}  # no NumPy value, which JSON would refuse


def test_default_numbers() -> None:
    assert one_row()["number"] == 1
    assert one_row()["label"] == ""


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("cat", "cat"),  # plain
        ("=1+1", "'=1+1"),  # formula
        ('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")'),
        ("+49 171", "'+49 171"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),  # a tab is dropped by spreadsheets
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),  # so are spaces
        ("a=b", "a=b"),  # only the start counts
        ("x;=1+1;y", "x;'=1+1;y"),  # of a cell, which semicolons part on many systems
        ("=1; -2;3", "'=1; '-2;3"),
        (-3, -3),  # a number is a number
        (0.5, 0.5),
        (float("nan"), ""),  # not measured
        ("고양이", "고양이"),
    ],
)
def test_formulas_do_not_run(value: table.Value, cell: table.Value) -> None:
    assert table.safe_cell(value) == cell
    header, row = csv.reader(io.StringIO(table.to_csv(["name"], [[value]]), newline=""))
    assert header == ["name"]
    assert row == [str(cell)]


def test_quotes_and_line_breaks_survive() -> None:
    text = table.to_csv(["a", "b"], [['say "hi", all\nof you', 2]])
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == ['say "hi", all\nof you', "2"]
