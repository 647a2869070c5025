"""The use cases behind the page and the API: open pictures, run models, export masks.

Engines come by model name from a factory that is handed in, and are used through :class:`automask_ui.protocol.Engine`
alone, so that everything here runs and is tested without PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from automask_ui.models import checkpoints
from automask_ui.models.checkpoints import AvailableModel
from automask_ui.project.projects import Projects
from automask_ui.protocol import Engine
from automask_ui.serving.clicks import ClickPredictor
from automask_ui.serving.presence import Presence
from automask_ui.serving.runs import ModelRuns, Models
from automask_ui.serving.samples import Samples
from automask_ui.serving.speeds import speeds_here
from automask_ui.session.run import Fetch, Speeds
from automask_ui.session.store import SessionStore

__all__ = ["Service"]

STORE_BYTES = 1024**3


class Service:
    """All that a visitor can ask for.

    Args:
        engines: gives the engine of a model by name; loads it on the first call.
        models: the models that can be chosen.
        default_model: the one to begin with.
        samples: sample photographs; the first one is what a first visit shows.
        store_bytes: bound on the memory of all sessions together.
        max_points: most points, over all crops, of one run; None is the machine's limit.
        fetch: downloads the file of a model that is not on this machine.
        background_engines: engines for what no visitor has asked for, where ``engines`` take from what a visitor is
            given.
        speeds: what earlier processes have measured; None begins anew.

    Attributes:
        store: the visitors' sessions.
        presence: whose pages are open.
        projects: their photos and lists of pictures, as they are saved and restored.
        models: the models by name, and their engines.
        runs: find masks, refilter, resume and stop.
        clicks: masks for clicks and boxes.
        samples: the sample photographs by name.
    """

    def __init__(
        self,
        engines: Callable[[str], Engine],
        models: Sequence[AvailableModel],
        default_model: str,
        samples: Sequence[Path] = (),
        *,
        store_bytes: int = STORE_BYTES,
        max_points: int | None = None,
        fetch: Fetch = checkpoints.fetch,
        background_engines: Callable[[str], Engine] | None = None,
        speeds: Speeds | None = None,
    ) -> None:
        self.store = SessionStore(store_bytes)
        self.models = Models(engines, models, default_model)
        self.presence = Presence()
        self.projects = Projects(self.store, self.models, self.presence.has_gone)
        self.runs = ModelRuns(self.models, self.store, max_points, fetch, speeds or speeds_here())
        self.clicks = ClickPredictor(self.models, self.store)
        self.samples = Samples(samples, self.store, self.models, self.runs, background_engines)
