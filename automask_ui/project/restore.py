"""Work taken up again: the files that carry it, and whether the picture at hand is the one it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from automask_ui.cache import array_key
from automask_ui.errors import ResumeError
from automask_ui.files.images import LoadedImage
from automask_ui.files.safe_zip import is_archive, open_archive
from automask_ui.masks import Candidates, MaskResult, MaskSet
from automask_ui.models.checkpoints import AvailableModel, checksum
from automask_ui.options import GeneratorOptions
from automask_ui.project.document import MAX_JSON_BYTES, NAME, PHOTO, Saved, SavedImage, SavedModel, parse, to_bytes
from automask_ui.session import Session, ShowOnly, Snapshot
from automask_ui.session.edits import Edits
from automask_ui.session.mask_ids import Numbers
from automask_ui.session.store import SessionStore

__all__ = [
    "check_model",
    "check_photo",
    "extras",
    "found_of",
    "has_model",
    "is_saved",
    "read_saved",
    "restore",
    "saved_of",
    "work_of",
]

MAX_PHOTO_BYTES = 32 * 1024**2  # of a photo's file that goes along; a larger one is asked for


def saved_of(work: Snapshot, image: LoadedImage, models: Mapping[str, AvailableModel]) -> Saved:
    """The work on ``image`` as it is kept.

    Raises:
        CheckpointNotFoundError: the file of the model that found the masks cannot be read.
    """
    size_hw = (image.rgb.shape[0], image.rgb.shape[1])
    result = work.result
    return Saved(
        image=SavedImage(image.name, size_hw, image.sha256, image.pixels_sha256),
        model=None if result is None else _saved_model(work.model, result, models.get(work.model)),
        options=None if result is None else result.options,
        partial=result is not None and result.partial,
        masks=MaskSet.empty(size_hw) if result is None else result.masks,
        numbers=work.numbers,
        contents=work.contents,
        show=work.show,
        edits=work.edits,
    )


def found_of(image: SavedImage, model: SavedModel, options: GeneratorOptions, masks: MaskSet) -> Saved:
    """Masks as a run has found them, which nobody has touched since: numbered as a session would."""
    numbers = Numbers()
    nobody = MaskResult(np.zeros((0, 0, 3), np.uint8), "", "", options, Candidates.unknown(masks.size_hw), masks)
    given = tuple(numbers.of(nobody).tolist())
    return Saved(image, model, options, False, masks, given, numbers.contents, ShowOnly(), Edits())


def work_of(saved: Saved, image: LoadedImage) -> Snapshot:
    """Kept work on ``image`` as a session takes it up."""
    if saved.model is None or saved.options is None:
        return Snapshot("", None, (), saved.contents, saved.show, saved.edits)
    result = MaskResult(
        image=image.rgb,
        image_key=array_key(image.rgb),
        # Never the key of a loaded model: no candidates come with these masks.
        model_key=saved.model.sha256 or "",
        options=saved.options,
        candidates=Candidates.unknown(saved.image.size_hw),
        masks=saved.masks,
        partial=saved.partial,
    )
    return Snapshot(saved.model.name, result, saved.numbers, saved.contents, saved.show, saved.edits)


def restore(store: SessionStore, owner: str, saved: Saved, image: LoadedImage) -> Session:
    """Go on with kept work on ``image``; the owner's earlier work is given up.

    Raises:
        ResumeError: it is another picture.
    """
    check_photo(saved, image)
    session = store.begin(replace(image, name=saved.image.name), owner)
    session.take_up(work_of(saved, image))
    store.keep(session)
    return session


def has_model(session: Session, models: Mapping[str, AvailableModel]) -> bool:
    """Whether other thresholds can be applied: the candidates are here, or the very model that finds them again."""
    result, model = session.result, models.get(session.model)
    if result is None or result.has_candidates:
        return True
    return model is not None and (checksum(model) or "") == result.model_key


def check_model(session: Session, models: Mapping[str, AvailableModel]) -> None:
    """Refuse to look for candidates with another model than the one that found the masks.

    Raises:
        ResumeError: that model is not on this machine.
    """
    if not has_model(session, models):
        key = session.result.model_key if session.result else ""
        raise ResumeError(
            f"These masks were found by {session.model} (SHA-256 {key[:16] or 'not known'}…), which is not on this "
            "machine: they can be edited and downloaded, but not filtered anew. Press Find masks to find others with "
            "the model that is chosen."
        )


def _saved_model(name: str, result: MaskResult, model: AvailableModel | None) -> SavedModel:
    sha256 = None if model is None else checksum(model)
    return SavedModel(
        name, model.title if model else name, sha256 if result.has_candidates else result.model_key or None
    )


def check_photo(saved: Saved, image: LoadedImage) -> None:
    """Refuse a picture that is not the one the masks belong to.

    Raises:
        ResumeError: neither the file nor the pixels are the same.
    """
    own, (height, width) = saved.image, image.rgb.shape[:2]
    is_file = bool(own.sha256) and own.sha256 == image.sha256
    if own.size_hw != (height, width) or not (is_file or own.pixels_sha256 == image.pixels_sha256):
        raise ResumeError(
            f"{image.name} ({width:,} × {height:,} px) is not the picture that these masks belong to: that is "
            f"{own.name} ({own.size_hw[1]:,} × {own.size_hw[0]:,} px, SHA-256 {own.sha256 or own.pixels_sha256})."
        )


def extras(session: Session, models: Mapping[str, AvailableModel]) -> dict[str, bytes]:
    """The files by which an archive can be taken up again: the document, and the photo's own file where it is small."""
    image = session.image
    saved = saved_of(session.snapshot(), image, models)
    if not 0 < len(image.data) <= MAX_PHOTO_BYTES:
        return {NAME: to_bytes(saved)}
    place = f"automask/photo{PurePosixPath(image.name).suffix.lower()}"
    place = place if PHOTO.fullmatch(place) else "automask/photo"
    return {NAME: to_bytes(saved, place), place: image.data}


def is_saved(path: Path) -> bool:
    """Whether the file is meant as kept work: JSON, or an archive with the document in it.

    Raises:
        ArchiveError: it is an archive that cannot be read.
    """
    if not is_archive(path):
        return path.suffix.lower() == ".json"
    with open_archive(path) as archive:
        return any(entry.filename == NAME for entry in archive.files)


def read_saved(path: Path) -> tuple[Saved, bytes | None]:
    """Kept work from an archive or a JSON file, and the photo's file where it is in the archive.

    Raises:
        ArchiveError: the archive cannot be read.
        ResumeError: the document is not there, too large, of another version, or not as it must be.
    """
    if not is_archive(path):
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ResumeError(f"{path.name} has more than {MAX_JSON_BYTES / 1e6:.0f} MB, which is the limit here.")
        return parse(path.read_bytes(), path.name), None
    with open_archive(path) as archive:
        entries = {entry.filename: entry for entry in archive.files}
        if NAME not in entries:
            raise ResumeError(f"{path.name} has no {NAME} in it: drop a ZIP that was downloaded here.")
        saved = parse(archive.read(entries[NAME], MAX_JSON_BYTES), f"{NAME} in {path.name}")
        photo = entries.get(saved.image.file or "")
        return saved, None if photo is None else archive.read(photo, MAX_PHOTO_BYTES)
