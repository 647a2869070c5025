"""What a model makes of a person's clicks and boxes: answered at once, beside the runs."""

from __future__ import annotations

from automask_ui.errors import CheckpointNotFoundError, EditError, RunGoneError
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskSet
from automask_ui.masks.rle import Rle
from automask_ui.protocol import Engine
from automask_ui.serving.models import Models
from automask_ui.session import Session
from automask_ui.session.edits import OwnMask
from automask_ui.session.predictions import Clicks
from automask_ui.session.store import SessionStore

__all__ = ["ModelPredictions"]

MOST_CANDIDATES = 3  # to choose from


class ModelPredictions:
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
        refined = None
        if clicks.mask_id:
            try:
                refined = session.masks_of([clicks.mask_id]).masks.rle[0]
            except RunGoneError as error:
                raise EditError("The mask to refine is no longer there: select again.") from error
        engine = self._models.load(self._present(session.model, model))
        masks = _candidates(engine, session.image, clicks, refined)
        session.predictions.remember(ticket, [OwnMask.of(mask, "clicked") for mask in masks])
        self._store.touch(session)
        return masks

    def predict_alone(self, image: LoadedImage, model: str, clicks: Clicks) -> MaskSet:
        """Ask ``model`` without a visitor.

        Raises:
            AutoMaskError: as :meth:`predict`.
        """
        return _candidates(self._models.load(self._present(model)), image, clicks, None)

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


def _candidates(engine: Engine, image: LoadedImage, clicks: Clicks, refined: Rle | None) -> MaskSet:
    """The masks to choose from, in the order in which they are offered.

    Args:
        refined: the mask that is to become better.
    """
    raise NotImplementedError
