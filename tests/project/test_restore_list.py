"""A listed's work in its dataset's archive and in a kept folder: it comes back to the last bit, and nothing else."""

from __future__ import annotations

import itertools
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from PIL import Image
from test_pictures import JOB, MODEL, OPTIONS, archive, edit, file, picture, run_of, wait
from test_restore_photo import same

from automask_ui.errors import ArchiveError, AutoMaskError, BatchError, ExportError, RestoreError
from automask_ui.export import EXPORTERS
from automask_ui.files.safe_zip import is_archive
from automask_ui.masks import MaskSet
from automask_ui.masks.codec import to_columns
from automask_ui.project import restore_list as restoring
from automask_ui.project import saving
from automask_ui.project.collect_uploads import collect
from automask_ui.project.document import NAME, SavedPicture, SavedProject, parse, to_bytes
from automask_ui.project.export import export_list
from automask_ui.project.pictures import PictureList, batch_task
from automask_ui.project.projects import Projects
from automask_ui.project.restore_list import RestoredList
from automask_ui.project.saving import ProjectFolder, list_to_save
from automask_ui.project.sources import is_saved, read_project
from automask_ui.project.working_list import WorkingList
from automask_ui.session.store import SessionStore

NAMES = ("1.png", "broken.jpg", "deep/er/사진 2.png", "3.png")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three pictures, two of them in an archive, and one that is none."""
    broken = file(tmp_path / "broken.jpg", b"no picture")
    more = archive(tmp_path / "more.zip", {NAMES[2]: picture(2, (39, 53)), NAMES[3]: picture(3, (40, 53))})
    return [file(tmp_path / "1.png", picture(1, (38, 53))), broken, more]


@pytest.fixture
def listed(photos: list[Path], tmp_path: Path) -> PictureList:
    """Worked through; the third picture was edited."""
    folder = tmp_path / "list"
    folder.mkdir()
    listed = PictureList(collect(photos, folder).pictures, folder)
    run_of(listed).start(FakeEngine().steps, batch_task(MODEL, OPTIONS), MODEL)
    wait(listed)
    edit(listed, 2)
    return listed


@pytest.fixture
def dataset(listed: PictureList, tmp_path: Path) -> Path:
    """As it lies on the visitor's disk."""
    return export_list(listed, "labelme", tmp_path).path.rename(tmp_path / "download.zip")


@pytest.fixture
def no_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "MAX_PHOTOS_BYTES", 100)


@pytest.fixture
def new_folder(tmp_path: Path) -> Callable[[], Path]:
    def make() -> Path:
        folder = tmp_path / f"new-{len(list(tmp_path.glob('new-*')))}"
        folder.mkdir()
        return folder

    return make


def take_up(path: Path, photos: Sequence[Path], folder: Path) -> RestoredList:
    """The list that is saved at ``path``, in ``folder``."""
    return restoring.restore_list(path, read_project(path), photos, folder)


def holds_list(path: Path) -> bool:
    return not read_project(path).is_one_photo


def write(listed: PictureList, folder: Path, most: int = 10**9, opened: int | None = None) -> None:
    """Keep a list in a folder that nobody has written to yet."""
    ProjectFolder(folder).write(list_to_save(listed, opened), most)


def taken(back: RestoredList) -> PictureList:
    assert back.pictures is not None
    return back.pictures


def is_same(one: PictureList, other: PictureList) -> bool:
    """Whether both have come to the same, to the last bit of every mask."""
    assert one.items == other.items
    assert (one.task, one.model, one.classes) == (other.task, other.model, other.classes)
    for index in range(len(one.items)):
        first, second = one.saved(index), other.saved(index)
        assert (first is None) == (second is None)
        if first is not None and second is not None:
            assert same(first.masks, second.masks)
            for name in ("image", "model", "options", "partial", "ids", "fingerprints", "show", "edits"):
                assert getattr(first, name) == getattr(second, name), name
        assert one.sha256(index) == other.sha256(index)
        assert (one.thumbnails.get(one.pictures[index]) is None) == (
            other.thumbnails.get(other.pictures[index]) is None
        )
    return True


# Round trip


def test_archive_brings_everything_back(listed: PictureList, dataset: Path, new_folder: Callable[[], Path]) -> None:
    assert [item.name for item in listed.items] == list(NAMES)
    assert is_saved(dataset)
    assert holds_list(dataset)
    back = take_up(dataset, [], new_folder())
    assert (back.back, back.missing, back.added, back.open) == (4, (), 0, None)
    assert is_same(listed, taken(back))
    assert listed.items[2].edited
    # Nothing is found anew but what had failed.
    engine = FakeEngine()
    run_of(taken(back)).start(engine.steps, batch_task(MODEL, OPTIONS), MODEL)
    wait(taken(back))
    assert engine.decoded == 0
    assert [item.state for item in taken(back).items] == ["done", "failed", "done", "done"]


def test_dataset_made_of_it_is_the_same(
    listed: PictureList, dataset: Path, new_folder: Callable[[], Path], tmp_path: Path
) -> None:
    back = taken(take_up(dataset, [], new_folder()))
    for name in ("coco", "yolo", "labelme"):
        one = export_list(listed, name, tmp_path).path.read_bytes()
        assert export_list(back, name, tmp_path).path.read_bytes() == one


@pytest.mark.parametrize("name", [name for name, row in EXPORTERS.items() if row.extension_for(3) == "zip"])
def test_every_archive_carries_it(
    listed: PictureList, tmp_path: Path, name: str, new_folder: Callable[[], Path]
) -> None:
    for index in (0, 3):
        edit(listed, index)
    path = export_list(listed, name, tmp_path).path
    assert is_same(listed, taken(take_up(path, [], new_folder())))


def test_other_settings_find_masks_anew_but_for_edited_pictures(dataset: Path, new_folder: Callable[[], Path]) -> None:
    back = taken(take_up(dataset, [], new_folder()))
    before = list(back.items)
    run_of(back).start(FakeEngine().steps, batch_task(MODEL, OPTIONS.replace(pred_iou_thresh=0.9)), MODEL)
    wait(back)
    assert [now.masks != then.masks for now, then in zip(back.items, before, strict=True)] == [True, False, False, True]


def test_picture_that_waits_comes_back_waiting(photos: list[Path], new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    listed = PictureList(collect(photos, folder).pictures, folder)
    write(listed, kept := new_folder(), opened=1)
    back = take_up(kept, [], new_folder())
    assert [item.state for item in taken(back).items] == ["waiting"] * 4
    assert back.open == 1
    run_of(taken(back)).start(FakeEngine().steps, JOB, MODEL)
    wait(taken(back))
    assert taken(back).done == 4


def test_picture_that_is_called_as_our_own_files(tmp_path: Path, new_folder: Callable[[], Path]) -> None:
    names = ("automask.png", "AutoMask.png", "photo.png")
    path = archive(tmp_path / "x.zip", {name: picture(grey) for grey, name in enumerate(names)})
    folder = new_folder()
    listed = PictureList(collect([path], folder).pictures, folder)
    run_of(listed).start(FakeEngine().steps, batch_task(MODEL, OPTIONS), MODEL)
    wait(listed)
    assert is_same(listed, taken(take_up(export_list(listed, "labelme", tmp_path).path, [], new_folder())))


def test_masks_that_are_not_as_found_count_as_edited(dataset: Path, new_folder: Callable[[], Path]) -> None:
    def other_options(document: dict[str, Any]) -> None:
        document["options"]["pred_iou_thresh"] = 0.5

    spoil(dataset, "automask/00001.json", other_options)
    back = taken(take_up(dataset, [], new_folder()))
    saved = back.saved(0)
    assert back.items[0].edited
    assert saved is not None
    assert saved.options == OPTIONS.replace(pred_iou_thresh=0.5)


# Photos


@pytest.mark.usefixtures("no_photos")
def test_photos_that_stay_outside_are_asked_for(
    listed: PictureList, photos: list[Path], tmp_path: Path, new_folder: Callable[[], Path]
) -> None:
    path = export_list(listed, "masks", tmp_path).path
    assert not [name for name in zipfile.ZipFile(path).namelist() if name.startswith("automask/") and ".png" in name]
    assert take_up(path, [], new_folder()) == RestoredList(None, 0, NAMES, 0)
    other = file(tmp_path / "other.png", picture(77))
    assert take_up(path, [other], new_folder()) == RestoredList(None, 0, NAMES, 1)
    assert is_same(listed, taken(take_up(path, photos, new_folder())))


@pytest.mark.usefixtures("no_photos")
def test_some_photos_and_others(
    listed: PictureList, photos: list[Path], tmp_path: Path, new_folder: Callable[[], Path]
) -> None:
    path = export_list(listed, "masks", tmp_path).path
    other = file(tmp_path / "other.png", picture(77))
    back = take_up(path, [other, photos[0], photos[0]], new_folder())
    assert (back.back, back.missing, back.added) == (1, NAMES[1:], 1)
    items = taken(back).items
    assert [(item.name, item.state) for item in items] == [("1.png", "done"), ("other.png", "waiting")]
    assert items[0] == listed.items[0]


@pytest.mark.usefixtures("no_photos")
def test_photo_saved_again_without_loss_is_the_same(
    listed: PictureList, photos: list[Path], tmp_path: Path, new_folder: Callable[[], Path]
) -> None:
    path = export_list(listed, "masks", tmp_path).path
    Image.open(photos[0]).save(tmp_path / "again.bmp")
    back = taken(take_up(path, [tmp_path / "again.bmp"], new_folder()))
    assert (back.items, len(back.pictures)) == (listed.items[:1], 1)
    # The file has changed: from now on it is known by this one.
    again = export_list(back, "masks", tmp_path).path
    assert is_same(back, taken(take_up(again, [tmp_path / "again.bmp"], new_folder())))


def test_photos_beside_those_inside_are_no_new_ones(
    listed: PictureList, dataset: Path, photos: list[Path], new_folder: Callable[[], Path]
) -> None:
    back = take_up(dataset, photos, new_folder())
    assert (back.back, back.added) == (4, 0)
    assert is_same(listed, taken(back))


def test_the_same_photo_twice(tmp_path: Path, new_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "MAX_PHOTOS_BYTES", 100)
    path = archive(tmp_path / "x.zip", {"a.png": picture(1), "b.png": picture(1)})
    folder = new_folder()
    listed = PictureList(collect([path], folder).pictures, folder)
    run_of(listed).start(FakeEngine().steps, batch_task(MODEL, OPTIONS), MODEL)
    wait(listed)
    kept = export_list(listed, "masks", tmp_path).path
    assert is_same(listed, taken(take_up(kept, [path], new_folder())))


# What is not let in


def spoil(path: Path, name: str, change: Callable[[Any], object]) -> None:
    """Change one file of an archive: JSON as its value, others as their bytes."""
    with zipfile.ZipFile(path) as whole:
        files = {entry: whole.read(entry) for entry in whole.namelist()}
    if name.endswith(".json"):
        document = json.loads(files[name])
        change(document)
        files[name] = json.dumps(document).encode()
    else:
        files[name] = change(files[name])  # type: ignore[assignment]
    archive(path, files)


def row(document: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return document["pictures"][index]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=3), "version '3'.*reads versions 1 and 2"),  # from the future
        (lambda d: d.update(pictures=[]), "lists no pictures"),  # nothing
        (lambda d: d.update(pictures={}), "must be a list"),  # wrong type
        (lambda d: d.update(pictures=d["pictures"] * 51), "204 entries; at most 200"),  # too many
        (lambda d: d.update(pictures=[7]), "must be an object"),  # wrong type
        (lambda d: d.update(model=7), "“model” must be an object"),  # wrong type
        (lambda d: d["options"].update(points_per_side=10**9), "points_per_side must be"),  # out of range
        (lambda d: d["model"].update(sha256="x"), "model's SHA-256"),  # no hash
        (lambda d: row(d).update(sha256="x"), "SHA-256 of 1.png is none"),  # no hash
        (lambda d: row(d).update(sha256="0" * 64), "not the work on 1.png"),  # of another picture
        (lambda d: row(d).update(state="finished"), "unknown state"),  # unknown
        (lambda d: row(d).update(state="failed"), "does not go with masks"),  # both
        (lambda d: row(d).update(work=None), "does not go with no masks"),  # neither
        (lambda d: row(d).update(work="../../x.json"), "not one that AutoMask gives"),  # path
        (lambda d: row(d).update(photo="/etc/passwd"), "not one that AutoMask gives"),  # path
        (lambda d: row(d).update(photo="automask/../../00001.png"), "not one that AutoMask gives"),  # path
        (lambda d: row(d).update(thumbnail=["x"]), "not one that AutoMask gives"),  # wrong type
        (lambda d: row(d).update(work=row(d, 2)["work"]), "not the work on 1.png"),  # another's work
        (lambda d: row(d).update(photo=row(d, 2)["photo"]), "not 1.png, to which the masks belong"),  # another's photo
        (lambda d: row(d, 1).update(photo=row(d)["photo"]), "not broken.jpg"),  # another's photo, without masks
        (lambda d: row(d).update(work="automask/99999.json"), "is missing in download.zip"),  # not there
        (lambda d: row(d).update(seconds="1"), "are no number"),  # text
        (lambda d: row(d).update(seconds=-1), "are no number"),  # negative
        (lambda d: row(d).update(seconds=True), "are no number"),  # a bool
        (lambda d: row(d).update(error="x" * 1001), "“error” must be text"),  # long
        (lambda d: row(d).update(name="x" * 511), "“name” must be text"),  # long
        (lambda d: row(d).update(name=None), "“name” must be text"),  # wrong type
    ],
)
def test_hostile_list_is_refused(
    dataset: Path, change: Callable[[dict[str, Any]], object], message: str, new_folder: Callable[[], Path]
) -> None:
    spoil(dataset, NAME, change)
    with pytest.raises((RestoreError, ArchiveError), match=message):
        take_up(dataset, [], new_folder())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=3), "00001.json in download.zip has the version '3'"),  # from the future
        (
            lambda d: d.update(model=None, ids=[], masks=to_columns(MaskSet.empty((38, 53)))),
            "not the work on 1.png",
        ),  # nothing was found
        (lambda d: d["image"].update(sha256="0" * 64), "not the work on 1.png"),  # another picture
        (lambda d: d["image"].update(size_hw=[53, 38]), "is not inside the picture"),  # sides swapped
        (lambda d: d["masks"]["area"].__setitem__(0, 1), "pixels, not 1"),  # a lie
        (lambda d: d["edits"].update(labels={"1": "cow"}), "not in the class list"),  # unknown class
    ],
)
def test_hostile_document_is_refused(
    dataset: Path, change: Callable[[dict[str, Any]], object], message: str, new_folder: Callable[[], Path]
) -> None:
    spoil(dataset, "automask/00001.json", change)
    with pytest.raises(RestoreError, match=message):
        take_up(dataset, [], new_folder())


def test_photo_that_was_changed_is_refused(dataset: Path, new_folder: Callable[[], Path]) -> None:
    spoil(dataset, "automask/00001.png", lambda data: picture(99, (38, 53)))
    with pytest.raises(RestoreError, match=r"00001\.png in download\.zip is not 1\.png"):
        take_up(dataset, [], new_folder())


def test_names_become_no_paths(dataset: Path, new_folder: Callable[[], Path]) -> None:
    def rename(document: dict[str, Any]) -> None:
        for place, name in enumerate(["../../evil.png", "/etc/\u0000evil.png", "C:\\x\\..", ".."]):
            row(document, place)["name"] = name

    spoil(dataset, NAME, rename)
    folder = new_folder()
    back = taken(take_up(dataset, [], folder))
    assert [item.name for item in back.items] == ["evil.png", "etc/ evil.png", "x", "photo"]
    assert all(picture.path.parent == folder for picture in back.pictures)


def test_two_of_one_name_are_two(dataset: Path, new_folder: Callable[[], Path]) -> None:
    spoil(dataset, NAME, lambda document: row(document, 3).update(name="1.PNG"))
    back = taken(take_up(dataset, [], new_folder()))
    assert [item.name for item in back.items] == ["1.png", *NAMES[1:3], "1-2.PNG"]
    counts = [(item.masks, len(masks or ())) for item, masks in ((back.items[i], back.masks(i)) for i in (0, 3))]
    assert all(told == there for told, there in counts)


def test_size_that_is_a_lie_is_told_when_it_is_used(
    listed: PictureList, dataset: Path, new_folder: Callable[[], Path], tmp_path: Path
) -> None:
    """The right hash and masks of another size: only the picture's pixels show it."""

    def shrink(document: dict[str, Any]) -> None:
        document["image"]["size_hw"] = [37, 53]
        document["ids"], document["masks"], document["contents"] = [], to_columns(MaskSet.empty((37, 53))), []

    spoil(dataset, "automask/00001.json", shrink)
    back = taken(take_up(dataset, [], new_folder()))
    assert back.items[0].masks == 0
    back.items[0] = replace(back.items[0], masks=1)
    with pytest.raises(ExportError, match=r"1\.png are for a picture of another size"):
        export_list(back, "masks", tmp_path)


@pytest.mark.parametrize(
    ("limit", "most", "message"),
    [
        ("sources.MAX_JSON_BYTES", 100, r"automask\.json in download\.zip unpacks to more than"),  # the list
        ("sources.MAX_JSON_BYTES", 100_000, r"00001\.json in download\.zip unpacks to more than"),  # one document
        ("restore_list.MAX_WORK_BYTES", 100_000, r"00001\.json in download\.zip unpacks to more than"),  # all documents
        ("restore_list.MAX_BYTES", 100_000, r"00001\.png in download\.zip unpacks to more than"),  # all photos
    ],
)
def test_bombs_are_refused(
    dataset: Path, limit: str, most: int, message: str, new_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(dataset, "a", zipfile.ZIP_DEFLATED) as whole, pytest.warns(UserWarning, match="Duplicate"):
        whole.writestr(
            "automask/00001.png" if limit == "restore_list.MAX_BYTES" else "automask/00001.json", b" " * 1_000_000
        )
    assert dataset.stat().st_size < 500_000
    monkeypatch.setattr(f"automask_ui.project.{limit}", most)
    with pytest.raises(ArchiveError, match=message):
        take_up(dataset, [], new_folder())


def test_many_small_documents_are_too_much_as_well(
    dataset: Path, new_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(dataset) as whole:
        sizes = [whole.getinfo(f"automask/0000{number}.json").file_size for number in (1, 3, 4)]
    monkeypatch.setattr(restoring, "MAX_WORK_BYTES", sum(sizes) - 1)
    with pytest.raises(ArchiveError, match=r"00004\.json .* unpacks to more than"):
        take_up(dataset, [], new_folder())
    monkeypatch.setattr(restoring, "MAX_WORK_BYTES", sum(sizes))
    assert take_up(dataset, [], new_folder()).back == 4


@pytest.mark.parametrize("data", [b"", b"no picture", picture(3, (200, 300)), b"x" * 100_000])
def test_thumbnail_that_is_none_is_left_out(dataset: Path, data: bytes, new_folder: Callable[[], Path]) -> None:
    spoil(dataset, "automask/00001.thumb.webp", lambda old: data)
    back = taken(take_up(dataset, [], new_folder()))
    assert (back.thumbnails.get(back.pictures[0]), back.thumbnails.get(back.pictures[2]) is None) == (None, False)


@pytest.mark.parametrize("seed", range(10))
def test_spoilt_bytes_never_do_more_than_refuse(dataset: Path, seed: int, new_folder: Callable[[], Path]) -> None:
    rng = np.random.default_rng(seed)
    whole = dataset.read_bytes()
    for _ in range(5):
        data = bytearray(whole)
        for place in (*rng.integers(0, len(data), 3), *rng.integers(len(data) - 900, len(data), 3)):
            data[place] = rng.integers(0, 256)
        dataset.write_bytes(data)
        try:
            back = take_up(dataset, [], new_folder())
        except AutoMaskError:
            continue
        assert len(taken(back).items) == 4


def test_too_many_together(
    dataset: Path, tmp_path: Path, new_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "MAX_PICTURES", 4)
    assert take_up(dataset, [], new_folder()).back == 4
    with pytest.raises(BatchError, match="more than 4 pictures"):
        take_up(dataset, [file(tmp_path / "other.png", picture(77))], new_folder())


@pytest.mark.parametrize("name", ["automask-pictures", "x"])
def test_work_on_one_picture_is_no_queue(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "x.zip", {NAME: json.dumps({"format": "automask", "edits": [name]}).encode()})
    assert is_archive(path)
    with pytest.raises(RestoreError):
        read_project(path)
    with pytest.raises(RestoreError, match=r"has no automask\.json in it"):
        read_project(tmp_path / "missing.zip")


def test_list_comes_back_as_it_was() -> None:
    row = SavedPicture(
        "a.png", "0" * 64, "done", 1.5, "", True, "automask/00001.json", None, "automask/00001.thumb.webp"
    )
    kept = SavedProject((row, SavedPicture("b.png", "1" * 64, "failed", None, "그림이 아님")), MODEL, OPTIONS, 1)
    assert parse(to_bytes(kept)) == kept
    assert parse(to_bytes(replace(kept, model=None, options=None, open=None))).options is None


# In a folder


def files(folder: Path) -> dict[str, int]:
    """Everything in the folder, and when it was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_folder_is_brought_up_to_date(listed: PictureList, new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    keeper = ProjectFolder(folder)
    keeper.write(list_to_save(listed), 10**9)
    first = files(folder)
    assert is_same(listed, taken(take_up(folder, [], new_folder())))
    edit(listed, 0)
    keeper.write(list_to_save(listed), 10**9)
    second = files(folder)
    changed = {name for name in second if second[name] != first.get(name)}
    assert len(changed) == 2  # the list, and one document
    assert len(first.keys() - second.keys()) == 1  # that of before
    assert is_same(listed, taken(take_up(folder, [], new_folder())))


def test_every_change_of_a_list_can_be_told(listed: PictureList) -> None:
    projects = Projects(SessionStore(2**24), {})
    projects.lists._lists["ann"] = WorkingList(listed)
    marks = [projects.mark("ann", "pictures")]
    assert projects.mark("ann", "pictures") == marks[-1]
    edit(listed, 0)
    marks.append(projects.mark("ann", "pictures"))
    edit(listed, 0)  # the table says the same as before
    marks.append(projects.mark("ann", "pictures"))
    projects.open_item("ann", 2)
    marks.append(projects.mark("ann", "pictures"))
    assert all(one != other for one, other in itertools.combinations(marks, 2))


def test_nobody_else_may_read_the_folder(listed: PictureList, new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    write(listed, folder)
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}


def test_two_queues_in_one_folder_do_not_spoil_each_other(
    listed: PictureList, dataset: Path, new_folder: Callable[[], Path]
) -> None:
    other = taken(take_up(dataset, [], new_folder()))
    edit(other, 0)
    folder = new_folder()
    keepers = {id(one): ProjectFolder(folder) for one in (listed, other)}
    for one in (listed, other, listed):
        keepers[id(one)].write(list_to_save(one), 10**9)
        assert is_same(one, taken(take_up(folder, [], new_folder())))


def test_too_large_is_not_kept(listed: PictureList, new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    write(listed, folder)
    with pytest.raises(BatchError, match="too large"):
        write(listed, folder, 1000)
    assert not folder.exists()


def test_interrupted_writing_leaves_what_was_kept(
    listed: PictureList, new_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_folder()
    keeper = ProjectFolder(folder)
    keeper.write(list_to_save(listed), 10**9)
    write = saving.write_atomic

    def fail(target: Path, content: bytes | Path, **options: Any) -> None:
        if target.name == NAME:
            raise OSError(28, "No space left on device")
        write(target, content, **options)

    monkeypatch.setattr(saving, "write_atomic", fail)
    before, there = taken(take_up(folder, [], new_folder())), files(folder)
    edit(listed, 0)
    with pytest.raises(OSError, match="No space"):
        keeper.write(list_to_save(listed), 10**9)
    assert files(folder) == there
    assert is_same(before, taken(take_up(folder, [], new_folder())))
    monkeypatch.undo()
    keeper.write(list_to_save(listed), 10**9)
    assert is_same(listed, taken(take_up(folder, [], new_folder())))


def test_what_a_crash_left_half_written_goes(listed: PictureList, new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    keeper = ProjectFolder(folder)
    keeper.write(list_to_save(listed), 10**9)
    before = files(folder)
    for left in (folder / "0123.part", folder / "automask" / "4567.part"):
        left.write_bytes(b"half")
    keeper.write(list_to_save(listed), 10**9)
    assert files(folder).keys() == before.keys()


def test_reading_a_folder_takes_no_more_memory_than_its_files(
    listed: PictureList, new_folder: Callable[[], Path]
) -> None:
    folder = new_folder()
    write(listed, folder)
    tracemalloc.start()
    try:
        taken(take_up(folder, [], new_folder()))
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024**2
    finally:
        tracemalloc.stop()


def test_long_names_of_which_there_are_two_come_back(tmp_path: Path, new_folder: Callable[[], Path]) -> None:
    name = f"{'x' * 251}.png"
    folder = new_folder()
    more = [archive(tmp_path / f"{number}.zip", {name: picture(number, (38, 53))}) for number in (1, 2)]
    listed = PictureList(collect(more, folder).pictures, folder)
    run_of(listed).start(FakeEngine().steps, batch_task(MODEL, OPTIONS), MODEL)
    wait(listed)
    kept = new_folder()
    write(listed, kept)
    assert is_same(listed, taken(take_up(kept, [], new_folder())))


def test_folder_that_lost_a_file_is_refused(listed: PictureList, new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    write(listed, folder)
    next((folder / "automask").glob("*.json")).unlink()
    with pytest.raises(ArchiveError, match="could not be read"):
        take_up(folder, [], new_folder())
