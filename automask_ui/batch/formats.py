"""Write the files of one picture in each format; every file is checked before it appears in the dataset.

Formats that are a ZIP are unpacked, so that the dataset is the folder that training code expects. The pictures' own
folders are kept in it, so that pictures of one name do not collide.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from automask_ui.batch.dataset import Dataset, FilesRecord, Written
from automask_ui.batch.pictures import Picture
from automask_ui.batch.put_aside import put_aside
from automask_ui.errors import BatchError, ExportError
from automask_ui.export import EXPORTERS, Exporter, ExportItem, export
from automask_ui.files.hashes import sha256_of

__all__ = ["finished_formats", "write_formats"]


def write_formats(
    dataset: Dataset, picture: Picture, item: ExportItem, names: Sequence[str], key: str, *, negatives: bool
) -> Iterator[tuple[str, str]]:
    """Write the missing files of ``picture``, and remove those made of other masks.

    The process may be killed at any moment: every file is listed before it appears. What somebody has changed is put
    aside before another takes its place.

    Args:
        dataset: where the files go.
        picture: the picture that they are made of.
        item: its pixels and masks.
        names: formats that have files for each picture.
        key: of its masks and the class list.
        negatives: a picture without masks has files as well, in formats that can say so.

    Yields:
        The format and the reason, where one cannot hold these masks.

    Raises:
        BatchError: the disk cannot take them.
    """
    old = dataset.read_files(picture)
    formats = finished_formats(dataset, picture, old, key, negatives=negatives)
    listed = set(old.stale).union(*(written.files for written in old.formats.values()))
    gone = listed.difference(*(written.files for written in formats.values()))

    # Before this run lists them: what earlier versions have left may then hold anything.
    put_aside(dataset, old, gone, picture=picture)
    may_hold = {path: hashes for path in gone if (hashes := old.hashes_of(path))}

    def list_files(coming: dict[str, str]) -> None:
        """Keep that the files of ``coming``, path -> SHA-256, may be there from now on."""
        put_aside(dataset, old, coming.keys() - gone, coming, picture)
        for path, sha256 in coming.items():
            # Of what earlier versions have left, nobody knows the hash: it may hold anything.
            if path in may_hold or path not in gone:
                may_hold.setdefault(path, set()).add(sha256)
        gone.update(coming)
        hashes = {path: tuple(sorted(of_path)) for path, of_path in may_hold.items()}
        dataset.write_files(picture, FilesRecord(key, picture.stem, formats, tuple(sorted(gone)), hashes))

    for name in names:
        if name not in formats:
            try:
                formats[name] = _write_one(dataset, picture, item, name, list_files, negatives=negatives)
            except ExportError as error:
                if isinstance(error.__cause__, OSError):
                    raise BatchError(
                        f"{error} What is finished is kept; the same command goes on from there."
                    ) from error
                yield name, str(error)
    kept: set[str] = set().union(*(written.files for written in formats.values()))
    dataset.remove(gone - kept)
    dataset.write_files(picture, FilesRecord(key, picture.stem, formats))


def finished_formats(
    dataset: Dataset, picture: Picture, record: FilesRecord, key: str, *, negatives: bool
) -> dict[str, Written]:
    """Of what ``record`` says of ``picture``, what is there and is as it would be written now.

    Earlier versions laid some formats out in another way, and with or without pictures that have no masks.
    """
    finished = {}
    for name, written in record.formats.items() if (record.key, record.stem) == (key, picture.stem) else ():
        exporter = EXPORTERS.get(name)
        if exporter is None:
            continue
        is_wanted = written.masks > 0 or (negatives and exporter.has_negatives)
        paths = [PurePosixPath(path).relative_to(name) for path in written.files]
        are_in_place = all(exporter.layout.has_place(path, picture.folder) for path in paths)
        if bool(paths) == is_wanted and are_in_place and dataset.has(written.files):
            finished[name] = written
    return finished


def _write_one(
    dataset: Dataset,
    picture: Picture,
    item: ExportItem,
    name: str,
    list_files: Callable[[dict[str, str]], None],
    *,
    negatives: bool,
) -> Written:
    """Write one format's files; ``list_files`` is called with their hashes before the first one appears."""
    exporter = EXPORTERS[name]
    if not len(item.masks) and not (negatives and exporter.has_negatives):
        return Written({}, 0, 0, 1.0)
    if exporter.is_archive():
        # Names in an archive come from the item's; other formats have it as a field, where it stays the picture's own.
        item = replace(item, name=picture.stem + PurePosixPath(picture.relative).suffix)
    report = export(name, [item], dataset.scratch, negatives=negatives)
    if exporter.is_archive():
        files, hashes = _unpack(dataset, picture, exporter, report.path, list_files)
    else:
        target = f"{name}/{picture.folder / picture.stem}.{exporter.extension}"
        files = {target: report.path.stat().st_size}
        hashes = {target: sha256_of(report.path)}
        list_files(hashes)
        dataset.move(report.path, dataset.root / target)
    return Written(files, len(report.checks), report.exact, report.worst_iou, hashes)


def _unpack(
    dataset: Dataset, picture: Picture, exporter: Exporter, path: Path, list_files: Callable[[dict[str, str]], None]
) -> tuple[dict[str, int], dict[str, str]]:
    """Unpack the ZIP of one picture into the dataset; return the sizes in bytes and the hashes of its own files."""
    layout = exporter.layout
    with zipfile.ZipFile(path) as archive:
        own = [
            (entry, str(PurePosixPath(exporter.name, layout.place(entry.filename, picture.folder))))
            for entry in archive.infolist()
            if entry.filename not in (*layout.shared, layout.picture_list)
        ]
        files = {target: entry.file_size for entry, target in own}
        hashes = {target: hashlib.sha256(archive.read(entry)).hexdigest() for entry, target in own}
        list_files(hashes)
        for entry, target in own:
            dataset.land(archive.read(entry), dataset.root / target)
    path.unlink()
    return files, hashes
