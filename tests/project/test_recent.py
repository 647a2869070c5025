"""Work that was left for another picture: what is kept of it, for whom, and for how long."""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automask_ui.errors import RestoreError, RunGoneError
from automask_ui.options import GeneratorOptions
from automask_ui.project import autosave as autosave_module
from automask_ui.project import recent as recent_module
from automask_ui.project.autosave import Autosave
from automask_ui.project.document import NAME
from automask_ui.project.recent import MOST, Recent
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly

OPTIONS = GeneratorOptions(points_per_side=5, pred_iou_thresh=0.7, stability_score_thresh=0.0)
ANN, BOB = "a" * 32, "b" * 32


@pytest.fixture
def recent(service: Service) -> Recent:
    return service.projects.recent


@pytest.fixture
def autosave(service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Autosave:
    """Without its thread: tests say themselves when it looks."""
    monkeypatch.setattr(autosave_module, "_watch", lambda autosave: None)
    return Autosave(folder, service.projects)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((37, 53, 3), 90, np.uint8)).save(path)
    return path


def opens(service: Service, photo: Path, owner: str = "ann", name: str = "photo.png") -> Session:
    return service.store.open(owner, photo, name)


def worked_on(service: Service, photo: Path, owner: str = "ann", name: str = "photo.png") -> Session:
    """Opened, with masks."""
    session = opens(service, photo, owner, name)
    list(service.runs.find(session, "fake", OPTIONS))
    return session


def reopens(service: Service, key: object, owner: str = "ann") -> Session:
    """Went back to, as the page does it."""
    with service.projects.recent.taken(owner, key) as path:
        session = service.projects.restore(owner, path).session
    assert session is not None
    return session


def names(recent: Recent, owner: str = "ann") -> list[str]:
    return [work.name for work in recent.of(owner)]


def on_disk(folder: Path) -> int:
    return len(list(folder.glob("*")))


def test_all_of_the_work_comes_back(service: Service, recent: Recent, photo: Path) -> None:
    left = worked_on(service, photo, name="first.png")
    ids = left.current_masks()[0]
    left.editor.set_label(ids[:2], "cat")
    left.editor.delete(ids[2:3])
    left.editor.set_hidden(ids[3:4], True)
    left.show_only(ShowOnly(smallest=3))
    before, history, options = left.current_masks(), left.editor.history, left.result and left.result.options
    worked_on(service, photo, name="second.png")

    (piece,) = recent.of("ann")
    assert (piece.name, piece.masks) == ("first.png", len(before.ids))
    assert Image.open(io.BytesIO(piece.thumbnail)).size == (53, 37)
    back = reopens(service, piece.key)
    assert service.store.current("ann") is back
    assert (back.image.name, back.image.data) == ("first.png", left.image.data)
    after = back.current_masks()
    assert (after.ids, after.labels, list(after.masks.rle)) == (before.ids, before.labels, list(before.masks.rle))
    assert (back.show, back.editor.history) == (left.show, history)
    assert back.result is not None
    assert back.result.options == options
    # It is open now; the other one was left for it.
    assert names(recent) == ["second.png"]


def test_what_was_never_worked_on_is_not_kept(service: Service, recent: Recent, photo: Path) -> None:
    opens(service, photo)
    session = opens(service, photo)
    session.editor.set_classes(["cat"])
    opens(service, photo)
    assert not recent.of("ann")


def test_an_edit_without_a_run_is_work(service: Service, recent: Recent, photo: Path) -> None:
    session = worked_on(service, photo, name="edited.png")
    session.given = session.result  # as a sample's masks are, which nobody has asked for
    opens(service, photo)
    assert not recent.of("ann")
    session = worked_on(service, photo, name="edited.png")
    session.given = session.result
    session.editor.delete(session.current_masks()[0][:1])
    session.editor.undo()  # what was taken back counts, too
    opens(service, photo)
    assert names(recent) == ["edited.png"]


def test_the_last_few_are_kept_latest_first(service: Service, recent: Recent, photo: Path) -> None:
    for number in range(MOST + 2):
        worked_on(service, photo, name=f"{number}.png")
    assert names(recent) == [f"{number}.png" for number in range(MOST, 0, -1)]
    assert on_disk(service.store.scratch / "recent") == MOST


def test_the_oldest_of_a_full_row_opens_and_no_other_goes_for_it(service: Service, recent: Recent, photo: Path) -> None:
    for number in range(MOST + 1):
        worked_on(service, photo, name=f"{number}.png")
    assert reopens(service, recent.of("ann")[-1].key).image.name == "0.png"
    assert names(recent) == [f"{number}.png" for number in range(MOST, 0, -1)]
    assert on_disk(service.store.scratch / "recent") == MOST


def test_nobody_else_reaches_it(service: Service, recent: Recent, photo: Path) -> None:
    for owner in ("ann", "bob"):
        worked_on(service, photo, owner, f"{owner}.png")
        opens(service, photo, owner)
    key = recent.of("ann")[0].key
    assert names(recent, "bob") == ["bob.png"]
    for bad in (key, key.upper(), "../" + key, "*", None, 3, ["x"], ""):
        with pytest.raises(RunGoneError, match="no longer kept"):
            reopens(service, bad, "bob")
    assert names(recent) == ["ann.png"]


def test_leaving_deletes_it_where_work_is_not_kept(service: Service, recent: Recent, photo: Path) -> None:
    for owner in ("ann", "bob"):
        worked_on(service, photo, owner)
        opens(service, photo, owner)
    service.projects.leave("ann")
    assert not recent.of("ann")
    assert on_disk(service.store.scratch / "recent") == 1


def test_it_is_there_after_a_reload(service: Service, recent: Recent, autosave: Autosave, photo: Path) -> None:
    autosave.keep_recent(ANN, "before")
    worked_on(service, photo, "before", "left.png")
    opens(service, photo, "before")
    autosave.leave("before")
    service.projects.leave("before")
    for owner, token in (("after", ANN), ("other", BOB), ("none", "")):
        autosave.keep_recent(token, owner)
    assert names(recent, "after") == ["left.png"]
    assert not recent.of("other")
    assert not recent.of("none")
    assert reopens(service, recent.of("after")[0].key, "after").result is not None
    assert not recent.of("after")


def test_a_new_tab_takes_it_over_with_the_work_of_a_closed_one(
    service: Service, recent: Recent, autosave: Autosave, photo: Path
) -> None:
    autosave.keep_recent(ANN, "ann")
    autosave.follow(ANN, "ann")
    worked_on(service, photo, name="left.png")
    worked_on(service, photo)
    autosave.leave("ann")
    service.projects.leave("ann")
    autosave.take_over(BOB, [ANN])
    for owner, token in (("bob", BOB), ("ann", ANN)):
        autosave.keep_recent(token, owner)
    assert names(recent, "bob") == ["left.png"]
    assert not recent.of("ann")


def leaves_work(service: Service, autosave: Autosave, photo: Path, token: str, *pictures: str) -> None:
    """A tab in which these pictures were worked on, one after the other, and which is closed."""
    owner = f"tab {token[0]}"
    autosave.keep_recent(token, owner)
    autosave.follow(token, owner)
    for name in pictures:
        worked_on(service, photo, owner, name)
        autosave.save(owner)
    autosave.leave(owner)
    service.projects.leave(owner)


def comes(service: Service, autosave: Autosave, token: str, owner: str, closed: list[str]) -> str:
    """A new tab: the name of the picture that it goes on with."""
    autosave.take_over(token, closed)
    autosave.keep_recent(token, owner)
    back = autosave.restore(token, owner, "photo")
    return "" if back is None or back.session is None else back.session.image.name


def test_work_of_all_closed_tabs_is_offered_and_what_has_no_room_waits_for_the_next_one(
    service: Service, recent: Recent, autosave: Autosave, photo: Path
) -> None:
    tabs = {"a" * 32: ["a1", "a2"], "b" * 32: ["b1", "b2"], "c" * 32: ["c1", "c2", "c3"]}
    for token, pictures in tabs.items():
        leaves_work(service, autosave, photo, token, *pictures)
    assert comes(service, autosave, "d" * 32, "dan", list(tabs)) == "c3"
    assert names(recent, "dan") == ["c2", "c1", "b2", "b1", "a2"][:MOST]
    assert [piece.masks for piece in recent.of("dan")] == [len(service.store.current("dan").current_masks().ids)] * 5
    assert reopens(service, recent.of("dan")[2].key, "dan").image.name == "b2"
    assert comes(service, autosave, "e" * 32, "eve", list(tabs)) == ""
    assert not names(recent, "eve")


def test_a_tab_without_room_for_its_last_picture_is_the_next_ones(
    service: Service, recent: Recent, autosave: Autosave, photo: Path
) -> None:
    leaves_work(service, autosave, photo, ANN, "a1")
    leaves_work(service, autosave, photo, BOB, *(f"b{number}" for number in range(MOST + 1)))
    assert comes(service, autosave, "c" * 32, "cid", [ANN, BOB]) == f"b{MOST}"
    assert names(recent, "cid") == [f"b{number}" for number in range(MOST - 1, -1, -1)]
    assert comes(service, autosave, "d" * 32, "dan", [ANN, BOB]) == "a1"


def test_a_sample_that_nobody_has_worked_on_is_not_offered(
    service: Service, recent: Recent, autosave: Autosave, photo: Path
) -> None:
    autosave.follow(ANN, "ann")
    worked_on(service, photo)
    autosave.save("ann")
    sample = worked_on(service, photo, name="sample.png")
    sample.given = sample.result
    autosave.leave("ann")
    service.projects.leave("ann")
    leaves_work(service, autosave, photo, BOB, "bob.png")
    assert comes(service, autosave, "c" * 32, "cid", [ANN, BOB]) == "bob.png"
    assert names(recent, "cid") == []


def test_old_work_goes_with_its_files(
    service: Service, recent: Recent, autosave: Autosave, photo: Path, folder: Path
) -> None:
    autosave.keep_recent(ANN, "ann")
    for name in ("old.png", "new.png"):
        worked_on(service, photo, name=name)
    opens(service, photo)
    old = time.time() - autosave_module.MAX_AGE_SECONDS - 60
    piece = min(folder.glob("*.recent-*"))
    for path in (piece, *piece.rglob("*")):
        os.utime(path, (old, old))
    autosave.saved_path(ANN, "photo")
    assert names(recent) == ["new.png"]
    assert not piece.exists()


def test_bytes_are_bounded_over_all_visitors(
    service: Service, recent: Recent, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_on(service, photo, "ann", "first.png")
    opens(service, photo, "ann")
    size = sum(path.stat().st_size for path in (service.store.scratch / "recent").rglob("*") if path.is_file())
    monkeypatch.setattr(recent_module, "MAX_BYTES", int(2.5 * size))
    for owner in ("bob", "cid"):
        worked_on(service, photo, owner, "first.png")
        opens(service, photo, owner)
    assert [len(recent.of(owner)) for owner in ("ann", "bob", "cid")] == [0, 1, 1]


def test_a_list_keeps_its_pictures_itself(service: Service, recent: Recent, photo: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(photo, tmp_path / "other.png"))
    worked_on(service, photo, name="before.png")
    service.projects.add("ann", [photo, other])
    session = service.projects.open_item("ann", 0)
    list(service.runs.find(session, "fake", OPTIONS))
    service.projects.open_item("ann", 1)
    assert names(recent) == ["before.png"]
    session = service.projects.open_item("ann", 0)
    service.projects.lists.close("ann")
    opens(service, photo)
    # No list has it any more.
    assert names(recent) == ["photo.png", "before.png"]


def test_a_full_disk_does_not_stop_the_next_picture(
    service: Service, recent: Recent, photo: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worked_on(service, photo)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("automask_ui.project.saving.write_atomic", full)
    assert opens(service, photo, name="next.png") is service.store.current("ann")
    assert not recent.of("ann")
    assert "No space left" in caplog.text
    assert on_disk(service.store.scratch / "recent") == 0


def test_what_cannot_be_restored_stays(service: Service, recent: Recent, photo: Path) -> None:
    worked_on(service, photo)
    opens(service, photo)
    (document,) = (service.store.scratch / "recent").glob(f"*/{NAME}")
    document.write_text("{}")
    key = recent.of("ann")[0].key
    with pytest.raises(RestoreError):
        reopens(service, key)
    assert [piece.key for piece in recent.of("ann")] == [key]
