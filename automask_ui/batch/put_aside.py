"""Keep what people have changed in a dataset: a file that is not as it was made is moved, and not written over.

They correct labels there, by hand, and start the run again for the pictures that came since.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from automask_ui.batch.dataset import Dataset, FilesRecord, Written, writing
from automask_ui.batch.paths import is_local
from automask_ui.batch.pictures import Picture
from automask_ui.export import EXPORTERS
from automask_ui.files.atomic import move_file
from automask_ui.files.hashes import sha256_of

__all__ = ["CHANGED", "land_whole", "put_aside", "take_put_aside"]

CHANGED = "changed"  # folder of a dataset, for what is not the dataset's own any more


def put_aside(
    dataset: Dataset,
    record: FilesRecord,
    paths: Iterable[str],
    coming: Mapping[str, str] | None = None,
    picture: Picture | None = None,
) -> None:
    """Move those files to ``DATASET/changed`` that somebody has changed since they were made, or that others have made.

    Args:
        dataset: where they are.
        record: what is known of the files that this dataset has made.
        paths: files that are to be removed or written over, relative to the dataset.
        coming: of those that are to be written, the SHA-256; a file that holds just that may stay where it is.
        picture: the one that they are made of, whose name another may have had before.

    Raises:
        BatchError: the disk cannot take them.
    """
    for path in sorted(paths):
        source = dataset.root / path
        # Another worker may take it away at any moment.
        with writing(source), suppress(FileNotFoundError):
            if not source.is_file() or _is_nothing(source, path):
                continue
            if _is_own(dataset, record, path) or (coming and coming.get(path) == sha256_of(source)):
                continue
            if picture and any(_is_own(dataset, other, path) for other in dataset.read_namesakes(picture)):
                continue
            target = _free_place(dataset.root, PurePosixPath(CHANGED, path))
            if is_local(source):
                move_file(source, target)
            else:
                dataset.land(source.read_bytes(), target)
                source.unlink()
            dataset.put_aside.append(path)


def take_put_aside(dataset: Dataset) -> list[str]:
    """Which files were put aside since the last call."""
    taken, dataset.put_aside = dataset.put_aside, []
    return taken


def land_whole(dataset: Dataset, content: bytes | Path, path: str) -> None:
    """Bring a file of all pictures together to ``path`` in the dataset: bytes, or a file of the scratch folder.

    Raises:
        BatchError: the disk cannot take it.
    """
    part = dataset.new_part() if isinstance(content, bytes) else content
    with writing(dataset.root / path):
        if isinstance(content, bytes):
            part.write_bytes(content)
        size, sha256 = part.stat().st_size, sha256_of(part)
    record = dataset.read_files(None)
    put_aside(dataset, record, [path], {path: sha256})
    # Listed before it appears, as the files of pictures are.
    others = set(record.stale) - {path}
    may_hold = {**record.stale_hashes, path: tuple(sorted({*record.hashes_of(path), sha256}))}
    dataset.write_files(None, replace(record, stale=tuple(sorted({*others, path})), stale_hashes=may_hold))
    dataset.move(part, dataset.root / path)
    name = PurePosixPath(path).parts[0]
    before = record.formats.get(name, Written({}, 0, 0, 1.0))
    written = replace(before, files={**before.files, path: size}, hashes={**before.hashes, path: sha256})
    del may_hold[path]
    dataset.write_files(None, FilesRecord("", "", {**record.formats, name: written}, tuple(sorted(others)), may_hold))


def _is_own(dataset: Dataset, record: FilesRecord, path: str) -> bool:
    """Whether a file is as this dataset has made it."""
    target = dataset.root / path
    if hashes := record.hashes_of(path):
        return sha256_of(target) in hashes
    # Earlier versions kept no hashes. A run that was stopped had listed it, and may have made it.
    if path in record.stale:
        return True
    size = target.stat().st_size
    return any(size == written.files[path] for written in record.formats.values() if path in written.files)


def _is_nothing(source: Path, path: str) -> bool:
    """Whether a file is empty, as a power cut leaves it. (Whoever empties a label file says that nothing is there.)"""
    place = PurePosixPath(path)
    exporter = EXPORTERS.get(place.parts[0])
    says_so = exporter is not None and exporter.has_negatives and place.suffix == ".txt"
    return not says_so and not source.stat().st_size


def _free_place(root: Path, path: PurePosixPath) -> Path:
    """Where nothing is yet: ``path`` below ``root``, or that name with a number."""
    place, number = root / path, 1
    while os.path.lexists(place) if is_local(place) else place.exists():
        number += 1
        place = root / path.with_name(f"{path.stem}-{number}{path.suffix}")
    return place
