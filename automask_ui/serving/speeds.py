"""How fast models are on this machine, from one process to the next.

Every run is a measurement; the first is that of the sample photograph, in the background. Nothing is run to measure.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from automask_ui.files.atomic import write_atomic
from automask_ui.models.registry import CHECKPOINTS
from automask_ui.session.run import Speeds

__all__ = ["speeds_here"]

_log = logging.getLogger(__name__)


def speeds_here(notes: Path | None = None, machine: str = "", on_cpu: bool = True) -> Speeds:
    """Speeds that know what earlier processes have measured, and keep what this one does, of published models.

    Args:
        notes: the JSON file that keeps them, machine -> model -> seconds a crop and a point; None keeps nothing.
        machine: what they hold for: the machine's name, the device and the number of cores.
        on_cpu: whether one model's speed says something of another's: the registry's costs are those of CPUs.
    """
    rows = CHECKPOINTS.values() if on_cpu else ()
    costs: dict[Hashable, tuple[float, float]] = {row.name: (row.encode_cost, row.decode_cost) for row in rows}
    if notes is None:
        return Speeds(costs=costs)
    kept = _SpeedNotes(notes, machine)
    return Speeds(kept.measured(), costs, kept.keep)


class _SpeedNotes:
    def __init__(self, path: Path, machine: str) -> None:
        self._path, self._machine = path, machine

    def measured(self) -> dict[Hashable, tuple[float, float]]:
        """Seconds a crop and a point by model, on this machine."""
        known = self._read().get(self._machine, {})
        return {model: (row[0], row[1]) for model, row in known.items() if model in CHECKPOINTS and _is_measure(row)}

    def keep(self, model: Hashable, measured: tuple[float, float]) -> None:
        """Note what was measured. Files of one's own are left out: another can have the same name tomorrow."""
        if model not in CHECKPOINTS:
            return
        notes = self._read()
        notes.setdefault(self._machine, {})[str(model)] = measured
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Two writers at once can lose a note, which the next run writes again, but never break the file.
            write_atomic(self._path, json.dumps(notes, indent=1).encode())
        except OSError as error:
            _log.info("%s cannot be written, so the next start knows no times: %s", self._path, error)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            notes = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(notes, dict):
            return {}
        return {machine: models for machine, models in notes.items() if isinstance(models, dict)}


def _is_measure(row: object) -> bool:
    """Whether these are seconds a crop and seconds a point."""
    return (
        isinstance(row, list)
        and len(row) == 2
        and all(isinstance(seconds, (int, float)) and 0 < seconds < math.inf for seconds in row)
    )
