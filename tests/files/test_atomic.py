"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from automask_ui.files.atomic import move_file, open_atomic, write_atomic


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("is_synced", [False, True])
def test_file_holds_the_content_and_nothing_is_left(tmp_path: Path, old: bytes | None, is_synced: bool) -> None:
    target = tmp_path / "a.json"
    if old is not None:
        target.write_bytes(old)
    write_atomic(target, b"new", is_synced=is_synced)
    assert target.read_bytes() == b"new"
    write_atomic(tmp_path / "b", target)
    assert (tmp_path / "b").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b"]


def test_block_that_raises_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a"
    for before in (None, b"old"):
        if before is not None:
            target.write_bytes(before)
        with pytest.raises(TypeError), open_atomic(target) as file:
            file.write([b"half", "way"])  # type: ignore[arg-type]
        assert [path.read_bytes() for path in tmp_path.iterdir()] == ([before] if before else [])


def test_file_can_be_read_back_before_it_gets_its_name(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with open_atomic(target) as file:
        file.write(b"abc")
        file.seek(0)
        assert file.read() == b"abc"
        assert not target.exists()
        (part,) = tmp_path.iterdir()
        assert part.suffix == ".part"
    assert target.read_bytes() == b"abc"


def test_mode(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        for name, is_private in (("own", True), ("all", False)):
            write_atomic(tmp_path / name, b"x", is_private=is_private)
    finally:
        os.umask(mask)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("own", "all")] == [0o600, 0o644]


def test_scratch_folder_and_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    write_atomic(tmp_path / "deep" / "er" / "a", b"x", scratch=scratch)
    assert (tmp_path / "deep" / "er" / "a").read_bytes() == b"x"
    assert not list(scratch.iterdir())


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_atomic(tmp_path / "a", b"x")
    assert not list(tmp_path.iterdir())


def test_file_that_is_missing_cannot_be_moved(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        move_file(tmp_path / "missing", tmp_path / "deep" / "a")
