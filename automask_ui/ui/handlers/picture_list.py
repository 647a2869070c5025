"""Lists of pictures: dropped together, worked through, opened one by one, saved as one dataset."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from automask_ui.errors import AutoMaskError, BatchError, ExportError, NoImageError, SessionError
from automask_ui.export import EXPORTERS, new_folder
from automask_ui.files.images import LoadedImage
from automask_ui.masks import MaskResult
from automask_ui.models.checkpoints import checksum
from automask_ui.options import GeneratorOptions
from automask_ui.project.document import SavedModel
from automask_ui.project.export import export_queue
from automask_ui.project.files import QueueFolder
from automask_ui.project.pictures import Queue, batch_task
from automask_ui.project.restore import restore, saved_of
from automask_ui.project.restore_list import take_up
from automask_ui.project.uploads import collect
from automask_ui.serving.service import Service
from automask_ui.session import Session
from automask_ui.ui.components.queue_table import QueueTableData
from automask_ui.ui.controls import Controls
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.text import sentences
from automask_ui.ui.text.queue_lines import added_line, back_line, end_line, row_of, running_line, taken_line
from automask_ui.ui.text.report import proof_sentence

__all__ = ["PictureListHandlers"]

MOST_QUEUES = 8  # at a time: each may hold a gigabyte of pictures
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class _Opened:
    """The picture of a queue that is in the main view."""

    index: int
    session: Session
    before: tuple[int, MaskResult | None]  # the session's version and result when it was last kept


@dataclass
class _Own:
    """A visitor's queue, and which of its pictures is in the main view."""

    queue: Queue
    kept: QueueFolder
    opened: _Opened | None = None
    line: str = ""  # what the last start or stop has to say
    lock: threading.Lock = field(default_factory=threading.Lock)  # held while ``opened`` is used or changed


class PictureListHandlers:
    """The lists of pictures of all visitors; a :class:`automask_ui.project.autosave.Keeper` of them as well."""

    suffix = ".pictures"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._own: dict[str, _Own] = {}
        self._bringing: set[str] = set()  # owners whose files are being unpacked
        self._lock = threading.Lock()  # held while a queue comes or its owner leaves

    def take(self, visitor: Visitor, files: Sequence[Path]) -> QueueTableData:
        """Begin a queue of dropped files, or add them to the one that is there: nobody's work goes by a drop.

        Raises:
            ArchiveError, BatchError: nothing can be done with them.
        """
        with self._new_folder(visitor) as folder:
            listing = collect(files, folder)
            own = self._own.get(visitor.owner)
            if own is None:
                own = self._begin(visitor, Queue(listing.pictures, folder))
                own.line = taken_line(visitor.words, listing)
            else:
                own.queue.add(listing.pictures)
                own.line = added_line(visitor.words, listing)
        return self.board(visitor)

    def restore(self, visitor: Visitor, path: Path, photos: Sequence[Path] = ()) -> tuple[str, ...]:
        """Go on with a queue that was downloaded or kept; an earlier one is given up.

        Returns:
            Names of photos without which nothing was done; none where the queue is back.

        Raises:
            ArchiveError, ResumeError, BatchError: it cannot be taken up.
        """
        with self._new_folder(visitor) as folder:
            back = take_up(path, photos, folder)
            if back.queue is None:
                return back.missing
            own = self._begin(visitor, back.queue)
        if back.open is not None:
            self._reopen(visitor, own, back.open)
        own.line = back_line(visitor.words, back)
        return ()

    def show(self, visitor: Visitor) -> Changes:
        """Show the visitor's list as it is."""
        return Changes(picture_list=self.board(visitor))

    def board(self, visitor: Visitor) -> QueueTableData:
        """The visitor's list as the page shows it."""
        own = self._own.get(visitor.owner)
        if own is None:
            return QueueTableData()
        queue = own.queue
        return QueueTableData(
            queue=queue.folder.name,
            items=[row_of(queue, index) for index in range(len(queue.items))],
            open=self._open_index(visitor.owner, own),
            running=queue.is_running,
            line=queue.error or own.line,
            failed=bool(queue.error),
            fraction=queue.done / max(1, len(queue.items)),
        )

    def start_queue(self, visitor: Visitor, controls: Controls) -> Iterator[Changes]:
        """Work through the queue with what the controls say, telling how far it is until it ends.

        Raises:
            OptionError: the controls do not fit together.
            CheckpointError: the model cannot be had.
        """
        own, service, words = self._mine(visitor), self._service, visitor.words
        self.keep(visitor.owner)
        nothing = Session(LoadedImage(np.zeros((1, 1, 3), np.uint8), "", ()), "")
        try:
            for progress in service.runs.fetch(nothing, controls.model):
                own.line = sentences.progress_line(words, progress, nothing, 0.0)["text"]
                yield self.show(visitor)
            engine = service.models.load(controls.model)
        except AutoMaskError as error:
            own.line = words.error(error)
            yield self.show(visitor)
            raise
        options = controls.options(service.models.thresholds(controls.model))
        service.runs.workload(options)
        row = service.models[controls.model]
        model = SavedModel(row.name, row.title, checksum(row))
        own.queue.start(engine.steps, batch_task(model, options), model)
        began, before = time.monotonic(), own.queue.done
        told = -1
        while own.queue.is_running and self._own.get(visitor.owner) is own:
            if told != own.queue.changes:
                told = own.queue.changes
                own.line = running_line(words, own.queue, time.monotonic() - began, before)
                yield self.show(visitor)
            time.sleep(_POLL_SECONDS)
        own.line = end_line(words, own.queue)
        yield self.show(visitor)

    def stop_queue(self, visitor: Visitor) -> Changes:
        """Stop after the chunk in hand."""
        own = self._mine(visitor)
        own.queue.stop()
        own.line = visitor.words.say("status.stopping")
        return self.show(visitor)

    def open(self, visitor: Visitor, payload: Any) -> Session:
        """Open a picture of the queue, with its masks where there are any.

        Raises:
            NoImageError: there is no such picture.
            ImageError: it cannot be read.
        """
        own = self._mine(visitor)
        index = payload.get("index") if isinstance(payload, dict) else None
        if type(index) is not int or not 0 <= index < len(own.queue.items):
            raise NoImageError("There is no such picture in the queue.")
        queue, store = own.queue, self._service.store
        image = queue.image(index)
        # Once it is read, which takes a moment: an edit of the picture before may have come in meanwhile.
        self.keep(visitor.owner)
        saved = queue.saved(index)
        if saved is None:
            session = store.begin(image, visitor.owner)
        else:
            # Classes that were added meanwhile are there for this picture as well.
            lists = [saved.edits.classes, queue.classes, self._classes(visitor.owner)]
            classes = tuple(dict.fromkeys(name for names in lists for name in names))
            session = restore(store, visitor.owner, replace(saved, edits=replace(saved.edits, classes=classes)), image)
        store.keep(session)
        with own.lock:
            own.opened = _Opened(index, session, (session.version, session.result))
        return session

    def keep(self, owner: str) -> None:
        """Take what was done to the open picture into the queue; before another one is opened, and before saving."""
        own = self._own.get(owner)
        if own is None:
            return
        with own.lock:
            opened = own.opened
            if opened is None or opened.session.result is None:
                return
            session, now = opened.session, (opened.session.version, opened.session.result)
            if now[0] != opened.before[0] or now[1] is not opened.before[1]:
                own.queue.keep(opened.index, saved_of(session.snapshot(), session.image, self._service.models))
                own.opened = replace(opened, before=now)

    def mark(self, owner: str) -> object | None:
        """What tells two states of the owner's queue apart; None: there is none."""
        self.keep(owner)
        own = self._own.get(owner)
        return None if own is None else own.kept.mark(self._open_index(owner, own))

    def write(self, owner: str, path: Path, most: int) -> None:
        """Keep the owner's queue in the folder ``path``, in at most ``most`` bytes.

        Raises:
            BatchError: it is larger.
            OSError: the disk cannot take it.
        """
        own = self._own.get(owner)
        if own is not None:
            own.kept.write(path, most, self._open_index(owner, own))

    def settings(self, visitor: Visitor) -> tuple[str, GeneratorOptions] | None:
        """With which model and options the visitor's queue was worked through, if it was."""
        own = self._own.get(visitor.owner)
        if own is None or own.queue.job is None or own.queue.model is None:
            return None
        return own.queue.model.name, own.queue.job.options

    def save_queue(self, visitor: Visitor, payload: Any) -> Iterator[Changes]:
        """Write all pictures as one dataset, and say what is in it.

        Raises:
            ExportError: no such format, no masks, or the file failed its check.
        """
        own = self._mine(visitor)
        own.line = visitor.words.say("status.exporting")
        yield self.show(visitor)
        name = payload.get("format") if isinstance(payload, dict) else None
        if not isinstance(name, str) or name not in EXPORTERS:
            raise ExportError(f"There is no format {str(name)[:40]!r}. The formats are: {', '.join(EXPORTERS)}.")
        self.keep(visitor.owner)
        report = export_queue(own.queue, name, new_folder(own.queue.folder))
        own.line = proof_sentence(visitor.words, report)
        yield Changes(download=report.path, picture_list=self.board(visitor))

    def leave(self, visitor: Visitor) -> None:
        """The visitor has gone: give up what they have, and what they were bringing."""
        with self._lock:
            self._bringing.discard(visitor.owner)
        self.forget(visitor)

    def forget(self, visitor: Visitor) -> None:
        """Give the visitor's queue up."""
        own = self._own.pop(visitor.owner, None)
        if own is not None:
            own.queue.close()

    def _mine(self, visitor: Visitor) -> _Own:
        own = self._own.get(visitor.owner)
        if own is None:
            raise NoImageError("There is no queue: drop several pictures, or a ZIP of pictures, first.")
        return own

    @contextmanager
    def _new_folder(self, visitor: Visitor) -> Iterator[Path]:
        """A folder for a new queue of the visitor; it goes where none has come of it."""
        if len(self._own.keys() - {visitor.owner}) >= MOST_QUEUES:
            raise BatchError(f"{MOST_QUEUES} others have lists of pictures here already: try again in a while.")
        # Files in it can be fetched by their path, so the name must be one that cannot be guessed.
        folder = self._service.store.scratch / f"queue-{secrets.token_hex(16)}"
        folder.mkdir(mode=0o700)
        self._bringing.add(visitor.owner)
        try:
            yield folder
        finally:
            self._bringing.discard(visitor.owner)
            own = self._own.get(visitor.owner)
            if own is None or own.queue.folder != folder:
                shutil.rmtree(folder, ignore_errors=True)

    def _begin(self, visitor: Visitor, queue: Queue) -> _Own:
        self.forget(visitor)
        with self._lock:
            if visitor.owner not in self._bringing:
                # Nobody would ever give it up.
                queue.close()
                raise BatchError("The page was closed while its pictures were read.")
            own = self._own[visitor.owner] = _Own(queue, QueueFolder(queue))
        return own

    def _reopen(self, visitor: Visitor, own: _Own, index: int) -> None:
        """Take the picture in the main view for the queue's own, if it is the one."""
        session, saved = self._service.store.peek(visitor.owner), own.queue.saved(index)
        if session is not None and saved is not None and session.image.sha256 == saved.image.sha256:
            own.opened = _Opened(index, session, (session.version, session.result))

    def _classes(self, owner: str) -> tuple[str, ...]:
        with suppress(SessionError):
            return self._service.store.current(owner).edits.classes
        return ()

    def _open_index(self, owner: str, own: _Own) -> int | None:
        """Which picture of the queue is in the main view."""
        opened = own.opened
        return opened.index if opened and self._service.store.peek(owner) is opened.session else None
