"""What the table of a queue says: its rows, and the sentence above them, in the visitor's language."""

from __future__ import annotations

from collections.abc import Sequence

from gradio.data_classes import FileData

from automask_ui.batch.pictures import Listing
from automask_ui.project.pictures import Queue
from automask_ui.project.restore_list import TakenUp
from automask_ui.ui.components.queue_table import QueueRow
from automask_ui.ui.text import Words

__all__ = ["added_line", "back_line", "end_line", "photos_line", "row_of", "running_line", "taken_line"]

_NAMED = 3  # pictures that a sentence names one by one


def row_of(queue: Queue, index: int) -> QueueRow:
    """The row of a picture."""
    item, path = queue.items[index], queue.thumbnail(index)
    thumb = None if path is None else FileData(path=str(path), orig_name=path.name, mime_type="image/webp")
    return QueueRow(
        name=item.name,
        state=item.state,
        masks=item.masks,
        seconds=item.seconds,
        error=item.error,
        edited=item.edited,
        thumb=thumb,
    )


def taken_line(words: Words, listing: Listing) -> str:
    """Pictures that were dropped."""
    return _listing_line(words, "queue.taken", listing)


def added_line(words: Words, listing: Listing) -> str:
    """Pictures that were dropped beside a list."""
    return _listing_line(words, "queue.added", listing)


def _listing_line(words: Words, key: str, listing: Listing) -> str:
    parts = [words.count(key, len(listing.pictures), pictures=len(listing.pictures))]
    if listing.others:
        parts.append(words.count("queue.others", listing.others, files=listing.others))
    return " ".join(parts)


def back_line(words: Words, back: TakenUp) -> str:
    """A queue that was taken up again."""
    masks = sum(item.masks or 0 for item in back.queue.items) if back.queue else 0
    parts = [
        words.count("queue.back", back.back, pictures=back.back, masks=words.count("status.masks", masks, masks=masks))
    ]
    if back.added:
        parts.append(words.count("queue.added", back.added, pictures=back.added))
    if back.missing:
        parts.append(
            words.count("queue.missing", len(back.missing), pictures=len(back.missing), names=_names(back.missing))
        )
    return " ".join(parts)


def photos_line(words: Words, names: Sequence[str]) -> str:
    """Which photos are needed."""
    return words.count("queue.photos", len(names), pictures=len(names), names=_names(names))


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + ", …" * (len(names) > _NAMED)


def running_line(words: Words, queue: Queue, seconds: float, before: int) -> str:
    """How far it is after ``seconds``, ``before`` pictures having been done before them."""
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


def end_line(words: Words, queue: Queue) -> str:
    """What has come of it."""
    masks = sum(item.masks or 0 for item in queue.items)
    failed = sum(item.state == "failed" for item in queue.items)
    parts = [
        words.say("queue.progress", done=queue.done, total=len(queue.items)),
        words.count("status.masks", masks, masks=masks),
    ]
    if failed:
        parts.append(words.say("queue.failed", n=failed))
    return " · ".join(parts)
