"""Projects as datasets: a photo's masks, or those of all pictures; an archive carries the project itself as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np

from automask_ui.batch.dataset_files import export_item
from automask_ui.cache import ByteLRU
from automask_ui.errors import AutoMaskError, BatchError, ExportError
from automask_ui.export import EXPORTERS, Exporter, ExportItem, ExportReport, export, new_folder
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.project.pictures import PictureList
from automask_ui.project.saving import archive_files, list_to_save, photo_to_save
from automask_ui.session import Session

__all__ = ["export_list", "export_photo"]

_DECODED_BYTES = 256 * 1024**2  # of pictures that an export keeps between its passes


def export_photo(
    session: Session,
    models: Mapping[str, AvailableModel],
    name: object,
    ids: Iterable[object],
    by_class: bool = False,
) -> ExportReport:
    """Write masks of one photo as a file in the session's folder.

    Args:
        session: on the photo.
        models: the models that can be chosen, by name.
        name: of a format.
        ids: of the masks, in any order.
        by_class: pictures show each class in one colour.

    Raises:
        ExportError: no such format, no mask, or the file failed its check.
        RunGoneError: an id is not there.
    """
    exporter = _exporter(name)
    wanted = list(dict.fromkeys(id_ for id_ in ids if type(id_) is int))
    if not wanted:
        raise ExportError("There is no mask to download: select or show at least one.")
    (own_ids, masks, labels), result = session.masks_of(wanted), session.result
    item = ExportItem(
        name=session.image.name,
        image=session.image.rgb,
        masks=masks,
        ids=own_ids,
        labels=labels,
        metadata={} if result is None else {"model": session.model, "options": result.options.flat()},
        classes=session.edits.class_list,
        by_class=by_class,
    )
    extras = archive_files(photo_to_save(session, models)) if exporter.is_archive() else ()
    return export(exporter.name, [item], new_folder(session.folder), extras)


def export_list(pictures: PictureList, name: object, folder: Path, *, negatives: bool = False) -> ExportReport:
    """Write all pictures with masks as one dataset in ``folder``: what was deleted or hidden is left out.

    Args:
        pictures: those that are done are written.
        name: of a format.
        folder: where the file goes.
        negatives: pictures without masks are written as well, in formats that can say that nothing is in them.

    Raises:
        ExportError: no such format, no masks, or the file failed its check.
    """
    exporter, pictures = _exporter(name), pictures.snapshot()
    done = [index for index, item in enumerate(pictures.items) if item.state == "done"]
    if not (negatives and exporter.has_negatives):
        done = [index for index in done if pictures.shown_masks(index)]
    if not done:
        raise ExportError("There are no masks yet: press Find masks in all first.")
    extras = archive_files(list_to_save(pictures)) if exporter.is_archive(len(done)) else ()
    return export(exporter.name, _Items(pictures, done), folder, extras, negatives=negatives)


def _exporter(name: object) -> Exporter:
    if not isinstance(name, str) or name not in EXPORTERS:
        raise ExportError(f"There is no format {str(name)[:40]!r}. The formats are: {', '.join(EXPORTERS)}.")
    return EXPORTERS[name]


class _Items(Sequence[ExportItem]):
    """The pictures of an export, each made when it is asked for: exporters go through them several times."""

    def __init__(self, pictures: PictureList, indices: Sequence[int]) -> None:
        self._pictures, self._indices = pictures, indices
        self._decoded: ByteLRU[np.ndarray] = ByteLRU(_DECODED_BYTES, lambda image: image.nbytes)

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[ExportItem]:
        return (self[place] for place in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> ExportItem: ...
    @overload
    def __getitem__(self, index: slice) -> _Items: ...
    def __getitem__(self, index: int | slice) -> ExportItem | _Items:
        if isinstance(index, slice):
            return _Items(self._pictures, self._indices[index])
        place = self._indices[index]
        image = self._decoded.get(place)
        if image is None:
            try:
                image = self._pictures.image(place).rgb
            except AutoMaskError as error:
                raise BatchError(f"{self._pictures.items[place].name} could not be read again: {error}") from error
            self._decoded.put(place, image)
        return _item(self._pictures, place, image)


def _item(pictures: PictureList, index: int, image: np.ndarray) -> ExportItem:
    """One picture (H×W×3 uint8) with its masks, for the exporters."""
    picture, saved = pictures.pictures[index], pictures.edited.get(index)
    found = pictures.masks(index) if saved is None else saved.masks
    metadata = {} if pictures.task is None else dict(pictures.task.metadata)
    if found is None:
        raise ExportError(f"The masks of {picture.relative} are gone: press Find masks in all again.")
    if found.size_hw != image.shape[:2]:
        # What was restored may say anything of a picture that nobody has opened yet.
        raise ExportError(
            f"The masks of {picture.relative} are for a picture of another size: press Find masks in all again."
        )
    if saved is None:
        return replace(export_item(picture, found, image, metadata), classes=pictures.classes)
    ids, masks, labels = saved.edited(with_hidden=False)
    return ExportItem(picture.relative, image, masks, ids, labels, metadata, pictures.classes)
