"""A list of pictures that comes back: from the archive of its dataset, and after a reload."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine
from page_handlers import last_table, save, table_of
from PIL import Image

from automask_ui.errors import ArchiveError, NoImageError, RestoreError
from automask_ui.masks import MaskSet
from automask_ui.project import autosave as autosave_module
from automask_ui.project import projects as projects_module
from automask_ui.project import saving
from automask_ui.project.autosave import Autosave
from automask_ui.project.document import NAME
from automask_ui.serving.service import Service
from automask_ui.session.mask_edits import MASK_EDITS
from automask_ui.ui.components.picture_table import PictureTableData
from automask_ui.ui.controls import CUSTOM, Controls, preset_values
from automask_ui.ui.handlers import Changes, Handlers, Visitor, picture_list
from automask_ui.ui.text import Words

ANN, BOB = Visitor("ann", Words("en")), Visitor("bob", Words("en"))
VALUES = {**preset_values("balanced", {}), "points_per_side": 5, "pred_iou_thresh": 0.7, "stability_score_thresh": 0.0}
CONTROLS = Controls("fake", CUSTOM, VALUES)
TOKEN, OTHER = "0123456789abcdef" * 2, "f" * 32


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """PictureListHandlers are looked at often; what is kept is kept when the test says so."""
    monkeypatch.setattr(picture_list, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(autosave_module, "_watch", lambda autosave: None)


@pytest.fixture
def autosave(service: Service, tmp_path: Path) -> Autosave:
    return Autosave(tmp_path / "work", service.projects)


@pytest.fixture
def handlers(service: Service, autosave: Autosave) -> Handlers:
    return Handlers(service, autosave)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = []
    for number in (1, 2, 3):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((30 + number, 53, 3), number, np.uint8)).save(path)
        paths.append(str(path))
    return paths


@pytest.fixture
def work(handlers: Handlers, service: Service, files: list[str]) -> PictureTableData:
    """Ann's listed, worked through, the second picture labelled."""
    list(handlers.reload.load_page(ANN, TOKEN))
    handlers.opening.open_files(ANN, files)
    list(handlers.pictures.start_list(ANN, CONTROLS))
    handlers.opening.open_item(ANN, {"index": 1})
    session = service.store.current("ann")
    numbers = session.current_masks()[0]
    session.editor.set_label(numbers[:2], "cat")
    session.editor.set_hidden(numbers[2:3], True)
    session.editor.delete(numbers[3:5])
    MASK_EDITS["paint"].do(session, {"id": 0, "strokes": [{"width": 6, "points": [[5, 5], [40, 20]]}]})
    MASK_EDITS["reshape"].do(session, {"how": "grow", "ids": list(numbers[5:6]), "px": 2})
    service.projects.collect_edits("ann")
    return handlers.screens.table(ANN)


@pytest.fixture
def download(handlers: Handlers, work: PictureTableData, tmp_path: Path) -> str:
    """Ann's dataset on her disk."""
    path, _ = save(handlers.pictures, ANN, {"format": "masks"})
    return str(path.rename(tmp_path / "download.zip"))


def rows(board: PictureTableData) -> list[tuple[object, ...]]:
    """The table but for the places of its thumbnails."""
    return [
        (item.name, item.state, item.masks, item.seconds, item.error, item.edited, item.thumb is None)
        for item in board.items
    ]


def opened(handlers: Handlers, service: Service, visitor: Visitor, index: int) -> tuple[object, ...]:
    """A picture's work, as its visitor opens it."""
    handlers.opening.open_item(visitor, {"index": index})
    session = service.store.current(visitor.owner)
    numbers, masks, _ = session.current_masks()
    assert isinstance(masks, MaskSet)
    return session.image.name, numbers, [rle["counts"] for rle in masks.rle], session.edits, session.show


def last(updates: Iterator[Changes]) -> Changes:
    *_, arrival = updates
    return arrival


# From the archive


def test_dropped_dataset_is_the_list(
    handlers: Handlers, service: Service, engine: FakeEngine, work: PictureTableData, download: str
) -> None:
    decoded = engine.decoded
    arrival = handlers.opening.open_files(BOB, [download])
    board = table_of(arrival)
    assert rows(board) == rows(work)
    masks = sum(item.masks or 0 for item in work.items)
    assert board.line == f"3 pictures are back: {masks} masks."
    assert (board.running, board.fraction, board.open, board.failed) == (False, 1.0, None, False)
    for index in range(3):
        assert opened(handlers, service, BOB, index) == opened(handlers, service, ANN, index)
    assert engine.decoded == decoded
    # The controls say what the masks were made with: starting again has nothing to do.
    assert arrival.controls is not None
    assert arrival.controls.options({}) == CONTROLS.options({})
    assert rows(last_table(handlers.pictures.start_list(BOB, arrival.controls))) == rows(work)
    assert engine.decoded == decoded


def test_its_dataset_is_the_same(handlers: Handlers, download: str) -> None:
    handlers.opening.open_files(BOB, [download])
    path, board = save(handlers.pictures, BOB, {"format": "masks"})
    assert path.read_bytes() == Path(download).read_bytes()
    assert "exact" in board.line


def test_edits_go_on(handlers: Handlers, service: Service, work: PictureTableData, download: str) -> None:
    handlers.opening.open_files(BOB, [download])
    handlers.opening.open_item(BOB, {"index": 0})
    session = service.store.current("bob")
    assert session.edits.classes == ("cat",)
    session.editor.set_label(session.current_masks()[0][:1], "dog")
    handlers.opening.open_item(BOB, {"index": 1})
    assert service.store.current("bob").edits.classes == ("cat", "dog")
    assert [item.edited for item in handlers.screens.table(BOB).items] == [True, True, False]


@pytest.mark.parametrize("together", [True, False])
def test_dataset_without_its_photos(
    handlers: Handlers,
    work: PictureTableData,
    files: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    together: bool,
) -> None:
    monkeypatch.setattr(saving, "MAX_PHOTOS_BYTES", 10)
    path, _ = save(handlers.pictures, ANN, {"format": "masks"})
    download = str(path.rename(tmp_path / "download.zip"))
    if together:
        arrival = handlers.opening.open_files(BOB, [*files, download])
    else:
        asked = handlers.opening.open_files(BOB, [download]).status
        assert asked is not None
        assert asked["text"] == "Now drop its 3 photos: 1.png, 2.png, 3.png."
        assert handlers.screens.table(BOB) == PictureTableData()
        arrival = handlers.opening.open_files(BOB, files)
    assert rows(table_of(arrival)) == rows(work)


def test_one_photo_of_a_dataset_that_waits(
    handlers: Handlers,
    service: Service,
    work: PictureTableData,
    files: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(saving, "MAX_PHOTOS_BYTES", 10)
    path, _ = save(handlers.pictures, ANN, {"format": "masks"})
    download = str(path.rename(tmp_path / "download.zip"))
    other = tmp_path / "other.png"
    Image.fromarray(np.full((20, 30, 3), 99, np.uint8)).save(other)
    handlers.opening.open_files(BOB, [download])
    with pytest.raises(RestoreError, match=r"no photo of this work, which is on 1\.png and 2 more"):
        handlers.opening.open_photo(BOB, str(other))
    # Once more, and it is a picture like any other.
    handlers.opening.open_photo(BOB, str(other))
    assert service.store.current("bob").image.name == "other.png"
    handlers.opening.open_files(BOB, [download])
    board = table_of(handlers.opening.open_photo(BOB, files[2]))
    assert rows(board) == rows(work)[2:]
    masks = work.items[2].masks
    assert board.line == (
        f"1 picture is back: {masks} masks. 2 are left out, since their photos were not there: 1.png, 2.png."
    )


def test_new_photos_join(handlers: Handlers, work: PictureTableData, download: str, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.fromarray(np.full((20, 30, 3), 99, np.uint8)).save(other)
    board = table_of(handlers.opening.open_files(BOB, [str(other), download]))
    assert rows(board)[:3] == rows(work)
    assert rows(board)[3] == ("other.png", "waiting", None, None, "", False, True)
    assert board.line.endswith("masks. 1 more is waiting.")


def test_model_that_is_not_here(handlers: Handlers, service: Service, work: PictureTableData, download: str) -> None:
    before = [opened(handlers, service, ANN, index) for index in range(3)]
    service.models["other"] = service.models.pop("fake")
    arrival = handlers.opening.open_files(BOB, [download])
    assert arrival.controls is None
    assert [opened(handlers, service, BOB, index) for index in range(3)] == before
    status = handlers.opening.open_item(BOB, {"index": 1}).status
    assert status is not None
    assert "Its model fake is not here" in status["text"]


def test_model_is_known_by_its_file(
    handlers: Handlers, service: Service, engine: FakeEngine, files: list[str], tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"weights")
    service.models["fake"] = replace(service.models["fake"], path=weights)
    handlers.opening.open_files(ANN, files)
    done = last_table(handlers.pictures.start_list(ANN, CONTROLS))
    path, _ = save(handlers.pictures, ANN, {"format": "masks"})
    download, decoded = str(path.rename(tmp_path / "download.zip")), engine.decoded
    handlers.opening.open_files(BOB, [download])
    assert rows(last_table(handlers.pictures.start_list(BOB, CONTROLS))) == rows(done)
    assert engine.decoded == decoded
    # Other weights under the same name find other masks.
    weights.write_bytes(b"other weights")
    handlers.opening.open_files(BOB, [download])
    list(handlers.pictures.start_list(BOB, CONTROLS))
    assert engine.decoded == 2 * decoded


def test_refusals_leave_the_earlier_list(
    handlers: Handlers, service: Service, work: PictureTableData, download: str, files: list[str]
) -> None:
    handlers.opening.open_files(BOB, files[:2])
    before = handlers.screens.table(BOB)
    with zipfile.ZipFile(download, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("automask/00002.png", b"another picture")
    spoilt = Path(download).with_name("half.zip")
    spoilt.write_bytes(Path(download).read_bytes()[:-100])
    for path, error in ((download, RestoreError), (str(spoilt), ArchiveError)):
        with pytest.raises(error):
            handlers.opening.open_files(BOB, [path])
    assert handlers.screens.table(BOB) == before
    assert len(list(service.store.scratch.glob("list-*"))) == 2


# After a reload


def test_reload_brings_the_queue_back(
    handlers: Handlers, service: Service, engine: FakeEngine, work: PictureTableData
) -> None:
    decoded, before = engine.decoded, service.store.current("ann")
    _recent, arrival, *_ = handlers.reload.load_page(BOB, TOKEN)
    board = table_of(arrival)
    assert rows(board) == rows(work)
    assert board.open == 1
    # The picture in the main view is the listed's own, and its edits go on there.
    session = service.store.current("bob")
    assert (session.edits, session.current_masks()[0]) == (before.edits, before.current_masks()[0])
    assert arrival.controls is not None
    assert arrival.controls.options({}) == CONTROLS.options({})
    session.editor.set_label(session.current_masks()[0][-1:], "dog")
    handlers.reload.leave(ANN)
    for index in (0, 2):
        assert opened(handlers, service, BOB, index)[0] == f"{index + 1}.png"
    handlers.opening.open_item(BOB, {"index": 1})
    assert service.store.current("bob").edits == session.edits
    path, saved = save(handlers.pictures, BOB, {"format": "yolo"})
    assert "exact" in saved.line
    with zipfile.ZipFile(path) as archive:
        assert 'names:\n  0: "cat"\n  1: "dog"\n' in archive.read("data.yaml").decode()
    assert engine.decoded == decoded
    assert list(service.store.scratch.glob("list-*")) == [path.parents[2]]


def test_unfinished_pictures_wait_and_can_be_started(
    handlers: Handlers, service: Service, files: list[str], engine: FakeEngine
) -> None:
    list(handlers.reload.load_page(ANN, TOKEN))
    handlers.opening.open_files(ANN, files)
    engine.chunk_seconds = 1.0
    boards = handlers.pictures.start_list(ANN, CONTROLS)
    before = next(board for board in map(table_of, boards) if board.items[0].state == "done")
    # In the middle of the second picture, as a reload comes: before the old page is known to be gone.
    arrival = list(handlers.reload.load_page(BOB, TOKEN))[-1]
    handlers.reload.leave(ANN)
    engine.chunk_seconds = 0.0
    board = handlers.screens.table(BOB)
    assert [item.state for item in board.items] == ["done", "waiting", "waiting"]
    assert board.items[0].masks == before.items[0].masks
    assert not board.running
    list(boards)
    _recent, again, *_ = handlers.reload.load_page(Visitor("again", Words("en")), TOKEN)
    controls = again.controls
    assert arrival.status is not None
    assert controls is not None
    done = last_table(handlers.pictures.start_list(BOB, controls))
    assert [item.state for item in done.items] == ["done"] * 3
    assert done.items[0].seconds == before.items[0].seconds


def test_settings_are_the_queues_own_while_another_picture_is_open(
    handlers: Handlers, service: Service, work: PictureTableData, files: list[str]
) -> None:
    other = service.store.open("ann", files[0])
    options = CONTROLS.options({}).replace(points_per_side=3)
    list(service.runs.find(other, "fake", options))
    _recent, arrival, *_ = handlers.reload.load_page(BOB, TOKEN)
    assert table_of(arrival).open is None
    assert service.store.current("bob").result is not None
    assert arrival.controls is not None
    assert arrival.controls.options({}) == CONTROLS.options({})


def test_nobody_else_gets_it(handlers: Handlers, autosave: Autosave, work: PictureTableData, tmp_path: Path) -> None:
    autosave.save("ann")
    for token in (OTHER, "", "..", TOKEN.upper(), f"{TOKEN}\n", None, 7, ["x"]):
        for arrival in handlers.reload.load_page(BOB, token):  # type: ignore[arg-type]
            assert arrival.picture_list in (None, PictureTableData())
        assert handlers.screens.table(BOB) == PictureTableData()
        with pytest.raises(NoImageError):
            handlers.opening.open_item(BOB, {"index": 0})
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "work").rglob("*")} == {0}
    assert not [path for path in (tmp_path / "work").rglob("*") if TOKEN in path.name]


def test_queue_that_was_closed_does_not_come_back(
    handlers: Handlers, autosave: Autosave, work: PictureTableData
) -> None:
    autosave.save("ann")
    assert autosave.saved_path(TOKEN, "pictures") is not None
    assert handlers.pictures.close_list(ANN).picture_list == PictureTableData()
    assert autosave.saved_path(TOKEN, "pictures") is None
    list(handlers.reload.load_page(BOB, TOKEN))
    assert handlers.screens.table(BOB) == PictureTableData()


def test_another_queue_takes_its_place(handlers: Handlers, work: PictureTableData, files: list[str]) -> None:
    handlers.pictures.close_list(ANN)
    handlers.opening.open_files(ANN, files[2:] + files[:1])
    list(handlers.reload.load_page(BOB, TOKEN))
    board = handlers.screens.table(BOB)
    assert [(item.name, item.state) for item in board.items] == [("3.png", "waiting"), ("1.png", "waiting")]


def test_queue_that_has_grown_comes_back_whole(handlers: Handlers, work: PictureTableData, files: list[str]) -> None:
    handlers.opening.open_files(ANN, files[2:] + files[:1])
    list(handlers.reload.load_page(BOB, TOKEN))
    board = handlers.screens.table(BOB)
    assert [item.state for item in board.items] == [*(item.state for item in work.items), "waiting", "waiting"]
    assert [item.masks for item in board.items[: len(work.items)]] == [item.masks for item in work.items]


def test_spoilt_queue_is_thrown_away(
    handlers: Handlers, autosave: Autosave, work: PictureTableData, caplog: pytest.LogCaptureFixture
) -> None:
    path = autosave.saved_path(TOKEN, "pictures")
    assert path is not None
    handlers.reload.leave(ANN)
    (path / NAME).write_text("{")
    list(handlers.reload.load_page(BOB, TOKEN))
    assert handlers.screens.table(BOB) == PictureTableData()
    assert "cannot be taken up" in caplog.text
    assert not path.exists()


def test_full_house_keeps_it_for_later(
    handlers: Handlers, work: PictureTableData, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(projects_module, "MOST_LISTS", 1)
    list(handlers.reload.load_page(BOB, TOKEN))
    assert handlers.screens.table(BOB) == PictureTableData()
    assert "not taken up" in caplog.text
    handlers.reload.leave(BOB)
    handlers.reload.leave(ANN)
    list(handlers.reload.load_page(BOB, TOKEN))
    assert rows(handlers.screens.table(BOB)) == rows(work)


def test_bound_holds_for_queues_too(
    service: Service, tmp_path: Path, files: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    autosave = Autosave(tmp_path / "work", service.projects, max_bytes=100)
    handlers = Handlers(service, autosave)
    list(handlers.reload.load_page(ANN, TOKEN))
    handlers.opening.open_files(ANN, files)
    handlers.reload.leave(ANN)
    assert "too large" in caplog.text
    list(handlers.reload.load_page(BOB, TOKEN))
    assert handlers.screens.table(BOB) == PictureTableData()


def test_old_and_many_go(
    handlers: Handlers, autosave: Autosave, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave_module, "MAX_PIECES", 8)  # a photo and a list of each visitor
    tokens = [f"{number:032x}" for number in range(5)]
    for token in tokens:
        visitor = Visitor(token, Words("en"))
        list(handlers.reload.load_page(visitor, token))
        handlers.opening.open_files(visitor, files)
        handlers.reload.leave(visitor)
        time.sleep(0.01)
    kept = [autosave.saved_path(token, "pictures") is not None for token in tokens]
    assert kept == [False, True, True, True, True]


def test_without_autosave_nothing_is_kept(service: Service, files: list[str], tmp_path: Path) -> None:
    handlers = Handlers(service)
    list(handlers.reload.load_page(ANN, TOKEN))
    handlers.opening.open_files(ANN, files)
    handlers.pictures.close_list(ANN)
    handlers.opening.open_files(ANN, files)
    handlers.reload.leave(ANN)
    assert not (tmp_path / "work").exists()
    assert last(handlers.reload.load_page(BOB, TOKEN)).picture_list in (None, PictureTableData())


def test_work_while_it_is_kept_is_not_mixed_up(
    handlers: Handlers, service: Service, autosave: Autosave, work: PictureTableData
) -> None:
    """The thread that keeps looks at any moment: between two pictures that are opened as well."""
    for index in (0, 1, 2, 0, 1):
        handlers.opening.open_item(ANN, {"index": index})
        session = service.store.current("ann")
        session.editor.set_label(session.current_masks()[0][:1], f"class {index}")
        autosave.save("ann")
    list(handlers.reload.load_page(BOB, TOKEN))
    for index in range(3):
        labels = set(opened(handlers, service, BOB, index)[3].labels.values())  # type: ignore[attr-defined]
        assert f"class {index}" in labels
        assert not labels & {f"class {other}" for other in range(3) if other != index}
