"""Files that a visitor brings: a photo, several, or kept work with or without its photo."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Any

from automask_ui.errors import ArchiveError, ImageError, NoImageError, RestoreError
from automask_ui.files.safe_zip import is_archive
from automask_ui.files.upload_checks import Upload
from automask_ui.project.autosave import Autosave
from automask_ui.project.sources import is_saved
from automask_ui.serving.service import Service
from automask_ui.ui.components.status_line import status
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.restored_work import RestoredWork
from automask_ui.ui.handlers.screens import Screens
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text.list_lines import listing_line

__all__ = ["OpeningHandlers"]


class OpeningHandlers:
    """Opens pictures, and work that is brought back as a file or from *Recent*."""

    def __init__(
        self,
        service: Service,
        screens: Screens,
        restored: RestoredWork,
        autosave: Autosave | None = None,
    ) -> None:
        self._service, self._screens, self._restored = service, screens, restored
        self._autosave, self._projects = autosave, service.projects

    def open_photo(self, visitor: Visitor, upload: Upload | str | None) -> Changes:
        """Open one photo: a new picture, or the one that kept work waits for.

        Raises:
            NoImageError: there is none.
            ImageError: it cannot be read, or is too large.
            RestoreError: kept work waits for another picture. Opened once more, it is a new one.
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
            ArchiveError, RestoreError, ImageError: it cannot be restored.
        """
        self._projects.collect_edits(visitor.owner)
        key = payload.get("key") if isinstance(payload, dict) else None
        with self._projects.recent.taken(visitor.owner, key) as path:
            restored = self._projects.restore(visitor.owner, path)
            if self._autosave is not None:
                self._autosave.save(visitor.owner)
        return self._restored.show_restored(visitor, restored)

    def open_item(self, visitor: Visitor, payload: Any) -> Changes:
        """Open a picture of the visitor's list, unless they have asked for another one by the time it is its turn."""
        index = payload.get("index") if isinstance(payload, dict) else None
        with self._projects.lists.get(visitor.owner).being_opened() as is_last:
            if not is_last:
                return Changes()
            session = self._projects.open_item(visitor.owner, index)
        if session.result is None:
            return self._screens.arrived(visitor, self._screens.show_opened(visitor, session))
        return self._restored.show_work(visitor, session, "list.opened")

    def open_files(self, visitor: Visitor, uploads: Sequence[Upload | str] | None) -> Changes:
        """Open several files, or one that the browser takes for no photo: kept work, pictures for a list, or a photo.

        Raises:
            ImageError: the only file is no picture either.
            RestoreError: kept work cannot be restored, or there are several.
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
            raise RestoreError(f"{len(kept)} of these {len(files)} files hold kept work: drop one, and its photo.")
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
