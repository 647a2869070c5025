"""The picture with its mask table: one component, drawn in the browser from plain data.

Everything a person does to look (hover, select, zoom, sort, filter) stays in the browser; Python hears of a run only
through the events ``adjust``, ``edit``, ``look_at``, ``pick_classes``, ``predict``, ``prepare``, ``save``, ``resume``,
``why`` and ``open_sample``. The templates are constant and rows are built from text nodes, so no file name or label
can become markup.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradio.data_classes import FileData, GradioModel
from pydantic import Field

# Pydantic refuses typing's own TypedDict before Python 3.12.
from typing_extensions import TypedDict

from automask_ui.masks.overlay import NO_CLASS_COLOUR, PALETTE
from automask_ui.ui.components.bundle import bundle
from automask_ui.ui.components.output import OutputComponent
from automask_ui.ui.components.viewer.texts import VIEWER_TEXTS

__all__ = [
    "VIEWER_TEXTS",
    "DownloadFormat",
    "MaskViewer",
    "ViewerAction",
    "ViewerAnswer",
    "ViewerCandidate",
    "ViewerData",
    "ViewerEdits",
    "ViewerMask",
    "ViewerPrediction",
    "ViewerSuggestion",
    "viewer_note",
]

HERE = Path(__file__).parent

# Read once: Gradio builds a component anew with every update of a prop.
SCRIPT = bundle(HERE / "js" / "main.js", "createViewer({ element, props, trigger, watch });")
# Of rules that are equally strong the later one counts.
_STYLES = ("base", "picture", "table", "labels", "details", "download", "narrow")
STYLE = "\n".join((HERE / "css" / f"{name}.css").read_text(encoding="utf-8") for name in _STYLES)


class ViewerMask(TypedDict):
    """One row. Plain numbers only: NumPy scalars would arrive in the browser as text."""

    id: int  # stable within a run; gaps are allowed
    colour: str  # "#rrggbb", from the mask's content
    area: int  # px of the original
    bbox: list[int]  # left, top, width, height; px of the original
    iou: float | None  # predicted IoU; None: no model has scored it
    stability: float | None  # None: not measured
    point: list[float] | None  # x, y; px of the original; None: the mask comes from no point of a grid
    crop: list[int]  # left, top, width, height; px of the original
    origin: str  # as in automask_ui.session.edits.Origin: "found", or how a person has made it


class ViewerSuggestion(TypedDict):
    """A setting that would help, as a button (event ``adjust``)."""

    label: str
    option: str  # a slider's, in PARAMETERS
    value: float


class ViewerAction(TypedDict):
    """A step that can be taken back or done again."""

    kind: str  # as in automask_ui.session.history.Action
    count: int
    label: str


class ViewerEdits(TypedDict):
    """What was done to the masks. Of two, the browser believes the one with the higher version."""

    session: str  # its id
    version: int
    renumbered: list[list[int]]  # old and new id of masks that have another one since the first run ended; 0: gone
    classes: list[str]
    class_lines: list[str]  # the same to be read and changed, with their numbers if they have any
    labels: list[list[int]]  # number of a mask, place in ``classes``
    hidden: list[int]
    deleted: list[int]
    undo: ViewerAction | None
    redo: ViewerAction | None


class ViewerAnswer(ViewerEdits):
    """The prop ``edits``: what came of a parcel of steps (event ``edit``)."""

    answers: Any  # the parcel's ticket
    told: dict[str, Any] | None  # a ViewerAction with its "way", "undone" or "redone"; None where nothing was
    error: str  # why a step was not done, in the visitor's words; "" where all were
    made: list[list[int]]  # of each step, ids of the masks that it made or changed
    note: str  # what was understood of a class list, or left out, in the visitor's words
    redraws: bool  # pixels have changed: the masks come along as a new value


class ViewerCandidate(TypedDict):
    """A mask that the model proposes for clicks."""

    score: float  # predicted IoU
    stability: float
    area: int  # px of the original


class ViewerPrediction(TypedDict):
    """The prop ``prediction``: what the model makes of clicks and a box (event ``predict``)."""

    session: str  # its id
    ticket: str  # as the event has it
    error: str  # why there is none, in the visitor's words
    layers: str  # from pack_layers, with the numbers 1, 2, 3 in the candidates' order
    candidates: list[ViewerCandidate]  # none where there is an error


class ViewerData(GradioModel):
    """All that the viewer shows. A new ``session`` is a new picture; the same one with more masks keeps what is set."""

    session: str = ""  # its id
    name: str = ""  # the photo's file name
    image: FileData | None = None  # from display_image
    layers: str = ""  # from pack_layers
    width: int = 0  # of the original, px
    height: int = 0
    display_width: int = 0
    display_height: int = 0
    masks: list[ViewerMask] = Field(default_factory=list)  # deleted ones are among them
    edits: ViewerEdits | None = None
    partial: bool = False  # the run was stopped: says so and offers to continue
    empty: str = ""  # shown over the picture when a finished run has no mask
    suggestion: ViewerSuggestion | None = None  # what would help then
    found_with: str = ""  # the model and the preset of the masks, in words
    points: list[list[float]] = Field(default_factory=list)  # preview of a point grid, x and y in 0 to 1
    said_at: float = 0.0  # s since 1970, before anything was looked at; what arrives after something later is not shown


class _Sent(GradioModel):
    """ViewerData on its way to the browser: all but the photo as JSON in one text.

    Gradio's page makes every list and every object in a value reactive, and copies and compares all of them with each
    event: with 200 masks that took longer than to draw them.
    """

    image: FileData | None
    rest: str


class DownloadFormat(TypedDict):
    """One line of the download menu; texts by language code, or one text for all."""

    id: str
    label: str | dict[str, str]
    hint: str | dict[str, str]
    purpose: str | dict[str, str]  # the title of its group; formats of one group stand together


def viewer_note(
    text: str, x: float, y: float, suggestion: ViewerSuggestion | None = None, *, keeps: bool = False
) -> dict[str, Any]:
    """A sentence to show at a place (original px): the ``note`` prop, as in ``gr.update(note=viewer_note(...))``.

    Args:
        keeps: offers to keep the mask that a rule has dropped there (the step ``keep`` of an edit).
    """
    # The key makes the same sentence at the same place count as news.
    return {
        "text": text,
        "x": float(x),
        "y": float(y),
        "suggestion": suggestion,
        "keeps": keeps,
        "key": uuid.uuid4().hex,
    }


class MaskViewer(OutputComponent):
    """Photo, masks and table in one component."""

    data_model = _Sent

    def __init__(
        self,
        texts: Mapping[str, Mapping[str, str]] = VIEWER_TEXTS,
        *,
        formats: Sequence[DownloadFormat] = (),
        offer_sample: bool = False,
        value: ViewerData | None = None,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            texts: the interface's texts by language code; must hold "en".
            formats: what can be downloaded, in the menu's order.
            offer_sample: whether the empty viewer offers a sample photo (event ``open_sample``).
            value: what is shown first.
            kwargs: of ``gr.HTML``, such as ``elem_id``; and what updates set: ``note`` (see ``viewer_note``), ``edits``
                (``ViewerAnswer``), ``prediction`` (``ViewerPrediction``), ``class_list`` and ``proof``.
        """
        # Gradio builds a component anew from its arguments with every update of a prop: these may come that way.
        for name in ("note", "edits", "prediction", "class_list", "proof"):
            kwargs.setdefault(name, None)
        super().__init__(
            value=value,
            html_template=(HERE / "viewer.html").read_text(encoding="utf-8"),
            css_template=STYLE,
            js_on_load=SCRIPT,
            apply_default_css=False,
            # A prop, which the browser reads; in one text, as _Sent is.
            constants=json.dumps(
                {
                    "texts": {code: dict(entries) for code, entries in texts.items()},
                    "formats": list(formats),
                    "offer_sample": offer_sample,
                    "palette": list(PALETTE),
                    "no_class_colour": NO_CLASS_COLOUR,
                }
            ),
            **kwargs,
        )

    def postprocess(self, value: Any) -> Any:
        """``value``, ViewerData or None, as it is sent."""
        return None if value is None else _Sent(image=value.image, rest=value.model_dump_json(exclude={"image"}))
