"""Names in ZIPs, which often do not say how they are encoded: UTF-8 where that fits, else a guess that is told.

The format knows UTF-8 (by a flag, which macOS and others leave out) and code page 437; Windows writes what is usual in
its country. One guess is made for all names of an archive together, since a single name tells little.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from zipfile import ZipInfo

__all__ = ["correct_names"]

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # a further field of Info-ZIP's: the name in UTF-8
_UNLIKELY = math.log(1e-6)  # of a letter that hardly any name has
_USUAL = math.log(1 / 60)  # of a letter of an alphabet
_WORST = 1.3  # how much less likely than usual letters the best guess may be
_MIXED = math.log(0.1)  # of two letters that seldom stand beside each other
_CLEAR = 3.0  # how much likelier, as a logarithm, the best guess has to be than the next

# Encoding -> (what to call it, ranges of its usual letters with the number of usual letters in each). Of Chinese and
# Japanese those are the first levels of the standards, some 3,000 letters; Korean has 2,350 syllables.
_GUESSES: dict[str, tuple[str, tuple[tuple[int, int, int], ...]]] = {
    "cp932": ("Japanese (Shift-JIS)", ((0x829F, 0x82F1, 200), (0x8340, 0x8396, 400), (0x889F, 0x9872, 3000))),
    "gb18030": ("Chinese (GBK)", ((0xB0A1, 0xD7F9, 3000),)),
    "cp949": ("Korean (EUC-KR)", ((0xB0A1, 0xC8FE, 1500),)),
    "big5": ("Chinese (Big5)", ((0xA440, 0xC67E, 4500),)),
    "cp866": ("Cyrillic (code page 866)", ()),
    "cp850": ("Western (code page 850)", ()),
}
_SINGLE_BYTE = {
    "cp866": "абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ№",
    "cp850": "àáâãäåæçèéêëìíîïñòóôõöøßùúûüýÿÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝ¿¡ºª°",
}
_FULL_WIDTH = "　、。・ー（）【】「」『』～〜＆！？々〆０１２３４５６７８９，：；《》“”"
# Letters that names of files are full of, so that a short name can be told apart.
_FREQUENT = {
    "gb18030": "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里"
    "图片照相册截屏微信新建文件夹副本未命名测试数据训练标注车道路动物花树山水天空日月春夏秋冬北京东西南第页号版张",
    "cp949": "이다는을가의에하고지도한사나기로서인자리어아대시그일수보전정스라과해주부장들만구상동제조으면선마여경진파"
    "강소신비무원운차화새미바우오모카테트폴더본복사진그림파일캡처테스트데이터영상문서번",
    "big5": "的一是不了在人有我他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可裡"
    "圖片照相冊截新增資料夾副本未命名測試訓練標註車路動物花樹山水天空日月春夏秋冬臺灣台北高雄東西南第頁號版張",
}
# Scripts whose letters are two bytes of UTF-8; what lies between them hardly anybody writes.
_SCRIPTS = ((0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x482), (0x5B0, 0x5F4), (0x600, 0x6FF))
_MARKS = (0x300, 0x36F)  # accents that stand by themselves, as macOS writes them


def correct_names(entries: Sequence[ZipInfo]) -> str:
    """Give ``entries`` the names that their writer meant; what was read from the file stays in ``orig_filename``.

    Returns:
        a sentence, where the names had to be guessed or could not be; "" where they are certain.
    """
    unclear = []
    for entry in entries:
        if entry.flag_bits & _UTF8_FLAG or entry.orig_filename.isascii():
            continue
        named = _unicode_path(entry)
        if named:
            entry.filename = named
        else:
            unclear.append(entry)
    if not unclear:
        return ""
    # The bytes that Python took for code page 437.
    raw = [entry.orig_filename.encode("cp437") for entry in unclear]
    encoding, note = _encoding_of(raw)
    if encoding:
        for entry, name in zip(unclear, raw, strict=True):
            entry.filename = _shown(name.decode(encoding))
    return note


def _shown(name: str) -> str:
    return name.split("\0")[0]


def _unicode_path(entry: ZipInfo) -> str:
    """The name of Info-ZIP's further field, if it was made for this entry; else ""."""
    place, extra = 0, entry.extra
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        field = extra[place + 4 : place + 4 + size]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            (check,) = struct.unpack_from("<I", field, 1)
            if check == zlib.crc32(entry.orig_filename.encode("cp437")):
                return _shown(field[5:].decode("utf-8", "replace"))
        place += 4 + size
    return ""


def _encoding_of(names: Sequence[bytes]) -> tuple[str, str]:
    """How ``names`` are encoded ("" where that is open) and what is said about it."""
    is_utf8 = _decoded(names, "utf-8")
    if is_utf8 is not None and _is_plausible("".join(is_utf8)):
        return "utf-8", ""
    found = sorted(((_likelihood(names, encoding), encoding) for encoding in _GUESSES), reverse=True)
    (best, encoding), (second, _) = found[:2]
    if best - second < _CLEAR or best < _WORST * _USUAL * sum(map(len, names)):
        return "", (
            "Its names do not say how they are encoded, and no guess fits well: they may look wrong. "
            "Pack it again with a program that writes UTF-8 (7-Zip, macOS, Linux)."
        )
    example = _shown(names[0].decode(encoding))
    return encoding, (
        f"Its names do not say how they are encoded. They were taken for {_GUESSES[encoding][0]}, as in “{example}”. "
        "If that is wrong, pack it again with a program that writes UTF-8."
    )


def _is_plausible(text: str) -> bool:
    """Whether UTF-8 was meant: two Chinese letters can be valid UTF-8 of rare letters from several scripts."""
    scripts = set()
    for code in map(ord, text):
        if code < 0x80 or code >= 0x900 or _MARKS[0] <= code <= _MARKS[1]:
            continue
        scripts.add(next((low for low, high in _SCRIPTS if low <= code <= high), -1))
    return len(scripts) <= 1 and -1 not in scripts


def _decoded(names: Sequence[bytes], encoding: str) -> list[str] | None:
    try:
        return [name.decode(encoding) for name in names]
    except UnicodeDecodeError:
        return None


def _likelihood(names: Sequence[bytes], encoding: str) -> float:
    """Logarithm of how likely somebody who writes in ``encoding`` gives these names; -inf where it is impossible."""
    decoded = _decoded(names, encoding)
    if decoded is None:
        return -math.inf
    return sum(
        _weight(letter, encoding) + _beside(name, place, encoding)
        for name in decoded
        for place, letter in enumerate(name)
    )


def _weight(letter: str, encoding: str) -> float:
    """Logarithm of a letter's share, for as many bytes as it has."""
    if letter.isascii():
        return _USUAL
    if encoding in _SINGLE_BYTE:
        return _USUAL if letter in _SINGLE_BYTE[encoding] else _UNLIKELY
    if letter in _FULL_WIDTH or letter in _FREQUENT.get(encoding, ""):
        return math.log(1 / 300)
    code = letter.encode(encoding)
    value = int.from_bytes(code, "big")
    for low, high, count in _GUESSES[encoding][1]:
        if low <= value <= high:
            return math.log(1 / count)
    return _UNLIKELY * len(code)


def _beside(name: str, place: int, encoding: str) -> float:
    """Logarithm of how likely a letter stands beside the one before it: words are of one script.

    Western letters with accents are few in a word; Cyrillic ones make all of it.
    """
    letter, before = name[place], name[place - 1 : place]
    if not (letter.isalpha() and before.isalpha()):
        return 0
    if encoding not in _SINGLE_BYTE:
        return 0 if letter.isascii() == before.isascii() else _MIXED
    is_cyrillic, was_cyrillic = ("\u0400" <= char <= "\u04ff" for char in (letter, before))
    if is_cyrillic or was_cyrillic:
        return 0 if is_cyrillic and was_cyrillic else 2 * _MIXED
    return 0 if letter.isascii() or before.isascii() else _MIXED
