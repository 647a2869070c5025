"""Places of visitors who have no page open go to others within two minutes; those of open pages stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeEngine, fake_models
from PIL import Image

from automask_ui.errors import BatchError, BusyError
from automask_ui.project.projects import MOST_LISTS
from automask_ui.serving import presence as presence_module
from automask_ui.serving.presence import Presence
from automask_ui.serving.runs import MAX_WAITING, RunQueue
from automask_ui.serving.service import Service


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, s, to be set."""
    now = [1000.0]
    monkeypatch.setattr(presence_module.time, "monotonic", lambda: now[0])
    return now


def test_grace_is_below_two_minutes() -> None:
    assert presence_module.GRACE_SECONDS < 120


def test_waiting_runs_without_a_page_give_way(clock: list[float]) -> None:
    presence = Presence()
    presence.is_watched = True
    queue = RunQueue(presence.has_gone)
    presence.came("here")
    for number in range(MAX_WAITING - 1):
        queue.enqueue(f"silent-{number}", "session")
    queue.enqueue("here", "session")
    with pytest.raises(BusyError):
        queue.enqueue("new", "session")
    clock[0] += 119
    queue.enqueue("new", "session")
    assert queue.is_busy("here")
    assert not queue.is_busy("silent-0")
    with queue.acquire("silent-0") as session_id:
        assert session_id is None


def test_a_page_that_went_without_a_word_has_gone(clock: list[float]) -> None:
    presence = Presence()
    presence.is_watched = True
    presence.came("ann")
    presence.came("ann")
    presence.went("ann")
    clock[0] += 999
    assert not presence.has_gone("ann", 0.0)
    presence.went("ann")
    assert presence.has_gone("ann", 0.0)
    assert not presence.has_gone("ann", clock[0] - 60)


def test_lists_without_a_page_give_way(clock: list[float], tmp_path: Path) -> None:
    service = Service(lambda name: FakeEngine(), fake_models("fake"), "fake")
    service.presence.is_watched = True
    photos = []
    for number in range(2):
        photos.append(tmp_path / f"{number}.png")
        Image.new("RGB", (8, 8), (number, 0, 0)).save(photos[-1])
    owners = [f"silent-{number}" for number in range(MOST_LISTS - 1)] + ["here"]
    service.presence.came("here")
    for owner in owners:
        service.projects.add(owner, photos)
    with pytest.raises(BatchError):
        service.projects.add("new", photos)
    clock[0] += 119
    service.projects.add("new", photos)
    assert service.projects.lists.peek("here") is not None
    assert service.projects.lists.peek("silent-0") is None
