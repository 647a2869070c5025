"""The queues of all visitors: pictures dropped together, worked through, opened one by one, saved as one dataset."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from gradio.data_classes import FileData

from automask_ui.batch.queue import Queue
from automask_ui.batch.uploads import collect
from automask_ui.batch.work import Job
from automask_ui.cache import array_key
from automask_ui.checkpoints import checksum
from automask_ui.errors import BatchError, ExportError, NoImageError
from automask_ui.export import EXPORTERS
from automask_ui.images import LoadedImage
from automask_ui.masks import Candidates, MaskResult
from automask_ui.resume import restore, saved_of
from automask_ui.service import Service
from automask_ui.session import Session
from automask_ui.ui import sentences
from automask_ui.ui.board import BoardData, BoardItem
from automask_ui.ui.controls import Controls
from automask_ui.ui.handlers import Visitor
from automask_ui.ui.proofs import proof_sentence
from automask_ui.ui.texts import Words

__all__ = ["Queues"]

MOST_QUEUES = 8  # at a time: each may hold a gigabyte of pictures
_POLL_SECONDS = 0.5


@dataclass
class _Own:
    """A visitor's queue, and which of its pictures is in the main view."""

    queue: Queue
    index: int | None = None
    session: Session | None = None
    began: tuple[int, MaskResult | None] = (0, None)  # the session's version and result when it was opened
    line: str = ""  # what the last start or stop has to say


class Queues:
    """What the page does with queues, on a service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._own: dict[str, _Own] = {}

    def take(self, visitor: Visitor, files: Sequence[Path]) -> BoardData:
        """Begin a queue of dropped files; an earlier one is given up.

        Raises:
            ArchiveError, BatchError: nothing can be done with them.
        """
        if len(self._own.keys() - {visitor.owner}) >= MOST_QUEUES:
            raise BatchError(f"{MOST_QUEUES} others have lists of pictures here already: try again in a while.")
        # Files in it can be fetched by their path, so the name must be one that cannot be guessed.
        folder = self._service.store.scratch / f"queue-{secrets.token_hex(16)}"
        folder.mkdir(mode=0o700)
        try:
            listing = collect(files, folder)
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.forget(visitor)
        own = self._own[visitor.owner] = _Own(Queue(listing.pictures, folder))
        own.line = visitor.words.count("queue.taken", len(listing.pictures), pictures=len(listing.pictures))
        if listing.others:
            own.line += " " + visitor.words.count("queue.others", listing.others, files=listing.others)
        return self.board(visitor)

    def board(self, visitor: Visitor) -> BoardData:
        """The visitor's queue as the page shows it."""
        own = self._own.get(visitor.owner)
        if own is None:
            return BoardData()
        queue = own.queue
        return BoardData(
            queue=queue.folder.name,
            items=[_row(queue, index) for index in range(len(queue.items))],
            open=own.index if self._is_open(visitor, own) else None,
            running=queue.is_running,
            line=queue.error or own.line,
            failed=bool(queue.error),
            fraction=queue.done / max(1, len(queue.items)),
        )

    def start(self, visitor: Visitor, controls: Controls) -> Iterator[BoardData]:
        """Work through the queue with what the controls say, telling how far it is until it ends.

        Raises:
            OptionError: the controls do not fit together.
            CheckpointError: the model cannot be had.
        """
        own, service, words = self._mine(visitor), self._service, visitor.words
        self.keep(visitor)
        nothing = Session(LoadedImage(np.zeros((1, 1, 3), np.uint8), "", ()), "")
        for progress in service.fetch(nothing, controls.model):
            own.line = sentences.progress_line(words, progress, nothing, 0.0)["text"]
            yield self.board(visitor)
        engine = service.load(controls.model)
        options = controls.options(service.thresholds(controls.model))
        service.workload(options)
        model = service.models[controls.model]
        metadata = {"model": model.title, "options": options.flat()}
        own.queue.start(engine.steps, Job(options, (), checksum(model) or model.name, metadata), model.name)
        began, before = time.monotonic(), own.queue.done
        told = -1
        while own.queue.is_running and self._own.get(visitor.owner) is own:
            if told != own.queue.changes:
                told = own.queue.changes
                own.line = _running_line(words, own.queue, time.monotonic() - began, before)
                yield self.board(visitor)
            time.sleep(_POLL_SECONDS)
        own.line = _end_line(words, own.queue)
        yield self.board(visitor)

    def stop(self, visitor: Visitor) -> BoardData:
        """Stop after the chunk in hand."""
        own = self._mine(visitor)
        own.queue.stop()
        own.line = visitor.words.say("status.stopping")
        return self.board(visitor)

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
        self.keep(visitor)
        queue, store = own.queue, self._service.store
        image, saved, masks = queue.image(index), queue.edited(index), queue.masks(index)
        if saved is not None:
            # Classes that were added meanwhile are there for this picture as well.
            classes = tuple(dict.fromkeys([*saved.edits.classes, *queue.classes]))
            session = restore(store, visitor.owner, replace(saved, edits=replace(saved.edits, classes=classes)), image)
        else:
            session = store.begin(image, visitor.owner)
            if masks is not None and queue.job is not None:
                size_hw, key = masks.size_hw, checksum(self._service.models[queue.model]) or ""
                pixels, options = image.rgb, queue.job.options
                result = MaskResult(pixels, array_key(pixels), key, options, Candidates.unknown(size_hw), masks)
                session.update(result, queue.model)
        store.keep(session)
        own.index, own.session, own.began = index, session, (session.version, session.result)
        return session

    def keep(self, visitor: Visitor) -> None:
        """Take what was done to the open picture into the queue; before another one is opened, and before saving."""
        own = self._own.get(visitor.owner)
        if own is None or own.session is None or own.index is None or own.session.result is None:
            return
        now = (own.session.version, own.session.result)
        if now[0] != own.began[0] or now[1] is not own.began[1]:
            session = own.session
            own.queue.keep(own.index, saved_of(session.snapshot(), session.image, self._service.models))
            own.began = now

    def save(self, visitor: Visitor, payload: Any) -> tuple[Path, BoardData]:
        """All pictures as one dataset, and what is in it.

        Raises:
            ExportError: no such format, no masks, or the file failed its check.
        """
        own = self._mine(visitor)
        name = payload.get("format") if isinstance(payload, dict) else None
        if not isinstance(name, str) or name not in EXPORTERS:
            raise ExportError(f"There is no format {str(name)[:40]!r}. The formats are: {', '.join(EXPORTERS)}.")
        self.keep(visitor)
        report = own.queue.export(name, own.queue.folder)
        own.line = proof_sentence(visitor.words, report)
        return report.path, self.board(visitor)

    def writing(self, visitor: Visitor) -> BoardData:
        """While a dataset is being written."""
        self._mine(visitor).line = visitor.words.say("status.exporting")
        return self.board(visitor)

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

    def _is_open(self, visitor: Visitor, own: _Own) -> bool:
        return own.session is not None and self._service.store.peek(visitor.owner) is own.session


def _row(queue: Queue, index: int) -> BoardItem:
    item, path = queue.items[index], queue.thumbnail(index)
    thumb = None if path is None else FileData(path=str(path), orig_name=path.name, mime_type="image/webp")
    return BoardItem(
        name=item.name,
        state=item.state,
        masks=item.masks,
        seconds=item.seconds,
        error=item.error,
        edited=item.edited,
        thumb=thumb,
    )


def _running_line(words: Words, queue: Queue, seconds: float, before: int) -> str:
    name = next((item.name for item in queue.items if item.state == "running"), "")
    done, total = queue.points
    parts = [words.say("queue.progress", done=queue.done, total=len(queue.items))]
    if name:
        parts.append(words.say("queue.points", name=name, done=done, total=total) if total else name)
    made = queue.done - before
    if made:
        left = seconds / made * (len(queue.items) - queue.done)
        parts.append(words.say("status.left", time=words.time(left)))
    return " · ".join(parts)


def _end_line(words: Words, queue: Queue) -> str:
    masks = sum(item.masks or 0 for item in queue.items)
    failed = sum(item.state == "failed" for item in queue.items)
    parts = [
        words.say("queue.progress", done=queue.done, total=len(queue.items)),
        words.count("status.masks", masks, masks=masks),
    ]
    if failed:
        parts.append(words.say("queue.failed", n=failed))
    return " · ".join(parts)
