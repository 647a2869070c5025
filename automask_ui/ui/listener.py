"""Handlers as Gradio calls them: component values and a request in, component values out, errors in words."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr

from automask_ui.ui.controls import Controls
from automask_ui.ui.errors import errors_in_words
from automask_ui.ui.handlers.changes import Changes
from automask_ui.ui.handlers.visitor import Visitor
from automask_ui.ui.parts import Parts
from automask_ui.ui.text import words_for

__all__ = ["listener", "outputs_of", "set_signature"]


def set_signature(
    function: Any, types: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, returns: Any = Any
) -> None:
    """Give ``function`` the parameters that Gradio reads off it.

    Gradio looks at the signature for what to pass, and at the annotations for the types that it documents.

    Args:
        function: takes as many arguments, of any type.
        types: of its parameters by name, in their order.
        defaults: of those that can be left out.
        returns: the type of what comes back.
    """
    kind, given = inspect.Parameter.POSITIONAL_OR_KEYWORD, defaults or {}
    parameters = [
        inspect.Parameter(name, kind, default=given.get(name, inspect.Parameter.empty), annotation=type_)
        for name, type_ in types.items()
    ]
    function.__signature__ = inspect.Signature(parameters, return_annotation=returns)
    function.__annotations__ = {**types, "return": returns}


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

    @contextmanager
    def _asking(given: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
        """What the handler is called with; what goes wrong in the block is told in the visitor's words."""
        values = dict(zip(types, given, strict=True))
        request = values["request"]
        # Without a session, as plain HTTP may call, everyone is a stranger to everyone.
        visitor = Visitor(request.session_hash or uuid.uuid4().hex, words_for(request.headers))
        with errors_in_words(visitor.words):
            found: dict[str, Any] = {name: values[name] for name in wanted}
            if "controls" in found:
                found["controls"] = _read_controls(parts, found["controls"])
            if "payload" in named:
                found["payload"] = values["event"]._data
            if "visitor" in named:
                found["visitor"] = visitor
            yield found

    def _values(changes: Changes | None) -> dict[Any, Any]:
        if changes is not None and changes.warning is not None:
            # Gradio shows none of the headings that it is given: the page has one for all warnings.
            gr.Warning(". ".join(changes.warning), duration=None)
        found = {} if changes is None else outputs_of(changes, parts)
        # Gradio takes an empty dictionary for a value.
        return found or ({outputs[0]: gr.skip()} if outputs else {})

    def _generate(*given: Any) -> Iterator[dict[Any, Any]]:
        with _asking(given) as arguments:
            changes = None
            for changes in handler(**arguments):
                yield _values(changes)
            # Gradio would clear every output of a generator that yields nothing.
            if changes is None:
                yield _values(None)

    def _call(*given: Any) -> dict[Any, Any] | None:
        with _asking(given) as arguments:
            changes = handler(**arguments)
            return _values(changes) if outputs else None

    listening: Any = _generate if inspect.isgeneratorfunction(handler) else _call
    listening.__name__ = handler.__name__
    set_signature(listening, types)
    return listening


def _read_controls(parts: Parts, values: Mapping[Any, Any]) -> Controls:
    """The controls that component ``values`` say; not yet checked."""
    return Controls(
        model=values[parts.model.model],
        preset=values[parts.model.preset],
        values={name: values[slider] for name, slider in parts.sliders.all.items()},
        points_text=values[parts.sliders.points.text] or "",
        show_values={name: values[control] for name, control in parts.show.items()},
        shown=values.get(parts.shown) or "",
    )


def _control_values(parts: Parts, controls: Controls) -> dict[Any, Any]:
    """Component values that say ``controls``: the reverse of :func:`_read_controls`."""
    return {
        parts.model.model: controls.model,
        parts.model.preset: controls.preset,
        parts.sliders.points.text: controls.points_text,
        **{slider: controls.values[name] for name, slider in parts.sliders.all.items()},
        **{control: controls.show_values[name] for name, control in parts.show.items()},
    }


def outputs_of(changes: Changes, parts: Parts) -> dict[Any, Any]:
    """Values by component; what stays as it is is not among them."""
    viewer: Any = changes.view
    names = ("note", "edits", "prediction", "class_list", "proof")
    if props := {name: getattr(changes, name) for name in names if getattr(changes, name) is not None}:
        viewer = gr.update(**props) if viewer is None else gr.update(value=viewer, **props)
    values = {
        parts.viewer: viewer,
        parts.status: changes.status,
        parts.sliders.candidates: changes.candidates,
        parts.pictures: changes.picture_list,
        parts.photo.recent: changes.recent,
        parts.model.preset: changes.preset,
        parts.model.info: changes.model_info,
        parts.model.preset_info: changes.preset_info,
        parts.device: changes.device,
        parts.about.text: changes.about,
        parts.run.forecast: changes.forecast,
        parts.unfinished: changes.unfinished,
        parts.sliders.points.text: changes.points_text,
        parts.download: None if changes.download is None else str(changes.download),
        parts.dataset: None if changes.dataset is None else str(changes.dataset),
    }
    found: dict[Any, Any] = {component: value for component, value in values.items() if value is not None}
    if changes.is_busy is not None:
        found[parts.run.find] = gr.update(interactive=not changes.is_busy)
        found[parts.run.stop] = gr.update(interactive=changes.is_busy)
    if changes.model_groups is not None:
        found[parts.model.model] = gr.update(groups=list(changes.model_groups))
    if changes.is_missing is not None:
        found[parts.model.missing] = gr.update(visible=changes.is_missing)
    if changes.controls is not None:
        found |= _control_values(parts, changes.controls)
    if changes.sliders is not None:
        found |= {parts.sliders.all[name]: value for name, value in changes.sliders.items()}
    if changes.frees_drop_zones:
        found |= {parts.photo.upload: None, parts.photo.files: None}
    return found
