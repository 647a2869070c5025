"""The engine's interface: what folder runs, projects and the page use of a loaded model, without importing PyTorch."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from automask_ui.masks import MaskResult, Step
from automask_ui.masks.prompt import Prediction
from automask_ui.masks.rle import Rle
from automask_ui.options import GeneratorOptions

__all__ = ["MODEL_OPTIONS", "Engine", "EngineModel", "LoadedModel", "Steps", "own_thresholds", "run_to_end"]

# Options that every model has values of its own for, where they are not given.
MODEL_OPTIONS = ("pred_iou_thresh", "stability_score_thresh", "min_mask_region_area")

# A run, step by step: a step before each encoding and after each decoded chunk; the result is the return value.
Steps = Generator[Step, None, MaskResult]

T = TypeVar("T")


class EngineModel(Protocol):
    """What an engine tells of its model."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def device(self) -> Any:
        """Where it runs, as text or ``torch.device``."""

    @property
    def pred_iou_thresh(self) -> float:
        """Its own default of that option, 0 to 1."""

    @property
    def stability_score_thresh(self) -> float:
        """Its own default of that option, 0 to 1."""


@dataclass(frozen=True)
class LoadedModel:
    """What an engine has told of its model, without the model: it may be kept when the weights are dropped."""

    title: str
    device: str
    pred_iou_thresh: float
    stability_score_thresh: float
    min_mask_region_area: int = 0  # px

    @classmethod
    def of(cls, model: EngineModel) -> LoadedModel:
        """What ``model`` tells."""
        return cls(
            title=model.title, device=str(model.device), **_thresholds(model), min_mask_region_area=_cleanup_area(model)
        )


class Engine(Protocol):
    """A loaded model that finds masks: ``MaskEngine``, or a stand-in for it in tests."""

    @property
    def model(self) -> Any:
        """The model that it runs, an :class:`EngineModel`."""

    def steps(self, image: np.ndarray | None, options: GeneratorOptions, earlier: MaskResult | None = None) -> Steps:
        """Find the masks of an H×W×3 uint8 RGB picture (None: that of ``earlier``) step by step."""

    def predict(
        self,
        picture: np.ndarray | MaskResult,
        *,
        points_xy: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box_xyxy: ArrayLike | None = None,
        mask: ArrayLike | Rle | None = None,
    ) -> Prediction:
        """Predict the masks of what clicks, a box and an earlier mask show; see ``MaskEngine.predict``.

        It does not wait for runs on the same picture.

        Raises:
            OptionError: nothing was shown, or what makes no sense.
        """


def own_thresholds(model: EngineModel) -> dict[str, float]:
    """The default thresholds of ``model`` itself, by option name, and its clean-up if it has one."""
    cleanup = _cleanup_area(model)
    return _thresholds(model) | ({"min_mask_region_area": cleanup} if cleanup else {})


def _thresholds(model: EngineModel) -> dict[str, float]:
    return {name: float(getattr(model, name)) for name in ("pred_iou_thresh", "stability_score_thresh")}


def _cleanup_area(model: EngineModel) -> int:
    return int(getattr(model, "min_mask_region_area", 0))


def run_to_end(run: Generator[Any, None, T]) -> T:
    """Run a generator to its end, and give its return value."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            result: T = end.value
            return result
