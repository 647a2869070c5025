"""Work that comes back, and many pictures at once, in Chromium on fake models (tests/page_app.py)."""

from __future__ import annotations

import base64
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from waiting import reads

ROOT = Path(__file__).resolve().parents[2]
DROP = """([selector, name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const list = new DataTransfer();
  list.items.add(new File([bytes], name));
  const options = { dataTransfer: list, bubbles: true, cancelable: true };
  document.querySelector(selector).dispatchEvent(new DragEvent("drop", options));
}"""

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("reloads")]


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = []
    for number, size in enumerate([(333, 211), (240, 320), (300, 200)], start=1):
        path = tmp_path / f"photo {number}.png"
        Image.linear_gradient("L").rotate(90 * number).resize(size).convert("RGB").save(path)
        paths.append(path)
    return paths


@pytest.fixture
def visit(new_page: Callable[..., Any], address: str) -> Callable[..., Any]:
    """Somebody new in front of the page."""

    def come(**options: Any) -> Any:
        page = new_page(**options)
        page.goto(address)
        reads(page, r"already done|이미 끝났습니다")
        return page

    return come


def brings(page: Any, *files: Path) -> None:
    page.locator("#photo input[type=file]").set_input_files([str(file) for file in files])


def runs(page: Any) -> None:
    page.locator("#find").click()
    reads(page, "masks? in ")
    page.wait_for_function("() => !document.querySelector('#find').disabled")


def totals(page: Any) -> str:
    return str(page.locator("#viewer .totals").inner_text())


def saves(page: Any, format: str, folder: Path) -> Path:
    """A download, as it lies on the visitor's disk."""
    page.get_by_role("button", name="Download").first.click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=format).click()
        page.locator("[data-do=save]").click()
    target = folder / download.value.suggested_filename
    download.value.save_as(target)
    return target


def finds_and_deletes_one(page: Any, photo: Path) -> str:
    """Find the masks of ``photo`` and delete the second one; what the page says of the rest."""
    brings(page, photo)
    reads(page, "Press Find masks")
    runs(page)
    page.locator("#viewer .body .row").nth(1).click()
    page.keyboard.press("Delete")
    page.wait_for_timeout(500)
    return totals(page)


def test_dropped_download_brings_the_work_back(visit: Callable[..., Any], photos: list[Path], tmp_path: Path) -> None:
    page = visit()
    before = finds_and_deletes_one(page, photos[0])
    archive = saves(page, "Mask pictures (PNG)", tmp_path)
    assert "automask.json" in zipfile.ZipFile(archive).namelist()

    other = visit()
    brings(other, archive)
    reads(other, "^photo 1.png is back as you left it")
    other.wait_for_function("before => document.querySelector('#viewer .totals').innerText === before", arg=before)
    assert "without candidates" in other.locator("#candidates p").inner_text()
    field = other.locator("#pred_iou_thresh input[type=number]")
    field.fill("0.97")
    field.blur()
    reads(other, r"^\d+ masks?, .*fewer")
    assert "candidates pass" in other.locator("#candidates p").inner_text()


def test_reload_brings_the_work_back(visit: Callable[..., Any], photos: list[Path]) -> None:
    page = visit()
    brings(page, photos[1])
    reads(page, "Press Find masks")
    runs(page)
    before = totals(page)
    page.reload()
    reads(page, "^photo 2.png is back as you left it")
    page.wait_for_function("before => document.querySelector('#viewer .totals').innerText === before", arg=before)
    # Another browser knows nothing of it.
    visit()


# For a moment after a reload, the page before still has the lock of its work.
LOCKED_FOR_A_WHILE = """
const request = LockManager.prototype.request;
LockManager.prototype.request = function (name, options, callback) {
  return performance.now() < 1500 ? Promise.resolve(callback(null)) : request.call(this, name, options, callback);
};
"""


def test_reload_on_a_busy_machine_brings_the_work_back(visit: Callable[..., Any], photos: list[Path]) -> None:
    page = visit()
    brings(page, photos[1])
    reads(page, "Press Find masks")
    runs(page)
    page.add_init_script(LOCKED_FOR_A_WHILE)
    page.reload()
    reads(page, "^photo 2.png is back as you left it")


def test_work_that_was_left_is_one_click_back_also_after_a_reload(
    visit: Callable[..., Any], photos: list[Path]
) -> None:
    page = visit()
    assert page.locator("#recent .recent").is_hidden()  # nothing to be seen before there is any
    before = finds_and_deletes_one(page, photos[0])
    page.locator("#samples button").nth(1).click()
    piece = page.get_by_role("button", name=re.compile("^Go on with photo 1.png: "))
    piece.wait_for()
    page.wait_for_timeout(3000)
    page.reload()
    piece.wait_for()
    piece.press("Enter")
    reads(page, "^photo 1.png is back as you left it")
    page.wait_for_function("before => document.querySelector('#viewer .totals').innerText === before", arg=before)
    page.locator("#viewer .stage").press("Control+z")
    page.wait_for_function("before => document.querySelector('#viewer .totals').innerText !== before", arg=before)
    # Nobody had worked on the sample.
    assert page.locator("#recent .recent").is_hidden()
    assert visit().locator("#recent .works button").count() == 0


def test_tabs_have_work_of_their_own_and_a_new_one_goes_on_with_that_of_a_closed_one(
    visit: Callable[..., Any], photos: list[Path], address: str
) -> None:
    page = visit()
    brings(page, photos[1])
    reads(page, "Press Find masks")
    runs(page)
    with page.context.expect_page() as opened:
        page.evaluate("() => void window.open(location.href)")  # with a copy of what the tab remembers
    copy = opened.value
    plain = page.context.new_page()
    plain.goto(address)
    for other in (copy, plain):
        reads(other, "already done")
    name = "() => sessionStorage.getItem('automask-work')"
    assert len({other.evaluate(name) for other in (page, copy, plain)}) == 3
    page.reload()
    reads(page, "^photo 2.png is back as you left it")
    page.close()
    brings(plain, photos[0])
    reads(plain, "Press Find masks")
    runs(plain)
    plain.wait_for_timeout(3000)
    plain.close()
    last = copy.context.new_page()
    last.goto(address)
    reads(last, "^photo 1.png is back as you left it")
    # What another closed tab was at is one click back.
    last.get_by_role("button", name=re.compile("^Go on with photo 2.png: ")).click()
    reads(last, "^photo 2.png is back as you left it")
    # The card that comes under the pointer does not look like the chosen one.
    card = last.get_by_role("button", name=re.compile("^Go on with photo 1.png: "))
    card.hover()
    accent = last.evaluate("getComputedStyle(document.querySelector('#find')).backgroundColor")
    assert accent not in card.locator("img").evaluate("image => getComputedStyle(image).boxShadow")
    assert not last.locator("#recent button:focus-visible").count()


def test_queue_from_drop_to_dataset(visit: Callable[..., Any], photos: list[Path], tmp_path: Path) -> None:
    page = visit()
    assert not page.locator("#pictures").is_visible()
    brings(page, *photos)
    reads(page, "^3 pictures", "#pictures .line")
    page.get_by_role("button", name="Find masks in all").click()
    reads(page, r"^3 of 3 pictures · \d+ masks$", "#pictures .line")
    # The first one is open from the start, with its neighbours' thumbnails; keys go on.
    assert page.locator("#pictures .item.open .name").inner_text() == "photo 1.png"
    assert page.locator("#pictures .thumb[src]").count() == 3
    # What has become of each can be read as a whole.
    assert page.evaluate(
        "[...document.querySelectorAll('#pictures .told')].every((told) => told.scrollWidth <= told.clientWidth)"
    )
    page.keyboard.press("j")
    reads(page, "^photo 2.png")
    page.keyboard.press("k")
    reads(page, "^photo 1.png")
    # Pressed faster than pictures open, too.
    page.keyboard.press("j")
    page.keyboard.press("j")
    reads(page, "^photo 3.png")
    page.keyboard.press("k")
    reads(page, "^photo 2.png")
    # Anywhere on it opens a picture.
    page.locator("#pictures .item").nth(2).click(position={"x": 20, "y": 20})
    reads(page, "^photo 3.png")
    assert page.locator("#pictures .item.open").count() == 1
    box = page.locator("#viewer").bounding_box()
    assert box["width"] > 900
    assert box["y"] + box["height"] <= 800
    page.locator("#pictures select").select_option("coco")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    assert download.value.suggested_filename == "photo 1-and-2-more-coco.json"
    reads(page, "all exact", "#pictures .line")
    assert "masks without a label" in page.locator("#pictures .line").inner_text()
    # One can be taken out; the strip is one line, and the table keeps its place.
    page.get_by_role("button", name="Take photo 1.png out").click()
    reads(page, "^2 pictures are in the list", "#pictures .line")
    assert page.locator("#pictures .item.open .name").inner_text() == "photo 3.png"
    assert page.locator("#pictures").bounding_box()["height"] < 130
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Close this list").click()
    assert page.locator("#pictures").is_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Close this list").click()
    page.locator("#pictures").wait_for(state="hidden")


def table(page: Any) -> list[list[str]]:
    """The list of pictures, as it reads."""
    items = page.locator("#pictures .item").all()
    return [[item.locator(".name").inner_text(), item.locator(".told").inner_text()] for item in items]


def labels(page: Any, name: str) -> None:
    """Give the first mask of the table a class."""
    page.locator("#viewer .body .row").first.click()
    page.keyboard.press("l")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "name => [...document.querySelectorAll('#viewer .body .row')].some((row) => row.innerText.includes(name))",
        arg=name,
    )


def test_pictures_without_masks_are_written_where_they_are_meant_to_be(
    visit: Callable[..., Any], photos: list[Path], tmp_path: Path
) -> None:
    page = visit()
    page.locator("#pred_iou_thresh input[type=number]").fill("1")
    brings(page, *photos)
    reads(page, "^3 pictures", "#pictures .line")
    page.locator("#pictures .start").click()
    reads(page, r"^3 of 3 pictures · 0 masks$", "#pictures .line")
    choice, save = page.locator("#pictures .negatives"), page.locator("#pictures .save")
    page.locator("#pictures select").select_option("overlay")
    assert (choice.is_visible(), save.is_disabled()) == (False, True)
    page.locator("#pictures select").select_option("yolo")
    assert (choice.is_visible(), save.is_disabled()) == (True, True)
    choice.locator("input").check()
    with page.expect_download() as download:
        save.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names = [name for name in archive.namelist() if name.startswith("labels/train/")]
        assert [archive.read(name) for name in names] == [b""] * 3
    reads(page, "3 pictures without masks are in it", "#pictures .line")


def test_queue_from_drop_over_a_reload_to_its_dataset_and_back(
    visit: Callable[..., Any], photos: list[Path], tmp_path: Path
) -> None:
    page = visit()
    brings(page, *photos)
    reads(page, "^3 pictures", "#pictures .line")
    page.get_by_role("button", name="Find masks in all").click()
    reads(page, r"^3 of 3 pictures · \d+ masks$", "#pictures .line")
    page.locator("#pictures .item").nth(1).click()
    reads(page, "^photo 2.png")
    masks = reads(page, r"^\d+ masks", "#viewer .totals").split(" · ")[0]
    labels(page, "cat")
    page.wait_for_timeout(500)
    before = table(page)
    assert before[1] == ["photo 2.png", f"{masks} · edited"]

    page.reload()
    reads(page, r"^3 pictures are back: \d+ masks\.$", "#pictures .line")
    reads(page, "^photo 2.png is back as you left it")
    assert table(page) == before
    assert page.locator("#pictures .item.open").inner_text().startswith("photo 2.png")
    reads(page, f"^{masks} · 1 labelled", "#viewer .totals")
    assert "cat" in page.locator("#viewer .body .row").first.inner_text()
    page.locator("#pictures .item").nth(0).click()
    reads(page, "^photo 1.png")
    page.locator("#pictures select").select_option("masks")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    archive = tmp_path / download.value.suggested_filename
    download.value.save_as(archive)
    reads(page, "all exact", "#pictures .line")

    other = visit()
    brings(other, archive)
    reads(other, r"^3 pictures are back: \d+ masks\.$", "#pictures .line")
    assert table(other) == before
    assert other.locator("#pictures .thumb[src]").count() == 3
    other.locator("#pictures .item").nth(1).click()
    reads(other, "^photo 2.png")
    reads(other, f"^{masks} · 1 labelled", "#viewer .totals")
    assert "cat" in other.locator("#viewer .body .row").first.inner_text()
    other.once("dialog", lambda dialog: dialog.accept())
    other.get_by_role("button", name="Close this list").click()
    other.locator("#pictures").wait_for(state="hidden")
    other.reload()
    reads(other, "^photo 2.png is back as you left it")
    assert not other.locator("#pictures").is_visible()


def test_archive_of_pictures_dropped_on_the_picture(
    visit: Callable[..., Any], photos: list[Path], tmp_path: Path
) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for photo in photos[:2]:
            target.write(photo, photo.name)
    page = visit(locale="ko-KR")
    page.evaluate(DROP, ["#viewer", archive.name, base64.b64encode(archive.read_bytes()).decode()])
    assert re.search(r"사진 2장", reads(page, "2", "#pictures .line"))
