"""Files that a visitor brings: what is taken up, what is asked for, what is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from gradio.data_classes import FileData, ListFiles
from PIL import Image

from automask_ui.errors import ArchiveError, ImageTooLargeError, RestoreError, RunGoneError, UnreadableImageError
from automask_ui.files.upload_checks import Upload
from automask_ui.options import GeneratorOptions
from automask_ui.project.autosave import Autosave
from automask_ui.project.document import NAME
from automask_ui.project.export import export_photo
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly
from automask_ui.ui.components.photo_upload import UploadFile, UploadFiles, UploadImage
from automask_ui.ui.controls import CUSTOM, controls_of, preset_values
from automask_ui.ui.handlers import Changes, Handlers, Visitor
from automask_ui.ui.text import Words

ANN, BOB = Visitor("ann", Words("en")), Visitor("bob", Words("en"))
OPTIONS = GeneratorOptions(points_per_side=6, pred_iou_thresh=0.8, stability_score_thresh=0.9)


pytestmark = pytest.mark.usefixtures("tell_everything")


@pytest.fixture
def other(tmp_path: Path) -> str:
    path = tmp_path / "other.png"
    Image.fromarray(np.full((37, 53, 3), 91, np.uint8)).save(path)
    return str(path)


@pytest.fixture
def service() -> Service:
    engine = FakeEngine(FakeModel(pred_iou_thresh=0.8, stability_score_thresh=0.9))
    return Service(lambda name: engine, fake_models("fake"), "fake")


@pytest.fixture
def handlers(service: Service) -> Handlers:
    return Handlers(service)


@pytest.fixture
def work(service: Service, photo: str) -> Session:
    """Ann's work: hidden, labelled and deleted masks, and Show only."""
    session = service.store.open("ann", photo)
    list(service.runs.find(session, "fake", OPTIONS))
    numbers = session.current_masks()[0]
    session.editor.set_hidden(numbers[:2], True)
    session.editor.set_label(numbers[2:4], "cat")
    session.editor.delete(numbers[4:5])
    session.show_only(ShowOnly(smallest=3, largest=900))
    return session


@pytest.fixture
def download(service: Service, work: Session, tmp_path: Path) -> str:
    """What the page hands out, as it lies on the visitor's disk."""
    report = export_photo(work, service.models, "masks", work.current_masks()[0])
    return str(report.path.rename(tmp_path / "download.zip"))


@pytest.fixture
def document(download: str, tmp_path: Path) -> str:
    """The document alone."""
    with zipfile.ZipFile(download) as archive:
        return archive.extract(NAME, tmp_path)


def text(changes: Changes) -> str:
    assert changes.status is not None
    return changes.status["text"]


def last(screens: Iterator[Changes]) -> Changes:
    *_, screen = screens
    return screen


def is_back(service: Service, work: Session) -> bool:
    """Whether Bob now has all of Ann's work."""
    mine = service.store.current("bob")
    masks = [list(session.current_masks()[1].rle) for session in (mine, work)]
    return masks[0] == masks[1] and (mine.current_masks()[0], mine.edits, mine.show) == (
        work.current_masks()[0],
        work.edits,
        work.show,
    )


def test_dropped_download_is_the_work(handlers: Handlers, service: Service, work: Session, download: str) -> None:
    arrival = handlers.opening.open_files(BOB, [download])
    assert is_back(service, work)
    assert text(arrival) == (
        f"photo.png is back as you left it: {len(work.current_masks()[0])} masks. "
        "Moving a slider has the model look at the picture once more."
    )
    assert arrival.view is not None
    assert {*work.current_masks()[0]} <= {mask["id"] for mask in arrival.view.masks}
    assert arrival.candidates is not None
    assert arrival.candidates.startswith("Taken up without candidates")
    controls = arrival.controls
    assert controls is not None
    assert (controls.options({}), controls.show()) == (OPTIONS, work.show)


def test_sliders_work_again(handlers: Handlers, service: Service, work: Session, download: str) -> None:
    controls = handlers.opening.open_files(BOB, [download]).controls
    assert controls is not None
    handlers = Handlers(service)
    # As the page is: nothing happens.
    assert not list(handlers.settings.refilter(BOB, controls))
    strict = replace(controls, values={**controls.values, "pred_iou_thresh": 0.9})
    assert "fewer" in text(last(handlers.settings.refilter(BOB, strict)))
    last(handlers.settings.refilter(BOB, controls))
    assert is_back(service, work)


@pytest.mark.parametrize("order", [1, -1])
def test_document_with_its_photo(
    handlers: Handlers, service: Service, work: Session, document: str, photo: str, order: int
) -> None:
    handlers.opening.open_files(BOB, [document, photo][::order])
    assert is_back(service, work)


def test_document_alone_is_for_the_open_photo(
    handlers: Handlers, service: Service, work: Session, document: str, photo: str
) -> None:
    handlers.opening.open_photo(BOB, photo)
    handlers.opening.open_files(BOB, [document])
    assert is_back(service, work)


def test_document_alone_asks_for_its_photo(
    handlers: Handlers, service: Service, work: Session, document: str, photo: str, other: str
) -> None:
    handlers.opening.open_photo(BOB, other)
    assert text(handlers.opening.open_files(BOB, [document])) == "Now drop its photo, photo.png (53 × 37 px)."
    with pytest.raises(RestoreError, match=r"other\.png .* is not the picture .* drop it once more"):
        handlers.opening.open_photo(BOB, other)
    assert text(handlers.opening.open_photo(BOB, other)).startswith("other.png")
    handlers.opening.open_files(BOB, [document])
    handlers.opening.open_photo(BOB, photo)
    assert is_back(service, work)


def test_what_waits_goes_with_its_visitor(handlers: Handlers, document: str, photo: str) -> None:
    handlers.opening.open_files(BOB, [document])
    handlers.reload.leave(BOB)
    assert text(handlers.opening.open_photo(BOB, photo)) == "photo.png, 53 × 37 px. Press Find masks."


@pytest.mark.parametrize("model", ["gone", "changed"])
def test_other_model_is_said(
    handlers: Handlers, service: Service, work: Session, download: str, tmp_path: Path, model: str
) -> None:
    found = service.models.pop("fake")
    service.models["other"] = found
    arrival = handlers.opening.open_files(BOB, [download])
    assert "Its model fake is not here" in text(arrival)
    assert is_back(service, work)


def test_refusals_leave_the_work(
    handlers: Handlers, service: Service, work: Session, download: str, document: str, other: str, tmp_path: Path
) -> None:
    spoilt = tmp_path / "spoilt.zip"
    spoilt.write_bytes(Path(download).read_bytes()[:-30])
    garbage = tmp_path / "garbage.json"
    garbage.write_text("{")
    mine = service.store.open("bob", other)
    cases: list[tuple[list[str], Any]] = [
        ([str(spoilt)], ArchiveError),  # half a download
        ([str(garbage)], RestoreError),  # no document
        ([document, download], RestoreError),  # two at once
        ([document, other], RestoreError),  # another photo
        ([document, str(tmp_path)], UnreadableImageError),  # no photo
    ]
    for paths, error in cases:
        with pytest.raises(error):
            handlers.opening.open_files(BOB, paths)
    assert service.store.current("bob") is mine


@pytest.mark.parametrize(
    ("options", "preset"),
    [
        (GeneratorOptions(pred_iou_thresh=0.8, stability_score_thresh=0.9), "balanced"),  # the model's own thresholds
        (GeneratorOptions(pred_iou_thresh=0.8, stability_score_thresh=0.9, points_per_batch=7), "balanced"),  # batch
        (GeneratorOptions(pred_iou_thresh=0.81, stability_score_thresh=0.9), CUSTOM),  # one slider moved
        (GeneratorOptions(points_per_side=48, pred_iou_thresh=0.55, stability_score_thresh=0.71, box_nms_thresh=0.8),
         "everything"),  # another preset
        (GeneratorOptions(point_grids=[[(0.1, 1 / 3)], [(0.5, 0.5), (1, 0)]], crop_n_layers=1), CUSTOM),  # own points
    ],
)  # fmt: skip
def test_controls_say_what_the_options_are(options: GeneratorOptions, preset: str) -> None:
    thresholds = {"pred_iou_thresh": 0.8, "stability_score_thresh": 0.9}
    controls = controls_of("fake", options, ShowOnly(unit="%"), thresholds)
    assert controls.preset == preset
    assert controls.options(thresholds) == options
    assert controls.show() == ShowOnly(unit="%")
    assert controls.values.keys() == preset_values("balanced", {}).keys()


# After a reload

TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def keeping(service: Service, tmp_path: Path) -> Handlers:
    """Arrivals that keep work."""
    return Handlers(service, Autosave(tmp_path / "work", service.projects))


def test_reload_brings_the_work_back(keeping: Handlers, service: Service, work: Session, photo: str) -> None:
    visits = list(keeping.reload.load_page(ANN, TOKEN))
    assert text(visits[-1]) == "Drop a photo to begin, or try a sample."
    mine = service.store.open("ann", photo)
    mine.restore(work.snapshot())
    recent, back = keeping.reload.load_page(BOB, TOKEN)
    assert recent.view is None
    assert text(back).startswith("photo.png is back as you left it")
    assert back.controls is not None
    assert is_back(service, work)
    # The old page goes only now, and the new one's work is kept.
    keeping.reload.leave(ANN)
    service.store.current("bob").editor.set_hidden([1], False)
    again = Visitor("again", Words("en"))
    list(keeping.reload.load_page(again, TOKEN))
    assert service.store.current("again").edits == service.store.current("bob").edits


def test_spoilt_kept_work_is_thrown_away(
    keeping: Handlers, service: Service, photo: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    list(keeping.reload.load_page(ANN, TOKEN))
    service.store.open("ann", photo)
    keeping.reload.leave(ANN)
    (path,) = (tmp_path / "work").iterdir()
    (path / NAME).write_bytes(b"{ spoilt")
    visits = list(keeping.reload.load_page(BOB, TOKEN))
    assert text(visits[-1]) == "Drop a photo to begin, or try a sample."
    assert "cannot be taken up" in caplog.text
    assert not path.exists()


def test_huge_file_is_no_photo(
    handlers: Handlers, service: Service, document: str, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automask_ui.limits.MAX_PHOTO_BYTES", Path(photo).stat().st_size - 1)
    for bring in (
        lambda: handlers.opening.open_photo(BOB, photo),
        lambda: handlers.opening.open_files(BOB, [document, photo]),
    ):
        with pytest.raises(ImageTooLargeError, match=r"photo\.png has 0 MB, but a photo may have"):
            bring()
    assert service.store.peek("bob") is None


def test_photo_that_the_browser_did_not_know(handlers: Handlers, service: Service, photo: str, tmp_path: Path) -> None:
    unknown = tmp_path / "scan.without"
    unknown.write_bytes(Path(photo).read_bytes())
    handlers.opening.open_files(ANN, [str(unknown)])
    assert service.store.current("ann").image.name == "scan.without"


def test_file_alone_that_is_nothing(handlers: Handlers, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UnreadableImageError, match=r"notes\.txt is no picture"):
        handlers.opening.open_files(ANN, [str(tmp_path / "notes.txt")])


# Names: Gradio's copy of a file has lost some characters, and all past 200 bytes


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("what! {is} $this.png", "what! {is} $this.png"),
        ("사진" * 60 + ".png", "사진" * 60 + ".png"),  # 364 bytes
        ("../../etc/passwd.png", "passwd.png"),
        ("C:\\Users\\me\\a.png", "a.png"),
        ("..", "photo"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("", "whatis.png"),  # none was told
        (None, "whatis.png"),
    ],
)
def test_uploads_have_their_own_names(
    handlers: Handlers, service: Service, photo: str, tmp_path: Path, told: str | None, name: str
) -> None:
    kept = Path(photo).rename(tmp_path / "whatis.png")
    payload = FileData(path=str(kept), orig_name=told)
    upload = UploadImage(render=False).preprocess(payload)
    assert upload == Upload(kept, name)
    handlers.opening.open_photo(BOB, upload)
    assert service.store.current("bob").image.name == name
    (one,) = UploadFiles(file_count="multiple", render=False).preprocess(ListFiles(root=[payload]))
    assert one == upload


def test_uploads_leave_no_files_of_gradios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    payload = FileData(path=str(tmp_path / "names.txt"), orig_name="names.txt")
    button = UploadFile(file_types=[".txt"], render=False)
    assert button.preprocess(payload) == payload.path
    assert button.preprocess(None) is None
    assert not list((tmp_path / "cache").iterdir())


def test_lists_have_the_own_names_of_uploads(handlers: Handlers, service: Service, photo: str, other: str) -> None:
    names = ["a! {1}.png", "사진" * 60 + ".png", "note$.txt"]
    files = [Upload(Path(path), name) for path, name in zip([photo, other, other], names, strict=True)]
    handlers.opening.open_files(BOB, files)
    assert [item.name for item in service.projects.lists.get("bob").pictures.items] == names[:2]


def test_work_that_was_left_is_one_click_back(
    handlers: Handlers, service: Service, work: Session, other: str, photo: str
) -> None:
    before = (work.current_masks(), work.edits, work.show)
    shown = handlers.opening.open_photo(ANN, other)
    assert shown.recent is not None
    (row,) = shown.recent
    assert (row["name"], row["title"]) == ("photo.png", f"Go on with photo.png: {len(before[0].ids)} masks")
    assert row["picture"].startswith("data:image/webp;base64,")
    bobs = handlers.opening.open_photo(BOB, photo)
    assert bobs.recent == []
    with pytest.raises(RunGoneError):
        handlers.opening.open_recent(BOB, {"key": row["key"]})
    for payload in (None, {}, {"key": 3}, "key"):
        with pytest.raises(RunGoneError):
            handlers.opening.open_recent(ANN, payload)

    back = handlers.opening.open_recent(ANN, {"key": row["key"]})
    session = service.store.current("ann")
    assert (list(session.current_masks().masks.rle), session.edits, session.show) == (
        list(before[0].masks.rle),
        *before[1:],
    )
    assert text(back).startswith("photo.png is back as you left it")
    assert back.controls is not None
    assert (back.controls.options({}), back.controls.show()) == (OPTIONS, before[2])
    # The other photo had no masks yet.
    assert back.recent == []


def test_a_first_visit_shows_what_was_left_before_a_reload(
    service: Service, work: Session, photo: str, tmp_path: Path
) -> None:
    token = "c" * 32
    handlers = Handlers(service, Autosave(tmp_path / "work", service.projects))
    last(handlers.reload.load_page(ANN, token))
    handlers.opening.open_photo(ANN, photo)
    handlers.reload.leave(ANN)
    first = next(handlers.reload.load_page(BOB, token))
    assert first.recent is not None
    assert [row["name"] for row in first.recent] == ["photo.png"]
