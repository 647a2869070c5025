"""The arrows of the architecture: who may import whom, read off the source without running it."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "automask_ui"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))

# Rooms from top to bottom: a room may import those below it.
ROOMS = [
    ("app", "__main__", "cli", "start"),
    ("ui", "training"),
    ("engine", "service", "zero_gpu", "batch"),
    ("running", "run_log", "first_sample", "session", "saved", "resume", "autosave", "store", "forecast", "explain"),
    ("export",),
    ("overlay", "table", "display", "checkpoints", "point_grids", "geometry"),
    ("download", "masks", "numbering"),
    ("edits",),
    ("verified", "registry", "rle", "options", "images", "limits", "cache", "labels", "archives", "json_values"),
    ("errors",),
]
LEVEL = {name: level for level, names in enumerate(ROOMS) for name in names}


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

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_is_in_a_room(path):
    assert path == PACKAGE / "__init__.py" or room(path) in LEVEL


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_only_go_down(path):
    if path == PACKAGE / "__init__.py":
        return
    own = room(path)
    for module, _ in imports(path):
        parts = module.split(".")
        if parts[0] == "automask_ui" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != own:
            assert LEVEL[parts[1]] >= LEVEL[own], f"{own} imports {parts[1]}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_torch_and_gradio_keep_to_their_rooms(path):
    roots = {module.split(".")[0] for module, _ in imports(path)}
    if room(path) not in ("engine", "training"):
        assert not roots & {"torch", "torchvision", "segment_anything"}
    if room(path) != "ui":
        assert "gradio" not in roots
    if room(path) == "ui":
        assert not any(module.startswith("automask_ui.engine") for module, _ in imports(path))


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
