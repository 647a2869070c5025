"""The models that visitors can choose, and their engines."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Sequence

from automask_ui.errors import UnknownModelError
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.protocol import Engine, EngineModel, own_thresholds

__all__ = ["Models"]


class Models(UserDict[str, AvailableModel]):
    """The models by name.

    Args:
        engines: gives the engine of a model by name; loads it on the first call.
        models: in the order of the menu.
        default: the one to begin with.

    Attributes:
        default: its name.
        loaded: what the engines tell of their models, by name; of those that were loaded since the start.
    """

    def __init__(self, engines: Callable[[str], Engine], models: Sequence[AvailableModel], default: str) -> None:
        super().__init__({model.name: model for model in models})
        self.default = default
        self.loaded: dict[str, EngineModel] = {}
        self._engines = engines

    def load(self, name: str) -> Engine:
        """Get the engine of model ``name``, loading the model if need be.

        Raises:
            UnknownModelError: there is no such model here.
            CheckpointError: its file cannot be had or used.
        """
        if name not in self:
            raise UnknownModelError(f"There is no model {str(name)[:60]!r}. The models are: {', '.join(self)}.")
        engine = self._engines(name)
        self.loaded[name] = engine.model
        return engine

    def thresholds(self, name: str) -> dict[str, float]:
        """The model's own default thresholds by option name; empty until it is loaded."""
        model = self.loaded.get(name)
        return own_thresholds(model) if model is not None else {}
