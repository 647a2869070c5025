"""A list of pictures of one visitor, and what has become of each.

Masks that a run has found land in a dataset on the disk, as those of a folder run do; a picture that was looked at and
edited keeps the visitor's masks.
"""

from __future__ import annotations

import copy
import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from automask_ui.batch.dataset import Dataset, MasksRecord
from automask_ui.batch.pictures import Picture
from automask_ui.batch.worker import BatchTask, Loaded
from automask_ui.files.hashes import sha256_of
from automask_ui.files.images import LoadedImage, load_image
from automask_ui.files.names import safe_stem, unused_path
from automask_ui.files.upload_checks import check_bytes, check_count
from automask_ui.masks import MaskSet
from automask_ui.options import GeneratorOptions
from automask_ui.project.document import Saved, SavedImage, SavedModel
from automask_ui.project.restore_photo import found_of
from automask_ui.project.thumbnails import Thumbnails
from automask_ui.session.class_names import ClassList, joined

__all__ = ["Item", "PictureList", "batch_task", "unlabelled_masks"]


@dataclass(frozen=True)
class Item:
    """What has become of one picture; replaced as a whole."""

    name: str
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    masks: int | None = None
    seconds: float | None = None
    error: str = ""
    edited: bool = False  # the visitor has changed it since


def batch_task(model: SavedModel, options: GeneratorOptions) -> BatchTask:
    """What a run does with every picture of a list."""
    return BatchTask(options, (), model.sha256 or model.name, {"model": model.title, "options": options.flat()})


class PictureList:
    """Pictures with what has become of them.

    Attributes:
        pictures: their files, in ``folder``.
        items: in the order of the pictures.
        changes: counts up with every change of ``items``.
        task: what the masks were made with; None before the first run.
        model: which model that was.
        dataset: holds the masks that were found.
        thumbnails: of those pictures that have one.
        edited: what the visitor has made of pictures, by their place.
    """

    def __init__(self, pictures: Sequence[Picture], folder: Path) -> None:
        self.pictures = list(pictures)
        self.folder = folder
        self.items = [Item(picture.relative) for picture in pictures]
        self.changes = 0
        self.task: BatchTask | None = None
        self.model: SavedModel | None = None
        self.dataset = Dataset(folder / "masks")
        self.thumbnails = Thumbnails(folder)
        # By the paths of the files, which are never given twice.
        self._images: dict[Path, SavedImage] = {}  # of pictures that were looked at
        self._hashes: dict[Path, str] = {}
        self.edited: dict[int, Saved] = {}
        self._lock = threading.Lock()  # held while pictures come and go

    def snapshot(self) -> PictureList:
        """The list as it is now, for what takes its time: pictures and edits that come and go do not show in it."""
        with self._lock:
            now = copy.copy(self)
            now.pictures, now.items, now.edited = list(self.pictures), list(self.items), dict(self.edited)
            return now

    @property
    def done(self) -> int:
        """Pictures that need no more work."""
        return sum(item.state in ("done", "failed") for item in self.items)

    @property
    def classes(self) -> ClassList:
        """The class lists of all pictures as one."""
        # A list first, at once: the thread that keeps work may add to the edited ones at any moment.
        return joined([saved.edits.class_list for saved in list(self.edited.values())])

    def restore(
        self, task: BatchTask | None, model: SavedModel | None, work: Iterable[tuple[int, Item, Saved | None]]
    ) -> None:
        """Go on from what an earlier list of the same pictures had come to; before the first run.

        Args:
            task: what that list's masks were made with.
            model: which model that was.
            work: picture, what had become of it, and its masks where it has any.

        Raises:
            BatchError: the disk cannot take it.
        """
        self.task, self.model = task, model
        with self.dataset.open_scratch():
            for index, item, saved in work:
                if saved is not None:
                    path = self.pictures[index].path
                    self._images[path], self._hashes[path] = saved.image, saved.image.sha256
                if saved is not None and task is not None and not item.edited:
                    record = MasksRecord(task.key(saved.image.sha256), saved.image.sha256, saved.masks)
                    self.dataset.write_masks(self.pictures[index], record)
                elif saved is not None:
                    self.edited[index] = saved
                self.set_item(index, item)

    def add(self, pictures: Sequence[Picture]) -> None:
        """Take more pictures in, whose files are moved here; they wait for the next run.

        Raises:
            BatchError: they are too many, or too large, together with those that are here.
        """
        check_count(len(self.pictures) + len(pictures))
        check_bytes(sum(picture.path.stat().st_size for picture in (*self.pictures, *pictures)))
        used = {picture.relative.casefold() for picture in self.pictures}
        for picture in pictures:
            relative = unused_path(picture.relative, used)
            path = self.folder / f"{secrets.token_hex(8)}{picture.path.suffix}"
            picture.path.replace(path)
            with self._lock:
                # In this order: others count the pictures.
                self.items.append(Item(relative))
                self.pictures.append(Picture(path, relative, safe_stem(relative)))
        self.changes += 1

    def begin(self, task: BatchTask, model: SavedModel) -> None:
        """Let everything wait that failed or has no masks under ``task`` yet, but for pictures that were edited."""
        is_other = self.task is not None and (self.task.options, self.task.model_key) != (task.options, task.model_key)
        for index, item in enumerate(self.items):
            if item.state == "failed" or (is_other and not item.edited):
                self.set_item(index, Item(item.name))
        self.task, self.model = task, model

    def take_in(self, index: int, loaded: Loaded) -> None:
        """Remember what a picture is, now that it was read, and make its thumbnail."""
        if loaded.rgb is not None:
            self.thumbnails.make(self.pictures[index], loaded.rgb)
            image = LoadedImage(loaded.rgb, self.items[index].name, ())
            size_hw = (loaded.rgb.shape[0], loaded.rgb.shape[1])
            path = self.pictures[index].path
            self._images[path] = SavedImage(image.name, size_hw, loaded.sha256, image.pixels_sha256)

    def set_item(self, index: int, item: Item) -> None:
        """Say what has become of a picture."""
        self.items[index] = item
        self.changes += 1

    def image(self, index: int) -> LoadedImage:
        """A picture, decoded.

        Raises:
            ImageError: it cannot be read.
        """
        return load_image(self.pictures[index].path, name=self.items[index].name)

    def masks(self, index: int) -> MaskSet | None:
        """The masks that the list's run has found in a picture; None where it was not worked on, or another run has."""
        record = self.dataset.read_masks(self.pictures[index])
        if record is None or self.task is None or record.key != self.task.key(record.sha256):
            return None
        return record.masks

    def shown_masks(self, index: int) -> int:
        """How many masks of a picture are neither deleted nor hidden."""
        saved = self.edited.get(index)
        return (self.items[index].masks or 0) if saved is None else len(saved.edited(with_hidden=False).ids)

    def saved(self, index: int) -> Saved | None:
        """The work on a picture, by whomever; None where there is none."""
        edited, masks = self.edited.get(index), None
        if edited is None and self.items[index].state == "done":
            masks = self.masks(index)
        if masks is None or self.task is None or self.model is None:
            return edited
        return found_of(self._images[self.pictures[index].path], self.model, self.task.options, masks)

    def sha256(self, index: int) -> str:
        """Of a picture's file.

        Raises:
            OSError: it cannot be read.
        """
        path = self.pictures[index].path
        if path not in self._hashes:
            self._hashes[path] = sha256_of(path)
        return self._hashes[path]

    def set_edited(self, index: int, saved: Saved) -> None:
        """Take over what the visitor has made of a picture; one with masks of their own alone counts as done, too."""
        count = len(saved.edited().ids)
        if saved.model is None and not count:
            # Nothing was found yet, and what was drawn is gone again: the next run looks at it.
            if self.edited.pop(index, None) is not None:
                self.set_item(index, Item(self.items[index].name))
            return
        self.edited[index] = saved
        self.set_item(index, replace(self.items[index], state="done", masks=count, error="", edited=True))

    def remove(self, index: int) -> None:
        """Take a picture out, with its file and its masks; nobody is at work on the list meanwhile."""
        with self._lock:
            picture = self.pictures.pop(index)
            self.items.pop(index)
            self.edited = {place - (place > index): what for place, what in self.edited.items() if place != index}
        for path in (picture.path, self.thumbnails.path(picture)):
            path.unlink(missing_ok=True)
        self.changes += 1


def unlabelled_masks(pictures: PictureList) -> int:
    """How many of the masks that are shown have no label, in all pictures."""
    count = 0
    for index in range(len(pictures.items)):
        saved = pictures.edited.get(index)
        labels = None if saved is None else saved.edited(with_hidden=False).labels
        count += pictures.shown_masks(index) if labels is None else sum(not label for label in labels)
    return count
