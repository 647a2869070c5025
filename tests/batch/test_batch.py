"""Batches: what lands, what is done again, and that no interruption shows in the result."""

import csv
import errno
import hashlib
import json
import os
import shutil
import threading
import weakref
import xml.etree.ElementTree as ElementTree
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import yaml
from batch_runs import Engine, contents, make_pictures, run, run_killed, task
from closed_folder import close
from filelock import FileLock
from PIL import Image, ImageColor
from pycocotools.coco import COCO

from automask_ui import limits
from automask_ui.batch import Failure, formats, put_aside, run_batch, worker
from automask_ui.batch import dataset as datasets
from automask_ui.batch.dataset import Dataset, FilesRecord, MasksRecord
from automask_ui.batch.pictures import Picture, find_pictures
from automask_ui.errors import BatchError, EngineOutOfMemoryError, ExportError
from automask_ui.export import EXPORTERS, base
from automask_ui.export import yolo as yolo_format
from automask_ui.export.coco import to_coco
from automask_ui.export.hard_masks import hard_mask_set
from automask_ui.files.hashes import sha256_of
from automask_ui.files.images import open_image
from automask_ui.masks import rle
from automask_ui.options import GeneratorOptions


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    make_pictures(folder, 4)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "dataset"


def paint(path: Path, colour: str = "navy", size_wh: tuple[int, int] = (53, 37)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh, colour).save(path)


def visible(folder: Path) -> dict[str, bytes]:
    """What the user is given."""
    return {name: data for name, data in contents(folder).items() if not name.startswith(".automask/")}


def test_a_coco_file_holds_every_picture_with_its_masks(photos, out):
    report = run(photos, out, "coco")
    coco = COCO(out / "coco.json")
    names = ["photo 0.png", "photo 1.png", "photo 3.png", "more/of it/photo 1.png"]
    assert [image["file_name"] for image in coco.dataset["images"]] == names
    assert {(image["height"], image["width"]) for image in coco.dataset["images"]} == {(37, 53)}
    assert len(coco.anns) == report.masks > 40
    for annotation in coco.dataset["annotations"]:
        assert rle.area(coco.annToRLE(annotation)) == annotation["area"] > 0
    assert [len(coco.getAnnIds(image)) for image in coco.imgs] == [report.masks // 4] * 4
    assert coco.dataset["info"]["model"] == "Fake model"
    assert report.written == [f"coco.json: {report.masks} masks, all exact"]


def test_formats_with_files_for_each_picture_keep_the_folders(photos, out):
    run(photos, out, "yolo", "voc", "labelme", "masks", "overlay")
    pairs = {"photo 0", "photo 1", "photo 3", "more/of it/photo 1"}
    for folder, suffix in [
        ("yolo/images/train", ".jpg"),
        ("yolo/labels/train", ".txt"),
        ("voc/JPEGImages", ".jpg"),
        ("voc/SegmentationClass", ".png"),
        ("voc/SegmentationObject", ".png"),
        ("labelme", ".json"),
        ("labelme", ".jpg"),
        ("overlay", ".png"),
        ("masks", "/metadata.csv"),
    ]:
        found = {name for name in contents(out / folder) if name.endswith(suffix)}
        assert found == {f"{pair}{suffix}" for pair in pairs}
    assert (out / "yolo" / "data.yaml").read_text().startswith("train: images/train\n")
    listed = (out / "voc" / "ImageSets" / "Segmentation" / "default.txt").read_text().splitlines()
    assert set(listed) == pairs
    assert (out / "voc" / "labelmap.txt").exists()
    # The two of one name are two pictures.
    assert (out / "overlay/photo 1.png").read_bytes() != (out / "overlay/more/of it/photo 1.png").read_bytes()


def test_every_format_works(photos, out):
    shutil.rmtree(photos / "more")
    report = run(photos, out, *EXPORTERS, pred_iou_thresh=0.9)
    assert report.failures == []
    assert len(report.written) == len(EXPORTERS)
    for name in EXPORTERS:
        assert (out / f"{name}.json").is_file() if EXPORTERS[name].whole_dataset else (out / name).is_dir()
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [row["picture"] for row in rows] == ["photo 0.png", "photo 1.png", "photo 3.png"]
    assert sum(int(row["masks"]) for row in rows) == report.masks


def test_what_is_finished_is_not_done_again(photos, out):
    first = run(photos, out)
    before = contents(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    engine = Engine()
    second = run(photos, out, engine=engine)
    assert engine.shown == 0
    assert (first.made, first.kept, second.made, second.kept) == (4, 0, 0, 4)
    assert contents(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == times
    assert second.written == first.written


def _change_picture(photos: Path, out: Path) -> None:
    paint(photos / "photo 3.png", size_wh=(41, 29))


def _add_picture(photos: Path, out: Path) -> None:
    paint(photos / "a new folder" / "photo.png")


def _delete_results(photos: Path, out: Path) -> None:
    (out / "yolo/labels/train/photo 0.txt").unlink()
    (out / "coco.json").unlink()


def _cut_off_result(photos: Path, out: Path) -> None:
    with (out / "overlay/photo 0.png").open("r+b") as file:
        file.truncate(10)


def _damage_record(photos: Path, out: Path) -> None:
    next((out / ".automask" / "masks").glob("*/*.json")).write_text('{"version": 1, "mas')


def _leave_scratch(photos: Path, out: Path) -> None:
    (out / ".automask" / "scratch" / "of a run").mkdir(parents=True)
    (out / ".automask" / "scratch" / "of a run" / "half a file").write_bytes(b"half")


def _nothing(photos: Path, out: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "settings", "shown"),
    [
        (_nothing, {"pred_iou_thresh": 0.9}, 4),  # other masks, and fewer: the files of those that went have to go
        (_nothing, {"points_per_side": 5}, 4),  # more masks
        (_nothing, {"model_key": "other"}, 4),  # another model
        (_nothing, {"points_per_batch": 3}, 0),  # makes no difference to the masks
        (_change_picture, {}, 1),  # a picture is not what it was
        (_add_picture, {}, 1),
        (_delete_results, {}, 0),
        (_cut_off_result, {}, 0),
        (_damage_record, {}, 1),
        (_leave_scratch, {}, 0),
    ],
)
def test_only_what_changed_is_done_again(photos, out, tmp_path, change, settings, shown):
    run(photos, out)
    change(photos, out)
    engine = Engine()
    run(photos, out, engine=engine, **settings)
    assert engine.shown == shown
    run(photos, tmp_path / "anew", **settings)
    # What was cut off may as well have been written by somebody: it is kept elsewhere.
    kept = {name: data for name, data in contents(out).items() if not name.startswith("changed/")}
    assert kept == contents(tmp_path / "anew")


def test_a_further_format_needs_no_model(photos, out):
    run(photos, out, "coco", "overlay")
    coco = (out / "coco.json").read_bytes()
    engine = Engine()
    report = run(photos, out, "yolo", engine=engine)
    assert engine.shown == 0
    assert report.kept == 4
    assert len(list((out / "yolo" / "labels").rglob("*.txt"))) == 4
    # What was made before shows the same masks, so it stays.
    assert (out / "coco.json").read_bytes() == coco
    assert len(list((out / "overlay").rglob("*.png"))) == 4


def test_files_that_show_other_masks_do_not_stay(photos, out):
    run(photos, out, "coco", "coco-polygons", "overlay")
    run(photos, out, "yolo", pred_iou_thresh=0.9)
    assert {name.split("/")[0] for name in visible(out)} == {"yolo", "manifest.csv"}


class _Stopped(BaseException):
    """Ends a run where it stands, as a kill would."""


@pytest.mark.parametrize("is_done", [False, True])  # just before or just after the file was moved
def test_stopped_at_any_step_it_ends_with_the_same_files(tmp_path, monkeypatch, is_done):
    photos, whole = tmp_path / "photos", tmp_path / "whole"
    make_pictures(photos, 2)
    settings = {"points_per_side": 2, "pred_iou_thresh": 0.8}
    formats = ("coco", "yolo", "masks")
    replace = os.replace
    left = 0

    def move(source, target):
        nonlocal left
        left -= 1
        if left == 0 and not is_done:
            raise _Stopped
        replace(source, target)
        if left == 0:
            raise _Stopped

    monkeypatch.setattr(os, "replace", move)
    run(photos, whole, *formats, **settings)
    steps = -left
    assert steps > 20
    expected = contents(whole)
    for step in range(1, steps + 1):
        out = tmp_path / f"stopped at {step}"
        # From other masks, so that there is something to be tidied away.
        if step % 3 == 0:
            run(photos, out, *formats, **{**settings, "points_per_side": 2})
        left = step
        try:
            run(photos, out, *formats, **settings)
        except _Stopped:
            left = 0
            run(photos, out, *formats, **settings)
        assert contents(out) == expected, step


def test_killed_at_random_moments_it_ends_with_every_picture_once(tmp_path):
    photos = tmp_path / "photos"
    make_pictures(photos, 12)
    assert run_killed(photos, tmp_path / "killed", kills=6) >= 4
    engine = Engine()
    run(photos, tmp_path / "killed", engine=engine)
    assert engine.shown == 0
    run(photos, tmp_path / "whole")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    names = [image["file_name"] for image in COCO(tmp_path / "killed" / "coco.json").dataset["images"]]
    assert len(names) == len(set(names)) == 12


def test_a_full_disk_is_said_and_loses_nothing(photos, out, tmp_path, monkeypatch):
    write = datasets.write_atomic
    left = 30

    def write_some(*arguments, **options):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        return write(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(datasets, "write_atomic", write_some)
        with pytest.raises(BatchError, match=r"could not be written: No space left on device.*goes on from there"):
            run(photos, out)
    engine = Engine()
    run(photos, out, engine=engine)
    assert 0 < engine.shown < 4
    run(photos, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_a_full_disk_while_a_file_is_exported_stops_the_run(photos, out, monkeypatch):
    def fails(name, items, folder, negatives):
        raise ExportError("The file could not be written: full.") from OSError(28, "full")

    monkeypatch.setattr("automask_ui.batch.formats.export", fails)
    with pytest.raises(BatchError, match=r"full\. What is finished is kept"):
        run(photos, out, "overlay")


def test_pictures_that_cannot_be_used_are_named_and_the_others_done(photos, out):
    (photos / "text.jpg").write_text("no picture")
    (photos / "empty.png").write_bytes(b"")
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    report = run(photos, out, "coco", "overlay")
    assert [failure.name for failure in report.failures] == ["empty.png", "gone.png", "text.jpg"]
    assert "0 bytes" in report.failures[0].reason
    assert "could not be read" in report.failures[1].reason
    assert (report.total, report.made) == (7, 4)
    assert len(COCO(out / "coco.json").imgs) == 4
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as table:
        assert [row["picture"] for row in csv.DictReader(table) if row["error"]] == [
            "empty.png",
            "gone.png",
            "text.jpg",
        ]


def test_a_file_that_is_too_large_to_be_read_is_named_and_the_others_done(photos, out, monkeypatch):
    with (photos / "huge.tif").open("wb") as file:
        file.truncate(limits.MAX_FILE_BYTES + 1)
    read_bytes = Path.read_bytes

    def without_memory(path):
        if path.name == "large.tif":
            raise MemoryError
        return read_bytes(path)

    (photos / "large.tif").write_bytes(b"II*")
    monkeypatch.setattr(Path, "read_bytes", without_memory)
    report = run(photos, out, "coco")
    assert [failure.name for failure in report.failures] == ["huge.tif", "large.tif"]
    assert report.failures[0].reason.startswith("huge.tif has more than 4.3 GB, the most that a picture's file may")
    assert report.failures[1].reason == "Memory ran out while large.tif was read. Make it smaller."
    assert report.made == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are Unix's")
def test_a_pipe_among_the_pictures_is_named_and_not_waited_for(photos, out):
    os.mkfifo(photos / "pipe.png")
    report = run(photos, out, "coco")
    assert report.failures == [Failure("pipe.png", "it is no file, but a pipe, a device or the like.")]
    assert report.made == 4


def test_a_picture_that_the_model_cannot_take_does_not_stop_the_others(photos, out):
    class Small(Engine):
        def steps(self, image, options, earlier=None):
            if image.shape[0] > 100:
                raise EngineOutOfMemoryError("Memory ran out.")
            return super().steps(image, options, earlier)

    paint(photos / "large.png", size_wh=(20, 101))
    report = run(photos, out, engine=Small())
    assert report.failures == [Failure("large.png", "Memory ran out.")]
    assert report.made == 4


def test_a_format_that_cannot_hold_the_masks_is_named_and_the_others_written(out, tmp_path, monkeypatch):
    def is_full(name, items, folder, negatives):
        if name == "voc":
            raise ExportError("Too many objects.")
        return export(name, items, folder, negatives=negatives)

    export = formats.export
    monkeypatch.setattr(formats, "export", is_full)
    make_pictures(tmp_path / "photos", 1)
    report = run(tmp_path / "photos", out, "voc", "overlay")
    assert report.failures == [Failure("photo 0.png", "voc: Too many objects.")]
    assert (out / "overlay" / "photo 0.png").exists()
    # It is tried again, with the masks that are there.
    monkeypatch.setattr(formats, "export", export)
    engine = Engine()
    assert run(tmp_path / "photos", out, "voc", "overlay", engine=engine).failures == []
    assert engine.shown == 0


def test_pictures_without_masks_are_left_out_or_negatives(photos, out):
    left_out = run(photos, out, "coco", "yolo", pred_iou_thresh=1)
    assert len(COCO(out / "coco.json").imgs) == 0
    assert left_out.failures == []
    assert left_out.notes == [
        "4 pictures have no masks with these settings, and are only in manifest.csv. With --negatives, coco and yolo "
        "would say that nothing is in them."
    ]
    assert not (out / "yolo").exists()

    engine = Engine()
    kept = run_batch(photos, out, engine, replace(task("coco", "yolo", "overlay", pred_iou_thresh=1), negatives=True))
    assert (engine.shown, kept.failures) == (0, [])
    assert kept.notes == [
        "4 pictures have no masks with these settings: coco and yolo say that nothing is in them; other formats have "
        "no files of them."
    ]
    coco = COCO(out / "coco.json")
    assert (len(coco.imgs), len(coco.anns), len(coco.cats)) == (4, 0, 1)
    labels = labels_by_ultralytics(out / "yolo")
    assert [label.read_bytes() for label in labels.values()] == [b""] * 4
    assert (out / "yolo/data.yaml").read_text().endswith('names:\n  0: "object"\n')
    assert not (out / "overlay").exists()

    # Without the choice, the files go again.
    assert run(photos, out, "coco", "yolo", engine=engine, pred_iou_thresh=1).made == 0
    assert len(COCO(out / "coco.json").imgs) == 0
    assert not list(out.rglob("*.txt"))


def test_negatives_have_the_classes_of_the_others(photos, out):
    """One picture alone has no masks: the list of classes is the same, whichever picture is written last."""
    for number, name in enumerate(["photo 0.png", "more/of it/photo 1.png"]):
        paint(photos / name)

        class Some(Engine):
            def steps(self, image, options, earlier=None):
                blank = image is not None and not image[..., 0].any()
                return super().steps(image, options.replace(pred_iou_thresh=1) if blank else options, earlier)

        run_batch(photos, out / str(number), Some(), replace(task("yolo", "coco"), negatives=True))
        assert (out / str(number) / "yolo/data.yaml").read_text().endswith('names:\n  0: "object"\n')
        labels = labels_by_ultralytics(out / str(number) / "yolo")
        assert sum(not label.read_bytes() for label in labels.values()) == number + 1
        assert len(COCO(out / str(number) / "coco.json").imgs) == 4


# Where the readers of other tools look


def labels_by_ultralytics(yolo: Path) -> dict[Path, Path]:
    """Pictures of a dataset with their labels, by the rule of ``img2label_paths`` in ultralytics/data/utils.py."""
    data = yaml.safe_load((yolo / "data.yaml").read_text())
    assert data["train"] == data["val"]
    pictures = sorted(path for path in (yolo / data["train"]).resolve().rglob("*.*") if path.is_file())
    images, labels = f"{os.sep}images{os.sep}", f"{os.sep}labels{os.sep}"
    return {path: Path(labels.join(str(path).rsplit(images, 1)).rsplit(".", 1)[0] + ".txt") for path in pictures}


def labels_by_cvat(yolo: Path) -> dict[Path, Path]:
    """The same by ``YoloUltralyticsDetectionExtractor._get_labels_path_from_image_path`` of CVAT's Datumaro."""
    found = {}
    for path in sorted(path for path in (yolo / "images").rglob("*.*") if path.is_file()):
        first, second, rest = str(path.relative_to(yolo)).split(os.sep, 2)
        assert "images" in (first, second)
        parts = [first, second, rest]
        parts[max(place for place, part in enumerate(parts) if part == "images")] = "labels"
        found[path.resolve()] = yolo.resolve() / Path(*parts).with_suffix(".txt")
    return found


HARD_FOLDERS = [
    "images",
    "a/images/b",
    "images/images",
    "images_",
    "labels",
    "train",
    "images/train/labels",
    "Images",
    ".",
]


@pytest.mark.parametrize("above", ["plain", "images", "images/labels"])
def test_readers_of_yolo_find_every_label(tmp_path, above):
    photos, out = tmp_path / "photos", tmp_path / above / "out"
    for number, folder in enumerate(HARD_FOLDERS):
        paint(photos / folder / "images.png", f"#{number + 1:02x}ffff")
        paint(photos / folder / "a.b.png", f"#ff{number + 1:02x}ff")
    assert run(photos, out, "yolo").failures == []
    found = labels_by_ultralytics(out / "yolo")
    assert len(found) == 2 * len(HARD_FOLDERS)
    assert set(found.values()) == {path.resolve() for path in (out / "yolo/labels").rglob("*.txt")}
    assert found == labels_by_cvat(out / "yolo")
    assert all(label.read_bytes() for label in found.values())


def test_what_an_earlier_version_laid_out_otherwise_is_laid_out_anew(photos, out, monkeypatch):
    paint(photos / "images" / "x.png")
    layout = base.FolderLayout(("images", "labels"), frozenset({"data.yaml"}))
    now = EXPORTERS["yolo"]
    monkeypatch.setattr(yolo_format, "_IMAGES", "images")
    monkeypatch.setattr(yolo_format, "_LABELS", "labels")
    monkeypatch.setitem(EXPORTERS, "yolo", replace(now, layout=layout))
    run(photos, out, "yolo")
    assert not all(label.exists() for label in labels_by_ultralytics(out / "yolo").values())
    monkeypatch.undo()
    engine = Engine()
    assert run(photos, out, "yolo", engine=engine).failures == []
    fresh = out.parent / "fresh"
    run(photos, fresh, "yolo")
    assert (engine.shown, visible(out)) == (0, visible(fresh))


def test_readers_of_voc_find_every_picture(tmp_path, out):
    """As torchvision's VOCSegmentation (lines are stripped) and Datumaro (# begins a comment) read the list."""
    photos = tmp_path / "photos"
    folders = [
        "#1",
        " # 2 ",
        "100%",
        "100%25",
        "a\nb",
        "JPEGImages",
        "Annotations",
        "SegmentationClass/#3",
        "my photos",
    ]
    for number, folder in enumerate(folders):
        paint(photos / folder / "photo 1.png", f"#{number:02x}ffff")
    assert run(photos, out, "voc").failures == []
    with (out / "voc/ImageSets/Segmentation/default.txt").open(encoding="utf-8") as lines:
        listed = [line.strip() for line in lines if not line.strip().startswith("#")]
    assert len(set(listed)) == len(folders)
    for kind, suffix in [("JPEGImages", "jpg"), ("SegmentationClass", "png"), ("SegmentationObject", "png")]:
        assert all((out / "voc" / kind / f"{name}.{suffix}").is_file() for name in listed)


def test_readers_of_labelme_find_every_picture(tmp_path, out):
    """LabelMe joins ``imagePath`` to the folder of the JSON file (``LabelFile.load``)."""
    photos = tmp_path / "photos"
    for number, folder in enumerate(HARD_FOLDERS):
        paint(photos / folder / "photo.json.png", f"#{number:02x}ffff")
    run(photos, out, "labelme")
    documents = list((out / "labelme").rglob("*.json"))
    assert len(documents) == len(HARD_FOLDERS)
    for path in documents:
        document = json.loads(path.read_text(encoding="utf-8"))
        with Image.open(path.parent / document["imagePath"]) as picture:
            assert picture.size == (document["imageWidth"], document["imageHeight"])


def test_file_names_of_coco_and_cvat_are_paths_below_the_photos(tmp_path, out):
    """Detectron2, torchvision, FiftyOne join ``file_name`` to the folder of pictures; CVAT looks for a task's path."""
    photos = tmp_path / "photos"
    for number, folder in enumerate(HARD_FOLDERS):
        paint(photos / folder / "photo 1.png", f"#{number:02x}ffff")
    run(photos, out, "coco", "cvat")
    names = [image["file_name"] for image in COCO(out / "coco.json").dataset["images"]]
    cvat = [image.attrib["name"] for path in out.rglob("*.xml") for image in ElementTree.parse(path).iter("image")]
    assert sorted(names) == sorted(cvat) == sorted(str(path.relative_to(photos)) for path in photos.rglob("*.png"))


def test_pictures_that_are_gone_are_left_out_and_said(photos, out):
    run(photos, out, "coco")
    (photos / "photo 3.png").unlink()
    report = run(photos, out, "coco")
    assert len(COCO(out / "coco.json").imgs) == 3
    assert "1 picture is no longer there, or not usable any more, with files of earlier runs" in report.notes[0]


def test_files_that_stay_of_a_picture_that_fails_now_are_told(photos, out):
    """A class list of other numbers made its old labels in YOLO's folder mean other things."""
    run(photos, out, "yolo")
    (photos / "photo 3.png").write_text("no picture any more")
    report = run(photos, out, "yolo")
    assert (out / "yolo/labels/train/photo 3.txt").is_file()
    assert [note for note in report.notes if "1 picture is no longer there, or not usable" in note and "YOLO" in note]


def test_what_all_pictures_share_is_made_anew_by_every_run(photos, out, monkeypatch):
    """Pictures that are finished are not written again, whatever has become of these files."""
    shared = [out / "yolo/data.yaml", out / "voc/labelmap.txt"]
    run(photos, out, "yolo", "voc")
    before = visible(out)
    shared[0].unlink()
    shared[1].write_text("of another class list, by a run that was stopped")
    run(photos, out, "yolo", "voc")
    assert visible(out) == before | {"changed/voc/labelmap.txt": b"of another class list, by a run that was stopped"}
    assert run(photos, out.with_name("empty"), "yolo", "voc", pred_iou_thresh=1).masks == 0
    assert not any(path.name in ("data.yaml", "labelmap.txt") for path in out.with_name("empty").rglob("*"))


def test_names_that_differ_in_their_ending_are_told_where_readers_of_coco_stumble(photos, out):
    paint(photos / "photo 0.jpg")
    (note,) = [note for note in run(photos, out, "coco").notes if "ending" in note]
    assert note.startswith("2 pictures differ from others only in the ending of their names, such as photo 0.jpg and")
    assert not [note for note in run(photos, out, "yolo").notes if "ending" in note]


def test_names_that_would_meet_are_kept_apart(tmp_path, out):
    photos = tmp_path / "photos"
    names = ["a.png", "a.bmp", "A.webp", "b.png", "b/a.png", "data.png", "labels.png", "=1+1.png", "é" * 120 + ".png"]
    # Formats make files of a picture's name with endings of their own.
    names += ["c.bmp", "c.json/a.png", "d.png", "D.JPG/a.png", "d.txt/a.png"]
    for number, name in enumerate(names):
        paint(photos / name, f"#{number:02x}ffff")
    paint(photos / ".hidden.png")
    paint(photos / ".folder" / "hidden.png")
    (photos / "notes.txt").write_text("no picture")
    report = run(photos, out, "coco", "yolo", "masks", "labelme")
    assert report.failures == []
    assert sorted(image["file_name"] for image in COCO(out / "coco.json").dataset["images"]) == sorted(names)
    pictures = {name: open_image(path)[0, 0, 0] for path in out.rglob("*.jpg") for name in [path.stem]}
    assert len(list((out / "yolo" / "images").rglob("*.jpg"))) == len(names)
    assert {"a", "a-2", "a-3", "b-2", "data", "labels", "c-2", "d-2"} <= pictures.keys()
    assert not {"b", "c", "d"} & pictures.keys()
    files = [{Path(name).with_suffix("") for name in contents(out / "yolo" / kind)} for kind in ("images", "labels")]
    assert files[0] == files[1]
    assert find_pictures(photos, out).others == 2


@pytest.mark.parametrize("name", ["masks", "yolo", "overlay"])
def test_pictures_that_come_later_take_nobodys_files(tmp_path, out, name):
    photos = tmp_path / "photos"
    paint(photos / "a.png", "navy")
    run(photos, out, name)
    before = visible(out)
    paint(photos / "a.bmp", "teal")
    paint(photos / "automask.png", "olive")
    report = run(photos, out, name)
    after = visible(out)
    assert report.failures == []
    del before["manifest.csv"]
    assert before.items() <= after.items()
    fresh = tmp_path / "fresh"
    run(photos, fresh, name)
    assert len(after) == len(visible(fresh))
    for path in out.rglob(".automask/files/*/*.json"):
        record = json.loads(path.read_text())
        assert all((out / file).is_file() for written in record["formats"].values() for file in written["files"])
    assert run(photos, out, name, engine=Engine()).made == 0


@pytest.mark.parametrize(
    "folders",
    [
        (["a.bmp", "a.png"], ["a.png"], ["a.bmp", "a.png"]),  # one goes and comes back
        (["a.bmp"], ["a.png"], ["a.bmp", "a.png"]),  # one takes the place of another, which comes back
        (["a.bmp", "a.png"], ["a.bmp", "a.png", "a-2.png"]),  # one has the name that another got
    ],
)
def test_pictures_that_come_and_go_take_nobodys_files(tmp_path, out, folders):
    colours = {"a.bmp": "navy", "a.png": "teal", "a-2.png": "olive"}
    photos = tmp_path / "photos"
    for names in folders:
        shutil.rmtree(photos, ignore_errors=True)
        for name in names:
            paint(photos / name, colours[name])
        assert run(photos, out, "yolo", "masks").failures == []
    pictures = list((out / "yolo" / "images" / "train").iterdir())
    # Rounded, since they are JPEG.
    shown = [tuple((open_image(path)[0, 0].round(-1) // 120 * 128).tolist()) for path in pictures]
    assert sorted(shown) == sorted(ImageColor.getrgb(colours[name]) for name in names)
    for path in pictures:
        assert (out / "yolo" / "labels" / "train" / f"{path.stem}.txt").is_file()
        assert (out / "masks" / path.stem / "metadata.csv").is_file()


def test_datasets_are_no_place_to_look_for_pictures(photos):
    out = photos / "dataset"
    run(photos, out, "yolo", "overlay")
    again = run(photos, out, "yolo", "overlay")
    assert (again.total, again.kept) == (4, 4)
    assert run(photos, photos / "another", "overlay").total == 4


@pytest.mark.parametrize(
    ("folder", "formats", "message"),
    [
        ("missing", ("coco",), "is not there: give a folder"),
        ("photos/photo 0.png", ("coco",), "is no folder: give a folder"),
        ("empty", ("coco",), r"no picture in .*\(1 other files\).*\.jpg, .*\.heic"),
        ("dataset", ("coco",), "cannot be made in .*where the pictures are"),
        ("photos", ("coco", "word"), "no format 'word'; formats are masks, coco"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_made(photos, tmp_path, folder, formats, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    (tmp_path / "dataset").mkdir()
    with pytest.raises(BatchError, match=message):
        run(tmp_path / folder, tmp_path / "dataset", *formats)
    assert list((tmp_path / "dataset").iterdir()) == []


@pytest.mark.parametrize("name", ["coco.json", "coco-polygons.json", "manifest.csv", "labelme/photo 0.json"])
def test_files_of_others_are_not_written_over(photos, out, name):
    own = out / name
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    (out / "notes.txt").write_text("in nobody's way")
    with pytest.raises(BatchError, match=f"There is a {name.partition('/')[0]} in .* give another folder, or move it"):
        run(photos, out, "labelme")
    assert visible(out) == contents(out) == {name: b"mine", "notes.txt": b"in nobody's way"}
    (out / name.partition("/")[0]).rename(out / "of others")
    assert run(photos, out, "labelme").failures == []


_CORRECTED = ("labelme/photo 0.json", "yolo/labels/train/photo 1.txt", "yolo/data.yaml", "coco.json")


@pytest.mark.parametrize(
    ("formats", "settings"),
    [
        (("labelme", "yolo", "coco"), {}),
        (("labelme", "yolo", "coco"), {"pred_iou_thresh": 0.9}),  # other masks
        (("labelme", "yolo", "coco"), {"pred_iou_thresh": 1.0}),  # none
        (("overlay",), {"pred_iou_thresh": 0.9}),  # the files of other masks go
    ],
)
@pytest.mark.parametrize("added", ["", "a corner more"])
def test_what_somebody_has_corrected_in_a_dataset_is_not_lost(photos, out, formats, settings, added):
    run(photos, out, "labelme", "yolo", "coco")
    corrected = {}
    for name in _CORRECTED:
        written = (out / name).read_bytes()
        corrected[name] = b"my" + written[2:] + added.encode()
        (out / name).write_bytes(corrected[name])
    paint(photos / "new.png")
    notes = run(photos, out, *formats, **settings).notes
    # Each is in its place, or kept elsewhere.
    kept = {name: [path for path in (out / name, out / "changed" / name) if path.is_file()] for name in _CORRECTED}
    assert {
        name: [p.read_bytes() for p in paths if p.read_bytes() == corrected[name]] for name, paths in kept.items()
    } == {name: [data] for name, data in corrected.items()}
    gone = [name for name in _CORRECTED if (out / "changed" / name).exists()]
    said = [note for note in notes if "not as this command had made" in note]
    assert len(said) == bool(gone)
    assert all(str(out / "changed") in note for note in said)
    # It is done: nothing is said again.
    assert not [note for note in run(photos, out, *formats, **settings).notes if "had made" in note]


def test_corrections_that_are_put_aside_keep_earlier_ones(photos, out):
    for text in ("first", "second"):
        run(photos, out, "labelme")
        (out / "labelme" / "photo 0.json").write_text(text)
    (note,) = [note for note in run(photos, out, "labelme").notes if "had made" in note]
    assert note.startswith("labelme/photo 0.json was not as this command had made it, and had to make room")
    kept = contents(out / "changed" / "labelme")
    assert kept == {"photo 0.json": b"first", "photo 0-2.json": b"second"}


def test_files_of_others_that_came_into_a_dataset_are_not_lost(photos, out):
    run(photos, out, "overlay")
    for name in ("labelme/photo 0.json", "coco.json"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    assert [
        note for note in run(photos, out, "labelme", "coco").notes if note.startswith("2 files, such as labelme/ph")
    ]
    assert contents(out / "changed") == {"labelme/photo 0.json": b"mine", "coco.json": b"mine"}


def test_whoever_empties_a_label_file_has_corrected_it(photos, out):
    run(photos, out, "yolo")
    (out / "yolo/labels/train/photo 0.txt").write_text("")  # nothing is there
    (out / "yolo/images/train/photo 1.jpg").write_bytes(b"")  # a power cut
    notes = run(photos, out, "yolo").notes
    assert [note for note in notes if note.startswith("yolo/labels/train/photo 0.txt was not as")]
    assert contents(out / "changed") == {"yolo/labels/train/photo 0.txt": b""}


@pytest.mark.parametrize("calls", [0, 2])
def test_corrections_that_a_stopped_run_has_put_aside_are_told(photos, out, monkeypatch, caplog, calls):
    run(photos, out, "labelme")
    (out / "labelme" / "photo 0.json").write_text("mine")
    progress = []

    def stop(told):
        progress.append(told)
        if len(progress) > calls:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(photos, out, Engine(), task("labelme"), stop)
    (said,) = caplog.messages
    assert said.startswith("labelme/photo 0.json was not as this command had made it, and had to make room")


def test_what_is_corrected_after_a_run_was_stopped_is_not_lost(tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    make_pictures(photos, 2)
    replace, left = os.replace, 0

    def move(source, target):
        nonlocal left
        left -= 1
        replace(source, target)
        if left == 0:
            raise _Stopped

    monkeypatch.setattr(os, "replace", move)
    step = 0
    while left == 0:
        step += 1
        out, left, corrected = tmp_path / f"stopped at {step}", step, {}
        with suppress(_Stopped):
            run(photos, out, "labelme", "yolo", "coco")
        if left > 0:
            break
        for name, data in visible(out).items():
            corrected[name] = b"my" + data
            (out / name).write_bytes(corrected[name])
        left = -1
        run(photos, out, "labelme", "yolo", "coco")
        kept = visible(out)
        for name, data in corrected.items():
            assert data in (kept[name], kept.get(f"changed/{name}")), (step, name)
        left = 0
    assert step > 20


def test_files_of_pictures_that_were_converted_are_the_datasets_own(photos, out):
    formats = ("labelme", "yolo", "voc", "masks", "overlay")
    run(photos, out, *formats)
    (out / "labelme" / "photo 0.json").write_text("mine")
    for path in list(photos.rglob("*.png")):
        Image.open(path).convert("L").save(path.with_suffix(".bmp"))
        path.unlink()
    notes = run(photos, out, *formats).notes
    assert contents(out / "changed") == {"labelme/photo 0.json": b"mine"}
    assert len([note for note in notes if note.startswith("labelme/photo 0.json was not as")]) == 1


def test_files_that_another_worker_takes_away_are_nobodys_fault(photos, out, monkeypatch):
    run(photos, out, "coco")
    dataset = Dataset(out)

    def look_too_late(path):
        path.unlink()
        return sha256_of(path)

    monkeypatch.setattr(put_aside, "sha256_of", look_too_late)
    put_aside.put_aside(dataset, dataset.read_files(None), ["coco.json"])
    assert not (out / "coco.json").exists()
    assert not (out / "changed").exists()


def test_old_records_have_no_hashes(photos, out):
    """What has the size that it had then is taken for what was made; what has not, is not."""
    run(photos, out, "labelme", "overlay")
    for path in (out / ".automask" / "files").glob("??/*.json"):
        record = json.loads(path.read_bytes())
        for written in record["formats"].values():
            del written["hashes"]
        path.write_text(json.dumps(record))
    (out / "labelme" / "photo 0.json").write_text("mine")
    run(photos, out, "labelme", "overlay", pred_iou_thresh=0.9)
    assert contents(out / "changed") == {"labelme/photo 0.json": b"mine"}


@pytest.mark.parametrize("below", ["labelme", "labelme/train"])
def test_pictures_are_not_where_files_of_a_format_go(photos, out, below):
    pictures = out / below
    shutil.copytree(photos, pictures)
    before = contents(pictures)
    # Also in a folder that is a dataset by then.
    assert run(pictures, out, "coco").failures == []
    with pytest.raises(BatchError, match=r"The files of labelme would go to .*, where the pictures are"):
        run(pictures, out, "coco", "labelme")
    assert contents(pictures) == before


def test_two_runs_do_not_write_to_one_dataset(photos, out):
    run(photos, out, "coco")
    with FileLock(out / ".automask" / "lock"), pytest.raises(BatchError, match="Another run is writing"):
        run(photos, out, "coco")


def test_a_folder_that_cannot_be_made_is_said(photos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BatchError, match="could not be written"):
        run(photos, tmp_path / "file" / "dataset")


def test_a_folder_that_cannot_be_read_is_named(photos, out, monkeypatch):
    scandir = os.scandir

    def refused(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    report = run(photos, out, "coco")
    assert report.total == 3
    assert report.failures[0].name.endswith("more")
    assert "Permission denied" in report.failures[0].reason


def test_a_whole_file_that_fails_its_check_is_not_kept(photos, out, monkeypatch):
    everything = rle.to_coco_json(rle.encode(np.ones((37, 53), dtype=bool)))
    form = replace(EXPORTERS["coco"].whole_dataset, build=lambda items: to_coco(items, lambda rle: everything))
    monkeypatch.setitem(EXPORTERS, "coco", replace(EXPORTERS["coco"], whole_dataset=form))
    report = run(photos, out, "coco")
    assert [failure.name for failure in report.failures] == ["coco.json"]
    assert "failed its check" in report.failures[0].reason
    assert set(visible(out)) == {"manifest.csv"}


def test_masks_come_back_from_the_records_as_they_were(out, tmp_path):
    masks = hard_mask_set((37, 53))
    dataset = Dataset(out)
    picture = Picture(tmp_path / "x.png", "x.png", "x")
    with dataset.hold(), dataset.open_scratch():
        dataset.write_masks(picture, MasksRecord("key", "sha", masks))
        kept = dataset.read_masks(picture)
    assert kept.masks.size_hw == masks.size_hw
    for name in masks.column_names():
        if name != "candidate":
            np.testing.assert_array_equal(getattr(kept.masks, name), getattr(masks, name))
            assert getattr(kept.masks, name).dtype == getattr(masks, name).dtype


@pytest.mark.parametrize(
    "spoilt",
    [
        {},
        {"formats": []},
        {"formats": {"yolo": 5}},
        {"formats": {"yolo": {"files": {"yolo/a.txt": "1"}, "masks": 1, "exact": 1, "worst_iou": 1}}},
        {"formats": {"yolo": {"files": {"OUTSIDE": 1}, "masks": 1, "exact": 1, "worst_iou": 1}}},
        {"formats": {"yolo": {"files": {"masks/a.png": 1}, "masks": 1, "exact": 1, "worst_iou": 1}}},
        {"formats": {}, "stale": ["OUTSIDE"]},
        {"formats": {}, "stale": ["yolo/../../mine.txt"]},
        {"formats": {}, "stale": ["../mine.txt", 5]},
    ],
    ids=json.dumps,
)
def test_spoilt_records_of_files_are_made_again_and_remove_nothing_outside(photos, out, tmp_path, spoilt):
    # A dataset may come from elsewhere: what its records list is removed where it shows other masks.
    run(photos, out, "yolo")
    before, mine = visible(out), tmp_path / "mine.txt"
    mine.write_text("mine")
    record = {"version": 1, "key": "", "stem": "", "stale": [], **spoilt}
    text = json.dumps(record).replace("OUTSIDE", str(mine))
    for path in (out / ".automask" / "files").glob("*/*.json"):
        path.write_text(text)
    report = run(photos, out, "yolo")
    assert (report.kept, report.failures) == (4, [])
    assert visible(out) == before
    assert mine.read_text() == "mine"
    assert run(photos, out, "yolo").written == report.written


@pytest.mark.parametrize("path", ["..\\mine.txt", "yolo\\..\\..\\mine.txt", "C:\\mine.txt", "C:mine.txt", "\\mine.txt"])
def test_records_remove_nothing_outside_on_windows(out, tmp_path, monkeypatch, path):
    dataset, picture = Dataset(out), Picture(tmp_path / "x.png", "x.png", "x")
    with dataset.hold(), dataset.open_scratch():
        dataset.write_files(picture, FilesRecord("key", "x", {}, (path,)))
        monkeypatch.setattr(datasets, "PurePath", PureWindowsPath)
        assert dataset.read_files(picture) == FilesRecord()


def test_pictures_are_forgotten_as_the_run_goes_on(tmp_path, out):
    class Watching(Engine):
        most = 0

        def __init__(self):
            super().__init__()
            self.images = []

        def steps(self, image, options, earlier=None):
            self.images.append(weakref.ref(image))
            self.most = max(self.most, sum(image() is not None for image in self.images))
            return super().steps(image, options, earlier)

    make_pictures(tmp_path / "photos", 12, (13, 19))
    engine = Watching()
    run(tmp_path / "photos", out, "coco", "overlay", engine=engine)
    assert engine.shown == 12
    # The one in hand, the one that is being written, and the one before it that its loop has not let go of yet.
    assert engine.most <= 3


def test_the_next_picture_is_read_while_the_model_is_busy(photos, out, monkeypatch):
    read = threading.Semaphore(0)
    load = worker.load_image

    def load_image(*source, **name):
        read.release()
        return load(*source, **name)

    class Waiting(Engine):
        def steps(self, image, options, earlier=None):
            # The first one's own reading, and that of the next; after the last, nothing comes.
            for _ in range((2, 1, 1, 0)[self.shown]):
                assert read.acquire(timeout=20)
            return super().steps(image, options, earlier)

    monkeypatch.setattr(worker, "load_image", load_image)
    assert run(photos, out, "coco", engine=Waiting()).made == 4


def test_files_are_written_while_the_model_looks_at_the_next_picture(photos, out, monkeypatch):
    begun, export = threading.Semaphore(0), formats.export
    # The first one's own beginning, and that of the next; after the last, nothing begins.
    awaited = [2, 1, 1, 0]

    class Telling(Engine):
        def steps(self, image, options, earlier=None):
            begun.release()
            return super().steps(image, options, earlier)

    def wait_and_export(*item, **how):
        for _ in range(awaited.pop(0)):
            assert begun.acquire(timeout=20)
        return export(*item, **how)

    monkeypatch.setattr(formats, "export", wait_and_export)
    assert run(photos, out, "overlay", engine=Telling()).made == 4


def test_progress_counts_every_picture_and_knows_the_rate(photos, out):
    (photos / "text.jpg").write_text("no picture")
    seen = []
    run_batch(photos, out, Engine(), task("coco"), seen.append)
    assert [progress.done for progress in seen] == [1, 2, 3, 4, 5]
    assert {progress.total for progress in seen} == {5}
    assert seen[-1].failed == 1
    assert seen[-1].per_second > 0
    assert seen[-1].seconds_left == 0
    again = []
    run_batch(photos, out, Engine(), task("coco"), again.append)
    assert again[-1].per_second is None


def test_a_folder_that_another_worker_removes_is_made_again(out, monkeypatch):
    dataset = Dataset(out)
    mkdir = Path.mkdir
    times = 0

    def mkdir_and_lose(path, *how, **ever):
        nonlocal times
        mkdir(path, *how, **ever)
        times += path.name == "folder"
        if path.name == "folder" and times == 1:
            path.rmdir()

    monkeypatch.setattr(Path, "mkdir", mkdir_and_lose)
    with dataset.open_scratch():
        dataset.land(b"data", out / "folder" / "file")
    assert (out / "folder" / "file").read_bytes() == b"data"
    with pytest.raises(BatchError, match="could not be written"):
        dataset.move(out / "nothing", out / "folder" / "file")


@pytest.mark.parametrize("changed", [{"adaptive_points": 0.5}, {"use_m2m": True}, {"multimask_output": False}], ids=str)
def test_keys_are_those_of_versions_without_an_option_where_it_is_off(changed):
    """Else a folder that was finished by such a version would be done again."""
    off, on = (
        worker.BatchTask(GeneratorOptions(**{**GeneratorOptions(points_per_side=16).flat(), **values}), (), "weights")
        for values in ({}, changed)
    )
    options = off.options.upstream()
    del options["points_per_batch"], options["output_mode"]
    before = json.dumps([1, "0" * 64, "weights", options], sort_keys=True)
    assert off.key("0" * 64) == hashlib.sha256(before.encode()).hexdigest()
    assert on.key("0" * 64) != off.key("0" * 64)


@pytest.mark.parametrize("name", ["pred_iou_thresh", "stability_score_thresh", "min_mask_region_area"])
def test_what_is_left_to_the_model_is_not_what_upstreams_default_is(name):
    left, given = (
        worker.BatchTask(options, (), "weights")
        for options in (GeneratorOptions(), GeneratorOptions(**{name: GeneratorOptions().flat()[name]}))
    )
    assert left.options == given.options
    assert left.key("0" * 64) != given.key("0" * 64)


def test_turned_pictures_are_counted_since_coco_goes_with_the_photos_themselves(photos, out):
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in (1, 2):
        Image.new("RGB", (53, 37), "navy").save(photos / f"phone {number}.jpg", exif=exif)
    report = run(photos, out, "coco")
    assert [note for note in report.notes if "EXIF" in note] == [
        "2 pictures are turned upright, as the file says (EXIF), and masks fit that: what reads the photos "
        "themselves has to turn them, too. OpenCV and browsers do; torchvision's datasets do not."
    ]
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in COCO(out / "coco.json").imgs.values()}
    assert sizes["phone 1.jpg"] == (37, 53)
    assert sizes["photo 0.png"] == (53, 37)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
def test_names_that_coco_cannot_hold_are_told(photos, out):
    paint(photos / "b.png")
    try:
        (photos / "b.png").rename(photos / os.fsdecode(b"caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    told = [note for note in run(photos, out, "coco").notes if "UTF-8" in note]
    assert len(told) == 1
    assert "caf\N{REPLACEMENT CHARACTER}.png" in told[0]


def test_a_closed_folder_is_named_and_the_others_are_done(photos, out, monkeypatch):
    paint(photos / "locked" / "a.png")
    close(photos / "locked", monkeypatch)
    report = run(photos, out, "coco")
    assert report.made == 4
    assert report.failures == [Failure(str(photos / "locked"), "the folder could not be read: Permission denied")]
    with pytest.raises(BatchError, match="could not be read: Permission denied"):
        run(photos / "locked" / "deeper", out, "coco")


def test_a_folder_that_only_tells_its_names_fails_picture_by_picture(photos, out, monkeypatch):
    paint(photos / "names" / "a.png")
    listed = os.scandir
    close(photos / "names", monkeypatch)
    monkeypatch.setattr(os, "scandir", listed)
    monkeypatch.setattr(Path, "read_bytes", refusing_below(photos / "names", Path.read_bytes))
    report = run(photos, out, "coco")
    assert report.made == 4
    assert report.failures == [Failure("names/a.png", "the file could not be read: Permission denied.")]


def refusing_below(folder, read):
    def refuse(path):
        if folder in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    return refuse
