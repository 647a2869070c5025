"""Labels, deleting and the way back in Chromium: on the masks of viewer_app.py, and once on the whole page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from page_app import running
from test_viewer import CENTRE, IN_FIRST, IN_SECOND, Viewer

HERE = Path(__file__).resolve().parent
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(start_app: Callable[..., str], browser: Any) -> str:
    return start_app(str(HERE / "viewer_app.py"))


class Labels(Viewer):
    """What a person does to label."""

    @property
    def field(self) -> Any:
        return self.page.get_by_role("combobox", name="Label of the selection")

    def lists(self, *names: str) -> None:
        """Type a class list."""
        self.page.get_by_role("button", name="Classes", exact=True).click()
        self.page.get_by_role("textbox", name="Classes, one a line").fill("\n".join(names))
        self.page.get_by_role("button", name="Use this list").click()
        self.page.locator(".class-editor").wait_for(state="hidden")

    def labels(self) -> dict[int, str]:
        self.settle()
        return {
            int(row.get_attribute("data-id")): row.locator(".label .name").text_content()
            for row in self.rows.all()
            if row.locator(".label .name").text_content()
        }

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def waits(self, condition: str) -> None:
        self.page.wait_for_function(f"() => {condition}")

    def says(self, sentence: str) -> None:
        """Wait until a screen reader is told this."""
        self.page.wait_for_function(
            "(sentence) => document.querySelector('#viewer .spoken').textContent === sentence", arg=sentence
        )


@pytest.fixture
def viewer(page: Any, address: str) -> Labels:
    return Labels(page, address)


def test_digits_label_the_selection_in_the_picture_and_in_the_table(viewer: Labels) -> None:
    viewer.lists("car", "person")
    viewer.click(CENTRE)
    viewer.press("2")
    viewer.says("1 mask labelled “person”.")
    viewer.row(1).focus()
    viewer.press("Enter", "Shift+ArrowDown", "1")
    assert viewer.labels() == {1: "car", 2: "car", 3: "person"}
    viewer.press("0")
    assert viewer.labels() == {3: "person"}
    assert "1 labelled" in viewer.totals.inner_text()


def test_usual_label_is_read_as_a_whole_in_the_narrow_table(viewer: Labels) -> None:
    viewer.lists("balloon")
    viewer.click(CENTRE)
    viewer.press("1")
    name = viewer.row(3).locator(".label .name")
    assert name.inner_text() == "balloon"
    assert name.evaluate("name => name.scrollWidth <= name.clientWidth")


def test_labelled_table_fits_beside_a_scrollbar(viewer: Labels) -> None:
    viewer.lists("balloon")
    viewer.click(CENTRE)
    viewer.press("1")
    frame = viewer.page.locator("#viewer .grid-frame")
    # Chromium is tested without scrollbars.
    frame.evaluate("(frame) => { frame.style.borderRightWidth = '13px'; }")
    assert frame.evaluate("(frame) => frame.scrollWidth <= frame.clientWidth")
    cut = "(cells) => cells.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)"
    assert viewer.page.locator("#viewer .row :is(.area, .iou, .stability)").evaluate_all(cut) == []


def test_digit_without_its_class_asks_for_one_and_without_a_mask_says_so(viewer: Labels) -> None:
    viewer.stage.focus()
    viewer.press("1")
    assert viewer.page.locator(".notice").inner_text() == "Select a mask first."
    viewer.click(CENTRE)
    viewer.press("1")
    assert viewer.field.evaluate("(field) => field === document.activeElement")


def test_field_by_keyboard_alone(viewer: Labels) -> None:
    viewer.lists("car", "delivery van", "person")
    viewer.row(2).focus()
    viewer.press("l")
    assert viewer.selected() == [2]
    assert viewer.field.input_value() == ""
    viewer.page.keyboard.type("VAN")
    options = viewer.page.locator(".label-list").get_by_role("option")
    assert options.all_inner_texts() == ["delivery van\n2", "Add “VAN”"]
    assert viewer.field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    viewer.press("Enter")
    assert viewer.labels() == {2: "delivery van"}
    # Back at the row, where the next key counts again.
    assert "row" in viewer.page.evaluate("() => document.activeElement.className")
    viewer.press("l", "ArrowDown", "Enter")
    assert viewer.labels() == {2: "person"}
    viewer.press("l", "Escape", "0")
    assert viewer.labels() == {}


def test_new_class_from_the_field_joins_the_list(viewer: Labels) -> None:
    viewer.click(CENTRE)
    viewer.press("l")
    viewer.page.keyboard.type("tea cup")
    viewer.press("Enter")
    viewer.click(IN_FIRST)
    viewer.press("1")
    assert viewer.labels() == {1: "tea cup", 3: "tea cup"}


def test_typing_in_a_field_labels_and_deletes_nothing(viewer: Labels) -> None:
    viewer.lists("car")
    viewer.click(CENTRE)
    for field in (viewer.page.get_by_role("searchbox"), viewer.field):
        field.focus()
        viewer.press("1", "0", "h", "n", "p", "l", "Backspace", "Delete", "Control+z")
        viewer.press("Control+a", "Delete", "Escape")
    viewer.page.get_by_role("button", name="Classes", exact=True).click()
    viewer.press("1", "Backspace", "Escape")
    assert viewer.labels() == {}
    assert viewer.numbers() == [1, 2, 3]
    assert "hidden" not in viewer.totals.inner_text()


def test_delete_and_take_back(viewer: Labels) -> None:
    viewer.click(IN_SECOND)
    viewer.press("Delete")
    assert viewer.numbers() == [1, 3]
    assert "2 masks" in viewer.totals.inner_text()
    viewer.click(IN_SECOND)
    assert viewer.selected() == [1]
    viewer.press("Control+z")
    viewer.says("Undone: delete 1 mask.")
    assert viewer.numbers() == [1, 2, 3]
    viewer.press("Control+Shift+Z")
    viewer.says("Redone: delete 1 mask.")
    assert viewer.numbers() == [1, 3]
    viewer.page.get_by_role("button", name="Undo: delete 1 mask").click()
    viewer.waits("document.querySelectorAll('.body .row').length === 3")


def test_answer_to_a_deletion_leaves_the_focus_in_the_list_of_deleted_masks(viewer: Labels) -> None:
    viewer.click(IN_SECOND)
    viewer.press("Delete")
    viewer.page.wait_for_function("() => document.querySelector('#sent-edit textarea').value.includes('delete')")
    held: list[Any] = []
    viewer.page.route("**/queue/join*", lambda route: held.append(route))
    viewer.click(IN_FIRST)
    viewer.press("Delete")
    viewer.page.locator("[data-popup=deleted]").click()
    viewer.press("ArrowDown")
    chosen = viewer.page.evaluate("() => document.activeElement.textContent")
    assert re.match(r"Restore \d", chosen)
    before = viewer.page.locator("#sent-edit textarea").input_value()
    for route in held:
        route.continue_()
    viewer.page.unroute("**/queue/join*")
    viewer.page.wait_for_function(
        "(before) => document.querySelector('#sent-edit textarea').value !== before", arg=before
    )
    viewer.settle()
    assert viewer.page.evaluate("() => document.activeElement.textContent") == chosen
    viewer.press("Enter")
    viewer.says("1 mask is back.")


def test_deleted_masks_are_listed_and_come_back(viewer: Labels) -> None:
    deleted = viewer.page.locator("[data-popup=deleted]")
    assert not deleted.is_visible()
    viewer.click(IN_SECOND)
    viewer.press("Delete")
    viewer.click(IN_FIRST)
    viewer.press("Delete")
    assert len(viewer.numbers()) == 1
    gone = sorted({1, 2, 3} - set(viewer.numbers()))
    assert deleted.inner_text() == "2 deleted"
    deleted.click()
    options = viewer.page.locator(".deleted-menu").get_by_role("menuitem")
    texts = options.all_inner_texts()
    assert texts[0] == "Restore all 2"
    assert [text.split(" · ")[0] for text in texts[1:]] == [f"Restore {id_}" for id_ in gone]
    viewer.press("ArrowDown", "Enter")
    viewer.says("1 mask is back.")
    assert viewer.selected() == [gone[0]]
    assert deleted.inner_text() == "1 deleted"
    viewer.press("Control+z")
    viewer.says("Undone: bring 1 mask back.")
    deleted.click()
    options.first.click()
    assert viewer.numbers() == [1, 2, 3]
    assert not deleted.is_visible()


def test_deleting_rows_leaves_the_focus_in_the_table(viewer: Labels) -> None:
    viewer.row(2).focus()
    viewer.press("Delete")
    assert viewer.page.evaluate("() => document.activeElement.dataset.id") == "3"
    viewer.press("Delete")
    assert viewer.page.evaluate("() => document.activeElement.dataset.id") == "1"
    viewer.press("Delete")
    assert viewer.numbers() == []
    viewer.press("Control+z", "Control+z", "Control+z")
    viewer.waits("document.querySelectorAll('.body .row').length === 3")


def test_fast_keys_are_all_kept_in_order(viewer: Labels) -> None:
    viewer.lists(*"abcdefghi")
    viewer.click(CENTRE)
    for key in "123456789" * 3:
        viewer.page.keyboard.press(key)
    viewer.press("Control+z", "Control+z")
    viewer.says("Undone: label 1 mask “h”.")
    assert viewer.labels() == {3: "g"}
    viewer.press("Control+y")
    viewer.says("Redone: label 1 mask “h”.")


def test_hide_is_taken_back_too(viewer: Labels) -> None:
    viewer.click(CENTRE)
    viewer.press("h")
    assert "1 hidden" in viewer.totals.inner_text()
    viewer.press("Control+z")
    viewer.waits("!document.querySelector('.totals').textContent.includes('hidden')")


def test_sort_filter_and_colour_by_label(viewer: Labels) -> None:
    viewer.lists("ripe pear", "apple")
    viewer.row(1).click()
    viewer.press("1")
    viewer.row(3).click()
    viewer.press("2")
    viewer.page.get_by_role("button", name="Label: ").click()
    assert viewer.numbers() == [3, 1, 2]  # by name; without a label last
    for typed, expected in [
        *(("appl", [3]), ("label=none", [2]), ("label!=none", [3, 1]), ("label=ripe PEAR", [1])),
        *(
            ('label="ripe pear"', [1]),
            ("label=ripe", []),
            ("label = ripe pear area>1", [1]),
            ("area>1 label=apple", [3]),
        ),
    ]:
        viewer.type_filter(typed)
        assert viewer.numbers() == expected, typed
    viewer.type_filter("")
    viewer.page.get_by_label("Colour by").select_option(label="Label")
    viewer.settle()
    colours = {
        number: viewer.row(number).locator(".id .swatch").evaluate("(node) => node.style.background")
        for number in (1, 2, 3)
    }
    # The first two of the palette, and grey.
    assert colours == {1: "rgb(128, 0, 255)", 2: "rgb(154, 154, 162)", 3: "rgb(192, 255, 0)"}


def test_class_list_is_checked_and_renames(viewer: Labels) -> None:
    viewer.lists("car", "person")
    viewer.click(CENTRE)
    viewer.press("1")
    viewer.lists("truck", "person")
    assert viewer.labels() == {3: "truck"}
    viewer.page.get_by_role("button", name="Classes", exact=True).click()
    viewer.page.get_by_role("textbox", name="Classes, one a line").fill("x" * 101 + "\ny")
    viewer.page.get_by_role("button", name="Use this list").click()
    viewer.page.get_by_role("alert").filter(has_text="at most 100").wait_for()
    assert viewer.labels() == {3: "truck"}


def test_what_is_left_out_of_a_typed_class_list_is_said_before_it_closes(viewer: Labels) -> None:
    viewer.page.get_by_role("button", name="Classes", exact=True).click()
    names = viewer.page.get_by_role("textbox", name="Classes, one a line")
    names.fill("7: car\n9: dog")
    take = viewer.page.get_by_role("button", name="Use this list")
    take.click()
    viewer.page.get_by_role("alert").filter(has_text="1 between them is not used").wait_for()
    names.fill("car, dog, car")
    take.click()
    viewer.page.get_by_role("alert").filter(has_text="1 name was there already").wait_for()
    assert names.input_value() == "car\ndog"
    take.click()
    viewer.page.locator(".class-editor").wait_for(state="hidden")


def test_label_never_becomes_markup(viewer: Labels) -> None:
    viewer.lists(HOSTILE, "=1+1")
    viewer.click(CENTRE)
    viewer.press("1", "l")
    assert viewer.labels() == {3: HOSTILE}
    assert viewer.page.locator("#viewer img").count() == 0
    assert viewer.page.title() == "Viewer"
    assert viewer.field.input_value() == HOSTILE


def test_what_a_format_cannot_hold_is_shown_and_waits_for_consent(viewer: Labels) -> None:
    viewer.page.get_by_role("button", name="Download", exact=True).click()
    viewer.page.get_by_role("menuitem", name="Table").click()
    chips = viewer.page.locator(".chip")
    chips.first.wait_for()
    assert chips.all_inner_texts() == ["#1\n0.998", "#2\n0.998"]
    assert viewer.sent("prepare")["format"] == "csv"
    assert not viewer.page.locator("#sent-save textarea").input_value()  # nothing was saved yet
    chips.nth(1).click()
    assert viewer.selected() == [2]
    viewer.page.get_by_role("button", name="Select these 2").click()
    assert viewer.selected() == [1, 2]


def test_masks_without_a_label_can_be_left_out(viewer: Labels) -> None:
    viewer.lists("car")
    viewer.row(2).click()
    viewer.press("1", "Escape")
    viewer.page.get_by_role("button", name="Download", exact=True).click()
    viewer.page.get_by_role("menuitem", name="COCO JSON").click()
    viewer.page.get_by_role("button", name="Save file · 1 kB").wait_for()
    assert viewer.sent("prepare")["ids"] == [1, 2, 3]
    viewer.page.get_by_role("checkbox", name="Leave out 2 masks without a label").check()
    assert viewer.sent("prepare", '"ids": [2]')


# The whole page


@pytest.fixture(scope="module")
def page_address(browser: Any) -> Iterator[str]:
    with running() as url:
        yield url


def test_labels_survive_thresholds_reach_the_file_and_the_next_picture(
    page: Any, page_address: str, tmp_path: Path
) -> None:
    classes = tmp_path / "data.yaml"
    classes.write_text("names:\n  0: cup\n  1: saucer\n", encoding="utf-8")
    page.goto(page_address)
    rows = page.locator(".body .row")
    rows.nth(3).wait_for()
    page.get_by_role("button", name="Classes", exact=True).click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open a file…").last.click()
    chooser.value.set_files(str(classes))
    page.wait_for_function("() => document.querySelector('.class-text').value === '0: cup\\n1: saucer'")
    page.get_by_role("button", name="Use this list").click()
    page.locator(".class-editor").wait_for(state="hidden")
    rows.nth(0).click()
    page.keyboard.press("2")
    field = page.locator("#pred_iou_thresh input[type=number]")
    before = page.locator(".totals").inner_text()
    for value in ("0.99", "0.88"):
        field.fill(value)
        field.blur()
        page.wait_for_function("(before) => document.querySelector('.totals').textContent !== before", arg=before)
        before = page.locator(".totals").inner_text()
    assert page.locator(".body .row[data-id='1'] .label").inner_text() == "saucer"
    page.get_by_role("radio", name=re.compile("All")).click()
    page.get_by_role("button", name="Download", exact=True).click()
    page.get_by_text("COCO JSON (RLE)").click()
    page.locator(".proof-more").get_by_text(re.compile("masks without a label are in the class “object”")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Save file")).click()
    data = json.loads(Path(download.value.path()).read_text())
    assert [row["name"] for row in data["categories"]] == ["cup", "saucer", "object"]
    # The numbers are those of the list.
    assert [row["id"] for row in data["categories"][:2]] == [0, 1]
    assert [row["number"] for row in data["annotations"] if row["category_id"] == 1] == [1]
    # The class list goes on to the next picture.
    page.locator("#samples button").nth(1).click()
    page.wait_for_function("() => document.querySelector('.file-name').textContent.startsWith('coins')")
    page.get_by_role("button", name="Classes", exact=True).click()
    assert page.locator(".class-text").input_value() == "0: cup\n1: saucer"
