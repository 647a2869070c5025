"""Clicks and boxes in the picture: what the model makes of them, at once and beside everything else."""

from __future__ import annotations

from typing import Any

from automask_ui.serving.service import Service
from automask_ui.session import step_fields
from automask_ui.session.offered_masks import MAX_CLICKS, Clicks
from automask_ui.ui.components.viewer import ViewerPrediction
from automask_ui.ui.components.viewer.display import display_runs, display_size, pack_layer, pack_layers
from automask_ui.ui.errors import error_sentence
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.visitor import Visitor

__all__ = ["ClickHandlers"]

_MAX_ID = 2**31 - 1


class ClickHandlers:
    """Masks for clicks in the picture that a visitor has open."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def predict(self, visitor: Visitor, model: Any, payload: Any) -> Changes:
        """Tell the viewer what the model makes of clicks and a box; every error goes into the answer."""
        asked = payload if isinstance(payload, dict) else {}
        answer: ViewerPrediction = {
            "session": _short(asked.get("session")),
            "ticket": _short(asked.get("ticket")),
            "error": "",
            "layers": "",
            "candidates": [],
        }
        try:
            session = self._service.store.get(visitor.owner, asked.get("session"))
            ticket = step_fields.ticket("ticket", asked.get("ticket"))
            masks = self._service.clicks.predict(session, str(model), _clicks(asked), ticket)
        except Exception as error:
            return Changes(prediction={**answer, "error": error_sentence(visitor.words, error)})
        display_hw = display_size(session.size_hw)
        answer["layers"] = pack_layers(
            pack_layer(number, display_runs(rle, display_hw)) for number, rle in enumerate(masks.rle, start=1)
        )
        answer["candidates"] = [
            {"score": mask.predicted_iou, "stability": mask.stability_score, "area": mask.area} for mask in masks
        ]
        return Changes(prediction=answer)


def _short(value: object) -> str:
    """What a browser gets back of what it has sent, which may be anything."""
    return value[: step_fields.MAX_TICKET] if isinstance(value, str) else ""


def _clicks(asked: dict[str, Any]) -> Clicks:
    """What the viewer asks for.

    Raises:
        EditError: a field cannot be used.
    """
    clicks = step_fields.points(MAX_CLICKS, 3)("clicks", asked.get("clicks"))
    corners = step_fields.optional(step_fields.box)("box", asked.get("box"))
    return Clicks(clicks[:, :2], clicks[:, 2], corners, step_fields.whole(0, _MAX_ID)("id", asked.get("id")))
