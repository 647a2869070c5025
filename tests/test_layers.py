"""The arrows of the architecture: who may import whom, read off the source without running it."""

import ast
import functools
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "automask_ui"
# Read once: whoever changes the source while tests run changes nothing of what these judge.
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
FILES = list(SOURCES)

# Which folder (or module of the top level) may import which. Nothing else is allowed, neither upwards nor sideways.
ALLOWED = {
    "errors": "",
    "cache": "",
    "streams": "",
    "limits": "errors",
    "options": "errors",
    "files": "errors limits",
    "masks": "errors files options",
    "models": "errors files",
    "protocol": "masks options",
    "session": "cache errors files limits masks options protocol",
    "engine": "cache errors masks models options protocol",
    "export": "errors files masks session",
    "batch": "errors export files masks options protocol",
    "project": "batch cache errors export files limits masks models options session",
    "serving": "engine errors files masks models options project protocol session",
    "ui": "batch errors export files masks models options project protocol serving session",
    "training": "engine",
    "cli": "batch engine errors export files models options protocol ui",
    "__main__": "cli streams",
    "__init__": "",
}
TORCH = {"torch", "torchvision", "segment_anything"}


@functools.cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports when it is loaded (those for type checkers alone and inside functions are not)."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, at_load: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, at_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", at_load))
            if node.module and node.module.startswith("automask_ui"):
                found.extend((f"{node.module}.{alias.name}", at_load) for alias in node.names)
        inside = at_load and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(SOURCES[path]), True)
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_folders_import_only_what_the_table_allows(path):
    own = room(path)
    assert own in ALLOWED, f"{own} is not in the table"
    rooms = {module.split(".")[1] for module, _ in imports(path) if module.startswith("automask_ui.")}
    found = rooms & {room(other) for other in FILES}
    assert found - {own} <= set(ALLOWED[own].split())


def test_the_table_allows_nothing_that_is_not_needed():
    needed: dict[str, set[str]] = {}
    for path in FILES:
        needed.setdefault(room(path), set()).update(
            module.split(".")[1] for module, _ in imports(path) if "." in module
        )
    assert [(own, name) for own in ALLOWED for name in ALLOWED[own].split() if name not in needed[own]] == []


def test_the_table_has_no_cycle():
    assert len(list(TopologicalSorter({own: names.split() for own, names in ALLOWED.items()}).static_order()))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_gradio_stays_in_the_page(path):
    roots = {module.split(".")[0] for module, _ in imports(path)}
    assert "gradio" not in roots or room(path) == "ui"


def test_torch_stays_in_engine_and_training():
    """Also by way of others: no module outside of them loads PyTorch when it is imported."""
    graph = {name_of(path): {module for module, at_load in imports(path) if at_load} for path in FILES}
    for path in FILES:
        if room(path) in ("engine", "training"):
            continue
        reached, ahead = set(), [name_of(path)]
        while ahead:
            module = ahead.pop()
            reached.add(module)
            # Importing a module loads the packages around it first.
            parents = {module.rpartition(".")[0]} if "." in module else set()
            ahead.extend((graph.get(module, set()) | parents) - reached)
        assert not {module.split(".")[0] for module in reached} & TORCH, name_of(path)


def test_no_cycle():
    names = {name_of(path) for path in FILES}
    graph = {
        name_of(path): {module for module, at_load in imports(path) if at_load and module in names} - {name_of(path)}
        for path in FILES
    }
    # A package gathers what is below it, so "from package import module" inside it points at the module alone.
    for name, targets in graph.items():
        targets -= {target for target in targets if name.startswith(f"{target}.")}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(names)


def test_importing_the_package_is_cheap():
    code = "import sys, automask_ui; print(*sorted({'torch', 'gradio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_public_names_are_declared_and_exist():
    import automask_ui

    assert automask_ui.__all__ == sorted(automask_ui.__all__)
    for name in automask_ui.__all__:
        assert getattr(automask_ui, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        automask_ui.nothing  # noqa: B018
