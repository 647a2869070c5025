"""What the viewer is given: a session's masks as plain data, and the files it fetches."""

from __future__ import annotations

import math
from pathlib import Path
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from gradio.data_classes import FileData

from automask_ui.errors import RunGoneError
from automask_ui.masks import Mask, MaskSet
from automask_ui.masks.overlay import mask_colour
from automask_ui.masks.rle import Rle
from automask_ui.session import Session
from automask_ui.session.edits import Origin
from automask_ui.ui.components.viewer import ViewerData, ViewerMask, ViewerSuggestion
from automask_ui.ui.components.viewer.display import display_image, display_runs, display_size, pack_layers
from automask_ui.ui.edit_messages import viewer_edits

__all__ = ["SessionViews"]

# Files of masks a session keeps. A run makes one every half second; a busy machine or a slow line is seconds behind.
_KEPT_LAYERS = 20
_KEPT_RUNS = 4_000  # masks whose display form a session remembers
_SHOWN_POINTS = 5_000  # dots of a point list that are previewed


class SessionViews:
    """Viewer data of all sessions; what was made for one mask is made once."""

    def __init__(self) -> None:
        self._displays: WeakKeyDictionary[Session, _Display] = WeakKeyDictionary()
        self._lock = Lock()

    def data(
        self,
        session: Session,
        empty: str = "",
        points: list[list[float]] | None = None,
        suggestion: ViewerSuggestion | None = None,
        found_with: str = "",
    ) -> ViewerData:
        """All that the viewer shows of ``session``.

        Args:
            empty: the sentence for a finished run without a mask.
            points: preview of a point list, x and y in 0 to 1.
            suggestion: the setting that would help then.
            found_with: the model and the preset of the masks, in words.
        """
        display = self._display(session)
        display.points = (points or [])[:_SHOWN_POINTS]
        # Deleted ones too: when that is taken back, they are there at once.
        ids, masks, _ = session.current_masks(with_deleted=True)
        own = session.edits.own
        height, width = session.size_hw
        return ViewerData(
            session=session.id,
            name=session.image.name,
            image=display.photo(),
            layers=display.layers(ids, masks) if ids else None,
            width=width,
            height=height,
            display_width=display.size_hw[1],
            display_height=display.size_hw[0],
            masks=[
                _row(display, id_, own[id_].origin if id_ in own else "found", mask)
                for id_, mask in zip(ids, masks, strict=True)
            ],
            edits=viewer_edits(session),
            partial=session.result is not None and session.result.partial and session.job is None,
            empty=empty,
            suggestion=suggestion,
            found_with=found_with,
            points=display.points,
        )

    def points(self, session: Session) -> list[list[float]]:
        """The preview of a point list that was shown last, x and y in 0 to 1."""
        return self._display(session).points

    def _display(self, session: Session) -> _Display:
        with self._lock:
            display = self._displays.get(session)
            if display is None:
                display = self._displays[session] = _Display(session)
            return display


class _Display:
    """One session's files and what its masks look like at display size."""

    def __init__(self, session: Session) -> None:
        self.size_hw = display_size(session.size_hw)
        self.points: list[list[float]] = []
        self._rgb = session.image.rgb
        self._folder: Path = session.folder
        self._lock = Lock()
        self._runs: dict[bytes, np.ndarray] = {}
        self._colours: dict[bytes, str] = {}
        self._files: list[Path] = []
        self._made = 0
        self._last: tuple[tuple[int, bytes], ...] = ()

    def photo(self) -> FileData:
        """The display copy of the photo."""
        path = self._folder / "photo.webp"
        with self._lock:
            if not path.exists():
                _write(path, display_image(self._rgb, self.size_hw))
        return FileData(path=str(path), orig_name=path.name, mime_type="image/webp")

    def layers(self, ids: tuple[int, ...], masks: MaskSet) -> FileData:
        """The file of all masks' runs; the same file for the same masks."""
        content = tuple((id_, rle["counts"]) for id_, rle in zip(ids, masks.rle, strict=True))
        with self._lock:
            if content != self._last or not self._files:
                self._made += 1
                path = self._folder / f"masks-{self._made}.bin"
                _write(path, pack_layers([(id_, self._runs_of(rle)) for id_, rle in zip(ids, masks.rle, strict=True)]))
                self._files.append(path)
                self._last = content
            while len(self._files) > _KEPT_LAYERS:
                self._files.pop(0).unlink(missing_ok=True)
            path = self._files[-1]
        return FileData(path=str(path), orig_name=path.name, mime_type="application/octet-stream")

    def colour(self, rle: Rle) -> str:
        """The mask's colour."""
        if rle["counts"] not in self._colours:
            self._colours[rle["counts"]] = mask_colour(rle)
        return self._colours[rle["counts"]]

    def _runs_of(self, rle: Rle) -> np.ndarray:
        if len(self._runs) > _KEPT_RUNS:
            self._runs.clear()
        if rle["counts"] not in self._runs:
            self._runs[rle["counts"]] = display_runs(rle, self.size_hw)
        return self._runs[rle["counts"]]


def _write(path: Path, data: bytes) -> None:
    """Make a file, or none at all: a part of one would be shown from then on.

    Raises:
        RunGoneError: its folder is gone, since the work was given up meanwhile.
    """
    try:
        path.write_bytes(data)
    except FileNotFoundError as error:
        raise RunGoneError("This picture was closed meanwhile.") from error
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _row(display: _Display, id_: int, origin: Origin, mask: Mask) -> ViewerMask:
    """One mask in plain numbers: NumPy's own would reach the browser as text."""
    return {
        "id": id_,
        "colour": display.colour(mask.rle),
        "area": mask.area,
        "bbox": list(mask.bbox_xywh),
        "iou": _or_none(mask.predicted_iou),
        "stability": _or_none(mask.stability_score),
        "point": mask.point_coords[0] if mask.point_coords else None,
        "crop": list(mask.crop_box_xywh),
        "origin": origin,
    }


def _or_none(score: float) -> float | None:
    return None if math.isnan(score) else round(score, 4)
