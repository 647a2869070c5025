"""The page of a server that runs already, opened in Chromium to be timed by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import sync_playwright

PATIENCE_MS = 180_000


@contextmanager
def opened_sample(address: str) -> Iterator[Any]:
    """A page with the first sample and its masks."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-US")
        page.goto(address)
        page.get_by_role("grid").get_by_role("row").nth(3).wait_for(timeout=PATIENCE_MS)
        page.get_by_text("already done").first.wait_for(timeout=PATIENCE_MS)
        yield page
        browser.close()
