"""A list of pictures on the page: what the table says, what opens, what comes back with the dataset."""

from __future__ import annotations

import io
import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from page_handlers import last_table, save, table_of
from PIL import Image

from automask_ui.errors import BatchError, DownloadError, ExportError, NoImageError, OptionError
from automask_ui.files import upload_checks
from automask_ui.files.images import LoadedImage
from automask_ui.project import collect_uploads
from automask_ui.project import projects as projects_module
from automask_ui.project.pictures import PictureList
from automask_ui.serving.service import Service
from automask_ui.ui.components.picture_table import PictureTableData
from automask_ui.ui.controls import CUSTOM, Controls, preset_values
from automask_ui.ui.handlers import Changes, Handlers, Visitor, picture_list
from automask_ui.ui.handlers.picture_list import PictureListHandlers
from automask_ui.ui.text import Words

ANN, BOB = Visitor("ann", Words("en")), Visitor("bob", Words("en"))
VALUES = {**preset_values("balanced", {}), "points_per_side": 5, "pred_iou_thresh": 0.7, "stability_score_thresh": 0.0}
CONTROLS = Controls("fake", CUSTOM, VALUES)


@pytest.fixture(autouse=True)
def poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_list, "_POLL_SECONDS", 0.01)


@pytest.fixture
def handlers(service: Service) -> Handlers:
    return Handlers(service)


@pytest.fixture
def lists(handlers: Handlers) -> PictureListHandlers:
    return handlers.pictures


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Three pictures of different sizes, and one file that is none but in its name."""
    paths = []
    for number in (1, 2, 3):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((30 + number, 53, 3), number, np.uint8)).save(path)
        paths.append(str(path))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_bytes(b"notes")
    return [*paths, str(tmp_path / "broken.jpg"), str(tmp_path / "notes.txt")]


def test_nothing_is_seen_without_a_list(handlers: Handlers) -> None:
    assert handlers.screens.table(ANN) == PictureTableData()


def test_dropped_pictures_are_a_list(handlers: Handlers, service: Service, files: list[str]) -> None:
    arrival = handlers.opening.open_files(ANN, files)
    board = arrival.picture_list
    assert board is not None
    assert [(item.name, item.state) for item in board.items] == [
        (name, "waiting") for name in ("1.png", "2.png", "3.png", "broken.jpg")
    ]
    assert board.line == (
        "4 pictures, to be looked at with the settings as they are. Click one to open it. "
        "1 file that is no picture is left out."
    )
    assert (board.running, board.fraction, board.open) == (False, 0.0, 0)
    assert service.store.current("ann").image.name == "1.png"  # the first is open
    assert arrival.view is not None


def test_pictures_that_are_dropped_later_join_the_list(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str], engine: FakeEngine
) -> None:
    handlers.opening.open_files(ANN, files)
    before = last_table(lists.start_list(ANN, CONTROLS))
    board = handlers.opening.open_files(ANN, files[:2]).picture_list
    assert board is not None
    assert (board.list_id, board.line) == (before.list_id, "2 more are waiting.")
    assert [(item.name, item.state) for item in board.items[4:]] == [("1-2.png", "waiting"), ("2-2.png", "waiting")]
    assert board.items[:4] == before.items
    assert len(list(service.store.scratch.glob("list-*"))) == 1
    after = last_table(lists.start_list(ANN, CONTROLS))
    assert [item.state for item in after.items] == ["done", "done", "done", "failed", "done", "done"]
    assert after.items[4].masks == before.items[0].masks
    assert handlers.opening.open_item(ANN, {"index": 5}).picture_list is not None


def test_list_that_would_be_too_long_stays_as_it_is(
    handlers: Handlers, lists: PictureListHandlers, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.opening.open_files(ANN, files)
    before = handlers.screens.table(ANN)
    monkeypatch.setattr(upload_checks, "MAX_PICTURES", 5)
    with pytest.raises(BatchError, match="more than 5 pictures"):
        handlers.opening.open_files(ANN, files[:2])
    assert handlers.screens.table(ANN) == before


def test_page_that_is_closed_while_its_pictures_are_read_leaves_nothing(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def collect_and_go(*arguments: Any) -> Any:
        handlers.reload.leave(ANN)
        return collect_uploads.collect(*arguments)

    monkeypatch.setattr(projects_module, "collect", collect_and_go)
    with pytest.raises(BatchError, match="page was closed"):
        handlers.opening.open_files(ANN, files)
    assert handlers.screens.table(ANN) == PictureTableData()
    assert not list(service.store.scratch.glob("list-*"))


def test_model_that_cannot_be_had_is_said_in_the_lists_line(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise DownloadError("The network is down.")

    handlers.opening.open_files(ANN, files)
    monkeypatch.setattr(service.models, "load", refuse)
    with pytest.raises(DownloadError):
        list(lists.start_list(ANN, CONTROLS))
    assert handlers.screens.table(ANN).line == "The network is down."


def test_names_that_had_to_be_guessed_are_said(
    handlers: Handlers, lists: PictureListHandlers, files: list[str], tmp_path: Path
) -> None:
    archive = tmp_path / "from Japan.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for letter, path in zip("ab", files, strict=False):
            file.writestr(f"{letter * 8}.png", Path(path).read_bytes())
    # As Windows writes them there: Shift-JIS, and nothing that says so.
    names = [(letter * 8).encode() for letter in "ab"]
    data = packed.getvalue().replace(names[0], "旅行写真".encode("cp932")).replace(names[1], "日本表示".encode("cp932"))
    archive.write_bytes(data)
    handlers.opening.open_files(ANN, [str(archive)])
    board = handlers.screens.table(ANN)
    assert [item.name for item in board.items] == ["旅行写真.png", "日本表示.png"]
    assert "from Japan.zip" in board.line
    assert "Japanese" in board.line


def test_run_tells_how_far_it_is(handlers: Handlers, lists: PictureListHandlers, files: list[str]) -> None:
    handlers.opening.open_files(ANN, files)
    board = last_table(lists.start_list(ANN, CONTROLS))
    assert [item.state for item in board.items] == ["done", "done", "done", "failed"]
    masks = sum(item.masks or 0 for item in board.items)
    assert board.line == f"4 of 4 pictures · {masks} masks · 1 failed"
    assert (board.running, board.fraction, board.failed) == (False, 1.0, False)
    assert board.items[3].error.startswith("is no picture: it holds text")  # below its name
    assert [item.thumb is not None for item in board.items] == [True, True, True, False]


def test_stop_and_go_on(handlers: Handlers, lists: PictureListHandlers, files: list[str], engine: FakeEngine) -> None:
    engine.chunk_seconds = 0.3
    handlers.opening.open_files(ANN, files)
    boards = lists.start_list(ANN, CONTROLS)
    assert next(board for board in map(table_of, boards) if board.items[0].state == "done").running
    assert table_of(lists.stop_list(ANN)).line == "Stopping after this step…"
    board = last_table(boards)
    assert not board.running
    assert board.line.startswith("1 of 4 pictures")
    engine.chunk_seconds = 0.0
    assert last_table(lists.start_list(ANN, CONTROLS)).fraction == 1.0


def test_settings_that_do_not_fit_are_refused(handlers: Handlers, lists: PictureListHandlers, files: list[str]) -> None:
    handlers.opening.open_files(ANN, files)
    with pytest.raises(OptionError):
        list(lists.start_list(ANN, replace(CONTROLS, values={**VALUES, "points_per_side": -1})))
    assert not handlers.screens.table(ANN).running


def test_opened_picture_has_its_masks_and_settings(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files)
    board = last_table(lists.start_list(ANN, CONTROLS))
    arrival = handlers.opening.open_item(ANN, {"index": 1})
    assert arrival.picture_list is not None
    assert arrival.picture_list.open == 1
    session = service.store.current("ann")
    assert session.image.name == "2.png"
    assert len(session.current_masks()[0]) == board.items[1].masks
    assert arrival.controls is not None
    assert arrival.controls.options({}) == CONTROLS.options({})
    # Another picture of the visitor's is none of the listed.
    other = handlers.opening.open_photo(ANN, files[0]).picture_list
    assert other is not None
    assert other.open is None


def test_open_picture_gets_its_masks_with_their_settings_from_the_run_of_the_list(
    handlers: Handlers, lists: PictureListHandlers, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files[:2])  # the first is open
    shown = [changes for changes in lists.start_list(ANN, CONTROLS) if changes.view is not None]
    assert len(shown) == 1
    assert shown[0].view is not None
    assert shown[0].view.masks
    # Whoever has moved a slider meanwhile sees where it stood for these masks.
    assert shown[0].controls is not None
    assert shown[0].controls.options({}) == CONTROLS.options({})


def test_open_picture_gets_the_masks_of_another_run_of_the_list_unless_it_was_edited(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files[:2])  # the first is open
    list(lists.start_list(ANN, CONTROLS))
    before = service.store.current("ann")
    stricter = replace(CONTROLS, values={**VALUES, "pred_iou_thresh": 0.9})
    shown = [changes for changes in lists.start_list(ANN, stricter) if changes.view is not None]
    assert len(shown) == 1
    assert shown[0].controls is not None
    assert shown[0].controls.options({}) == stricter.options({})
    session = service.store.current("ann")
    board = handlers.screens.table(ANN)
    assert session.result is not None
    assert before.result is not None
    assert len(session.result.masks) == board.items[0].masks == board.items[1].masks < len(before.result.masks)
    session.editor.delete(session.current_masks()[0][:1])
    assert [changes for changes in lists.start_list(ANN, CONTROLS) if changes.view is not None] == []
    assert service.store.current("ann") is session
    assert [item.edited for item in handlers.screens.table(ANN).items] == [True, False]


def test_picture_without_masks_opens_as_a_photo(handlers: Handlers, files: list[str]) -> None:
    handlers.opening.open_files(ANN, files)
    arrival = handlers.opening.open_item(ANN, {"index": 0})
    assert arrival.status is not None
    assert arrival.status["text"] == "1.png, 53 × 31 px. Press Find masks."


def test_edits_stay_with_their_picture_and_are_in_the_dataset(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files)
    board = last_table(lists.start_list(ANN, CONTROLS))
    handlers.opening.open_item(ANN, {"index": 0})
    session = service.store.current("ann")
    numbers = session.current_masks()[0]
    session.editor.delete(numbers[:2])
    session.editor.set_label(numbers[2:3], "cat")
    edits = session.edits
    # Looking alone is no edit.
    handlers.opening.open_item(ANN, {"index": 1})
    after = handlers.opening.open_item(ANN, {"index": 2}).picture_list
    assert after is not None
    assert [item.edited for item in after.items] == [True, False, False, False]
    assert after.items[0].masks == (board.items[0].masks or 0) - 2
    handlers.opening.open_item(ANN, {"index": 0})
    assert service.store.current("ann").edits == edits
    service.store.current("ann").editor.set_label(numbers[3:4], "dog")
    path, saved = save(lists, ANN, {"format": "coco"})
    document = json.loads(path.read_text())
    assert len(document["annotations"]) == sum(item.masks or 0 for item in saved.items)
    assert [row["name"] for row in document["categories"]] == ["cat", "dog", "object"]
    count = len(document["annotations"])
    assert saved.line == (
        f"{count} masks, all exact. 1 picture that waits or failed is not in it. "
        f"{count - 2} masks without a label are in the class “object”."
    )


def test_list_with_nothing_left_to_do_says_so(
    handlers: Handlers, lists: PictureListHandlers, files: list[str], engine: FakeEngine
) -> None:
    handlers.opening.open_files(ANN, files[:2])
    board = last_table(lists.start_list(ANN, CONTROLS))
    again = last_table(lists.start_list(ANN, CONTROLS))
    assert again.items == board.items
    assert again.line == "All of them have been looked at with these settings, or edited since."


def test_list_that_only_the_page_knows_stays_in_sight(
    handlers: Handlers, lists: PictureListHandlers, files: list[str]
) -> None:
    """A server that was started anew knows of none; reloaded, the page has it back."""
    with pytest.raises(NoImageError, match="lost sight of this page: reload it"):
        list(lists.start_list(ANN, CONTROLS))
    assert lists.failed(ANN) == Changes()
    handlers.opening.open_files(ANN, files)
    assert lists.failed(ANN) == handlers.screens.show_list(ANN)


def test_long_names_leave_the_lines_short(handlers: Handlers, tmp_path: Path, files: list[str]) -> None:
    name = f"IMG 2026 {'very ' * 20}long (copy).png"
    (tmp_path / name).write_bytes(Path(files[0]).read_bytes())
    arrival = handlers.opening.open_files(ANN, [str(tmp_path / name), files[1]])
    assert arrival.status is not None
    assert arrival.status["text"] == "IMG 2026 very very very… long (copy).png, 53 × 31 px. Press Find masks."
    assert arrival.picture_list is not None
    assert arrival.picture_list.items[0].name == name  # which its row cuts where there is no room


@pytest.mark.parametrize("payload", [None, {}, {"index": 9}, {"index": -1}, {"index": True}, {"index": "0"}, []])
def test_rows_that_are_none(handlers: Handlers, files: list[str], payload: object) -> None:
    handlers.opening.open_files(ANN, files)
    with pytest.raises(NoImageError):
        handlers.opening.open_item(ANN, payload)


def test_picture_that_is_passed_by_is_not_opened(
    handlers: Handlers, service: Service, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.opening.open_files(ANN, files)
    own, read = service.projects.lists.get("ann"), PictureList.image
    opened, answers = list[int](), dict[int, Changes]()

    def ask(index: int) -> None:
        answers[index] = handlers.opening.open_item(ANN, {"index": index})

    passing = [Thread(target=ask, args=(index,)) for index in (1, 2)]

    def image(pictures: PictureList, index: int) -> LoadedImage:
        opened.append(index)
        for place, thread in enumerate(passing if index == 0 else (), start=2):
            thread.start()
            while own._asked < place:
                time.sleep(0.001)
        return read(pictures, index)

    monkeypatch.setattr(PictureList, "image", image)
    ask(0)
    for thread in passing:
        thread.join()
    assert opened == [0, 2]
    assert answers[1] == Changes()
    table = answers[2].picture_list
    assert table is not None
    assert table.open == 2


@pytest.mark.parametrize("payload", [None, {}, {"format": "../x"}, {"format": 7}])
def test_formats_that_are_none(
    handlers: Handlers, lists: PictureListHandlers, files: list[str], payload: object
) -> None:
    handlers.opening.open_files(ANN, files)
    with pytest.raises(ExportError, match="no format"):
        save(lists, ANN, payload)


def test_edit_that_comes_in_while_the_next_picture_is_read(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.opening.open_files(ANN, files)
    last_table(lists.start_list(ANN, CONTROLS))
    handlers.opening.open_item(ANN, {"index": 0})
    session, read = service.store.current("ann"), PictureList.image

    def edit_and_read(listed: PictureList, index: int) -> LoadedImage:
        session.editor.set_label(session.current_masks()[0][:1], "cat")
        return read(listed, index)

    monkeypatch.setattr(PictureList, "image", edit_and_read)
    handlers.opening.open_item(ANN, {"index": 1})
    assert [item.edited for item in handlers.screens.table(ANN).items][:2] == [True, False]


def test_nobody_reaches_the_queue_of_another(handlers: Handlers, lists: PictureListHandlers, files: list[str]) -> None:
    handlers.opening.open_files(ANN, files)
    assert handlers.screens.table(BOB) == PictureTableData()
    for ask in (
        lambda: handlers.opening.open_item(BOB, {"index": 0}),
        lambda: lists.stop_list(BOB),
        lambda: save(lists, BOB, {"format": "coco"}),
        lambda: list(lists.start_list(BOB, CONTROLS)),
    ):
        with pytest.raises(NoImageError):
            ask()


def test_files_go_with_the_list(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str], engine: FakeEngine
) -> None:
    engine.chunk_seconds = 0.2
    handlers.opening.open_files(ANN, files)
    boards = lists.start_list(ANN, CONTROLS)
    next(boards)
    service.projects.lists.close("ann")
    assert last_table(boards) == PictureTableData()
    deadline = time.monotonic() + 60
    while list(service.store.scratch.glob("list-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not list(service.store.scratch.glob("list-*"))


def test_refused_files_leave_the_earlier_list(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files)
    before = handlers.screens.table(ANN)
    with pytest.raises(BatchError):
        handlers.opening.open_files(ANN, 2 * files[-1:])
    assert handlers.screens.table(ANN) == before
    assert len(list(service.store.scratch.glob("list-*"))) == 1


def test_lists_are_bounded(
    handlers: Handlers, lists: PictureListHandlers, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects_module, "MOST_LISTS", 1)
    handlers.opening.open_files(ANN, files)
    handlers.opening.open_files(ANN, files)  # one's own only grows
    with pytest.raises(BatchError, match="try again in a while"):
        handlers.opening.open_files(BOB, files)
    handlers.service.projects.lists.close("ann")
    handlers.opening.open_files(BOB, files)


def test_first_picture_that_can_be_read_is_open(handlers: Handlers, service: Service, files: list[str]) -> None:
    board = handlers.opening.open_files(ANN, files[::-1]).picture_list
    assert board is not None
    assert board.open == [item.name for item in board.items].index("3.png") > 0
    assert service.store.current("ann").image.name == "3.png"


def test_thumbnails_are_there_before_any_run(handlers: Handlers, lists: PictureListHandlers, files: list[str]) -> None:
    handlers.opening.open_files(ANN, files)
    board = last_table(lists.draw_thumbnails(ANN))
    assert [item.thumb is not None for item in board.items] == [True, True, True, False]
    assert {item.state for item in board.items} == {"waiting"}
    assert list(lists.draw_thumbnails(BOB)) == []


def test_open_picture_gets_its_masks_from_the_lists_run(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files)
    views = [changes.view for changes in lists.start_list(ANN, CONTROLS) if changes.view is not None]
    assert len(views) == 1
    assert len(views[0].masks) > 0
    assert service.store.current("ann").image.name == "1.png"


def test_rows_and_totals_follow_edits_at_once(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files)
    board = last_table(lists.start_list(ANN, CONTROLS))
    session = service.store.current("ann")
    ids = list(session.current_masks().ids[:2])
    payload = {"session": session.id, "ticket": "1", "steps": [{"do": "delete", "ids": ids}]}
    after = table_of(handlers.masks.edit(ANN, payload))
    assert after.items[0].masks == (board.items[0].masks or 0) - 2
    assert after.items[0].edited
    total = sum(item.masks or 0 for item in after.items)
    assert after.line == f"4 of 4 pictures · {total} masks · 1 failed"
    # And a slider.
    strict = replace(CONTROLS, values={**VALUES, "pred_iou_thresh": 0.9})
    *_, filtered = handlers.settings.refilter(ANN, strict)
    assert (table_of(filtered).items[0].masks or 0) < (after.items[0].masks or 0)


def test_one_picture_is_taken_out(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str], tmp_path: Path
) -> None:
    handlers.opening.open_files(ANN, files)
    masks = [item.masks for item in last_table(lists.start_list(ANN, CONTROLS)).items]
    handlers.opening.open_item(ANN, {"index": 2})
    session = service.store.current("ann")
    session.editor.set_label(session.current_masks().ids[:1], "cat")
    board = table_of(handlers.pictures.remove_item(ANN, {"index": 0}))
    assert [item.name for item in board.items] == ["2.png", "3.png", "broken.jpg"]
    assert [item.masks for item in board.items] == masks[1:]
    assert (board.open, board.line) == (1, "3 pictures are in the list.")
    assert [item.edited for item in board.items] == [False, True, False]
    assert [item.thumb is not None for item in board.items] == [True, True, False]
    path, _ = save(lists, ANN, {"format": "coco"})
    assert [row["file_name"] for row in json.loads(path.read_text())["images"]] == ["2.png", "3.png"]
    for _ in range(3):
        board = table_of(handlers.pictures.remove_item(ANN, {"index": 0}))
    assert board == PictureTableData()
    with pytest.raises(NoImageError):
        handlers.pictures.remove_item(ANN, {"index": 0})


def test_start_right_after_stop_starts(
    handlers: Handlers, lists: PictureListHandlers, files: list[str], engine: FakeEngine
) -> None:
    engine.chunk_seconds = 0.3
    handlers.opening.open_files(ANN, files)
    boards = lists.start_list(ANN, CONTROLS)
    assert next(boards).picture_list is not None
    with pytest.raises(BatchError, match="stop it before"):
        handlers.pictures.remove_item(ANN, {"index": 0})
    assert not table_of(lists.stop_list(ANN)).running  # Start can be pressed
    engine.chunk_seconds = 0.0
    assert last_table(lists.start_list(ANN, CONTROLS)).fraction == 1.0


def draw_one(handlers: Handlers, service: Service) -> None:
    """A mask of a person's own on the picture that is open."""
    session = service.store.current("ann")
    step = {"do": "paint", "id": 0, "cut": False, "strokes": [], "outline": [[2, 2], [20, 2], [20, 20], [2, 20]]}
    handlers.masks.edit(ANN, {"session": session.id, "ticket": "1", "steps": [step]})
    assert len(session.current_masks().ids) == 1


def test_masks_that_were_drawn_before_any_run_stay(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files)
    draw_one(handlers, service)
    # They are in a dataset, and come back with it.
    path, _ = save(lists, ANN, {"format": "yolo"})
    back = handlers.opening.open_files(BOB, [str(path)]).picture_list
    assert back is not None
    assert [(item.state, item.masks, item.edited) for item in back.items[:2]] == [
        ("done", 1, True),
        ("waiting", None, False),
    ]
    handlers.opening.open_item(ANN, {"index": 1})
    draw_one(handlers, service)
    drawn = service.store.current("ann")
    board = last_table(lists.start_list(ANN, CONTROLS))
    assert service.store.current("ann") is drawn  # and the page may go on with it
    assert [(item.state, item.edited) for item in board.items[:3]] == [("done", True), ("done", True), ("done", False)]
    assert [item.masks for item in board.items[:2]] == [1, 1]
    assert len(service.store.current("ann").current_masks().ids) == 1
    handlers.opening.open_item(ANN, {"index": 0})
    assert len(service.store.current("ann").current_masks().ids) == 1
    path, _ = save(lists, ANN, {"format": "coco"})
    assert [row["image_id"] for row in json.loads(path.read_text())["annotations"]][:3] == [1, 2, 3]


def test_picture_whose_own_masks_were_taken_back_is_looked_at(
    handlers: Handlers, lists: PictureListHandlers, service: Service, files: list[str]
) -> None:
    handlers.opening.open_files(ANN, files)
    session = service.store.current("ann")
    steps = [{"do": "classes", "text": "cat"}]
    handlers.masks.edit(ANN, {"session": session.id, "ticket": "1", "steps": steps})
    assert handlers.screens.table(ANN).items[0].state == "waiting"
    draw_one(handlers, service)
    assert handlers.screens.table(ANN).items[0].state == "done"
    handlers.masks.edit(ANN, {"session": session.id, "ticket": "2", "steps": [{"do": "undo"}]})
    assert (handlers.screens.table(ANN).items[0].state, handlers.screens.table(ANN).items[0].edited) == (
        "waiting",
        False,
    )
    board = last_table(lists.start_list(ANN, CONTROLS))
    assert (board.items[0].masks or 0) > 1
    assert service.store.current("ann").edits.class_list.names == ("cat",)
