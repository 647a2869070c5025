"""Three ways through the program: which modules a reader has to open to follow an upload, a slider and a label.

A journey is run as the page runs it, from the listener that Gradio calls; every function that is called on the way is
noted, on every thread. A module counts where it does something. These do not, since nobody has to open them to follow:

- what only says what an object is: properties and methods such as ``__init__`` and ``__len__``;
- plain data and its arithmetic: masks, options, the engine's interface, a cache (``DATA``);
- words, errors and limits (``WORDS``);
- how the bytes of one picture format or another become pixels, behind ``load_image`` (``DECODERS``);
- the engine: how masks are found is a way of its own, and a fake stands for it here.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

import automask_ui
from automask_ui.serving.service import Service
from automask_ui.ui.controls import Controls, preset_values
from automask_ui.ui.handlers import Changes, Handlers
from automask_ui.ui.listener import listener, outputs_of
from automask_ui.ui.parts import Parts

PACKAGE = Path(automask_ui.__file__).parent
README = PACKAGE.parent / "README.md"

DATA = {"cache.py", "options.py", "protocol.py", "masks/collection.py", "masks/rle.py"}
WORDS = {"errors.py", "limits.py", "ui/errors.py", "ui/text", "ui/components/status_line"}
DECODERS = {
    f"files/{name}.py" for name in ("bit_depth", "colour_spaces", "high_bit_depth", "file_kinds", "pillow_images")
} | {
    "files/raster.py",
    "files/tiff",
}
LEFT_OUT = DATA | WORDS | DECODERS | {"engine"}

UPLOAD = """
    ui/listener.py
    ui/handlers/opening.py
    project/projects.py
    files/upload_checks.py
    session/store.py
    files/images.py
    session/session.py
    ui/handlers/screens.py
    ui/components/viewer/display.py
    session/edits.py
    session/editor.py
    project/recent.py
"""
SLIDER = """
    ui/listener.py
    ui/handlers/settings.py
    session/store.py
    serving/runs.py
    ui/controls.py
    session/session.py
    session/edits.py
    session/run.py
    session/editor.py
    ui/handlers/screens.py
    ui/components/viewer/display.py
    project/projects.py
"""
LABEL = """
    ui/listener.py
    ui/handlers/masks.py
    session/store.py
    ui/edit_requests.py
    session/step_fields.py
    session/editor.py
    session/class_names.py
    session/edits.py
    session/history.py
    ui/components/viewer/display.py
    ui/handlers/screens.py
    project/projects.py
"""

ANN: Any = SimpleNamespace(session_hash="ann", headers={})
CONTROLS = Controls("fake", "custom", {**preset_values("balanced", {}), "points_per_side": 6, "pred_iou_thresh": 0.8})
STRICTER = Controls("fake", "custom", {**CONTROLS.values, "pred_iou_thresh": 0.9})


@cache
def doing(file: str) -> frozenset[int]:
    """First lines of a module's functions that do something."""
    lines = set()
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            only_says = node.name.startswith("__") or {"property", "cached_property"} & set(decorators)
            if not only_says:
                lines.add(min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]))
    return frozenset(lines)


def modules_of(journey: Callable[[], object]) -> list[str]:
    """The package's modules that do something in ``journey``, in the order in which it comes to them."""
    called: dict[tuple[str, int], None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.setdefault((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        journey()
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    found: dict[str, None] = {}
    for file, line in called:
        if Path(file).is_relative_to(PACKAGE) and line in doing(file):
            name = Path(file).relative_to(PACKAGE).as_posix()
            if not LEFT_OUT & {name, *(parent.as_posix() for parent in Path(name).parents)}:
                found[name] = None
    return list(found)


@pytest.fixture
def handlers(service: Service) -> Handlers:
    return Handlers(service)


@pytest.fixture
def ask(handlers: Handlers, parts: Parts) -> Callable[..., Any]:
    """Call a handler as Gradio does, to its last answer."""

    def call(handler: Callable[..., Any], value: Any = None, payload: Any = None, outputs: Any = None) -> Any:
        given = [ANN] if value is None else [value, ANN]
        if payload is not None:
            given.append(SimpleNamespace(_data=payload))
        answer = listener(handler, parts, parts.arrival if outputs is None else outputs)(*given)
        return answer if isinstance(answer, dict) else list(answer)

    return call


@pytest.fixture
def found(handlers: Handlers, parts: Parts, ask: Callable[..., Any], photo: str) -> Callable[..., Any]:
    """The same, after masks were found."""
    ask(handlers.opening.open_photo, photo)
    ask(handlers.runs.begin)
    ask(handlers.runs.find, values_of(parts, CONTROLS))
    ask(handlers.runs.end)
    return ask


def values_of(parts: Parts, controls: Controls) -> dict[Any, Any]:
    show = {"smallest": 0, "largest": 0, "unit": "px", "covering": 100}
    return outputs_of(Changes(controls=Controls(controls.model, controls.preset, controls.values, "", show)), parts)


def test_an_upload(handlers: Handlers, ask: Callable[..., Any], photo: str) -> None:
    assert modules_of(lambda: ask(handlers.opening.open_photo, photo)) == UPLOAD.split()


def test_a_slider(handlers: Handlers, parts: Parts, found: Callable[..., Any]) -> None:
    values = values_of(parts, STRICTER)

    def move() -> None:
        assert found(handlers.settings.refilter_at_once, values, outputs=[*parts.screen, parts.unfinished])
        found(handlers.settings.settle, values, outputs=parts.settings)

    assert modules_of(move) == SLIDER.split()


def test_a_label(handlers: Handlers, parts: Parts, found: Callable[..., Any]) -> None:
    session = handlers.service.store.current("ann")
    steps = [{"do": "label", "ids": list(session.current_masks().ids[:2]), "label": "cat"}]
    payload = {"session": session.id, "ticket": 1, "steps": steps}
    assert modules_of(lambda: found(handlers.masks.edit, payload=payload, outputs=[parts.viewer])) == LABEL.split()
    assert session.edits.classes == ("cat",)


@pytest.mark.parametrize("name", ["UPLOAD", "SLIDER", "LABEL"])
def test_the_readme_shows_the_way(name: str) -> None:
    told = README.read_text(encoding="utf-8")
    assert [module for module in globals()[name].split() if f"`{module}`" not in told] == []


@pytest.mark.parametrize("name", ["UPLOAD", "SLIDER", "LABEL"])
def test_no_way_is_long(name: str) -> None:
    assert len(globals()[name].split()) <= 12
