"""What becomes of the files that a visitor brings: a photo, or kept work with or without its photo."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automask_ui.errors import ArchiveError, AutoMaskError, ImageError, NoImageError, ResumeError, RunGoneError
from automask_ui.files.images import LoadedImage, load_image
from automask_ui.files.safe_zip import is_archive
from automask_ui.project.autosave import Autosave, remove
from automask_ui.project.document import Saved
from automask_ui.project.restore import check_photo, has_model, restore
from automask_ui.project.restore_list import holds_queue, read_saved
from automask_ui.project.sources import is_saved
from automask_ui.session import Session, ShowOnly
from automask_ui.ui.components.photo_upload import photo_at
from automask_ui.ui.components.queue_table import BoardData
from automask_ui.ui.components.status_line import status
from automask_ui.ui.controls import Controls, controls_of
from automask_ui.ui.handlers import Handlers, Screen, Visitor
from automask_ui.ui.queues import Queues
from automask_ui.ui.text import sentences
from automask_ui.ui.text.queue_lines import photos_line

__all__ = ["Arrival", "Arrivals"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """What to show, and where the controls are to be set; None leaves them."""

    screen: Screen
    controls: Controls | None = None
    board: BoardData | None = None


class Arrivals:
    """Opens what comes in, on the page's handlers."""

    def __init__(self, handlers: Handlers, autosave: Autosave | None = None) -> None:
        self.queues = Queues(handlers.service)
        self._handlers = handlers
        self._autosave = autosave
        self._service = handlers.service
        # Owner -> kept work that waits for its photo, or an archive of such work for its photos.
        self._waiting: dict[str, Saved | Path] = {}
        if autosave is not None:
            autosave.add(self.queues)

    def first_visit(self, visitor: Visitor, token: str) -> Iterator[Arrival]:
        """What the browser with this token was at; else the first sample."""
        back = self._kept(visitor, token)
        beside = self._kept_queue(visitor, token)
        if back is not None:
            # Settings of a picture of the queue are its own; any other one's are not for the queue.
            is_own = back.board is None or beside.board is None or beside.board.open is not None
            yield replace(back, board=beside.board, controls=(not is_own and beside.controls) or back.controls)
        else:
            # Gradio would clear every output of a generator that yields nothing.
            yield beside
            yield from map(Arrival, self._handlers.first_visit(visitor))
        if self._autosave is not None:
            self._autosave.follow(token, visitor.owner)

    def open(self, visitor: Visitor, path: str | None) -> Arrival:
        """One photo: a new picture, or the one that kept work waits for.

        Raises:
            ResumeError: kept work waits for another picture. Opened once more, it is a new one.
        """
        self.queues.keep(visitor.owner)
        waiting = self._waiting.pop(visitor.owner, None)
        if waiting is None or not path:
            return self._beside(visitor, Arrival(self._handlers.open(visitor, path and str(photo_at(path)))))
        if isinstance(waiting, Path):
            return self._take_up_queue(visitor, waiting, [Path(path)])
        try:
            return self._take_up(visitor, waiting, load_image(photo_at(path)))
        except ResumeError as error:
            raise ResumeError(f"{error} To work on it by itself, drop it once more.") from error

    def open_sample(self, visitor: Visitor, payload: Any) -> Arrival:
        """A sample photo."""
        self.queues.keep(visitor.owner)
        return self._beside(visitor, Arrival(self._handlers.open_sample(visitor, payload)))

    def open_item(self, visitor: Visitor, payload: Any) -> Arrival:
        """A picture of the visitor's queue."""
        session = self.queues.open(visitor, payload)
        if session.result is None:
            return self._beside(visitor, Arrival(self._handlers.opened(visitor, session)))
        return self._beside(visitor, self._arrived(visitor, session, "queue.opened"))

    def bring(self, visitor: Visitor, paths: list[str]) -> Arrival:
        """Several files, or one that the browser takes for no photo: kept work, pictures for a queue, or a photo.

        Raises:
            ImageError: the only file is no picture either.
            ResumeError: kept work cannot be taken up, or there are several.
            ArchiveError: a ZIP cannot be read.
            BatchError: there is no picture, or there are too many.
        """
        files = [Path(path) for path in paths]
        kept = [file for file in files if is_saved(file)]
        if not kept:
            if len(files) == 1 and not is_archive(files[0]):
                return self.open(visitor, paths[0])
            waiting = self._waiting.pop(visitor.owner, None)
            if isinstance(waiting, Path):
                return self._take_up_queue(visitor, waiting, files)
            return Arrival(Screen(), board=self.queues.take(visitor, files))
        if len(kept) > 1:
            raise ResumeError(f"{len(kept)} of these {len(files)} files hold kept work: drop one, and its photo.")
        self.queues.keep(visitor.owner)
        others = [file for file in files if file not in kept]
        if holds_queue(kept[0]):
            return self._take_up_queue(visitor, kept[0], others)
        saved, photo = read_saved(kept[0])
        if photo is not None:
            return self._take_up(visitor, saved, load_image(photo, name=saved.image.name))
        if others:
            return self._take_up(visitor, saved, load_image(photo_at(others[0])))
        if (here := self._open_photo(visitor, saved)) is not None:
            return self._take_up(visitor, saved, here)
        self._waiting[visitor.owner] = saved
        height, width = saved.image.size_hw
        line = visitor.words.say("restore.photo", name=saved.image.name, width=width, height=height)
        return Arrival(Screen(status=status(line)))

    def close_queue(self, visitor: Visitor) -> BoardData:
        """Give the visitor's queue up, for good."""
        self.queues.forget(visitor)
        if self._autosave is not None:
            self._autosave.drop(visitor.owner, self.queues)
        return self.queues.board(visitor)

    def forget(self, visitor: Visitor) -> None:
        """Free what belongs to a visitor who has left."""
        self._waiting.pop(visitor.owner, None)
        if self._autosave is not None:
            self._autosave.leave(visitor.owner)
        self.queues.leave(visitor)

    def _kept(self, visitor: Visitor, token: str) -> Arrival | None:
        if self._autosave is None or (path := self._autosave.kept(token, self._autosave.sessions)) is None:
            return None
        # Another tab of this browser may be writing.
        with self._autosave.hold(token):
            try:
                return self.bring(visitor, [str(path)])
            except AutoMaskError as error:
                _log.warning("Kept work cannot be taken up: %s", error)
                path.unlink(missing_ok=True)
        return None

    def _kept_queue(self, visitor: Visitor, token: str) -> Arrival:
        """The kept queue beside an empty screen, with its settings; without a queue, the screen alone."""
        if self._autosave is None or (path := self._autosave.kept(token, self.queues)) is None:
            return Arrival(Screen())
        # Another tab of this browser may be writing.
        with self._autosave.hold(token):
            try:
                return self._take_up_queue(visitor, path, [])
            except (ResumeError, ArchiveError) as error:
                _log.warning("A kept queue cannot be taken up: %s", error)
                remove(path)
            except (AutoMaskError, OSError) as error:
                # No room for it now: it stays for another time.
                _log.warning("A kept queue is not taken up: %s", error)
        return Arrival(Screen())

    def _take_up_queue(self, visitor: Visitor, path: Path, photos: list[Path]) -> Arrival:
        needed = self.queues.take_up(visitor, path, photos)
        if needed and photos:
            raise ResumeError(
                f"Among these files there is no photo of this work, which is on {needed[0]}"
                f"{f' and {len(needed) - 1:,} more' if len(needed) > 1 else ''}. To work on them by themselves, drop "
                "them once more."
            )
        if needed:
            self._waiting[visitor.owner] = path
            return Arrival(Screen(status=status(photos_line(visitor.words, needed))))
        arrival = self._beside(visitor, Arrival(Screen()))
        settings = self.queues.settings(visitor)
        if settings is None or settings[0] not in self._service.models:
            return arrival
        return replace(arrival, controls=controls_of(*settings, ShowOnly(), self._service.thresholds(settings[0])))

    def _open_photo(self, visitor: Visitor, saved: Saved) -> LoadedImage | None:
        """The photo that is open, if it is the one."""
        try:
            image = self._service.store.current(visitor.owner).image
            check_photo(saved, image)
        except (NoImageError, RunGoneError, ResumeError, ImageError):
            return None
        return image

    def _take_up(self, visitor: Visitor, saved: Saved, image: LoadedImage) -> Arrival:
        session = restore(self._service.store, visitor.owner, saved, image)
        return self._beside(visitor, self._arrived(visitor, session, "restore.done"))

    def _beside(self, visitor: Visitor, arrival: Arrival) -> Arrival:
        """The arrival, with the queue as it stands beside it."""
        return replace(arrival, board=self.queues.board(visitor))

    def _arrived(self, visitor: Visitor, session: Session, key: str) -> Arrival:
        """Work that was taken up, with its settings."""
        is_complete = has_model(session, self._service.models)
        line = sentences.restored_line(visitor.words, session, is_complete, key)
        screen = self._handlers.screen(visitor, session, line)
        if session.result is None:
            return Arrival(screen)
        model = session.model if is_complete and session.model in self._service.models else self._service.default_model
        thresholds = self._service.thresholds(model)
        return Arrival(screen, controls_of(model, session.result.options, session.show, thresholds))
