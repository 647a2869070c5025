"""Lists of pictures: dropped together, worked through, opened one by one, saved as one dataset."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from automask_ui.errors import AutoMaskError
from automask_ui.export import new_folder
from automask_ui.files.images import LoadedImage
from automask_ui.models.checkpoints import checksum
from automask_ui.project.autosave import Autosave
from automask_ui.project.document import SavedModel
from automask_ui.project.export import export_list
from automask_ui.project.pictures import batch_task
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly
from automask_ui.ui.controls import Controls, controls_of
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences
from automask_ui.ui.text.list_lines import end_line, running_line, saved_line

__all__ = ["PictureListHandlers"]

_POLL_SECONDS = 0.5


class PictureListHandlers:
    """The list of pictures of each visitor, which the service's projects hold."""

    def __init__(self, service: Service, screens: Screens, autosave: Autosave | None = None) -> None:
        self._service, self._screens, self._autosave = service, screens, autosave
        self._projects = service.projects

    # Events

    def start_list(self, visitor: Visitor, controls: Controls) -> Iterator[Changes]:
        """Work through the list with what the controls say, telling how far it is until it ends.

        Raises:
            OptionError: the controls do not fit together.
            CheckpointError: the model cannot be had.
        """
        own, service, words = self._projects.lists.get(visitor.owner), self._service, visitor.words
        self._projects.collect_edits(visitor.owner)
        nothing = Session(LoadedImage(np.zeros((1, 1, 3), np.uint8), "", ()), "")
        try:
            for progress in service.runs.fetch(nothing, controls.model):
                yield self._screens.say(visitor, sentences.progress_line(words, progress, nothing, 0.0)["text"])
            engine = service.models.load(controls.model)
        except AutoMaskError as error:
            yield self._screens.say(visitor, words.error(error))
            raise
        options = controls.options(service.models.thresholds(controls.model))
        service.runs.workload(options)
        row = service.models[controls.model]
        model = SavedModel(row.name, row.title, checksum(row))
        pictures, run = own.pictures, own.run
        run.start(engine.steps, batch_task(model, options), model)
        began, before = time.monotonic(), pictures.done
        if before == len(pictures.items):
            yield self._screens.say(visitor, words.say("list.nothing"))
            return
        told = -1
        while run.is_running and self._projects.lists.peek(visitor.owner) is own:
            if told != pictures.changes:
                told = pictures.changes
                line = running_line(words, pictures, run.points, time.monotonic() - began, before)
                yield self._with_masks(visitor, self._screens.say(visitor, line))
            time.sleep(_POLL_SECONDS)
        yield self._with_masks(visitor, self._screens.say(visitor, end_line(words, pictures)))

    def stop_list(self, visitor: Visitor) -> Changes:
        """Stop after the chunk in hand."""
        self._projects.lists.get(visitor.owner).run.stop()
        return self._screens.say(visitor, visitor.words.say("status.stopping"))

    def remove_item(self, visitor: Visitor, payload: Any) -> Changes:
        """Take a picture out of the visitor's list; the list goes with its last one.

        Raises:
            NoImageError: there is no such picture.
            BatchError: the list is being worked on.
        """
        self._projects.remove_item(visitor.owner, payload.get("index") if isinstance(payload, dict) else None)
        own = self._projects.lists.peek(visitor.owner)
        if own is None:
            return self.close_list(visitor)
        count = len(own.pictures.items)
        return self._screens.say(visitor, visitor.words.count("list.left", count, pictures=count))

    def close_list(self, visitor: Visitor) -> Changes:
        """Give the visitor's list up, for good."""
        self._projects.lists.close(visitor.owner)
        if self._autosave is not None:
            self._autosave.drop(visitor.owner, "pictures")
        return self._screens.show_list(visitor)

    def save_list(self, visitor: Visitor, payload: Any) -> Iterator[Changes]:
        """Write all pictures as one dataset, and say what is in it.

        Raises:
            ExportError: no such format, no masks, or the file failed its check.
        """
        own = self._projects.lists.get(visitor.owner)
        pictures = own.pictures
        yield self._screens.say(visitor, visitor.words.say("status.exporting"))
        self._projects.collect_edits(visitor.owner)
        wanted = payload if isinstance(payload, dict) else {}
        negatives = wanted.get("negatives") is True
        with own.being_written():
            report = export_list(pictures, wanted.get("format"), new_folder(pictures.folder), negatives=negatives)
        self._screens.say(visitor, saved_line(visitor.words, report, pictures))
        yield Changes(dataset=report.path, picture_list=self._screens.table(visitor))

    def failed(self, visitor: Visitor) -> Changes:
        """Show the list as it is once an error was shown; one that only the page still knows stays in sight."""
        return Changes() if self._projects.lists.peek(visitor.owner) is None else self._screens.show_list(visitor)

    def _with_masks(self, visitor: Visitor, changes: Changes) -> Changes:
        """``changes``, with the open picture's masks and their settings as soon as the list's run has new ones."""
        own, session = self._projects.lists.peek(visitor.owner), self._service.store.peek(visitor.owner)
        index = self._projects.open_index(visitor.owner)
        if own is None or session is None or index is None or session.job:
            return changes
        # One that the visitor has drawn on or changed is as they have it.
        self._projects.collect_edits(visitor.owner)
        if not own.has_new_masks():
            return changes
        session = self._projects.open_item(visitor.owner, index)
        line = sentences.restored_line(visitor.words, session, True, "list.opened")
        shown = replace(self._screens.show(visitor, session, line), picture_list=changes.picture_list)
        # Sliders that were moved since the list was started would say what these masks were not found with.
        return replace(shown, controls=self.controls(visitor, session.show))

    def draw_thumbnails(self, visitor: Visitor) -> Iterator[Changes]:
        """Show thumbnails of pictures that nobody has looked at yet, a few at a time."""
        own = self._projects.lists.peek(visitor.owner)
        if own is None:
            return
        told = time.monotonic()
        for _ in own.pictures.thumbnails.make_missing(own.pictures.pictures):
            if self._projects.lists.peek(visitor.owner) is not own:
                return
            if time.monotonic() - told > _POLL_SECONDS:
                told = time.monotonic()
                yield self._screens.show_list(visitor)
        yield self._screens.show_list(visitor)

    # For other handlers

    def controls(self, visitor: Visitor, show: ShowOnly) -> Controls | None:
        """Controls that say with which model and options the visitor's list was worked through, if they are known."""
        own, models = self._projects.lists.peek(visitor.owner), self._service.models
        if own is None or own.pictures.task is None or own.pictures.model is None:
            return None
        model, options = own.pictures.model.name, own.pictures.task.options
        return controls_of(model, options, show, models.thresholds(model)) if model in models else None
