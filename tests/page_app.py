"""The whole page on fake models, as a program of its own: ``python tests/page_app.py [SECONDS_A_CHUNK] PORT``.

Model "fake" works, "broken" raises in the middle of a run, "missing" cannot be loaded.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120


def main(port: int, chunk_seconds: float) -> None:
    """Serve until killed."""
    sys.path.insert(0, str(ROOT))
    from fakes import FakeEngine, FakeModel, fake_models

    from automask_ui.errors import CheckpointNotFoundError
    from automask_ui.service import Service
    from automask_ui.ui import build_app, launch_options

    engines = {
        "fake": FakeEngine(FakeModel("fake", "Fake model"), encode_seconds=chunk_seconds, chunk_seconds=chunk_seconds),
        "broken": FakeEngine(FakeModel("broken", "Broken model", key="broken"), error=RuntimeError("/secret/path")),
    }

    def engine_of(name: str) -> FakeEngine:
        if name not in engines:
            raise CheckpointNotFoundError(f"The file of {name} is not on this machine.")
        return engines[name]

    samples = [ROOT / "assets" / "samples" / name for name in ("coffee.jpg", "coins.png")]
    service = Service(engine_of, fake_models("fake", "broken", "missing"), "fake", samples)
    service.load("fake")
    page = build_app(service)
    threading.Thread(target=service.prepare_sample, daemon=True).start()
    page.launch(**launch_options(service), server_name="127.0.0.1", server_port=port, quiet=True)


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """This program in a process of its own; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, *arguments, str(port)], cwd=ROOT)
    try:
        yield _answering(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(timeout=30)


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
