"""Many visitors at once: every answer is their own, the queue is bounded, and nothing is left behind."""

from __future__ import annotations

import io
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import page_app
import pytest
from PIL import Image
from visitors import RefusedError, Visitor

gradio_client = pytest.importorskip("gradio_client")

# Set AUTOMASK_STRESS_REQUESTS to 2000, say, for a longer run.
REQUESTS = int(os.environ.get("AUTOMASK_STRESS_REQUESTS", "200"))
CLIENTS = 8
STARTED = REQUESTS // 4  # requests after which the server has what it keeps: threads, caches, compiled patterns
GROWTH_BYTES = 24 << 20


@dataclass(frozen=True)
class Picture:
    """A dark photo with one bright thing, of a size and at a place that no other photo has."""

    path: Path
    size_hw: tuple[int, int]
    box_xyxy: tuple[int, int, int, int]  # both corners belong to the thing

    @classmethod
    def make(cls, folder: Path, number: int) -> Picture:
        height, width = 60 + number % 37, 90 + number % 41
        left, top = 5 + number % 29, 3 + number % 23
        right, bottom = left + 7 + number % 13, top + 5 + number % 11
        pixels = np.full((height, width, 3), 20, np.uint8)
        pixels[top : bottom + 1, left : right + 1] = 255
        path = folder / f"photo-{number}.png"
        Image.fromarray(pixels).save(path)
        return cls(path, (height, width), (left, top, right, bottom))

    def check(self, size_hw: tuple[int, int], masks: list[dict[str, Any]]) -> None:
        """Whether this is the answer for this picture."""
        left, top, right, bottom = self.box_xyxy
        assert tuple(size_hw) == self.size_hw
        assert [mask["bbox"] for mask in masks] == [[left, top, right - left, bottom - top]]
        assert [mask["area"] for mask in masks] == [(right - left + 1) * (bottom - top + 1)]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[page_app.RunningPage]:
    """The page with its temporary files in a folder of their own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    with page_app.started("0.01", log=tmp_path / "log", TMPDIR=str(folder)) as page:
        yield page
    assert [str(file) for file in folder.rglob("*") if file.is_file()] == []


def by_api(client: Any, picture: Picture, is_given_up: bool) -> None:
    """A program's request, to the end or cancelled on the way."""
    job = client.submit(
        image=gradio_client.handle_file(str(picture.path)),
        points_per_side=12,
        points_per_batch=16,
        model="bright",
        api_name="/find_masks",
    )
    if is_given_up:
        job.cancel()
        return
    answer = job.result(timeout=120)
    picture.check(answer["image_size"], answer["masks"])


def by_page(url: str, picture: Picture, is_given_up: bool) -> None:
    """A visitor's way through the page, with a download at its end, or left in the middle of a run."""
    with Visitor(url) as visitor:
        visitor.open(picture.path)
        if is_given_up:
            next(visitor.finding(model="bright", points_per_side=12, points_per_batch=16))
            return
        view = visitor.find(model="bright", points_per_side=12, points_per_batch=16)
        picture.check((view["height"], view["width"]), view["masks"])
        seen = np.asarray(Image.open(io.BytesIO(visitor.get(view["image"]))).convert("L"))
        left, top, right, bottom = picture.box_xyxy
        assert seen[top : bottom + 1, left : right + 1].min() > 200
        assert (seen > 128).mean() < 1.5 * view["masks"][0]["area"] / seen.size
        file, said = visitor.download([1])
        assert picture.path.stem in file["path"]
        assert said.startswith("1 mask, exact")


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what must come, for at most a minute."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as Linux tells it")
def test_two_hundred_requests_of_eight_clients(page: page_app.RunningPage, tmp_path: Path) -> None:
    numbers = iter(range(REQUESTS))
    memory: dict[int, int] = {}
    lock = threading.Lock()

    def client(index: int) -> None:
        connected = gradio_client.Client(page.url, verbose=False)
        while True:
            with lock:
                number = next(numbers, None)
                if number is None or number == STARTED:
                    memory[REQUESTS if number is None else number] = resident_bytes(page.process.pid)
            if number is None:
                break
            picture = Picture.make(tmp_path, number)
            is_given_up = number % 5 == 4
            if index % 2:
                by_api(connected, picture, is_given_up)
            else:
                by_page(page.url, picture, is_given_up)
        connected.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client, index) for index in range(CLIENTS)]:
            done.result()
    grown = memory[REQUESTS] - memory[STARTED]
    print(f"{REQUESTS} requests: {memory[STARTED] >> 20} MiB after {STARTED}, {grown / 2**20:+.1f} MiB since")
    assert grown < GROWTH_BYTES
    # Every visitor has left, and so have their runs and files.
    wait_until(lambda: httpx.get(f"{page.url}/health").json()["runs"] == 0)
    scratch = next((tmp_path / "temporary").glob("automask-*"))
    wait_until(lambda: [folder.name for folder in scratch.iterdir()] == ["uploads"])


def test_full_queue_says_so_and_recovers(page: page_app.RunningPage, tmp_path: Path) -> None:
    picture = Picture.make(tmp_path, 0)
    with Visitor(page.url) as visitor:
        uploaded = visitor.upload(picture.path)
        body = {
            "data": [uploaded, 64, 16, 0, 0, 1, 0.7, 0, 0.7, 0.3, 1, None, 0, "coco_rle", "bright", 1, False, True],
            "fn_index": visitor.events["find_masks"]["id"],
        }
        answers = [
            visitor.http.post("/gradio_api/queue/join", json={**body, "session_hash": f"crowd{n}"}) for n in range(120)
        ]
        full = [answer for answer in answers if answer.status_code != 200]
        assert full
        assert {answer.status_code for answer in full} == {503}
        assert all("Queue is full" in answer.json()["detail"] for answer in full)
        with pytest.raises(RefusedError, match="Queue is full"):
            visitor.open(picture.path)
        for n, answer in enumerate(answers):
            if answer.status_code == 200:
                cancelled = {"session_hash": f"crowd{n}", "fn_index": body["fn_index"], **answer.json()}
                visitor.http.post("/gradio_api/cancel", json=cancelled)
        visitor.open(picture.path)
        view = visitor.find(model="bright", points_per_side=4)
        picture.check((view["height"], view["width"]), view["masks"])


@pytest.mark.parametrize("way", ["page", "api"])
def test_run_ends_when_its_visitor_has_gone(tmp_path: Path, way: str) -> None:
    picture = Picture.make(tmp_path, 1)
    points = 64 * 64
    with page_app.started("0.2", log=tmp_path / "log") as page:
        wait_until(lambda: httpx.get(f"{page.url}/health").json()["runs"] == 0)  # the sample is ready
        visitor = Visitor(page.url)
        if way == "page":
            visitor.open(picture.path)
            run = visitor.finding(model="bright", points_per_side=64, points_per_batch=16)
        else:
            uploaded = visitor.upload(picture.path)
            data = [uploaded, 64, 16, 0, 0, 1, 0.7, 0, 0.7, 0.3, 1, None, 0, "coco_rle", "bright", 1, False, True]
            run = visitor.stream("find_masks", data)
        for _ in range(4):
            next(run)
        run.close()  # type: ignore[attr-defined]
        visitor.close()
        wait_until(lambda: httpx.get(f"{page.url}/health").json()["runs"] == 0)
    last = (tmp_path / "log").read_text().rsplit("run kind=find", 1)[1]
    done = re.search(r"outcome=(left|stopped) .* points=(\d+)", last)
    assert done is not None, last
    assert int(done[2]) < points / 4
