"""The whole page in Chromium, as a person uses it, on fake models (tests/page_app.py)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pycocotools import mask as coco
from waiting import reads

ROOT = Path(__file__).resolve().parents[2]
PAGE = str(ROOT / "tests" / "page_app.py")
CHUNK_SECONDS = "0.12"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def address(start_app: Callable[..., str], browser: Any) -> str:
    return start_app(PAGE, CHUNK_SECONDS)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a photo.png"
    Image.linear_gradient("L").resize((333, 211)).convert("RGB").save(path)
    return path


class Person:
    """Somebody in front of the page."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        page.goto(address)
        self.status = page.locator("#status .text")
        self.find = page.locator("#find")
        self.stop = page.locator("#stop")
        self.candidates = page.locator("#candidates p")
        self.reads(r"already done|이미 끝났습니다")
        # Gradio sends the sample's last answer once more: what a test does before that would be painted over.
        page.wait_for_timeout(400)

    def reads(self, pattern: str) -> str:
        """Wait until the status line says this."""
        return reads(self.page, pattern)

    def sees_error(self, pattern: str) -> None:
        self.page.get_by_test_id("toast-body").filter(has_text=re.compile(pattern)).first.wait_for()

    def opens(self, photo: Path) -> None:
        self.page.locator("#photo input[type=file]").set_input_files(str(photo))
        reads(self.page, f"^{re.escape(photo.name)}$", "#viewer .file-name")
        self.reads(r"px\. (Press Find masks|‘마스크 찾기’)")

    def runs(self) -> None:
        self.find.click()
        self.reads(r"masks? in ")
        self.page.wait_for_function("() => !document.querySelector('#find').disabled")

    def looks_closely(self) -> None:
        """Set a dense grid: a run that can be caught in its middle on a busy machine, too."""
        self.unfolds_all_settings()
        self.sets("points_per_side", "48")
        self.page.wait_for_function("() => document.querySelector('#forecast').innerText.includes('2,304')")

    def sets(self, parameter: str, value: str) -> None:
        field = self.page.locator(f"#{parameter} input[type=number]")
        field.fill(value)
        field.blur()

    def unfolds_all_settings(self) -> None:
        header = self.page.get_by_role("button", name="All settings")
        if header.count() == 0:
            header = self.page.get_by_role("button", name="모든 설정")
        header.click()

    def masks(self) -> int:
        """As the table counts them, once it shows as many as the server has sent."""
        self.page.wait_for_function(
            """() => {
              const line = document.querySelector("#status .text").textContent;
              const said = line.match(/^(?:.*: )?([\\d,]+) masks?/);
              const shown = document.querySelector("#viewer .totals").textContent.match(/^[\\d,]+/);
              return shown && (!said || said[1] === shown[0]);
            }"""
        )
        return int(self.page.locator("#viewer .totals").inner_text().split()[0].replace(",", ""))


@pytest.fixture
def person(page: Any, address: str) -> Person:
    return Person(page, address)


def test_first_visit_shows_a_sample_with_its_masks(person: Person) -> None:
    assert person.masks() > 100
    assert "candidates pass" in person.candidates.inner_text()
    assert re.search(r"1,024 points · about \d", person.page.locator("#forecast").inner_text())


def test_page_fits_the_window(person: Person) -> None:
    height, width = person.page.evaluate(
        "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    )
    assert height <= 800
    assert width <= 1280


def test_photo_to_coco_file_in_four_clicks(person: Person, photo: Path) -> None:
    person.opens(photo)
    person.runs()
    masks = person.masks()
    person.page.get_by_role("button", name="Download").click()
    with person.page.expect_download() as download:
        person.page.get_by_text("COCO JSON (RLE)").click()
    assert download.value.suggested_filename == "a photo-coco.json"
    data = json.loads(Path(download.value.path()).read_text())
    assert len(data["annotations"]) == masks
    first = data["annotations"][0]["segmentation"]
    assert first["size"] == [211, 333]
    assert coco.area(first) == data["annotations"][0]["area"]
    person.reads("all exact")


def test_the_table_has_ten_rows_beside_a_wide_photo(person: Person) -> None:
    page = person.page
    page.locator("#viewer .body .row").first.click()
    page.locator("#viewer .viewer[data-details=below]").wait_for()
    frame, row = (page.locator(f"#viewer {part}").first.bounding_box() for part in (".grid-frame", ".body .row"))
    assert frame["height"] / row["height"] > 11  # with the header
    stage = page.locator("#viewer .stage").bounding_box()
    photo_height = page.locator("#viewer .stage").evaluate("stage => stage.dataset.scale * stage.dataset.height")
    # The pane is as tall as the photo, and its margin.
    assert 0 <= stage["height"] - photo_height <= 17


def test_status_tells_how_far_a_run_is(person: Person, photo: Path) -> None:
    person.opens(photo)
    person.looks_closely()
    person.find.click()
    person.reads(r"Reading the picture \(cannot be interrupted\), about ")
    assert person.find.is_disabled()
    assert person.stop.is_enabled()
    person.reads(r"^[\d,]+ of 2,304 points, \d+ masks found · [\d.]+ s left$")
    assert person.page.locator("#status .fill").evaluate("bar => parseFloat(bar.style.width)") > 0
    person.reads("masks in ")


def test_stop_keeps_what_was_found_and_continue_finishes(person: Person, photo: Path) -> None:
    person.opens(photo)
    person.looks_closely()
    person.page.keyboard.press("Control+Enter")
    person.reads(r"^[\d,]+ of 2,304 points, [1-9]\d+ masks found")
    person.page.keyboard.press("Escape")
    person.reads("^Stopped after ")
    partial = person.masks()
    assert partial > 0
    person.page.get_by_role("button", name="Continue").click()
    person.reads("masks in ")
    assert person.masks() > partial


def test_late_answer_of_stop_leaves_the_last_line_of_its_run(person: Person, photo: Path) -> None:
    person.opens(photo)
    person.looks_closely()
    person.find.click()
    person.reads(r"^[\d,]+ of 2,304 points, [1-9]\d+ masks found")

    def answer_late(route: Any) -> None:
        answer = route.fetch()
        person.reads("^Stopped after ")
        route.fulfill(response=answer)

    person.page.route("**/gradio_api/run/**", answer_late, times=1)
    with person.page.expect_response("**/gradio_api/run/**"):
        person.stop.click()
    person.page.wait_for_timeout(300)
    assert person.status.inner_text().startswith("Stopped after ")


def test_slider_is_instant_and_says_what_changed(person: Person) -> None:
    before = person.masks()
    person.sets("pred_iou_thresh", "0.95")
    said = person.reads(r"^\d+ masks, \d+ fewer$")
    assert person.masks() == int(said.split()[0]) < before
    assert person.candidates.inner_text().startswith(f"{person.masks()} of 3,072")
    assert person.page.locator("#preset label.selected").inner_text() == "Custom"
    person.page.locator("#preset label", has_text="Balanced").click()
    person.page.wait_for_function("() => document.querySelector('#pred_iou_thresh input').value === '0.88'")
    # A preset waits for its run, and says so.
    person.reads("until you press Find masks")
    person.page.wait_for_function(
        "() => document.querySelector('#forecast').innerText.includes('Waits for Find masks: Mask quality')"
    )
    assert person.masks() < before
    assert person.page.locator("#viewer .found-with").inner_text() == "Fake model · Custom"
    person.runs()
    assert person.masks() == before
    assert person.page.locator("#viewer .found-with").inner_text() == "Fake model · Balanced"


def test_slider_says_which_picture_it_was_moved_for(person: Person) -> None:
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.post_data or "") if request.post_data else None)
    person.sets("pred_iou_thresh", "0.95")
    person.reads("fewer")
    session = person.page.locator("#viewer .stage").get_attribute("data-session")
    assert session
    assert any(f'"{session}"' in request for request in asked)


def test_lower_quality_decodes_only_what_is_missing(person: Person) -> None:
    before = person.masks()
    person.sets("pred_iou_thresh", "0.75")
    person.reads(r"^\d+ of \d+ points")
    person.reads(r"more")
    assert person.masks() > before


def test_show_only_and_clean_up(person: Person) -> None:
    before = person.masks()
    person.unfolds_all_settings()
    field = person.page.locator("#smallest input")
    field.fill("1000")
    field.blur()
    person.reads(r"fewer$")
    assert 0 < person.masks() < before
    field.fill("99999999")
    field.blur()
    person.page.get_by_text(re.compile(r"masks are hidden by Show only")).wait_for()
    # Empty, there is no limit; below the least there is, it is mended.
    field.fill("")
    field.blur()
    person.page.get_by_text(re.compile(r"masks are hidden by Show only")).wait_for(state="hidden")
    assert field.input_value() == ""
    assert person.masks() == before
    field.fill("-5")
    field.blur()
    assert field.input_value() == "0"
    assert person.masks() == before
    assert person.page.get_by_test_id("toast-body").count() == 0


def test_nothing_found_says_why(person: Person) -> None:
    person.sets("pred_iou_thresh", "1")
    person.page.get_by_text("0 of 3,072 candidates pass. 3,072 fall to Mask quality 1: lower it?").wait_for()


def test_own_points(person: Person) -> None:
    person.unfolds_all_settings()
    field = person.page.locator("#point_grids textarea")
    field.fill("0.25, 0.5\nhello")
    field.blur()
    person.sees_error('Line 2: "hello" is not two numbers')
    field.fill("0.25, 0.5\n0.75, 0.5")
    field.blur()
    person.reads("2 points of your own")
    person.page.wait_for_function("() => /^2 points/.test(document.querySelector('#forecast').innerText)")
    person.runs()
    assert person.candidates.inner_text().endswith("of 6 candidates pass")


@pytest.mark.parametrize("name", ["notes.jpg", "notes.txt"])
def test_file_that_is_no_picture_leaves_everything(person: Person, tmp_path: Path, name: str) -> None:
    before = person.masks()
    (tmp_path / name).write_text("hello")
    person.page.locator("#photo input[type=file]").set_input_files(str(tmp_path / name))
    person.sees_error(f"{name} is no picture")
    assert person.masks() == before
    person.page.get_by_text("Drop a photo here").wait_for()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("broken", "Something went wrong on our side"),  # raises in the middle
        ("missing", "The file of missing is not on this machine"),  # cannot be loaded
    ],
)
def test_failing_run_keeps_the_last_result(person: Person, model: str, said: str) -> None:
    before = person.masks()
    person.page.get_by_label("Model").select_option(model)
    person.find.click()
    person.sees_error(said)
    person.reads("The last result is still here")
    assert person.masks() == before
    assert person.find.is_enabled()
    assert person.page.locator("body").inner_text().count("/secret/path") == 0


# What the status line and the viewer have said, one after the other.
LISTEN = """() => {
  window.said = [];
  const look = () => {
    const parts = ["#viewer .file-name", "#status .text"].map((part) => document.querySelector(part).textContent);
    if (window.said.at(-1) !== parts.join(": ")) window.said.push(parts.join(": "));
  };
  for (const part of ["#viewer", "#status"]) {
    const options = { subtree: true, childList: true, characterData: true };
    new MutationObserver(look).observe(document.querySelector(part), options);
  }
}"""


def test_another_photo_during_a_run(person: Person, photo: Path) -> None:
    person.opens(photo)
    person.find.click()
    person.reads(r"of 1,024 points")
    person.page.evaluate(LISTEN)
    person.page.locator("#samples button").nth(1).click()
    person.reads(r"coins\.png")
    person.page.wait_for_function("() => !document.querySelector('#find').disabled")
    person.page.wait_for_timeout(1000)
    said = person.page.evaluate("window.said")
    first = next(place for place, line in enumerate(said) if "coins.png, " in line)
    # Never back to what was left: Gradio sends a generator's last answer once more when it ends.
    assert not [line for line in said[first:] if "photo" in line or "points" in line]
    person.opens(photo)
    person.runs()
    assert "a photo.png" in person.page.locator("#viewer").inner_text()


# What a browser hands over when a file is dropped or pasted: made by hand, since no test can hold a mouse with a file.
HAND_OVER = """([kind, selector, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const options = { dataTransfer: data, clipboardData: data, bubbles: true, cancelable: true };
  const event = kind === "drop" ? new DragEvent("drop", options) : new ClipboardEvent("paste", options);
  document.querySelector(selector).dispatchEvent(event);
}"""


@pytest.mark.parametrize(
    ("kind", "selector", "mime"),
    [
        ("drop", "#viewer", "image/png"),
        ("drop", "#photo button", "image/png"),
        ("drop", "#photo button", ""),  # as a browser hands over what it does not know
        ("paste", "body", "image/png"),
        ("paste", "body", ""),
    ],
)
def test_photo_dropped_or_pasted_anywhere(person: Person, photo: Path, kind: str, selector: str, mime: str) -> None:
    content = base64.b64encode(photo.read_bytes()).decode()
    person.page.evaluate(HAND_OVER, [kind, selector, "handed over.png", mime, content])
    person.reads(r"^handed over\.png, 333 × 211 px")


NAMES = ["what! {is} $this, a#b;c 사진.png", "사진" * 39 + ".png"]  # of the second one Gradio would keep 200 bytes


@pytest.mark.parametrize("name", NAMES)
def test_photo_keeps_its_own_name(person: Person, photo: Path, name: str) -> None:
    own = photo.rename(photo.with_name(name))
    person.opens(own)
    content = base64.b64encode(own.read_bytes()).decode()
    person.page.evaluate(HAND_OVER, ["drop", "#viewer", f"2{name}", "", content])  # by the field for other files
    reads(person.page, f"^{re.escape(f'2{name}')}$", "#viewer .file-name")


def test_point_list_dropped_on_its_field(person: Person) -> None:
    person.unfolds_all_settings()
    content = base64.b64encode(b"[[0.5, 0.5]]").decode()
    person.page.locator("#point_grids").wait_for()
    person.page.evaluate(HAND_OVER, ["drop", "#point_grids", "points.json", "application/json", content])
    person.reads("1 points? of your own")


def test_number_that_is_being_typed_is_told_once_it_can_be_meant(person: Person) -> None:
    person.unfolds_all_settings()
    field = person.page.locator("#box_nms_thresh input[type=number]")
    for typed, ends_as in (("5", "1"), ("", "1"), ("-3", "0"), ("0.3", "0.3")):
        field.fill(typed)
        field.blur()
        assert field.input_value() == ends_as, typed
    person.reads("fewer")
    assert person.page.get_by_test_id("toast-body").count() == 0


def test_actual_pixels_of_a_photo_that_is_shown_smaller(person: Person, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (4000, 3000), "navy").save(path)
    person.opens(path)
    person.page.wait_for_function("() => /^[0-9]/.test(document.querySelector('.percent output').textContent)")
    person.page.locator(".percent").click()
    person.page.wait_for_function("() => document.querySelector('.percent output').textContent.startsWith('100')")


def test_reset_button_of_a_slider(person: Person) -> None:
    person.unfolds_all_settings()
    person.sets("box_nms_thresh", "0.3")
    person.reads("fewer")
    person.page.locator("#box_nms_thresh").get_by_label("Reset to default value").click()
    person.page.wait_for_function("() => document.querySelector('#box_nms_thresh input').value === '0.7'")
    person.reads("no change|more")


def test_browser_that_keeps_nothing(new_page: Callable[..., Any], address: str) -> None:
    """With its cookies blocked, Chromium refuses even to be asked: the photo and the table stayed empty."""
    page = new_page()
    page.add_init_script(
        """for (const name of ["localStorage", "sessionStorage"]) {
          Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
        }"""
    )
    page.goto(address)
    page.locator("#viewer .body .row").nth(3).wait_for(timeout=90_000)
    page.locator("#viewer .splitter").press("ArrowLeft")
    page.locator("#group-all > button").click()
    page.locator("#group-all > button[aria-expanded=true]").wait_for()


def test_korean(new_page: Callable[..., Any], address: str, photo: Path) -> None:
    person = Person(new_page(locale="ko-KR"), address)
    assert person.find.inner_text() == "마스크 찾기"
    person.opens(photo)
    person.looks_closely()
    person.find.click()
    person.reads(r"^점 2,304개 중 [\d,]+개, 마스크 \d+개 찾음")
    person.page.keyboard.press("Escape")
    person.reads("에서 멈춤")


def test_phone(new_page: Callable[..., Any], address: str, photo: Path) -> None:
    person = Person(new_page(width=400, height=800, touch=True), address)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 400
    person.opens(photo)
    person.runs()
    assert person.masks() > 0
    is_covered = """() => {
      const name = document.querySelector("#pred_iou_thresh .has-info");
      name.scrollIntoView({ block: "end", behavior: "instant" });
      const { x, y, width, height } = name.getBoundingClientRect();
      return document.elementFromPoint(x + width / 2, y + height / 2).closest("#run") !== null;
    }"""
    assert person.page.evaluate(is_covered), "a slider's name stands on the bar below"


def test_dark(new_page: Callable[..., Any], address: str) -> None:
    person = Person(new_page(dark=True), address)
    shade = person.page.evaluate("getComputedStyle(document.querySelector('#controls')).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", shade)[:3]) < 64


def test_keyboard_only(person: Person) -> None:
    slider = person.page.get_by_label("range slider for Mask quality")
    slider.focus()
    for _ in range(5):
        person.page.keyboard.press("ArrowRight")
    person.reads(r"fewer$")
    person.page.keyboard.press("Control+Enter")
    person.reads("masks? in ")


def test_first_sight_shows_three_settings_and_what_the_preset_does(person: Person) -> None:
    sliders = person.page.locator("#settings input[type=range]:visible")
    names = sliders.evaluate_all("sliders => sliders.map(slider => slider.getAttribute('aria-label'))")
    assert names == [
        f"range slider for {name}" for name in ("Mask quality", "Edge stability", "Remove specks and holes")
    ]
    assert person.page.get_by_text("pred_iou_thresh").is_hidden()
    assert person.page.get_by_text("The model's own defaults").is_visible()
    assert person.page.get_by_label("Custom").is_hidden()
    person.unfolds_all_settings()
    assert sliders.count() == 13  # with Show only's
    assert person.page.get_by_text("pred_iou_thresh").is_visible()
    # Remembered by this browser.
    person.page.reload()
    person.page.get_by_label("range slider for Grid density").wait_for()


def test_custom_says_where_the_sliders_stand(person: Person) -> None:
    person.sets("pred_iou_thresh", "0.93")
    person.page.get_by_text("Your own settings. Choose another preset to go back.").wait_for()
    person.page.get_by_role("radio", name="Quick look").click()
    person.page.get_by_text("A coarse grid: a first impression").wait_for()
    assert person.page.get_by_label("Custom").is_hidden()


def test_slider_that_is_reset_leaves_its_preset(person: Person) -> None:
    quality = person.page.locator("#pred_iou_thresh")
    person.page.get_by_role("radio", name="Everything").click()
    person.page.wait_for_function("() => document.querySelector('#pred_iou_thresh input').value !== '0.88'")
    quality.get_by_role("button").click()
    person.page.get_by_text("Your own settings. Choose another preset to go back.").wait_for()
    assert quality.locator("input[type=number]").input_value() == "0.88"


@pytest.mark.parametrize(("late", "number"), [("masks", 0), ("settings", 1)])
def test_preset_outlives_the_late_answer_to_a_slider(person: Person, late: str, number: int) -> None:
    page, asked, answers = person.page, list[Any](), dict[int, Any]()

    def hold(route: Any) -> None:
        asked.append(route)
        mine = len(asked) - 1
        answers[mine] = route.fetch()
        if mine != number:
            route.fulfill(response=answers[mine])

    page.route("**/gradio_api/run/**", hold)
    person.sets("pred_iou_thresh", "0.93")
    page.wait_for_function("() => document.querySelector('#preset label.selected').innerText === 'Custom'")
    if late == "settings":
        person.reads(r"^\d+ masks, \d+ fewer$")
    while number not in answers:
        page.wait_for_timeout(100)
    page.get_by_role("radio", name="Quick look").click()
    page.wait_for_timeout(500)
    asked[number].fulfill(response=answers[number])
    page.get_by_text("A coarse grid: a first impression").wait_for()
    page.wait_for_function(
        "() => document.querySelector('#forecast').innerText.includes('Waits for Find masks: Grid density')"
    )
    assert page.locator("#preset label.selected").inner_text() == "Quick look"
    assert page.locator("#pred_iou_thresh input[type=number]").input_value() == "0.88"
    page.unroute_all(behavior="wait")


def test_chosen_model_outlives_the_late_answer_to_a_fetch(person: Person) -> None:
    page, held = person.page, list[Any]()

    def hold(route: Any) -> None:
        answer = route.fetch()
        if "could not be downloaded" in answer.text() and not held:
            held.append((route, answer))
        else:
            route.fulfill(response=answer)

    page.locator("#model select").select_option("far")
    page.locator("#model-missing").wait_for()
    page.route("**/gradio_api/run/**", hold)
    page.locator("#model-missing").get_by_role("button", name="Fetch", exact=True).click()
    person.sees_error("could not be downloaded")
    page.wait_for_timeout(500)
    page.locator("#model select").select_option("fake")
    page.wait_for_timeout(500)
    [(route, answer)] = held
    route.fulfill(response=answer)
    page.wait_for_timeout(500)
    page.locator("#model-missing").wait_for(state="hidden")
    assert "could not be downloaded" not in page.locator("#model-info").inner_text()


def test_find_is_near_for_the_keyboard(person: Person) -> None:
    person.page.locator("#photo").get_by_role("button").first.focus()
    for _ in range(10):
        person.page.keyboard.press("Tab")
        if person.page.evaluate("document.activeElement.id") == "find":
            return
    pytest.fail("Find masks is further than ten stops away")


def test_menu_of_models_has_headings_that_cannot_be_chosen(person: Person) -> None:
    page, menu = person.page, person.page.get_by_role("combobox", name="Model", exact=True)
    groups = "all => Object.fromEntries(all.map(one => [one.label, [...one.children].map(({ value }) => value)]))"
    assert menu.locator("optgroup").evaluate_all(groups) == {
        "Ready here": ["fake", "broken", "missing", "bright"],
        "SAM": ["far"],
    }
    menu.focus()
    # From one group to the next in one step.
    for expected in ("broken", "missing", "bright", "far", "far"):
        page.keyboard.press("ArrowDown")
        assert menu.input_value() == expected
    page.locator("#model-info", has_text="375 MB").wait_for()
    page.keyboard.press("b")
    page.locator("#model-missing").wait_for(state="hidden")
    assert menu.input_value() in ("broken", "bright")
    page.keyboard.press("Tab")
    # One more stop for all presets together, with arrows among them.
    assert page.evaluate("document.activeElement.value") == "balanced"
    page.keyboard.press("ArrowRight")
    page.get_by_text("Looks at the picture in zoomed crops").wait_for()


def test_two_visitors_do_not_see_each_other(new_page: Callable[..., Any], address: str, photo: Path) -> None:
    ann, bob = Person(new_page(), address), Person(new_page(), address)
    ann.opens(photo)
    assert "a photo.png" not in bob.page.locator("#viewer").inner_text()
    bob.sets("pred_iou_thresh", "0.95")
    bob.reads("fewer")
    ann.runs()
    assert ann.masks() > bob.masks()


# Holds back the message that a stream has ended, as a slow line or a busy browser does.
LATE_END = """
const fetchNow = window.fetch;
window.fetch = async (...asked) => {
  const response = await fetchNow(...asked);
  if (!(asked[0] instanceof Request) || !asked[0].url.includes("/queue/data")) return response;
  const late = new TransformStream({
    async transform(chunk, controller) {
      const end = new TextDecoder().decode(chunk).indexOf('data: {"msg":"close_stream"');
      if (end > 0) controller.enqueue(chunk.slice(0, end));
      if (end >= 0) await new Promise((done) => setTimeout(done, 400));
      controller.enqueue(chunk.slice(Math.max(end, 0)));
    },
  });
  return new Response(response.body.pipeThrough(late), { headers: response.headers });
};
"""


def test_event_sent_while_the_stream_ends_is_answered(page: Any, address: str) -> None:
    page.add_init_script(LATE_END)
    person = Person(page, address)
    said = person.status.inner_text()
    for value in ("0.91", "0.92", "0.93", "0.94"):
        person.sets("pred_iou_thresh", value)
        page.wait_for_function("(said) => document.querySelector('#status .text').textContent !== said", arg=said)
        said = person.status.inner_text()
        assert re.fullmatch(r"\d+ masks, \d+ fewer", said)
