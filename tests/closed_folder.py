"""A folder that is closed to this user: tests often run as root, to whom none is."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse whatever Python asks of what is in ``folder``, and of its list, as the system would."""

    def refusing(ask: Callable[..., Any], *, also_itself: bool = False) -> Callable[..., Any]:
        def refuse(path: Any = ".", *rest: Any, **options: Any) -> Any:
            place = Path(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else None
            if place is not None and (folder in place.parents or (also_itself and place == folder)):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
            return ask(path, *rest, **options)

        return refuse

    for name in ("stat", "lstat"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name), also_itself=True))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, *rest: Path(path) != folder and access(path, *rest))
