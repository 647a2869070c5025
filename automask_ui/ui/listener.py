"""Handlers as Gradio calls them: component values and a request in, component values out, errors in words."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from automask_ui.ui.errors import errors_in_words
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.visitor import visitor_of
from automask_ui.ui.parts import Parts

__all__ = ["listener", "set_signature"]


def set_signature(function: Any, parameters: Sequence[inspect.Parameter], returns: Any = Any) -> None:
    """Give ``function``, which takes any arguments, the parameters that Gradio reads off it.

    Gradio looks at the signature for what to pass, and at the annotations for the types that it documents.
    """
    function.__signature__ = inspect.Signature(parameters, return_annotation=returns)
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def listener(handler: Callable[..., Any], parts: Parts, outputs: Sequence[Any]) -> Callable[..., Any]:
    """``handler`` as a function for Gradio, which reads off its signature what to pass.

    A handler names what it wants: ``visitor``, ``controls`` (all of them, read), ``payload`` (what the browser sent
    with the event, trusted in nothing), and, under any other name, the value of the one input. It returns, or yields,
    :class:`Changes`; None changes nothing.
    """
    named = inspect.signature(handler).parameters
    wanted = [name for name in named if name not in ("visitor", "payload")]
    types: dict[str, Any] = {**dict.fromkeys(wanted, Any), "request": gr.Request}
    if "payload" in named:
        types["event"] = gr.EventData
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    request_place = len(wanted)

    def _arguments(given: tuple[Any, ...]) -> dict[str, Any]:
        values = dict(zip(types, given, strict=True))
        found: dict[str, Any] = {name: values[name] for name in wanted}
        if "controls" in found:
            found["controls"] = parts.read_controls(found["controls"])
        if "payload" in named:
            found["payload"] = values["event"]._data
        if "visitor" in named:
            found["visitor"] = visitor_of(values["request"])
        return found

    def _values(changes: Changes | None) -> dict[Any, Any]:
        found = {} if changes is None else changes.outputs(parts)
        # Gradio takes an empty dictionary for a value.
        return found or ({outputs[0]: gr.skip()} if outputs else {})

    def _generate(*given: Any) -> Iterator[dict[Any, Any]]:
        with errors_in_words(visitor_of(given[request_place]).words):
            changes = None
            for changes in handler(**_arguments(given)):
                yield _values(changes)
            # Gradio would clear every output of a generator that yields nothing.
            if changes is None:
                yield _values(None)

    def _call(*given: Any) -> dict[Any, Any] | None:
        with errors_in_words(visitor_of(given[request_place]).words):
            changes = handler(**_arguments(given))
            return _values(changes) if outputs else None

    listening: Any = _generate if inspect.isgeneratorfunction(handler) else _call
    listening.__name__ = handler.__name__
    set_signature(listening, [inspect.Parameter(name, kind, annotation=type_) for name, type_ in types.items()])
    return listening
