"""Makes the README's picture of a running page: ``python tests/browser/screenshot.py http://127.0.0.1:7860``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

TARGET = Path(__file__).resolve().parents[2] / "assets" / "screenshot.png"
MINUTES = 60_000  # ms


def main(address: str) -> None:
    """Wait for the sample's masks, select the one that is surest, and save what a visitor sees at 1280×800."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-US")
        page.goto(address)
        rows = page.get_by_role("grid").get_by_role("row")
        rows.nth(3).wait_for(timeout=3 * MINUTES)
        # Twice: the highest first.
        for _ in range(2):
            page.get_by_role("columnheader", name="IoU").click()
        rows.nth(1).click()
        page.get_by_role("columnheader", name="Mask").click()
        page.wait_for_timeout(1500)
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
