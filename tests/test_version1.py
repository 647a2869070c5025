"""What version 1 has written still opens: real documents, archives, kept work and records in ``data/version1``."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from automask_ui.batch.pictures import Picture
from automask_ui.batch.store import Dataset
from automask_ui.export.hard_masks import hard_mask_set

DATA = Path(__file__).parent / "data" / "version1"


def test_record_of_a_dataset_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    dataset, picture = Dataset(tmp_path), Picture(Path("a.png"), "a.png", "a")
    path = dataset._path("masks", picture)
    path.parent.mkdir(parents=True)
    shutil.copyfile(DATA / "record.json", path)
    record = dataset.read_masks(picture)
    assert record is not None
    expected = hard_mask_set((37, 53))
    assert list(record.masks.rle) == list(expected.rle)
    assert np.isnan(record.masks.stability_score[1])
    path.unlink()
    with dataset.open_scratch():
        dataset.write_masks(picture, record)
    assert path.read_bytes() == (DATA / "record.json").read_bytes()


def test_damaged_record_counts_as_none(tmp_path: Path) -> None:
    dataset, picture = Dataset(tmp_path), Picture(Path("a.png"), "a.png", "a")
    path = dataset._path("masks", picture)
    path.parent.mkdir(parents=True)
    path.write_bytes((DATA / "record.json").read_bytes().replace(b'"area":[1,', b'"area":[2,'))
    assert dataset.read_masks(picture) is None
