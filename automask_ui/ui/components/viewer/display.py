"""What the viewer draws: a session's masks and edits as plain data, and the photo as a file that the browser fetches.

Masks stay exact in the original's pixels; this is only for looking and pointing: a bounded copy of the photo, and every
mask as runs at that copy's size. The viewer never needs whole frames: runs of 600 masks are a few hundred kilobytes,
and the browser fills, outlines and hit-tests from them.
"""

from __future__ import annotations

import base64
import io
import math
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
from gradio.data_classes import FileData
from PIL import Image

from automask_ui.errors import RunGoneError
from automask_ui.masks import Mask, MaskSet
from automask_ui.masks.overlay import mask_colour
from automask_ui.masks.rle import Rle, run_counts
from automask_ui.session import Session
from automask_ui.session.edits import Origin
from automask_ui.ui.components.output import CLOCK_START
from automask_ui.ui.components.viewer import ViewerData, ViewerEdits, ViewerMask, ViewerSuggestion

__all__ = [
    "LONGEST_SIDE",
    "SessionViews",
    "display_image",
    "display_runs",
    "display_size",
    "pack_layer",
    "pack_layers",
    "viewer_edits",
]

LONGEST_SIDE = 1600  # px; sharp on a 4K monitor's picture pane, and a tenth of a 12-megapixel photo's pixels
WEBP_QUALITY = 88
WEBP_EFFORT = 1  # of 6: a tenth larger than the default, encoded in half the time
ZIP_LEVEL = 1
_KEPT_LAYERS = 4_000  # masks whose display form a session remembers
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
        said_at = CLOCK_START + time.monotonic()
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
            layers=display.layers(ids, masks),
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
            said_at=said_at,
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
    """One session's photo and what its masks look like at display size."""

    def __init__(self, session: Session) -> None:
        self.size_hw = display_size(session.size_hw)
        self.points: list[list[float]] = []
        self._rgb = session.image.rgb
        self._folder: Path = session.folder
        self._lock = Lock()
        self._layers: dict[tuple[int, bytes], bytes] = {}  # number and counts of a mask -> its packed layer
        self._colours: dict[bytes, str] = {}

    def photo(self) -> FileData:
        """The display copy of the photo."""
        path = self._folder / "photo.webp"
        with self._lock:
            if not path.exists():
                _write(path, display_image(self._rgb, self.size_hw))
        return FileData(path=str(path), orig_name=path.name, mime_type="image/webp")

    def layers(self, ids: tuple[int, ...], masks: MaskSet) -> str:
        """The runs of all masks, packed."""
        with self._lock:
            if len(self._layers) > _KEPT_LAYERS:
                self._layers.clear()
            return pack_layers([self._layer(id_, rle) for id_, rle in zip(ids, masks.rle, strict=True)])

    def colour(self, rle: Rle) -> str:
        """The mask's colour."""
        if rle["counts"] not in self._colours:
            self._colours[rle["counts"]] = mask_colour(rle)
        return self._colours[rle["counts"]]

    def _layer(self, id_: int, rle: Rle) -> bytes:
        key = id_, rle["counts"]
        if key not in self._layers:
            self._layers[key] = pack_layer(id_, display_runs(rle, self.size_hw))
        return self._layers[key]


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


def viewer_edits(session: Session) -> ViewerEdits:
    """The session's edits as the viewer takes them."""
    return cast(ViewerEdits, {"session": session.id, **session.editor.to_dict()})


# The files


def display_size(size_hw: tuple[int, int], longest: int = LONGEST_SIDE) -> tuple[int, int]:
    """Height and width of the copy that is shown: at most ``longest`` px on the long side, never enlarged.

    Args:
        size_hw: the original's height and width, px.
    """
    height, width = size_hw
    scale = min(1.0, longest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def display_image(rgb: np.ndarray, display_hw: tuple[int, int]) -> bytes:
    """The photo (H×W×3 uint8) as WebP at ``display_hw``."""
    image = Image.fromarray(rgb)
    height, width = display_hw
    if image.size != (width, height):
        # reducing_gap averages whole blocks first: as good for looking, and quicker on large photos.
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    data = io.BytesIO()
    image.save(data, "WEBP", quality=WEBP_QUALITY, method=WEBP_EFFORT)
    return data.getvalue()


def display_runs(rle: Rle, display_hw: tuple[int, int]) -> np.ndarray:
    """One mask at display size, as runs along the rows.

    Nearest neighbour: a display pixel shows the original pixel under its centre. A mask that falls between the
    sampled pixels keeps one, so that whatever is in the table can be found in the picture.

    Args:
        rle: the mask at the original's size.
        display_hw: not larger than the original.

    Returns:
        n×2 uint32: start (``y * width + x`` of the display copy) and length, sorted by start; n×0 for an empty mask.
    """
    height, width = rle["size"]
    display_height, display_width = display_hw
    borders = np.cumsum(run_counts(rle))
    starts, ends = borders[0:-1:2], borders[1::2]
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    if not len(starts):
        return np.zeros((0, 2), dtype=np.uint32)

    columns, tops, bottoms = _column_segments(starts, ends, height)
    # Display row r shows original row floor((r + 0.5) * height / display_height): a run covers the rows between.
    tops = _first_sample_at(tops, height, display_height)
    bottoms = _first_sample_at(bottoms, height, display_height)
    lefts = _first_sample_at(columns, width, display_width)
    seen = (bottoms > tops) & (_first_sample_at(columns + 1, width, display_width) > lefts)
    if not seen.any():
        column, row = divmod(int(starts[0]), height)
        pixel = (row * display_height // height) * display_width + column * display_width // width
        return np.array([[pixel, 1]], dtype=np.uint32)
    return _row_runs(lefts[seen], tops[seen], bottoms[seen], display_width)


def _first_sample_at(position: np.ndarray, size: int, display: int) -> np.ndarray:
    """Smallest display index whose sampled original index is at least ``position`` (0 to ``size``)."""
    # floor((i + 0.5) * size / display) >= p  <=>  (2i + 1) * size >= 2 p display, solved for the smallest i.
    return np.maximum(0, -((size - 2 * position * display) // (2 * size)))


def _column_segments(starts: np.ndarray, ends: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column-major runs cut where they go on in the next column: column, first row, row after the last."""
    first, last = starts // height, (ends - 1) // height
    counts = last - first + 1
    run = np.repeat(np.arange(len(starts)), counts)
    columns = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[run]
    tops = np.maximum(starts[run] - columns * height, 0)
    bottoms = np.minimum(ends[run] - columns * height, height)
    return columns, tops, bottoms


def _row_runs(lefts: np.ndarray, tops: np.ndarray, bottoms: np.ndarray, display_width: int) -> np.ndarray:
    """Runs along the rows of a mask given as vertical segments one pixel wide (display px)."""
    x0, y0 = int(lefts.min()), int(tops.min())
    box_width, box_height = int(lefts.max()) - x0 + 1, int(bottoms.max()) - y0
    # A blank column on both sides closes every run inside its own row; whole words are five times as fast as bytes.
    stride = -(-(box_width + 2) // 8) * 8
    pixels = np.zeros((box_height + 1, stride), dtype=np.uint8)
    # Within a column segments do not touch the same start or the same end, so plain assignment toggles safely.
    pixels[tops - y0, lefts - x0 + 1] ^= 1
    pixels[bottoms - y0, lefts - x0 + 1] ^= 1
    np.bitwise_xor.accumulate(pixels.view(np.uint64), axis=0, out=pixels.view(np.uint64))
    edges = pixels.ravel()
    edges[1:] ^= edges[:-1].copy()
    words = np.flatnonzero(edges.view(np.uint64))
    word, byte = np.nonzero(edges.reshape(-1, 8)[words])
    rows, columns = np.divmod(8 * words[word] + byte, stride)
    positions = (rows + y0) * display_width + columns - 1 + x0
    begin, end = positions[0::2], positions[1::2]
    return np.stack([begin, end - begin], axis=1).astype(np.uint32)


def pack_layer(number: int, runs: np.ndarray) -> bytes:
    """One mask as the viewer reads it: a part of a deflate stream that stands alone, so it is packed only once.

    Its content are little-endian uint32: ``number, runs, (step, length) for each run``, where a step is from the start
    of one run to that of the next: small numbers that repeat, which halve the size and the time to pack it.

    Args:
        number: of the mask.
        runs: its ``display_runs`` (n×2).
    """
    steps = np.diff(runs[:, 0], prepend=np.uint32(0))
    words = [np.array([number, len(runs)]), np.stack([steps, runs[:, 1]], axis=1).ravel()]
    packing = zlib.compressobj(ZIP_LEVEL, wbits=-zlib.MAX_WBITS)
    # After a full flush nothing refers to what was before.
    return packing.compress(np.concatenate(words).astype("<u4").tobytes()) + packing.flush(zlib.Z_FULL_FLUSH)


def pack_layers(layers: Iterable[bytes]) -> str:
    """Masks from ``pack_layer`` as one deflate stream, in base64; no mask makes an empty text."""
    packed = b"".join(layers)
    return base64.b64encode(packed + _END).decode("ascii") if packed else ""


_END = zlib.compressobj(wbits=-zlib.MAX_WBITS).flush()
