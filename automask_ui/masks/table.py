"""Tabulate masks as plain values, and as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from automask_ui.masks import MaskSet
from automask_ui.masks import rle as rle_codec
from automask_ui.masks.overlay import mask_colour

__all__ = ["COLUMNS", "Column", "Value", "rows", "safe_cell", "to_csv"]

Value = int | float | str

# Where lists are parted by semicolons (as in Excel on a German or French system), a new cell begins behind one.
_NEXT_CELL = re.compile(r"(;[ ]*)(?=[=+\-@\t\r\n|%])")


@dataclass(frozen=True)
class Column:
    """One column of the table."""

    key: str  # in CSV headers
    title: str  # for people
    unit: str = ""


COLUMNS = (
    Column("number", "Number"),
    Column("label", "Label"),
    Column("colour", "Colour"),
    Column("area_px", "Area", "px"),
    Column("area_percent", "Area", "%"),
    Column("left", "Left", "px"),
    Column("top", "Top", "px"),
    Column("width", "Width", "px"),
    Column("height", "Height", "px"),
    Column("predicted_iou", "Predicted IoU"),
    Column("stability_score", "Stability"),
    Column("point_x", "Point x", "px"),
    Column("point_y", "Point y", "px"),
    Column("crop_left", "Crop left", "px"),
    Column("crop_top", "Crop top", "px"),
    Column("crop_width", "Crop width", "px"),
    Column("crop_height", "Crop height", "px"),
)


def rows(masks: MaskSet, ids: Sequence[int] | None = None, labels: Sequence[str] | None = None) -> list[list[Value]]:
    """Make one row of plain values a mask, in the order of :data:`COLUMNS`.

    The box is the smallest around the mask in whole pixels, as in COCO: ``left + width`` is the first column outside.

    Args:
        masks: of one picture.
        ids: the numbers shown, one a mask; 1, 2, 3 ... by default.
        labels: names, one a mask; "" = none.
    """
    pixels = masks.size_hw[0] * masks.size_hw[1]
    table: list[list[Value]] = []
    for row, mask in enumerate(masks):
        table.append(
            [
                ids[row] if ids is not None else row + 1,
                labels[row] if labels is not None else "",
                mask_colour(mask.rle),
                mask.area,
                round(100 * mask.area / pixels, 4),
                *rle_codec.bbox_xywh(mask.rle),
                round(mask.predicted_iou, 4),
                round(mask.stability_score, 4),
                *(round(value, 2) for value in mask.point_xy),
                *mask.crop_box_xywh,
            ]
        )
    return table


def safe_cell(value: Value) -> Value:
    """Make ``value`` safe for a spreadsheet: text that would run as a formula gets an apostrophe in front.

    Source: OWASP, CSV injection. Numbers stay numbers, negative ones too; NaN (not measured) is left empty.
    """
    if isinstance(value, float) and math.isnan(value):
        return ""
    if not isinstance(value, str):
        return value
    safe = _NEXT_CELL.sub(r"\1'", value)
    return f"'{safe}" if safe.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")) else safe


def to_csv(header: Sequence[str], table: Sequence[Sequence[Value]]) -> str:
    """Format a table as CSV (RFC 4180), safe to open in a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([safe_cell(value) for value in row] for row in table)
    return text.getvalue()
