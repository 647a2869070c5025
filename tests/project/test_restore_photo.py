"""Kept work: what is written comes back to the last bit, and nothing else is let in."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine, fake_models, fake_result
from PIL import Image

from automask_ui.errors import ArchiveError, ExportError, RestoreError
from automask_ui.export import EXPORTERS, ExportItem, export
from automask_ui.export.hard_masks import hard_items
from automask_ui.files.images import LoadedImage, load_image
from automask_ui.files.safe_zip import open_archive
from automask_ui.masks import MaskSet, rle
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.options import GeneratorOptions
from automask_ui.project import document
from automask_ui.project.document import NAME, Saved, SavedPicture, SavedProject, parse
from automask_ui.project.export import export_photo
from automask_ui.project.restore_list import saved_photo
from automask_ui.project.restore_photo import check_photo, has_model, restore_session, saved_of, snapshot_of
from automask_ui.project.saving import archive_files, photo_to_save
from automask_ui.project.sources import is_saved, read_project
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly
from automask_ui.session import run as run_module
from automask_ui.session.edits import Edits, OwnMask

LOOSE = GeneratorOptions(
    points_per_side=5, pred_iou_thresh=0.7, stability_score_thresh=0.0, crop_overlap_ratio=512 / 1500
)
MODELS = {model.name: model for model in fake_models("fake")}


@pytest.fixture
def photo(tmp_path: Path) -> LoadedImage:
    path = tmp_path / "사진 & photo.png"
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (37, 53, 3), np.uint8)).save(path)
    return load_image(path)


@pytest.fixture
def session(photo: LoadedImage, tmp_path: Path) -> Session:
    """Work with everything in it: two runs, numbers with gaps, labels, hidden and deleted masks."""
    session = Session(photo, "ann", tmp_path)
    session.update(fake_result(photo.rgb, LOOSE), "fake")
    session.update(fake_result(photo.rgb, LOOSE.replace(pred_iou_thresh=0.85)))
    numbers = session.current_masks()[0]
    session.editor.set_label(numbers[:2], "고양이")
    session.editor.set_label(numbers[2:3], "<b>dog</b>")
    session.editor.set_hidden(numbers[1:3], True)
    session.editor.delete(numbers[3:4])
    session.show_only(ShowOnly(smallest=2, largest=90, unit="%", covering=80))
    return session


def kept(session: Session) -> Saved:
    return saved_of(session.snapshot(), session.image, MODELS)


def to_bytes(saved: Saved) -> bytes:
    """The document of a project of this one photo."""
    return document.to_bytes(project_of(saved))


def project_of(saved: Saved) -> SavedProject:
    row = SavedPicture(
        saved.image.name, saved.image.sha256, "done" if saved.model else "waiting", edited=True, work=saved
    )
    return SavedProject((row,), saved.model, saved.options, 0)


def read(data: bytes) -> Saved:
    """The work on the one photo in a document."""
    saved = parse(data).pictures[0].work
    assert isinstance(saved, Saved)
    return saved


def extras(session: Session, models: Mapping[str, AvailableModel]) -> dict[str, bytes]:
    """The files that carry the work in an archive."""
    return dict(archive_files(photo_to_save(session, models)))


def read_saved(path: Path) -> tuple[Saved, bytes | None]:
    """The work on the one photo that is saved at ``path``, and the photo's file where it is there."""
    project = read_project(path)
    saved = project.pictures[0].work
    assert isinstance(saved, Saved)
    return saved, saved_photo(path, project)


def same(one: MaskSet, other: MaskSet) -> bool:
    columns = [name for name in MaskSet.column_names() if name not in ("rle", "candidate")]
    arrays = [(getattr(one, name), getattr(other, name)) for name in columns]
    return (
        list(one.rle) == list(other.rle)
        and all(a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in arrays)
        and one.size_hw == other.size_hw
    )


# Round trip


def test_document_comes_back_as_it_was(session: Session) -> None:
    before = kept(session)
    after = read(to_bytes(before))
    assert same(before.masks, after.masks)
    assert len(after.masks) > 5
    for name in ("image", "model", "options", "partial", "ids", "fingerprints", "show", "edits"):
        assert getattr(after, name) == getattr(before, name), name
    assert to_bytes(after) == to_bytes(before)


def test_session_goes_on_where_it_was(session: Session, tmp_path: Path) -> None:
    other = Session(session.image, "bob", tmp_path)
    other.restore(snapshot_of(read(to_bytes(kept(session))), session.image))
    assert other.current_masks()[0] == session.current_masks()[0]
    assert same(other.current_masks()[1], session.current_masks()[1])
    assert (other.edits, other.show, other.model) == (session.edits, session.show, session.model)
    assert other.result is not None
    assert not other.result.has_candidates
    # The model finds the candidates again: every mask keeps its number, and old ones get theirs back.
    for options in (LOOSE.replace(pred_iou_thresh=0.85), LOOSE):
        for one in (session, other):
            one.show_only(ShowOnly())
            one.update(fake_result(session.image.rgb, options))
        assert other.current_masks(with_deleted=True)[0] == session.current_masks(with_deleted=True)[0]


def test_work_without_a_run_comes_back(photo: LoadedImage, tmp_path: Path) -> None:
    session = Session(photo, "ann", tmp_path)
    session.editor.set_classes(["cat"])
    after = read(to_bytes(kept(session)))
    assert (after.model, after.options, len(after.masks)) == (None, None, 0)
    other = Session(photo, "bob", tmp_path)
    other.restore(snapshot_of(after, photo))
    assert other.result is None
    assert other.edits.classes == ("cat",)


def test_hard_masks_and_scores_that_were_not_measured_come_back(tmp_path: Path) -> None:
    for item in hard_items():
        masks = replace(item.masks, stability_score=np.full(len(item.masks), np.nan, np.float32))
        image = LoadedImage(np.ascontiguousarray(item.image), item.name, ())
        session = Session(image, "ann", tmp_path)
        session.update(replace(fake_result(image.rgb, LOOSE), masks=masks), "fake")
        assert same(read(to_bytes(kept(session))).masks, masks)


@pytest.mark.parametrize("name", [name for name, row in EXPORTERS.items() if row.extension == "zip"])
def test_every_archive_carries_the_work_and_the_photo(name: str, session: Session, tmp_path: Path) -> None:
    ids, masks, _ = session.current_masks()
    item = ExportItem(session.image.name, session.image.rgb, masks, ids, ("",) * len(ids))
    report = export(name, [item], tmp_path, extras(session, MODELS).items())
    assert is_saved(report.path)
    after, data = read_saved(report.path)
    assert data == session.image.data
    assert same(after.masks, kept(session).masks)
    check_photo(after, load_image(data, name=after.image.name))


def test_large_photo_stays_outside(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automask_ui.project.saving.MAX_ARCHIVED_PHOTO_BYTES", 100)
    files = extras(session, MODELS)
    assert list(files) == [NAME]
    assert json.loads(files[NAME])["pictures"][0]["photo"] is None


# The photo


def test_photo_saved_again_without_loss_is_the_same(session: Session) -> None:
    buffer = io.BytesIO()
    Image.fromarray(session.image.rgb).save(buffer, "BMP")
    check_photo(kept(session), load_image(buffer.getvalue(), name="again.bmp"))


@pytest.mark.parametrize(
    "change",
    [
        lambda rgb: np.rot90(rgb).copy(),  # another size
        lambda rgb: rgb[::-1].copy(),  # the same size, other pixels
        lambda rgb: np.ascontiguousarray(rgb.reshape(53, 37, 3)),  # the same bytes in another shape
    ],
)
def test_other_photo_is_refused(session: Session, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with pytest.raises(RestoreError, match=r"other\.png .* is not the picture .* 사진 & photo\.png"):
        check_photo(kept(session), LoadedImage(change(session.image.rgb), "other.png", ()))


# What is not let in


def broken(session: Session, change: Callable[[dict[str, Any]], object]) -> bytes:
    values = json.loads(to_bytes(kept(session)))
    change(values)
    return json.dumps(values).encode()


def work(document: dict[str, Any]) -> dict[str, Any]:
    return document["pictures"][0]["work"]


def put(document: dict[str, Any], column: str, value: object) -> None:
    """Change the first number of a column of masks."""
    work(document)["masks"][column][0] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("format"), "does not say"),  # another program's JSON
        (lambda d: d.update(version=3), "version '3'.*reads versions 1 and 2"),  # from the future
        (lambda d: d.update(version=None), "version 'None'"),  # no version
        (lambda d: d.update(version=True), "version 'True'"),  # a bool
        (lambda d: d.update(pictures=[]), "lists no pictures"),  # nothing
        (lambda d: d.update(version=1), "“image” must be an object"),  # says that it is older
        (lambda d: d["pictures"][0].update(work=[]), "the place.*not one that AutoMask gives"),  # wrong type
        (lambda d: d["pictures"][0].update(sha256="0" * 64), "not the work on"),  # of another picture
        (lambda d: d["pictures"][0].update(state="waiting"), "waiting, which does not go with masks"),  # has masks
        (lambda d: d["pictures"][0].update(state="failed"), "failed, which does not go with masks"),  # has masks
        (lambda d: d["pictures"][0].update(photo="../../etc/passwd"), "not one that AutoMask gives"),  # path
        (lambda d: d["pictures"][0].update(photo="automask/photo/../x"), "not one that AutoMask gives"),  # nested path
        (lambda d: work(d).update(image=[]), "“image” must be an object"),  # wrong type
        (lambda d: work(d)["image"].update(size_hw=[53, 37]), "is not inside the picture"),  # sides swapped
        (lambda d: work(d)["image"].update(size_hw=[10**6, 10**6]), "limit is 120,000,000"),  # too large
        (lambda d: work(d)["image"].update(size_hw=[0, 5]), "cannot be"),  # nothing
        (lambda d: work(d)["image"].update(size_hw=[37.0, 53]), "2 whole numbers"),  # not whole
        (lambda d: work(d)["image"].update(name="x" * 300), "“name” must be text"),  # long name
        (lambda d: work(d)["image"].update(pixels_sha256="../x"), "SHA-256 is none"),  # no hash
        (lambda d: work(d)["model"].update(sha256=7), "model's SHA-256"),  # wrong type
        (lambda d: work(d)["options"].update(points_per_side=10**9), "points_per_side must be"),  # out of range
        (lambda d: work(d)["options"].update(evil=1), "no option evil"),  # unknown option
        (lambda d: work(d)["options"].update(output_mode=[]), "output_mode"),  # wrong type
        (lambda d: work(d)["options"].update(point_grids="boom"), "point_grids"),  # wrong type
        (lambda d: d["options"].update(evil=1), "no option evil"),  # of the list itself
        (lambda d: work(d)["show"].update(unit="inch"), "px or %"),  # unknown unit
        (lambda d: work(d)["show"].update(other=1), "unknown setting"),  # unknown setting
        (lambda d: work(d)["show"].update(smallest=[]), "smallest area"),  # wrong type
        (lambda d: work(d).update(masks=[]), "“masks” must be an object"),  # wrong type
        (lambda d: work(d)["masks"].update(counts=["0"] * 20_001), "20,001 entries; at most 20,000"),  # too many
        (lambda d: work(d).update(model=None), "no model has found"),  # masks out of nowhere
        (lambda d: work(d)["ids"].pop(), "masks have"),  # one without
        (lambda d: work(d)["ids"].insert(0, work(d)["ids"].pop(1)), None),  # another order is no fault
        (lambda d: work(d)["ids"].__setitem__(0, work(d)["ids"][1]), "same id"),  # twice
        (lambda d: work(d)["ids"].__setitem__(0, 10**6), "not among the"),  # never given
        (lambda d: work(d)["ids"].__setitem__(0, True), "whole number"),  # a bool
        (lambda d: put(d, "area", 1), "pixels, not 1"),  # a lie
        (lambda d: put(d, "bbox_xywh", 52), "is not inside the picture"),  # outside
        (lambda d: put(d, "point_xy", 1e300), "too large"),  # far away
        (lambda d: put(d, "predicted_iou", "1"), "no number of its kind"),  # text
        (lambda d: put(d, "counts", "zzz"), "no RLE"),  # not of an RLE
        (lambda d: work(d).update(contents=[["zz", 0]]), "pairs of a hash"),  # no hash
        (lambda d: work(d)["contents"].append(work(d)["contents"][0]), "same content"),  # twice
        (lambda d: work(d).update(contents=[["0" * 24, -1]]), "no number of masks"),  # negative
        (lambda d: work(d).update(contents=[["", 2]]), "no number of masks"),  # made by hand, with another's id
        (lambda d: work(d).update(contents=[]), "not among the 0"),  # masks without an id
        (lambda d: work(d).update(edits=None), "Edits must be an object"),  # missing
        (lambda d: work(d)["edits"].update(hidden=[-1]), "mask's id"),  # negative
        (lambda d: work(d)["edits"].update(labels={"1": "cow"}), "not in the class list"),  # unknown class
        (lambda d: work(d)["edits"].update(classes=["x" * 101]), "at most 100"),  # long name
        (lambda d: work(d)["edits"].update(own=[]), "“own” must be an object"),  # wrong type
    ],
)
def test_hostile_document_is_refused(
    session: Session, change: Callable[[dict[str, Any]], object], message: str | None
) -> None:
    data = broken(session, change)
    if message is None:
        assert parse(data)
        return
    with pytest.raises(RestoreError, match=message):
        parse(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no readable JSON"),  # empty
        (b"\xff\xfe", "no readable JSON"),  # no UTF-8
        (b"[" * 100_000, "no readable JSON"),  # deep
        (b'{"a": NaN}', "NaN is no number"),  # not JSON
        (b"1" * 5000, "no readable JSON"),  # a huge number
        (b"[]", "holds no work"),  # no object
        (b"null", "holds no work"),  # nothing
    ],
)
def test_garbage_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(RestoreError, match=message):
        parse(data)


PARTS = ["format", "version", "pictures", "model", "options"]
ROW_PARTS = ["name", "sha256", "state", "error", "work"]
WORK_PARTS = ["image", "model", "options", "show", "ids", "masks", "contents", "edits"]
COLUMNS = ["counts", "area", "bbox_xywh", "predicted_iou", "stability_score", "point_xy", "crop_box_xywh"]
ROW = ("pictures", 0)
PATHS: list[tuple[Any, ...]] = [
    *((key,) for key in PARTS if key != "model"),
    *((*ROW, key) for key in ROW_PARTS),
    *((*ROW, "work", key) for key in WORK_PARTS),
    *((*ROW, "work", "masks", key) for key in COLUMNS),
]


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_missing_part_is_refused(session: Session, path: tuple[Any, ...]) -> None:
    values = json.loads(to_bytes(kept(session)))
    parent: Any = values
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    with pytest.raises(RestoreError):
        parse(json.dumps(values).encode())


# Archives


def archive(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def test_other_photo_in_the_archive_is_refused(service: Service, session: Session, tmp_path: Path) -> None:
    files = extras(session, MODELS)
    buffer = io.BytesIO()
    Image.fromarray(session.image.rgb[::-1]).save(buffer, "PNG")
    saved, photo = read_saved(archive(tmp_path / "x.zip", {**files, "automask/00001.png": buffer.getvalue()}))
    assert photo is not None
    with pytest.raises(RestoreError, match="not the picture"):
        restore_session(service.store, "bob", saved, load_image(photo, name=saved.image.name))


def test_archive_without_its_photo_has_none(session: Session, tmp_path: Path) -> None:
    files = {NAME: extras(session, MODELS)[NAME]}
    assert read_saved(archive(tmp_path / "x.zip", files))[1] is None


@pytest.mark.parametrize("seed", range(20))
def test_spoilt_bytes_never_do_more_than_refuse(session: Session, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = archive(tmp_path / "x.zip", extras(session, MODELS))
    whole = path.read_bytes()
    for _ in range(20):
        data = bytearray(whole)
        # Half of them where the list of entries is.
        for place in (*rng.integers(0, len(data), 2), *rng.integers(len(data) - 300, len(data), 2)):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        with suppress(RestoreError, ArchiveError):
            assert read_saved(path)[0].image.size_hw == (37, 53)


def test_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "bomb.zip", {NAME: b" " * 3_000_000})
    assert path.stat().st_size < 10_000
    monkeypatch.setattr("automask_ui.project.sources.MAX_JSON_BYTES", 2_000_000)
    with pytest.raises(ArchiveError, match=r"automask\.json in bomb\.zip unpacks to more than 2 MB"):
        read_saved(path)


def test_photo_bomb_is_refused(tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "bomb.zip", extras(session, MODELS))
    monkeypatch.setattr("automask_ui.project.sources._Zip.largest_photo", 1000)
    with pytest.raises(ArchiveError, match=r"00001\.png .* more than"):
        read_saved(path)


def test_size_in_the_header_is_not_believed(tmp_path: Path, session: Session) -> None:
    path = archive(tmp_path / "x.zip", extras(session, MODELS), zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"automask/00001.png"))
    data[entry + 24 : entry + 28] = (5).to_bytes(4, "little")  # uncompressed size
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="damaged"):
        read_saved(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], "its end is missing"),  # half a download
        (lambda data: data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:], "too many files"),  # second directory
        (lambda data: data[:-10] + b"\xff\xff\xff\x7f" + data[-6:], "too many files"),  # directory of 2 GB
        (lambda data: data[:60] + b"\xff" * 40 + data[100:], "damaged|no complete"),  # spoilt content
    ],
)
def test_spoilt_archive_is_refused(
    tmp_path: Path, session: Session, spoil: Callable[[bytes], bytes], message: str
) -> None:
    path = archive(tmp_path / "x.zip", {NAME: to_bytes(kept(session))})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises((ArchiveError, RestoreError), match=message):
        read_saved(path)


def test_other_archives_and_methods(tmp_path: Path, session: Session) -> None:
    nested = archive(tmp_path / "nested.zip", {f"folder/{NAME}": to_bytes(kept(session))})
    assert not is_saved(nested)
    with pytest.raises(RestoreError, match=r"nested\.zip has no automask\.json"):
        read_saved(nested)
    packed = archive(tmp_path / "lzma.zip", {NAME: to_bytes(kept(session))}, zipfile.ZIP_LZMA)
    with pytest.raises(ArchiveError, match="ordinary ZIP"):
        read_saved(packed)


def test_large_json_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b" " * 2000)
    monkeypatch.setattr("automask_ui.project.sources.MAX_JSON_BYTES", 1000)
    with pytest.raises(RestoreError, match=r"large\.json has more than"):
        read_saved(path)


@pytest.mark.parametrize("mask", [np.zeros((37, 53), bool), np.ones((37, 53), bool), np.eye(37, 53) > 0])
def test_checked_rle_is_the_rle(mask: np.ndarray) -> None:
    coded = rle.encode(mask)
    assert rle.checked([coded["counts"].decode()], (37, 53)) == [coded]
    with pytest.raises(ValueError, match="its runs are not"):
        rle.checked([coded["counts"].decode()], (37, 54))


# In the service


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(run_module, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(run_module, "UPDATE_SHARE", 1e9)
    return Service(lambda name: engine, fake_models("fake"), "fake")


@pytest.fixture
def taken_up(service: Service, session: Session) -> Session:
    return restore_session(service.store, "bob", read(to_bytes(kept(session))), session.image)


def test_slider_of_work_that_was_taken_up_finds_the_candidates_again(
    service: Service, engine: FakeEngine, session: Session, taken_up: Session
) -> None:
    before = taken_up.current_masks(with_deleted=True)[0]
    taken_up.show_only(ShowOnly())
    session.show_only(ShowOnly())
    seen = [
        (progress.stage, len(taken_up.current_masks(with_deleted=True)[0]))
        for progress in service.runs.refilter(taken_up, LOOSE)
    ]
    assert before
    # The masks stay until all candidates are there.
    assert len({count for stage, count in seen if stage != "done"}) == 1
    assert seen[-1][0] == "done"
    assert engine.decoded
    session.update(fake_result(session.image.rgb, LOOSE))
    assert taken_up.current_masks(with_deleted=True)[0] == session.current_masks(with_deleted=True)[0]
    assert taken_up.edits == session.edits
    decoded = engine.decoded
    run = service.runs.refilter(taken_up, LOOSE.replace(pred_iou_thresh=0.9))
    assert [progress.stage for progress in run] == ["done"]
    assert engine.decoded == decoded


def test_stopping_that_leaves_the_masks(service: Service, taken_up: Session) -> None:
    before = taken_up.snapshot()
    for progress in service.runs.refilter(taken_up, LOOSE.replace(pred_iou_thresh=0.71)):
        if progress.stage == "decode":
            service.runs.stop(taken_up)
    assert progress.stage == "stopped"
    assert taken_up.snapshot().result is before.result


def test_same_settings_need_no_model(service: Service, engine: FakeEngine, taken_up: Session) -> None:
    assert taken_up.result is not None
    assert not list(service.runs.refilter(taken_up, taken_up.result.options))
    assert not engine.decoded


@pytest.mark.parametrize("content", [b"other weights", None], ids=["other file of that name", "no such model"])
def test_other_model_does_not_pass_for_the_same(
    service: Service, taken_up: Session, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content or b"")
    found = service.models.pop("fake")
    if content:
        service.models["fake"] = replace(found, path=path)
    assert not has_model(taken_up, service.models)
    for ask in (lambda: list(service.runs.refilter(taken_up, LOOSE)), lambda: service.runs.resume(taken_up)):
        with pytest.raises(RestoreError, match=r"found by fake .* not on this machine"):
            ask()
    assert taken_up.job is None


def test_checksum_of_the_model_is_kept_and_known_again(service: Service, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    service.models["fake"] = replace(service.models["fake"], path=path)
    saved = saved_of(session.snapshot(), session.image, service.models)
    assert saved.model is not None
    assert saved.model.sha256 == hashlib.sha256(b"weights").hexdigest()
    other = restore_session(service.store, "bob", saved, session.image)
    assert has_model(other, service.models)
    # Kept once more without the model, it still says which one it was.
    assert saved_of(other.snapshot(), session.image, {}).model == replace(saved.model, title="fake")


def test_new_run_takes_the_place_of_work_that_was_taken_up(service: Service, taken_up: Session) -> None:
    assert [*service.runs.find(taken_up, "fake", LOOSE)][-1].stage == "done"
    assert taken_up.result is not None
    assert taken_up.result.has_candidates
    assert not taken_up.result.partial


def test_wrong_photo_leaves_the_earlier_work(service: Service, session: Session) -> None:
    mine = service.store.begin(session.image, "bob")
    other = LoadedImage(np.zeros((37, 53, 3), np.uint8), "other.png", ())
    with pytest.raises(RestoreError):
        restore_session(service.store, "bob", kept(session), other)
    assert service.store.current("bob") is mine


def test_page_download_is_the_way_back(service: Service, session: Session) -> None:
    mine = service.store.begin(session.image, "ann")
    mine.restore(session.snapshot())
    report = export_photo(mine, service.models, "masks", mine.current_masks()[0][:2])
    after, photo = read_saved(report.path)
    assert photo == session.image.data
    assert after.ids == session.snapshot().ids
    assert after.edits == session.edits


def test_fault_of_the_reader_is_not_blamed_on_the_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", {"a.txt": b"a"})
    with pytest.raises(OSError, match="disk full"), open_archive(path):
        raise OSError("disk full")


def test_masks_that_another_machine_finds_nearly_the_same_keep_their_numbers(session: Session, tmp_path: Path) -> None:
    other = Session(session.image, "bob", tmp_path)
    other.restore(snapshot_of(read(to_bytes(kept(session))), session.image))
    result = fake_result(session.image.rgb, LOOSE.replace(pred_iou_thresh=0.85))
    found = result.candidates.rle.copy()
    # Each mask a pixel larger or smaller than it was where it comes from.
    for row in result.masks.candidate.tolist():
        mask = rle.decode(result.candidates.rle[row])
        edge = tuple(np.argwhere(mask)[0]) if mask.sum() > 20 else None
        if edge is not None:
            mask[edge] = False
        found[row] = rle.encode(mask)
    candidates = replace(result.candidates, rle=found)
    masks = replace(result.masks, rle=found[result.masks.candidate].copy())
    differing = sum(a != b for a, b in zip(masks.rle, result.masks.rle, strict=True))
    assert differing > 3
    before = dict(
        zip(
            other.current_masks(with_deleted=True)[0],
            other.current_masks(with_deleted=True)[1].bbox_xywh.tolist(),
            strict=True,
        )
    )
    other.update(replace(result, candidates=candidates, masks=masks))
    after = dict(
        zip(
            other.current_masks(with_deleted=True)[0],
            other.current_masks(with_deleted=True)[1].bbox_xywh.tolist(),
            strict=True,
        )
    )
    assert after == before
    assert other.edits == session.edits


def test_what_was_done_can_still_be_taken_back(session: Session, tmp_path: Path) -> None:
    ids = session.current_masks().ids
    session.editor.delete(ids[:2])
    session.editor.put_masks("change", [OwnMask(rle.encode(np.eye(37, 53) > 0), "painted")], ids=ids[2:3])
    session.editor.undo()
    other = Session(session.image, "bob", tmp_path)
    other.restore(snapshot_of(read(to_bytes(kept(session))), session.image))
    assert other.editor.history == session.editor.history
    for one in (session, other):
        one.editor.redo()
    assert other.edits == session.edits
    for one in (session, other):
        while one.editor.undo() is not None:
            pass
    assert other.edits == session.edits
    assert other.current_masks().ids == session.current_masks().ids


def test_document_of_this_version_without_a_history_opens(session: Session) -> None:
    saved = parse(broken(session, lambda d: work(d).pop("history"))).pictures[0].work
    assert isinstance(saved, Saved)
    assert saved.edits == session.edits
    assert saved.history.undo is None


def test_step_with_a_mask_that_was_never_given_an_id_is_refused(session: Session) -> None:
    own = Edits(own={1: OwnMask(rle.encode(np.eye(37, 53) > 0), "clicked")}).to_dict()["own"]
    step = {"kind": "paint", "count": 1, "label": "", "own": {str(10**6): 1}}
    with pytest.raises(RestoreError, match="mask 1000000 is not among"):
        parse(broken(session, lambda d: work(d)["history"].update(own=own, past=[step])))


@pytest.mark.parametrize(
    ("limit", "most", "message"),
    [
        ((document, "MAX_JSON_BYTES"), 500, "MB can be opened again: delete masks"),
        ((document, "MAX_IDS"), 3, "at most 20,000 of 3 can be opened again"),
        ((document.codec, "MAX_MASKS"), 3, "at most 3 of 200,000 can be opened again"),
    ],
)
def test_work_too_large_to_be_opened_again_is_refused_when_it_is_written(
    session: Session, limit: tuple[Any, str], most: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = kept(session)
    monkeypatch.setattr(*limit, most)
    with pytest.raises(ExportError, match=message):
        to_bytes(saved)


# Masks made by hand


def test_masks_made_by_hand_come_back(session: Session, tmp_path: Path) -> None:
    ids = session.current_masks().ids
    own = OwnMask(rle.encode(np.eye(37, 53) > 0), "painted")
    session.editor.put_masks("change", [own], ids=ids[:1])
    (new,) = session.editor.put_masks("merge", [replace(own, origin="merged", predicted_iou=0.5)], instead_of=ids[1:3])
    after = read(to_bytes(kept(session)))
    assert after.edits == session.edits
    assert after.fingerprints[new - 1] == (b"", new)
    other = Session(session.image, "bob", tmp_path)
    other.restore(snapshot_of(after, session.image))
    assert other.current_masks().ids == session.current_masks().ids
    assert list(other.current_masks().masks.rle) == list(session.current_masks().masks.rle)
    assert other.editor.put_masks("add", [own]) == (new + 1,)
    assert to_bytes(after) == to_bytes(kept(session))


def test_masks_made_by_hand_of_a_picture_without_a_run_come_back(photo: LoadedImage, tmp_path: Path) -> None:
    session = Session(photo, "ann", tmp_path)
    session.editor.put_masks("add", [OwnMask(rle.encode(np.eye(37, 53) > 0), "clicked")])
    after = read(to_bytes(kept(session)))
    assert after.model is None
    assert after.edited().ids == (1,)


@pytest.mark.parametrize(
    "named",
    [{"classes": ["cat"], "labels": {"1000000": "cat"}}, {"hidden": [10**6]}, {"deleted": [1, 10**6]}],
    ids=["label", "hidden", "deleted"],
)
def test_edits_of_a_mask_that_was_never_given_an_id_are_refused(session: Session, named: dict[str, Any]) -> None:
    # Such numbers would be given to the next masks that are made, which would be hidden or deleted from the start.
    def spoil(document: Any) -> None:
        work(document).update(history={}, edits={"classes": [], "labels": {}, **named})

    with pytest.raises(RestoreError, match="mask 1000000 is not among"):
        parse(broken(session, spoil))


def test_own_mask_whose_id_was_never_given_is_refused(session: Session) -> None:
    own = Edits(own={10**6: OwnMask(rle.encode(np.eye(37, 53) > 0), "clicked")}).to_dict()["own"]
    with pytest.raises(RestoreError, match="mask 1000000 is not among"):
        parse(broken(session, lambda d: work(d)["edits"].update(own=own)))
