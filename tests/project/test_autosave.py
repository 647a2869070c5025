"""Work in progress: what is kept, for whom, for how long."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import stat
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automask_ui.errors import RestoreError
from automask_ui.options import GeneratorOptions
from automask_ui.project import autosave as autosave_module
from automask_ui.project.autosave import Autosave, autosave_for
from automask_ui.project.document import NAME, Saved
from automask_ui.project.projects import Kind, Projects
from automask_ui.project.restore_list import saved_photo
from automask_ui.project.saving import ProjectFolder, ProjectToSave
from automask_ui.project.sources import read_project
from automask_ui.serving.service import Service
from automask_ui.session import Session

OPTIONS = GeneratorOptions(points_per_side=5, pred_iou_thresh=0.7, stability_score_thresh=0.0)
ANN, BOB = "a" * 32, "b" * 32


@pytest.fixture
def autosave(service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Autosave:
    """Without its thread: tests say themselves when it looks."""
    monkeypatch.setattr(autosave_module, "_watch", lambda autosave: None)
    return Autosave(folder, service.projects)


def read_saved(path: Path) -> tuple[Saved, bytes | None]:
    project = read_project(path)
    saved = project.pictures[0].work
    assert isinstance(saved, Saved)
    return saved, saved_photo(path, project)


def opened(service: Service, tmp_path: Path, owner: str = "ann", grey: int = 90) -> Session:
    path = tmp_path / f"{owner}.png"
    Image.fromarray(np.full((37, 53, 3), grey, np.uint8)).save(path)
    return service.store.open(owner, path)


def test_work_is_kept_as_it_is(autosave: Autosave, service: Service, tmp_path: Path) -> None:
    assert autosave.saved_path(ANN, "photo") is None
    autosave.follow(ANN, "ann")
    session = opened(service, tmp_path)
    list(service.runs.find(session, "fake", OPTIONS))
    session.editor.set_label(session.current_masks()[0][:2], "cat")
    autosave.save("ann")
    path = autosave.saved_path(ANN, "photo")
    assert path is not None
    saved, photo = read_saved(path)
    assert photo == session.image.data
    assert (saved.ids, saved.edits) == (session.snapshot().ids, session.edits)


@pytest.mark.parametrize("change", ["edit", "refilter", "photo"])
def test_every_change_is_noticed_and_nothing_else(
    autosave: Autosave, service: Service, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened(service, tmp_path)
    list(service.runs.find(session, "fake", OPTIONS))
    autosave.follow(ANN, "ann")
    written: list[ProjectFolder] = []
    write = ProjectFolder.write

    def noted(folder: ProjectFolder, project: ProjectToSave, most: int) -> None:
        written.append(folder)
        write(folder, project, most)

    monkeypatch.setattr(ProjectFolder, "write", noted)
    autosave.save("ann")
    assert not written  # nothing was done yet: the sample that a page begins with is no work
    if change == "edit":
        session.editor.set_hidden(session.current_masks()[0][:1], True)
    elif change == "refilter":
        list(service.runs.refilter(session, OPTIONS.replace(pred_iou_thresh=0.8)))
    else:
        monkeypatch.setattr(service.store, "on_left", lambda session: None)  # which writes the old one elsewhere
        opened(service, tmp_path, grey=91)
    autosave.save("ann")
    autosave.save("ann")
    assert len(written) == 1


def test_reloaded_page_finds_what_its_old_self_had_not_kept(
    autosave: Autosave, service: Service, tmp_path: Path
) -> None:
    autosave.follow(ANN, "old")
    session = opened(service, tmp_path, "old")
    list(service.runs.find(session, "fake", OPTIONS))
    path = autosave.saved_path(ANN, "photo")
    assert path is not None
    autosave.follow(ANN, "new")
    newer = opened(service, tmp_path, "new", 91)
    autosave.save("new")
    # Only now the old page is known to be gone: it does not take the place of newer work.
    autosave.leave("old")
    assert read_saved(path)[0].image.pixels_sha256 == newer.image.pixels_sha256


def test_leaving_keeps_the_last_change(autosave: Autosave, service: Service, tmp_path: Path) -> None:
    autosave.follow(ANN, "ann")
    session = opened(service, tmp_path)
    session.editor.set_classes(["cat"])
    autosave.leave("ann")
    path = autosave.saved_path(ANN, "photo")
    assert path is not None
    assert read_saved(path)[0].edits.classes == ("cat",)
    session.editor.set_classes(["dog"])
    autosave.save("ann")
    assert read_saved(path)[0].edits.classes == ("cat",)


def test_a_new_tab_takes_over_the_latest_work_of_closed_ones_once(
    autosave: Autosave, service: Service, tmp_path: Path, folder: Path
) -> None:
    old, late, new, other = "a" * 32, "b" * 32, "c" * 32, "d" * 32
    for owner, token, name in (("ann", old, "cat"), ("bob", late, "dog")):
        autosave.follow(token, owner)
        opened(service, tmp_path, owner).editor.set_classes([name])
        autosave.leave(owner)
    for path in folder.glob(f"{hashlib.sha256(old.encode()).hexdigest()[:40]}*"):
        for inside in (path, *path.rglob("*")):
            os.utime(inside, (time.time() - 999, time.time() - 999))
    autosave.take_over(new, ["e" * 32, old, late, "no token"])
    back = autosave.restore(new, "cat", "photo")
    assert back is not None
    assert back.session is not None
    assert back.session.edits.classes == ("dog",)
    assert autosave.saved_path(late, "photo") is None
    # What is left is for the next one.
    autosave.take_over(other, [late, old])
    again = autosave.restore(other, "dan", "photo")
    assert again is not None
    assert again.session is not None
    assert again.session.edits.classes == ("cat",)
    autosave.take_over("f" * 32, [late, old])
    assert autosave.saved_path("f" * 32, "photo") is None


def test_a_new_tab_has_the_last_change_of_one_that_is_about_to_go(
    autosave: Autosave, service: Service, tmp_path: Path
) -> None:
    autosave.follow(ANN, "ann")
    opened(service, tmp_path, "ann").editor.set_classes(["cat"])
    autosave.take_over(BOB, [ANN])
    back = autosave.restore(BOB, "bob", "photo")
    assert back is not None
    autosave.leave("ann")
    assert autosave.saved_path(ANN, "photo") is None


def test_nobody_else_reaches_it(autosave: Autosave, service: Service, tmp_path: Path, folder: Path) -> None:
    autosave.follow(ANN, "ann")
    opened(service, tmp_path)
    autosave.leave("ann")
    assert autosave.saved_path(BOB, "photo") is None
    (path,) = folder.iterdir()
    assert ANN not in path.name
    assert {stat.S_IMODE(own.stat().st_mode) for own in path.rglob("*") if own.is_file()} == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("token", [None, "", "a" * 31, "A" * 32, "../" + "a" * 32, "a" * 32 + "\n", 7, ["a" * 32]])
def test_what_is_no_token_keeps_nothing(
    autosave: Autosave, service: Service, tmp_path: Path, folder: Path, token: object
) -> None:
    autosave.follow(token, "ann")
    opened(service, tmp_path)
    autosave.leave("ann")
    assert autosave.saved_path(token, "photo") is None
    assert not folder.exists()


def test_old_work_goes(autosave: Autosave, service: Service, tmp_path: Path) -> None:
    autosave.follow(ANN, "ann")
    opened(service, tmp_path)
    autosave.leave("ann")
    path = autosave.saved_path(ANN, "photo")
    assert path is not None
    old = time.time() - autosave_module.MAX_AGE_SECONDS - 60
    for own in (path, *path.rglob("*")):
        os.utime(own, (old, old))
    assert autosave.saved_path(ANN, "photo") is None
    assert not path.exists()


def test_bytes_are_bounded(service: Service, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autosave_module, "_watch", lambda autosave: None)
    autosave = Autosave(folder, service.projects, max_bytes=3500)
    for number, token in enumerate((ANN, BOB, "c" * 32, "d" * 32, "e" * 32, "f" * 32)):
        autosave.follow(token, token)
        opened(service, tmp_path, token, number)
        autosave.leave(token)
        for path in folder.rglob("*"):
            os.utime(path, (path.stat().st_mtime - 10,) * 2)
    kept = [sum(own.stat().st_size for own in path.rglob("*") if own.is_file()) for path in folder.iterdir()]
    assert 1 < len(kept) < 6
    assert sum(kept) <= 3500
    assert autosave.saved_path(ANN, "photo") is None
    assert autosave.saved_path("f" * 32, "photo") is not None


def test_large_work_is_not_kept(
    service: Service, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    autosave = Autosave(folder, service.projects, max_bytes=100)
    autosave.follow(ANN, "ann")
    opened(service, tmp_path)
    autosave.leave("ann")
    assert "too large" in caplog.text
    assert autosave.saved_path(ANN, "photo") is None


def test_disk_that_cannot_be_written_does_not_stop_the_work(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    autosave = Autosave(tmp_path / "file" / "work", service.projects)
    autosave.follow(ANN, "ann")
    opened(service, tmp_path)
    autosave.leave("ann")
    assert "could not be kept" in caplog.text


def test_work_that_cannot_be_told_spoils_nobody_elses(
    autosave: Autosave,
    service: Service,
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = Projects.mark

    def break_lists(projects: Projects, owner: str, kind: Kind) -> object | None:
        if kind == "pictures":
            raise RuntimeError("dictionary changed size")
        return mark(projects, owner, kind)

    monkeypatch.setattr(Projects, "mark", break_lists)
    for token, owner in ((ANN, "ann"), (BOB, "bob")):
        autosave.follow(token, owner)
        opened(service, tmp_path, owner)
    autosave.save_all()
    assert caplog.text.count(f"could not be kept in {folder}") == 2
    assert autosave.saved_path(BOB, "photo") is not None


def test_nobody_waits_for_what_another_keeps(
    autosave: Autosave, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    write, done = ProjectFolder.write, []

    def write_slowly(folder: ProjectFolder, project: ProjectToSave, most: int) -> None:
        if project.pictures[0].row.name == "ann.png":
            begun.set()
            assert go_on.wait(30)
            done.append("ann")
        write(folder, project, most)

    monkeypatch.setattr(ProjectFolder, "write", write_slowly)
    autosave.follow(ANN, "ann")
    opened(service, tmp_path, "ann")
    writing = threading.Thread(target=autosave.save, args=("ann",))
    writing.start()
    assert begun.wait(30)
    try:
        autosave.follow(BOB, "bob")
        opened(service, tmp_path, "bob")
        assert autosave.saved_path(BOB, "photo") is not None
        # Who reads what is being written waits until it is whole.
        assert not autosave._kept.hold(ANN).acquire(blocking=False)
    finally:
        go_on.set()
        writing.join(30)
    with autosave._kept.hold(ANN):
        assert done == ["ann"]
    assert autosave.saved_path(ANN, "photo") is not None


def test_thread_keeps_by_itself(
    service: Service, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave_module, "EVERY_SECONDS", 0.01)
    autosave = Autosave(folder, service.projects)
    autosave.follow(ANN, "ann")
    opened(service, tmp_path)
    deadline = time.monotonic() + 30
    while not list(folder.glob("*.photo/automask.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(folder.glob("*.photo/automask.json"))
    autosave.leave("ann")


@pytest.mark.parametrize(
    ("variables", "is_on"),
    [({}, True), ({"SPACE_ID": "me/space"}, False), ({"AUTOMASK_AUTOSAVE": "0"}, False)],
)
def test_off_on_spaces_and_where_unwanted(
    service: Service, variables: dict[str, str], is_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (autosave_for(service.projects) is not None) is is_on


def test_what_could_not_be_written_is_tried_again(
    autosave: Autosave, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    autosave.follow(ANN, "ann")
    opened(service, tmp_path)
    write, fails = ProjectFolder.write, [OSError("No space left on device")]

    def write_once_in_vain(folder: ProjectFolder, project: ProjectToSave, most: int) -> None:
        if fails:
            raise fails.pop()
        write(folder, project, most)

    monkeypatch.setattr(ProjectFolder, "write", write_once_in_vain)
    autosave.save("ann")
    assert autosave.saved_path(ANN, "photo") is not None


def test_session_that_has_gone_leaves_what_was_kept(
    autosave: Autosave, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    autosave.follow(ANN, "ann")
    opened(service, tmp_path)
    autosave.save("ann")
    path = autosave.saved_path(ANN, "photo")
    assert path is not None
    before = (path / NAME).read_bytes()
    # Gone between the question whether it has changed and the writing.
    monkeypatch.setattr(Projects, "mark", lambda projects, owner, kind: "another")
    monkeypatch.setattr(Projects, "to_save", lambda projects, owner, kind: None)
    autosave.save("ann")
    assert (path / NAME).read_bytes() == before


def test_photo_that_version_1_has_kept_comes_back_and_goes_then(
    autosave: Autosave, service: Service, folder: Path
) -> None:
    folder.mkdir()
    old = autosave._kept.paths(ANN, "photo")[1]
    shutil.copyfile(Path(__file__).parents[1] / "data" / "version1" / "kept.zip", old)
    restored = autosave.restore(ANN, "ann", "photo")
    assert restored is not None
    assert restored.session is not None
    autosave.follow(ANN, "ann")
    assert old.exists()
    restored.session.editor.set_hidden(restored.session.current_masks().ids[:1], True)
    autosave.save("ann")
    assert [path.suffix for path in folder.iterdir()] == [".photo"]
    again = autosave.restore(ANN, "bob", "photo")
    assert again is not None
    assert again.session is not None
    assert again.session.edits == restored.session.edits
    assert again.session.current_masks().ids == restored.session.current_masks().ids


def test_what_is_too_large_is_not_tried_again_until_it_changes(
    autosave: Autosave, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, write = [], ProjectFolder.write

    def refuse(folder: ProjectFolder, project: ProjectToSave, most: int) -> None:
        tried.append(project)
        raise RestoreError("it is too large.")

    monkeypatch.setattr(ProjectFolder, "write", refuse)
    autosave.follow(ANN, "ann")
    session = opened(service, tmp_path)
    autosave.save("ann")
    autosave.save("ann")
    assert len(tried) == 1
    # It is said once, whatever is changed then, until it is kept again.
    assert str(autosave.untold_refusal("ann")) == "it is too large."
    assert autosave.untold_refusal("bob") is None
    list(service.runs.find(session, "fake", OPTIONS))
    autosave.save("ann")
    assert len(tried) == 2
    assert autosave.untold_refusal("ann") is None
    with monkeypatch.context() as patch:
        patch.setattr(ProjectFolder, "write", write)
        list(service.runs.find(session, "fake", GeneratorOptions(points_per_side=4)))
        autosave.save("ann")
    list(service.runs.find(session, "fake", OPTIONS))
    autosave.save("ann")
    assert str(autosave.untold_refusal("ann")) == "it is too large."


def test_full_disk_is_tried_again_with_growing_pauses_and_said_once(
    autosave: Autosave,
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    autosave.follow(ANN, "ann")
    opened(service, tmp_path)
    now, tries, write, is_full = [1000.0], [], ProjectFolder.write, [True]

    def write_if_there_is_room(folder: ProjectFolder, project: ProjectToSave, most: int) -> None:
        tries.append(now[0] - 1000)
        if is_full[0]:
            raise OSError("No space left on device")
        write(folder, project, most)

    monkeypatch.setattr(ProjectFolder, "write", write_if_there_is_room)
    monkeypatch.setattr(autosave_module.time, "monotonic", lambda: now[0])
    while now[0] < 2000:
        autosave.save_all()
        now[0] += 1
    assert tries[:6] == [0, 2, 6, 14, 30, 62]
    assert max(later - earlier for earlier, later in itertools.pairwise(tries)) == 300
    assert caplog.text.count("could not be kept") == 1
    is_full[0] = False
    now[0] += 300
    autosave.save_all()
    assert "is kept again" in caplog.text
    assert autosave.saved_path(ANN, "photo") is not None
