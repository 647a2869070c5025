"""How much work a set of options is, and how long it will take: only from what this process has measured."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass

from automask_ui import limits
from automask_ui.errors import OptionError
from automask_ui.options import GeneratorOptions, GridOptions

__all__ = ["Speeds", "Workload", "check_workload", "workload"]

# A picture whose embedding was cached is read in next to no time, which says nothing about the next picture.
_CACHED_SHARE = 0.1


@dataclass(frozen=True)
class Workload:
    """What a run has to do, when nothing is cached."""

    points: int  # decoded in all crops together
    crops: int  # encoded; the whole picture counts as one


def workload(grid: GridOptions) -> Workload:
    """Points and crops of ``grid``; they are laid as in upstream's ``build_all_layer_point_grids``."""
    points = crops = 0
    for layer in range(grid.crop_n_layers + 1):
        layer_crops = 4**layer
        if grid.point_grids is not None:
            layer_points = len(grid.point_grids[layer])
        else:
            layer_points = int((grid.points_per_side or 0) / grid.crop_n_points_downscale_factor**layer) ** 2
        crops += layer_crops
        points += layer_crops * layer_points
    return Workload(points, crops)


def check_workload(options: GeneratorOptions, max_points: int | None = None) -> Workload:
    """The workload of ``options``; ``max_points`` None is the limit of :func:`automask_ui.limits.max_points`.

    Raises:
        OptionError: more than ``max_points`` points would have to be decoded.
    """
    work = workload(options.grid)
    most = limits.max_points() if max_points is None else max_points
    if work.points > most:
        raise OptionError(
            f"This would look at {work.points:,} points in {work.crops:,} crops, but at most {most:,} points are "
            f"allowed here. Lower Grid density (points_per_side) or Zoom levels (crop_n_layers), or raise Thin out the "
            f"grid per level (crop_n_points_downscale_factor)."
        )
    return work


class Speeds:
    """Measured seconds a crop to encode and a point to decode, by model. Says nothing before anything was measured."""

    def __init__(self) -> None:
        self._encode: dict[Hashable, float] = {}
        self._decode: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def record_encode(self, model: Hashable, seconds: float, crops: int) -> None:
        """A run of ``model`` read ``crops`` crops in ``seconds``."""
        each = seconds / max(1, crops)
        with self._lock:
            known = self._encode.get(model)
            if known is None or each > _CACHED_SHARE * known:
                self._encode[model] = each

    def record_decode(self, model: Hashable, seconds: float, points: int) -> None:
        """A run of ``model`` decoded ``points`` points in ``seconds``."""
        if points > 0:
            with self._lock:
                self._decode[model] = seconds / points

    def encode_seconds(self, model: Hashable, crops: int = 1) -> float | None:
        """Seconds to read ``crops`` crops, or None while unknown."""
        each = self._encode.get(model)
        return None if each is None else each * crops

    def decode_seconds(self, model: Hashable, points: int) -> float | None:
        """Seconds to decode ``points`` points, or None while unknown."""
        each = self._decode.get(model)
        return None if each is None else each * points

    def run_seconds(self, model: Hashable, work: Workload) -> float | None:
        """Seconds of a whole run, or None while unknown."""
        encode, decode = self.encode_seconds(model, work.crops), self.decode_seconds(model, work.points)
        return None if encode is None or decode is None else encode + decode
