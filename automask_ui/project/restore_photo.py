"""A session as it is saved, and a session that goes on from what was saved, on the picture that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from automask_ui.cache import array_key
from automask_ui.errors import RestoreError
from automask_ui.files.images import LoadedImage
from automask_ui.masks import Candidates, MaskResult, MaskSet
from automask_ui.models.checkpoints import AvailableModel, checksum
from automask_ui.options import GeneratorOptions
from automask_ui.project.document import Saved, SavedImage, SavedModel
from automask_ui.session import Session, ShowOnly, Snapshot
from automask_ui.session.editor import MaskIds, size_order
from automask_ui.session.history import History
from automask_ui.session.store import SessionStore

__all__ = ["check_model", "check_photo", "found_of", "has_model", "restore_session", "saved_of", "snapshot_of"]


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
        ids=work.ids,
        fingerprints=work.fingerprints,
        show=work.show,
        history=work.history,
    )


def found_of(image: SavedImage, model: SavedModel, options: GeneratorOptions, masks: MaskSet) -> Saved:
    """Masks as a run has found them, which nobody has touched since, with the ids that a session would give."""
    ids = MaskIds()
    nobody = MaskResult(np.zeros((0, 0, 3), np.uint8), "", "", options, Candidates.unknown(masks.size_hw), masks)
    given = ids.of(nobody)
    new_ids = {old: new for new, old in enumerate(given[size_order(masks)].tolist(), start=1)}
    ids.renumber(new_ids)
    numbers = tuple(new_ids[id_] for id_ in given.tolist())
    return Saved(image, model, options, False, masks, numbers, ids.fingerprints, ShowOnly(), History())


def snapshot_of(saved: Saved, image: LoadedImage) -> Snapshot:
    """Saved work on ``image`` as a session goes on from it."""
    if saved.model is None or saved.options is None:
        return Snapshot("", None, (), saved.fingerprints, saved.show, saved.history)
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
    return Snapshot(saved.model.name, result, saved.ids, saved.fingerprints, saved.show, saved.history)


def restore_session(store: SessionStore, owner: str, saved: Saved, image: LoadedImage) -> Session:
    """Go on with kept work on ``image``; the owner's earlier work is given up.

    Raises:
        RestoreError: it is another picture.
    """
    check_photo(saved, image)
    session = store.begin(replace(image, name=saved.image.name), owner)
    session.restore(snapshot_of(saved, image))
    store.touch(session)
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
        RestoreError: that model is not on this machine.
    """
    if not has_model(session, models):
        key = session.result.model_key if session.result else ""
        raise RestoreError(
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
        RestoreError: neither the file nor the pixels are the same.
    """
    own, (height, width) = saved.image, image.rgb.shape[:2]
    is_file = bool(own.sha256) and own.sha256 == image.sha256
    if own.size_hw != (height, width) or not (is_file or own.pixels_sha256 == image.pixels_sha256):
        raise RestoreError(
            f"{image.name} ({width:,} × {height:,} px) is not the picture that these masks belong to: that is "
            f"{own.name} ({own.size_hw[1]:,} × {own.size_hw[0]:,} px, SHA-256 {own.sha256 or own.pixels_sha256})."
        )
