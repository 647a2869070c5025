"""The whole page on fake models, as a program of its own: ``python tests/page_app.py [SECONDS_A_CHUNK] PORT``.

Model "fake" works, "broken" raises in the middle of a run, "missing" cannot be loaded, "bright" finds what is bright,
and "far" is not on this machine and cannot be fetched.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120


def main(port: int, chunk_seconds: float) -> None:
    """Serve until killed."""
    sys.path.insert(0, str(ROOT))
    from fakes import BrightEngine, FakeEngine, FakeModel, fake_models

    from automask_ui.errors import CheckpointNotFoundError, DownloadError
    from automask_ui.serving.service import Service
    from automask_ui.ui import build_app, launch_options

    logging.basicConfig(level="INFO")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    engines: dict[str, FakeEngine | BrightEngine] = {
        # Long enough at reading a picture for a test to see it on a busy machine.
        "fake": FakeEngine(
            FakeModel("fake", "Fake model"), encode_seconds=4 * chunk_seconds, chunk_seconds=chunk_seconds
        ),
        "broken": FakeEngine(FakeModel("broken", "Broken model", key="broken"), error=RuntimeError("/secret/path")),
        "bright": BrightEngine(chunk_seconds=chunk_seconds),
    }

    def engine_of(name: str) -> FakeEngine | BrightEngine:
        if name not in engines:
            raise CheckpointNotFoundError(f"The file of {name} is not on this machine.")
        return engines[name]

    def fetch(name: str, tell: object, cancel: threading.Event) -> Path:
        raise DownloadError(f"{name} could not be downloaded: there is no network.")

    models = fake_models("fake", "broken", "missing", "bright", "far")
    models[-1] = replace(models[-1], path=None, size_bytes=375_042_383)
    samples = [ROOT / "assets" / "samples" / name for name in ("coffee.jpg", "coins.png")]
    service = Service(engine_of, models, "fake", samples, fetch=fetch)
    service.models.load("fake")
    os.environ.setdefault("GRADIO_TEMP_DIR", str(service.store.scratch / "uploads"))
    # Kept only where the test has a folder for it.
    page = build_app(service, keeps_work="AUTOMASK_CACHE" in os.environ)
    threading.Thread(target=service.samples.prepare, daemon=True).start()
    page.launch(**launch_options(service), server_name="127.0.0.1", server_port=port, quiet=True)


@dataclass(frozen=True)
class RunningPage:
    """The page in a process of its own."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def started(*arguments: str, log: Path | None = None, **environment: str) -> Iterator[RunningPage]:
    """This program in a process of its own, with what it says in the file ``log``; ended as a container ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = log.open("wb") if log else None
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments, str(port)], cwd=ROOT, stderr=said, env={**os.environ, **environment}
    )
    try:
        yield RunningPage(_answering(f"http://127.0.0.1:{port}", process), process)
    finally:
        process.terminate()
        process.wait(timeout=30)
        if said:
            said.close()


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """The address of the page started."""
    with started(*arguments) as page:
        yield page.url


def _answering(url: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return url
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"the page did not answer at {url}")


if __name__ == "__main__":
    main(int(sys.argv[-1]), float(sys.argv[1]) if len(sys.argv) > 2 else 0.0)
