"""What is seen without asking, and what stays in reach beside it, in Chromium on fake models (tests/page_app.py)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from waiting import reads

pytestmark = pytest.mark.browser

# Whether a click on the middle of the element would reach it.
IS_FREE = """selector => {
  const element = document.querySelector(selector), { x, y, width, height } = element.getBoundingClientRect();
  return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}"""
# How many rows of the table are wholly within it, and within the window.
ROWS = """() => {
  const box = document.querySelector("#viewer .body").getBoundingClientRect();
  const end = Math.min(box.bottom, innerHeight);
  const boxes = [...document.querySelectorAll("#viewer .body .row")].map((row) => row.getBoundingClientRect());
  return boxes.filter((row) => row.top >= box.top - 1 && row.bottom <= end + 1).length;
}"""


@pytest.fixture
def arrived(page: Any, address: str) -> Any:
    """Somebody before the finished sample."""
    page.goto(address)
    reads(page, "already done")
    page.locator("#viewer .body .row").first.wait_for()
    return page


def test_masks_are_fills_with_thin_outlines_until_somebody_wants_them_else(arrived: Any) -> None:
    pressed = arrived.locator("#viewer [data-mode][aria-pressed=true]")
    assert pressed.evaluate_all("all => all.map(one => one.dataset.mode)") == ["both"]
    arrived.locator("#viewer [data-mode=outline]").click()
    assert pressed.evaluate_all("all => all.map(one => one.dataset.mode)") == ["outline"]


def test_table_has_ten_rows_at_first(arrived: Any) -> None:
    assert arrived.evaluate(ROWS) >= 10


def test_list_of_thirty_pictures_leaves_the_table_in_sight(arrived: Any, tmp_path: Path) -> None:
    photos = []
    for number in range(30):
        photos.append(tmp_path / f"a photo with a long name, as cameras and people give them {number:02}.png")
        Image.linear_gradient("L").resize((90 + number, 60)).convert("RGB").save(photos[-1])
    arrived.locator("#photo input[type=file]").set_input_files([str(photo) for photo in photos])
    reads(arrived, "^30 pictures, to be looked at", "#pictures .line")
    arrived.locator("#find").click()
    reads(arrived, "masks? in ")
    strip, viewer = (arrived.locator(place).bounding_box() for place in ("#pictures .strip", "#viewer"))
    assert strip["y"] + strip["height"] <= viewer["y"]
    assert strip["height"] < 120
    arrived.locator("#viewer .body .row").first.click()
    assert arrived.evaluate(ROWS) >= 6
    for place in ("#viewer .filter", "#find", "#pictures .start"):
        assert arrived.evaluate(IS_FREE, place), f"something lies over {place}"


@pytest.mark.parametrize("width", [1280, 400])
def test_error_covers_neither_undo_nor_the_filter(new_page: Any, address: str, tmp_path: Path, width: int) -> None:
    page = new_page(width=width, height=800)
    page.goto(address)
    reads(page, "already done")
    page.locator("#viewer .body .row").nth(1).click()
    page.keyboard.press("Delete")
    page.locator("#viewer [data-do=undo]:enabled").wait_for()
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and nothing more")
    page.locator("#photo input[type=file]").set_input_files(str(broken))
    page.get_by_test_id("toast-body").filter(has_text=re.compile("ZIP")).first.wait_for()
    for place in ("#viewer [data-do=undo]", "#viewer .filter"):
        page.locator(place).scroll_into_view_if_needed()
        assert page.evaluate(IS_FREE, place), f"the error lies over {place}"


def test_scrollbars_are_dark_in_a_dark_page(new_page: Any, address: str) -> None:
    page = new_page(dark=True)
    page.goto(address)
    reads(page, "already done")
    assert page.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_names_of_settings_do_not_show_through_the_download_menu_on_a_phone(new_page: Any, address: str) -> None:
    page = new_page(width=400, height=800)
    page.goto(address)
    reads(page, "already done")
    download = page.locator("#viewer .plain.download")
    download.evaluate("button => button.scrollIntoView({ block: 'center' })")
    download.click()
    menu, name = page.locator("#viewer .formats"), page.locator("#preset [data-testid=block-info]")
    # The menu opens upwards, so its place beside the settings hangs on the page's length: here it is laid over a name.
    over = menu.bounding_box()["y"] - name.bounding_box()["y"] + 20
    name.evaluate("(label, by) => Object.assign(label.style, { position: 'relative', top: `${by}px` })", over)
    assert name.evaluate(
        """label => {
          const { x, y } = label.getBoundingClientRect();
          return document.querySelector("#viewer .formats").contains(document.elementFromPoint(x + 40, y + 5));
        }"""
    )
