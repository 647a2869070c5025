"""Edits between the viewer and a session, and what is said of a download."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine, FakeModel, fake_models
from page_handlers import prepare
from PIL import Image

from automask_ui.errors import RunGoneError
from automask_ui.export import EXPORTERS, ExportItem, export
from automask_ui.export.hard_masks import hard_items, mask_set
from automask_ui.masks import rle
from automask_ui.options import GeneratorOptions
from automask_ui.project.autosave import Autosave
from automask_ui.project.export import export_photo
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.session.class_names import ClassList
from automask_ui.session.edits import OwnMask
from automask_ui.ui.components.viewer.display import viewer_edits
from automask_ui.ui.edit_requests import Outcome, take_steps
from automask_ui.ui.handlers import Changes, Handlers, Visitor, masks
from automask_ui.ui.text import Words
from automask_ui.ui.text.report import proof_of, proof_sentence

ANN = Visitor("ann", Words("en"))


@pytest.fixture
def handlers() -> Handlers:
    engine = FakeEngine(FakeModel())
    service = Service(lambda name: engine, fake_models("fake"), "fake")
    service.models.load("fake")
    return Handlers(service)


@pytest.fixture
def session(handlers: Handlers, tmp_path: Path) -> Session:
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((37, 53, 3), np.uint8)).save(path)
    session = handlers.service.store.open("ann", path)
    for _ in handlers.service.runs.find(session, "fake", GeneratorOptions(points_per_side=4)):
        pass
    assert len(session.current_masks()[0]) >= 5
    return session


def test_steps_are_taken_in_their_order(session: Session) -> None:
    outcome = take_steps(
        session,
        [
            {"do": "classes", "text": "car, person"},
            {"do": "label", "ids": [1, 2], "label": "person"},
            {"do": "hide", "ids": [2], "hidden": True},
            {"do": "delete", "ids": [3]},
            {"do": "undo"},
        ],
    )
    assert outcome.told is not None
    assert (outcome.told[0], outcome.told[1].kind) == ("undone", "delete")
    said = viewer_edits(session)
    assert said["labels"] == [[1, 1], [2, 1]]
    assert (said["classes"], said["hidden"], said["deleted"]) == (["car", "person"], [2], [])
    assert said["undo"] == {"kind": "hide", "count": 1, "label": ""}
    assert said["redo"] == {"kind": "delete", "count": 1, "label": ""}
    outcome = take_steps(session, [{"do": "redo"}, {"do": "redo"}])
    assert outcome == Outcome(("redone", session.editor.history.undo), ((), ()))  # type: ignore[arg-type]
    assert session.edits.deleted == {3}


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (None, "must be an object"),  # nothing
        ({}, "no edit 'None'"),  # nothing to do
        ({"do": "drop table"}, "no edit 'drop table'"),  # an unknown one
        ({"do": ["label"]}, "no edit"),  # not text
        ({"do": "label", "ids": [1]}, "“label” must be text"),  # no label
        ({"do": "label", "ids": [1], "label": 5}, "“label” must be text"),  # a number
        ({"do": "label", "ids": [1], "label": " \n"}, "is empty"),  # nothing to be seen
        ({"do": "label", "ids": [1], "label": "x" * 101}, "at most 100"),  # too long
        ({"do": "classes", "text": None}, "“text” must be text"),  # no list
        ({"do": "classes", "text": "\n".join(map(str, range(3000)))}, "at most 2,000"),  # too many
    ],
)
def test_hostile_steps_are_refused(session: Session, step: Any, message: str) -> None:
    refused = take_steps(session, [step]).refused
    assert refused is not None
    assert re.search(message, str(refused))
    assert session.editor.history.undo is None


def test_a_step_that_is_refused_takes_no_other_with_it(session: Session) -> None:
    outcome = take_steps(
        session,
        [
            {"do": "duplicate", "ids": [1]},
            {"do": "combine", "how": "merge", "ids": [1]},
            {"do": "undo"},  # of the merging, which was not done
            {"do": "label", "ids": [2], "label": "car"},
            {"do": "duplicate", "ids": [2, 3]},
        ],
    )
    assert str(outcome.refused) == "Select 2 masks or more first."
    first, *others = sorted(session.edits.own)
    assert (outcome.told, outcome.made) == (None, ((first,), (), (), (), tuple(others)))
    assert (len(others), session.edits.labels) == (2, {2: "car", others[0]: "car"})


def test_too_many_steps_at_once_are_none(session: Session) -> None:
    outcome = take_steps(session, [{"do": "hide", "ids": [1], "hidden": True}] * 1001)
    assert (outcome.made, session.edits.hidden) == ((), frozenset())
    assert "can have 1,000 steps, but has 1,001" in str(outcome.refused)


def test_deleted_masks_come_back_by_a_step_that_can_be_taken_back(session: Session) -> None:
    before = session.current_masks().ids
    take_steps(session, [{"do": "delete", "ids": [1, 2, 3]}, {"do": "restore", "ids": [1, 3, 4]}])
    assert session.edits.deleted == {2}
    assert viewer_edits(session)["undo"] == {"kind": "restore", "count": 2, "label": ""}
    take_steps(session, [{"do": "undo"}])
    assert session.edits.deleted == {1, 2, 3}
    take_steps(session, [{"do": "restore", "ids": [1, 2, 3]}])
    assert session.current_masks().ids == before
    version = session.editor.version
    take_steps(session, [{"do": "restore", "ids": [1]}])  # it is there
    assert session.editor.version == version


@pytest.mark.parametrize("ids", [None, "12", {"1": 1}, [True, "1", 1.0, None, [1], -1, 0, 10**9]])
def test_numbers_that_are_none_are_passed_over(session: Session, ids: Any) -> None:
    version, kinds = session.editor.version, ("label", "hide", "delete", "restore")
    take_steps(session, [{"do": kind, "ids": ids, "label": "a", "hidden": True} for kind in kinds])
    assert session.editor.version == version


def test_answer_names_the_parcel_and_the_fault(handlers: Handlers, session: Session) -> None:
    steps = [{"do": "label", "ids": [1], "label": "car"}, {"do": "undo"}]
    said = handlers.masks.edit(ANN, {"session": session.id, "ticket": "edit-1", "steps": steps}).edits
    assert said is not None
    assert (said["answers"], said["error"]) == ("edit-1", "")
    assert said["told"] == {"way": "undone", "kind": "label", "count": 1, "label": "car"}
    said = handlers.masks.edit(ANN, {"session": session.id, "ticket": "edit-2", "steps": [{"do": "fly"}]}).edits
    assert said is not None
    assert (said["told"], said["error"]) == (None, "There is no edit 'fly'.")
    with pytest.raises(RunGoneError):
        handlers.masks.edit(Visitor("bob", Words("en")), {"session": session.id, "steps": steps})


def test_viewer_gets_deleted_masks_for_their_coming_back(handlers: Handlers, session: Session) -> None:
    session.editor.delete([1])
    view = handlers.screens.views.data(session)
    assert 1 in [mask["id"] for mask in view.masks]
    assert view.edits is not None
    assert view.edits["deleted"] == [1]


def test_viewer_gets_masks_made_by_hand_without_scores(handlers: Handlers, session: Session) -> None:
    own = OwnMask(rle.encode(np.eye(*session.image.rgb.shape[:2]) > 0), "painted")
    (id_,) = session.editor.put_masks("add", [own])
    session.editor.put_masks("change", [replace(own, predicted_iou=0.5)], ids=[1])
    view = handlers.screens.views.data(session)
    rows = {row["id"]: row for row in view.masks}
    assert (rows[id_]["iou"], rows[id_]["stability"], rows[id_]["point"]) == (None, None, None)
    assert (rows[1]["iou"], rows[1]["point"], rows[1]["area"]) == (0.5, None, rows[id_]["area"])
    assert rows[2]["point"] is not None
    json.dumps(view.model_dump(), allow_nan=False)


def test_labels_reach_the_file_and_what_has_none_is_said(handlers: Handlers, session: Session) -> None:
    session.editor.set_label([2], "car")
    ask = {"session": session.id, "ticket": "file-1", "format": "coco", "ids": [1, 2, 3]}
    path, proof = prepare(handlers, ANN, ask)
    assert path is not None
    assert path.name == proof["file"]
    assert proof["ticket"] == "file-1"
    assert proof["more"] == [
        "Read back with pycocotools.", "2 masks without a label are in the class “object”."
    ]  # fmt: skip
    assert (proof["exact"], proof["sentence"]) == (True, "3 masks, all exact.")
    # Nothing to say where all have one, where none has one, and where a format has no classes.
    for ids, name in (([2], "coco"), ([1, 3], "coco"), ([1, 2], "table")):
        assert len(prepare(handlers, ANN, {**ask, "ids": ids, "format": name})[1]["more"]) == 1


def test_file_that_cannot_be_made_says_why_in_its_place(handlers: Handlers, session: Session) -> None:
    assert prepare(handlers, ANN, {"session": session.id, "ticket": 7, "format": "nope", "ids": [1]})[0] is None
    path, proof = prepare(handlers, ANN, {"session": "gone", "ticket": 7})
    assert (path, proof["ticket"], proof["error"]) == (None, 7, True)
    assert "no longer on the server" in proof["sentence"]


def test_class_list_goes_on_to_the_next_picture(handlers: Handlers, session: Session, tmp_path: Path) -> None:
    take_steps(session, [{"do": "classes", "text": "car\nperson"}, {"do": "label", "ids": [1], "label": "car"}])
    following = handlers.service.store.open("ann", tmp_path / "photo.png")
    assert following.edits.classes == ("car", "person")
    assert (following.edits.labels, following.editor.history.undo) == ({}, None)
    assert handlers.service.store.open("bob", tmp_path / "photo.png").edits.classes == ()


def test_class_file(handlers: Handlers, tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("car\nperson\n")
    first, second = (handlers.masks.class_file(ANN, str(path)).class_list for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first["lines"], first["note"]) == (["car", "person"], "")
    assert first["key"] != second["key"]  # the same file twice is news twice


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", EXPORTERS)
def test_every_format_has_a_proof_in_both_languages(name: str, language: str, tmp_path: Path) -> None:
    report = export(name, hard_items()[:1], tmp_path)
    proof = proof_of(Words(language), report, 2)
    assert proof["sentence"]
    assert all(proof["more"])
    assert len(proof["masks"]) == proof["count"] == len(report.checks) - report.exact
    assert proof["size"].endswith(("kB", "MB"))


def test_sentence_names_what_became_of_the_masks(tmp_path: Path) -> None:
    def blank(*boxes: tuple[slice, slice]) -> ExportItem:
        arrays = [np.zeros((37, 53), bool) for _ in boxes]
        for array, box in zip(arrays, boxes, strict=True):
            array[box] = True
        numbers = tuple(range(1, len(boxes) + 1))
        image = np.zeros((37, 53, 3), np.uint8)
        return ExportItem("a", image, mask_set(arrays, (37, 53)), numbers, ("",) * len(boxes))

    def said(item: ExportItem, words: Callable[..., Any] = Words) -> str:
        return proof_sentence(words("en"), export("labelmap", [item], tmp_path))

    outer, inner, apart = np.s_[0:10, 0:10], np.s_[2:4, 2:4], np.s_[20:30, 20:30]
    assert said(blank(apart)) == "1 mask, exact."
    assert said(blank(inner, apart)) == "2 masks, all exact."
    assert said(blank(outer, inner, apart)) == "3 masks: 2 exact, 1 changed (worst IoU 0.960)."
    assert said(blank(inner, inner)) == "2 masks: 1 exact, 1 hidden altogether."


def test_numbers_of_a_class_file_are_shown_taken_and_told(handlers: Handlers, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_text('{"categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]}')
    found = handlers.masks.class_file(ANN, str(path)).class_list
    assert found is not None
    assert found["lines"] == ["1: person", "18: dog"]
    assert found["note"] == "Their numbers go from 1 to 18, and 16 between them are not used."
    take_steps(session, [{"do": "classes", "text": "\n".join(found["lines"])}])
    assert session.edits.class_list == ClassList(("person", "dog"), (1, 18))
    take_steps(session, [{"do": "label", "ids": [1], "label": "cow"}])
    assert viewer_edits(session)["class_lines"] == ["1: person", "18: dog", "19: cow"]
    assert viewer_edits(session)["classes"] == ["person", "dog", "cow"]
    # A list without numbers has none.
    take_steps(session, [{"do": "classes", "text": "person\ndog"}])
    assert viewer_edits(session)["class_lines"] == ["person", "dog"]
    take_steps(session, [{"do": "undo"}])
    assert session.edits.class_ids == (1, 18, 19)
    assert handlers.service.store.open("ann", tmp_path / "photo.png").edits.class_ids == (1, 18, 19)


@pytest.mark.parametrize(
    ("text", "language", "lines", "note"),
    [
        ("car\ncar\nperson", "en", ["car", "person"], "1 name was there already, and left out."),
        ("car, dog, car, dog", "ko", ["car", "dog"], "이미 있는 이름 2개는 뺐습니다."),
        (
            "0: car\n5: dog",
            "en",
            ["0: car", "5: dog"],
            "Their numbers go from 0 to 5, and 4 between them are not used.",
        ),
        ("0,car\n2,dog", "ko", ["0: car", "2: dog"], "번호는 0부터 2까지이고, 그 사이 1개는 쓰이지 않습니다."),
        ("car\nperson", "en", ["car", "person"], ""),
    ],
)
def test_what_was_left_out_of_a_typed_class_list_is_told_as_that_of_a_file_is(
    handlers: Handlers, session: Session, tmp_path: Path, text: str, language: str, lines: list[str], note: str
) -> None:
    visitor = Visitor("ann", Words(language))
    steps = [{"do": "classes", "text": text}]
    answer = handlers.masks.edit(visitor, {"session": session.id, "ticket": "1", "steps": steps}).edits
    assert answer is not None
    assert (answer["class_lines"], answer["note"], answer["error"]) == (lines, note, "")
    (tmp_path / "classes.txt").write_text(text)
    found = handlers.masks.class_file(visitor, str(tmp_path / "classes.txt")).class_list
    assert found is not None
    assert (found["lines"], found["note"]) == (lines, note)


@pytest.mark.parametrize(("language", "words"), [("en", "Download this, then reload"), ("ko", "내려받은 뒤")])
def test_work_of_a_page_that_the_server_has_lost_sight_of_is_said_not_to_be_kept(
    handlers: Handlers, tmp_path: Path, language: str, words: str
) -> None:
    """The server was started anew, or the computer slept: what was done then was gone after a reload, unsaid."""
    keeping = Handlers(handlers.service, Autosave(tmp_path / "work", handlers.service.projects))
    visitor = Visitor("ann", Words(language))
    autosave = keeping.opening._autosave
    assert autosave is not None
    for token in ("", "a" * 32):  # a browser that keeps nothing knows it
        autosave.follow(token, "ann")
        assert keeping.reload.keep(visitor).warning is None
        keeping.reload.leave(visitor)
        heading, sentence = keeping.reload.keep(visitor).warning or ("", "")
        assert heading == visitor.words.say("stranger.title")
        assert words in sentence
        assert keeping.reload.keep(visitor).warning is None  # said once


@pytest.mark.parametrize(("language", "words"), [("en", "After a reload"), ("ko", "새로 고치면")])
def test_work_that_is_too_large_to_be_kept_is_said_by_the_page(
    session: Session, handlers: Handlers, tmp_path: Path, language: str, words: str
) -> None:
    visitor = Visitor("ann", Words(language))
    assert handlers.reload.keep(visitor) == Changes()  # where nothing is kept
    keeping = Handlers(handlers.service, Autosave(tmp_path / "work", handlers.service.projects, max_bytes=100))
    autosave = keeping.opening._autosave
    assert autosave is not None
    autosave.follow("a" * 32, "ann")
    take_steps(session, [{"do": "hide", "ids": [1], "hidden": True}])
    heading, sentence = keeping.reload.keep(visitor).warning or ("", "")
    assert heading == visitor.words.say("unkept.title")
    assert words in sentence
    assert "{" not in sentence
    assert keeping.reload.keep(visitor).warning is None
    # Edits say so as well, after the work was kept in between.
    autosave._max_bytes = 10**9
    take_steps(session, [{"do": "hide", "ids": [1], "hidden": False}])
    assert keeping.reload.keep(visitor).warning is None
    autosave._max_bytes = 100
    take_steps(session, [{"do": "hide", "ids": [1], "hidden": True}])
    autosave.save("ann")
    steps = [{"do": "hide", "ids": [2], "hidden": True}]
    changes = keeping.masks.edit(visitor, {"session": session.id, "ticket": "1", "steps": steps})
    assert (changes.warning or ("",))[0] == heading


@pytest.mark.parametrize("opens_another", [False, True], ids=["another download", "another photo"])
def test_a_download_that_is_finished_late_takes_nobodys_place(
    handlers: Handlers, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opens_another: bool
) -> None:
    """Of two at once the slower one, asked for first, was what Save saved; after another photo it was an error."""
    photo = tmp_path / "other.png"
    Image.new("RGB", (53, 37)).save(photo)
    quick: list[tuple[Path | None, Mapping[str, Any]]] = []

    def slow(*arguments: Any) -> Any:
        monkeypatch.undo()
        report = export_photo(*arguments)
        if opens_another:
            handlers.service.store.open(ANN.owner, photo)
        else:
            quick.append(prepare(handlers, ANN, {"session": session.id, "ticket": 2, "format": "coco", "ids": [1]}))
        return report

    monkeypatch.setattr(masks, "export_photo", slow)
    updates = list(handlers.masks.prepare(ANN, {"session": session.id, "ticket": 1, "format": "table", "ids": [1]}))
    assert [update.download or update.proof for update in updates] == [None]
    assert [proof["ticket"] for _, proof in quick] == ([] if opens_another else [2])
