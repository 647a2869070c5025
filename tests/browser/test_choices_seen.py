"""Models that are missing, errors, and what a bug report needs, as they are seen in Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

PAGE = str(Path(__file__).resolve().parents[1] / "page_app.py")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(start_app: Callable[..., str], browser: Any) -> str:
    return start_app(PAGE)


def visit(page: Any, address: str) -> Any:
    page.goto(address)
    page.get_by_role("grid").get_by_role("row").nth(3).wait_for()
    # Gradio sends the sample's last answer once more.
    page.wait_for_timeout(400)
    return page


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two boxes of the page have a point in common."""
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "width"), ("y", "height"))
    )


def test_model_menu_has_the_colours_of_the_page_in_every_browser(page: Any, address: str) -> None:
    # WebKit draws a menu that keeps the looks of its system light on light in a dark page.
    menu = visit(page, address).locator("#model select")
    look = menu.evaluate(
        "(menu) => { const { appearance, backgroundImage } = getComputedStyle(menu);"
        " return { appearance, backgroundImage }; }"
    )
    assert look["appearance"] == "none"
    assert look["backgroundImage"].startswith("url(")  # the arrow


@pytest.mark.parametrize(
    ("locale", "width", "fetch", "heading", "reason"),
    [
        ("en-US", 1280, "Fetch", "That did not work", "far could not be downloaded"),
        ("ko-KR", 400, "내려받기", "처리하지 못했습니다", "far: 내려받지 못했습니다"),
    ],
)
def test_model_that_cannot_be_fetched(
    new_page: Callable[..., Any], address: str, locale: str, width: int, fetch: str, heading: str, reason: str
) -> None:
    page = visit(new_page(width=width, locale=locale), address)
    before = page.locator("#viewer .totals").inner_text()
    page.locator("#model select").select_option("far")
    page.locator("#model-info", has_text="375 MB").wait_for()
    assert page.locator("#model-file").is_visible()
    page.locator("#model-missing").get_by_role("button", name=fetch, exact=True).click()
    toast = page.get_by_test_id("toast-body").first
    toast.wait_for()
    page.locator(".toast-title", has_text=heading).wait_for()
    assert reason in toast.inner_text()
    box = toast.bounding_box()
    assert 300 < box["width"] <= 420
    # On a phone the page scrolls below it.
    for part in ("#find", *(("[data-do=undo]", ".filter", ".download") if width > 1000 else ())):
        assert not overlap(box, page.locator(part).first.bounding_box()), part
    # The reason stays where the model is.
    page.locator("#model-info", has_text=reason).wait_for()
    assert page.locator("#model-missing").is_visible()
    assert page.locator("#viewer .totals").inner_text() == before
    page.locator("#model select").select_option("fake")
    page.locator("#model-missing").wait_for(state="hidden")


LITTLE_ROOM = f"""import sys
sys.path[:0] = [{str(Path(PAGE).parent)!r}]
from automask_ui.project.autosave import Autosave
Autosave.__init__.__kwdefaults__["max_bytes"] = 2000
from page_app import main
main(int(sys.argv[1]), 0.0)
"""


@pytest.mark.parametrize(
    ("locale", "heading", "said"),
    [
        ("en-US", "Please note", "Too large to be kept. After a reload"),
        ("ko-KR", "알려 드립니다", "너무 커서 보관할 수 없습니다. 페이지를 새로 고치면"),
    ],
)
def test_work_too_large_to_be_kept_is_said_once_it_is_made(
    new_page: Callable[..., Any],
    start_app: Callable[..., str],
    tmp_path: Path,
    locale: str,
    heading: str,
    said: str,
) -> None:
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").save(photo)
    page = visit(new_page(locale=locale), start_app("-c", LITTLE_ROOM, AUTOMASK_CACHE=str(tmp_path / "cache")))
    page.locator("#photo input[type=file]").set_input_files(str(photo))
    page.locator("#viewer .file-name", has_text="photo.png").wait_for()
    page.locator("#find").click()
    toast = page.get_by_test_id("toast-body").filter(has_text=said)
    toast.wait_for()
    page.locator(".toast-title", has_text=heading).wait_for()
    for part in ("#find", "[data-do=undo]", ".filter", ".download"):
        assert not overlap(toast.bounding_box(), page.locator(part).first.bounding_box()), part


def next_to_press(page: Any, name: str) -> None:
    """Wait until the button of this name, and no other one in sight, has the colour of the one to press next."""
    page.mouse.move(700, 60)
    # Colours fade over.
    page.wait_for_function(
        "name => { const blue = [...document.querySelectorAll('button:enabled')].filter((button) =>"
        " button.checkVisibility() && getComputedStyle(button).backgroundColor === 'rgb(37, 99, 235)');"
        " return blue.length === 1 && blue[0].innerText.trim() === name; }",
        arg=name,
    )


def test_one_button_at_a_time_is_the_next_to_press(page: Any, address: str, tmp_path: Path) -> None:
    visit(page, address)
    next_to_press(page, "Find masks")
    page.get_by_role("button", name="Download").first.click()
    page.get_by_role("menuitem", name="COCO JSON (RLE)").click()
    page.locator(".sheet[data-state=exact]").wait_for()
    next_to_press(page, "Save again")
    page.keyboard.press("Escape")
    next_to_press(page, "Find masks")
    photos = [tmp_path / f"{number}.png" for number in range(2)]
    for number, photo in enumerate(photos):
        Image.new("RGB", (64, 48), (90 * number, 90, 90)).save(photo)
    page.locator("#photo input[type=file]").set_input_files([str(photo) for photo in photos])
    page.get_by_role("button", name="Find masks in all").wait_for()
    next_to_press(page, "Find masks in all")


def test_what_a_sentence_asks_is_a_button(page: Any, address: str) -> None:
    visit(page, address)
    field = page.locator("#pred_iou_thresh input[type=number]")
    field.fill("1")
    field.blur()
    page.get_by_text("No masks.").wait_for()
    # One click where a mask was dropped keeps just that one.
    page.get_by_role("application").click(position={"x": 200, "y": 60})
    page.get_by_role("button", name="Keep this mask").click()
    page.locator("#viewer .totals", has_text="1 mask").wait_for()
    page.keyboard.press("Control+z")
    page.get_by_text("No masks.").wait_for()
    page.get_by_role("button", name=re.compile(r"^Lower Mask quality to 0\.\d+: up to \d+ masks$")).click()
    page.locator("#viewer .body .row").first.wait_for()
    assert float(field.input_value()) < 1
    assert page.get_by_role("button", name=re.compile("^Lower Mask quality")).is_hidden()


def test_about_is_there_to_be_copied(page: Any, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, address)
    page.locator("#about button").first.click()
    page.wait_for_function("() => document.querySelector('#about-text textarea')?.value.includes('SHA-256')")
    told = page.locator("#about-text textarea").input_value()
    assert all(f"{name}: " in told for name in ("Python", "PyTorch", "torchvision", "CUDA", "Model file"))
    page.locator("#about-text button").first.click()
    page.wait_for_timeout(300)
    assert page.evaluate("navigator.clipboard.readText()") == told
