"""One script out of ES modules: Gradio takes a component's script as one text, and runs it as a function's body."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["bundle"]

# All forms that are understood. What they bind never changes later: a copy of it is as good as the module's own.
_IMPORT = re.compile(r'^import \{([\w\s,]+)\} from "(\.{1,2}/[\w/.]+\.js)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function|class|const) (\w+))", re.MULTILINE)
# What only people and the type checker read; more than a third of all text.
_DOC = re.compile(r"^[ \t]*/\*\*.*?\*/[ \t]*\n?", re.MULTILINE | re.DOTALL)
_OTHER = re.compile(r"^\s*(?:import|export)\b.*|\bimport\s*[(.].*", re.MULTILINE)


def bundle(entry: Path, call: str) -> str:
    """A script with ``entry`` and all that it imports, each module in a scope of its own.

    Args:
        entry: the module that imports the others.
        call: what the script does in the end, with the exports of ``entry`` by their names.

    Raises:
        ValueError: a module imports in a circle, or in a way that is not understood, or what is not there.
    """
    done: dict[Path, tuple[str, set[str]]] = {}
    scopes: list[str] = []
    name, exports = _add(entry.resolve(), done, [], scopes)
    return "\n".join(['"use strict";', *scopes, _binding(exports, name), call])


def _add(
    path: Path, done: dict[Path, tuple[str, set[str]]], above: list[Path], scopes: list[str]
) -> tuple[str, set[str]]:
    """Append the module to ``scopes``, after those that it imports; its name there and what it exports."""
    if path in done:
        return done[path]
    if path in above:
        circle = [*above[above.index(path) :], path]
        raise ValueError(f"modules import in a circle: {' → '.join(module.name for module in circle)}")
    source = _DOC.sub("", path.read_text(encoding="utf-8"))

    def bind(found: re.Match[str]) -> str:
        wanted = set(found[1].replace(",", " ").split())
        name, exports = _add((path.parent / found[2]).resolve(), done, [*above, path], scopes)
        if missing := wanted - exports:
            raise ValueError(f"{path.name}: {found[2]} does not export {', '.join(sorted(missing))}")
        return _binding(wanted, name)

    exports = set(_EXPORT.findall(source))
    body = _EXPORT.sub("", _IMPORT.sub(bind, source))
    if other := _OTHER.search(body):
        raise ValueError(f"{path.name}: {other[0].strip()!r} is a form of import or export that is not bundled")
    name = f"__module{len(done)}"
    scopes.append(f"const {name} = (() => {{ // {path.name}\n{body}return {{ {', '.join(sorted(exports))} }};\n}})();")
    done[path] = name, exports
    return done[path]


def _binding(names: set[str], module: str) -> str:
    return f"const {{ {', '.join(sorted(names))} }} = {module};"
