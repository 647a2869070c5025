"""Files that a visitor brings: a photo, several, or kept work with or without its photo."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from automask_ui.errors import ArchiveError, AutoMaskError, ImageError, NoImageError, ResumeError, RunGoneError
from automask_ui.files.images import LoadedImage, load_image
from automask_ui.files.safe_zip import is_archive
from automask_ui.project.autosave import Autosave, remove
from automask_ui.project.document import Saved
from automask_ui.project.restore import check_photo, has_model, is_saved, read_saved, restore
from automask_ui.project.restore_list import holds_queue
from automask_ui.serving.service import Service
from automask_ui.session import Session, ShowOnly
from automask_ui.ui.components.photo_upload import photo_at
from automask_ui.ui.components.status_line import status
from automask_ui.ui.controls import controls_of
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.picture_list import PictureListHandlers
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.run_queue import RunQueue
from automask_ui.ui.text import sentences
from automask_ui.ui.text.queue_lines import photos_line

__all__ = ["OpeningHandlers"]

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5


class OpeningHandlers:
    """Opens pictures, and puts work back that was kept."""

    def __init__(
        self,
        service: Service,
        screens: Screens,
        run_queue: RunQueue,
        pictures: PictureListHandlers,
        autosave: Autosave | None = None,
    ) -> None:
        self._service, self._screens, self._run_queue = service, screens, run_queue
        self._pictures, self._autosave = pictures, autosave
        # Owner -> kept work that waits for its photo, or an archive of such work for its photos.
        self._waiting: dict[str, Saved | Path] = {}
        if autosave is not None:
            autosave.add(pictures)

    # Events

    def first_visit(self, visitor: Visitor, token: str) -> Iterator[Changes]:
        """Show what the browser with this token was at; else the first sample."""
        back = self._kept(visitor, token)
        beside = self._kept_list(visitor, token)
        if back is not None:
            # Settings of a picture of the list are its own; any other one's are not for the list.
            is_own = back.picture_list is None or beside.picture_list is None or beside.picture_list.open is not None
            controls = (not is_own and beside.controls) or back.controls
            yield replace(back, picture_list=beside.picture_list, controls=controls)
        else:
            # Gradio would clear every output of a generator that yields nothing.
            yield beside
            yield from self.show_first_sample(visitor)
        if self._autosave is not None:
            self._autosave.follow(token, visitor.owner)

    def open_photo(self, visitor: Visitor, path: str | None) -> Changes:
        """Open one photo: a new picture, or the one that kept work waits for.

        Raises:
            NoImageError: there is none.
            ImageError: it cannot be read, or is too large.
            ResumeError: kept work waits for another picture. Opened once more, it is a new one.
        """
        self._pictures.keep(visitor.owner)
        waiting = self._waiting.pop(visitor.owner, None)
        if not path:
            raise NoImageError("There is no picture yet: open a photo or pick a sample first.")
        if waiting is None:
            session = self._service.open(visitor.owner, photo_at(path))
            return self._arrived(visitor, self._screens.show_opened(visitor, session))
        if isinstance(waiting, Path):
            return self._restore_list(visitor, waiting, [Path(path)])
        try:
            return self._restore(visitor, waiting, load_image(photo_at(path)))
        except ResumeError as error:
            raise ResumeError(f"{error} To work on it by itself, drop it once more.") from error

    def open_sample(self, visitor: Visitor, payload: Any) -> Changes:
        """Open a sample photo, by the name in ``payload``; the first one without a name."""
        self._pictures.keep(visitor.owner)
        name = payload.get("name") if isinstance(payload, dict) else None
        session = self._service.samples.open(visitor.owner, str(name or next(iter(self._service.samples), "")))
        if session.result is None:
            return self._arrived(visitor, self._screens.show_opened(visitor, session))
        line = status(visitor.words.say("status.sample"))
        return self._arrived(visitor, self._screens.show(visitor, session, line))

    def open_item(self, visitor: Visitor, payload: Any) -> Changes:
        """Open a picture of the visitor's list."""
        session = self._pictures.open(visitor, payload)
        if session.result is None:
            return self._arrived(visitor, self._screens.show_opened(visitor, session))
        return self._arrived(visitor, self._restored(visitor, session, "queue.opened"))

    def open_files(self, visitor: Visitor, paths: list[str] | None) -> Changes:
        """Open several files, or one that the browser takes for no photo: kept work, pictures for a list, or a photo.

        Raises:
            ImageError: the only file is no picture either.
            ResumeError: kept work cannot be restored, or there are several.
            ArchiveError: a ZIP cannot be read.
            BatchError: there is no picture, or there are too many.
        """
        files = [Path(path) for path in paths or []]
        kept = [file for file in files if is_saved(file)]
        if not kept:
            if len(files) == 1 and not is_archive(files[0]):
                return self.open_photo(visitor, str(files[0]))
            waiting = self._waiting.pop(visitor.owner, None)
            if isinstance(waiting, Path):
                return self._restore_list(visitor, waiting, files)
            return Changes(picture_list=self._pictures.take(visitor, files), frees_drop_zones=True)
        if len(kept) > 1:
            raise ResumeError(f"{len(kept)} of these {len(files)} files hold kept work: drop one, and its photo.")
        self._pictures.keep(visitor.owner)
        others = [file for file in files if file not in kept]
        if holds_queue(kept[0]):
            return self._restore_list(visitor, kept[0], others)
        saved, photo = read_saved(kept[0])
        if photo is not None:
            return self._restore(visitor, saved, load_image(photo, name=saved.image.name))
        if others:
            return self._restore(visitor, saved, load_image(photo_at(others[0])))
        if (here := self._open_image(visitor, saved)) is not None:
            return self._restore(visitor, saved, here)
        self._waiting[visitor.owner] = saved
        height, width = saved.image.size_hw
        line = visitor.words.say("restore.photo", name=saved.image.name, width=width, height=height)
        return Changes(status=status(line), frees_drop_zones=True)

    def free_drop_zones(self) -> Changes:
        """Empty the drop zones: a file that could not be opened does not stay there."""
        return Changes(frees_drop_zones=True)

    def close_queue(self, visitor: Visitor) -> Changes:
        """Give the visitor's list up, for good."""
        self._pictures.forget(visitor)
        if self._autosave is not None:
            self._autosave.drop(visitor.owner, self._pictures)
        return self._pictures.show(visitor)

    def leave(self, visitor: Visitor) -> None:
        """Free what belongs to a visitor whose tab was closed."""
        self._waiting.pop(visitor.owner, None)
        if self._autosave is not None:
            self._autosave.leave(visitor.owner)
        self._pictures.leave(visitor)
        self._run_queue.forget(visitor.owner)
        self._service.store.forget(visitor.owner)

    # Inside

    def show_first_sample(self, visitor: Visitor) -> Iterator[Changes]:
        """Show the first sample with its masks; until they are found, the photo alone."""
        if not self._service.samples:
            yield Changes(status=status(visitor.words.say("status.start")), candidates="")
            return
        screens, sample = self._screens, self._service.samples.first
        session = self._service.samples.open(visitor.owner, next(iter(self._service.samples)))
        if not sample.ready.is_set():
            yield screens.show(visitor, session, status(visitor.words.say("status.preparing"), "busy", -1))
        while screens.is_current(session) and not sample.ready.wait(_POLL_SECONDS):
            pass
        if not screens.is_current(session):
            yield screens.show_current(visitor)
            return
        if sample.result is None:
            line = visitor.words.say("status.no_sample", why=sample.error).strip()
            yield screens.show(visitor, session, status(line, "error"))
            return
        if session.result is None:
            self._service.samples.give_masks(session)
        yield screens.show(visitor, session, status(visitor.words.say("status.sample")))

    def _kept(self, visitor: Visitor, token: str) -> Changes | None:
        """The picture that was kept for this browser, if there is one that can be restored."""
        if self._autosave is None or (path := self._autosave.kept(token, self._autosave.sessions)) is None:
            return None
        # Another tab of this browser may be writing.
        with self._autosave.hold(token):
            try:
                return self.open_files(visitor, [str(path)])
            except AutoMaskError as error:
                _log.warning("Kept work cannot be taken up: %s", error)
                path.unlink(missing_ok=True)
        return None

    def _kept_list(self, visitor: Visitor, token: str) -> Changes:
        """The kept list of pictures, with its settings; nothing where there is none."""
        if self._autosave is None or (path := self._autosave.kept(token, self._pictures)) is None:
            return Changes()
        # Another tab of this browser may be writing.
        with self._autosave.hold(token):
            try:
                return self._restore_list(visitor, path, [])
            except (ResumeError, ArchiveError) as error:
                _log.warning("A kept list cannot be taken up: %s", error)
                remove(path)
            except (AutoMaskError, OSError) as error:
                # No room for it now: it stays for another time.
                _log.warning("A kept list is not taken up: %s", error)
        return Changes()

    def _restore_list(self, visitor: Visitor, path: Path, photos: list[Path]) -> Changes:
        """Restore a list of pictures from ``path``, or ask for its photos."""
        needed = self._pictures.restore(visitor, path, photos)
        if needed and photos:
            raise ResumeError(
                f"Among these files there is no photo of this work, which is on {needed[0]}"
                f"{f' and {len(needed) - 1:,} more' if len(needed) > 1 else ''}. To work on them by themselves, drop "
                "them once more."
            )
        if needed:
            self._waiting[visitor.owner] = path
            return Changes(status=status(photos_line(visitor.words, needed)), frees_drop_zones=True)
        arrival = self._arrived(visitor, Changes())
        settings = self._pictures.settings(visitor)
        if settings is None or settings[0] not in self._service.models:
            return arrival
        thresholds = self._service.models.thresholds(settings[0])
        return replace(arrival, controls=controls_of(*settings, ShowOnly(), thresholds))

    def _open_image(self, visitor: Visitor, saved: Saved) -> LoadedImage | None:
        """The picture that is open, if it is the one that the work belongs to."""
        try:
            image = self._service.store.current(visitor.owner).image
            check_photo(saved, image)
        except (NoImageError, RunGoneError, ResumeError, ImageError):
            return None
        return image

    def _restore(self, visitor: Visitor, saved: Saved, image: LoadedImage) -> Changes:
        session = restore(self._service.store, visitor.owner, saved, image)
        return self._arrived(visitor, self._restored(visitor, session, "restore.done"))

    def _restored(self, visitor: Visitor, session: Session, key: str) -> Changes:
        """Show restored work with its settings, said with the text ``key``."""
        is_complete = has_model(session, self._service.models)
        line = sentences.restored_line(visitor.words, session, is_complete, key)
        shown = self._screens.show(visitor, session, line)
        if session.result is None:
            return shown
        model = session.model if is_complete and session.model in self._service.models else self._service.models.default
        thresholds = self._service.models.thresholds(model)
        return replace(shown, controls=controls_of(model, session.result.options, session.show, thresholds))

    def _arrived(self, visitor: Visitor, changes: Changes) -> Changes:
        """``changes`` with the list of pictures as it stands, and room for the next file."""
        table = self._pictures.show(visitor).picture_list
        return replace(changes, picture_list=table, frees_drop_zones=True)
