"""What version 1 has written still opens: real documents, archives, kept work and records in ``data/version1``."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import fake_models

from automask_ui.batch.dataset import Dataset
from automask_ui.batch.pictures import Picture
from automask_ui.errors import RestoreError
from automask_ui.export.hard_masks import hard_mask_set
from automask_ui.files.images import load_image
from automask_ui.masks import rle
from automask_ui.project.document import Saved, parse, parse_work, to_bytes
from automask_ui.project.export import export_list
from automask_ui.project.restore_list import restore_list, saved_photo
from automask_ui.project.restore_photo import check_photo
from automask_ui.project.sources import is_saved, read_project
from automask_ui.serving.service import Service
from automask_ui.session.edits import Edits

DATA = Path(__file__).parent / "data" / "version1"


def as_written(saved: Saved, document: dict[str, Any], *, is_untouched: bool = False) -> bool:
    """Whether the work is what a document of version 1 says, read here without any code of the package.

    Masks that nobody has touched are numbered by size now, and were by the order in which they had been found.
    """
    assert document["version"] == 1
    rows, edits = document["masks"], document["edits"]
    if is_untouched:
        assert [row["id"] for row in rows] == sorted(saved.ids)
        areas = [row["area"] for _, row in sorted(zip(saved.ids, rows, strict=True), key=lambda pair: pair[0])]
        assert areas == sorted(areas, reverse=True)
    else:
        assert saved.ids == tuple(row["id"] for row in rows)
    assert [rle.to_coco_json(own) for own in saved.masks.rle] == [row["segmentation"] for row in rows]
    assert saved.masks.area.tolist() == [row["area"] for row in rows]
    for name, key in (("bbox_xywh", "bbox"), ("point_xy", "point"), ("crop_box_xywh", "crop_box")):
        assert getattr(saved.masks, name).tolist() == [row[key] for row in rows]
    for name in ("predicted_iou", "stability_score"):
        assert getattr(saved.masks, name).tolist() == pytest.approx([row[name] for row in rows], abs=1e-7)
    labels = {int(id_): label for id_, label in edits["labels"].items()}
    assert saved.edits == Edits(
        tuple(edits["classes"]), labels, frozenset(edits["hidden"]), frozenset(edits["deleted"])
    )
    contents = [[content.hex(), count] for content, count in saved.fingerprints]
    assert contents == document["contents"] or (is_untouched and sorted(contents) == sorted(document["contents"]))
    assert saved.options is not None
    assert saved.model is not None
    came_later = {"adaptive_points": 1.0, "use_m2m": False, "multimask_output": True}
    assert saved.options.flat() == {**came_later, **document["options"]}
    assert (saved.model.name, saved.model.sha256) == (document["model"]["name"], document["model"]["sha256"])
    assert saved.show.smallest == document["show"]["smallest"]
    return True


def read_saved(path: Path) -> tuple[Saved, bytes | None]:
    project = read_project(path)
    assert project.is_one_photo
    saved = project.pictures[0].work
    assert isinstance(saved, Saved)
    return saved, saved_photo(path, project)


def entry(path: Path, name: str) -> Any:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(name))


@pytest.mark.parametrize("name", ["photo.zip", "kept.zip"])
def test_archive_of_one_photo(name: str) -> None:
    assert is_saved(DATA / name)
    saved, photo = read_saved(DATA / name)
    assert as_written(saved, entry(DATA / name, "automask.json"))
    assert photo is not None
    check_photo(saved, load_image(photo, name=saved.image.name))


def test_edits_of_one_photo() -> None:
    saved, _ = read_saved(DATA / "photo.zip")
    assert saved.edits.classes == ("cup", "spoon", "컵")
    assert [len(part) for part in (saved.edits.labels, saved.edits.hidden, saved.edits.deleted)] == [3, 1, 1]
    assert len(saved.edited().ids) == len(saved.ids) - 1
    assert saved.show.smallest == 20


def test_lone_document_beside_its_photo(tmp_path: Path) -> None:
    assert is_saved(DATA / "automask.json")
    saved, photo = read_saved(DATA / "automask.json")
    assert photo is None
    assert as_written(saved, json.loads((DATA / "automask.json").read_bytes()))
    service = Service(lambda name: None, fake_models("fake"), "fake")  # type: ignore[arg-type, return-value]
    session = service.projects.restore("ann", DATA / "automask.json", [DATA / "photo.jpg"]).session
    assert session is not None
    assert len(session.current_masks().ids) > 3
    assert set(session.current_masks().ids) < set(saved.ids)


@pytest.mark.parametrize("name", ["pictures.zip", "kept.pictures"])
def test_list_of_pictures(name: str, tmp_path: Path) -> None:
    project = read_project(DATA / name)
    assert not project.is_one_photo
    back = restore_list(DATA / name, project, [], tmp_path)
    assert back.pictures is not None
    assert (back.back, back.missing, back.added) == (3, (), 0)
    assert back.open == (1 if name == "kept.pictures" else None)
    assert [item.edited for item in back.pictures.items] == [False, True, False]
    if name == "pictures.zip":
        documents = [entry(DATA / name, f"automask/{number:05d}.json") for number in (1, 2, 3)]
    else:
        rows = json.loads((DATA / name / "automask.json").read_bytes())["pictures"]
        documents = [json.loads((DATA / name / row["work"]).read_bytes()) for row in rows]
    for index, document in enumerate(documents):
        saved = back.pictures.saved(index)
        assert saved is not None
        assert as_written(saved, document, is_untouched=not back.pictures.items[index].edited)
    path = export_list(back.pictures, "coco", tmp_path).path
    away = len(documents[1]["edits"]["hidden"]) + len(documents[1]["edits"]["deleted"])
    masks = sum(len(document["masks"]) for document in documents)
    assert len(json.loads(path.read_text())["annotations"]) == masks - away


def test_work_that_is_written_anew_is_the_same() -> None:
    data = (DATA / "automask.json").read_bytes()
    saved = parse_work(data, "automask.json")
    again = parse_work(to_bytes(saved), "again.json")
    assert as_written(again, json.loads(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(image=[]), "“image” must be an object"),  # wrong type
        (lambda d: d["image"].update(size_hw=[120, 80]), "is for a picture of"),  # sides swapped
        (lambda d: d["image"].update(file="../../etc/passwd"), "not one that AutoMask gives"),  # path
        (lambda d: d.update(masks={}), "“masks” must be a list"),  # wrong type
        (lambda d: d.update(masks=[0] * 20_001), "20,001 entries; at most 20,000"),  # too many
        (lambda d: d.update(masks=[[]]), "must be an object"),  # wrong type
        (lambda d: d.update(model=None), "no model has found"),  # masks out of nowhere
        (lambda d: first(d).update(id=d["masks"][1]["id"]), "same id"),  # twice
        (lambda d: first(d).update(id=10**6), "not among the"),  # never given
        (lambda d: first(d).update(id=True), "whole number"),  # a bool
        (lambda d: first(d).pop("area"), "no number of its kind: 'None'"),  # missing
        (lambda d: first(d).update(area=1), "pixels, not 1"),  # a lie
        (lambda d: first(d).update(bbox=[0, 0, 0, 0]), "does not hold its pixels"),  # a lie
        (lambda d: first(d).update(bbox=[0, 0, 0]), "“bbox” of a mask must be 4 numbers"),  # short
        (lambda d: first(d).update(bbox=[0] * 5), "at most 4"),  # long
        (lambda d: first(d).update(bbox=[-1, 0, 5, 5]), "not inside the picture"),  # outside
        (lambda d: first(d).update(crop_box=[0, 0, 2**80, 9]), "too large"),  # would not fit an array
        (lambda d: first(d).update(point=[1]), "“point” of a mask must be 2 numbers"),  # half a point
        (lambda d: first(d).update(point=[1e300, 0]), "too large"),  # far away
        (lambda d: first(d).update(predicted_iou="1"), "no number of its kind"),  # text
        (lambda d: first(d)["segmentation"].update(counts="zzz"), "no RLE"),  # not of an RLE
        (lambda d: first(d)["segmentation"].update(counts=[1, 2]), "must be text"),  # uncompressed
        (lambda d: first(d).update(segmentation=7), "must be an object"),  # wrong type
        (lambda d: d["edits"].update(labels={"1": "cow"}), "not in the class list"),  # unknown class
    ],
)
def test_hostile_document_of_version_1_is_refused(change: Any, message: str) -> None:
    document = json.loads((DATA / "automask.json").read_bytes())
    change(document)
    with pytest.raises(RestoreError, match=message):
        parse(json.dumps(document).encode())


def first(document: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = document["masks"][0]
    return row


def test_record_of_a_dataset_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    dataset, picture = Dataset(tmp_path), Picture(Path("a.png"), "a.png", "a")
    path = dataset._path("masks", picture)
    path.parent.mkdir(parents=True)
    shutil.copyfile(DATA / "record.json", path)
    record = dataset.read_masks(picture)
    assert record is not None
    expected = hard_mask_set((37, 53))
    assert list(record.masks.rle) == list(expected.rle)
    assert np.isnan(record.masks.stability_score[1])
    path.unlink()
    with dataset.open_scratch():
        dataset.write_masks(picture, record)
    assert path.read_bytes() == (DATA / "record.json").read_bytes()


def test_damaged_record_counts_as_none(tmp_path: Path) -> None:
    dataset, picture = Dataset(tmp_path), Picture(Path("a.png"), "a.png", "a")
    path = dataset._path("masks", picture)
    path.parent.mkdir(parents=True)
    path.write_bytes((DATA / "record.json").read_bytes().replace(b'"area":[1,', b'"area":[2,'))
    assert dataset.read_masks(picture) is None
