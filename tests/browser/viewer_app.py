"""A page with nothing but the viewer, on masks drawn by numbers: ``python tests/browser/viewer_app.py PORT``.

The masks are known in closed form, so a test can say which pixel belongs to which mask. Buttons above the viewer
change what it shows; boxes below repeat what it sent, one for each kind of event, since one event can follow another
before a test has read the first.
"""

from __future__ import annotations

import colorsys
import functools
import itertools
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import gradio as gr
import numpy as np
from gradio.data_classes import FileData
from PIL import Image

from automask_ui.files.images import LoadedImage
from automask_ui.masks import rle
from automask_ui.session import Session
from automask_ui.ui.components.viewer import DownloadFormat, MaskViewer, ViewerData, ViewerMask, viewer_note
from automask_ui.ui.components.viewer.display import (
    display_image,
    display_runs,
    display_size,
    pack_layer,
    pack_layers,
    viewer_edits,
)
from automask_ui.ui.edit_requests import take_steps

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(tempfile.mkdtemp(prefix="viewer-app-"))
XSS_NAME = "<img src=x onerror=\"document.title='broken'\">.png"
LONG_NAME = "a_rather_long_file_name_" * 8 + "from_the_holidays.jpg"
EVENTS = ("edit", "prepare", "save", "why", "pick_classes", "resume", "open_sample", "predict", "look_at")
EMPTY = "0 of 3,072 candidates pass; most fall to the stability score 0.95. Lower it?"
FORMATS: list[DownloadFormat] = [
    {
        "id": "png",
        "label": {"en": "PNG masks", "ko": "PNG 마스크"},
        "hint": {"en": "ZIP with metadata.csv, full size", "ko": "metadata.csv 포함 ZIP, 원본 크기"},
        "purpose": {"en": "For scripts", "ko": "스크립트용"},
    },
    {
        "id": "coco",
        "label": "COCO JSON",
        "hint": {"en": "RLE, opens in pycocotools", "ko": "RLE, pycocotools에서 열림"},
        "purpose": {"en": "To train on", "ko": "학습용"},
    },
    {
        "id": "overlay",
        "label": {"en": "Overlay", "ko": "오버레이"},
        "hint": {"en": "PNG of the photo with masks", "ko": "마스크를 그린 사진 PNG"},
        "purpose": {"en": "To look at", "ko": "보기"},
    },
    {
        "id": "csv",
        "label": {"en": "Table", "ko": "표"},
        "hint": {"en": "CSV, one row a mask", "ko": "CSV, 마스크마다 한 줄"},
        "purpose": {"en": "To measure", "ko": "측정"},
    },
]


def photo(size_hw: tuple[int, int]) -> np.ndarray:
    """The coffee sample at any size: a real photo, since masks must be judged on one."""
    image = Image.open(ROOT / "assets" / "samples" / "coffee.jpg").convert("RGB")
    return np.asarray(image.resize((size_hw[1], size_hw[0]), Image.Resampling.LANCZOS))


def ellipse(size_hw: tuple[int, int], centre: tuple[float, float], axes: tuple[float, float], waves: float) -> rle.Rle:
    """A wavy ellipse; centre and axes in px. Drawn in its own window: whole frames of 600 masks would fill memory."""
    reach = max(axes) * (1 + waves)
    left, top = (max(0, int(middle - reach)) for middle in centre)
    right, bottom = int(min(size_hw[1], centre[0] + reach + 1)), int(min(size_hw[0], centre[1] + reach + 1))
    y, x = np.ogrid[top:bottom, left:right]
    u, v = (x - centre[0]) / axes[0], (y - centre[1]) / axes[1]
    inside = u * u + v * v <= 1 + waves * np.sin(5 * np.arctan2(v, u))
    return rle.encode_window(inside, (left, top), size_hw)


def nested(size_hw: tuple[int, int]) -> list[rle.Rle]:
    """Three discs around the middle, one inside the other: numbers 1 (largest) to 3."""
    height, width = size_hw
    radii = (0.4, 0.25, 0.1)
    return [ellipse(size_hw, (width / 2, height / 2), (r * height, r * height), 0.0) for r in radii]


def scattered(size_hw: tuple[int, int], count: int) -> list[rle.Rle]:
    """``count`` wavy blobs, largest first."""
    random = np.random.default_rng(3)
    height, width = size_hw
    base = np.sqrt(height * width / count)
    masks = []
    for _ in range(count):
        axes = base * random.uniform(0.2, 0.8, 2) * random.choice([1, 1, 2.2])
        centre = (random.uniform(0, width), random.uniform(0, height))
        masks.append(ellipse(size_hw, centre, (axes[0], axes[1]), random.uniform(0, 0.4)))
    return sorted(masks, key=rle.area, reverse=True)


def row(number: int, encoded: rle.Rle) -> ViewerMask:
    """A table row with made-up scores that fall in no simple order."""
    red, green, blue = colorsys.hls_to_rgb(number * 0.61803 % 1, 0.55, 0.8)
    box = list(rle.bbox_xywh(encoded))
    return {
        "id": number,
        "colour": f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}",
        "area": rle.area(encoded),
        "bbox": box,
        "iou": round(0.88 + 0.12 * float(np.sin(number * 7)) ** 2, 4),
        "stability": round(0.92 + 0.08 * float(np.cos(number * 3)) ** 2, 4),
        "point": [box[0] + box[2] / 2, box[1] + box[3] / 2],
        "crop": [0, 0, encoded["size"][1], encoded["size"][0]],
        "origin": "found",
    }


class Book(Session):
    """The edits of one session, whose ids all belong to masks."""

    def __init__(self, id_: str) -> None:
        super().__init__(LoadedImage(np.zeros((1, 1, 3), np.uint8), "", ()), "")
        self.id = id_
        self.editor.ids.new(2000)


class Scene:
    """One photo with its masks, as the viewer takes them."""

    def __init__(self, masks: Sequence[rle.Rle], size_hw: tuple[int, int], name: str = "coffee.jpg") -> None:
        self.size_hw, self.name, self.session = size_hw, name, uuid.uuid4().hex
        self.display_hw = display_size(size_hw)
        self.rows = [row(i + 1, mask) for i, mask in enumerate(masks)]
        self.layers = [pack_layer(i + 1, display_runs(mask, self.display_hw)) for i, mask in enumerate(masks)]
        self.image = save("photo.webp", display_image(photo(size_hw), self.display_hw))

    def value(self, count: int | None = None, **changes: object) -> ViewerData:
        """The first ``count`` masks (None: all) as the viewer's value."""
        data = {
            "session": self.session,
            "name": self.name,
            "image": self.image,
            "layers": pack_layers(self.layers[:count]),
            "width": self.size_hw[1],
            "height": self.size_hw[0],
            "display_width": self.display_hw[1],
            "display_height": self.display_hw[0],
            "masks": self.rows[:count],
        }
        return ViewerData(**{**data, **changes})


def save(name: str, data: bytes) -> FileData:
    """``data`` as a new file of this name."""
    folder = FOLDER / uuid.uuid4().hex
    folder.mkdir()
    (folder / name).write_bytes(data)
    return FileData(path=str(folder / name))


def small(count: int, name: str = "coffee.jpg") -> Scene:
    """Masks on a 1200×800 photo."""
    size_hw = (800, 1200)
    return Scene(nested(size_hw) if count == 3 else scattered(size_hw, count), size_hw, name)


@functools.cache
def large() -> Scene:
    """600 masks on a 12-megapixel photo."""
    return Scene(scattered((3000, 4000), 600), (3000, 4000), "twelve_megapixels.jpg")


def stream() -> Iterator[ViewerData]:
    """60 masks in twelve steps, as a run sends them."""
    scene = small(60)
    yield scene.value(0)
    for count in range(5, 61, 5):
        time.sleep(0.3)
        yield scene.value(count)


def no_masks() -> ViewerData:
    """A finished run that kept nothing."""
    return small(3).value(0, layers="", empty=EMPTY)


def grid() -> ViewerData:
    """The photo with a point grid's preview."""
    places = [(i + 0.5) / 16 for i in range(16)]
    return small(3).value(0, layers="", points=[[x, y] for y, x in itertools.product(places, places)])


def repeat(event: gr.EventData) -> str:
    """The payload of any event, as JSON."""
    return json.dumps(event._data)


BOOKS: dict[str, Book] = {}


def edited(event: gr.EventData) -> tuple[str, dict]:
    """Repeats edits and takes them, as the page does."""
    data = event._data or {}
    book = BOOKS.setdefault(data["session"], Book(data["session"]))
    told, _, refused, notes = take_steps(book, data["steps"])
    said = {"way": told[0], **asdict(told[1])} if told else None
    answers = {"answers": data["ticket"], "told": said, "error": str(refused or ""), "note": " ".join(notes)}
    return json.dumps(data), gr.update(edits={**viewer_edits(book), **answers})


def proved(event: gr.EventData) -> tuple[str, dict]:
    """Repeats what is to be downloaded and says that "csv" changes the first mask."""
    data = event._data or {}
    exact = data["format"] != "csv"
    masks = [] if exact else [{"id": number, "iou": "0.998"} for number in data["ids"][:2]]
    proof = {"sentence": f"{len(data['ids'])} masks.", "more": ["Read back."], "file": "a.zip", "size": "1 kB"}
    proof |= {"ticket": data["ticket"], "error": False, "exact": exact, "masks": masks, "count": len(masks)}
    return json.dumps(data), gr.update(proof=proof)


def answer(event: gr.EventData) -> tuple[str, dict]:
    """Repeats a click on nothing and answers it at its place."""
    data = event._data or {}
    return json.dumps(data), gr.update(note=viewer_note("No candidate passes here.", data["x"], data["y"]))


def build() -> gr.Blocks:
    """The page."""
    views = {
        "Three": lambda: small(3).value(),
        "Sixty": lambda: small(60).value(),
        "Many": lambda: large().value(),
        "Script name": lambda: small(3, XSS_NAME).value(),
        "Long name": lambda: small(3, LONG_NAME).value(),
        "Partial": lambda: small(60).value(20, partial=True),
        "Nothing found": no_masks,
        "Grid": grid,
        "Photo": lambda: small(3).value(0, layers=""),
        "Said later": lambda: small(3).value(said_at=2.0),
        "Said before": lambda: small(60).value(said_at=1.0),
        "Said last": lambda: small(3).value(said_at=3.0),
        "None": lambda: None,
        "Stream": stream,
    }
    with gr.Blocks(title="Viewer", fill_width=True) as page:
        with gr.Row(elem_id="views"):
            buttons = {name: gr.Button(name, size="sm", min_width=60) for name in views}
        viewer = MaskViewer(formats=FORMATS, offer_sample=True, elem_id="viewer")
        with gr.Row():
            sent = {name: gr.Textbox(label=name, elem_id=f"sent-{name}", min_width=80) for name in EVENTS}
        for name, make in views.items():
            buttons[name].click(make, None, viewer, show_progress="hidden")
        for name in ("save", "pick_classes", "resume", "open_sample", "predict", "look_at"):
            getattr(viewer, name)(repeat, None, sent[name], show_progress="hidden")
        viewer.edit(edited, None, [sent["edit"], viewer], show_progress="hidden", trigger_mode="multiple")
        viewer.prepare(proved, None, [sent["prepare"], viewer], show_progress="hidden", trigger_mode="multiple")
        viewer.why(answer, None, [sent["why"], viewer], show_progress="hidden")
    return page


STYLE = "#viewer { --viewer-height: calc(100dvh - 200px); } .gradio-container { padding: 8px !important; }"

if __name__ == "__main__":
    theme = gr.themes.Default(
        primary_hue="blue", neutral_hue="zinc", font=["Noto Sans CJK KR", "system-ui", "sans-serif"]
    )
    port = int(sys.argv[1])
    build().launch(server_port=port, quiet=True, css=STYLE, theme=theme, enable_monitoring=False, footer_links=[])
