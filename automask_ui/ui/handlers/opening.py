"""Files that a visitor brings: a photo, several, or kept work with or without its photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from automask_ui.errors import ArchiveError, ImageError, NoImageError, ResumeError
from automask_ui.files.safe_zip import is_archive
from automask_ui.project.autosave import Autosave
from automask_ui.project.sources import is_saved
from automask_ui.project.uploads import Upload
from automask_ui.serving.runs import RunQueue
from automask_ui.serving.service import Service
from automask_ui.ui.components.status_line import status
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.picture_list import PictureListHandlers
from automask_ui.ui.handlers.restored_work import RestoredWork
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences
from automask_ui.ui.text.queue_lines import listing_line

__all__ = ["OpeningHandlers"]

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
        self._autosave, self._projects = autosave, service.projects
        self._restored = RestoredWork(service, screens, pictures)

    # Events

    def first_visit(self, visitor: Visitor, tokens: str) -> Iterator[Changes]:
        """Show what the tab was at; in a new one, what a closed one of the same browser was at; else the first sample.

        Args:
            visitor: who has come.
            tokens: of this tab, and of closed ones, with spaces between; "" where the browser keeps none.
        """
        autosave, owner = self._autosave, visitor.owner
        token, *closed = tokens.split(" ") if isinstance(tokens, str) else [""]
        if autosave is not None:
            autosave.take_over(token, closed)
            autosave.keep_recent(token, owner)
        yield Changes(recent=self._screens.recent(visitor))
        photo = None if autosave is None else autosave.restore(token, owner, "photo")
        back = None if photo is None else self._restored.show_restored(visitor, photo)
        pictures = None if autosave is None else autosave.restore(token, owner, "pictures")
        beside = Changes() if pictures is None else self._restored.show_restored(visitor, pictures)
        if back is not None:
            # Settings of a picture of the list are its own; any other one's are not for the list.
            is_own = beside.picture_list is None or beside.picture_list.open is not None
            controls = (not is_own and beside.controls) or back.controls
            yield replace(back, picture_list=beside.picture_list, controls=controls)
        else:
            yield beside
            yield from self.show_first_sample(visitor)
        if autosave is not None:
            autosave.follow(token, owner)

    def keep(self, visitor: Visitor) -> Changes:
        """Keep what a run has made, and say so if it is too large for that."""
        if self._autosave is None:
            return Changes()
        self._autosave.save(visitor.owner)
        return Changes(warning=sentences.unkept_warning(visitor.words, self._autosave.untold_refusal(visitor.owner)))

    def open_photo(self, visitor: Visitor, upload: Upload | str | None) -> Changes:
        """Open one photo: a new picture, or the one that kept work waits for.

        Raises:
            NoImageError: there is none.
            ImageError: it cannot be read, or is too large.
            ResumeError: kept work waits for another picture. Opened once more, it is a new one.
        """
        self._projects.collect_edits(visitor.owner)
        waiting = self._projects.take_waiting(visitor.owner)
        if not upload:
            raise NoImageError("There is no picture yet: open a photo or pick a sample first.")
        photo = Upload.of(upload)
        if waiting is None:
            session = self._service.store.open(visitor.owner, *photo)
            return self._screens.arrived(visitor, self._screens.show_opened(visitor, session))
        return self._restored.show_restored(visitor, self._projects.restore(visitor.owner, waiting, [photo]))

    def open_sample(self, visitor: Visitor, payload: Any) -> Changes:
        """Open a sample photo, by the name in ``payload``; the first one without a name."""
        self._projects.collect_edits(visitor.owner)
        name = payload.get("name") if isinstance(payload, dict) else None
        session = self._service.samples.open(visitor.owner, str(name or next(iter(self._service.samples), "")))
        if session.result is None:
            return self._screens.arrived(visitor, self._screens.show_opened(visitor, session))
        line = status(visitor.words.say("status.sample"))
        return self._screens.arrived(visitor, self._screens.show(visitor, session, line))

    def open_recent(self, visitor: Visitor, payload: Any) -> Changes:
        """Go on with work that the visitor has left, by the key in ``payload``.

        Raises:
            RunGoneError: they have no such work.
            ArchiveError, ResumeError, ImageError: it cannot be restored.
        """
        self._projects.collect_edits(visitor.owner)
        key = payload.get("key") if isinstance(payload, dict) else None
        with self._projects.recent.taken(visitor.owner, key) as path:
            restored = self._projects.restore(visitor.owner, path)
            if self._autosave is not None:
                self._autosave.save(visitor.owner)
        return self._restored.show_restored(visitor, restored)

    def open_item(self, visitor: Visitor, payload: Any) -> Changes:
        """Open a picture of the visitor's list."""
        index = payload.get("index") if isinstance(payload, dict) else None
        session = self._projects.open_item(visitor.owner, index)
        if session.result is None:
            return self._screens.arrived(visitor, self._screens.show_opened(visitor, session))
        return self._restored.show_work(visitor, session, "queue.opened")

    def open_files(self, visitor: Visitor, uploads: Sequence[Upload | str] | None) -> Changes:
        """Open several files, or one that the browser takes for no photo: kept work, pictures for a list, or a photo.

        Raises:
            ImageError: the only file is no picture either.
            ResumeError: kept work cannot be restored, or there are several.
            ArchiveError: a ZIP cannot be read.
            BatchError: there is no picture, or there are too many.
        """
        files = [Upload.of(upload) for upload in uploads or []]
        for path, name in files:
            if PurePath(name).suffix.lower() == ".zip" and not is_archive(path):
                raise ArchiveError(
                    f"{name} is no ZIP that can be read: it is broken, or another kind of file. Save it again."
                )
        kept = [file for file in files if is_saved(file.path)]
        if not kept:
            if len(files) == 1 and not is_archive(files[0].path):
                return self.open_photo(visitor, files[0])
            waiting = self._projects.take_waiting(visitor.owner)
            if waiting is not None:
                return self._restored.show_restored(visitor, self._projects.restore(visitor.owner, waiting, files))
            listing, is_new = self._projects.add(visitor.owner, files)
            said = self._screens.say(visitor, listing_line(visitor.words, listing, is_new))
            return self._screens.arrived(visitor, self._first_of_list(visitor) if is_new else said)
        if len(kept) > 1:
            raise ResumeError(f"{len(kept)} of these {len(files)} files hold kept work: drop one, and its photo.")
        self._projects.collect_edits(visitor.owner)
        others = [file for file in files if file not in kept]
        return self._restored.show_restored(visitor, self._projects.restore(visitor.owner, kept[0].path, others))

    def _first_of_list(self, visitor: Visitor) -> Changes:
        """Open the first picture of the visitor's list that can be read; the rows of others say why."""
        own = self._projects.lists.get(visitor.owner)
        for index in range(len(own.pictures.items)):
            with suppress(ImageError):
                return self._screens.show_opened(visitor, self._projects.open_item(visitor.owner, index))
        return Changes()

    def free_drop_zones(self) -> Changes:
        """Empty the drop zones: a file that could not be opened does not stay there."""
        return Changes(frees_drop_zones=True)

    def leave(self, visitor: Visitor) -> None:
        """Free what belongs to a visitor whose tab was closed."""
        if self._autosave is not None:
            self._autosave.leave(visitor.owner)
        self._projects.leave(visitor.owner)
        self._screens.list_lines.pop(visitor.owner, None)
        self._run_queue.forget(visitor.owner)

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
