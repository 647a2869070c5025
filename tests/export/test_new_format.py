"""A made-up format: its row is all that folder runs, lists of photos, commands and menus know of it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from batch_runs import contents, make_pictures
from batch_runs import run as run_batch
from fakes import FakeEngine
from PIL import Image
from sams import picture, small_sam

from automask_ui.batch.worker import BatchTask
from automask_ui.cli import main
from automask_ui.engine.loading import load
from automask_ui.engine.loading.load import SamModel
from automask_ui.export import EXPORTERS, Exporter, ExportItem
from automask_ui.export.base import DatasetDocument, FolderLayout, with_stems
from automask_ui.export.files import write_json, zip_add
from automask_ui.masks import rle as rle_codec
from automask_ui.options import GeneratorOptions
from automask_ui.project.collect_uploads import collect
from automask_ui.project.document import SavedModel
from automask_ui.project.export import export_list
from automask_ui.project.list_run import ListRun
from automask_ui.project.pictures import PictureList
from automask_ui.ui.page import _formats
from automask_ui.ui.text import TEXTS

FLAGS = ["--points-per-side=4", "--pred-iou-thresh=0.5", "--stability-score-thresh=0.5"]
KOREAN = "지어낸 형식"


def _counts(item: ExportItem) -> list[dict[str, Any]]:
    return [rle_codec.to_coco_json(rle) for rle in item.masks.rle]


def _rles(rows: list[dict[str, Any]]) -> Iterator[rle_codec.Rle]:
    return ({"size": row["size"], "counts": row["counts"].encode()} for row in rows)


def _write_folder(items: Sequence[ExportItem], file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        zip_add(archive, "about.txt", b"Made up.\n")
        zip_add(archive, "lists/all.txt", "".join(f"{stem}\n" for stem, _ in with_stems(items)).encode())
        for stem, item in with_stems(items):
            zip_add(archive, f"counts/{stem}.json", json.dumps(_counts(item)).encode())


def _read_folder(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[rle_codec.Rle]]:
    with zipfile.ZipFile(file) as archive:
        for stem, _ in with_stems(items):
            yield _rles(json.loads(archive.read(f"counts/{stem}.json")))


def _document(items: Sequence[ExportItem]) -> dict[str, Any]:
    numbered = list(enumerate(items))
    return {
        "photos": [{"id": number, "name": item.name} for number, item in numbered],
        "shapes": ({"photo": number, **row} for number, item in numbered for row in _counts(item)),
    }


def _read_document(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[rle_codec.Rle]]:
    document = json.load(file)
    for photo in document["photos"]:
        yield _rles([row for row in document["shapes"] if row["photo"] == photo["id"]])


row = partial(
    Exporter, name="made-up", title="A made-up format", hint="For this test.", purpose="script", reader="json"
)
FOLDER = row(
    extension="zip",
    write=_write_folder,
    read=_read_folder,
    layout=FolderLayout(("counts",), shared=frozenset({"about.txt"}), picture_list="lists/all.txt"),
)
WHOLE = row(
    extension="json",
    write=lambda items, file: write_json(_document(items), file),
    read=_read_document,
    whole_dataset=DatasetDocument(_document, "photos", "shapes", "photo"),
)


@pytest.fixture(params=[FOLDER, WHOLE], ids=["folder", "whole"])
def exporter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Exporter:
    """The format as one file in export/, its import there, and its Korean name would make it known."""
    monkeypatch.setitem(EXPORTERS, request.param.name, request.param)
    # The English texts are made of the rows, when they are imported.
    for language, title in (("en", request.param.title), ("ko", KOREAN)):
        monkeypatch.setitem(TEXTS[language], "format.made-up", title)
        monkeypatch.setitem(TEXTS[language], "format.made-up.hint", title)
    return request.param


def test_folder_runs_write_it(exporter: Exporter, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "dataset"
    make_pictures(photos, 4)
    report = run_batch(photos, out, "made-up")
    assert report.failures == []
    where = "made-up/" if exporter is FOLDER else "made-up.json"
    assert report.written == [f"{where}: {report.masks} masks, all exact"]
    files = {name: data for name, data in contents(out).items() if name.startswith("made-up")}
    stems = ["more/of it/photo 1", "photo 0", "photo 1", "photo 3"]
    if exporter is FOLDER:
        assert files.pop("made-up/about.txt") == b"Made up.\n"
        assert sorted(files.pop("made-up/lists/all.txt").decode().splitlines()) == stems
        assert sorted(files) == [f"made-up/counts/{stem}.json" for stem in stems]
        assert sum(len(json.loads(data)) for data in files.values()) == report.masks
    else:
        document = json.loads(files.pop("made-up.json"))
        assert files == {}
        assert sorted(photo["name"] for photo in document["photos"]) == [f"{stem}.png" for stem in stems]
        assert len(document["shapes"]) == report.masks


def test_lists_of_photos_write_it(exporter: Exporter, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 2)
    folder = tmp_path / "list"
    folder.mkdir()
    pictures = PictureList(collect(sorted((tmp_path / "photos").iterdir()), folder).pictures, folder)
    run = ListRun(pictures)
    options = GeneratorOptions(points_per_side=4, pred_iou_thresh=0.7, stability_score_thresh=0.0)
    run.start(FakeEngine().steps, BatchTask(options, (), "fake"), SavedModel("fake", "Fake model", None))
    assert run._thread is not None
    run._thread.join(60)
    report = export_list(pictures, "made-up", tmp_path)
    assert report.path.name == f"photo 0-and-1-more-made-up.{exporter.extension}"
    assert len(report.checks) == report.exact == sum(item.masks or 0 for item in pictures.items) > 0


def test_commands_know_it(
    exporter: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load, "load_model", lambda *names, **places: SamModel.wrap(small_sam()))
    Image.fromarray(picture(53, 80)).save(tmp_path / "photo.png")
    assert (
        main(["generate", str(tmp_path / "photo.png"), "--out", str(tmp_path / "out"), *FLAGS, "--format", "made-up"])
        == 0
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"photo-made-up.{exporter.extension}"]
    capsys.readouterr()
    assert main(["formats"]) == 0
    assert "A made-up format" in capsys.readouterr().out


def test_menus_offer_it(exporter: Exporter) -> None:
    assert _formats()[-1] == {
        "id": "made-up",
        "label": {"en": exporter.title, "ko": KOREAN},
        "hint": {"en": exporter.title, "ko": KOREAN},
        "purpose": {"en": "For scripts", "ko": "스크립트용"},
    }
