"""Correcting by hand in Chromium on fake models (tests/page_app.py): every tool, its undo, a reload, and the files."""

from __future__ import annotations

import base64
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from waiting import reads

ROOT = Path(__file__).resolve().parents[2]
SIZE_WH = (480, 320)

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("reloads")]

# Of all that the page reads as JSON, only the viewer's data have both.
KEEP_LAYERS = """
const parse = JSON.parse;
JSON.parse = (...given) => {
  const value = parse(...given);
  if (value?.masks && value.layers !== undefined) window.lastLayers = value.layers;
  return value;
};
"""


class Annotator:
    """Somebody who corrects masks. Places are px of the photo, which the page shows at its own size."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        page.add_init_script(KEEP_LAYERS)
        page.goto(address)
        self.reads("already done")
        page.wait_for_timeout(400)
        self.stage = page.get_by_role("application")
        self.undo = page.locator("[data-do=undo]")

    def _layers(self) -> str:
        """The layers that the viewer was given last."""
        return self.page.evaluate("window.lastLayers")

    def reads(self, pattern: str) -> None:
        reads(self.page, pattern)

    def finds(self, photo: Path) -> None:
        self.page.locator("#photo input[type=file]").set_input_files(str(photo))
        self.reads("Press Find masks")
        self.page.locator("#find").click()
        self.reads("masks? in ")
        self.page.wait_for_function("() => !document.querySelector('#find').disabled")
        # At the end of the run they are numbered anew, by size.
        self.waits_until(lambda: bool(self.listed()) and self.listed() == list(range(1, len(self.listed()) + 1)))
        self.waits_until(lambda: len(self.masks()) == len(self.listed()))

    def place(self, x: float, y: float) -> tuple[float, float]:
        box, at = self.stage.bounding_box(), self.stage.evaluate("stage => ({ ...stage.dataset })")
        scale = float(at["scale"]) * float(at["width"]) / SIZE_WH[0]
        return box["x"] + float(at["x"]) + x * scale, box["y"] + float(at["y"]) + y * scale

    def takes_up(self, tool: str) -> None:
        button = self.page.get_by_role("radio", name=tool)
        button.click()
        self.waits_until(lambda: button.get_attribute("aria-checked") == "true")

    def clicks(self, x: float, y: float, **how: Any) -> None:
        self.stage.click(position=self._in_stage(x, y), **how)

    def _in_stage(self, x: float, y: float) -> dict[str, float]:
        box, (px, py) = self.stage.bounding_box(), self.place(x, y)
        return {"x": px - box["x"], "y": py - box["y"]}

    def drags(self, *places: tuple[float, float], key: str = "") -> None:
        mouse = self.page.mouse
        mouse.move(*self.place(*places[0]))
        if key:
            self.page.keyboard.down(key)
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.place(*place), steps=4)
        mouse.up()
        if key:
            self.page.keyboard.up(key)

    def waits_for_suggestion(self) -> None:
        self.page.locator(".tool-bar[aria-busy=false] .candidate-score").wait_for()

    def presses(self, key: str) -> None:
        self.stage.focus()
        self.page.keyboard.press(key)

    @contextmanager
    def one_step(self, history: str) -> Iterator[None]:
        """What happens inside is one step of the history with this name, and its masks are there afterwards."""
        before = self._layers()
        yield
        self.page.wait_for_function(
            "(name) => document.querySelector('[data-do=undo]').title.includes(name)", arg=history
        )
        for _ in range(100):
            if self._layers() != before:
                break
            self.page.wait_for_timeout(50)
        self.page.wait_for_timeout(150)

    def undoes_and_redoes(self) -> None:
        """Taking the last step back shows what was there before; doing it again brings it back."""
        after = self.masks()
        self.page.keyboard.press("Control+z")
        self.waits_until(lambda: not same(self.masks(), after))
        self.page.keyboard.press("Control+Shift+z")
        self.waits_until(lambda: same(self.masks(), after))

    def waits_until(self, is_so: Callable[[], bool]) -> None:
        for _ in range(100):
            if is_so():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("what was waited for did not come")

    def listed(self) -> list[int]:
        ids = self.page.locator("#viewer .body .row").evaluate_all("rows => rows.map(row => Number(row.dataset.id))")
        return sorted(ids)

    def selected(self) -> list[int]:
        rows = self.page.locator("#viewer .body .row[aria-selected=true]")
        return sorted(rows.evaluate_all("rows => rows.map(row => Number(row.dataset.id))"))

    def selects(self, *ids: int) -> None:
        row = "#viewer .body .row[data-id='{}']"
        self.page.locator(row.format(ids[0])).click()
        for id_ in ids[1:]:
            self.page.locator(row.format(id_)).click(modifiers=["Control"])
        self.waits_until(lambda: self.selected() == sorted(ids))

    def masks(self) -> dict[int, np.ndarray]:
        """The masks that are listed, H×W bool by id, as the page draws them."""
        packed = base64.b64decode(self._layers())
        words = np.frombuffer(zlib.decompress(packed, wbits=-zlib.MAX_WBITS) if packed else b"", np.uint32)
        there, masks, at = set(self.listed()), {}, 0
        while at < len(words):
            id_, runs = int(words[at]), words[at + 2 : at + 2 + 2 * words[at + 1]].reshape(-1, 2)
            at += 2 + runs.size
            pixels = np.zeros(SIZE_WH[0] * SIZE_WH[1], bool)
            for start, length in zip(np.cumsum(runs[:, 0]), runs[:, 1], strict=True):
                pixels[start : start + length] = True
            if id_ in there:
                masks[id_] = pixels.reshape(SIZE_WH[::-1])
        return masks

    def saves(self, format: str, folder: Path) -> Path:
        self.page.get_by_role("button", name="Download").first.click()
        with self.page.expect_download() as download:
            self.page.get_by_role("menuitem", name=format).click()
            self.page.locator("[data-do=save]").click()
        target = folder / download.value.suggested_filename
        download.value.save_as(target)
        self.page.keyboard.press("Escape")
        return target


def counts_of(counts: str | bytes) -> bytes:
    return counts.encode() if isinstance(counts, str) else counts


def read_yolo(labels: Path) -> list[np.ndarray]:
    """The masks of a YOLO label file, H×W bool: each line's polygon filled, as Ultralytics fills it."""
    masks = []
    for line in labels.read_text().splitlines():
        corners = np.array(line.split()[1:], float).reshape(-1, 2) * SIZE_WH
        masks.append(cv2.fillPoly(np.zeros(SIZE_WH[::-1], np.uint8), [corners.astype(np.int32)], 1) > 0)
    return masks


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def outline_of(mask: np.ndarray) -> np.ndarray:
    """The pixels on either side of a mask's outline, H×W bool."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, cross) > 0


def same(some: dict[int, np.ndarray], others: dict[int, np.ndarray]) -> bool:
    return some.keys() == others.keys() and all(np.array_equal(some[id_], others[id_]) for id_ in some)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "twenty things.png"
    Image.linear_gradient("L").resize(SIZE_WH).convert("RGB").save(path)
    return path


@pytest.fixture
def annotator(new_page: Callable[..., Any], address: str, photo: Path) -> Annotator:
    person = Annotator(new_page(), address)
    person.finds(photo)
    return person


def is_within(mask: np.ndarray, place: slice) -> bool:
    """Whether all of a mask lies in these rows and columns."""
    return mask.sum() == mask[max(0, place.start) : place.stop, max(0, place.start) : place.stop].sum()


def two_apart(masks: dict[int, np.ndarray], but: set[int] = frozenset()) -> tuple[int, int]:
    """Ids of two masks that do not touch."""
    ids = [id_ for id_ in masks if id_ not in but and masks[id_].sum() > 100]
    for one in ids:
        grown = np.zeros_like(masks[one])
        rows, columns = np.nonzero(masks[one])
        grown[max(0, rows.min() - 3) : rows.max() + 4, max(0, columns.min() - 3) : columns.max() + 4] = True
        for other in ids:
            if not (masks[other] & grown).any():
                return one, other
    raise AssertionError("all masks touch each other")


def test_a_photo_is_corrected_completely(annotator: Annotator, tmp_path: Path) -> None:
    page = annotator.page
    assert len(annotator.listed()) >= 20
    found = annotator.masks()

    # Three new masks: a click, two clicks of which one cuts, a box.
    annotator.takes_up("Add a mask")
    annotator.clicks(100, 100)
    annotator.waits_for_suggestion()
    with annotator.one_step("add 1 mask"):
        annotator.presses("Enter")
    (first,) = annotator.selected()
    annotator.undoes_and_redoes()
    annotator.clicks(300, 60)
    annotator.clicks(305, 66, modifiers=["Alt"])
    annotator.waits_for_suggestion()
    with annotator.one_step("add 1 mask"):
        page.get_by_role("button", name="Take").click()
    (second,) = annotator.selected()
    annotator.undoes_and_redoes()
    annotator.drags((340, 200), (420, 280))
    annotator.waits_for_suggestion()
    with annotator.one_step("add 1 mask"):
        annotator.presses("Enter")
    (boxed,) = annotator.selected()
    annotator.undoes_and_redoes()
    masks = annotator.masks()
    places = (masks[first][100, 100], masks[second][48, 288], masks[boxed][240, 380], masks[second][66, 305])
    assert [bool(place) for place in places] == [True, True, True, False]
    assert len({first, second, boxed} - set(found)) == 3

    # Two corrections, each with a click on what is too much.
    for id_, (x, y), minus in ((boxed, (350, 210), {"modifiers": ["Alt"]}), (first, (104, 104), {"button": "right"})):
        annotator.selects(id_)
        annotator.takes_up("Correct the selected mask")
        annotator.clicks(x, y, **minus)
        annotator.waits_for_suggestion()
        with annotator.one_step("correct 1 mask"):
            annotator.presses("Enter")
        assert annotator.masks()[id_].sum() < masks[id_].sum()
        assert not annotator.masks()[id_][y, x]
        assert annotator.selected() == [id_]
        annotator.undoes_and_redoes()

    # Two merges, a split of what was merged from two pieces.
    annotator.takes_up("Select (V)")
    masks = annotator.masks()
    for _ in range(2):
        one, other = two_apart(annotator.masks(), {first, second, boxed})
        pixels = annotator.masks()[one] | annotator.masks()[other]
        annotator.selects(one, other)
        with annotator.one_step("merge 2 masks"):
            annotator.presses("m")
        (merged,) = annotator.selected()
        assert np.array_equal(annotator.masks()[merged], pixels)
        assert one not in annotator.listed()
        annotator.undoes_and_redoes()
    annotator.selects(merged)
    with annotator.one_step("split into"):
        page.get_by_role("button", name="Split into its pieces").click()
    pieces = annotator.selected()
    assert len(pieces) >= 2
    assert np.array_equal(np.any([annotator.masks()[id_] for id_ in pieces], axis=0), pixels)
    annotator.undoes_and_redoes()

    # A reload in the middle.
    before = annotator.masks()
    page.reload()
    annotator.reads("is back as you left it")
    annotator.waits_until(lambda: same(annotator.masks(), before))

    # One stroke of the brush, one cut with the lasso.
    annotator.selects(boxed)
    annotator.takes_up("Brush")
    with annotator.one_step("paint on 1 mask"):
        annotator.drags((440, 300), (460, 300))
    assert annotator.masks()[boxed][300, 450]
    annotator.undoes_and_redoes()
    annotator.takes_up("Lasso")
    with annotator.one_step("erase from 1 mask"):
        annotator.drags((370, 220), (400, 220), (400, 250), (370, 250), key="Alt")
    assert not annotator.masks()[boxed][235, 385]
    annotator.undoes_and_redoes()

    # What the page shows is what the files hold.
    shown = annotator.masks()
    page.get_by_role("radio", name=re.compile("^All")).click()
    data = json.loads(annotator.saves("COCO JSON (RLE)", tmp_path).read_text())
    assert len(data["annotations"]) == len(shown)
    written = {counts_of(annotation["segmentation"]["counts"]) for annotation in data["annotations"]}
    # What pycocotools itself makes of the pixels on the screen.
    assert written == {counts_of(coco.encode(np.asfortranarray(mask, np.uint8))["counts"]) for mask in shown.values()}
    with zipfile.ZipFile(annotator.saves("YOLO", tmp_path)) as archive:
        (name,) = [name for name in archive.namelist() if "labels" in name and name.endswith(".txt")]
        from_polygons = read_yolo(Path(archive.extract(name, tmp_path)))
    assert len(from_polygons) == len(shown)
    for mask in shown.values():
        drawn = max(from_polygons, key=lambda other: iou(mask, other))
        assert iou(mask, drawn) > 0.8
        # Polygons run along outlines, where a pixel may go; lines join pieces.
        if cv2.connectedComponents(mask.astype(np.uint8))[0] == 2:
            assert not ((mask ^ drawn) & ~outline_of(mask)).any()


def test_discarding_changes_nothing_and_clicks_are_taken_back_one_by_one(annotator: Annotator) -> None:
    before = annotator.masks()
    annotator.takes_up("Add a mask")
    annotator.clicks(200, 100)
    annotator.clicks(220, 100)
    annotator.waits_for_suggestion()
    annotator.page.keyboard.press("Control+z")
    annotator.waits_for_suggestion()
    annotator.presses("Tab")
    annotator.page.locator(".candidates output", has_text="2 / 3").wait_for()
    annotator.presses("Escape")
    annotator.page.get_by_text("Click a thing, or drag a box around it.").wait_for()
    annotator.presses("Escape")
    assert annotator.page.get_by_role("radio", name="Select (V)").get_attribute("aria-checked") == "true"
    assert same(annotator.masks(), before)


def test_the_cross_hair_clicks_without_a_mouse(annotator: Annotator) -> None:
    count = len(annotator.listed())
    annotator.presses("a")
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        annotator.presses(key)
    annotator.presses("Space")
    annotator.waits_for_suggestion()
    with annotator.one_step("add 1 mask"):
        annotator.presses("Enter")
    assert len(annotator.listed()) == count + 1


def test_keys_are_heard_after_a_button_that_goes(annotator: Annotator) -> None:
    page = annotator.page
    annotator.takes_up("Add a mask")
    for button in ("Take", "Discard"):
        annotator.clicks(100, 100)
        annotator.waits_for_suggestion()
        page.get_by_role("button", name=button).click()
    page.keyboard.press("b")
    annotator.waits_until(lambda: page.get_by_role("radio", name="Brush").get_attribute("aria-checked") == "true")


def test_view_keys_are_heard_after_a_tool_was_chosen_by_mouse(annotator: Annotator) -> None:
    def scale() -> float:
        return float(annotator.stage.get_attribute("data-scale"))

    fitted = scale()
    for leave in (lambda: None, lambda: annotator.page.get_by_role("button", name="Paint").click()):
        annotator.takes_up("Where to look")
        leave()
        annotator.page.keyboard.press("+")
        annotator.waits_until(lambda: scale() > fitted)
        annotator.page.keyboard.press("-")
        annotator.page.keyboard.press("f")
        annotator.waits_until(lambda: scale() == fitted)


def test_what_a_tool_has_in_hand_is_taken_back_before_masks_are(annotator: Annotator) -> None:
    page = annotator.page
    annotator.takes_up("Add a mask")
    annotator.clicks(100, 100)
    annotator.waits_for_suggestion()
    with annotator.one_step("add 1 mask"):
        annotator.presses("Enter")
    (added,) = annotator.selected()
    annotator.clicks(300, 200)
    annotator.waits_for_suggestion()
    annotator.presses("Delete")  # not of the mask that is selected
    page.get_by_text("Click a thing, or drag a box around it.").wait_for()
    annotator.takes_up("Lasso")
    annotator.clicks(50, 50)
    annotator.presses("Control+z")  # not of the mask that was added
    # The first click was taken back: four corners are left, and the outline crosses itself.
    for x, y in ((200, 50), (260, 110), (260, 50), (200, 110), (200, 50)):
        annotator.clicks(x, y)
    page.wait_for_function("() => document.querySelector('[data-do=undo]').title.includes('paint on 1 mask')")
    annotator.waits_until(lambda: annotator.masks()[added][80, 205] and annotator.masks()[added][80, 255])
    assert not annotator.masks()[added][55, 55]


def test_clicks_go_with_the_mask_that_they_refine(annotator: Annotator) -> None:
    page, (one, other) = annotator.page, two_apart(annotator.masks())
    annotator.selects(one)
    annotator.takes_up("Correct the selected mask")
    for next_mask in (other, None):
        annotator.clicks(240, 160)
        annotator.waits_for_suggestion()
        if next_mask is None:
            page.locator(".details [data-do=delete]").click()
        else:
            annotator.selects(next_mask)
        page.get_by_role("button", name="Take").wait_for(state="hidden")
    assert other not in annotator.listed()


def test_the_cross_hair_stays_where_it_is_seen_when_the_view_moves(annotator: Annotator) -> None:
    annotator.presses("a")
    for key in ("ArrowRight", "ArrowRight", "+", "+", "f"):
        annotator.presses(key)
        annotator.page.wait_for_timeout(50)
    box, before = annotator.stage.bounding_box(), annotator.place(0, 0)
    annotator.presses("Space")
    annotator.waits_for_suggestion()
    with annotator.one_step("add 1 mask"):
        annotator.presses("Enter")
    (id_,) = annotator.selected()
    # In the middle of the stage, and 16 px of the screen to the right of it.
    scale = (annotator.place(SIZE_WH[0], 0)[0] - before[0]) / SIZE_WH[0]
    x, y = (box["width"] / 2 + 16 - before[0] + box["x"]) / scale, (box["height"] / 2 - before[1] + box["y"]) / scale
    rows, columns = np.nonzero(annotator.masks()[id_])
    assert abs(columns.mean() + 0.5 - x) < 2
    assert abs(rows.mean() + 0.5 - y) < 2


def test_shift_and_drag_selects_what_lies_inside(annotator: Annotator) -> None:
    annotator.drags((1, 1), (200, 200), key="Shift")
    annotator.waits_until(lambda: bool(annotator.selected()))
    chosen, masks = set(annotator.selected()), annotator.masks()
    # The mouse moves by whole px of the screen.
    surely, maybe = ({id_ for id_ in masks if is_within(masks[id_], slice(3 - slack, 198 + slack))} for slack in (0, 5))
    assert surely
    assert surely <= chosen <= maybe


def test_each_pixel_goes_to_one_mask_at_most(annotator: Annotator) -> None:
    assert np.sum(list(annotator.masks().values()), axis=0).max() > 1
    with annotator.one_step("give each pixel"):
        annotator.page.get_by_role("button", name="One object a pixel").click()
        annotator.page.get_by_role("menuitem", name="Smallest mask").click()
    assert np.sum(list(annotator.masks().values()), axis=0).max() == 1
    annotator.undoes_and_redoes()


def test_the_next_run_looks_only_where_it_is_told(annotator: Annotator) -> None:
    page = annotator.page
    annotator.takes_up("Where to look")
    annotator.drags((20, 20), (240, 20), (240, 160), (20, 160))
    page.get_by_role("button", name="Clear").wait_for()
    page.wait_for_function("() => /\\d+ points/.test(document.querySelector('#forecast').innerText)")
    page.locator("#find").click()
    annotator.reads("masks? in ")
    page.wait_for_function("() => !document.querySelector('#find').disabled")
    points = page.locator("#viewer .body .row").count()
    assert points


def test_the_next_run_looks_where_it_is_painted(annotator: Annotator) -> None:
    page = annotator.page
    forecast = page.locator("#forecast")

    def points() -> int:
        found = re.search(r"([\d,]+) points", forecast.inner_text())
        return int(found.group(1).replace(",", "")) if found else 0

    def becomes(is_so: Callable[[int], bool]) -> int:
        annotator.waits_until(lambda: is_so(points()))
        return points()

    whole = points()
    annotator.takes_up("Where to look")
    assert not page.get_by_role("button", name="Cut out").is_visible()  # of nothing
    page.get_by_role("button", name="Paint").click()
    for _ in range(8):
        page.keyboard.press("]")
    annotator.drags((60, 80), (240, 80))
    painted = becomes(lambda count: 0 < count < whole / 2)
    annotator.drags((150, 80), (160, 80), key="Alt")
    cut = becomes(lambda count: 0 < count < painted)
    assert (
        page.get_by_role("toolbar", name="Options of the tool").bounding_box()["height"] == 40
    )  # one line, with all there is
    page.get_by_role("button", name="Cut out").click()
    annotator.drags((220, 80), (230, 80))
    left = becomes(lambda count: 0 < count < cut)
    page.get_by_role("button", name="Outside").click()
    becomes(lambda count: count == whole - left)
    # Pieces are taken back one by one, and so is clearing.
    page.keyboard.press("Control+z")
    becomes(lambda count: count == whole - cut)
    page.keyboard.press("Control+Shift+z")
    becomes(lambda count: count == whole - left)
    page.get_by_role("button", name="Clear").click()
    becomes(lambda count: count == whole)
    annotator.reads("looks everywhere")
    page.keyboard.press("Control+z")
    becomes(lambda count: count == whole - left)
    # Where all of it is cut out again, nothing of it stays.
    page.get_by_role("button", name="Outline", exact=True).click()
    page.get_by_role("button", name="Cut out").click()
    annotator.drags((5, 5), (475, 5), (475, 315), (5, 315))
    becomes(lambda count: count == whole)
    annotator.reads("Nothing is left of what you drew")


def test_merging_different_labels_asks_once_which_one_stays(annotator: Annotator) -> None:
    page = annotator.page
    one, other = two_apart(annotator.masks())
    for id_, label in ((one, "car"), (other, "dog")):
        annotator.selects(id_)
        page.keyboard.press("l")
        page.keyboard.type(label)
        page.keyboard.press("Enter")
    annotator.selects(one, other)
    annotator.presses("m")
    with annotator.one_step("merge 2 masks"):
        page.get_by_role("menuitem", name="dog").click()
    (merged,) = annotator.selected()
    assert "dog" in page.locator(f"#viewer .body .row[data-id='{merged}']").inner_text()
