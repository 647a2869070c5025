"""ZIPs from strangers: names in any encoding, and files that only begin as a ZIP does."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from automask_ui.errors import ArchiveError
from automask_ui.files.safe_zip import is_archive, open_archive


def named_zip(*names: bytes, flag: int = 0, extra: bytes = b"") -> bytes:
    """A ZIP whose names are these bytes, with the flag for UTF-8 only where it is asked for."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number, _ in enumerate(names):
            entry = zipfile.ZipInfo("abcdefgh"[number] * len(names[number]))
            entry.extra = extra
            archive.writestr(entry, f"content {number}")
    packed = data.getvalue()
    for number, name in enumerate(names):
        packed = packed.replace(b"abcdefgh"[number : number + 1] * len(name), name)
    if flag:
        for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            packed = _with_flag(packed, start, place, flag)
    return packed


def _with_flag(packed: bytes, start: bytes, place: int, flag: int) -> bytes:
    changed, found = bytearray(packed), packed.find(start)
    while found >= 0:
        struct.pack_into("<H", changed, found + place, flag)
        found = packed.find(start, found + 4)
    return bytes(changed)


def opened(path: Path, data: bytes) -> tuple[list[str], tuple[str, ...], list[bytes]]:
    path.write_bytes(data)
    with open_archive(path) as archive:
        return [entry.filename for entry in archive.files], archive.notes, [archive.read(e, 99) for e in archive.files]


@pytest.mark.parametrize(
    ("names", "encoding", "note"),
    [
        (("Bücher.jpg", "日本語.jpg"), "utf-8", None),  # macOS: UTF-8 without the flag
        (("Bu\u0308cher.jpg",), "utf-8", None),  # macOS: letters and their dots apart, as its files have them
        (("照片.jpg", "测试 图片.jpg"), "gbk", "Chinese (GBK)"),
        (("新建文件夹/微信图片_2024.png",), "gbk", "Chinese (GBK)"),
        (("图片.jpg",), "gbk", "Chinese (GBK)"),  # also valid UTF-8, of letters that nobody writes
        (("写真.jpg",), "cp932", "Japanese"),
        (("旅行/スクリーンショット 1.png", "表示.png"), "cp932", "Japanese"),  # 表 ends with a backslash
        (("새 폴더/사진 1.jpg", "강아지.jpg"), "cp949", "Korean"),
        (("圖片/測試資料.jpg", "照片.jpg"), "big5", "Big5"),
        (("Bücher.jpg", "Straße é.jpg"), "cp850", "Western"),
        (("Фото/Новая папка.jpg",), "cp866", "Cyrillic"),
    ],
)
def test_names(tmp_path: Path, names: tuple[str, ...], encoding: str, note: str | None) -> None:
    found, notes, contents = opened(tmp_path / "photos.zip", named_zip(*(name.encode(encoding) for name in names)))
    assert found == list(names)
    assert contents == [f"content {number}".encode() for number in range(len(names))]
    assert [note in text for text in notes] == [True] * (note is not None)
    assert all(text.startswith("photos.zip: ") and names[0] in text for text in notes)


def test_names_with_the_flag_are_certain(tmp_path: Path) -> None:
    assert opened(tmp_path / "a.zip", named_zip("照片.jpg".encode(), flag=0x800))[:2] == (["照片.jpg"], ())


def test_a_name_in_info_zips_field_is_certain(tmp_path: Path) -> None:
    raw = "写真.jpg".encode("cp932")
    named = "写真.jpg".encode()
    field = struct.pack("<HHBI", 0x7075, 5 + len(named), 1, zlib.crc32(raw)) + named
    assert opened(tmp_path / "a.zip", named_zip(raw, extra=field))[:2] == (["写真.jpg"], ())
    # Made for another name: the archive was changed by a program that does not know the field.
    other = struct.pack("<HHBI", 0x7075, 5 + len(named), 1, 12345) + named
    assert len(opened(tmp_path / "a.zip", named_zip(raw, extra=other))[1]) == 1


def test_what_fits_nothing_keeps_its_name_and_says_so(tmp_path: Path) -> None:
    raw = b"\x81\xff\xfe\xb0.jpg"
    names, notes, _ = opened(tmp_path / "a.zip", named_zip(raw))
    assert names == [raw.decode("cp437")]
    assert "may look wrong" in notes[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (named_zip(b"a.jpg")[:-30], "no complete ZIP: its end is missing"),  # not copied completely
        (b"PK\x03\x04" + bytes(50), "no complete ZIP: its end is missing"),
        (b"PK\x03\x04" + named_zip(b"a.jpg")[-22:], "no complete ZIP"),  # an end without what it speaks of
        (b"PK\x07\x08" + bytes(50), "no complete ZIP"),  # the first of several
    ],
)
def test_a_bad_zip_is_called_one(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "photos.zip"
    path.write_bytes(data)
    assert is_archive(path)
    with pytest.raises(ArchiveError, match=message) as caught, open_archive(path):
        pass
    assert str(caught.value).startswith("photos.zip ")


def test_an_empty_zip_is_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    zipfile.ZipFile(path, "w").close()
    assert is_archive(path)
    with open_archive(path) as archive:
        assert archive.files == []
