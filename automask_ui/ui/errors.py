"""The one place where errors become what a visitor reads."""

from __future__ import annotations

import errno
import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from automask_ui.errors import AutoMaskError
from automask_ui.ui.text import words_for

__all__ = ["friendly"]

_log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


def friendly(handler: F) -> F:
    """``handler`` (a function or a generator function) with every exception raised as ``gr.Error``.

    Errors of ours are shown as they are. Anything else is logged, and one sentence is shown: it could hold paths.
    """
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def generate(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from handler(*args, **kwargs)
            except Exception as error:
                raise _shown(error, (*args, *kwargs.values())) from error

        return generate  # type: ignore[return-value]

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            raise _shown(error, (*args, *kwargs.values())) from error

    return call  # type: ignore[return-value]


def _shown(error: Exception, arguments: tuple[Any, ...]) -> gr.Error:
    if isinstance(error, gr.Error):
        return error
    requests = [argument for argument in arguments if isinstance(argument, gr.Request)]
    words = words_for(requests[0].headers if requests else {})
    if isinstance(error, AutoMaskError):
        return gr.Error(words.error(error), title=words.say("error.title"), print_exception=False)
    _log.error("A request failed", exc_info=error)
    return gr.Error(words.say(_reason(error)), title=words.say("error.title"), print_exception=False)


def _reason(error: Exception) -> str:
    """The key of what a visitor is told of an error that is none of ours."""
    if isinstance(error, MemoryError):
        return "error.memory"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "error.disk"
    return "error.unexpected"
