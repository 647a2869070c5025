"""The registry, the places where files are looked for, and the model to start with."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from closed_folder import close

from automask_ui.errors import CheckpointFormatError, CheckpointNotFoundError, DownloadError, UnknownModelError
from automask_ui.models import checkpoints
from automask_ui.models.checkpoints import (
    available_models,
    cache_folder,
    default_model,
    fetch,
    find_checkpoint,
    model_rows,
    own_checkpoint,
    resolve_checkpoint,
    size_text,
    take_file,
)
from automask_ui.models.hugging_face import model_stem
from automask_ui.models.registry import BUILT_IN_NOTICE, CHECKPOINTS

ROOMY, SMALL = 10 * 10**9, 4 * 10**9
CONTENT = b"weights of a model that is only nine words long"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An assets folder of the test's own, beside its cache; returns the folder around them."""
    monkeypatch.setattr(checkpoints, "ASSETS_FOLDER", tmp_path / "assets")
    put(tmp_path / "assets", "automask-tiny.safetensors")
    return tmp_path


@pytest.fixture
def small_vit_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """A published ViT-B of a few bytes."""
    row = dataclasses.replace(CHECKPOINTS["vit_b"], size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(CHECKPOINTS, "vit_b", row)


def put(folder: Path, name: str, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("name", "size_bytes", "sha256_starts"),
    [
        ("vit_t", 40_728_226, "6dbb90523a35330f"),  # MobileSAM
        ("vit_b", 375_042_383, "ec2df62732614e57"),
        ("vit_l", 1_249_524_607, "3adcc4315b642a4d"),
        ("vit_h", 2_564_550_879, "a7bf3b02f3ebf126"),
    ],
)
def test_published_rows(name: str, size_bytes: int, sha256_starts: str) -> None:
    row = CHECKPOINTS[name]
    assert row.size_bytes == size_bytes
    assert row.sha256 is not None
    assert row.url is not None
    assert (len(row.sha256), row.sha256[:16]) == (64, sha256_starts)
    assert row.url.startswith("https://")
    assert row.url.endswith("/" + row.filename)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("hq_vit_t", "lkeab/hq-sam"),
        ("hq_vit_b", "lkeab/hq-sam"),
        ("hq_vit_l", "lkeab/hq-sam"),
        ("hq_vit_h", "lkeab/hq-sam"),
        ("sam2_t", "facebook/sam2.1-hiera-tiny"),
        ("sam2_s", "facebook/sam2.1-hiera-small"),
        ("sam2_b", "facebook/sam2.1-hiera-base-plus"),
        ("sam2_l", "facebook/sam2.1-hiera-large"),
    ],
)
def test_rows_whose_hash_the_hub_publishes(name: str, repository: str) -> None:
    row = CHECKPOINTS[name]
    assert row.sha256 is None
    assert row.url == f"https://huggingface.co/{repository}/resolve/main/{row.filename}"
    assert row.arch == name


def test_registry_needs_no_torch() -> None:
    code = "import sys, automask_ui.models.checkpoints; sys.exit('torch' in sys.modules or 'gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("files", "given", "environment", "expected"),
    [
        ({}, [], [], {}),  # nothing but what the registry names
        ({"a/mine.pth": CONTENT}, ["a"], [], {"mine": "a/mine.pth"}),
        ({"a/mine.PT": CONTENT}, [], ["a"], {"mine": "a/mine.PT"}),  # suffix in capitals, by environment
        ({"a/mine.pth": CONTENT}, ["a/mine.pth"], [], {"mine": "a/mine.pth"}),  # a file instead of a folder
        ({"a/notes.txt": CONTENT}, ["a"], [], {}),  # not a checkpoint
        ({"a/mine.bin": CONTENT}, ["a/mine.bin"], [], {"mine": "a/mine.bin"}),  # the user says that it is one
        ({"a/mine.pth": b"1", "b/mine.pt": b"2"}, ["a"], ["b"], {"mine": "a/mine.pth", "mine.pt": "b/mine.pt"}),
        ({"a/vit_b.pth": CONTENT}, ["a"], [], {"vit_b.pth": "a/vit_b.pth"}),  # the registry keeps its name
        ({"a/sam_vit_b_01ec64.pth": CONTENT}, ["a"], [], {"vit_b": "a/sam_vit_b_01ec64.pth"}),
        ({"cache/models/mobile_sam.pt": CONTENT}, [], [], {"vit_t": "cache/models/mobile_sam.pt"}),
    ],
)
def test_discovery(
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, bytes],
    given: list[str],
    environment: list[str],
    expected: dict[str, str],
) -> None:
    for name, content in files.items():
        put((places / name).parent, Path(name).name, content)
    monkeypatch.setenv("AUTOMASK_MODELS", os.pathsep.join(str(places / name) for name in environment))
    found = {model.name: model.path for model in available_models([places / name for name in given])}
    assert {name: path for name, path in found.items() if path and name != "tiny"} == {
        name: places / path for name, path in expected.items()
    }
    assert set(CHECKPOINTS) <= set(found)


def test_the_callers_folder_comes_before_the_cache(places: Path) -> None:
    put(places / "cache" / "models", "mobile_sam.pt")
    mine = put(places / "a", "mobile_sam.pt")
    assert find_checkpoint("vit_t", [places / "a"]) == mine


def test_a_folder_named_twice_lists_its_files_once(places: Path) -> None:
    put(places / "a", "mine.pth")
    names = [model.name for model in available_models([places / "a", places / "a" / ".." / "a"])]
    assert names == [*CHECKPOINTS, "mine"]


def test_missing_folder_is_an_error(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointNotFoundError, match="nowhere"):
        available_models([places / "nowhere"])
    monkeypatch.setenv("AUTOMASK_MODELS", str(places / "gone"))
    with pytest.raises(CheckpointNotFoundError, match="AUTOMASK_MODELS"):
        available_models()


@pytest.mark.parametrize(
    "name",
    [
        "vit_x",  # unknown
        "",  # empty
        "../../etc/passwd",  # a path is not a name
        "sam_vit_b_01ec64.pth",  # a file name of the registry is not one either
    ],
)
def test_unknown_name_lists_the_names(name: str) -> None:
    with pytest.raises(UnknownModelError, match=", ".join(CHECKPOINTS)):
        find_checkpoint(name)
    with pytest.raises(UnknownModelError, match="vit_h"):
        fetch(name)


def test_offline_model_that_is_not_here() -> None:
    assert find_checkpoint("vit_b") is None
    with pytest.raises(DownloadError, match=r"AUTOMASK_OFFLINE.*sam_vit_b_01ec64\.pth.*built-in model"):
        resolve_checkpoint("vit_b")


def test_built_in_model_cannot_be_downloaded(places: Path) -> None:
    (places / "assets" / "automask-tiny.safetensors").unlink()
    with pytest.raises(CheckpointNotFoundError, match="comes with the repository"):
        resolve_checkpoint("tiny")


@pytest.mark.usefixtures("small_vit_b")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CONTENT[:-1], "46 bytes instead of 47"),  # cut off
        (CONTENT[:-1] + b"G", "SHA-256"),  # one byte other
    ],
)
def test_file_with_a_published_name_but_other_content(places: Path, content: bytes, reason: str) -> None:
    put(places / "a", "sam_vit_b_01ec64.pth", content)
    with pytest.raises(CheckpointFormatError, match=f"{reason}.*rename"):
        resolve_checkpoint("vit_b", [places / "a"])


@pytest.mark.usefixtures("small_vit_b")
def test_a_verified_file_is_hashed_again_only_after_a_change(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(places / "a", "sam_vit_b_01ec64.pth")
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr("automask_ui.files.hashes.sha256_of", counted)
    for _ in range(3):
        assert resolve_checkpoint("vit_b", [places / "a"]) == file
        assert fetch("vit_b", folders=[places / "a"]) == file
    assert hashed == [file]
    os.utime(file, ns=(1, 1))
    resolve_checkpoint("vit_b", [places / "a"])
    assert hashed == [file, file]


@pytest.mark.usefixtures("small_vit_b")
@pytest.mark.parametrize("notes", ["", "[]", '{"x": 1', "null"])  # what a crash or another program may leave
def test_broken_notes_of_verifications_only_cost_a_hash(places: Path, notes: str) -> None:
    file = put(places / "a", "sam_vit_b_01ec64.pth")
    put(cache_folder(), "verified.json", notes.encode())
    assert resolve_checkpoint("vit_b", [places / "a"]) == file


@pytest.mark.usefixtures("small_vit_b")
def test_verification_works_where_the_cache_cannot_be_written(places: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(places, "cache")  # a file where the folder should be
    file = put(places / "a", "sam_vit_b_01ec64.pth")
    assert resolve_checkpoint("vit_b", [places / "a"]) == file
    assert "hashed again" in caplog.text


@pytest.mark.parametrize(
    ("free_bytes", "present", "offline", "expected", "needs_download"),
    [
        (None, [], False, "tiny", False),  # CPU, nothing fetched: at once
        (None, ["vit_t"], False, "vit_t", False),  # CPU with MobileSAM
        (None, ["vit_b", "vit_h"], False, "tiny", False),  # too slow on a CPU to choose unasked
        (ROOMY, [], False, "vit_h", True),  # GPU, downloadable
        (ROOMY, ["vit_h"], True, "vit_h", False),  # GPU, present
        (ROOMY, [], True, "tiny", False),  # GPU, offline
        (ROOMY, ["vit_t", "vit_b"], True, "vit_b", False),  # GPU, offline, the best that is there
        (ROOMY, ["vit_l", "vit_b"], True, "vit_l", False),
        (SMALL, ["vit_h", "vit_b"], False, "vit_b", False),  # ViT-H would not fit
        (SMALL, [], False, "tiny", False),
    ],
)
def test_default_model(
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    free_bytes: int | None,
    present: list[str],
    offline: bool,
    expected: str,
    needs_download: bool,
) -> None:
    monkeypatch.setenv("AUTOMASK_OFFLINE", "1" if offline else "0")
    monkeypatch.setattr(checkpoints, "_free_disk_bytes", lambda _: 10**12)
    for name in present:
        put(places / "a", CHECKPOINTS[name].filename)
    choice = default_model(free_bytes, [places / "a"] if present else [])
    assert (choice.name, choice.needs_download) == (expected, needs_download)
    assert (choice.note == BUILT_IN_NOTICE) == (expected == "tiny")


def test_no_download_is_proposed_that_the_disk_cannot_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMASK_OFFLINE", "0")
    monkeypatch.setattr(checkpoints, "_free_disk_bytes", lambda _: 3 * 10**9)
    assert default_model(ROOMY).name == "tiny"


def test_rows_for_people(places: Path) -> None:
    put(places / "a", "mine.pth", b"x" * 1_500_000)
    rows = {row["name"]: row for row in model_rows([places / "a"])}
    assert rows["vit_b"] == {
        "name": "vit_b",
        "title": "SAM ViT-B",
        "size": "375 MB",
        "licence": "Apache-2.0",
        "good_for": CHECKPOINTS["vit_b"].good_for,
        "where": "not on this machine",
    }
    assert rows["tiny"]["where"] == str(places / "assets" / "automask-tiny.safetensors")
    assert (rows["mine"]["size"], rows["mine"]["licence"]) == ("2 MB", "")


def test_cache_folder_by_platform_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOMASK_CACHE")
    assert cache_folder().name == "models"
    assert "automask-ui" in str(cache_folder())


def unasked(file: Path) -> str:
    raise AssertionError("what is published is known")


def test_file_of_ones_own_is_taken_if_it_is_the_published_one(small_vit_b: None, tmp_path: Path) -> None:
    mine = put(tmp_path / "downloads", "my copy.pth")
    taken = take_file("vit_b", mine, unasked).path
    assert (taken, taken.read_bytes()) == (cache_folder() / "sam_vit_b_01ec64.pth", CONTENT)
    assert resolve_checkpoint("vit_b") == taken
    assert mine.exists()


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT.upper()])  # too short; another one
def test_another_file_is_not_taken(small_vit_b: None, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CheckpointFormatError, match=r"is not the published SAM ViT-B: that is sam_vit_b_01ec64.pth"):
        take_file("vit_b", put(tmp_path / "downloads", "sam_vit_b_01ec64.pth", content), unasked)
    assert find_checkpoint("vit_b") is None


def test_no_file_is_taken_for_a_model_that_was_not_published(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError):
        take_file("mine", put(tmp_path / "downloads", "mine.pth"), unasked)


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (40_728_226, "41 MB"),
        (897_952_466, "898 MB"),
        (1_000_000_000, "1.0 GB"),  # the first in GB
        (2_564_550_879, "2.6 GB"),
    ],
)
def test_size_of_a_file_in_words(size_bytes: int, said: str) -> None:
    assert size_text(size_bytes) == said


def test_model_in_the_hubs_cache_is_called_by_its_folder_not_by_that_of_its_content(tmp_path: Path) -> None:
    put(tmp_path / "medsam", "config.json")
    weights = tmp_path / "medsam" / "model.safetensors"
    weights.symlink_to(put(tmp_path / "blobs", "5f2c"))
    assert model_stem(weights) == "medsam"


def test_what_is_closed_to_this_user_is_told_or_passed_over(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = places / "locked"
    (locked / "inside").mkdir(parents=True)
    monkeypatch.setenv("AUTOMASK_CACHE", str(locked / "cache"))
    close(locked, monkeypatch)
    # The cache is nothing that anybody has named.
    assert "tiny" in {model.name for model in available_models()}
    with pytest.raises(CheckpointNotFoundError, match="not there, or closed to you"):
        available_models([locked / "inside"])
    with pytest.raises(CheckpointNotFoundError, match="cannot be read"):
        available_models([locked])
    for path in (locked / "mine.pth", places / ("x" * 300)):
        with pytest.raises(CheckpointNotFoundError, match="not there, or closed to you"):
            own_checkpoint(path)
