"""The viewer in Chromium, on the masks of viewer_app.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from viewer_app import EMPTY, LONG_NAME, XSS_NAME

from automask_ui.ui.components.viewer import VIEWER_TEXTS

HERE = Path(__file__).resolve().parent
CENTRE = (0.5, 0.5)  # inside all three nested discs
IN_SECOND = (0.5, 0.3)  # inside discs 1 and 2
IN_FIRST = (0.5, 0.15)  # inside disc 1 only
NOWHERE = (0.05, 0.05)
ROWS = {
    "Said later": 3,
    "Said last": 3,
    "Three": 3,
    "Sixty": 60,
    "Many": 600,
    "Script name": 3,
    "Long name": 3,
    "Partial": 20,
}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def address(start_app: Callable[..., str], browser: Any) -> str:
    return start_app(str(HERE / "viewer_app.py"))


class Viewer:
    """What a person sees and does, in a person's words."""

    def __init__(self, page: Any, address: str, view: str = "Three", theme: str = "light") -> None:
        self.page = page
        page.goto(f"{address}?__theme={theme}")
        self.stage = page.locator(".stage")
        self.totals = page.locator(".totals")
        self.rows = page.get_by_role("grid").locator(".body").get_by_role("row")
        self.stage.wait_for()
        if view:
            self.show(view)

    def show(self, view: str) -> None:
        """Press one of the buttons above the viewer and wait for the new picture."""
        before = self.page.evaluate("() => document.querySelector('.stage').dataset.session ?? ''")
        self.page.get_by_role("button", name=view, exact=True).click()
        self.page.wait_for_function(
            "([before, rows]) => document.querySelector('.viewer').dataset.state === 'photo'"
            " && document.querySelector('.stage').dataset.session !== before"
            " && document.querySelectorAll('.body .row').length === rows",
            arg=[before, ROWS.get(view, 0)],
        )

    def place(self, share: tuple[float, float]) -> tuple[float, float]:
        """Where a spot of the photo (0 to 1) is on the page."""
        x, y = self.page.evaluate(
            "([x, y]) => { const s = document.querySelector('.stage'), d = s.dataset, b = s.getBoundingClientRect();"
            " return [b.left + +d.x + x * d.scale * d.width, b.top + +d.y + y * d.scale * d.height]; }",
            list(share),
        )
        return x, y

    def click(self, share: tuple[float, float], *modifiers: str) -> None:
        for key in modifiers:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.place(share))
        for key in modifiers:
            self.page.keyboard.up(key)
        self.settle()

    def settle(self) -> None:
        """Two frames: what was changed is painted."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def row(self, number: int) -> Any:
        return self.page.locator(f".body .row[data-id='{number}']")

    def header(self, name: str) -> Any:
        return self.page.get_by_role("columnheader").filter(has=self.page.get_by_role("button", name=name))

    def numbers(self) -> list[int]:
        self.settle()
        # Not inner_text: rows out of sight are not laid out, and have none.
        return [int(text) for text in self.rows.locator(".number").all_text_contents()]

    def selected(self) -> list[int]:
        self.settle()
        rows = self.page.locator(".body .row[aria-selected='true'] .number")
        return sorted(int(text) for text in rows.all_text_contents())

    def type_filter(self, text: str) -> None:
        self.page.get_by_role("searchbox", name="Filter masks").fill(text)
        self.settle()

    def sent(self, event: str, holding: str = "") -> dict[str, Any]:
        """The payload of the last event of this name, once there is one that holds this text."""
        payload = self.page.wait_for_function(
            "([event, holding]) => { const { value } = document.querySelector(`#sent-${event} textarea`);"
            " return value.includes(holding) && value }",
            arg=[event, holding],
        )
        return dict(json.loads(payload.json_value()))

    def edit(self, holding: str = "") -> dict[str, Any]:
        """The last step of the last edit that was sent, once it holds this text."""
        return dict(self.sent("edit", holding)["steps"][-1])


@pytest.fixture
def viewer(page: Any, address: str) -> Viewer:
    return Viewer(page, address)


def test_hovering_the_picture_lights_mask_and_row(viewer: Viewer) -> None:
    for share, number in [(CENTRE, 3), (IN_SECOND, 2), (IN_FIRST, 1)]:
        viewer.page.mouse.move(*viewer.place(share))
        viewer.settle()
        assert viewer.page.locator(".tip").inner_text().startswith(f"#{number} · ")
        assert viewer.page.locator(".body .lit .number").all_inner_texts() == [str(number)]
        assert lit_at(viewer, share)
    viewer.page.mouse.move(*viewer.place(NOWHERE))
    viewer.settle()
    assert viewer.page.locator(".tip").is_hidden()
    assert viewer.page.locator(".body .lit").count() == 0


def lit_at(viewer: Viewer, share: tuple[float, float]) -> bool:
    """Whether a spot of the photo is clear while places without masks are under the veil."""
    veils = [
        viewer.page.evaluate(
            "([x, y]) => { const c = document.querySelector('.marks'), b = c.getBoundingClientRect();"
            " return c.getContext('2d').getImageData(x - b.left, y - b.top, 1, 1).data[3] > 0; }",
            [*viewer.place(spot)],
        )
        for spot in (share, NOWHERE)
    ]
    return veils == [False, True]


def test_tooltip_says_area_share_and_scores(viewer: Viewer) -> None:
    viewer.page.mouse.move(*viewer.place(CENTRE))
    assert re.fullmatch(
        r"#3 · 20,\d{3} px · 2\.1 % · IoU 0\.96 · stability 0\.99", viewer.page.locator(".tip").inner_text()
    )


def test_hovering_or_focusing_a_row_lights_its_mask(viewer: Viewer) -> None:
    viewer.row(1).hover()
    viewer.settle()
    assert lit_at(viewer, IN_FIRST)
    viewer.row(3).focus()
    viewer.settle()
    assert lit_at(viewer, CENTRE)
    assert not lit_at(viewer, IN_FIRST)


def test_clicks_on_one_spot_go_through_nested_masks(viewer: Viewer) -> None:
    found = []
    for _ in range(4):
        viewer.click(CENTRE)
        found += viewer.selected()
    assert found == [3, 2, 1, 3]
    viewer.click(IN_SECOND)
    assert viewer.selected() == [2]


@pytest.mark.parametrize("modifier", ["Control", "Shift", "Meta"])
def test_clicks_with_a_modifier_add_and_remove(viewer: Viewer, modifier: str) -> None:
    viewer.click(CENTRE)
    viewer.click(IN_FIRST, modifier)
    assert viewer.selected() == [1, 3]
    viewer.click(CENTRE, modifier)
    assert viewer.selected() == [1]


def test_a_click_on_nothing_clears_asks_why_and_shows_the_answer(viewer: Viewer) -> None:
    viewer.click(CENTRE)
    viewer.click(NOWHERE)
    assert viewer.selected() == []
    asked = viewer.sent("why")
    assert abs(asked["x"] - 0.05 * 1200) <= 2
    assert abs(asked["y"] - 0.05 * 800) <= 2
    viewer.page.get_by_text("No candidate passes here.").wait_for()


def test_dragging_moves_the_picture_and_selects_nothing(viewer: Viewer) -> None:
    x, y = viewer.place(CENTRE)
    viewer.page.mouse.move(x, y)
    viewer.page.mouse.down()
    viewer.page.mouse.move(x + 60, y + 40, steps=5)
    viewer.page.mouse.up()
    viewer.settle()
    moved = viewer.place(CENTRE)
    assert (round(moved[0] - x), round(moved[1] - y)) == (60, 40)
    assert viewer.selected() == []


def test_wheel_zooms_towards_the_pointer_and_fit_returns(viewer: Viewer) -> None:
    x, y = viewer.place(IN_FIRST)
    viewer.page.mouse.move(x, y)
    before = viewer.page.locator(".percent").inner_text()
    for _ in range(3):
        viewer.page.mouse.wheel(0, -200)
    viewer.settle()
    after = viewer.place(IN_FIRST)
    # The mouse stands on whole px, of which zooming makes more.
    assert abs(after[0] - x) < 2
    assert abs(after[1] - y) < 2
    assert viewer.page.locator(".percent").inner_text() != before
    viewer.page.get_by_role("button", name="Fit the picture").click()
    viewer.settle()
    assert viewer.page.locator(".percent").inner_text() == before


def test_keys_zoom(viewer: Viewer) -> None:
    height = viewer.stage.evaluate("(node) => node.clientHeight")
    fitted = (height - 16) / 800 * 100
    viewer.stage.focus()
    cases = [
        ("+", fitted * 1.25),  # in
        ("-", fitted),  # out again
        ("-", fitted),  # out stops at the fitted size
        ("z", 100),  # actual pixels
        ("F", fitted),  # fit, with Caps Lock
    ]
    for key, expected in cases:
        viewer.page.keyboard.press(key)
        viewer.settle()
        shown = viewer.page.locator(".percent").inner_text()
        assert abs(int(shown.rstrip(" %")) - expected) <= 1, key


def test_selecting_a_row_brings_its_mask_into_sight(viewer: Viewer) -> None:
    viewer.show("Sixty")
    viewer.page.mouse.move(*viewer.place(NOWHERE))
    for _ in range(8):
        viewer.page.mouse.wheel(0, -240)
    viewer.row(40).click()
    viewer.settle()
    box = viewer.page.evaluate(
        "() => { const b = document.querySelector('.stage').getBoundingClientRect();"
        " return [b.left, b.top, b.right, b.bottom] }"
    )
    left, top, width, height = (int(v) for v in viewer.page.locator(".details dd").nth(3).inner_text().split(", "))
    x, y = viewer.place(((left + width / 2) / 1200, (top + height / 2) / 800))
    assert box[0] < x < box[2]
    assert box[1] < y < box[3]


def test_selecting_in_the_picture_scrolls_the_table_and_not_the_page(viewer: Viewer) -> None:
    viewer.show("Sixty")
    frame = viewer.page.locator(".grid-frame")
    viewer.page.evaluate("() => { document.querySelector('.grid-frame').scrollTop = 1e6 }")
    viewer.page.mouse.move(*viewer.place(CENTRE))
    viewer.click(CENTRE)
    row, around = viewer.page.locator(".body .row[aria-selected='true']").bounding_box(), frame.bounding_box()
    assert around["y"] <= row["y"]
    assert row["y"] + row["height"] <= around["y"] + around["height"] + 1
    assert viewer.page.evaluate("() => scrollY") == 0


def test_every_header_sorts_both_ways_by_keyboard(viewer: Viewer) -> None:
    viewer.show("Sixty")
    viewer.page.get_by_role("button", name="Show box, point and crop").click()
    viewer.row(7).get_by_role("button", name="Hide mask 7").click()
    for name in ("Shown", "Mask", "Area", "IoU", "Stability", "Box", "Point", "Crop"):
        button = viewer.page.get_by_role("columnheader").get_by_role("button", name=f"{name}: ")
        orders = {}
        for _ in range(2):
            button.focus()
            viewer.page.keyboard.press("Enter")
            order = viewer.numbers()
            orders[viewer.header(f"{name}: ").get_attribute("aria-sort")] = order
        assert set(orders) == {"ascending", "descending"}, name
        assert sorted(orders["ascending"]) == list(range(1, 61)), name
        # All crops are equal here: numbers decide, upwards both times.
        assert (orders["ascending"] == orders["descending"]) == (name == "Crop"), name


def test_filter(viewer: Viewer) -> None:
    cases = [
        ("2", [2]),  # a number
        ("#3", [3]),  # as the tooltip writes it
        ("2-3", [2, 3]),  # a range
        ("area>100000", [1, 2]),  # a comparison
        ("area > 100,000", [1, 2]),  # with spaces and separators
        ("area<5%", [3]),  # of the picture
        ("area>20000 iou>=0.95", [2, 3]),  # all must hold
        ("stability_score<0.9", []),  # SAM's own name
        ("cup", []),  # a label nobody gave
        ("", [1, 2, 3]),  # nothing
    ]
    for typed, expected in cases:
        viewer.type_filter(typed)
        assert viewer.numbers() == expected, typed
        assert viewer.page.locator(".filter-error").is_hidden(), typed


def test_a_filter_not_understood_says_so_and_hides_nothing(viewer: Viewer) -> None:
    for typed in ("area>>5", "colour=3", "iou>5%", "area>"):
        viewer.type_filter(typed)
        assert viewer.numbers() == [1, 2, 3], typed
        assert f"“{typed}”" in viewer.page.get_by_role("alert").inner_text()


def test_the_filter_holds_for_the_picture_too(viewer: Viewer) -> None:
    viewer.type_filter("area>100000")
    viewer.click(CENTRE)
    assert viewer.selected() == [2]
    assert "2 match" in viewer.totals.inner_text()


def test_hiding_with_the_eye(viewer: Viewer) -> None:
    viewer.row(3).get_by_role("button", name="Hide mask 3").click()
    assert viewer.edit() == {"do": "hide", "ids": [3], "hidden": True}
    viewer.click(CENTRE)
    assert viewer.selected() == [2]
    assert "1 hidden" in viewer.totals.inner_text()
    viewer.row(3).get_by_role("button", name="Show mask 3").click()
    assert viewer.edit('"hidden": false') == {"do": "hide", "ids": [3], "hidden": False}


def test_h_hides_the_selection_and_says_where_it_was(viewer: Viewer) -> None:
    viewer.click(IN_FIRST)
    viewer.page.keyboard.press("h")
    assert viewer.edit()["ids"] == [1]
    viewer.click(IN_FIRST)
    assert "Mask 1 is here, but hidden." in viewer.page.locator(".note").inner_text()


def test_h_on_a_row_hides_it_when_nothing_is_selected(viewer: Viewer) -> None:
    viewer.row(2).focus()
    viewer.page.keyboard.press("h")
    assert viewer.edit()["ids"] == [2]


def test_the_table_by_keyboard_alone(viewer: Viewer) -> None:
    viewer.row(1).focus()
    press = viewer.page.keyboard.press
    press("ArrowDown")
    press("Space")
    assert viewer.selected() == [2]
    press("Shift+ArrowDown")
    assert viewer.selected() == [2, 3]
    press("Home")
    press("Enter")
    assert viewer.selected() == [1]
    press("Control+a")
    assert viewer.selected() == [1, 2, 3]
    press("End")
    assert viewer.page.evaluate("() => document.activeElement.dataset.id") == "3"
    press("Space")
    assert viewer.selected() == [1, 2]
    press("Escape")
    assert viewer.selected() == []
    assert viewer.page.locator(".body .row[tabindex='0']").count() == 1


def test_rows_by_mouse_with_ranges(viewer: Viewer) -> None:
    viewer.show("Sixty")
    viewer.row(2).click()
    viewer.row(5).click(modifiers=["Shift"])
    assert viewer.selected() == [2, 3, 4, 5]
    viewer.row(3).click(modifiers=["Control"])
    assert viewer.selected() == [2, 4, 5]
    assert "3 selected" in viewer.totals.inner_text()


def test_details_have_all_seven_fields(viewer: Viewer) -> None:
    viewer.click(CENTRE)
    names = viewer.page.locator(".details dt").evaluate_all("(nodes) => nodes.map((n) => n.title)")
    assert sorted(names) == [
        "area", "bbox", "crop_box", "point_coords", "predicted_iou", "segmentation", "stability_score",
    ]  # fmt: skip
    assert viewer.page.locator(".details dd").nth(3).inner_text() == "520, 320, 161, 161"
    assert viewer.page.get_by_role("img", name="Cut-out of mask 3").is_visible()


def test_totals_count_the_union(viewer: Viewer) -> None:
    share = 3.14159 * (0.4 * 800) ** 2 / (1200 * 800)
    assert viewer.totals.inner_text() == f"3 masks · {round(100 * share)} % covered"


@pytest.mark.parametrize(
    ("scope", "ids"),
    [
        ("", [3, 1]),  # nothing chosen: the selection, in table order
        ("Shown", [3, 1]),  # 2 is hidden
        ("All", [3, 2, 1]),  # by area, smallest first
    ],
)
def test_download_sends_what_was_asked_for(viewer: Viewer, scope: str, ids: list[int]) -> None:
    viewer.page.get_by_role("button", name="Area: ").click()
    viewer.page.get_by_role("button", name="Area: ").click()
    viewer.row(2).get_by_role("button", name="Hide mask 2").click()
    viewer.edit("hide")
    viewer.row(3).click()
    viewer.row(1).click(modifiers=["Control"])
    if scope:
        viewer.page.get_by_role("radio", name=scope).click()
    viewer.page.get_by_role("button", name="Download", exact=True).click()
    viewer.page.get_by_role("menuitem", name="COCO JSON").click()
    sent = viewer.sent("prepare")
    assert (sent["format"], sent["scope"], sent["ids"]) == ("coco", scope.lower() or "selected", ids)
    assert sent["session"]


def test_download_menu_by_keyboard(viewer: Viewer) -> None:
    assert viewer.page.get_by_role("radio", name=re.compile("^Selected")).is_disabled()
    viewer.page.get_by_role("button", name="Download", exact=True).focus()
    viewer.page.keyboard.press("Enter")
    viewer.page.keyboard.press("ArrowDown")
    viewer.page.keyboard.press("Escape")
    assert viewer.page.get_by_role("menu").is_hidden()
    assert "download" in viewer.page.evaluate("() => document.activeElement.className")
    viewer.page.keyboard.press("Enter")
    viewer.page.keyboard.press("End")
    viewer.page.keyboard.press("Enter")
    sent = viewer.sent("prepare")
    assert (sent["format"], sent["scope"], sent["ids"]) == ("csv", "shown", [1, 2, 3])
    viewer.page.keyboard.press("Tab")
    viewer.page.keyboard.press("Shift+Tab")
    viewer.page.get_by_role("button", name="Save file").press("Enter")
    assert viewer.sent("save")


def test_a_stopped_run_offers_to_continue(viewer: Viewer) -> None:
    viewer.show("Partial")
    viewer.page.get_by_role("button", name="Continue").click()
    assert viewer.sent("resume")["session"]


def test_the_empty_viewer_offers_a_sample(page: Any, address: str) -> None:
    viewer = Viewer(page, address, view="")
    page.get_by_role("button", name="Use a sample photo").click()
    assert viewer.sent("open_sample") == {}
    assert viewer.rows.count() == 0


def test_a_run_without_masks_says_why(viewer: Viewer) -> None:
    viewer.show("Nothing found")
    assert viewer.page.get_by_text(EMPTY).is_visible()
    assert viewer.rows.count() == 0


def test_toolbar_changes_what_is_painted(viewer: Viewer) -> None:
    plain = centre_colour(viewer)
    viewer.page.get_by_role("slider", name="Fill opacity").fill("80")
    strong = centre_colour(viewer)
    viewer.page.get_by_role("button", name="Outline only").click()
    outlined = centre_colour(viewer)
    viewer.page.get_by_role("button", name="Fill only").click()
    viewer.page.get_by_role("combobox", name="Colour by").select_option("quality")
    by_quality = centre_colour(viewer)
    assert viewer.page.get_by_text("Predicted IoU").first.is_visible()
    viewer.stage.focus()
    viewer.page.keyboard.press("p")
    assert centre_colour(viewer) == outlined
    assert len({tuple(c) for c in (plain, strong, outlined, by_quality)}) == 4


def centre_colour(viewer: Viewer) -> list[int]:
    viewer.settle()
    x, y = viewer.place((0.52, 0.47))
    return viewer.page.evaluate(
        "([x, y]) => { const c = document.querySelector('.scene'), b = c.getBoundingClientRect();"
        " return [...c.getContext('2d').getImageData(x - b.left, y - b.top, 1, 1).data]; }",
        [x, y],
    )


def test_photo_only_is_a_peek_while_held(viewer: Viewer) -> None:
    button = viewer.page.get_by_role("button", name="Photo only")
    viewer.stage.focus()
    viewer.page.keyboard.down("p")
    viewer.page.wait_for_timeout(400)
    assert button.get_attribute("aria-pressed") == "true"
    viewer.page.keyboard.up("p")
    viewer.settle()
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    viewer.settle()
    assert button.get_attribute("aria-pressed") == "true"


def test_streaming_keeps_what_the_user_did(viewer: Viewer) -> None:
    viewer.page.get_by_role("button", name="Area: ").click()
    viewer.page.get_by_role("button", name="Stream", exact=True).click()
    viewer.row(8).wait_for()
    viewer.type_filter("area>20000")
    viewer.row(3).click()
    viewer.page.mouse.move(*viewer.place(CENTRE))
    viewer.page.mouse.wheel(0, -200)
    viewer.page.mouse.move(2, 2)  # the table follows a pointer that rests in the picture
    viewer.page.evaluate("() => { document.querySelector('.grid-frame').scrollTop = 60 }")
    viewer.settle()
    zoom = viewer.stage.get_attribute("data-scale")
    viewer.page.get_by_text("60 masks").wait_for(timeout=60_000)
    viewer.settle()
    assert viewer.selected() == [3]
    assert viewer.stage.get_attribute("data-scale") == zoom
    assert viewer.page.get_by_role("searchbox").input_value() == "area>20000"
    assert viewer.header("Area: ").get_attribute("aria-sort") == "descending"
    assert viewer.page.evaluate("() => document.querySelector('.grid-frame').scrollTop") == 60
    assert viewer.page.evaluate("() => document.activeElement.dataset.id") == "3"


def test_a_new_run_drops_the_selection_but_not_the_sort(viewer: Viewer) -> None:
    viewer.page.get_by_role("button", name="IoU: ").click()
    viewer.click(CENTRE)
    viewer.page.mouse.wheel(0, -200)
    viewer.settle()
    zoomed = viewer.stage.get_attribute("data-scale")
    viewer.show("Sixty")
    assert viewer.selected() == []
    assert viewer.header("IoU: ").get_attribute("aria-sort") == "descending"
    # The same photo again stays where it was; another one is fitted.
    assert viewer.stage.get_attribute("data-scale") == zoomed
    viewer.show("Many")
    viewer.settle()
    width, height = viewer.stage.evaluate("(node) => [node.clientWidth, node.clientHeight]")
    fitted = min((width - 16) / 1600, (height - 16) / 1200)
    assert float(viewer.stage.get_attribute("data-scale")) == pytest.approx(fitted)


def test_a_late_file_of_an_older_run_is_dropped(viewer: Viewer) -> None:
    held = []
    viewer.page.route("**/photo.webp", lambda route: route.continue_() if held else held.append(route))
    viewer.page.get_by_role("button", name="Many", exact=True).click()
    while not held:
        viewer.page.wait_for_timeout(50)
    viewer.show("Three")
    held[0].continue_()
    viewer.page.wait_for_timeout(300)
    assert viewer.numbers() == [1, 2, 3]


def test_a_late_answer_does_not_bring_back_the_picture_before(viewer: Viewer) -> None:
    viewer.show("Said later")
    viewer.page.evaluate(
        "() => { window.most = 0; const body = document.querySelector('.body');"
        " new MutationObserver(() => { window.most = Math.max(window.most, body.children.length); })"
        ".observe(body, { childList: true }); }"
    )
    viewer.page.get_by_role("button", name="Said before").click()
    viewer.page.wait_for_timeout(500)
    viewer.show("Said last")
    assert viewer.numbers() == [1, 2, 3]
    assert viewer.page.evaluate("() => window.most") == 3


def test_a_file_name_never_becomes_markup(viewer: Viewer) -> None:
    viewer.show("Script name")
    assert viewer.page.locator(".file-name").inner_text() == XSS_NAME
    assert viewer.page.locator("#viewer img").count() == 0
    assert viewer.page.title() != "broken"


def test_600_masks_on_12_megapixels(viewer: Viewer) -> None:
    viewer.show("Many")
    assert viewer.rows.count() == 600
    viewer.click(CENTRE)
    assert len(viewer.selected()) == 1
    viewer.page.get_by_role("button", name="Area: ").click()
    assert viewer.numbers() == list(range(1, 601))


@pytest.mark.parametrize(("width", "height"), [(400, 800), (1280, 800)])
def test_nothing_scrolls_sideways(new_page: Callable[..., Any], address: str, width: int, height: int) -> None:
    viewer = Viewer(new_page(width, height, touch=width < 500), address, "Long name")
    viewer.row(1).click()
    assert viewer.page.evaluate("() => document.documentElement.scrollWidth") <= width
    grid = viewer.page.locator(".grid-frame")
    assert grid.evaluate("(node) => node.scrollWidth - node.clientWidth") == 0
    assert viewer.page.locator(".file-name").get_attribute("title") == LONG_NAME


def test_a_phone_stacks_and_taps(new_page: Callable[..., Any], address: str) -> None:
    viewer = Viewer(new_page(400, 800, touch=True), address)
    picture, table = viewer.stage.bounding_box(), viewer.page.locator(".grid-frame").bounding_box()
    assert table["y"] > picture["y"] + picture["height"]
    viewer.page.touchscreen.tap(*viewer.place(CENTRE))
    assert viewer.selected() == [3]
    small = viewer.page.locator(".viewer button:visible").evaluate_all(
        "(nodes) => nodes.filter((n) => n.getBoundingClientRect().height < 28).map((n) => n.outerHTML.slice(0, 80))"
    )
    assert small == []


def test_two_fingers_zoom_and_select_nothing(new_page: Callable[..., Any], address: str) -> None:
    viewer = Viewer(new_page(400, 800, touch=True), address)
    x, y = viewer.place(CENTRE)
    before = float(viewer.stage.get_attribute("data-scale"))
    touch = viewer.page.context.new_cdp_session(viewer.page)

    def fingers(kind: str, *reaches: int) -> None:
        points = [{"x": x + reach, "y": y, "id": number} for number, reach in enumerate(reaches)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        viewer.settle()

    fingers("touchStart", -20, 20)
    for reach in (30, 40, 50, 60):
        fingers("touchMove", -reach, reach)
    fingers("touchEnd")
    assert float(viewer.stage.get_attribute("data-scale")) == pytest.approx(3 * before, rel=0.05)
    assert viewer.selected() == []
    assert viewer.page.evaluate("() => visualViewport.scale") == 1


def test_dark_mode_follows_the_theme(new_page: Callable[..., Any], address: str) -> None:
    lightness = {}
    for theme in ("light", "dark"):
        viewer = Viewer(new_page(dark=theme == "dark"), address, theme=theme)
        viewer.row(1).click()
        rgb = viewer.page.locator(".pixels").first.evaluate("(node) => getComputedStyle(node).color.match(/\\d+/g)")
        lightness[theme] = sum(int(value) for value in rgb[:3])
    assert lightness["dark"] > 500 > lightness["light"]


def test_korean_by_browser_language(new_page: Callable[..., Any], address: str) -> None:
    viewer = Viewer(new_page(locale="ko-KR"), address)
    assert viewer.totals.inner_text().startswith("마스크 3개 · ")
    viewer.page.get_by_role("searchbox", name="마스크 필터").fill("면적>100000")
    assert viewer.numbers() == [1, 2]
    names = viewer.page.locator(".viewer button:visible").evaluate_all(
        "(n) => n.map((b) => b.ariaLabel ?? b.innerText)"
    )
    assert all(re.search("[가-힣]", name) for name in names if name not in ("", "IoU: 예측 IoU로 정렬")), names


def test_every_control_has_a_name(viewer: Viewer) -> None:
    viewer.click(CENTRE)
    nameless = viewer.page.locator("#viewer").evaluate(
        "(root) => [...root.querySelectorAll('button, input, select, [role=img], [role=application], [role=grid]')]"
        ".filter((n) => n.checkVisibility() && !(n.ariaLabel ?? n.textContent).trim())"
        ".map((n) => n.outerHTML.slice(0, 100))"
    )
    assert nameless == []
    assert "Mask 3 selected" in viewer.page.locator(".spoken").inner_text()


def test_question_mark_opens_the_help_which_lists_every_key(viewer: Viewer) -> None:
    page, help_panel = viewer.page, viewer.page.get_by_role("dialog", name="Keyboard and mouse")
    assert help_panel.is_hidden()
    page.keyboard.press("Shift+?")  # nothing has the focus
    listed = " ".join(help_panel.locator("dt").all_inner_texts())
    page.keyboard.press("Escape")
    assert help_panel.is_hidden()

    viewer.click(CENTRE)
    page.keyboard.press("Shift+?")
    help_panel.wait_for()
    page.keyboard.press("Escape")
    assert help_panel.is_hidden()
    # The keys go on to the picture, where they went before.
    assert viewer.selected() == [3]
    assert page.evaluate("document.activeElement.role") == "application"
    page.keyboard.press("Shift+?")
    page.keyboard.press("Shift+?")
    assert help_panel.is_hidden()

    field = page.get_by_role("searchbox", name="Filter masks")
    field.press("Shift+?")
    assert field.input_value() == "?"
    assert help_panel.is_hidden()

    shortcuts = page.locator("[aria-keyshortcuts]").evaluate_all("nodes => nodes.map(node => node.ariaKeyShortcuts)")
    titled = re.findall(r"\((.)\)", " ".join(VIEWER_TEXTS["en"].values()))
    known = {"Delete": "Del", "Control+Z": "Ctrl + Z", "Control+Shift+Z": "Y", "Control+Enter": "Ctrl + Enter"}
    keys = {known.get(key, key) for key in [*shortcuts, *titled]}
    assert len(keys) > 20
    assert {key for key in keys if key not in listed} == set()


def test_both_languages_have_every_text() -> None:
    english, korean = VIEWER_TEXTS["en"], VIEWER_TEXTS["ko"]
    assert set(english) == set(korean)
    folder = HERE.parents[1] / "automask_ui" / "ui" / "components" / "viewer"
    code = "".join(path.read_text(encoding="utf-8") for path in (folder / "js").rglob("*.js"))
    used = set(re.findall(r'\btext\("(\w+)"', code)) | set(
        re.findall(
            r'data-(?:text|label|title|placeholder)="(\w+)"', (folder / "viewer.html").read_text(encoding="utf-8")
        )
    )
    assert used <= set(english), used - set(english)
    for key, sentence in english.items():
        assert set(re.findall(r"\{(\w+)\}", sentence)) == set(re.findall(r"\{(\w+)\}", korean[key])), key


def test_the_table_follows_a_pointer_that_rests(page: Any, address: str) -> None:
    viewer = Viewer(page, address, "Sixty")
    last = viewer.numbers()[-1]
    in_sight = (
        "id => { const row = document.querySelector(`.body .row[data-id='${id}']`).getBoundingClientRect(),"
        " frame = document.querySelector('.grid-frame').getBoundingClientRect();"
        " return row.top >= frame.top && row.bottom <= frame.bottom + 1; }"
    )
    assert not page.evaluate(in_sight, last)
    places = [(x / 40, y / 27) for x in range(1, 40) for y in range(1, 27)]
    for share in places:
        page.mouse.move(*viewer.place(share))
        viewer.settle()
        lit = page.locator(".body .lit .number").all_text_contents()
        if lit and int(lit[0]) > len(viewer.numbers()) * 2 // 3:
            break
    page.wait_for_function(in_sight, arg=int(lit[0]))


def test_the_tip_names_what_the_next_click_takes(viewer: Viewer) -> None:
    tip = viewer.page.locator(".tip")
    viewer.page.mouse.move(*viewer.place(CENTRE))
    for taken, next_one in ((3, 2), (2, 1), (1, 3)):
        viewer.click(CENTRE)
        assert viewer.selected() == [taken]
        assert tip.inner_text().startswith(f"Click again: #{next_one} · ")
    viewer.page.mouse.move(*viewer.place(IN_FIRST))
    assert tip.inner_text().startswith("#1 · ")


def test_the_tip_stays_where_the_browser_says_that_a_mouse_has_left_which_is_there(viewer: Viewer) -> None:
    tip = viewer.page.locator(".tip")
    viewer.click(CENTRE)
    left = "(stage, [clientX, clientY]) => stage.dispatchEvent(new PointerEvent('pointerleave', { clientX, clientY }))"
    viewer.stage.evaluate(left, list(viewer.place(CENTRE)))
    viewer.settle()
    assert tip.is_visible()
    viewer.stage.evaluate(left, [2, 2])
    viewer.settle()
    assert tip.is_hidden()


def test_the_tip_is_read_as_a_whole_on_a_narrow_picture(new_page: Callable[..., Any], address: str) -> None:
    viewer = Viewer(new_page(400, 800), address)
    for _ in range(2):
        viewer.click(CENTRE)
    viewer.page.mouse.move(*viewer.place(CENTRE))
    viewer.settle()
    tip, stage = viewer.page.locator(".tip"), viewer.stage.bounding_box()
    assert tip.inner_text().startswith("Click again: ")
    assert tip.evaluate("(tip) => tip.scrollWidth <= tip.clientWidth")
    box = tip.bounding_box()
    assert stage["x"] <= box["x"] <= box["x"] + box["width"] <= stage["x"] + stage["width"]


def test_the_tip_goes_with_its_mask(viewer: Viewer) -> None:
    tip = viewer.page.locator(".tip")
    viewer.click(IN_FIRST)
    assert tip.inner_text().startswith("#1 · ")
    viewer.page.keyboard.press("Delete")
    tip.wait_for(state="hidden")
    viewer.page.mouse.move(*viewer.place(IN_SECOND))
    assert tip.inner_text().startswith("#2 · ")
    viewer.page.locator(".filter").fill("3")
    tip.wait_for(state="hidden")


def test_a_selection_stays_clear_while_the_rest_fades(viewer: Viewer) -> None:
    viewer.click(CENTRE)
    viewer.page.mouse.move(2, 2)
    viewer.settle()
    assert lit_at(viewer, CENTRE)
    viewer.page.keyboard.press("Escape")
    viewer.settle()
    assert not lit_at(viewer, CENTRE)  # nothing is under the veil


def test_all_columns_can_be_read_beside_each_other(page: Any, address: str) -> None:
    viewer = Viewer(page, address, "Sixty")
    page.get_by_role("button", name="Show box, point and crop").click()
    viewer.settle()
    cut = page.locator(".body .row").first.locator(".cell:visible")
    assert cut.count() == 8
    assert cut.evaluate_all("cells => cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length") == 0
    frame, stability = (part.bounding_box() for part in (page.locator(".grid-frame").first, viewer.header("Stability")))
    assert stability["x"] + stability["width"] <= frame["x"] + frame["width"]


def test_the_width_of_the_table_stays_as_it_was_chosen(page: Any, address: str) -> None:
    viewer = Viewer(page, address, "Sixty")
    splitter, side = page.get_by_role("separator"), page.locator(".side")
    before = side.bounding_box()["width"]
    splitter.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    viewer.settle()
    wider = side.bounding_box()["width"]
    assert wider > before + 40
    viewer = Viewer(page, address, "Sixty")
    viewer.settle()
    assert abs(side.bounding_box()["width"] - wider) < 2


def test_a_finger_clicks_with_a_tool_and_the_page_is_told_in_px_of_the_photo(
    new_page: Callable[..., Any], address: str
) -> None:
    page = new_page(width=400, height=800, touch=True)
    viewer = Viewer(page, address)
    page.get_by_role("radio", name="Add a mask").tap()
    x, y = viewer.place(CENTRE)
    page.touchscreen.tap(x, y)
    asked = viewer.sent("predict")
    ((click_x, click_y, label),) = asked["clicks"]
    assert abs(click_x / asked_width(page) - 0.5) < 0.02
    assert label == 1
    assert click_y > 0
    assert page.locator(".palette").bounding_box()["width"] <= 400


def asked_width(page: Any) -> float:
    return float(page.locator(".file-size").inner_text().split()[0].replace(",", ""))
