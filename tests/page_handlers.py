"""The last word of the page's handlers that answer several times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from automask_ui.ui.components.picture_table import PictureTableData
from automask_ui.ui.handlers import Changes, Handlers, Visitor
from automask_ui.ui.handlers.picture_list import PictureListHandlers


def table_of(changes: Changes) -> PictureTableData:
    assert changes.picture_list is not None
    return changes.picture_list


def last_table(updates: Iterator[Changes]) -> PictureTableData:
    """The list of pictures as a handler leaves it."""
    *_, changes = updates
    return table_of(changes)


def save(pictures: PictureListHandlers, visitor: Visitor, payload: object) -> tuple[Path, PictureTableData]:
    """The dataset's file, and the list as saving leaves it."""
    *_, changes = pictures.save_list(visitor, payload)
    assert changes.dataset is not None
    return changes.dataset, table_of(changes)


def prepare(handlers: Handlers, visitor: Visitor, payload: Any) -> tuple[Path | None, Mapping[str, Any]]:
    """The file that is made, if there is one, and what is said of it."""
    *_, changes = handlers.masks.prepare(visitor, payload)
    assert changes.proof is not None
    return changes.download, changes.proof
