"""Long work without a browser: no sequence of edits, steps back, reloads and runs loses or changes a made mask."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from blocks import RGB, SIZE_HW, found
from hypothesis import given, settings
from hypothesis import strategies as st

from automask_ui.errors import EditError
from automask_ui.export import EXPORTERS, ExportItem, export
from automask_ui.export.base import EXACT
from automask_ui.files.images import LoadedImage
from automask_ui.masks import rle
from automask_ui.session import Session, ShowOnly, history_json
from automask_ui.session.edits import Edits, OwnMask
from automask_ui.session.mask_edits import MASK_EDITS


def blob(x: int, y: int, width: int, height: int) -> np.ndarray:
    """A block with a hole, and a second piece where there is room."""
    mask = np.zeros(SIZE_HW, bool)
    mask[y : y + height, x : x + width] = True
    mask[y + 2 : y + 4, x + 2 : x + 4] = False
    mask[y + height + 2 : y + height + 6, x : x + 4] = True
    return mask


class Step(NamedTuple):
    """An edit: its ids are places among the masks that there are, and its drawing hangs on ``seed``."""

    kind: str
    picks: tuple[int, ...]
    seed: int


class Work:
    """One person's work and, beside it, what the masks that they have made must be after every step."""

    def __init__(self) -> None:
        self.session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
        places = [(0, 0, 8, 8), (5, 3, 9, 9), (20, 5, 10, 10), (38, 20, 8, 8)]
        self.session.update(found(*(blob(*place) for place in places)), "fake")
        self.expected = [self.made()]
        self.undone: list[dict[int, tuple[OwnMask, str]]] = []

    def made(self) -> dict[int, tuple[OwnMask, str]]:
        """The masks that a person has made, with their labels."""
        edits = self.session.edits
        return {id_: (own, edits.labels.get(id_, "")) for id_, own in edits.own.items() if id_ not in edits.deleted}

    def masks(self) -> dict[int, tuple[bytes, str]]:
        """The pixels and labels of all masks."""
        ids, masks, labels = self.session.current_masks()
        return {id_: (one["counts"], label) for id_, one, label in zip(ids, masks.rle, labels, strict=True)}

    def edit(self, step: Step) -> None:
        before, history = self.masks(), self.session.editor.history
        ids = list(dict.fromkeys(list(before)[place % len(before)] for place in step.picks)) if before else []
        try:
            made = self._do(step, ids)
        except EditError:
            assert self.session.editor.history is history
            return
        after = self.masks()
        untouched = before.keys() - set(ids) - set(made)
        assert {id_: before[id_] for id_ in untouched} == {id_: after[id_] for id_ in untouched}
        assert after.keys() - before.keys() <= set(made)
        assert set(made) <= after.keys()
        assert len(self.session.editor.history.past) - len(history.past) in (0, 1)
        if self.session.editor.history is not history:
            self.expected.append(self.made())
            self.undone = []

    def _do(self, step: Step, ids: list[int]) -> Sequence[int]:
        random = np.random.default_rng(step.seed)
        points = (random.random((4, 2)) * (53, 37)).tolist()
        editor, some = self.session.editor, int(random.integers(0, 3))
        if step.kind == "label":
            editor.set_label(ids, ("cat", "dog", "")[some])
            return ids
        if step.kind == "delete":
            editor.delete(ids)
            return ()
        pixels = blob(*(int(value) for value in random.integers(6, 20, 4)))
        self.session.offered.remember("t", [OwnMask(rle.encode(pixels), "clicked", 0.9, 0.8)])
        fields: dict[str, Any] = {
            "ids": ids,
            "id": ids[0] if ids and some else 0,
            "how": str(random.choice(HOW.get(step.kind, [""]))),
            "label": (None, "cat", "")[int(random.integers(0, 3))],
            "px": int(random.integers(1, 4)),
            "cut": bool(random.integers(0, 2)),
            "strokes": [{"width": float(random.integers(1, 9)), "points": points}],
            "outline": points if some else None,
            "on_top": ("smallest", "best", "newest")[some],
            "ticket": "t",
            "candidate": 0,
            "x": points[0][0],
            "y": points[0][1],
        }
        made = MASK_EDITS[step.kind].do(self.session, fields)
        return made

    def undo(self) -> None:
        if self.session.editor.undo() is not None:
            self.undone.append(self.expected.pop())

    def redo(self) -> None:
        if self.session.editor.redo() is not None:
            self.expected.append(self.undone.pop())

    def reload(self) -> None:
        """Go on in a session that knows what a file holds: the way back, too."""
        kept = self.session.snapshot()
        work = {"edits": self.session.edits.to_dict(), "history": history_json.to_dict(kept.history)}
        values = json.loads(json.dumps(work, allow_nan=False))
        self.session = Session(LoadedImage(RGB, "photo.png", ()), "ann")
        now = Edits.from_dict(values["edits"], SIZE_HW)
        self.session.restore(replace(kept, history=history_json.from_dict(values["history"], now, SIZE_HW)))
        assert self.session.editor.history == kept.history

    def find(self, places: list[tuple[int, int, int, int]]) -> None:
        self.session.update(found(*(blob(*place) for place in places)), "fake")

    def threshold(self, count: int) -> None:
        """Only some of what was found passes."""
        result = self.session.result
        assert result is not None
        self.session.update(replace(result, masks=result.masks[:count]), "fake")

    def show(self, smallest: int) -> None:
        self.session.show_only(ShowOnly(smallest=smallest))

    def take(self, kind: str, *values: Any) -> None:
        getattr(self, kind)(*values)
        assert self.made() == self.expected[-1]
        shown = self.masks()
        assert {id_: shown[id_] for id_ in self.made()} == {
            id_: (own.rle["counts"], label) for id_, (own, label) in self.expected[-1].items()
        }


HOW = {"combine": ["merge", "subtract", "intersect"], "reshape": ["fill", "smooth", "grow", "shrink"]}
KINDS = [*MASK_EDITS, "label", "delete"]
EDIT = st.builds(
    Step, st.sampled_from(KINDS), st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple), st.integers(0, 999)
)
PLACE = st.tuples(st.integers(0, 40), st.integers(0, 25), st.integers(4, 12), st.integers(4, 12))
STEPS = st.one_of(
    st.tuples(st.just("edit"), EDIT),
    st.tuples(st.just("edit"), EDIT),
    st.tuples(st.sampled_from(["undo", "undo", "redo", "reload"])),
    st.tuples(st.just("find"), st.lists(PLACE, max_size=4)),
    st.tuples(st.just("threshold"), st.integers(0, 4)),
    st.tuples(st.just("show"), st.integers(0, 200)),
)


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=15))
def test_no_sequence_loses_or_changes_a_made_mask(steps: list[tuple[Any, ...]]) -> None:
    work = Work()
    for step in steps:
        work.take(*step)


@settings(max_examples=50)
@given(st.lists(EDIT, min_size=1, max_size=8))
def test_taking_every_step_back_restores_all_of_it(edits: list[Step]) -> None:
    work = Work()
    states = [(work.session.edits, work.masks())]
    for edit in edits:
        work.take("edit", edit)
        if work.session.edits is not states[-1][0]:
            states.append((work.session.edits, work.masks()))
    for expected in reversed(states[:-1]):
        work.session.editor.undo()
        assert (work.session.edits, work.masks()) == expected
    for expected in states[1:]:
        work.session.editor.redo()
        assert (work.session.edits, work.masks()) == expected


@pytest.fixture(scope="module", params=[1, 2, 3])
def worked_on(request: pytest.FixtureRequest) -> ExportItem:
    """The masks after a sequence of every kind of edit."""
    random = np.random.default_rng(request.param)
    work = Work()
    for number in range(40):
        kind = ("paint", "take", "split", "duplicate", "combine", "reshape", "disjoint", "keep", "label")[number % 9]
        work.take("edit", Step(kind, tuple(random.integers(0, 50, 2).tolist()), int(random.integers(0, 10**6))))
        if number % 13 == 12:
            work.take("undo")
            work.take("find", [tuple(random.integers(4, 12, 4).tolist()), (30, 20, 9, 8)])
    work.take("reload")
    ids, masks, labels = work.session.current_masks()
    assert len(work.made()) >= 4
    assert np.isnan(masks.predicted_iou).any()
    return ExportItem("photo.png", RGB, masks, ids, labels)


@pytest.mark.parametrize("name", list(EXPORTERS))
def test_proof_of_every_format_holds(name: str, worked_on: ExportItem, tmp_path: Path) -> None:
    report = export(name, [worked_on], tmp_path)
    assert [check.id for check in report.checks] == list(worked_on.ids)
    if EXPORTERS[name].change == EXACT:
        assert report.exact == len(report.checks)
