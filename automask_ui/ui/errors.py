"""The one place where errors become what a visitor reads."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from automask_ui.errors import AutoMaskError
from automask_ui.ui.text import Words

__all__ = ["error_sentence", "errors_in_words"]

_log = logging.getLogger(__name__)


@contextmanager
def errors_in_words(words: Words) -> Iterator[None]:
    """Raise every exception of the block as ``gr.Error``, in the visitor's language: see :func:`error_sentence`."""
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        title = words.say("error.title")
        raise gr.Error(error_sentence(words, error), title=title, print_exception=False) from error


def error_sentence(words: Words, error: Exception) -> str:
    """What a visitor is told of ``error``.

    Errors of ours are shown as they are. Anything else is logged, and one sentence is shown: it could hold paths.
    """
    if isinstance(error, AutoMaskError):
        return words.error(error)
    _log.error("A request failed", exc_info=error)
    return words.say(_reason(error))


def _reason(error: Exception) -> str:
    """The key of what a visitor is told of an error that is none of ours."""
    if isinstance(error, MemoryError):
        return "error.memory"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "error.disk"
    return "error.unexpected"
