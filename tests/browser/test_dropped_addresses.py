"""Pictures and links that are dragged over from another tab, with what Chromium itself puts into such a drag."""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image
from test_page import CHUNK_SECONDS, PAGE, Person

pytestmark = pytest.mark.browser


def _png(width: int, height: int, mode: str = "L") -> bytes:
    with io.BytesIO() as file:
        picture = Image.effect_noise((width, height), 90) if mode == "noise" else Image.new("L", (width, height), 90)
        picture.save(file, "PNG")
        return file.getvalue()


PICTURE = _png(333, 211)
LONG = "data:image/png;base64," + base64.b64encode(_png(900, 800, "noise")).decode()

# By its id, what stands on the page of the other site; "@" is that site, "#" a second one, which lets nobody read it.
DRAGGED = {
    "picture": '<img src="@/a%20cat.png">',
    "of-a-strict-site": '<img src="#/a.png">',
    "in-a-link": '<a href="@/page"><img src="@/linked.png" alt="a cat"></a>',
    "in-sizes": '<img src="@/small.png" srcset="@/large.png 1x, @/large.png 2x">',
    "link-to-a-page": '<a href="@/page">a page</a>',
    "link-to-a-picture": '<a href="@/direct.png">a picture</a>',
    "of-unknown-type": '<a href="@/download">a picture</a>',
    "with-a-percent": '<a href="@/100%25%E0%A4%A.png">a picture</a>',
    "gone": '<a href="@/gone.png">gone</a>',
    "a-pdf": '<a href="@/paper.pdf">a paper</a>',
    "data": f'<img src="data:image/png;base64,{base64.b64encode(PICTURE).decode()}">',
    "long-data": f'<img src="{LONG}">',
    "data-page": '<a href="data:text/html,<p>hi">a page</a>',
    "blob": '<img class="blob">',
    "ftp": '<a href="ftp://example.invalid/a.png">ftp</a>',
    "file": '<a href="file:///etc/hostname">a file</a>',
    "long-link": f'<a href="@/long.png?{"q" * 20_000}">long</a>',
    "text": "<p>@/text.png</p>",
    "words": "<p>just words</p>",
}
_SCRIPT = """<script>
  fetch("/blob.png").then((answer) => answer.blob()).then((blob) => {
    const image = document.querySelector("img.blob");
    if (image) image.src = URL.createObjectURL(blob);
  });
</script>"""
_FILES = {
    "/download": ("application/octet-stream", PICTURE),
    "/page": ("text/html", b"<p>A page"),
    "/paper.pdf": ("application/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"),
}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A site that lets any page read it."""
    strict = ThreadingHTTPServer(("127.0.0.1", 0), _handler(allows=False))
    strict_address = f"http://127.0.0.1:{strict.server_address[1]}"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(allows=True, strict=strict_address))
    for one in (strict, server):
        threading.Thread(target=one.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    for one in (strict, server):
        one.shutdown()
        one.server_close()


def _handler(*, allows: bool, strict: str = "") -> type[BaseHTTPRequestHandler]:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            shown = DRAGGED.get(path[1:])
            if shown is not None:
                html = shown.replace("#", strict).replace("@", f"http://{self.headers['Host']}")
                kind, content = (
                    "text/html",
                    f"<style>img {{ width: 60px; height: 60px }}</style>{html}{_SCRIPT}".encode(),
                )
            else:
                kind, content = _FILES.get(path, ("image/png", PICTURE))
            self.send_response(404 if path == "/gone.png" else 200)
            if allows:
                self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Site


def drag_from(page: Any) -> dict[str, Any]:
    """What Chromium puts into a drag of the first thing on the page."""
    devtools, begun = page.context.new_cdp_session(page), []
    devtools.once("Input.dragIntercepted", lambda event: begun.append(event["data"]))
    devtools.send("Input.setInterceptDrags", {"enabled": True})
    if page.locator("p").count():
        page.evaluate("() => getSelection().selectAllChildren(document.querySelector('p'))")
    box = page.locator("img, a, p").last.bounding_box()
    x, y = box["x"] + 8, box["y"] + 8

    def mouse(kind: str, step: int, buttons: int) -> None:
        button = "left" if buttons else "none"
        place = {"x": x + 4 * step, "y": y + 3 * step}
        count = int(kind == "mousePressed")
        devtools.send(
            "Input.dispatchMouseEvent",
            {"type": kind, **place, "button": button, "buttons": buttons, "clickCount": count},
        )

    mouse("mouseMoved", 0, 0)
    mouse("mousePressed", 0, 1)
    for step in range(1, 60):
        if not begun:
            mouse("mouseMoved", step % 8, 1)
            page.wait_for_timeout(50)
    assert begun, "the browser began no drag"
    return dict(begun[0])


_WATCH = """() => {
  window.wasTaken = false;
  DragEvent.prototype.preventDefault = function () {
    if (this.type === "drop") window.wasTaken = true;
    Event.prototype.preventDefault.call(this);
  };
}"""


def drop(page: Any, data: dict[str, Any], selector: str) -> None:
    """End that drag over ``selector``."""
    page.bring_to_front()
    page.evaluate(_WATCH)
    box = page.locator(selector).bounding_box()
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


# What the status line says then, or the line below the field for photos.
EXPECTED = {
    "picture": r"^a cat\.png, 333 × 211 px",
    "of-a-strict-site": "does not let this page read it",
    "in-a-link": r"^linked\.png, 333 × 211 px",
    "in-sizes": r"^large\.png, 333 × 211 px",
    "link-to-a-page": "the address of a page, not of a picture",
    "link-to-a-picture": r"^direct\.png, 333 × 211 px",
    "of-unknown-type": r"^download, 333 × 211 px",
    "with-a-percent": r"^100%25%E0%A4%A\.png, 333 × 211 px",
    "gone": "does not let this page read it, has none there",
    "a-pdf": r"PDF",
    "data": r"^picture\.png, 333 × 211 px",
    "long-data": r"^picture\.png, 900 × 800 px",
    "data-page": "the address of a page, not of a picture",
    "blob": "does not let this page read it",
    "ftp": "does not let this page read it",
    "file": "does not let this page read it",
    "long-link": r"^long\.png, 333 × 211 px",
    "text": r"^text\.png, 333 × 211 px",
}


def test_what_another_tab_has(
    new_page: Callable[..., Any], start_app: Callable[..., str], site: str, expected: list[str]
) -> None:
    expected += ["Failed to load resource", "blocked by CORS policy", "external: ftp:", "not supported"]
    address = start_app(PAGE, CHUNK_SECONDS)
    person = Person(new_page(), address)
    said = person.page.locator("#dropped")
    for place, (dragged, found) in enumerate(EXPECTED.items()):
        other = person.page.context.new_page()
        other.goto(f"{site}/{dragged}", wait_until="networkidle")
        # In the field for photos, and anywhere else.
        drop(person.page, drag_from(other), "#viewer" if place % 2 else "#photo")
        if found.startswith("^"):
            person.reads(found)
            assert not said.is_visible()
        elif dragged == "a-pdf":  # its content says what it is
            person.page.get_by_text(re.compile("PDF")).first.wait_for()
        else:
            said.get_by_text(found).wait_for()
        # Else the browser would leave the page for the address.
        assert person.page.evaluate("() => window.wasTaken"), dragged
        other.close()
    # Words are no address, and what begins on this page is not for it.
    for dragged, begins_here in (("words", False), ("picture", True)):
        other = person.page.context.new_page()
        other.goto(f"{site}/{dragged}")
        data = drag_from(other)
        if begins_here:
            person.page.evaluate("() => document.body.dispatchEvent(new DragEvent('dragstart', { bubbles: true }))")
        drop(person.page, data, "#viewer")
        assert not person.page.evaluate("() => window.wasTaken"), dragged
    assert person.page.url == address
