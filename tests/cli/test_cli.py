"""The command line as a script would use it: files, messages, exit codes."""

import csv
import io
import json
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pycocotools import mask as coco
from sams import picture, small_sam

import automask_ui
from automask_ui.cli import main
from automask_ui.engine.bench import speed as bench
from automask_ui.engine.encoders.builtin import build_tiny_sam
from automask_ui.engine.loading import load as models
from automask_ui.engine.loading.load import SamModel
from automask_ui.export import EXPORTERS
from automask_ui.export.hard_masks import hard_mask_set
from automask_ui.options import PARAMETERS

FLAGS = ["--points-per-side=6", "--pred-iou-thresh=0.75", "--stability-score-thresh=0.88", "--box-nms-thresh=0.97"]


@pytest.fixture(autouse=True)
def small_model(monkeypatch):
    """The commands run a small model with random weights instead of the built-in one."""
    monkeypatch.setattr(models, "load_model", lambda *names, **places: SamModel.wrap(small_sam()))
    monkeypatch.setattr(bench, "load_model", lambda *names, **places: SamModel.wrap(small_sam()))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "Straße 1.png"
    Image.fromarray(picture(53, 80)).save(path)
    return path


def test_photos_of_one_name_get_a_file_each(photo, tmp_path):
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / photo.name
    other.write_bytes(photo.read_bytes())
    out = tmp_path / "out"
    assert main(["generate", str(photo), str(other), "--out", str(out), *FLAGS, "--format", "coco"]) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"{photo.stem}-2-coco.json", f"{photo.stem}-coco.json"]
    assert all(json.loads((out / name).read_text())["images"][0]["file_name"] == photo.name for name in names)


@pytest.mark.parametrize("name", ["photo-overlay.png", "a link to it.png"])
def test_generate_does_not_write_over_the_pictures(tmp_path, capsys, name):
    photos = [tmp_path / "photo.png", tmp_path / "photo-overlay.png"]
    for photo in photos:
        Image.fromarray(picture(53, 80)).save(photo)
    before = photos[1].read_bytes()
    if name != photos[1].name:
        (tmp_path / name).symlink_to(photos[1])
    given = [str(photos[0]), str(tmp_path / name)]
    assert main(["generate", *given, "--out", str(tmp_path), *FLAGS, "--format", "overlay"]) == 2
    assert f"error: {photos[1]} is one of the pictures, and would be written over" in capsys.readouterr().err
    assert photos[1].read_bytes() == before
    assert main(["generate", *given, "--out", str(tmp_path / "out"), *FLAGS, "--format", "overlay"]) == 0


def test_generate_writes_what_it_says(photo, tmp_path, capsys):
    out = tmp_path / "new" / "masks"
    formats = ["--format", "png", "--format", "coco", "--format", "overlay", "--format", "csv"]
    assert main(["generate", str(photo), "--out", str(out), *FLAGS, *formats]) == 0
    printed = capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [
        "Straße 1-coco.json",
        "Straße 1-masks.zip",
        "Straße 1-overlay.png",
        "Straße 1-table.csv",
    ]
    annotations = json.loads((out / "Straße 1-coco.json").read_text())["annotations"]
    assert f"{len(annotations)} masks in" in printed
    assert "all exact" in printed
    assert coco.area(annotations[0]["segmentation"]) == annotations[0]["area"]
    with Image.open(out / "Straße 1-overlay.png") as overlay:
        assert overlay.size == (80, 53)
    with zipfile.ZipFile(out / "Straße 1-masks.zip") as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
        assert len(pictures) == len(annotations)
        assert np.array(Image.open(io.BytesIO(archive.read(pictures[0])))).shape == (53, 80)
    with (out / "Straße 1-table.csv").open(newline="", encoding="utf-8-sig") as table:
        assert len(list(csv.DictReader(table))) == len(annotations)


@pytest.mark.parametrize(
    ("mode", "file", "counts"),
    [("coco_rle", "Straße 1-raw.json", str), ("uncompressed_rle", "Straße 1-raw-uncompressed.json", list)],
)
def test_output_mode_is_upstreams(photo, tmp_path, mode, file, counts):
    assert main(["generate", str(photo), "--out", str(tmp_path), *FLAGS, "--output-mode", mode]) == 0
    text = (tmp_path / file).read_text()
    assert '"counts"' in text
    assert isinstance(json.loads(text)[0]["segmentation"]["counts"], counts)


def test_stars_that_the_shell_has_left_are_files(photo, tmp_path, capsys):
    (tmp_path / "[1].png").write_bytes(photo.read_bytes())
    given = [str(tmp_path / name) for name in ("S*.png", "[1].png", "*.tif")]
    assert main(["generate", *given, "--out", str(tmp_path / "out"), *FLAGS]) == 1
    assert "*.tif: *.tif could not be opened" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1-masks.zip", "Straße 1-masks.zip"]


def test_one_mask_is_one_mask(photo, tmp_path, capsys):
    flags = ["--points-per-side", "1", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]
    assert main(["generate", str(photo), "--out", str(tmp_path), *flags, "--no-multimask-output"]) == 0
    assert "1 mask in " in capsys.readouterr().out


def test_bad_pictures_are_named_and_the_others_are_done(photo, tmp_path, capsys):
    broken = tmp_path / "text.jpg"
    broken.write_text("not a picture")
    missing = tmp_path / "missing.jpg"
    assert main(["generate", str(broken), str(photo), str(missing), "--out", str(tmp_path / "out"), *FLAGS]) == 1
    captured = capsys.readouterr()
    assert f"{broken}: " in captured.err
    assert f"{missing}: " in captured.err
    assert "2 of 3 pictures failed" in captured.err
    assert (tmp_path / "out" / "Straße 1-masks.zip").exists()


def test_no_masks_writes_nothing_and_says_so(photo, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["generate", str(photo), "--out", str(out), "--points-per-side", "3", "--pred-iou-thresh", "1"]) == 1
    assert "no masks were found" in capsys.readouterr().err
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--points-per-side", "0"], 2, "points_per_side must be a whole number from 1 to 128, but is 0"),
        (["--pred-iou-thresh", "nan"], 2, "pred_iou_thresh must be a number from 0 to 1, but is nan"),
        (["--crop-n-layers", "9"], 2, "crop_n_layers must be a whole number from 0 to 3, but is 9"),
        (["--point-grids", "missing.txt"], 2, "missing.txt"),
        (["--point-grids", "empty.txt"], 2, "empty.txt is empty: write one x, y a line"),
    ],
)
def test_wrong_values_are_refused_before_anything_runs(photo, tmp_path, capsys, monkeypatch, flags, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    assert main(["generate", str(photo), "--out", str(tmp_path / "out"), *flags]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_parameter_has_a_flag(capsys):
    with pytest.raises(SystemExit) as end:
        main(["generate", "--help"])
    assert end.value.code == 0
    usage = capsys.readouterr().out
    for name in [*PARAMETERS, "point_grids"]:
        assert f"--{name.replace('_', '-')}" in usage


def test_own_points_and_presets_reach_the_generator(photo, tmp_path, monkeypatch):
    from automask_ui.engine.pipeline.generator import MaskEngine

    seen = []
    generate = MaskEngine.generate
    monkeypatch.setattr(
        MaskEngine,
        "generate",
        lambda engine, image, options, *rest: seen.append(options) or generate(engine, image, options, *rest),
    )
    points = tmp_path / "points.txt"
    points.write_text("0.5,0.5\n0.25, 0.75\n")
    main(["generate", str(photo), "--out", str(tmp_path / "a"), "--point-grids", str(points)])
    main(["generate", str(photo), "--out", str(tmp_path / "b"), "--preset", "small", "--points-per-side", "4"])
    assert seen[0].grid.point_grids == (((0.5, 0.5), (0.25, 0.75)),)
    assert seen[1].flat()["min_mask_region_area"] == 100
    assert seen[1].flat()["points_per_side"] == 4


def test_models_lists_every_row(capsys):
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    for name in ("tiny", "vit_t", "vit_b", "vit_l", "vit_h"):
        assert f"\n{name} " in printed


def test_models_download_offline_is_refused_with_ways_out(capsys):
    assert main(["models", "download", "vit_b"]) == 3
    assert "AUTOMASK_OFFLINE" in capsys.readouterr().err
    assert main(["models", "download"]) == 2


def test_bench_measures_and_compares(photo, capsys):
    arguments = ["bench", "--image", str(photo), "--size", "80x53", "--grid", "4", "--against", "upstream", "--json"]
    assert main([*arguments, "--checkpoint", "own.pth"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ours"]["candidates"] == 48
    assert report["other"]["masks"] == report["ours"]["masks"]
    assert report["other"]["mean_iou"] > 0.999
    assert sum(report["ours"]["stages"].values()) == pytest.approx(report["ours"]["seconds"], rel=0.1)


def test_bench_measures_clicks(photo, capsys):
    arguments = ["bench", "--image", str(photo), "--size", "80x53", "--predict", "--checkpoint", "own.pth"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["image_hw"] == [53, 80]
    assert all(0 < median <= longest for median, longest in report["milliseconds"].values())
    assert main(arguments) == 0
    assert "a click during a run" in capsys.readouterr().out
    assert main([*arguments, "--against", "upstream"]) == 2
    assert "leave one out" in capsys.readouterr().err


def test_bench_measures_the_stages_of_the_decoder(photo, capsys):
    arguments = ["bench", "--image", str(photo), "--size", "80x53", "--grid", "3", "--stage", "decoder"]
    assert main([*arguments, "--checkpoint", "own.pth", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["points"] == 9
    assert 0 < report["masks_decoded"] <= 27
    assert report["limits"]["float32_gflops"] > 0
    assert list(report["ms_per_point"]) == ["transformer", "upscaling", "resampling"]
    for stage, milliseconds in report["ms_per_point"].items():
        assert milliseconds == pytest.approx(1000 * report["stages"][stage] / 9)
        assert milliseconds > 0
    assert main([*arguments, "--checkpoint", "own.pth"]) == 0
    assert "float32 gflops" in capsys.readouterr().out
    assert main([*arguments, "--predict"]) == 2
    assert "leave one out" in capsys.readouterr().err


def test_bench_measures_what_a_share_of_the_points_finds(photo, capsys, tmp_path):
    arguments = ["bench", "--adaptive", str(photo.parent), "--grid", "8", "--checkpoint", "own.pth"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [picture["name"] for picture in report["pictures"]] == [photo.name]
    assert [share["points"] for share in report["shares"]] == [round(64 * share["share"]) for share in report["shares"]]
    recalls = [share["recall"] for share in report["shares"]]
    assert all(0 <= recall <= 1 for recall in recalls)
    assert sum(row["masks"] for row in report["shares"][0]["by_size"]) == report["pictures"][0]["masks"]
    assert main(arguments) == 0
    assert "34.4%" in capsys.readouterr().out  # 22 of 64
    assert main(["bench", "--adaptive", str(tmp_path / "none"), "--checkpoint", "own.pth"]) == 2
    assert "must be a folder of pictures" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["bench", "--adaptive", str(tmp_path / "empty"), "--checkpoint", "own.pth"]) == 2
    assert "There are no pictures" in capsys.readouterr().err


def test_bench_measures_the_page(photo, capsys, monkeypatch):
    monkeypatch.setattr("automask_ui.ui.bench.ROUNDS", 1)
    monkeypatch.setattr("automask_ui.ui.bench.MOVES", 2)
    monkeypatch.setattr("automask_ui.ui.bench.MASKS", 5)
    arguments = ["bench", "--image", str(photo), "--size", "80x53", "--grid", "4", "--page"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["image_hw"]) == ("tiny", [53, 80])
    assert report["cpu_ratio"] == report["page"]["cpu"] / report["command_line"]["cpu"]
    assert report["page"]["updates"] >= 2
    fewest, most = report["slider"]["masks"]
    assert 5 <= fewest <= most <= 3 * 16
    assert all(0 < median <= longest for median, longest in report["slider"]["milliseconds"].values())
    assert main([*arguments, "--predict"]) == 2
    assert "leave one out" in capsys.readouterr().err
    assert main([*arguments, "--precision", "bf16"]) == 2
    assert "--precision" in capsys.readouterr().err


def test_bench_measures_a_folder_of_pictures(photo, capsys, monkeypatch):
    monkeypatch.setattr("automask_ui.cli.bench_batch.ROUNDS", 1)
    (photo.parent / "text.jpg").write_text("no picture")
    arguments = ["bench", "--batch", str(photo.parent), "--grid", "4", "--checkpoint", "own.pth"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["pictures"], report["failures"], report["grid"]) == (1, 1, 4)
    (row,) = report["rounds"]
    assert row["pictures_per_second"] == 1 / row["seconds"]
    assert 0 < row["engine"] < row["seconds"]
    assert main(arguments) == 0
    assert "1 pictures, 1 failures, coco, yolo, masks" in capsys.readouterr().out
    assert main([*arguments, "--page"]) == 2
    assert "leave one out" in capsys.readouterr().err


def test_bench_measures_turbo_against_the_exact_engine(photo, capsys):
    arguments = ["bench", "--image", str(photo), "--size", "80x53", "--grid", "4", "--against", "float32"]
    assert main([*arguments, "--checkpoint", "own.pth", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["other"]["name"] == "float32"
    assert 0 < report["other"]["candidates_compared"] <= report["ours"]["passing_iou"]
    assert report["other"]["mean_iou"] == 1.0  # both are float32 here


def test_bench_needs_transformers_for_comparing_with_it(photo, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    arguments = ["bench", "--image", str(photo), "--size", "80x53", "--checkpoint", "own.pth"]
    assert main([*arguments, "--against", "transformers"]) == 2
    assert "pip install transformers" in capsys.readouterr().err


def test_bench_compares_only_vits_with_transformers(photo, capsys, monkeypatch):
    monkeypatch.setattr(bench, "load_model", lambda *names, **places: SamModel.wrap(build_tiny_sam()))
    assert main(["bench", "--image", str(photo), "--size", "80x53", "--against", "transformers"]) == 2
    assert "SAM with a ViT only" in capsys.readouterr().err


def test_bench_compares_where_nothing_passes(photo, capsys, monkeypatch):
    strict = replace(SamModel.wrap(small_sam()), pred_iou_thresh=1.0)
    monkeypatch.setattr(bench, "load_model", lambda *names, **places: strict)
    monkeypatch.setattr(strict.sam.mask_decoder.iou_prediction_head, "forward", lambda x: torch.zeros(len(x), 4))
    arguments = ["bench", "--image", str(photo), "--size", "80x53", "--grid", "2", "--against", "float32", "--json"]
    assert main([*arguments, "--checkpoint", "own.pth"]) == 0
    other = json.loads(capsys.readouterr().out)["other"]
    assert (other["masks"], other["candidates_compared"], other["mean_iou"]) == (0, 0, 1.0)


def test_bench_refuses_a_size_that_is_none(capsys):
    assert main(["bench", "--size", "large"]) == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err


def test_formats_are_listed_and_proved(capsys):
    assert main(["formats"]) == 0
    assert "\ncoco " in capsys.readouterr().out
    assert main(["formats", "--proof", "--markdown"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[1].startswith("| --- |")
    assert len(table) == 2 + len(EXPORTERS)
    coco_row = next(line for line in table if line.startswith("| COCO JSON (RLE)"))
    assert "| 48 of 48 | 1.0000 |" in coco_row


def test_formats_are_proved_on_photos_too(photo, capsys, monkeypatch):
    class Engine:
        def __init__(self, model, cache_bytes):
            pass

        def generate(self, image, options):
            masks = hard_mask_set(image.shape[:2])[[7, 16]]
            return SimpleNamespace(masks=masks)

    model = SimpleNamespace(pred_iou_thresh=0.5, stability_score_thresh=0.5)
    monkeypatch.setattr(automask_ui, "MaskEngine", Engine, raising=False)
    monkeypatch.setattr(automask_ui, "load_model", lambda *_, **__: model, raising=False)
    assert main(["formats", "--proof", "--photos", str(photo)]) == 0
    coco_row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("COCO JSON (RLE)"))
    assert "48 of 48" in coco_row
    assert "2 of 2" in coco_row


def test_class_list_of_a_data_yaml_is_in_what_generate_writes(photo, tmp_path):
    classes = tmp_path / "data.yaml"
    classes.write_text("names:\n  0: no\n  2: car\n")
    formats = ["--format", "coco", "--format", "yolo"]
    assert main(["generate", str(photo), "--out", str(tmp_path), *FLAGS, *formats, "--classes", str(classes)]) == 0
    document = json.loads((tmp_path / "Straße 1-coco.json").read_text())
    assert [(row["id"], row["name"]) for row in document["categories"]] == [(0, "no"), (2, "car"), (3, "object")]
    with zipfile.ZipFile(tmp_path / "Straße 1-yolo.zip") as archive:
        names = yaml.safe_load(archive.read("data.yaml"))["names"]
    assert names == {0: "no", 1: "unused 1", 2: "car", 3: "object"}
