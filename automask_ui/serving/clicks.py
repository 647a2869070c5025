"""What a model makes of a person's clicks and boxes: answered at once, beside the runs."""

from __future__ import annotations

import numpy as np

from automask_ui.engine.pipeline.cleanup import remove_small_regions
from automask_ui.errors import CheckpointNotFoundError, EditError, RunGoneError
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskResult, MaskSet
from automask_ui.masks.geometry import innermost_pixel
from automask_ui.masks.prompt import Prediction
from automask_ui.masks.rle import Rle, decode_window
from automask_ui.protocol import Engine, own_thresholds
from automask_ui.serving.runs import Models
from automask_ui.session import Session
from automask_ui.session.edits import OwnMask
from automask_ui.session.offered_masks import Clicks
from automask_ui.session.store import SessionStore

__all__ = ["ClickPredictor"]

MOST_CANDIDATES = 3  # to choose from


class ClickPredictor:
    """Masks for clicks, of all visitors. Nothing is ever downloaded for them.

    Args:
        models: that can be asked.
        store: sessions of the visitors.
    """

    def __init__(self, models: Models, store: SessionStore) -> None:
        self._models, self._store = models, store

    def predict(self, session: Session, model: str, clicks: Clicks, ticket: str) -> MaskSet:
        """Ask the model that has found the session's masks, or else ``model``; a run in progress goes on.

        The session remembers the answer under ``ticket``, so that one of its masks can be taken.

        Returns:
            One to three masks, the likeliest to be meant first.

        Raises:
            EditError: nothing is shown to the model, or it finds nothing there; or the mask to refine is gone.
            CheckpointNotFoundError: the file of neither model is on this machine.
            AutoMaskError: the model cannot be loaded or run.
        """
        refined = _pixels_of(session, clicks.mask_id) if clicks.mask_id else None
        engine = self._models.load(self._present(session.model, model))
        # A result knows the key of its picture, which takes time to find.
        picture = session.result or session.image.rgb
        masks = _candidates(engine, picture, clicks, refined)
        session.offered.remember(ticket, [OwnMask.of(mask, "clicked") for mask in masks])
        self._store.touch(session)
        return masks

    def predict_alone(self, image: LoadedImage, model: str, clicks: Clicks) -> MaskSet:
        """Ask ``model`` without a visitor.

        Raises:
            AutoMaskError: as :meth:`predict`.
        """
        return _candidates(self._models.load(self._present(model)), image.rgb, clicks, None)

    def _present(self, *names: str) -> str:
        """The first of these models whose file is here; the last one where it is none of ours, to be refused."""
        for name in names:
            if name in self._models and self._models[name].path is not None:
                return name
        if names[-1] in self._models:
            title = self._models[names[-1]].title
            raise CheckpointNotFoundError(
                f"{title} is not on this machine yet: press Find masks, which downloads it, or choose another model."
            )
        return names[-1]


def _pixels_of(session: Session, id_: int) -> Rle:
    """The pixels of the mask to refine; where no rule keeps it any more, those with which it was found.

    Raises:
        EditError: it was deleted, or is in no result now.
    """
    try:
        return session.masks_of([id_]).masks.rle[0]
    except RunGoneError as error:
        result = None if id_ in session.edits.deleted else session.result
        found = result and session.editor.ids.candidate(id_, result)
        if not found:
            raise EditError("The mask to refine is no longer there: select again.") from error
        return found


def _candidates(engine: Engine, picture: np.ndarray | MaskResult, clicks: Clicks, refined: Rle | None) -> MaskSet:
    """The masks to choose from, in the order in which they are offered.

    Args:
        picture: H×W×3 uint8 RGB, or a result with it.
        refined: the mask that is to become better.
    """
    size_hw = picture.masks.size_hw if isinstance(picture, MaskResult) else (picture.shape[0], picture.shape[1])
    points_xy, labels, box = _inside(clicks, size_hw)
    if refined is not None:
        # SAM was trained to refine with the clicks from the first one on: a mask alone tells it little.
        window, offset_xy = decode_window(refined)
        if not window.size:
            raise EditError("The mask to refine has no pixel.")
        inside = np.add(innermost_pixel(window, offset_xy), 0.5)
        points_xy = np.concatenate([[inside], points_xy])
        labels = np.concatenate([[1], labels])
    elif not len(points_xy) and box is None:
        raise EditError("Nothing is shown to the model: click on the object, or draw a box around it.")
    elif box is None and not labels.any():
        raise EditError("Every click is beside the object: click on it as well, or draw a box around it.")
    prediction = engine.predict(picture, points_xy=points_xy, labels=labels, box_xyxy=box, mask=refined)
    masks = _in_order(prediction, is_ambiguous=len(points_xy) == 1 and box is None and refined is None)
    masks = _without_specks(masks, own_thresholds(engine.model).get("min_mask_region_area", 0))
    if not len(masks):
        raise EditError("The model finds nothing there: click elsewhere, or draw a box around the object.")
    return masks


def _without_specks(masks: MaskSet, least_area: float) -> MaskSet:
    """The masks without holes and islands of fewer than ``least_area`` px, as the model's own runs clean theirs."""
    if not least_area:
        return masks
    clean = [remove_small_regions(rle, int(least_area))[0] for rle in masks.rle]
    return MaskSet.from_rles(clean, masks.size_hw, masks.predicted_iou.tolist(), masks.stability_score.tolist())


def _inside(clicks: Clicks, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Points, labels and box, cut to the picture: a dragged pointer leaves it easily, and rounding does a little.

    Raises:
        EditError: a point, or all of the box, is outside of the picture.
    """
    width_height = np.array([size_hw[1], size_hw[0]], np.float64)
    points_xy = np.clip(clicks.points_xy, 0, width_height)
    is_outside = (np.abs(clicks.points_xy - points_xy) > 1).any(axis=1)
    if is_outside.any():
        x, y = clicks.points_xy[is_outside.argmax()]
        size = f"{size_hw[1]}×{size_hw[0]} px"
        raise EditError(f"The point at x {x:g}, y {y:g} is outside of the picture of {size}: click inside it.")
    box = None if clicks.box_xyxy is None else np.clip(clicks.box_xyxy, 0, np.tile(width_height, 2))
    if box is not None and not (box[:2] < box[2:]).all():
        raise EditError("The box has no area inside the picture: draw it around the object.")
    return points_xy, clicks.labels, box


def _in_order(prediction: Prediction, *, is_ambiguous: bool) -> MaskSet:
    """What to offer of ``prediction``, without empty masks: of one click, which may mean a part or the whole, all by
    their scores; otherwise the one that the model proposes where there is no doubt, then the best others."""
    masks = prediction.masks
    alternatives = np.argsort(-masks.predicted_iou[:-1], kind="stable").tolist()
    order = alternatives if is_ambiguous else [len(masks) - 1, *alternatives]
    return masks[[row for row in order if masks.area[row]][:MOST_CANDIDATES]]
