"""Many pictures dropped on the page: what is taken, what becomes of each, stopping and going on, one dataset out."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pytest
from fakes import FakeEngine, fake_models
from PIL import Image

from automask_ui.batch.worker import BatchTask
from automask_ui.errors import ArchiveError, BatchError, ExportError
from automask_ui.export import EXPORTERS, ExportItem
from automask_ui.files import upload_checks
from automask_ui.masks import Candidates, MaskResult, Step
from automask_ui.options import GeneratorOptions
from automask_ui.project import export as project_export
from automask_ui.project.collect_uploads import collect
from automask_ui.project.document import SavedModel
from automask_ui.project.export import export_list
from automask_ui.project.list_run import ListRun
from automask_ui.project.pictures import PictureList
from automask_ui.project.restore_photo import saved_of
from automask_ui.project.saving import list_to_save
from automask_ui.project.working_list import WorkingList
from automask_ui.session import Session
from automask_ui.session.mask_edits import MASK_EDITS

OPTIONS = GeneratorOptions(points_per_side=4, points_per_batch=4, pred_iou_thresh=0.7, stability_score_thresh=0.0)
JOB = BatchTask(OPTIONS, (), "fake")
MODEL = SavedModel("fake", "Fake Model", None)
PATIENCE = 60


def picture(grey: int, size_hw: tuple[int, int] = (37, 53)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((*size_hw, 3), grey, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in entries.items():
            target.writestr(name, data)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "list"
    path.mkdir()
    return path


@pytest.fixture
def listed(folder: Path, tmp_path: Path) -> PictureList:
    """Three pictures and one that is none."""
    files = [file(tmp_path / f"{grey}.png", picture(grey, (37 + grey, 53))) for grey in (1, 2, 3)]
    files.insert(1, file(tmp_path / "broken.jpg", b"no picture"))
    return PictureList(collect(files, folder).pictures, folder)


RUNS: WeakKeyDictionary[PictureList, ListRun] = WeakKeyDictionary()


def run_of(listed: PictureList) -> ListRun:
    """The one run over a list."""
    return RUNS.setdefault(listed, ListRun(listed))


def wait(listed: PictureList) -> None:
    run = run_of(listed)
    assert run._thread is not None
    run._thread.join(PATIENCE)
    assert not run.is_running


# What is taken


def test_files_and_archives(folder: Path, tmp_path: Path) -> None:
    files = [
        file(tmp_path / "a.JPG", picture(1)),
        file(tmp_path / "notes.txt", b"x"),
        archive(
            tmp_path / "more.zip",
            {
                "a.jpg": picture(2),  # a name that is taken, but for its case
                "deep/er/b.png": picture(3),
                "../../evil.png": picture(4),
                "/abs.png": picture(5),
                "C:\\windows\\c.png": picture(6),
                "\\\\server\\share\\d.png": picture(7),  # of a server, as Windows writes it
                "//server/share/e.png": picture(8),
                "__MACOSX/._a.jpg": b"junk",
                ".hidden.png": b"junk",
                "readme.md": b"x",
                "nested.zip": b"PK\x03\x04",
            },
        ),
    ]
    listing = collect(files, folder)
    names = [picture.relative for picture in listing.pictures]
    assert names == [
        *("a.JPG", "a-2.jpg", "deep/er/b.png", "evil.png", "abs.png", "windows/c.png"),
        *("server/share/d.png", "server/share/e.png"),
    ]
    assert all(picture.path.parent == folder and picture.path.read_bytes() for picture in listing.pictures)
    assert sorted(path.parent for path in folder.parent.rglob("*.png")) == [folder] * 6
    assert listing.others == 5


def test_number_is_bounded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_checks, "MAX_PICTURES", 3)
    path = archive(tmp_path / "many.zip", {f"{number}.png": picture(number) for number in range(4)})
    with pytest.raises(BatchError, match=r"more than 3 pictures.*automask_ui batch"):
        collect([path], folder)


@pytest.mark.parametrize("kind", ["file", "archive"])
def test_bytes_are_bounded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(upload_checks, "MAX_BYTES", 1000)
    data = bytes(2000)
    path = file(tmp_path / "a.bmp", data) if kind == "file" else archive(tmp_path / "a.zip", {"a.bmp": data})
    with pytest.raises(BatchError, match="GB together"):
        collect([path], folder)


def test_one_photo_is_bounded_in_a_zip_and_beside_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automask_ui.limits.MAX_PHOTO_BYTES", 1_000_000)
    with pytest.raises(ArchiveError, match="unpacks to more than 1 MB"):
        collect([archive(tmp_path / "large.zip", {"a.png": bytes(1_000_001)})], folder)
    with pytest.raises(BatchError, match=r"large\.png has 1 MB, but a photo may have 1 MB here"):
        collect([file(tmp_path / "large.png", bytes(1_000_001))], folder)


def test_bomb_with_a_false_size_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_checks, "MAX_BYTES", 100_000)
    path = archive(tmp_path / "bomb.zip", {"a.png": bytes(10_000_000)})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.index(mark) + offset
        data[place : place + 4] = (50).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises((ArchiveError, BatchError)):
        collect([path], folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 100_000


def test_nothing_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BatchError, match=r"no picture among these files \(1 other files\)"):
        collect([file(tmp_path / "a.txt", b"")], folder)


# Working through


def test_every_picture_gets_its_masks_or_its_error(listed: PictureList) -> None:
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    assert [(item.name, item.state) for item in listed.items] == [
        ("1.png", "done"),
        ("broken.jpg", "failed"),
        ("2.png", "done"),
        ("3.png", "done"),
    ]
    assert "broken.jpg is no picture" in listed.items[1].error
    assert listed.done == 4
    for index in (0, 2, 3):
        masks = listed.masks(index)
        assert masks is not None
        assert len(masks) == listed.items[index].masks
        assert masks.size_hw == listed.image(index).rgb.shape[:2]
        assert listed.thumbnails.get(listed.pictures[index]) is not None
        assert listed.items[index].seconds is not None
    assert listed.thumbnails.get(listed.pictures[1]) is None


class Halting:
    """An engine that waits in the middle of a picture until it is told to go on."""

    def __init__(self, pictures: int) -> None:
        self.engine = FakeEngine()
        self.seen = 0
        self.is_there, self.goes_on = threading.Event(), threading.Event()
        self._pictures = pictures

    def steps(self, image: np.ndarray, options: GeneratorOptions) -> Generator[Step, None, MaskResult]:
        self.seen += 1
        run = self.engine.steps(image, options)
        if self.seen == self._pictures:
            yield next(run)
            self.is_there.set()
            assert self.goes_on.wait(PATIENCE)
        return (yield from run)


def test_stop_in_the_middle_and_go_on(listed: PictureList) -> None:
    halting = Halting(2)
    run_of(listed).start(halting.steps, JOB, MODEL)
    assert halting.is_there.wait(PATIENCE)
    assert [item.state for item in listed.items] == ["done", "failed", "running", "waiting"]
    run_of(listed).start(halting.steps, JOB, MODEL)  # twice: one run
    run_of(listed).stop()
    halting.goes_on.set()
    wait(listed)
    assert [item.state for item in listed.items] == ["done", "failed", "waiting", "waiting"]
    run_of(listed).start(halting.steps, JOB, MODEL)
    wait(listed)
    assert [item.state for item in listed.items] == ["done", "failed", "done", "done"]
    assert halting.seen == 4  # the first picture was not looked at again


def test_picture_that_is_edited_while_it_is_looked_at_stays_edited(listed: PictureList) -> None:
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    session = edit(listed, 0)
    mine = listed.edited.get(0)
    assert mine is not None
    halting = Halting(1)
    run_of(listed).start(halting.steps, BatchTask(OPTIONS.replace(pred_iou_thresh=0.9), (), "fake"), MODEL)
    assert halting.is_there.wait(PATIENCE)
    index = next(index for index, item in enumerate(listed.items) if item.state == "running")
    listed.set_edited(index, mine)
    kept = listed.items[index]
    halting.goes_on.set()
    wait(listed)
    assert listed.items[index] == kept
    assert listed.saved(index) is mine
    assert session.edits == mine.edits


def test_other_settings_do_everything_again_but_edited_pictures(listed: PictureList) -> None:
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    before = [item.masks for item in listed.items]
    edit(listed, 0)
    run_of(listed).start(FakeEngine().steps, BatchTask(OPTIONS.replace(pred_iou_thresh=0.9), (), "fake"), MODEL)
    wait(listed)
    after = [item.masks for item in listed.items]
    assert (listed.items[0].edited, after[0]) == (True, before[0] - 2)  # type: ignore[operator]
    assert all(new < old for new, old in zip(after[2:], before[2:], strict=True))  # type: ignore[operator]


def test_engine_that_fails_is_told_picture_by_picture_or_at_the_end(listed: PictureList) -> None:
    run_of(listed).start(FakeEngine(error=BatchError("The disk is full.")).steps, JOB, MODEL)
    wait(listed)
    assert run_of(listed).error == "The disk is full."
    assert [item.state for item in listed.items] == ["waiting", "waiting", "waiting", "waiting"]
    run_of(listed).start(FakeEngine(error=RuntimeError("/secret")).steps, JOB, MODEL)
    wait(listed)
    assert "on our side" in run_of(listed).error
    assert "/secret" not in run_of(listed).error
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    assert (run_of(listed).error, listed.done) == ("", 4)


# One dataset out


def edit(listed: PictureList, index: int) -> Session:
    """A visitor deletes two masks, hides one, labels one, merges two and paints one."""
    image, masks = listed.image(index), listed.masks(index)
    assert masks is not None
    session = Session(image, "ann")
    candidates = Candidates.unknown(masks.size_hw)
    session.update(MaskResult(image.rgb, "", "", OPTIONS, candidates, masks), "fake")
    numbers = session.current_masks()[0]
    session.editor.delete(numbers[:2])
    session.editor.set_hidden(numbers[2:3], True)
    session.editor.set_label(numbers[3:4], "cat")
    MASK_EDITS["combine"].do(session, {"how": "merge", "ids": list(numbers[4:6])})
    MASK_EDITS["paint"].do(session, {"id": 0, "strokes": [{"width": 6, "points": [[5, 5], [40, 30]]}]})
    models = {model.name: model for model in fake_models("fake")}
    listed.set_edited(index, saved_of(session.snapshot(), image, models))
    return session


@pytest.mark.parametrize("name", list(EXPORTERS))
def test_dataset_in_any_format(listed: PictureList, tmp_path: Path, name: str) -> None:
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    # A few masks each: what is at stake is that every picture comes with its own.
    for index in (0, 2, 3):
        edit(listed, index)
    report = export_list(listed, name, tmp_path)
    assert {check.photo for check in report.checks} == {"1.png", "2.png", "3.png"}
    assert report.path.name.startswith("1-and-2-more-")


def test_edits_are_in_the_dataset(listed: PictureList, tmp_path: Path) -> None:
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    edit(listed, 2)
    document = json.loads(export_list(listed, "coco", tmp_path).path.read_text())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    counts = [sum(names[row["image_id"]] == name for row in document["annotations"]) for name in ("1.png", "2.png")]
    masks = listed.masks(2)
    assert masks is not None
    assert counts == [listed.items[0].masks, len(masks) - 3 - 2 + 2]
    scores = [row["predicted_iou"] for row in document["annotations"] if names[row["image_id"]] == "2.png"]
    assert scores.count(None) == 2
    assert "cat" in [row["name"] for row in document["categories"]]
    assert listed.classes.names == ("cat",)


def test_pictures_without_masks_are_in_the_dataset_if_they_are_meant_to_be(listed: PictureList, tmp_path: Path) -> None:
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    edit(listed, 0)
    session = edit(listed, 2)
    # Nothing of the third picture is left: some masks are deleted, the others hidden.
    session.editor.set_hidden(session.current_masks().ids, True)
    models = {model.name: model for model in fake_models("fake")}
    listed.set_edited(2, saved_of(session.snapshot(), listed.image(2), models))
    for name in ("coco", "yolo", "overlay"):
        left_out = export_list(listed, name, tmp_path)
        assert ({check.photo for check in left_out.checks}, left_out.negatives) == ({"1.png", "3.png"}, 0)
        report = export_list(listed, name, tmp_path, negatives=True)
        assert report.negatives == (name != "overlay")
        assert len(report.checks) == len(left_out.checks)
    with zipfile.ZipFile(export_list(listed, "yolo", tmp_path, negatives=True).path) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist() if entry.filename.endswith(".txt")}
    assert [name for name, size in sizes.items() if not size] == ["labels/train/2.txt"]
    assert len(sizes) == 3


def test_an_export_and_what_is_kept_hold_the_list_as_it_was_when_they_began(
    listed: PictureList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Formats go through all pictures several times, and the visitor goes on working meanwhile.
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    seen = []

    def passes(name: str, items: Sequence[ExportItem], folder: Path, *rest: Any, **options: Any) -> None:
        for change in (lambda: listed.remove(0), lambda: edit(listed, 1), lambda: None):
            seen.append([(item.name, item.labels, [rle["counts"] for rle in item.masks.rle]) for item in items])
            change()

    to_keep = list_to_save(listed)
    monkeypatch.setattr(project_export, "export", passes)
    export_list(listed, "coco", tmp_path)
    assert [name for name, _, _ in seen[0]] == ["1.png", "2.png", "3.png"]
    assert seen[1:] == [seen[0], seen[0]]
    for picture in to_keep.pictures:
        work = picture.work()
        assert work is None or work.image.sha256 == picture.row.sha256


def test_masks_of_another_run_are_not_taken_for_those_of_this_one(listed: PictureList) -> None:
    run_of(listed).start(FakeEngine().steps, JOB, MODEL)
    wait(listed)
    before = listed.snapshot()
    assert before.masks(0) is not None
    run_of(listed).start(FakeEngine().steps, replace(JOB, options=OPTIONS.replace(pred_iou_thresh=0.1)), MODEL)
    wait(listed)
    assert listed.masks(0) is not None
    assert before.masks(0) is None


def test_export_before_there_are_masks(listed: PictureList, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no masks yet"):
        export_list(listed, "coco", tmp_path)


def test_no_picture_is_taken_out_of_a_list_that_is_being_written(listed: PictureList) -> None:
    own = WorkingList(listed)
    with own.being_written(), own.being_written(), pytest.raises(BatchError, match="being written to a file"):
        own.remove(0)
    assert len(listed.items) == 4
    own.remove(0)
    assert len(listed.items) == 3
