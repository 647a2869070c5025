"""Makes the README's picture of a running page: ``python tests/browser/screenshot.py http://127.0.0.1:7860``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

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
        sorts(page, "IoU", "descending")
        rows.nth(1).click()
        sorts(page, "Mask", "ascending")
        page.wait_for_timeout(500)  # the table goes to the selected row
        page.locator("#viewer .grid-frame, #viewer .grid-frame *").evaluate_all(
            "parts => parts.forEach((part) => { part.scrollTop = 0; })"
        )
        page.wait_for_timeout(1500)
        page.screenshot(path=TARGET)
        browser.close()


def sorts(page: Page, column: str, order: str) -> None:
    """Press the heading until the table is in this order."""
    header = page.get_by_role("columnheader", name=column)
    while header.get_attribute("aria-sort") != order:
        header.click()
        page.wait_for_timeout(300)


if __name__ == "__main__":
    main(sys.argv[1])
