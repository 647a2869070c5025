"""The real program, started where there is no home, as in containers that run as anybody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from visitors import Visitor

from automask_ui.engine.loading import pool
from automask_ui.serving import start

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("AUTOMASK", "XDG_", "GRADIO", "HF_", "MPLCONFIGDIR", "TORCH_HOME")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of ``app.py`` with a home in which nothing can be made, not even by root."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    environment |= {"HOME": "/dev/null/home", "AUTOMASK_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    log = tmp_path_factory.mktemp("start") / "log"
    with log.open("wb") as said:
        command = [sys.executable, str(ROOT / "app.py"), "--device", "cpu", "--model", "tiny", "--port", str(port)]
        process = subprocess.Popen(command, cwd="/", env=environment, stdout=said, stderr=said)
        try:
            yield answering(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
            process.wait(timeout=30)
    assert "Traceback" not in log.read_text()


def answering(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """``url`` once its health can be asked."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(f"{url}/health", timeout=5):
                return url
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the page did not answer: {log.read_text()}")


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no place on this system in which nothing can be made")
def test_no_home_is_needed(url: str) -> None:
    with Visitor(url) as visitor:
        view = visitor.output("load_page", "viewer", visitor.ask("load_page", ["a" * 43]))
        visitor.session = view["session"]
        assert view["name"] == "coffee.jpg"
        assert view["masks"]
        file, said = visitor.download([view["masks"][0]["id"]])
        assert said.startswith("1 mask, exact")
        assert visitor.get(file)


def test_a_model_that_cannot_be_fetched_is_no_end(url: str) -> None:
    with Visitor(url) as visitor:
        visitor.open(ROOT / "assets" / "samples" / "coins.png")
        with pytest.raises(Exception, match="AUTOMASK_OFFLINE is set"):
            visitor.find(model="vit_b")
        assert visitor.find(points_per_side=4)["name"] == "coins.png"


def missing(name: str) -> None:
    raise OSError(f"{name}: cannot open shared object file")


@pytest.mark.parametrize(
    ("device", "system", "has_driver", "is_asked"),
    [
        ("cpu", "linux", True, False),
        (None, "linux", False, False),
        ("auto", "linux", False, False),
        (None, "linux", True, True),
        (None, "darwin", True, False),  # its GPU is no CUDA device
        (None, "win32", False, True),
        ("cuda:1", "linux", False, True),  # a device that is not there is to be named
    ],
)
def test_pytorch_is_asked_for_a_gpu_where_there_may_be_one(
    monkeypatch: pytest.MonkeyPatch, device: str | None, system: str, has_driver: bool, is_asked: bool
) -> None:
    monkeypatch.setattr(pool, "free_gpu_bytes", lambda device: 5)
    monkeypatch.setattr(start.sys, "platform", system)
    monkeypatch.setattr(start.ctypes, "CDLL", str if has_driver else missing)
    monkeypatch.setattr(start.Path, "exists", lambda path: False)
    assert start._free_gpu_bytes(device) == (5 if is_asked else None)
