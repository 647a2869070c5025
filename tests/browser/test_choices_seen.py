"""Models that are missing, errors, and what a bug report needs, as they are seen in Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = str(Path(__file__).resolve().parents[1] / "page_app.py")
PATIENCE_MS = 30_000

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(start_app: Callable[..., str], browser: Any) -> str:
    return start_app(PAGE)


def visit(page: Any, address: str) -> Any:
    page.set_default_timeout(PATIENCE_MS)
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
    page.locator("#model input").click()
    page.get_by_role("option", name="Far").click()
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
    page.locator("#model input").click()
    page.get_by_role("option", name="Fake").click()
    page.locator("#model-missing").wait_for(state="hidden")


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
