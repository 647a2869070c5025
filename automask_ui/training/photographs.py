"""Real photographs with masks, for training and validation: which there are, how often each kind is drawn, and reading.

They are not part of the project. A folder of them holds `manifest.csv`, with for each picture its label maps
(`mask_L1`, things; `mask_L2`, parts of these), its source, its licence, and what label 0 is there.
"""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from automask_ui.training.drawn.scenes import UNKNOWN, Scene

# How often each source is drawn, in parts of the whole: everyday scenes often, crowds of like things seldom.
SHARES = {
    "cocopan": 9.0, "cocoinst": 10.0, "coco2": 17.0, "coco2p": 6.0, "dalicoco": 5.0, "ccp": 20.0, "oianimal": 10.0,
    "facade": 8.0, "food": 5.0, "balloon": 3.0, "suim": 1.0, "coins": 2.5, "mushroom": 1.5, "grain": 1.5,
    "breadboard": 1.5, "screw": 0.5, "nuclei": 2.5,
}  # fmt: skip
# Of these a tenth is kept for validation.
EVERYDAY = frozenset(
    ("cocopan", "cocoinst", "coco2", "coco2p", "dalicoco", "ccp", "oianimal", "facade", "food", "balloon")
)
MIN_PART_PIXELS = 16


@dataclass(frozen=True)
class Photograph:
    """One row of the manifest.

    Attributes:
        path: The picture.
        things: Its label map, None for a picture without masks.
        parts: The label map of its parts, if it has one.
        source: The first word of its file name.
        rest_is_region: Whether label 0 is one thing, the ground; else nobody has said what is there.
    """

    path: Path
    things: Path | None
    parts: Path | None
    source: str
    rest_is_region: bool

    @property
    def is_held_out(self) -> bool:
        """Whether it is for validation only: a tenth of the everyday sources, by the hash of the file's name."""
        digest = hashlib.sha256(self.path.name.encode()).digest()
        return self.source in EVERYDAY and digest[0] % 10 == 0

    @property
    def knows_parts(self) -> bool:
        """Whether the parts of its things are labelled, or they have none: a cell or a coin is all there is."""
        return self.parts is not None or self.source not in EVERYDAY


def read_manifest(folder: Path) -> list[Photograph]:
    """All pictures of a folder: photographs with and without masks, and cut-outs."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Photograph(
            path=folder / row["file"],
            things=folder / row["mask_L1"] if row["mask_L1"] else None,
            parts=folder / row["mask_L2"] if row["mask_L2"] else None,
            source=Path(row["file"]).stem.rsplit("_", 1)[0],
            rest_is_region=row["unlabelled_area"].startswith("background as one region"),
        )
        for row in rows
    ]


def training_photographs(rows: Sequence[Photograph]) -> list[Photograph]:
    """Those with masks that may be trained on."""
    return [row for row in rows if row.things is not None and row.source in SHARES and not row.is_held_out]


def validation_photographs(rows: Sequence[Photograph]) -> list[Photograph]:
    """Those with masks that no run trains on."""
    return [row for row in rows if row.things is not None and row.is_held_out]


def draw_weights(rows: Sequence[Photograph]) -> np.ndarray:
    """How often each photograph is drawn. (N,) float64, their sum is 1."""
    counts = {source: sum(row.source == source for row in rows) for source in {row.source for row in rows}}
    weights = np.array([SHARES[row.source] / counts[row.source] for row in rows])
    return weights / weights.sum()


def read_picture(path: Path) -> np.ndarray:
    """A picture as (H, W, 3) uint8 RGB, or (H, W, 4) with its alpha."""
    flags = cv2.IMREAD_UNCHANGED if path.suffix == ".png" else cv2.IMREAD_COLOR
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise FileNotFoundError(f"{path} is no readable picture.")
    order = cv2.COLOR_BGRA2RGBA if picture.ndim == 3 and picture.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(picture, order)


def read_labels(path: Path) -> np.ndarray:
    """A label map as (H, W) int64."""
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise FileNotFoundError(f"{path} is no readable label map.")
    return labels.astype(np.int64)


def read_scene(row: Photograph) -> Scene:
    """A photograph with its things and parts: id 0 is the rest of the picture, then come things, then their parts."""
    assert row.things is not None
    image = read_picture(row.path)
    labels = read_labels(row.things)
    is_used = np.bincount(labels.ravel()) > 0
    is_used[0] = True
    ids = (np.cumsum(is_used) - 1)[labels]
    parents = list(range(int(is_used.sum())))
    parents[0] = 0 if row.rest_is_region else UNKNOWN
    if row.parts is not None:
        ids = _with_parts(ids, read_labels(row.parts), parents)
    return Scene(image, ids.astype(np.int16), np.asarray(parents, dtype=np.int16))


def _with_parts(things: np.ndarray, parts: np.ndarray, parents: list[int]) -> np.ndarray:
    """Things with their parts on top; each part belongs to the thing that most of it lies in, and ends with that."""
    ids = things.copy()
    for part in np.flatnonzero(np.bincount(parts.ravel())):
        inside = parts == part
        if part == 0:
            continue
        owner = int(np.bincount(things[inside]).argmax())
        mask = inside & (things == owner)
        # A part beside all things is a thing of its own, and one that is all of its thing is no part.
        if mask.sum() < MIN_PART_PIXELS or (owner and mask.sum() > 0.95 * (things == owner).sum()):
            continue
        ids[mask] = len(parents)
        parents.append(owner if owner else len(parents))
    return ids
