"""Chromium for the browser tests. They skip where there is none, unless AUTOMASK_REQUIRE_BROWSER=1 asks for failure."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlparse

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
# What takes longer hangs: two cores that run two files of tests may need most of a minute for a second's work.
PATIENCE_MS = 60_000
OWN_HOSTS = {"127.0.0.1", "localhost", ""}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing(reason: str) -> NoReturn:
    """Skip, or fail where a browser is required."""
    if os.environ.get("AUTOMASK_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium: AUTOMASK_CHROMIUM, the system's, or Playwright's own."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install -r tests/requirements.txt")
    path = os.environ.get("AUTOMASK_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=path, args=QUIET)
        except Error as error:
            missing(f"Chromium did not start ({str(error).splitlines()[0]}): playwright install chromium")
        yield launched
        launched.close()


@pytest.fixture
def expected() -> list[str]:
    """Problems that a test may cause, by a part of their text; the test adds them."""
    return []


@pytest.fixture
def reloads(expected: list[str]) -> None:
    """A reload cuts off answers that are on their way, of which Gradio's client complains in the console."""
    expected += ["AbortError: signal is aborted", "AbortError: BodyStreamBuffer was aborted", "Connection errored out"]


@pytest.fixture
def new_page(browser: Any, expected: list[str]) -> Iterator[Callable[..., Any]]:
    """A factory of pages, each a visitor of their own. What goes wrong in one of them fails the test at its end."""
    contexts, problems = [], []

    def open_page(
        width: int = 1280, height: int = 800, locale: str = "en-US", dark: bool = False, touch: bool = False
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            color_scheme="dark" if dark else "light",
            has_touch=touch,
            is_mobile=touch,
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        opened = context.new_page()
        watch(opened, problems)
        return opened

    yield open_page
    # Before the pages are left: that cuts off answers on their way, of which Gradio's client complains.
    unexpected = [problem for problem in problems if not any(part in problem for part in expected)]
    for context in contexts:
        context.close()
    assert not unexpected, "\n".join(unexpected)


def watch(page: Any, problems: list[str]) -> None:
    """Note console errors, uncaught exceptions and requests that leave this machine."""
    page.on("console", lambda m: problems.append(f"console: {m.text} {m.location}") if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on(
        "request",
        lambda request: (
            None if (urlparse(request.url).hostname or "") in OWN_HOSTS else problems.append(f"external: {request.url}")
        ),
    )


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """One visitor at 1280x800 in English."""
    return new_page()


@pytest.fixture(scope="session")
def start_app() -> Iterator[Callable[..., str]]:
    """Starts a Python script with a free port as its last argument and returns the page's address."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environment: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, *command, str(port)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "GRADIO_ANALYTICS_ENABLED": "False", **environment},
        )
        running.append(process)
        return wait_for(f"http://127.0.0.1:{port}/", process)

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def address(start_app: Callable[..., str], browser: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page on fake models, of each module's own, with work that is kept there; a module may have another page."""
    cache = str(tmp_path_factory.mktemp("cache"))
    return start_app(str(ROOT / "tests" / "page_app.py"), "0.02", AUTOMASK_CACHE=cache)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> str:
    """``url`` once it answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the page ended with code {process.returncode} before it answered")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return url
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"{url} did not answer within {START_SECONDS} s")
