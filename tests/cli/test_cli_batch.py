"""The batch command as a script would use it: files, messages, exit codes."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO
from sams import picture, small_sam

from automask_ui.cli import batch, main
from automask_ui.engine.loading import load as models
from automask_ui.engine.loading.load import SamModel

FLAGS = ["--points-per-side=4", "--pred-iou-thresh=0.75", "--stability-score-thresh=0.88", "--box-nms-thresh=0.97"]


@pytest.fixture(autouse=True)
def small_model(monkeypatch):
    """The command runs a small model with random weights, the same one each time."""
    model = replace(SamModel.wrap(small_sam()), key="small")
    monkeypatch.setattr(models, "load_model", lambda *names, **places: model)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number, name in enumerate(["one.png", "two.png", "below/one.png"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(53, 80, seed=number)).save(path)
    return folder


def test_a_folder_becomes_a_dataset_and_is_gone_on_with(photos, tmp_path, capsys):
    out = tmp_path / "dataset"
    command = ["batch", str(photos), "--out", str(out), *FLAGS]
    assert main([*command, "--format", "coco", "--format", "png"]) == 0
    annotations = COCO(out / "coco.json").dataset["annotations"]
    printed = capsys.readouterr().out
    assert f"coco.json: {len(annotations)} masks, all exact" in printed
    assert f"3 pictures: 3 done now, 0 done before, {len(annotations)} masks, 0 failures." in printed
    assert len(list((out / "masks" / "below" / "one").glob("*.png"))) > 0
    # COCO is the default.
    assert main(command) == 0
    assert "0 done now, 3 done before" in capsys.readouterr().out
    assert main([*command, "--points-per-side=5"]) == 0
    assert "3 done now, 0 done before" in capsys.readouterr().out


def test_pictures_without_masks_become_negatives_if_asked_for(photos, tmp_path, capsys):
    command = ["batch", str(photos), "--out", str(tmp_path / "dataset"), *FLAGS, "--pred-iou-thresh=1", "--format=yolo"]
    assert main(command) == 0
    assert "2 pictures have no masks with these settings, and are only in manifest.csv." in capsys.readouterr().out
    assert main([*command, "--negatives"]) == 0
    printed = capsys.readouterr().out
    assert "2 pictures have no masks with these settings: yolo say" in printed
    assert "0 done now, 3 done before" in printed
    labels = list((tmp_path / "dataset/yolo/labels/train").rglob("*.txt"))
    assert sorted(bool(label.read_bytes()) for label in labels) == [False, False, True]


def test_bad_pictures_are_named_at_the_end(photos, tmp_path, capsys):
    (photos / "below" / "text.jpg").write_text("no picture")
    assert main(["batch", str(photos), "--out", str(tmp_path / "dataset"), *FLAGS]) == 1
    captured = capsys.readouterr()
    assert "4 pictures: 3 done now, 0 done before" in captured.out
    assert captured.err.splitlines()[-1].startswith("below/text.jpg: text.jpg is no picture")


@pytest.mark.parametrize(
    ("folder", "flags", "code", "message"),
    [
        ("photos", ["--points-per-side", "0"], 2, "points_per_side must be a whole number from 1 to 128, but is 0"),
        ("photos", ["--engine", "ray"], 3, 'pip install "ray[data]"'),
        ("photos", ["--engine", "ray", "--workers", "0"], 2, "--workers is 0, but must be at least 1"),
        ("missing", [], 3, "is not there: give a folder with pictures"),
        ("", [], 3, "no picture"),
    ],
)
def test_what_cannot_be_done_is_said(photos, tmp_path, capsys, monkeypatch, folder, flags, code, message):
    monkeypatch.setitem(sys.modules, "ray", None)
    folder = photos.parent / folder if folder else tmp_path / "empty"
    (tmp_path / "empty").mkdir()
    assert main(["batch", str(folder), "--out", str(tmp_path / "dataset"), *flags]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "dataset").exists()


def test_the_same_weights_are_the_same_model_wherever_their_file_lies(tmp_path):
    model = SamModel.wrap(small_sam())
    paths = [tmp_path / "a.pth", tmp_path / "folder" / "b.pth", tmp_path / "other.pth"]
    for path, data in zip(paths, [b"weights", b"weights", b"others"], strict=True):
        path.parent.mkdir(exist_ok=True)
        Path(path).write_bytes(data)
    first, second, third = (batch._identity(replace(model, path=path)) for path in paths)
    assert first == second != third


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (batch.BatchProgress("a.png", 3, 1200, 0, None, None), "3 of 1,200 pictures: a.png"),  # none was made yet
        (batch.BatchProgress("a.png", 3, 12, 1, 2.5, 3.6), "3 of 12 pictures, 1 failed, 2.5 a second, 4 s left: a.png"),
        (batch.BatchProgress("a.png", 3, 12, 0, 0.1, 400.0), "3 of 12 pictures, 10.0 s each, 7 min left: a.png"),
        (batch.BatchProgress("a.png", 3, 12, 0, 0.1, 8000), "3 of 12 pictures, 10.0 s each, 2 h 13 min left: a.png"),
    ],
)
def test_progress_in_words(progress, text):
    assert batch._in_words(progress) == text


def test_progress_is_shown_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(batch.time, "monotonic", iter([0.0, 1.0, 31.0, 31.0, 32.0]).__next__)
    lines = batch._ProgressLines()
    for done in (1, 2, 3):
        lines.show(batch.BatchProgress("a.png", done, 3, 0, None, None))
    assert capsys.readouterr().err == "2 of 3 pictures: a.png\n"


FORMATS = ["coco", "coco-polygons", "yolo", "voc"]
COCO_CLASSES = '{"categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]}'


def test_class_lists_keep_their_numbers_in_what_is_written(photos, tmp_path, capsys):
    classes, out = tmp_path / "coco.json", tmp_path / "dataset"
    classes.write_text(COCO_CLASSES)
    command = ["batch", str(photos), "--out", str(out), *FLAGS, "--negatives", *map("--format={}".format, FORMATS)]
    assert main(command) == 0
    assert [(row["id"], row["name"]) for row in COCO(out / "coco.json").dataset["categories"]] == [(1, "object")]
    assert main([*command, f"--classes={classes}"]) == 0
    printed = capsys.readouterr().out
    assert f"{classes}: Their numbers go from 1 to 18, and 16 between them are not used." in printed
    assert "0 done now, 3 done before" in printed  # no model has to run for it
    document = COCO(out / "coco.json").dataset
    assert [(row["id"], row["name"]) for row in document["categories"]] == [(1, "person"), (18, "dog"), (19, "object")]
    assert {row["category_id"] for row in document["annotations"]} == {19}
    names = yaml.safe_load((out / "yolo/data.yaml").read_text())["names"]
    assert {names[1], names[18], names[19]} == {"person", "dog", "object"}
    lines = [line for path in (out / "yolo/labels").rglob("*.txt") for line in path.read_text().splitlines()]
    assert {line.split()[0] for line in lines} == {"19"}
    colours = (out / "voc/labelmap.txt").read_text().splitlines()
    assert [line.partition(":")[0] for line in colours[-2:]] == ["dog", "object"]
    # Without the list again, everything is as it was.
    assert main(command) == 0
    assert {row["category_id"] for row in COCO(out / "coco.json").dataset["annotations"]} == {1}
    lines = [line for path in (out / "yolo/labels").rglob("*.txt") for line in path.read_text().splitlines()]
    assert {line.split()[0] for line in lines} == {"0"}


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), ("{}", "no “categories”"), ("", "no class")])
def test_class_files_that_are_none_are_said_before_anything_is_made(photos, tmp_path, capsys, content, message):
    classes, out = tmp_path / "classes.txt", tmp_path / "dataset"
    if content is not None:
        classes.write_text(content)
    for command in (["batch", str(photos)], ["generate", str(photos / "one.png")]):
        assert main([*command, "--out", str(out), f"--classes={classes}"]) == 2
        error = capsys.readouterr().err
        assert f"--classes {classes}: " in error
        assert message in error
        assert not out.exists()
