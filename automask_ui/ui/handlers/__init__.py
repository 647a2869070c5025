"""What happens on each event of the page, as plain functions: a visitor and plain values in, changes out."""

from __future__ import annotations

from automask_ui.project.autosave import Autosave
from automask_ui.serving.runs import RunQueue
from automask_ui.serving.service import Service
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.clicks import ClickHandlers
from automask_ui.ui.handlers.masks import MaskHandlers
from automask_ui.ui.handlers.models import ModelHandlers
from automask_ui.ui.handlers.opening import OpeningHandlers
from automask_ui.ui.handlers.picture_list import PictureListHandlers
from automask_ui.ui.handlers.points import PointHandlers
from automask_ui.ui.handlers.reload import ReloadHandlers
from automask_ui.ui.handlers.restored_work import RestoredWork
from automask_ui.ui.handlers.runs import RunHandlers
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.settings import SettingsHandlers
from automask_ui.ui.handlers.visitor import Visitor

__all__ = ["Changes", "Handlers", "Visitor"]


class Handlers:
    """All handlers of one page, on one service.

    Args:
        service: the use cases.
        autosave: keeps work in progress, where that is wanted.
    """

    def __init__(self, service: Service, autosave: Autosave | None = None) -> None:
        self.service = service
        self.run_queue = RunQueue(service.presence.has_gone)
        self.screens = Screens(service)
        self.runs = RunHandlers(service, self.screens, self.run_queue)
        self.settings = SettingsHandlers(service, self.screens, self.run_queue)
        self.models = ModelHandlers(service)
        self.masks = MaskHandlers(service, self.screens, autosave)
        self.points = PointHandlers(service, self.screens)
        self.clicks = ClickHandlers(service)
        self.pictures = PictureListHandlers(service, self.screens, autosave)
        restored = RestoredWork(service, self.screens, self.pictures)
        self.opening = OpeningHandlers(service, self.screens, restored, autosave)
        self.reload = ReloadHandlers(service, self.screens, self.run_queue, restored, autosave)
