"""Models whose size and hash only the hub publishes, on a hub of this machine."""

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from automask_ui.errors import CheckpointFormatError, DownloadError
from automask_ui.models import checkpoints
from automask_ui.models.checkpoints import cache_folder, fetch, resolve_checkpoint, take_file
from automask_ui.models.registry import CHECKPOINTS

CONTENT = b"weights of a model whose publisher gives no hash" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "hq_vit_t"


class Hub(ThreadingHTTPServer):
    """Answers HEAD with a redirect that says size and hash, as the hub does, and leads GET to the file."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers: dict[str, str] = {"X-Linked-Size": str(len(CONTENT)), "X-Linked-ETag": f'"{DIGEST}"'}
        self.code = 302
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.server.asked.append("HEAD")
        self.send_response(self.server.code)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        if "Location" not in self.server.headers:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.asked.append("GET")
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("AUTOMASK_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(checkpoints, "ASSETS_FOLDER", tmp_path / "assets")
    server = Hub()
    url = f"http://127.0.0.1:{server.server_address[1]}/sam.pth"
    monkeypatch.setitem(CHECKPOINTS, NAME, dataclasses.replace(CHECKPOINTS[NAME], url=url))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_hubs_hash_is_what_a_download_is_checked_against(hub: Hub) -> None:
    assert fetch(NAME).read_bytes() == CONTENT
    assert hub.asked == ["HEAD", "GET"]
    assert resolve_checkpoint(NAME) == cache_folder() / CHECKPOINTS[NAME].filename
    assert hub.asked == ["HEAD", "GET"]  # what is here needs no network


def test_other_bytes_than_the_hub_says_are_refused(hub: Hub) -> None:
    hub.headers["X-Linked-ETag"] = f'"{"0" * 64}"'
    with pytest.raises(DownloadError, match=f"SHA-256 {DIGEST} instead of {'0' * 64}"):
        fetch(NAME)
    assert not (cache_folder() / CHECKPOINTS[NAME].filename).exists()


@pytest.mark.parametrize(
    ("code", "headers", "reason"),
    [
        (302, {}, "does not say which size and SHA-256"),
        (200, {"X-Linked-Size": "12", "X-Linked-ETag": '"abc"'}, "does not say which size and SHA-256"),
        (302, {"X-Linked-Size": "many", "X-Linked-ETag": DIGEST}, "does not say which size and SHA-256"),
        (404, {"X-Linked-Size": "12", "X-Linked-ETag": DIGEST}, "answered 404"),
        (500, {}, "answered 500"),
    ],
)
def test_hubs_that_do_not_know(hub: Hub, code: int, headers: dict[str, str], reason: str) -> None:
    hub.code, hub.headers = code, headers
    with pytest.raises(DownloadError, match=f"SAM-HQ light could not be downloaded: .*{reason}.*Three ways on"):
        fetch(NAME)
    assert hub.asked == ["HEAD"]


def test_no_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHECKPOINTS, NAME, dataclasses.replace(CHECKPOINTS[NAME], url="http://127.0.0.1:1/sam.pth"))
    with pytest.raises(DownloadError, match="the connection failed"):
        fetch(NAME)


def test_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMASK_OFFLINE", "1")
    with pytest.raises(DownloadError, match="AUTOMASK_OFFLINE forbids"):
        fetch(NAME)
    assert hub.asked == []


def unasked(file: Path) -> str:
    raise AssertionError("the hub says which file it is")


def test_a_file_that_a_visitor_has(hub: Hub, tmp_path: Path) -> None:
    for name, content in (("good", CONTENT), ("other", CONTENT[:-1] + b"x"), ("short", CONTENT[:-1])):
        (tmp_path / name).write_bytes(content)
    for name in ("other", "short"):
        with pytest.raises(CheckpointFormatError, match="is not the published SAM-HQ light"):
            take_file(NAME, tmp_path / name, unasked)
    taken = take_file(NAME, tmp_path / "good", unasked)
    assert (taken.path.read_bytes(), taken.is_compared) == (CONTENT, True)


@pytest.mark.parametrize("why", ["forbidden", "dead"])
def test_without_the_hub_a_file_of_that_architecture_is_taken(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "forbidden":
        monkeypatch.setenv("AUTOMASK_OFFLINE", "1")
    else:
        monkeypatch.setitem(CHECKPOINTS, NAME, dataclasses.replace(CHECKPOINTS[NAME], url="http://127.0.0.1:1/x.pth"))
    file = tmp_path / "mine.pth"
    file.write_bytes(CONTENT)

    def broken(file: Path) -> str:
        raise CheckpointFormatError(f"{file} holds no weights.")

    with pytest.raises(CheckpointFormatError, match=r"^mine.pth holds no weights"):
        take_file(NAME, file, broken)
    with pytest.raises(CheckpointFormatError, match="holds a vit_t, not the hq_vit_t that SAM-HQ light is"):
        take_file(NAME, file, lambda file: "vit_t")
    assert not (cache_folder() / CHECKPOINTS[NAME].filename).exists()
    taken = take_file(NAME, file, lambda file: "hq_vit_t")
    assert (taken.path.read_bytes(), taken.is_compared) == (CONTENT, False)
    assert resolve_checkpoint(NAME) == taken.path
    assert hub.asked == []


def test_where_the_answer_with_the_hash_leads_does_not_matter(hub: Hub) -> None:
    hub.headers["Location"] = "http://[bad/"
    assert fetch(NAME).read_bytes() == CONTENT


def test_a_size_with_more_digits_than_python_reads_is_no_size(hub: Hub) -> None:
    hub.headers["X-Linked-Size"] = "9" * 5000
    with pytest.raises(DownloadError, match="does not say which size"):
        fetch(NAME)
