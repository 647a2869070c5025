"""What each visitor has: the photo in the main view, and a list of pictures; both can be saved and restored."""

from __future__ import annotations

import secrets
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from automask_ui.batch.pictures import Listing
from automask_ui.errors import BatchError, NoImageError, RestoreError, SessionError
from automask_ui.files.images import LoadedImage, load_image
from automask_ui.files.upload_checks import Upload, check_photo_bytes
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.project.collect_uploads import collect
from automask_ui.project.document import Saved, SavedImage
from automask_ui.project.pictures import PictureList
from automask_ui.project.recent import Recent, describe
from automask_ui.project.restore_list import RestoredList, restore_list, saved_photo
from automask_ui.project.restore_photo import check_photo, restore_session
from automask_ui.project.saving import ProjectToSave, list_to_save, photo_to_save
from automask_ui.project.sources import read_project
from automask_ui.project.working_list import WorkingList
from automask_ui.session import Session
from automask_ui.session.class_names import joined
from automask_ui.session.store import SessionStore

__all__ = ["KINDS", "Kind", "Projects", "Restored", "WorkingLists"]

MOST_LISTS = 8  # at a time: each may hold a gigabyte of pictures

Kind = Literal["photo", "pictures"]  # what a visitor can have: a project of one photo, and a list
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Restored:
    """What has come of saved work: the photo's session, the list, or what is needed before."""

    session: Session | None = None
    pictures: RestoredList | None = None
    needed_photo: SavedImage | None = None  # without which nothing was restored; drop it next
    needed_photos: tuple[str, ...] = ()  # names of those of a list of which none is there


def _mark_of(session: Session) -> object:
    """What tells two states of a session apart."""
    result = session.result
    return session.id, session.editor.version, session.show, None if result is None else weakref.ref(result)


def _photo_of(
    saved: Saved, own: bytes | None, photos: Sequence[Upload | Path], store: SessionStore, owner: str
) -> LoadedImage | None:
    """The photo of saved work: its ``own`` file if it brings that, the first that came along, or the one that is open.

    Raises:
        RestoreError: what came along is another one.
        ImageError: it cannot be read.
    """
    if own is not None:
        return load_image(own, name=saved.image.name)
    if photos:
        photo = Upload.of(photos[0])
        check_photo_bytes(*photo)
        image = load_image(photo.path, name=photo.name)
        try:
            check_photo(saved, image)
        except RestoreError as error:
            raise RestoreError(f"{error} To work on it by itself, drop it once more.") from error
        return image
    with suppress(SessionError, RestoreError):
        image = store.current(owner).image
        check_photo(saved, image)
        return image
    return None


def _begin_on(pictures: PictureList, index: int, image: LoadedImage, store: SessionStore, owner: str) -> Session:
    """A session on a picture of a list, with its masks where there are any."""
    saved = pictures.saved(index)
    if saved is None:
        return store.begin(image, owner)
    # Classes that were added meanwhile, to this list or to what was open before, are there for this picture as well.
    lists = [saved.edits.class_list, pictures.classes]
    with suppress(SessionError):
        lists.append(store.current(owner).edits.class_list)
    edits = saved.edits.with_class_list(joined(lists))
    return restore_session(store, owner, replace(saved, history=replace(saved.history, now=edits)), image)


class WorkingLists:
    """The lists of all visitors.

    Args:
        scratch: where the folders of their pictures are made.
        has_gone: whether an owner, who has a list since a time (monotonic, s), has left without a word.
    """

    def __init__(self, scratch: Path, has_gone: Callable[[str, float], bool]) -> None:
        self._scratch, self._has_gone = scratch, has_gone
        self._lists: dict[str, WorkingList] = {}  # by owner
        self._bringing: set[str] = set()  # owners whose files are being unpacked
        self._lock = threading.Lock()  # held while a list comes or its owner leaves

    def peek(self, owner: str) -> WorkingList | None:
        """The owner's list, if there is one."""
        return self._lists.get(owner)

    def get(self, owner: str) -> WorkingList:
        """The owner's list.

        Raises:
            NoImageError: there is none.
        """
        own = self._lists.get(owner)
        if own is None:
            raise NoImageError(
                "There is no list: drop several pictures, or a ZIP of pictures, first. If one is shown, the server has "
                "lost sight of this page: reload it, and your work is back."
            )
        return own

    @contextmanager
    def new_folder(self, owner: str) -> Iterator[Path]:
        """A folder for a new list of the owner; it goes where none has come of it.

        Raises:
            BatchError: too many others have lists.
        """
        for other, theirs in list(self._lists.items()):
            if other != owner and self._has_gone(other, theirs.begun_at):
                self.close(other)
        if len(self._lists.keys() - {owner}) >= MOST_LISTS:
            raise BatchError(f"{MOST_LISTS} others have lists of pictures here already: try again in a while.")
        # Files in it can be fetched by their path, so the name must be one that cannot be guessed.
        folder = self._scratch / f"list-{secrets.token_hex(16)}"
        folder.mkdir(mode=0o700)
        self._bringing.add(owner)
        try:
            yield folder
        finally:
            self._bringing.discard(owner)
            own = self._lists.get(owner)
            if own is None or own.pictures.folder != folder:
                shutil.rmtree(folder, ignore_errors=True)

    def begin(self, owner: str, pictures: PictureList) -> WorkingList:
        """Begin the owner's list of ``pictures``, whose folder is a new one; an earlier list is given up.

        Raises:
            BatchError: the owner has left meanwhile.
        """
        self.close(owner)
        with self._lock:
            if owner not in self._bringing:
                # Nobody would ever give it up.
                shutil.rmtree(pictures.folder, ignore_errors=True)
                raise BatchError("The page was closed while its pictures were read.")
            own = self._lists[owner] = WorkingList(pictures)
        return own

    def close(self, owner: str) -> None:
        """Give the owner's list up."""
        own = self._lists.pop(owner, None)
        if own is not None:
            own.run.close()

    def leave(self, owner: str) -> None:
        """The visitor has gone: give up their list, and what they were bringing for one."""
        with self._lock:
            self._bringing.discard(owner)
        self.close(owner)


class Projects:
    """The projects of all visitors.

    Args:
        store: where the sessions are: of a photo, or of a list's picture that is open.
        models: the models that can be chosen, by name.
        has_gone: whether an owner, who has a list since a time (monotonic, s), has left without a word.

    Attributes:
        lists: of pictures, one a visitor.
        recent: the work that each of them has left for another picture.
    """

    def __init__(
        self,
        store: SessionStore,
        models: Mapping[str, AvailableModel],
        has_gone: Callable[[str, float], bool] = lambda owner, since: False,
    ) -> None:
        self._store, self._models = store, models
        self.lists = WorkingLists(store.scratch, has_gone)
        self.recent = Recent(store.scratch / "recent", models)
        store.on_left = self._keep_left
        self._waiting: dict[str, Path] = {}  # owner -> saved work that waits for its photos

    def add(self, owner: str, files: Sequence[Upload | Path]) -> tuple[Listing, bool]:
        """Begin a list of dropped files, or add them to the one that is there: nobody's work goes by a drop.

        Returns:
            What was taken of the files, and whether the list is new.

        Raises:
            ArchiveError, BatchError: nothing can be done with them.
        """
        with self.lists.new_folder(owner) as folder:
            listing = collect(files, folder)
            own = self.lists.peek(owner)
            if own is None:
                self.lists.begin(owner, PictureList(listing.pictures, folder))
            else:
                own.pictures.add(listing.pictures)
        return listing, own is None

    def take_waiting(self, owner: str) -> Path | None:
        """Hand over the owner's saved work that waits for its photos: they come now or never. None where none waits."""
        return self._waiting.pop(owner, None)

    def restore(self, owner: str, path: Path, photos: Sequence[Upload | Path] = ()) -> Restored:
        """Go on with saved work; the owner's earlier photo, or list, is given up.

        Args:
            owner: the visitor.
            path: a document, an archive with it, or a kept folder.
            photos: files that came along.

        Raises:
            ArchiveError, RestoreError, BatchError, ImageError: it cannot be restored, or no photo is the right one.
        """
        project = read_project(path)
        saved = project.pictures[0].work
        if project.is_one_photo and isinstance(saved, Saved):
            image = _photo_of(saved, saved_photo(path, project), photos, self._store, owner)
            if image is None:
                self._waiting[owner] = path
                return Restored(needed_photo=saved.image)
            return Restored(session=restore_session(self._store, owner, saved, image))
        with self.lists.new_folder(owner) as folder:
            back = restore_list(path, project, photos, folder)
            if back.pictures is not None:
                own, session = self.lists.begin(owner, back.pictures), self._store.peek(owner)
                if back.open is not None and session is not None:
                    own.note_restored(back.open, session)
                return Restored(pictures=back)
        if photos:
            first, more = back.missing[0], len(back.missing) - 1
            raise RestoreError(
                f"Among these files there is no photo of this work, which is on {first}"
                f"{f' and {more:,} more' if more else ''}. To work on them by themselves, drop them once more."
            )
        self._waiting[owner] = path
        return Restored(needed_photos=back.missing)

    def _keep_left(self, session: Session) -> None:
        """Keep the work on a photo that gives way to another one; what was done to a list's picture is in the list."""
        own = self.lists.peek(session.owner)
        if own is None or own.open_index(session) is None:
            self.recent.add(session)

    def open_item(self, owner: str, index: object) -> Session:
        """Open a picture of the owner's list, with its masks where there are any.

        Raises:
            NoImageError: there is no such picture.
            ImageError: it cannot be read.
        """
        own = self.lists.get(owner)
        place = own.check_index(index)
        image = own.pictures.image(place)
        # Once it is read, which takes a moment: an edit of the picture before may have come in meanwhile.
        own.collect_edits(self._models)
        item = own.pictures.items[place]  # before its masks are asked for, which a run may find at any moment
        session = _begin_on(own.pictures, place, image, self._store, owner)
        self._store.touch(session)
        own.note_opened(place, session, item)
        return session

    def remove_item(self, owner: str, index: object) -> None:
        """Take a picture out of the owner's list; the list goes with its last one.

        Raises:
            NoImageError: there is no such picture.
            BatchError: the list is being worked on.
        """
        own = self.lists.get(owner)
        place = own.check_index(index)
        own.collect_edits(self._models)
        own.remove(place)
        if not own.pictures.items:
            self.lists.close(owner)

    def collect_edits(self, owner: str) -> None:
        """Take what was done to the open picture into the list; before another one is opened, and before saving."""
        own = self.lists.peek(owner)
        if own is not None:
            own.collect_edits(self._models)

    def open_index(self, owner: str) -> int | None:
        """Which picture of the owner's list is in the main view."""
        own = self.lists.peek(owner)
        return None if own is None else own.open_index(self._store.peek(owner))

    def mark(self, owner: str, kind: Kind) -> object | None:
        """What tells two states of a project apart; None: there is none."""
        session = self._store.peek(owner)
        if kind == "photo":
            return None if session is None else _mark_of(session)
        self.collect_edits(owner)
        own = self.lists.peek(owner)
        return None if own is None else own.mark(session)

    def to_save(self, owner: str, kind: Kind) -> ProjectToSave | None:
        """A project with what its files hold; None: there is none.

        Raises:
            AutoMaskError, OSError: a model's or a picture's file cannot be read.
        """
        if kind == "photo":
            session = self._store.peek(owner)
            return None if session is None else photo_to_save(session, self._models)
        own = self.lists.peek(owner)
        return None if own is None else list_to_save(own.pictures, self.open_index(owner))

    def describe(self, owner: str, path: Path) -> None:
        """Put what a row of recent work needs into the folder that keeps the owner's photo.

        Raises:
            OSError: the disk cannot take it.
        """
        session = self._store.peek(owner)
        if session is not None:
            describe(path, session)

    def leave(self, owner: str) -> None:
        """The visitor has gone: give up what they have, and what they were bringing."""
        self._waiting.pop(owner, None)
        self.recent.leave(owner)
        self.lists.leave(owner)
        self._store.forget(owner)
