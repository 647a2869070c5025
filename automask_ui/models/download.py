"""Download one large file completely, or not at all.

The bytes go to ``<name>.part`` beside the target under a lock, are hashed as they come, and are moved into place only
when size and SHA-256 agree. What a broken connection leaves behind is continued with an HTTP range request.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from automask_ui.errors import DownloadError
from automask_ui.files.hashes import sha256_of

__all__ = ["Download", "DownloadProgress", "Patience", "TransferText", "download", "is_offline"]

DownloadProgress = Callable[[int, int, float], None]
"""Called as ``progress(done_bytes, total_bytes, seconds_since_start)``, a few times a second."""

_CHUNK_BYTES = 1 << 20
_SPARE_DISK_BYTES = 64 << 20
_REPORT_SECONDS = 0.2


@dataclass(frozen=True)
class Download:
    """A file to download, with the published size and hash that it must have."""

    title: str
    url: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Patience:
    """Timeouts and retries for a bad connection."""

    stall_seconds: float = 30.0  # without a byte, or below the slowest useful rate for this long: try again
    slowest_bytes_per_second: int = 1024
    attempts: int = 4  # in a row that bring the file no further than it already was
    pause_seconds: float = 1.0  # before the second attempt, doubled before each further one


def is_offline() -> bool:
    """Whether ``AUTOMASK_OFFLINE`` forbids the network."""
    return os.environ.get("AUTOMASK_OFFLINE", "").strip().lower() not in ("", "0", "false", "no", "off")


def download(
    job: Download,
    target: Path,
    *,
    progress: DownloadProgress | None = None,
    cancel: threading.Event | None = None,
    patience: Patience | None = None,
) -> Path:
    """Fetch ``job`` to ``target`` and return ``target``; safe when several processes or threads ask at once.

    ``cancel``, once set, stops at the next chunk (at the latest when a silent server is given up); what has arrived is
    kept for the next call to go on from.

    Raises:
        DownloadError: with what happened and what can be done about it.
    """
    transfer = _Transfer(job, target, progress, cancel, patience or Patience())
    if is_offline():
        raise transfer.failure("AUTOMASK_OFFLINE is set, so the network is not used")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise transfer.failure(f"the folder {target.parent} cannot be made ({error})") from error

    with transfer.hold_lock():
        # Whoever held the lock before may have brought the file already.
        if not _is_complete(job, target):
            transfer.run()
    return target


def _is_complete(job: Download, target: Path) -> bool:
    return target.is_file() and target.stat().st_size == job.size_bytes and sha256_of(target) == job.sha256


class TransferText:
    """Turns progress reports into a line such as "120 of 375 MB, 8.2 MB/s, 31 s left"."""

    def __init__(self) -> None:
        self._first: int | None = None

    def __call__(self, done_bytes: int, total_bytes: int, seconds: float) -> str:
        # What an earlier run had brought must not count as speed of this one.
        if self._first is None:
            self._first = done_bytes
        text = f"{done_bytes / 1e6:,.0f} of {total_bytes / 1e6:,.0f} MB"
        rate = (done_bytes - self._first) / seconds if seconds > 0 else 0.0
        if rate <= 0:
            return text
        left = (total_bytes - done_bytes) / rate
        remaining = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
        return f"{text}, {rate / 1e6:.1f} MB/s, {remaining} left"


class _InterruptedError(Exception):
    """The connection failed in a way that another attempt may mend."""


class _Transfer:
    """One download in progress: the partial file, its running hash and the attempts made."""

    def __init__(
        self,
        job: Download,
        target: Path,
        progress: DownloadProgress | None,
        cancel: threading.Event | None,
        patience: Patience,
    ) -> None:
        self.job = job
        self.target = target
        self.part = target.with_name(target.name + ".part")
        self.progress = progress
        self.cancel = cancel or threading.Event()
        self.patience = patience
        self.started = time.monotonic()
        self.done, self.reported = 0, 0.0
        self.digest = hashlib.sha256()

    def hold_lock(self) -> AbstractContextManager[Any]:
        """Take this file's lock; while another process downloads the file, report its progress."""
        lock = FileLock(self.target.with_name(self.target.name + ".lock"))
        while True:
            try:
                return lock.acquire(timeout=_REPORT_SECONDS)
            except Timeout:
                self.stop_if_cancelled()
                self.done = self.part.stat().st_size if self.part.is_file() else 0
                self.report()
            except (OSError, RuntimeError) as error:
                raise self.failure(f"{self.target.parent} cannot be written or locked ({error})") from error

    def run(self) -> None:
        """Download the file, check its hash, and move it into place."""
        resumed = self.take_up_part()
        self.check_free_disk()
        self.fetch_all()
        if self.digest.hexdigest() != self.job.sha256 and resumed:
            # The earlier part may stem from another version of the file: once more from the start.
            self.start_over()
            self.fetch_all()
        if (arrived := self.digest.hexdigest()) != self.job.sha256:
            self.start_over()
            raise self.failure(
                f"what arrived is not the published file (SHA-256 {arrived} instead of {self.job.sha256})"
            )
        try:
            os.replace(self.part, self.target)
        except OSError as error:
            raise self.failure(f"{self.target} cannot be written ({error})") from error

    def fetch_all(self) -> None:
        """Stream until the file is complete; retry as long as attempts make progress."""
        furthest, failures = self.done, 0
        self.report(always=True)
        while self.done < self.job.size_bytes:
            try:
                self.fetch_once()
            except _InterruptedError as error:
                failures = 0 if self.done >= furthest + _CHUNK_BYTES else failures + 1
                furthest = max(furthest, self.done)
                if failures >= self.patience.attempts:
                    raise self.failure(f"{error}, {failures} times in a row") from error
                self.cancel.wait(self.patience.pause_seconds * 2 ** max(failures - 1, 0))
                self.stop_if_cancelled()
        self.report(always=True)

    def fetch_once(self) -> None:
        """Send one request, from where the partial file ends."""
        request = urllib.request.Request(self.job.url, headers={"Accept-Encoding": "identity"})
        if self.done:
            request.add_header("Range", f"bytes={self.done}-")
        try:
            with urllib.request.urlopen(request, timeout=self.patience.stall_seconds) as response:
                self.check_offer(response)
                self.receive(response)
        except urllib.error.HTTPError as error:
            with error:
                self.judge_status(error)
        except (OSError, http.client.HTTPException) as error:
            raise _InterruptedError(_plain_reason(error)) from error
        except ValueError as error:  # of a redirect to "http://["
            raise self.failure(f"the server leads on to what is no address ({error})") from error
        if self.done < self.job.size_bytes:
            raise _InterruptedError(f"the connection closed after {self.done:,} of {self.job.size_bytes:,} bytes")

    def judge_status(self, error: urllib.error.HTTPError) -> None:
        """Raise for an HTTP error: retry where another attempt may succeed, fail where it cannot."""
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self.done:
            self.start_over()
        elif error.code < 500 and error.code not in (408, 425, 429):
            raise self.failure(_answer(error)) from error
        raise _InterruptedError(_answer(error)) from error

    def check_offer(self, response: Any) -> None:
        """Check the answer's range and length before the first byte is written."""
        offset = 0
        length = response.headers.get("Content-Length")
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)", response.headers.get("Content-Range", ""))
            offset = int(match[1]) if match else -1
        # A server without ranges sends the whole file again; one that sends another range cannot be used for going on.
        if offset != self.done:
            self.start_over()
        if offset != self.done:
            raise _InterruptedError("the server sent another part of the file than the one asked for")
        if re.fullmatch("[0-9]{1,18}", length or "") and offset + int(length) != self.job.size_bytes:
            raise self.failure(
                f"the server offers a file of {offset + int(length):,} bytes where the published one has "
                f"{self.job.size_bytes:,} (a login page of the network, perhaps)"
            )

    def receive(self, response: Any) -> None:
        """Write and hash the answer's bytes as they arrive."""
        window_start, window_bytes = time.monotonic(), 0
        with self.open_part() as file:
            # read1 returns what has arrived; read would wait for a full chunk and so never notice a trickle.
            while chunk := response.read1(_CHUNK_BYTES):
                if self.done + len(chunk) > self.job.size_bytes:
                    self.start_over()
                    raise self.failure(f"the server sent more than the {self.job.size_bytes:,} published bytes")
                self.write(file, chunk)
                self.report()
                self.stop_if_cancelled()
                window_bytes += len(chunk)
                waited = time.monotonic() - window_start
                if waited > self.patience.stall_seconds:
                    if window_bytes < waited * self.patience.slowest_bytes_per_second:
                        raise TimeoutError(f"only {window_bytes:,} bytes came in {waited:.0f} s")
                    window_start, window_bytes = time.monotonic(), 0

    def take_up_part(self) -> bool:
        """Hash the partial file of an earlier run; return whether there was one."""
        if not self.part.is_file():
            return False
        if self.part.stat().st_size > self.job.size_bytes:
            self.start_over()
            return False
        with open(self.part, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                self.digest.update(chunk)
                self.done += len(chunk)
        return self.done > 0

    def start_over(self) -> None:
        """Empty the partial file; Windows refuses to delete it while it is open."""
        if self.part.is_file():
            os.truncate(self.part, 0)
        self.done = 0
        self.digest = hashlib.sha256()

    def check_free_disk(self) -> None:
        """Fail before the first byte where the disk has no room for the file."""
        needed = self.job.size_bytes - self.done + _SPARE_DISK_BYTES
        if (free := shutil.disk_usage(self.target.parent).free) < needed:
            raise self.failure(
                f"{self.target.parent} has {free / 1e6:,.0f} MB free and {needed / 1e6:,.0f} MB are needed"
            )

    def open_part(self) -> IO[bytes]:
        """Open the partial file for appending."""
        try:
            return open(self.part, "ab")
        except OSError as error:
            raise self.failure(f"{self.part} cannot be written ({error})") from error

    def write(self, file: IO[bytes], chunk: bytes) -> None:
        """Append ``chunk``; on a full disk, empty the partial file, since others need the space more."""
        try:
            file.write(chunk)
            file.flush()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self.start_over()
            raise self.failure(f"{self.part} cannot be written ({error})") from error
        self.digest.update(chunk)
        self.done += len(chunk)

    def report(self, always: bool = False) -> None:
        """Report progress to the caller, a few times a second."""
        now = time.monotonic()
        if self.progress and (always or now - self.reported >= _REPORT_SECONDS):
            self.reported = now
            self.progress(min(self.done, self.job.size_bytes), self.job.size_bytes, now - self.started)

    def stop_if_cancelled(self) -> None:
        """Raise once the caller has set ``cancel``."""
        if self.cancel.is_set():
            raise self.failure(f"it was stopped after {self.done:,} of {self.job.size_bytes:,} bytes")

    def failure(self, what: str) -> DownloadError:
        """Make the error to raise: what happened, and three ways on."""
        kept = " (it goes on where it stopped)" if self.part.is_file() and self.part.stat().st_size else ""
        return DownloadError(
            f"{self.job.title} could not be downloaded: {what}. Three ways on: try again{kept}; "
            f"fetch {self.job.url} by other means and put it at {self.target}; "
            f"or use the built-in model, which needs no download."
        )


def _answer(error: urllib.error.HTTPError) -> str:
    # Of redirects that go round, urllib tells in a sentence and on two more lines.
    said, *_ = str(error.reason).splitlines() or [""]
    return f"the server answered {error.code} {said.rstrip('.')}"


def _plain_reason(error: Exception) -> str:
    """Describe a network error in words, unwrapped from urllib's."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"the server stopped sending ({reason})"
    return f"the connection failed ({reason or type(error).__name__})"
