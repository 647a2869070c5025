"""The masks of the first sample photo, found once in the background for all first visits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from automask_ui.errors import AutoMaskError
from automask_ui.masks import MaskResult

__all__ = ["FirstSample"]

_log = logging.getLogger(__name__)


class FirstSample:
    """What was found, or why nothing was.

    Attributes:
        ready: set once that is known.
        result: the masks; None before, and where there are none.
        error: why there are none, as far as a visitor is told.
    """

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.result: MaskResult | None = None
        self.error = ""

    def prepare(self, find: Callable[[], MaskResult]) -> None:
        """Keep what ``find`` finds."""
        try:
            self.finish(find())
            _log.info("The sample photo is ready")
        except AutoMaskError as error:
            _log.warning("The sample photo has no masks: %s", error)
            self.finish(None, str(error))
        except Exception:
            _log.exception("The sample photo has no masks")
            self.finish(None)
            raise

    def finish(self, result: MaskResult | None, error: str = "") -> None:
        """Make known what was found, or why nothing was."""
        self.result, self.error = result, error
        self.ready.set()
