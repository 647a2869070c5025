"""Candidates of earlier runs, so that other thresholds, and runs that were stopped, decode only what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from automask_ui.cache import ByteLRU
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline.candidate_table import CandidateTable
from automask_ui.masks import Candidates, MaskResult
from automask_ui.options import GeneratorOptions, GridOptions

__all__ = ["CandidateCache"]


class CandidateCache:
    """The candidates of one model, kept by the picture's content and the grid.

    Args:
        model: what decodes them.
        levels: how many masks it proposes for a point of a grid.
        max_bytes: bound of all that is kept.
    """

    def __init__(self, model: SamModel, levels: Callable[[GridOptions], int], max_bytes: int) -> None:
        self._model, self._levels = model, levels
        # With the offset at which their stability was measured.
        self._kept: ByteLRU[tuple[Candidates, float]] = ByteLRU(max_bytes, _nbytes)

    def table(
        self, size_hw: tuple[int, int], image_key: str, options: GeneratorOptions, earlier: MaskResult | None
    ) -> CandidateTable:
        """Plan the candidates, or take those that are kept or in ``earlier`` for the same picture, model and grid."""
        key, offset = self._key(image_key, options), options.filter.stability_score_offset
        known = self._kept.get(key)
        is_same_work = earlier is not None and self._key(earlier.image_key, earlier.options) == key
        if earlier is not None and is_same_work and earlier.model_key == self._model.key:
            known = (earlier.candidates, earlier.options.filter.stability_score_offset)
        if known is None:
            return CandidateTable.plan(size_hw, options.grid, self._levels(options.grid))
        candidates, measured_at = known
        table = CandidateTable(candidates, self._levels(options.grid))
        if measured_at != offset:
            table.forget_masks()
        return table

    def put(self, image_key: str, options: GeneratorOptions, candidates: Candidates) -> None:
        """Keep what a run under ``options`` has decoded."""
        self._kept.put(self._key(image_key, options), (candidates, options.filter.stability_score_offset))

    def _key(self, image_key: str, options: GeneratorOptions) -> tuple[Any, ...]:
        """Make the cache key. The batch size is left out, since it does not change the candidates."""
        return (image_key, self._model.key, self._model.precision, replace(options.grid, points_per_batch=1))


def _nbytes(kept: tuple[Candidates, float]) -> int:
    """Estimate the memory that candidates take."""
    candidates = kept[0]
    masks = sum(len(rle["counts"]) + 400 for rle in candidates.rle if rle is not None)
    return masks + 120 * len(candidates)
