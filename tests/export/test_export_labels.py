"""Labels in every format: read back as other tools read them, with a class list, without one, and with gaps."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image

from automask_ui.errors import ExportError
from automask_ui.export import EXPORTERS, ExportItem, export
from automask_ui.export.base import class_names
from automask_ui.export.hard_masks import hard_mask_set
from automask_ui.masks import overlay
from automask_ui.session.class_names import ClassList, parse_class_list

# Two masks that touch and one apart; "=dog" begins like a formula, and nothing is a "cat".
LABELS = ("car", "", "=dog")
CLASSES = ("cat", "=dog", "car")
NUMBERS = (5, 2, 9)


def make_item(
    labels: tuple[str, ...] = LABELS, classes: tuple[str, ...] = CLASSES, ids: tuple[int, ...] | None = None
) -> ExportItem:
    masks = hard_mask_set((37, 53))[[7, 8, 1]]
    image = np.random.default_rng(5).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    return ExportItem("photo.jpg", image, masks, NUMBERS, labels, classes=ClassList(classes, ids))


def archive(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _coco(path: Path) -> tuple[list[str], list[str]]:
    document = json.loads(path.read_text(encoding="utf-8"))
    names = {row["id"]: row["name"] for row in document["categories"]}
    assert list(names) == list(range(1, len(names) + 1))
    return list(names.values()), [names[row["category_id"]] for row in document["annotations"]]


def _yolo(path: Path) -> tuple[list[str], list[str]]:
    with archive(path) as files:
        names = yaml.safe_load(files.read("data.yaml"))["names"]
        lines = files.read("labels/train/photo.txt").decode().splitlines()
    return list(names.values()), [names[int(line.split()[0])] for line in lines]


def _labelme(path: Path) -> tuple[None, list[str]]:
    with archive(path) as files:
        shapes = json.loads(files.read("photo.json"))["shapes"]
    return None, list({shape["group_id"]: shape["label"] for shape in shapes}.values())


def _voc(path: Path) -> tuple[list[str], list[str]]:
    with archive(path) as files:
        names = [line.split(":")[0] for line in files.read("labelmap.txt").decode().splitlines()[2:]]
        objects, classes = (
            np.asarray(Image.open(io.BytesIO(files.read(f"Segmentation{kind}/photo.png"))))
            for kind in ("Object", "Class")
        )
    return names, [names[int(classes[objects == number].max()) - 1] for number in (1, 2, 3)]


def _cvat(path: Path) -> tuple[list[str], list[str]]:
    root = ElementTree.parse(path).getroot()
    names = [str(name.text) for name in root.findall("meta/task/labels/label/name")]
    return names, [mask.attrib["label"] for mask in root.iter("mask")]


def _label_studio(path: Path) -> tuple[None, list[str]]:
    (task,) = json.loads(path.read_text(encoding="utf-8"))
    return None, [result["value"]["brushlabels"][0] for result in task["predictions"][0]["result"]]


def _geojson(path: Path) -> tuple[None, list[str]]:
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    return None, [feature["properties"]["classification"]["name"] for feature in features]


def _openraster(path: Path) -> tuple[None, list[str]]:
    with archive(path) as files:
        layers = ElementTree.fromstring(files.read("stack.xml")).iter("layer")
        names = dict(layer.attrib["name"].split(" ", 1) for layer in layers if " " in layer.attrib["name"])
    return None, [names[str(number)] for number in NUMBERS]


NEEDS_A_CLASS: dict[str, Callable[[Path], tuple[list[str] | None, list[str]]]] = {
    "coco": _coco, "coco-polygons": _coco, "yolo": _yolo, "labelme": _labelme, "labelme-masks": _labelme, "voc": _voc,
    "cvat": _cvat, "label-studio": _label_studio, "geojson": _geojson, "openraster": _openraster,
}  # fmt: skip


@pytest.mark.parametrize("name", NEEDS_A_CLASS)
def test_labels_are_classes_and_masks_without_one_are_objects(name: str, tmp_path: Path) -> None:
    classes, labels = NEEDS_A_CLASS[name](export(name, [make_item()], tmp_path).path)
    assert labels == ["car", "object", "=dog"]
    # The whole list in its order, whether a mask has the class or not; what has no label comes last.
    assert classes in (None, ["cat", "=dog", "car", "object"])


def _raw(path: Path) -> list[str]:
    return [mask.get("label", "") for mask in json.loads(path.read_text(encoding="utf-8"))]


def _table(path: Path) -> list[str]:
    return _column(path.read_bytes())


def _column(data: bytes) -> list[str]:
    return [row["label"] for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))]


def _in_zip(member: str) -> Callable[[Path], list[str]]:
    def read(path: Path) -> list[str]:
        with archive(path) as files:
            return _column(files.read(member))

    return read


HAS_ROOM: dict[str, Callable[[Path], list[str]]] = {
    "raw": _raw, "raw-uncompressed": _raw, "table": _table, "masks": _in_zip("photo/metadata.csv"),
    **dict.fromkeys(("labelmap", "labelmap-best", "labelmap-largest"), _in_zip("photo.csv")),
    **dict.fromkeys(("cutouts", "cutouts-full"), _in_zip("photo/cutouts.csv")),
}  # fmt: skip


@pytest.mark.parametrize("name", HAS_ROOM)
def test_labels_stand_beside_the_masks(name: str, tmp_path: Path) -> None:
    formula = "=dog" if name.startswith("raw") else "'=dog"  # spreadsheets would run it
    assert HAS_ROOM[name](export(name, [make_item()], tmp_path).path) == ["car", "", formula]


def test_every_format_is_looked_at() -> None:
    assert {*NEEDS_A_CLASS, *HAS_ROOM, "overlay", "overlay-jpeg"} == set(EXPORTERS)


@pytest.mark.parametrize("name", EXPORTERS)
def test_class_list_alone_changes_no_mask(name: str, tmp_path: Path) -> None:
    report = export(name, [make_item(labels=("", "", ""))], tmp_path)
    assert len(report.checks) == 3


@pytest.mark.parametrize(
    ("labels", "classes", "names"),
    [
        (("", "", ""), (), ["object"]),  # nothing is labelled: as without labels
        (("", "b", "a"), (), ["b", "a", "object"]),  # as met, without a label last
        (("a", "b", "a"), ("b",), ["b", "a"]),  # what the list lacks follows it
        (("", "a", ""), ("object", "a"), ["object", "a"]),  # a list may hold that name itself
        (("a\nb", "", ""), (), ["a b", "object"]),  # on one line
    ],
)
def test_order_of_classes(labels: tuple[str, ...], classes: tuple[str, ...], names: list[str]) -> None:
    assert class_names([make_item(labels, classes)]) == names


def test_numbers_are_the_same_in_pictures_with_other_labels() -> None:
    one, other = make_item(("car", "", "")), make_item(("=dog", "=dog", "cat"))
    assert class_names([one])[:3] == class_names([other])[:3] == list(CLASSES)


NUMBERED = ClassList(("person", "dog", "cup"), (1, 18, 90))


@pytest.mark.parametrize(
    ("classes", "coco", "yolo", "voc"),
    [
        (ClassList(("person", "dog")), [1, 2, 3], [0, 1, 2], [1, 2, 3]),  # no numbers: by their places
        (NUMBERED, [1, 18, 90, 91], [1, 18, 90, 91], [1, 18, 90, 91]),  # as COCO gives them
        (ClassList(("person", "dog"), (0, 5)), [0, 5, 6], [0, 5, 6], [1, 2, 3]),  # 0 is background in VOC
        (ClassList(("person", "dog"), (7, 3000)), [7, 3000, 3001], [7, 3000, 3001], [1, 2, 3]),  # no byte holds it
    ],
)
def test_numbers_of_a_class_list_are_kept(
    classes: ClassList, coco: list[int], yolo: list[int], voc: list[int], tmp_path: Path
) -> None:
    item = replace(make_item(labels=("dog", "", "person")), classes=classes)
    numbers = dict(zip(classes.names, coco, strict=False)) | {"object": coco[-1]}
    document = json.loads(export("coco", [item], tmp_path).path.read_bytes())
    assert [row["id"] for row in document["categories"]] == coco
    assert [row["category_id"] for row in document["annotations"]] == [
        numbers[name] for name in ("dog", "object", "person")
    ]
    back = parse_class_list(json.dumps(document))
    assert dict(zip(back.names, back.ids or (), strict=True)) == numbers

    with zipfile.ZipFile(export("yolo", [item], tmp_path).path) as archive:
        text = archive.read("data.yaml").decode()
        rows = [int(line.split()[0]) for line in archive.read("labels/train/photo.txt").decode().splitlines()]
    names = yaml.safe_load(text)["names"]
    assert list(names) == list(range(max(yolo) + 1))  # Ultralytics' check_class_names refuses gaps
    assert rows == [yolo[1], yolo[-1], yolo[0]]
    back = parse_class_list(text)
    assert (back.ids, back.names) == (tuple(yolo), (*classes.names, "object"))

    with zipfile.ZipFile(export("voc", [item], tmp_path).path) as archive:
        listed = archive.read("labelmap.txt").decode().splitlines()[2:]
        with Image.open(io.BytesIO(archive.read("SegmentationClass/photo.png"))) as picture:
            found, palette = np.unique(np.asarray(picture)), np.reshape(picture.getpalette(), (-1, 3)).tolist()
    assert [line.split(":")[:2] for line in listed] == [
        [name, ",".join(map(str, palette[number]))] for name, number in zip(back.names, voc, strict=True)
    ]
    assert set(found.tolist()) <= {0, voc[0], voc[1], voc[-1]}


def test_yolo_refuses_numbers_that_leave_too_large_gaps(tmp_path: Path) -> None:
    item = replace(make_item(), classes=ClassList(("person",), (10_000_000,)))
    with pytest.raises(ExportError, match="goes up to 10,000,00"):
        export("yolo", [item], tmp_path)


def test_colours_by_class(tmp_path: Path) -> None:
    item = replace(make_item(), by_class=True)
    assert item.colours == (overlay.class_colour(2), overlay.NO_CLASS_COLOUR, overlay.class_colour(1))
    with Image.open(export("overlay", [item], tmp_path).path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), overlay.draw(item.image, item.masks, colours=item.colours))
    assert not set(item.colours) & set(make_item().colours)


def test_overlay_as_jpeg(tmp_path: Path) -> None:
    image = np.broadcast_to(np.arange(53, dtype=np.uint8)[None, :, None] * 4, (37, 53, 3))
    report = export("overlay-jpeg", [replace(make_item(), image=image)], tmp_path)
    assert report.worst_iou == 1.0
    with Image.open(report.path) as picture:
        assert (picture.format, picture.size) == ("JPEG", (53, 37))
