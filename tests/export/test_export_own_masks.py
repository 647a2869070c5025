"""Masks made by hand in every format: they have no scores and no point, and their pixels are all there."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automask_ui.batch.dataset import Dataset, MasksRecord
from automask_ui.batch.dataset_files import write_document
from automask_ui.batch.pictures import Picture
from automask_ui.export import EXPORTERS, ExportItem, export
from automask_ui.export.base import EXACT
from automask_ui.export.hard_masks import hard_items
from automask_ui.masks import MaskSet, table
from automask_ui.session.edits import Edits, OwnMask, apply_edits

NAN = re.compile(rb"\bnan\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def items() -> list[ExportItem]:
    """Two pictures of the hard masks, every second one as if it were made by hand, and one more."""
    small = with_own(hard_items()[0])
    return [small, replace(small, name="hard-2.png")]


def with_own(item: ExportItem) -> ExportItem:
    own = {id_: OwnMask(item.masks.rle[id_ - 1], "painted") for id_ in item.ids[::2]}
    own[len(item.ids) + 1] = OwnMask(item.masks.rle[0], "clicked", predicted_iou=0.5)
    ids, masks, labels = apply_edits(item.masks, item.ids, Edits(("cat",), {1: "cat"}, own=own))
    assert np.isnan(masks.stability_score).sum() == len(own)
    return replace(item, ids=ids, masks=masks, labels=labels)


@pytest.mark.parametrize("name", list(EXPORTERS))
@pytest.mark.parametrize("count", [1, 2])
def test_every_format_holds_them(name: str, count: int, items: list[ExportItem], tmp_path: Path) -> None:
    report = export(name, items[:count], tmp_path)
    assert len(report.checks) == sum(len(item.ids) for item in items[:count])
    if EXPORTERS[name].change == EXACT:
        assert report.exact == len(report.checks)
    if report.path.suffix in (".json", ".csv", ".geojson"):
        assert not NAN.search(report.path.read_bytes())
    elif report.path.suffix == ".zip":
        with zipfile.ZipFile(report.path) as archive:
            texts = [archive.read(entry) for entry in archive.namelist() if entry.endswith((".csv", ".json", ".xml"))]
        assert not any(NAN.search(text) for text in texts)


def test_missing_scores_are_empty_in_each_kind_of_text(items: list[ExportItem], tmp_path: Path) -> None:
    document = json.loads(export("coco", items, tmp_path).path.read_text())
    first, second = document["annotations"][:2]
    assert (first["predicted_iou"], first["stability_score"], first["point_coords"]) == (None, None, [])
    assert None not in (second["predicted_iou"], second["stability_score"], *second["point_coords"])
    dicts = json.loads(export("raw", items[:1], tmp_path).path.read_text())
    assert (dicts[0]["predicted_iou"], dicts[0]["point_coords"]) == (None, [])
    with zipfile.ZipFile(export("masks", items[:1], tmp_path).path) as archive:
        row = next(csv.DictReader(io.StringIO(archive.read("hard-1/metadata.csv").decode())))
    assert (row["predicted_iou"], row["point_input_x"], row["area"]) == ("", "", "1")
    row = next(csv.DictReader(io.StringIO(export("table", items, tmp_path).path.read_text("utf-8-sig"))))
    assert (row["predicted_iou"], row["stability_score"], row["point_x"], row["area_px"]) == ("", "", "", "1")


def test_table_has_a_row_for_each(items: list[ExportItem]) -> None:
    rows = table.rows(items[0].masks, items[0].ids, items[0].labels)
    assert [row[0] for row in rows] == list(items[0].ids)
    assert len(table.to_csv([column.key for column in table.COLUMNS], rows).splitlines()) == len(rows) + 1


@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_document_of_a_whole_dataset(name: str, items: list[ExportItem], tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    pictures = [Picture(Path(item.name), item.name, Path(item.name).stem) for item in items]
    with dataset.open_scratch():
        for picture, item in zip(pictures, items, strict=True):
            dataset.write_masks(picture, MasksRecord("k", "s", item.masks))
        written = write_document(dataset, EXPORTERS[name], pictures, {})
    assert written.masks == written.exact == sum(len(item.masks) for item in items)


def test_masks_from_pixels_have_upstreams_boxes() -> None:
    for item in hard_items():
        own = MaskSet.from_rles(list(item.masks.rle), item.size_hw)
        assert np.array_equal(own.bbox_xywh, item.masks.bbox_xywh)
        assert np.array_equal(own.area, item.masks.area)
