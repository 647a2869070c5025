"""What has just been opened or restored, as the page shows it: in the main view, in the list, with its settings."""

from __future__ import annotations

from dataclasses import replace

from automask_ui.project.projects import Restored
from automask_ui.project.restore_photo import has_model
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly
from automask_ui.ui.components.status_line import status
from automask_ui.ui.controls import controls_of
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.picture_list import PictureListHandlers
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences, short_name
from automask_ui.ui.text.list_lines import back_line, first_names

__all__ = ["RestoredWork"]


class RestoredWork:
    """Shows a picture or a list with what was done to it before."""

    def __init__(self, service: Service, screens: Screens, pictures: PictureListHandlers) -> None:
        self._models, self._screens, self._pictures = service.models, screens, pictures

    def show_work(self, visitor: Visitor, session: Session, key: str) -> Changes:
        """Show restored work with its settings, said with the text ``key``."""
        is_complete = has_model(session, self._models)
        line = sentences.restored_line(visitor.words, session, is_complete, key)
        shown = self._screens.arrived(visitor, self._screens.show(visitor, session, line))
        if session.result is None:
            return shown
        model = session.model if is_complete and session.model in self._models else self._models.default
        controls = controls_of(model, session.result.options, session.show, self._models.thresholds(model))
        return replace(shown, controls=controls)

    def show_restored(self, visitor: Visitor, restored: Restored) -> Changes:
        """Show what has come of saved work, or ask for its photos."""
        if restored.session is not None:
            return self.show_work(visitor, restored.session, "restore.done")
        if restored.needed_photo is not None:
            height, width = restored.needed_photo.size_hw
            name = short_name(restored.needed_photo.name)
            line = visitor.words.say("restore.photo", name=name, width=width, height=height)
            return Changes(status=status(line), frees_drop_zones=True)
        if restored.pictures is None:
            photos = restored.needed_photos
            line = visitor.words.count("list.photos", len(photos), pictures=len(photos), names=first_names(photos))
            return Changes(status=status(line), frees_drop_zones=True)
        line = back_line(visitor.words, restored.pictures)
        shown = self._screens.arrived(visitor, self._screens.say(visitor, line))
        return replace(shown, controls=self._pictures.controls(visitor, ShowOnly()))
