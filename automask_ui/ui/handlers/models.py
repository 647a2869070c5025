"""Models whose file is not on this machine yet: fetched, or handed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from automask_ui.errors import AutoMaskError
from automask_ui.files.images import LoadedImage
from automask_ui.models.checkpoints import take_file
from automask_ui.serving.about import about
from automask_ui.serving.model_files import architecture_of
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences

__all__ = ["ModelHandlers"]


class ModelHandlers:
    """Ways to have a model. Nothing else of the page changes before its file is there."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def fetch(self, visitor: Visitor, model: str) -> Iterator[Changes]:
        """Download the model's file, telling how far it is.

        Raises:
            CheckpointError: it cannot be fetched; the model's line keeps the reason.
        """
        nobody = Session(LoadedImage(np.zeros((1, 1, 3), np.uint8), "", ()), "")
        for progress in self._service.runs.fetch(nobody, model):
            yield Changes(model_info=sentences.progress_line(visitor.words, progress, nobody, 0.0)["text"])

    def about(self, model: str) -> Changes:
        """Tell what a bug report needs to know.

        Raises:
            CheckpointNotFoundError: the model's file cannot be read.
        """
        return Changes(about=about(self._service.models, model))

    def take_file(self, visitor: Visitor, model: str, path: str | None) -> Changes | None:
        """Take an uploaded file for the model's, if it is the one that was published, as far as that can be known.

        What is wrong with another file is told this visitor alone: the model's line is everybody's.
        """
        models = self._service.models
        model = models[model].name
        if path:
            try:
                taken = take_file(model, Path(path), architecture_of)
            except AutoMaskError as error:
                return Changes(warning=(visitor.words.say("not_taken.title"), visitor.words.error(error)))
            models.set_path(model, taken.path)
            if not taken.is_compared:
                title = sentences.model_title(visitor.words, models[model])
                return Changes(
                    warning=(visitor.words.say("uncompared.title"), visitor.words.say("uncompared", model=title))
                )
        return None
