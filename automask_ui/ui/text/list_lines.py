"""What the table of pictures says: its rows, and the sentence above them, in the visitor's language."""

from __future__ import annotations

from collections.abc import Sequence

from gradio.data_classes import FileData

from automask_ui.batch.pictures import Listing
from automask_ui.export import ExportReport
from automask_ui.project.pictures import PictureList, unlabelled_masks
from automask_ui.project.restore_list import RestoredList
from automask_ui.ui.components.picture_table import PictureRow
from automask_ui.ui.text import Words, short_name
from automask_ui.ui.text.report import proof_sentence

__all__ = ["back_line", "end_line", "first_names", "listing_line", "row_of", "running_line", "saved_line"]

_NAMED = 3  # pictures that a sentence names one by one


def row_of(words: Words, pictures: PictureList, index: int) -> PictureRow:
    """What is told of a picture."""
    item, path = pictures.items[index], pictures.thumbnails.get(pictures.pictures[index])
    thumb = None if path is None else FileData(path=str(path), orig_name=path.name, mime_type="image/webp")
    reason = item.error and words.sentence(item.error, words.say("list.state.failed"))
    return PictureRow(
        name=item.name,
        state=item.state,
        masks=item.masks,
        seconds=item.seconds,
        error=reason.removeprefix(item.name).lstrip(": "),  # which stands above it, and there is little room
        edited=item.edited,
        thumb=thumb,
    )


def listing_line(words: Words, listing: Listing, is_new: bool) -> str:
    """Pictures that were dropped: a new list, or more for the one that is there."""
    count = len(listing.pictures)
    parts = [words.count("list.taken" if is_new else "list.added", count, pictures=count)]
    if listing.others:
        parts.append(words.count("list.others", listing.others, files=listing.others))
    return " ".join([*parts, *listing.notes])


def back_line(words: Words, back: RestoredList) -> str:
    """A list that was restored."""
    masks = sum(item.masks or 0 for item in back.pictures.items) if back.pictures else 0
    parts = [
        words.count("list.back", back.back, pictures=back.back, masks=words.count("status.masks", masks, masks=masks))
    ]
    if back.added:
        parts.append(words.count("list.added", back.added, pictures=back.added))
    if back.missing:
        parts.append(
            words.count("list.missing", len(back.missing), pictures=len(back.missing), names=first_names(back.missing))
        )
    return " ".join(parts)


def first_names(names: Sequence[str]) -> str:
    """A few of ``names``, and whether there are more."""
    return ", ".join(map(short_name, names[:_NAMED])) + ", …" * (len(names) > _NAMED)


def running_line(words: Words, pictures: PictureList, points: tuple[int, int], seconds: float, before: int) -> str:
    """How far it is after ``seconds``: of the picture in hand ``points``, and ``before`` pictures were done before."""
    name = short_name(next((item.name for item in pictures.items if item.state == "running"), ""))
    done, total = points
    parts = [words.say("list.progress", done=pictures.done, total=len(pictures.items))]
    if name:
        parts.append(words.say("list.points", name=name, done=done, total=total) if total else name)
    made = pictures.done - before
    if made:
        left = seconds / made * (len(pictures.items) - pictures.done)
        parts.append(words.say("status.left", time=words.time(left)))
    return " · ".join(parts)


def end_line(words: Words, pictures: PictureList) -> str:
    """What has come of it."""
    masks = sum(item.masks or 0 for item in pictures.items)
    failed = sum(item.state == "failed" for item in pictures.items)
    parts = [
        words.say("list.progress", done=pictures.done, total=len(pictures.items)),
        words.count("status.masks", masks, masks=masks),
    ]
    if failed:
        parts.append(words.say("list.failed", n=failed))
    return " · ".join(parts)


def saved_line(words: Words, report: ExportReport, pictures: PictureList) -> str:
    """What a dataset of the list holds, and which pictures are not in it since nobody has looked at them yet."""
    sentences = [proof_sentence(words, report)]
    left_out = sum(item.state != "done" for item in pictures.items)
    if left_out:
        sentences.append(words.count("list.left_out", left_out, pictures=left_out))
    if report.negatives:
        sentences.append(words.count("list.negatives.in", report.negatives, pictures=report.negatives))
    unlabelled = unlabelled_masks(pictures)
    if unlabelled and report.exporter.has_classes:
        sentences.append(words.count("proof.unlabelled", unlabelled, masks=unlabelled))
    return " ".join(sentences)
