"""What the viewer is given: a session's masks as plain data, and the files it fetches."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from gradio.data_classes import FileData

from automask_ui.errors import RunGoneError
from automask_ui.masks import MaskSet
from automask_ui.masks.overlay import mask_colour
from automask_ui.masks.rle import Rle
from automask_ui.session import Session
from automask_ui.ui.components.viewer import ViewerData, ViewerMask
from automask_ui.ui.components.viewer.display import display_image, display_runs, display_size, pack_layers
from automask_ui.ui.editing import viewer_edits

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

    def data(self, session: Session, empty: str = "", points: list[list[float]] | None = None) -> ViewerData:
        """All that the viewer shows of ``session``.

        Args:
            empty: the sentence for a finished run without a mask.
            points: preview of a point list, x and y in 0 to 1.
        """
        with self._lock:
            display = self._displays.get(session)
            if display is None:
                display = self._displays[session] = _Display(session)
        # Deleted ones too: when that is taken back, they are there at once.
        ids, masks = session.passing()
        height, width = session.image.rgb.shape[:2]
        return ViewerData(
            run=session.run,
            name=session.image.name,
            image=display.photo(),
            layers=display.layers(ids, masks) if ids else None,
            width=width,
            height=height,
            display_width=display.size_hw[1],
            display_height=display.size_hw[0],
            masks=[_row(display, number, masks, index) for index, number in enumerate(ids)],
            edits=viewer_edits(session),
            partial=session.result is not None and session.result.partial and session.job is None,
            empty=empty,
            points=(points or [])[:_SHOWN_POINTS],
        )


class _Display:
    """One session's files and what its masks look like at display size."""

    def __init__(self, session: Session) -> None:
        rgb = session.image.rgb
        self.size_hw = display_size((rgb.shape[0], rgb.shape[1]))
        self._rgb = rgb
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
        content = tuple((number, rle["counts"]) for number, rle in zip(ids, masks.rle, strict=True))
        with self._lock:
            if content != self._last or not self._files:
                self._made += 1
                path = self._folder / f"masks-{self._made}.bin"
                _write(path, pack_layers([(n, self._runs_of(rle)) for n, rle in zip(ids, masks.rle, strict=True)]))
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


def _row(display: _Display, number: int, masks: MaskSet, index: int) -> ViewerMask:
    """One mask in plain numbers: NumPy's own would reach the browser as text."""
    stability = float(masks.stability_score[index])
    return {
        "id": number,
        "colour": display.colour(masks.rle[index]),
        "area": int(masks.area[index]),
        "bbox": masks.bbox_xywh[index].tolist(),
        "iou": round(float(masks.predicted_iou[index]), 4),
        "stability": None if np.isnan(stability) else round(stability, 4),
        "point": masks.point_xy[index].tolist(),
        "crop": masks.crop_box_xywh[index].tolist(),
    }
