"""The menu of downloads in Chromium: grouped by what a file is for, all in sight, the one used last first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = str(Path(__file__).resolve().parents[1] / "page_app.py")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(start_app: Callable[..., str], browser: Any) -> str:
    return start_app(PAGE)


@pytest.fixture
def sample(page: Any, address: str) -> Any:
    """A page with the first sample's masks."""
    page.goto(address)
    page.get_by_role("grid").get_by_role("row").nth(3).wait_for()
    return page


@pytest.mark.parametrize("with_details", [False, True], ids=["nothing selected", "over the details of a mask"])
def test_all_formats_are_in_sight_by_purpose(sample: Any, with_details: bool) -> None:
    if with_details:
        sample.get_by_role("grid").get_by_role("row").nth(2).click()
        sample.get_by_text("Predicted IoU").wait_for()
    sample.get_by_role("button", name="Download", exact=True).click()
    items = sample.get_by_role("menuitem")
    assert items.count() > 20
    boxes = [items.nth(place).bounding_box() for place in range(items.count())]
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= 800 for box in boxes)
    panel = sample.locator(".popup.formats")
    assert panel.evaluate("panel => panel.scrollHeight <= panel.clientHeight")
    assert panel.evaluate("panel => panel.getBoundingClientRect().left >= 0")
    groups = panel.get_by_role("group")
    titles = [groups.nth(place).get_attribute("aria-label") for place in range(groups.count())]
    assert titles == ["To train on", "To correct elsewhere", "To measure", "To look at", "For scripts"]
    assert groups.first.get_by_role("menuitem").first.inner_text().startswith("COCO JSON (RLE)")


def test_the_format_used_last_is_the_first(sample: Any) -> None:
    sample.get_by_role("button", name="Download", exact=True).click()
    with sample.expect_download():
        sample.get_by_role("menuitem", name="Overlay picture (JPEG)").click()
    # What is drawn to be looked at claims no exactness, and says what became of it.
    line = sample.locator(".proof-line").inner_text()
    assert line.endswith(" overlays written.")
    assert "JPEG blurs sharp edges" in sample.locator(".proof-more").inner_text()
    sample.keyboard.press("Escape")
    sample.get_by_role("button", name="Download", exact=True).click()
    first = sample.locator(".popup.formats").get_by_role("group").first
    assert first.get_attribute("aria-label") == "Last used"
    assert first.get_by_role("menuitem").inner_text().startswith("Overlay picture (JPEG)")
    assert sample.get_by_role("menuitem", name="Overlay picture (JPEG)").count() == 1
    assert sample.evaluate("document.activeElement.dataset.format") == "overlay-jpeg"
