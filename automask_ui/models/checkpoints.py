"""List the available models, find or download their files, and choose the default model.

A model is either a row of :mod:`automask_ui.models.registry` (the built-in one, MobileSAM, published SAM weights) or
any other ``.pth``, ``.pt`` or ``.safetensors`` file, or folder saved by Hugging Face's transformers, in the folders
looked at: those given by the caller, those of the environment variable ``AUTOMASK_MODELS``, the cache folder and the
repository's ``assets/models``.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from automask_ui.errors import CheckpointFormatError, CheckpointNotFoundError, DownloadError, UnknownModelError
from automask_ui.files.atomic import open_atomic
from automask_ui.files.hashes import VerifiedFiles, sha256_of
from automask_ui.models import hub
from automask_ui.models.download import Download, DownloadProgress, download, is_offline
from automask_ui.models.hugging_face import is_model_folder, is_shard, model_stem, refuse_part, weights_in
from automask_ui.models.registry import BUILT_IN_MODEL, BUILT_IN_NOTICE, CHECKPOINTS, Checkpoint

__all__ = [
    "AvailableModel",
    "ModelChoice",
    "TakenFile",
    "available_models",
    "cache_folder",
    "checksum",
    "default_model",
    "fetch",
    "find_checkpoint",
    "model_rows",
    "own_checkpoint",
    "resolve_checkpoint",
    "size_text",
    "take_file",
]

ASSETS_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "models"
SUFFIXES = (".pth", ".pt", ".safetensors")

# What ViT-H needs on a GPU with room to spare: 2.6 GB of weights, activations of its global attention blocks.
_ROOMY_DEVICE_BYTES = 8 * 10**9


@dataclass(frozen=True)
class AvailableModel:
    """A model that can be chosen: a registry row, a local file, or both. ``path`` is None until it is fetched."""

    name: str
    title: str
    family: str  # the heading that it stands under where it is not here; "" for a file of one's own
    good_for: str
    licence: str
    size_bytes: int | None
    path: Path | None


@dataclass(frozen=True)
class TakenFile:
    """A model's file that was handed in. ``is_compared`` says whether its hash was that of the published one."""

    path: Path
    is_compared: bool


@dataclass(frozen=True)
class ModelChoice:
    """The model to start with; ``note`` is a sentence for the user, empty when there is nothing to say."""

    name: str
    needs_download: bool
    note: str


def cache_folder() -> Path:
    """The folder of downloaded models: ``AUTOMASK_CACHE``, or the platform's folder for caches."""
    chosen = os.environ.get("AUTOMASK_CACHE")
    return (Path(chosen) if chosen else platformdirs.user_cache_path("automask-ui", appauthor=False)) / "models"


def available_models(folders: Sequence[Path | str] = ()) -> list[AvailableModel]:
    """List every model that can be chosen: the registry's rows, then other files in the folders by name.

    A local file is called by its stem (one of transformers by its folder), or by its file name where that is taken.

    Raises:
        CheckpointNotFoundError: a folder of ``folders`` or of ``AUTOMASK_MODELS`` is not there.
    """
    files = list(_model_files(folders))
    by_filename = {file.name: file for file in reversed(files)}
    models = {row.name: _registry_model(row, by_filename.get(row.filename)) for row in CHECKPOINTS.values()}
    published = {row.filename for row in CHECKPOINTS.values()}
    for file in files:
        if file.name in published:
            continue
        stem = model_stem(file)
        name = next((n for n in (stem, file.name, str(file)) if n not in models), None)
        if name is not None:
            models[name] = AvailableModel(name, stem, "", "Your own file", "", file.stat().st_size, file)
    return list(models.values())


def own_checkpoint(path: Path | str) -> Path:
    """The file of a model that the user has named, by itself or by the folder in which transformers saved it.

    Raises:
        CheckpointNotFoundError: it is not there, is no file or only a part of one, or is a folder without weights.
    """
    path = Path(path).expanduser()
    # Not by the path's own methods, which raise where a folder is closed to this user, or a name is too long.
    if not os.path.exists(path):
        raise CheckpointNotFoundError(f"The checkpoint file {path} is not there, or closed to you. Correct its path.")
    if os.path.isdir(path):
        return weights_in(path)
    if not os.path.isfile(path):
        raise CheckpointNotFoundError(f"The checkpoint {path} is no file. Give the path of the file itself.")
    refuse_part(path)
    return path


def find_checkpoint(name: str, folders: Sequence[Path | str] = ()) -> Path | None:
    """Find the file of model ``name``; None where a registry model is not on this machine.

    Raises:
        UnknownModelError: neither the registry nor the folders have this name.
        CheckpointNotFoundError: a folder is not there.
    """
    return _get_model(name, folders).path


def resolve_checkpoint(
    name: str,
    folders: Sequence[Path | str] = (),
    progress: DownloadProgress | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Find the file of model ``name``, or download it. Published files are verified, once per change.

    Raises:
        UnknownModelError: neither the registry nor the folders have this name.
        CheckpointNotFoundError: a folder, or the built-in model's file, is not there.
        CheckpointFormatError: a file has a published model's name but not its content.
        DownloadError: fetching it failed.
    """
    path = find_checkpoint(name, folders)
    if path is None:
        return fetch(name, progress, cancel, folders)
    row = CHECKPOINTS.get(name)
    difference = _mismatch(row, path) if row is not None else None
    if row is not None and difference is not None:
        raise CheckpointFormatError(
            f"{path} is not the published {row.title} ({difference}); it may be a broken or unfinished copy. Delete it "
            f"and fetch it again; if it is a model of your own, rename it."
        )
    return path


def fetch(
    name: str,
    progress: DownloadProgress | None = None,
    cancel: threading.Event | None = None,
    folders: Sequence[Path | str] = (),
) -> Path:
    """Download registry model ``name`` into the cache folder, unless a good copy is on this machine already.

    Raises:
        UnknownModelError: the registry has no such model.
        CheckpointNotFoundError: it is the built-in model, which cannot be downloaded, or a folder is not there.
        DownloadError: fetching it failed.
    """
    row = CHECKPOINTS.get(name)
    if row is None:
        raise UnknownModelError(f"No model {name!r} to download. The models are: {', '.join(CHECKPOINTS)}.")
    path = find_checkpoint(name, folders)
    if path is not None and _mismatch(row, path) is None:
        return path
    if row.url is None:
        raise CheckpointNotFoundError(
            f"{row.title} is not downloaded: it comes with the repository as {ASSETS_FOLDER / row.filename}. "
            f"Get that file from there, or choose another model."
        )
    target = cache_folder() / row.filename
    size, digest = _published(row)
    job = Download(f"{row.title} ({size_text(size)})", row.url, size, digest)
    download(job, target, progress=progress, cancel=cancel)
    _verified_files().note(target, digest)
    return target


def take_file(name: str, file: Path, architecture_of: Callable[[Path], str]) -> TakenFile:
    """Take ``file`` for registry model ``name``: checked as a download is, then copied into the cache folder.

    Args:
        architecture_of: loads a file and gives its architecture as the registry calls it, or raises
            CheckpointFormatError. Called where only the hub knows the hash, and cannot be asked.

    Raises:
        UnknownModelError: the registry has no such model.
        CheckpointFormatError: it is not the file that was published, or none of that architecture.
        DownloadError: the disk cannot take it.
    """
    row = CHECKPOINTS.get(name)
    if row is None or row.url is None:
        raise UnknownModelError(f"No model {name!r} to have a file for. The models are: {', '.join(CHECKPOINTS)}.")
    try:
        size, digest = _published(row)
    except DownloadError:
        try:
            found = architecture_of(file)
        except CheckpointFormatError as error:
            # Whoever handed it in knows its name; its place on this machine is nobody's business.
            raise CheckpointFormatError(str(error).replace(str(file), file.name)) from error
        if found != row.arch:
            raise CheckpointFormatError(
                f"This file holds a {found}, not the {row.arch} that {row.title} is. Choose that of {row.title}, or "
                "fetch it."
            ) from None
        return TakenFile(_keep(row, file, sha256_of(file)), is_compared=False)
    if file.stat().st_size != size or sha256_of(file) != digest:
        raise CheckpointFormatError(
            f"This file of {file.stat().st_size:,} bytes is not the published {row.title}: that is {row.filename} with "
            f"{size:,} bytes. Choose that file, or fetch it."
        )
    return TakenFile(_keep(row, file, digest), is_compared=True)


def _keep(row: Checkpoint, file: Path, digest: str) -> Path:
    """Copy ``file``, whose SHA-256 is ``digest``, into the cache folder."""
    target = cache_folder() / row.filename
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_atomic(target) as copy, file.open("rb") as source:
            shutil.copyfileobj(source, copy)
    except OSError as error:
        raise DownloadError(f"The file of {row.title} cannot be kept: {error.strerror or error}.") from error
    _verified_files().note(target, digest)
    return target


def checksum(model: AvailableModel) -> str | None:
    """Compute the SHA-256 of the model's file, once per change; None where it is not on this machine.

    Raises:
        CheckpointNotFoundError: the file cannot be read.
    """
    if model.path is None or not os.path.isfile(model.path):
        return None
    try:
        return _verified_files().sha256(model.path)
    except OSError as error:
        raise CheckpointNotFoundError(f"The file of {model.title} cannot be read: {error}.") from error


def default_model(device_free_bytes: int | None, folders: Sequence[Path | str] = ()) -> ModelChoice:
    """Choose the default model for a GPU with ``device_free_bytes`` free, or for the CPU where that is None."""
    present = {model.name for model in available_models(folders) if model.path is not None}
    wanted = ["vit_t"] if device_free_bytes is None else ["vit_b", "vit_t"]
    if device_free_bytes is not None and device_free_bytes >= _ROOMY_DEVICE_BYTES:
        if "vit_h" not in present and _is_downloadable(CHECKPOINTS["vit_h"]):
            size = CHECKPOINTS["vit_h"].size_bytes or 0
            return ModelChoice("vit_h", True, f"SAM ViT-H suits this GPU; its {size_text(size)} are fetched once.")
        wanted = ["vit_h", "vit_l", *wanted]
    for name in wanted:
        if name in present:
            return ModelChoice(name, False, "")
    return ModelChoice(BUILT_IN_MODEL, False, BUILT_IN_NOTICE)


def model_rows(folders: Sequence[Path | str] = ()) -> list[dict[str, Any]]:
    """Tabulate the models: ``name, title, size, licence, good_for, where`` as texts."""
    rows = []
    for model in available_models(folders):
        size = "" if model.size_bytes is None else size_text(model.size_bytes)
        where = str(model.path) if model.path else "not on this machine"
        rows.append(
            {
                "name": model.name,
                "title": model.title,
                "size": size,
                "licence": model.licence,
                "good_for": model.good_for,
                "where": where,
            }
        )
    return rows


def size_text(size_bytes: int) -> str:
    """A file's size as people say it: in MB (10⁶ bytes), from a GB on in GB, such as "375 MB" or "2.6 GB"."""
    return f"{size_bytes / 1e6:,.0f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:,.1f} GB"


def _registry_model(row: Checkpoint, path: Path | None) -> AvailableModel:
    size = path.stat().st_size if path is not None else row.size_bytes
    return AvailableModel(row.name, row.title, row.family, row.good_for, row.licence, size, path)


def _get_model(name: str, folders: Sequence[Path | str]) -> AvailableModel:
    models = {model.name: model for model in available_models(folders)}
    if name not in models:
        raise UnknownModelError(
            f"There is no model {name!r}. The models are: {', '.join(models)}. "
            f"For a file of your own, give its path, or its folder in AUTOMASK_MODELS."
        )
    return models[name]


def _model_files(folders: Sequence[Path | str]) -> Iterator[Path]:
    """Yield checkpoint files in order of preference, each once."""
    named = [Path(folder).expanduser() for folder in folders]
    named += [Path(part).expanduser() for part in os.environ.get("AUTOMASK_MODELS", "").split(os.pathsep) if part]
    for place in named:
        if not os.path.exists(place):
            raise CheckpointNotFoundError(
                f"The models folder {place} is not there, or closed to you. Correct it, or AUTOMASK_MODELS."
            )
    seen = set()
    # A home that is closed to this user, as in some containers, is no reason not to start.
    own = [place for place in (cache_folder(), ASSETS_FOLDER) if os.access(place, os.R_OK | os.X_OK)]
    for place in (*named, *own):
        for file in _inside(place):
            is_model = file.suffix.lower() in SUFFIXES or file == place or is_model_folder(file.parent)
            if is_model and not is_shard(file) and os.path.isfile(file) and file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _inside(place: Path) -> list[Path]:
    """What may be a model's file at ``place``: itself, or what it holds, where a folder of transformers is one file."""
    if not os.path.isdir(place):
        return [place]
    if is_model_folder(place):
        return [weights_in(place)]
    try:
        return [weights_in(inner) if is_model_folder(inner) else inner for inner in sorted(place.iterdir())]
    except OSError as error:
        raise CheckpointNotFoundError(f"The models folder {place} cannot be read: {error}.") from error


def _is_downloadable(row: Checkpoint) -> bool:
    """Whether a download is possible: not offline, and room on the disk."""
    if row.url is None or row.size_bytes is None or is_offline():
        return False
    return _free_disk_bytes(cache_folder()) > 2 * row.size_bytes


def _free_disk_bytes(folder: Path) -> int:
    """Bytes that can be written to ``folder``, which may not exist yet."""
    while not os.path.exists(folder):
        folder = folder.parent
    return shutil.disk_usage(folder).free if os.access(folder, os.W_OK) else 0


def _verified_files() -> VerifiedFiles:
    return VerifiedFiles(cache_folder() / "verified.json")


def _published(row: Checkpoint) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a registry model's file: the registry's own, or else those that the hub publishes.

    Raises:
        DownloadError: the hub is needed, and does not answer or may not be asked.
    """
    if row.sha256 is not None and row.size_bytes is not None:
        return row.size_bytes, row.sha256
    if is_offline():
        raise DownloadError(
            f"Size and hash of {row.title} are only on the hub, and AUTOMASK_OFFLINE forbids to ask it. Put the file "
            f"at {cache_folder() / row.filename}, or choose another model."
        )
    assert row.url is not None, "only a model without an address comes with the repository"
    return hub.size_and_sha256(row.title, row.url)


def _mismatch(row: Checkpoint, path: Path) -> str | None:
    """Describe how the file differs from the published one; None where it does not, or none was published."""
    if row.sha256 is None or row.size_bytes is None:
        return None
    size = path.stat().st_size
    if size != row.size_bytes:
        return f"{size:,} bytes instead of {row.size_bytes:,}"
    digest = _verified_files().sha256(path)
    return None if digest == row.sha256 else f"SHA-256 {digest} instead of {row.sha256}"
