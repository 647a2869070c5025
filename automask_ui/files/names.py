"""File names made of names from outside: safe on every system, and different from those that are used already."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath

__all__ = ["MAX_PATH", "RESERVED_STEM", "path_inside", "safe_stem", "unique_stems", "unused_name", "unused_path"]

# The work itself travels in archives as automask.json, with a folder of this name beside it.
RESERVED_STEM = "automask"
MAX_PATH = 255  # characters of the path that an upload had, which is for people only
MAX_STEM = 100  # characters of a file name
MAX_STEM_BYTES = 180  # of its UTF-8: file systems allow 255 for the whole name

_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)


def safe_stem(name: str) -> str:
    """Make a file name's stem of ``name`` that is safe in any folder, archive and system; letters of all scripts stay.

    Separators, control characters and what Windows forbids are dropped, so are leading dots; reserved names get an
    underscore. "photo" where nothing is left.
    """
    stem = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).name
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", stem)
    kept = (char for char in stem if char not in "<>:\"/\\|?*%#'`$&;{}[]!^~" and unicodedata.category(char)[0] != "C")
    stem = re.sub(r"\s+", " ", "".join(kept)).strip(" .-_")[:MAX_STEM]
    stem = stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore").strip(" .-_")
    # Windows reserves "con" and also "con.anything".
    if _DEVICES.fullmatch(stem.split(".")[0].strip()):
        stem = f"_{stem}"
    return stem or "photo"


def unique_stems(names: Iterable[str]) -> list[str]:
    """Make one safe stem for each name, all different, also where case does not count."""
    used = {RESERVED_STEM}
    stems = (safe_stem(name) for name in names)
    return [unused_name(stem, used, partial("{}-{}".format, stem)) for stem in stems]


def unused_name(
    name: str, used: set[str], numbered: Callable[[int], str], key: Callable[[str], str] = str.casefold
) -> str:
    """Find a name that is not in ``used``, and add it there.

    Args:
        name: the name wanted.
        used: keys of the names that are taken.
        numbered: makes the second, third … choice, where ``name`` is taken.
        key: names with the same key count as the same.
    """
    candidate, number = name, 2
    while key(candidate) in used:
        candidate, number = numbered(number), number + 1
    used.add(key(candidate))
    return candidate


def path_inside(name: str) -> str:
    """A name from outside as a path that goes only down; of a very long one, its end."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    # Two slashes at the beginning, of Windows' servers, stay together.
    down = [part for part in parts if part not in ("..", "/", "//") and not part.endswith(":")]
    path = "/".join(down) or "photo"
    return path if len(path) <= MAX_PATH else PurePosixPath(path).name[-MAX_PATH:]


def unused_path(name: str, used: set[str]) -> str:
    """``name``, with a number where it was met before; not longer than a path may be."""

    def numbered(number: int) -> str:
        path, ending = PurePosixPath(name), f"-{number}"
        too_long = max(0, len(name) + len(ending) - MAX_PATH)
        return str(path.with_stem(path.stem[: max(0, len(path.stem) - too_long)] + ending))

    return unused_name(name, used, numbered)
