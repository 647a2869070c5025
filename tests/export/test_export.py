"""Downloads: every format holds the hard masks, is proved before it is handed out, and takes no name from a user."""

import contextlib
import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from automask_ui import export as exports
from automask_ui.errors import ExportError
from automask_ui.export import EXPORTERS, ExportItem, base, export, proof
from automask_ui.export.hard_masks import SIZES_HW, hard_items, hard_mask_set, mask_set
from automask_ui.files.names import safe_stem
from automask_ui.masks import overlay, rle


def make_item(size_hw: tuple[int, int] = (37, 53), name: str = "photo.jpg", rows: object = slice(None)) -> ExportItem:
    """All hard masks of a noisy picture; numbers with gaps, every third mask with a label."""
    masks = hard_mask_set(size_hw)[rows]
    image = np.random.default_rng(5).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    labels = tuple(("cat", "", "Hund & Katze")[row % 3] for row in range(len(masks)))
    return ExportItem(name, image, masks, tuple(range(3, 3 + 2 * len(masks), 2)), labels, {"model": "fake"})


def without_labels(item: ExportItem) -> ExportItem:
    return replace(item, labels=("",) * len(item.masks))


def load_coco(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("name", EXPORTERS)
def test_every_format_holds_the_hard_masks(name: str, size_hw: tuple[int, int], tmp_path: Path) -> None:
    item = make_item(size_hw)
    report = export(name, [item], tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [report.path.name]
    assert report.path.name == f"photo-{name}.{EXPORTERS[name].extension}"
    assert len(report.checks) == len(item.masks)
    assert [check.id for check in report.checks] == list(item.ids)
    if EXPORTERS[name].change == base.EXACT:
        assert report.exact == len(item.masks)
        is_drawn = EXPORTERS[name].unit == "overlay"
        assert report.summary == ("24 overlays written." if is_drawn else f"24 {EXPORTERS[name].unit}s, all exact.")


@pytest.mark.parametrize("name", EXPORTERS)
def test_several_pictures(name: str, tmp_path: Path) -> None:
    items = [
        make_item(name="a/photo.jpg", rows=[0, 16, 21]),
        make_item((40, 31), name="PHOTO.png", rows=[7, 8]),
        make_item((40, 31), name="none.png", rows=[]),
    ]
    report = export(name, items, tmp_path)
    assert report.path.stem == f"photo-and-2-more-{name}"
    assert [(check.photo, check.id) for check in report.checks] == [
        ("a/photo.jpg", 3), ("a/photo.jpg", 5), ("a/photo.jpg", 7), ("PHOTO.png", 3), ("PHOTO.png", 5)
    ]  # fmt: skip


@pytest.mark.parametrize("name", EXPORTERS)
def test_the_same_masks_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    first = export(name, [make_item()], tmp_path).path.read_bytes()
    assert export(name, [make_item()], tmp_path).path.read_bytes() == first


@pytest.mark.parametrize("name", EXPORTERS)
def test_hostile_names_stay_data(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    hostile = "../../<script>alert(1)</script>\0\n=cmd|'/c calc'!A1.png"
    item = replace(make_item(rows=[0, 16]), name=hostile, labels=("=1+1\n</name>", '"><img src=x onerror=1>'))
    report = export(name, [item], folder)
    assert report.path.parent == folder
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out"]
    if report.path.suffix in (".zip", ".ora"):
        with zipfile.ZipFile(report.path) as archive:
            for member in archive.namelist():
                assert not member.startswith("/")
                assert not {"..", ""} & set(member.split("/"))
                assert not set(member) & set('<>:"\\|?*\0\n')


def test_the_proof_of_every_format() -> None:
    """The README's table: who reads each format back, and how well the hard masks survive."""
    rows = {row["name"]: row for row in exports.proof_table({"hard": hard_items()})}
    assert list(rows) == list(EXPORTERS)
    for name, row in rows.items():
        if EXPORTERS[name].change == base.EXACT:
            assert (row["hard: exact"], row["hard: worst IoU"], row["notes"]) == ("48 of 48", "1.0000", "")
        else:
            assert row["notes"] == ("" if row["hard: exact"] == "48 of 48" else EXPORTERS[name].loses)
    # Only masks of several parts change: five in each size.
    assert rows["yolo"]["hard: exact"] == "38 of 48"


def test_nothing_to_write_is_refused(tmp_path: Path) -> None:
    for items in ([], [make_item(rows=[])]):
        with pytest.raises(ExportError, match="no masks"):
            export("coco", items, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_mask_without_pixels_is_refused(tmp_path: Path) -> None:
    masks = mask_set([np.ones((37, 53), bool), np.zeros((37, 53), bool)], (37, 53))
    item = ExportItem("a.png", np.zeros((37, 53, 3), np.uint8), masks, (1, 2), ("", ""))
    with pytest.raises(ExportError, match=r"#2 of a\.png has no pixels"):
        export("yolo", [item], tmp_path)


@pytest.mark.parametrize("name", EXPORTERS)
def test_scores_that_were_not_measured(name: str, tmp_path: Path) -> None:
    """With a threshold of 0 the stability is never measured: NaN, which JSON does not have."""
    item = make_item(rows=[9, 16])
    measured = export(name, [item], tmp_path)
    before = measured.path.rename(tmp_path / "measured")
    nothing = np.full(2, np.nan, np.float32)
    report = export(name, [replace(item, masks=replace(item.masks, stability_score=nothing))], tmp_path)
    assert report.checks == measured.checks
    scores = stability_scores(name, report.path)
    assert [float(score) for score in stability_scores(name, before)] == pytest.approx([0.909, 0.916][: len(scores)])
    # Formats with room for the score say that there is none; in the others, nothing changes.
    if scores:
        assert scores == [UNMEASURED[name]] * 2
    else:
        assert report.path.read_bytes() == before.read_bytes()


UNMEASURED = {
    "masks": "",
    "table": "",
    **dict.fromkeys(("coco", "coco-polygons", "geojson", "raw", "raw-uncompressed")),
}


def stability_scores(name: str, path: Path) -> list[float | str | None]:
    """The scores as the file has them, one a mask; none where the format has no room for them."""
    if name == "masks":
        with zipfile.ZipFile(path) as archive:
            return [
                row["stability_score"]
                for row in csv.DictReader(archive.read("photo/metadata.csv").decode().splitlines())
            ]
    if name == "table":
        return [row["stability_score"] for row in csv.DictReader(path.read_text("utf-8-sig").splitlines())]
    if name in UNMEASURED:
        document = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
        if name == "geojson":
            return [feature["properties"]["stability_score"] for feature in document["features"]]
        return [row["stability_score"] for row in (document if name.startswith("raw") else document["annotations"])]
    return []


def test_numbers_from_numpy(tmp_path: Path) -> None:
    item = make_item(rows=[9, 16])
    path = export("coco", [replace(item, ids=tuple(np.array([4, 9])))], tmp_path).path
    assert [row["number"] for row in json.loads(path.read_text("utf-8"))["annotations"]] == [4, 9]


def test_further_files_travel_in_a_zip(tmp_path: Path) -> None:
    extras = {"automask.json": b"{}"}
    report = export("masks", [make_item(rows=[9])], tmp_path, extras.items())
    with zipfile.ZipFile(report.path) as archive:
        assert archive.read("automask.json") == b"{}"
        assert archive.testzip() is None
    json.loads(export("coco", [make_item(rows=[9])], tmp_path, extras.items()).path.read_text())


def test_any_name_is_safe() -> None:
    random = np.random.default_rng(11)
    alphabet = [*"ab./\\:*?<>|\0\n\t ~-_%$#'\"고é\u202e\U0001f600", "con", "..", ".png", "COM1"]
    for _ in range(2000):
        name = "".join(random.choice(alphabet, random.integers(0, 120)))
        stem = safe_stem(name)
        assert 0 < len(stem.encode()) <= 181
        assert not set(stem) & set('/\\:*?"<>|\0\n\t')
        assert stem.strip(" .") == stem
        assert stem.split(".")[0].strip().casefold() not in ("con", "com1")
        assert safe_stem(stem) == stem or "." in stem  # done once is done


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no format 'tiff16'; formats are masks, coco"):
        export("tiff16", [make_item()], tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="could not be written: No such file"):
        export("coco", [make_item()], tmp_path / "gone")


def broken(monkeypatch: pytest.MonkeyPatch, name: str, **changes: object) -> None:
    monkeypatch.setitem(exports.EXPORTERS, name, replace(EXPORTERS[name], **changes))


def test_a_file_that_fails_its_check_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write = EXPORTERS["masks"].write

    def write_wrong(items: list[ExportItem], file: io.BufferedIOBase) -> None:
        (item,) = items
        shuffled = item.masks.rle.copy()
        shuffled[[0, 1]] = shuffled[[1, 0]]
        write([replace(item, masks=replace(item.masks, rle=shuffled))], file)

    broken(monkeypatch, "masks", write=write_wrong)
    with pytest.raises(ExportError, match=r"2 of 24 came back changed, #3 of photo\.jpg with IoU 0\.000"):
        export("masks", [make_item()], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "write",
    [
        lambda items, file: file.write(b"not a zip"),  # what cannot be read
        lambda items, file: None,  # an empty file
    ],
)
def test_a_file_that_cannot_be_read_back_is_not_kept(
    write: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken(monkeypatch, "masks", write=write)
    with pytest.raises(ExportError, match="could not be read back"):
        export("masks", [make_item()], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = export("coco", [make_item()], tmp_path).path.read_bytes()

    def write_too_much(items: list[ExportItem], file: io.BufferedIOBase) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    broken(monkeypatch, "coco", write=write_too_much)
    with pytest.raises(ExportError, match="No space left on device"):
        export("coco", [make_item()], tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_the_summary_names_what_changed(tmp_path: Path) -> None:
    lossy = replace(EXPORTERS["masks"], change=base.HIDES, loses="Told why.")
    checks = [proof.MaskCheck("a", 1, 1.0), proof.MaskCheck("a", 7, 0.99996), proof.MaskCheck("a", 9, 0.5, twin=7)]
    report = proof.ExportReport(tmp_path, lossy, (*checks, proof.MaskCheck("a", 12, 0.0)))
    assert report.summary == (
        "4 masks: 1 exact, 2 changed (worst IoU 0.500, #9), 1 hidden altogether (#12), 1 the same as another. Told why."
    )
    assert report.worst_iou == 0
    assert proof.ExportReport(tmp_path, lossy, tuple(checks[1:2])).summary == (
        "1 mask: 0 exact, 1 changed (worst IoU 0.999, #7). Told why."  # never rounded up to 1
    )


def test_masks_that_can_no_longer_be_told_apart() -> None:
    item = make_item(rows=[9, 10])
    same = replace(EXPORTERS["masks"], read=lambda file, items: [[item.masks.rle[0]] * 2], change=base.ADDS)
    assert [check.twin for check in proof.check_file(same, [item], io.BytesIO())] == [None, 3]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("holiday.JPG", "holiday"),
        ("my photo (2).jpeg", "my photo (2)"),
        ("고양이 사진.png", "고양이 사진"),  # letters of all scripts stay
        ("Größe.tif", "Größe"),
        ("archive.tar.gz", "archive.tar"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system32.png", "system32"),
        ("/", "photo"),
        ("", "photo"),
        ("...", "photo"),
        (".hidden.png", "hidden"),
        ("a\0b\nc\u202egpj.png", "abcgpj"),  # control characters and a text-direction trick
        ("con.png", "_con"),  # Windows devices
        ("COM1.tar.gz", "_COM1.tar"),
        ("console.png", "console"),
        ("<b>x</b>.png", "b"),
        ("a:b*c?d|e\"f'.png", "abcdef"),
        ("$(rm -rf ~)`x`.png", "(rm -rf )x"),
        ("x" * 300 + ".png", "x" * 100),
        ("한" * 300 + ".png", "한" * 60),  # 255 bytes are all that a file system allows
    ],
)
def test_safe_stem(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


def test_items_must_fit_together() -> None:
    item = make_item(rows=[0, 1])
    for changes in ({"ids": (1,)}, {"ids": (1, 1)}, {"labels": ("a",)}, {"image": item.image[:-1]}):
        with pytest.raises(ValueError, match=r"ids|id|masks"):
            replace(item, **changes)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools with NumPy 2
@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_coco_opens_in_pycocotools(name: str, tmp_path: Path) -> None:
    items = [make_item(), make_item((534, 800), name="zwei.png")]
    dataset = load_coco(export(name, items, tmp_path).path)
    assert [entry["file_name"] for entry in dataset.loadImgs([1, 2])] == ["photo.jpg", "zwei.png"]
    assert {category["name"] for category in dataset.loadCats(dataset.getCatIds())} == {"cat", "object", "Hund & Katze"}
    for image_id, item in enumerate(items, start=1):
        annotations = dataset.loadAnns(dataset.getAnnIds(imgIds=[image_id]))
        for annotation, (id_, label, mask) in zip(annotations, item.rows(), strict=True):
            np.testing.assert_array_equal(dataset.annToMask(annotation), rle.decode(mask.rle))
            assert annotation["number"] == id_
            assert dataset.cats[annotation["category_id"]]["name"] == label
            assert annotation["area"] == rle.decode(mask.rle).sum()  # not the box's area
            assert annotation["bbox"] == list(rle.bbox_xywh(mask.rle))
            assert annotation["iscrowd"] == 0
    assert dataset.dataset["licenses"] == []
    assert dataset.dataset["info"]["model"] == "fake"


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools with NumPy 2
def test_coco_results_load_too(tmp_path: Path) -> None:
    dataset = load_coco(export("coco", [make_item()], tmp_path).path)
    results = [{**annotation, "score": 0.5} for annotation in dataset.dataset["annotations"]]
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = dataset.loadRes(results)
    np.testing.assert_array_equal(loaded.annToMask(loaded.anns[17]), rle.decode(make_item().masks.rle[16]))


def test_mask_pictures_are_as_upstream_writes_them(tmp_path: Path) -> None:
    item = without_labels(make_item())
    with zipfile.ZipFile(export("masks", [item], tmp_path).path) as archive:
        lines = archive.read("photo/metadata.csv").decode().splitlines()
        names = archive.namelist()
        pictures = [Image.open(io.BytesIO(archive.read(f"photo/{id_}.png"))) for id_ in item.ids]
    # The header of upstream's scripts/amg.py, word for word.
    assert lines[0] == (
        "id,area,bbox_x0,bbox_y0,bbox_w,bbox_h,point_input_x,point_input_y,predicted_iou,stability_score,"
        "crop_box_x0,crop_box_y0,crop_box_w,crop_box_h"
    )
    assert names == [*(f"photo/{id_}.png" for id_ in item.ids), "photo/metadata.csv"]
    row = next(csv.DictReader(lines[:1] + lines[17:]))
    assert row["id"] == str(item.ids[16])
    assert row["area"] == str(item.masks.area[16])
    assert [int(row[f"bbox_{key}"]) for key in ("x0", "y0", "w", "h")] == item.masks.bbox_xywh[16].tolist()
    for picture, mask in zip(pictures, item.masks.rle, strict=True):
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), rle.decode(mask) * np.uint8(255))


def test_overlay_is_the_photo_with_masks(tmp_path: Path) -> None:
    item = make_item(rows=[9, 10, 16])
    with Image.open(export("overlay", [item], tmp_path).path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), overlay.draw(item.image, item.masks))


def test_table_opens_as_csv(tmp_path: Path) -> None:
    item = replace(make_item(rows=[0, 16]), labels=("=SUM(A1:A9)", "고양이"))
    data = export("table", [item], tmp_path).path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")  # Excel
    first, second = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert first["label"] == "'=SUM(A1:A9)"
    assert second["label"] == "고양이"
    assert second["area_px"] == str(item.masks.area[1])
    assert second["colour"] == item.colours[1]


def test_json_is_plain_utf8(tmp_path: Path) -> None:
    item = replace(make_item(rows=[0]), labels=("고양이",))
    text = export("coco", [item], tmp_path).path.read_text(encoding="utf-8")
    assert "고양이" in text
    assert json.loads(text)["categories"] == [{"id": 1, "name": "고양이", "supercategory": ""}]


def test_equal_masks_are_no_loss() -> None:
    mask = np.ones((37, 53), bool)
    item = ExportItem("a", np.zeros((37, 53, 3), np.uint8), mask_set([mask, mask], (37, 53)), (1, 2), ("", ""))
    file = io.BytesIO()
    EXPORTERS["masks"].write([item], file)
    assert [check.twin for check in proof.check_file(EXPORTERS["masks"], [item], file)] == [None, None]


def test_pictures_have_their_files_own_names(tmp_path: Path) -> None:
    odd = "Screenshot 10.00\N{NARROW NO-BREAK SPACE}AM  x.png"
    item = make_item(name=odd, rows=[0])
    assert json.loads(export("coco", [item], tmp_path).path.read_text("utf-8"))["images"][0]["file_name"] == odd
    assert json.loads(export("geojson", [item], tmp_path).path.read_text("utf-8"))["image"]["name"] == odd
    assert odd in export("cvat", [item], tmp_path).path.read_text("utf-8")
    # What no text file can hold is replaced, and nothing fails over it.
    spoilt = make_item(name="a\x00\x0bb\udcff.png", rows=[0])
    for name in EXPORTERS:
        export(name, [spoilt], tmp_path)
    name = json.loads(export("coco", [spoilt], tmp_path).path.read_text("utf-8"))["images"][0]["file_name"]
    assert name == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}.png"


def test_classes_of_voc_never_share_a_name(tmp_path: Path) -> None:
    item = replace(make_item(rows=[0, 1, 2]), labels=("a:b", "a b", "background"))
    with zipfile.ZipFile(export("voc", [item], tmp_path).path) as archive:
        rows = archive.read("labelmap.txt").decode().splitlines()[1:]
    names = [row.split(":")[0] for row in rows]
    assert names == ["background", "a b", "a b 2", "background 2"]
