"""The download against a misbehaving server, full disks, and others who want the same file."""

import dataclasses
import errno
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from misbehaving_server import CONTENT, HALF, SHARE, SIZE, Server

from automask_ui.errors import DownloadError
from automask_ui.models import download as module
from automask_ui.models.download import Download, Patience, TransferText, download

# Long enough for a busy machine: only a server that stalls on purpose is waited for.
HASTY = Patience(stall_seconds=3.0, attempts=3, pause_seconds=0.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("AUTOMASK_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "_REPORT_SECONDS", 0.001)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.hang.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def job(server: Server) -> Download:
    url = f"http://127.0.0.1:{server.server_address[1]}/sam.pth"
    return Download("A model", url, SIZE, hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "sam.pth"


def part_of(target: Path) -> Path:
    return target.with_name("sam.pth.part")


def leave_part(target: Path, content: bytes) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(content)


def test_brings_the_file_and_reports(job: Download, target: Path) -> None:
    reports: list[tuple[int, int, float]] = []
    assert download(job, target, progress=lambda *report: reports.append(report)) == target
    assert target.read_bytes() == CONTENT
    assert not part_of(target).exists()
    assert (reports[0][:2], reports[-1][:2]) == ((0, SIZE), (SIZE, SIZE))
    assert [done for done, _, _ in reports] == sorted(done for done, _, _ in reports)


@pytest.mark.parametrize(
    ("script", "ranges_asked"),
    [
        (["redirect"], [None, None]),
        (["no length"], [None]),
        (["drop"], [None, SHARE]),  # the connection closes before the end
        (["stall"], [None, SHARE]),  # nothing comes any more, the connection stays
        (["drop", "drop", "drop"], [None, SHARE, 2 * SHARE, 3 * SHARE]),  # allowed, since each brings it further
        (["drop", "ignore range"], [None, SHARE]),  # the whole file instead of the rest
        (["drop", "other range"], [None, SHARE, None]),  # not the rest that was asked for
        (["drop", "no content range"], [None, SHARE, None]),
        (["503", "429"], [None, None, None]),  # busy
        (["drop at once", "drop at once"], [None, None, None]),
        (["drop", "416"], [None, SHARE, None]),  # the file on the server is another one now
    ],
)
def test_what_another_attempt_mends(
    server: Server, job: Download, target: Path, script: list[str], ranges_asked: list[int | None]
) -> None:
    server.script = list(script)
    download(job, target, patience=HASTY)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None if start is None else f"bytes={start}-" for start in ranges_asked]


@pytest.mark.parametrize(
    ("script", "requests", "reason"),
    [
        (["404"], 1, "404"),
        (["403"], 1, "403"),
        (["500"] * 9, 3, "500 .*3 times in a row"),
        (["drop at once"] * 9, 3, "closed after 0 of"),
        (["trickle"] * 9, 3, "stopped sending"),  # bytes come, but it would take for ever
        (["says less"], 1, "offers a file of 1,920,000 bytes where the published one has 3,840,000"),
        (["says more"], 1, "offers a file of 3,840,001 bytes"),
        (["login page"], 1, "login page"),
        ([f"http://{'a' * 70}.example/"], 1, "leads on to what is no address"),  # longer than a name may be
        (["redirect"] * 9, 5, r"302 .* infinite loop\. "),
        (["too much"], 1, "more than the 3,840,000"),
        (["wrong bytes"], 1, f"not the published file .SHA-256 {hashlib.sha256(bytes(SIZE)).hexdigest()}"),
    ],
)
def test_failures_name_the_reason_and_three_ways_on(
    server: Server, job: Download, target: Path, script: list[str], requests: int, reason: str
) -> None:
    server.script = list(script)
    with pytest.raises(DownloadError, match=reason) as failure:
        download(job, target, patience=HASTY)
    assert len(server.asked) == requests
    assert not target.exists()
    for way in ("try again", job.url, str(target), "built-in model"):
        assert way in str(failure.value)


def test_a_length_that_is_no_number_does_not_matter(server: Server, job: Download, target: Path) -> None:
    server.script = ["odd length"]
    assert download(job, target, patience=HASTY).read_bytes() == CONTENT


def test_nobody_is_listening(server: Server, job: Download, target: Path) -> None:
    job = dataclasses.replace(job, url="http://127.0.0.1:9/sam.pth")
    with pytest.raises(DownloadError, match=r"connection failed.*refused"):
        download(job, target, patience=HASTY)


@pytest.mark.parametrize(
    ("part", "script", "ranges_asked"),
    [
        (CONTENT[:HALF], [], [HALF]),  # an earlier run was interrupted
        (CONTENT, [], []),  # it was interrupted before the last step
        (CONTENT + b"x", [], [None]),  # too long to be a part
        (b"", [], [None]),
        (bytes(HALF), [], [HALF, None]),  # of another file: noticed by the hash, fetched anew
        (bytes(HALF), ["ignore range"], [HALF]),  # the same, and the server sends everything anyway
    ],
)
def test_goes_on_from_what_is_there(
    server: Server, job: Download, target: Path, part: bytes, script: list[str], ranges_asked: list[int | None]
) -> None:
    leave_part(target, part)
    server.script = list(script)
    download(job, target, patience=HASTY)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None if start is None else f"bytes={start}-" for start in ranges_asked]


def test_an_interruption_keeps_what_came(server: Server, job: Download, target: Path) -> None:
    server.script = ["drop", "404"]
    with pytest.raises(DownloadError, match="goes on where it stopped"):
        download(job, target, patience=HASTY)
    assert part_of(target).read_bytes() == CONTENT[:SHARE]


def test_wrong_bytes_are_not_kept(server: Server, job: Download, target: Path) -> None:
    server.script = ["wrong bytes"]
    with pytest.raises(DownloadError):
        download(job, target, patience=HASTY)
    assert part_of(target).stat().st_size == 0


def test_a_good_file_is_not_fetched_again(server: Server, job: Download, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    download(job, target)
    assert server.asked == []


def test_a_broken_file_is_replaced(job: Download, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT[:HALF])
    download(job, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_offline_asks_nobody(
    server: Server, job: Download, target: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("AUTOMASK_OFFLINE", value)
    with pytest.raises(DownloadError, match="AUTOMASK_OFFLINE"):
        download(job, target)
    assert server.asked == []
    assert not target.parent.exists()


@pytest.mark.parametrize("value", ["", "0", "false", "No"])
def test_offline_switched_off(job: Download, target: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AUTOMASK_OFFLINE", value)
    assert download(job, target).is_file()


def test_too_little_disk(server: Server, job: Download, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 50 * 10**6})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match="has 50 MB free and 71 MB are needed"):
        download(job, target)
    assert server.asked == []


class FullDisk:
    """A file that takes one write."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.writes = 0

    def __enter__(self) -> "FullDisk":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, chunk: bytes) -> None:
        self.writes += 1
        if self.writes > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.file.write(chunk)

    def flush(self) -> None:
        self.file.flush()


def test_disk_that_fills_up_is_given_its_space_back(
    job: Download, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_part = module._Transfer.open_part
    monkeypatch.setattr(module._Transfer, "open_part", lambda self: FullDisk(open_part(self)))
    with pytest.raises(DownloadError, match="No space left"):
        download(job, target, patience=HASTY)
    assert part_of(target).stat().st_size == 0


def test_folder_that_cannot_be_made(job: Download, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DownloadError, match="cannot be made"):
        download(job, tmp_path / "file" / "models" / "sam.pth")


def test_cancel_stops_and_the_next_call_goes_on(server: Server, job: Download, target: Path) -> None:
    cancel = threading.Event()
    with pytest.raises(DownloadError, match="stopped after"):
        download(job, target, progress=lambda done, *_: done and cancel.set(), cancel=cancel)
    kept = part_of(target).stat().st_size
    assert 0 < kept < SIZE
    download(job, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]


def test_threads_that_ask_at_once_fetch_once(server: Server, job: Download, target: Path) -> None:
    threads = [threading.Thread(target=download, args=(job, target)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert server.asked == [None]


def test_processes_that_ask_at_once_fetch_once(server: Server, job: Download, target: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from automask_ui.models.download import Download, download; "
        "download(Download('A model', sys.argv[1], int(sys.argv[2]), sys.argv[3]), Path(sys.argv[4]))"
    )
    command = [sys.executable, "-c", code, job.url, str(SIZE), job.sha256, str(target)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert target.read_bytes() == CONTENT
    assert server.asked == [None]


def test_the_one_who_waits_sees_the_others_progress(server: Server, job: Download, target: Path) -> None:
    server.script = ["stall"]
    patient = dataclasses.replace(HASTY, stall_seconds=20)
    seen, stop = threading.Event(), threading.Event()
    options = {"progress": lambda done, *_: done and seen.set(), "patience": patient}
    holder = threading.Thread(target=download, args=(job, target), kwargs=options)
    holder.start()
    assert seen.wait(10)
    with pytest.raises(DownloadError, match="stopped after"):
        download(job, target, progress=lambda done, *_: done and stop.set(), cancel=stop)
    server.hang.set()
    holder.join()
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("reports", "text"),
    [
        ([(0, 375_000_000, 0.0)], "0 of 375 MB"),  # no rate yet
        ([(0, 375_000_000, 0.0), (120_000_000, 375_000_000, 10.0)], "120 of 375 MB, 12.0 MB/s, 21 s left"),
        # what was there before does not count as speed
        ([(100_000_000, 375_000_000, 0.0), (120_000_000, 375_000_000, 10.0)], "120 of 375 MB, 2.0 MB/s, 2 min left"),
        ([(0, 2_564_550_879, 0.0), (2_564_550_879, 2_564_550_879, 256.0)], "2,565 of 2,565 MB, 10.0 MB/s, 0 s left"),
    ],
)
def test_progress_in_words(reports: list[tuple[int, int, float]], text: str) -> None:
    line = TransferText()
    assert [line(*report) for report in reports][-1] == text
