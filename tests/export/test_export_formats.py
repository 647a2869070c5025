"""What is particular to each format, checked with the format's own rules or a reader that is not ours."""

import base64
import csv
import io
import json
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.io
from PIL import Image, ImageDraw

from automask_ui.errors import ExportError
from automask_ui.export import EXPORTERS, ExportItem, base, export, proof
from automask_ui.export.hard_masks import SIZES_HW, hard_mask_set, mask_set
from automask_ui.export.label_studio import brush_rle, read_brush_rle
from automask_ui.export.voc import voc_palette
from automask_ui.masks import rle
from automask_ui.session.class_names import ClassList


def make_item(size_hw: tuple[int, int] = (37, 53), name: str = "photo.jpg", rows: object = slice(None)) -> ExportItem:
    """All hard masks of a noisy picture; every third mask with a label."""
    masks = hard_mask_set(size_hw)[rows]
    image = np.random.default_rng(5).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    labels = tuple(("cat", "", "Hund & Katze")[row % 3] for row in range(len(masks)))
    return ExportItem(name, image, masks, tuple(range(1, len(masks) + 1)), labels, {"model": "fake"})


def members(name: str, items: list[ExportItem], folder: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(export(name, items, folder).path) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


# YOLO


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_yolo_lines_are_painted_as_ultralytics_paints_them(size_hw: tuple[int, int], tmp_path: Path) -> None:
    item = make_item(size_hw)
    files = members("yolo", [item], tmp_path)
    assert sorted(files) == ["data.yaml", "images/train/photo.jpg", "labels/train/photo.txt"]
    lines = files["labels/train/photo.txt"].decode().splitlines()
    assert len(lines) == len(item.masks)
    scale = np.array([size_hw[1], size_hw[0]], dtype=np.float32)
    for line, mask in zip(lines, item.masks.rle, strict=True):
        corners = np.array(line.split()[1:], dtype=np.float32).reshape(-1, 2)
        assert len(corners) >= 3
        assert corners.min() >= 0
        assert corners.max() <= 1
        assert (np.ptp(corners, axis=0) > 0).all()  # boxes without an area are dropped in training
        expected = rle.decode(mask)
        parts, _ = cv2.connectedComponents(expected.astype(np.uint8), connectivity=8)
        for to_pixels in (np.trunc, np.round):  # Ultralytics cuts the fraction off, supervision rounds
            canvas = np.zeros(size_hw, np.uint8)
            cv2.fillPoly(canvas, [to_pixels(corners * scale).astype(np.int32)], 1)
            assert (canvas >= expected).all()
            assert parts > 2 or (canvas == expected).all()  # only parts cost pixels, holes do not


def test_yolo_classes(tmp_path: Path) -> None:
    first = replace(make_item(rows=[7, 8, 9]), labels=("b: [x]", "a", "b: [x]"))
    second = replace(make_item(rows=[7]), labels=("",), name="photo.png")
    files = members("yolo", [first, second], tmp_path)
    assert files["data.yaml"].decode().splitlines() == [
        "train: images/train", "val: images/train", "names:", '  0: "b: [x]"', '  1: "a"', '  2: "object"'
    ]  # fmt: skip
    assert [line.split()[0] for line in files["labels/train/photo.txt"].decode().splitlines()] == ["0", "1", "0"]
    assert [line.split()[0] for line in files["labels/train/photo-2.txt"].decode().splitlines()] == ["2"]
    assert pixels(files["images/train/photo-2.jpg"]).shape == (37, 53, 3)


def test_a_picture_without_masks_is_background(tmp_path: Path) -> None:
    files = members("yolo", [make_item(rows=[7]), make_item(rows=[], name="empty.png")], tmp_path)
    assert files["labels/train/empty.txt"] == b""


def test_pictures_without_masks_are_written_where_they_are_meant_to_be(tmp_path: Path) -> None:
    empty = replace(make_item(rows=[], name="empty.png"), classes=ClassList(("cat",)))
    able = {name for name, row in EXPORTERS.items() if row.has_negatives}
    assert able == {"coco", "coco-polygons", "yolo"}
    for name in sorted(able):
        with pytest.raises(ExportError, match="There are no masks to download"):
            export(name, [empty], tmp_path)
        report = export(name, [empty], tmp_path, negatives=True)
        assert (report.checks, report.worst_iou) == ((), 1.0)
    coco = json.loads(export("coco", [empty], tmp_path, negatives=True).path.read_bytes())
    assert ([image["file_name"] for image in coco["images"]], coco["annotations"]) == (["empty.png"], [])
    with zipfile.ZipFile(export("yolo", [empty], tmp_path, negatives=True).path) as archive:
        assert archive.read("labels/train/empty.txt") == b""
        assert archive.read("data.yaml").decode().splitlines()[-1] == '  0: "cat"'


# LabelMe


def labelme_masks(document: dict, size_hw: tuple[int, int]) -> dict[int, np.ndarray]:
    """As labelme 6.3 paints shapes (shapes_to_label)."""
    found: dict[int, np.ndarray] = {}
    for shape in document["shapes"]:
        canvas = Image.fromarray(np.zeros(size_hw, np.uint8))
        if shape["shape_type"] == "polygon":
            assert len(shape["points"]) > 2
            ImageDraw.Draw(canvas).polygon([tuple(point) for point in shape["points"]], outline=1, fill=1)
            painted = np.array(canvas, dtype=bool)
        else:
            (left, top), (right, bottom) = np.array(shape["points"]).astype(int)
            painted = np.zeros(size_hw, bool)
            painted[top : bottom + 1, left : right + 1] = pixels(base64.b64decode(shape["mask"])).astype(bool)
        found[shape["group_id"]] = found.get(shape["group_id"], False) | painted
    return found


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("name", ["labelme", "labelme-masks"])
def test_labelme(name: str, size_hw: tuple[int, int], tmp_path: Path) -> None:
    item = make_item(size_hw)
    files = members(name, [item], tmp_path)
    document = json.loads(files["photo.json"])
    assert set(document) == {
        "version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"
    }  # fmt: skip
    assert document["imagePath"] in files
    assert (document["imageHeight"], document["imageWidth"]) == size_hw
    found = labelme_masks(document, size_hw)
    for id_, label, mask in item.rows():
        np.testing.assert_array_equal(found[id_], rle.decode(mask.rle))
        assert {shape["label"] for shape in document["shapes"] if shape["group_id"] == id_} == {label}


# Label maps and VOC


def nested() -> ExportItem:
    """A large mask, a small one inside it, and one that the small one hides; the large one scores best."""
    large, small, hidden = np.zeros((3, 37, 53), bool)
    large[2:30, 2:40] = True
    small[5:10, 5:10] = True
    hidden[5:10, 5:10] = True
    hidden[0, 0] = True  # one pixel larger, so below
    masks = mask_set([large, small, hidden], (37, 53))
    return ExportItem("n.png", np.zeros((37, 53, 3), np.uint8), masks, (5, 300, 7), ("cat", "", "dog"))


@pytest.mark.parametrize(
    ("name", "inside", "exact", "worst"),
    [
        ("labelmap", 300, 1, 1 / 26),  # the smallest is on top
        ("labelmap-best", 5, 1, 0),  # the large one scores best and hides the small one
        ("labelmap-largest", 5, 1, 0),
    ],
)
def test_label_map_policies(name: str, inside: int, exact: int, worst: float, tmp_path: Path) -> None:
    report = export(name, [nested()], tmp_path)
    with zipfile.ZipFile(report.path) as archive:
        flat = pixels(archive.read("n.png"))
        rows = list(csv.DictReader(io.StringIO(archive.read("n.csv").decode("utf-8-sig"), newline="")))
    assert flat.dtype == np.uint16  # 300 does not fit 8 bits
    assert flat[7, 7] == inside
    assert (flat[0, 0], flat[20, 20], flat[36, 52]) == (7, 5, 0)
    assert report.exact == exact
    assert report.worst_iou == pytest.approx(worst)
    for row, id_ in zip(rows, nested().ids, strict=True):
        assert row["value"] == str(id_)
        assert int(row["visible_px"]) == (flat == id_).sum()
        assert int(row["visible_px"]) + int(row["hidden_px"]) == int(row["area_px"])
    assert "overlap" in report.summary


@pytest.mark.parametrize(
    ("highest", "member", "mode"),
    [
        (255, "photo.png", "L"),  # 8 bits
        (256, "photo.png", "I;16"),
        (65_535, "photo.png", "I;16"),
        (65_536, "photo.tif", "I"),  # PNG ends here
    ],
)
def test_label_map_depth(highest: int, member: str, mode: str, tmp_path: Path) -> None:
    item = replace(make_item(rows=[7, 8]), ids=(1, highest))
    data = members("labelmap", [item], tmp_path)[member]
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.mode == mode
        flat = np.asarray(picture)
    assert set(np.unique(flat).tolist()) == {0, 1, highest}
    (tmp_path / member).write_bytes(data)
    np.testing.assert_array_equal(skimage.io.imread(tmp_path / member), flat)


def test_label_map_refuses_numbers_that_mean_background(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="from 1 to"):
        export("labelmap", [replace(make_item(rows=[7]), ids=(0,))], tmp_path)


def test_voc(tmp_path: Path) -> None:
    item = nested()
    files = members("voc", [item], tmp_path)
    assert sorted(files) == [
        "ImageSets/Segmentation/default.txt", "JPEGImages/n.jpg", "SegmentationClass/n.png",
        "SegmentationObject/n.png", "labelmap.txt",
    ]  # fmt: skip
    assert files["ImageSets/Segmentation/default.txt"] == b"n\n"
    with Image.open(io.BytesIO(files["SegmentationObject/n.png"])) as picture:
        assert picture.mode == "P"
        assert picture.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
        objects = np.asarray(picture)
    classes = pixels(files["SegmentationClass/n.png"])
    assert (objects[7, 7], objects[20, 20], objects[0, 0]) == (2, 1, 3)
    assert (classes[7, 7], classes[20, 20], classes[0, 0]) == (3, 1, 2)  # object, cat, dog
    assert files["labelmap.txt"].decode().splitlines()[1:] == [
        "background:0,0,0::", "cat:128,0,0::", "dog:0,128,0::", "object:128,128,0::"
    ]  # fmt: skip


def test_voc_palette_is_the_official_one() -> None:
    palette = voc_palette()
    # From VOC's labels: aeroplane, bicycle, bird, ..., tv monitor, void.
    assert palette[[1, 2, 3, 20, 255]].tolist() == [
        [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 64, 128], [224, 224, 192]
    ]  # fmt: skip
    assert len(np.unique(palette, axis=0)) == 256


def test_voc_refuses_more_objects_than_a_byte_holds(tmp_path: Path) -> None:
    mask = np.ones((37, 53), bool)
    masks = mask_set([mask] * 255, (37, 53))
    item = ExportItem("a", np.zeros((37, 53, 3), np.uint8), masks, tuple(range(255)), ("",) * 255)
    with pytest.raises(ExportError, match="254 objects a picture and 254 classes, but there are 255 and 1"):
        export("voc", [item], tmp_path)


# Cut-outs and layers


@pytest.mark.parametrize(("name", "tight"), [("cutouts", True), ("cutouts-full", False)])
def test_cutouts(name: str, tight: bool, tmp_path: Path) -> None:
    item = make_item(rows=[9, 16, 20])
    files = members(name, [item], tmp_path)
    rows = csv.DictReader(io.StringIO(files["photo/cutouts.csv"].decode("utf-8-sig"), newline=""))
    for row, (id_, _, mask) in zip(rows, item.rows(), strict=True):
        rgba = pixels(files[f"photo/{id_}.png"])
        box = rle.bbox_xywh(mask.rle) if tight else (0, 0, 53, 37)
        left, top, width, height = (int(row[key]) for key in ("left", "top", "width", "height"))
        assert (left, top, width, height) == box
        inside = rle.decode(mask.rle)[top : top + height, left : left + width]
        np.testing.assert_array_equal(rgba[..., 3], inside * np.uint8(255))
        np.testing.assert_array_equal(rgba[inside][:, :3], item.image[top:, left:][:height, :width][inside])
        assert not rgba[~inside].any()  # nothing of the photo hides behind transparency


def test_openraster_layers(tmp_path: Path) -> None:
    item = make_item(rows=[9, 10])
    path = export("openraster", [item], tmp_path).path
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"image/openraster"
        image = ElementTree.fromstring(archive.read("stack.xml"))
        layers = image.findall("stack/layer")
        assert (image.attrib["w"], image.attrib["h"]) == ("53", "37")
        assert [layer.attrib["name"] for layer in layers] == ["2 object", "1 cat", "photo"]  # from the top down
        assert all(layer.attrib["src"] in archive.namelist() for layer in layers)
        assert {layer.attrib["composite-op"] for layer in layers} == {"svg:src-over"}
        np.testing.assert_array_equal(pixels(archive.read("mergedimage.png")), item.image)
        assert max(pixels(archive.read("Thumbnails/thumbnail.png")).shape) <= 256


# Tools for correcting


def test_cvat(tmp_path: Path) -> None:
    items = [make_item(name='a<b>"&.jpg'), make_item((534, 800), name="zwei.png", rows=[9, 10])]
    root = ElementTree.parse(export("cvat", items, tmp_path).path).getroot()
    assert root.findtext("version") == "1.1"
    assert [label.text for label in root.findall("meta/task/labels/label/name")] == ["cat", "Hund & Katze", "object"]
    images = root.findall("image")
    assert [image.attrib["name"] for image in images] == ['a<b>"&.jpg', "zwei.png"]
    assert (images[1].attrib["width"], images[1].attrib["height"]) == ("800", "534")
    for image, item in zip(images, items, strict=True):
        for mask, (_, label, expected) in zip(image.findall("mask"), item.rows(), strict=True):
            values = {key: int(mask.attrib[key]) for key in ("left", "top", "width", "height")}
            counts = [int(count) for count in mask.attrib["rle"].split(",")]
            assert sum(counts) == values["width"] * values["height"]
            flat = [index % 2 == 1 for index, count in enumerate(counts) for _ in range(count)]  # zeros first, row-wise
            window = np.array(flat).reshape(values["height"], values["width"])
            np.testing.assert_array_equal(window, rle.decode_window(expected.rle)[0])
            assert mask.attrib["label"] == label
    outer, inner = images[1].findall("mask")
    assert int(inner.attrib["z_order"]) > int(outer.attrib["z_order"])  # the smaller lies on top


def test_label_studio(tmp_path: Path) -> None:
    (task,) = json.loads(export("label-studio", [make_item(rows=[16, 0])], tmp_path).path.read_text())
    assert task["data"] == {"image": "photo.jpg"}
    prediction = task["predictions"][0]
    assert prediction["model_version"] == "fake"
    result = prediction["result"][0]
    assert (result["original_width"], result["original_height"]) == (53, 37)
    assert (result["type"], result["value"]["format"], result["value"]["brushlabels"]) == (
        "brushlabels",
        "rle",
        ["cat"],
    )


ORIGINAL_CODE = [
    0,
    0,
    0,
    140,
    57,
    27,
    254,
    35,
    0,
    191,
    255,
    108,
    2,
    63,
    248,
    192,
    39,
    255,
    182,
    1,
    127,
    255,
    15,
    128,
    0,
]


def test_label_studio_code_of_the_original_encoder() -> None:
    """Bytes that label-studio-sdk 2.1.2 wrote for this mask, with runs of all sizes."""
    mask = np.zeros((5, 7), bool)
    mask[1:4, 2:6] = True
    mask[2, 3] = False
    np.testing.assert_array_equal(read_brush_rle(ORIGINAL_CODE, (5, 7)), mask)


def test_label_studio_code() -> None:
    for mask in (np.zeros((37, 53), bool), np.ones((300, 500), bool)):  # a run longer than a code's longest
        np.testing.assert_array_equal(read_brush_rle(brush_rle(mask), mask.shape), mask)


def test_geojson(tmp_path: Path) -> None:
    item = make_item(rows=[16, 19, 0])
    document = json.loads(export("geojson", [item], tmp_path).path.read_text())
    assert document["type"] == "FeatureCollection"
    ring, parts, pixel = (feature["geometry"]["coordinates"] for feature in document["features"])
    assert [len(polygon) for polygon in ring] == [2]  # a hole
    assert [len(polygon) for polygon in parts] == [1, 1]
    assert sorted(map(tuple, pixel[0][0][:-1])) == [(17, 12), (17, 13), (18, 12), (18, 13)]
    for polygons in (ring, parts, pixel):
        assert all(line[0] == line[-1] for polygon in polygons for line in polygon)  # closed
    assert document["features"][0]["properties"]["classification"]["name"] == "cat"
    assert [feature["id"] for feature in document["features"]] == [1, 2, 3]


@pytest.mark.parametrize(("name", "mode"), [("raw", "coco_rle"), ("raw-uncompressed", "uncompressed_rle")])
def test_raw_is_what_the_generator_returns(name: str, mode: str, tmp_path: Path) -> None:
    item = replace(make_item(), labels=("",) * len(make_item().masks))
    assert json.loads(export(name, [item], tmp_path).path.read_text()) == item.masks.to_sam_dicts(mode)


# The proof's own rules


@pytest.mark.parametrize(
    ("change", "pixel", "allowed"),
    [
        (base.HIDES, False, True),  # a label map may take a pixel away
        (base.HIDES, True, False),  # but not add one
        (base.ADDS, True, True),  # YOLO may add one
        (base.ADDS, False, False),
        (base.EXACT, True, False),
        (base.EXACT, False, False),
    ],
)
def test_only_the_change_that_a_format_brings_is_accepted(change: str, pixel: bool, allowed: bool) -> None:
    item = make_item(rows=[9])
    found = rle.decode(item.masks.rle[0]).copy()
    position = (0, 0) if pixel else tuple(np.argwhere(found)[0])
    found[position] = pixel
    exporter = replace(EXPORTERS["masks"], change=change, read=lambda file, items: [[found]])
    if allowed:
        (check,) = proof.check_file(exporter, [item], io.BytesIO())
        assert check.iou == pytest.approx(iou(found, rle.decode(item.masks.rle[0])))
    else:
        with pytest.raises(ExportError, match="failed its check"):
            proof.check_file(exporter, [item], io.BytesIO())


def test_a_mask_of_another_size_is_a_fault() -> None:
    wrong = replace(EXPORTERS["masks"], read=lambda file, items: [[np.zeros((53, 37), bool)]])
    with pytest.raises(ExportError, match=r"#1 of photo\.jpg came back as \(53, 37\)"):
        proof.check_file(wrong, [make_item(rows=[9])], io.BytesIO())
