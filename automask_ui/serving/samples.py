"""Sample photographs; the masks of the first one are found once, in the background, for all first visits."""

from __future__ import annotations

import logging
import threading
from collections import UserDict
from collections.abc import Callable, Sequence
from pathlib import Path

from automask_ui.errors import AutoMaskError, NoImageError
from automask_ui.files.images import load_image
from automask_ui.masks import MaskResult
from automask_ui.options import PRESETS
from automask_ui.protocol import Engine, run_to_end
from automask_ui.serving.runs import ModelRuns, Models
from automask_ui.session import Session
from automask_ui.session.store import SessionStore

__all__ = ["FirstSample", "Samples"]

_log = logging.getLogger(__name__)


class FirstSample:
    """The masks of the first sample, or why there are none.

    Attributes:
        ready: set once that is known.
        result: the masks; None before, and where there are none.
        error: why there are none, as far as a visitor is told.
    """

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.result: MaskResult | None = None
        self.error = ""

    def finish(self, result: MaskResult | None, error: str = "") -> None:
        """Set the result, or why there is none, and wake those who wait for it."""
        self.result, self.error = result, error
        self.ready.set()


class Samples(UserDict[str, Path]):
    """The sample photographs by name; the first one is what a first visit shows.

    Args:
        paths: the photographs.
        store: sessions of the visitors.
        models: whose default model finds the masks of the first sample.
        runs: run it for :meth:`prepare`.
        background_engines: engines for :meth:`prepare`, where the visitors' own take from what a visitor is given.

    Attributes:
        first: the masks of the first sample.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        store: SessionStore,
        models: Models,
        runs: ModelRuns,
        background_engines: Callable[[str], Engine] | None = None,
    ) -> None:
        super().__init__({path.stem: path for path in paths})
        self.first = FirstSample()
        self._store = store
        self._models = models
        self._runs = runs
        self._background_engines = background_engines

    def open(self, owner: str, name: str) -> Session:
        """Begin work on a sample, with its masks where they are known; the owner's earlier work is given up.

        Raises:
            NoImageError: there is no such sample.
        """
        if name not in self:
            raise NoImageError(f"There is no sample {str(name)[:60]!r}. The samples are: {', '.join(self)}.")
        session = self._store.begin(load_image(self[name]), owner)
        if name == next(iter(self)):
            self.give_masks(session)
        return session

    def give_masks(self, session: Session) -> None:
        """Give a session on the first sample its masks, if they have been found."""
        if self.first.result is not None:
            session.given = self.first.result
            session.update(self.first.result, self._models.default, ends_run=True)
            self._store.touch(session)

    def prepare(self) -> None:
        """Find the masks of the first sample; meant for a thread of its own. Measures the model's speed as well."""
        try:
            self.first.finish(self._find())
            _log.info("The sample photo is ready")
        except AutoMaskError as error:
            _log.warning("The sample photo has no masks: %s", error)
            self.first.finish(None, str(error))
        except Exception:
            _log.exception("The sample photo has no masks")
            self.first.finish(None)
            raise

    def _find(self) -> MaskResult:
        name = self._models.default
        self._models.load(name)
        options = PRESETS["balanced"].options(**self._models.thresholds(name))
        image = load_image(next(iter(self.values())))
        if self._background_engines is None:
            return run_to_end(self._runs.find_alone(image, name, options))
        return run_to_end(self._background_engines(name).steps(image.rgb, options))
