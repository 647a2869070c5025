"""Modules bundled into one script: run by Node where it is there, else only read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from automask_ui.ui.components.bundle import bundle

SHARED = """// @ts-check
/** Counts. @param {number} step */
let count = 0;
export const STEP = 2;
export function next(step = STEP) {
  return (count += step);
}
export class Box {}
const hidden = 1;
"""


def write(folder: Path, **modules: str) -> Path:
    """Modules of these names; the path of "main"."""
    for name, source in modules.items():
        (folder / f"{name}.js").write_text(source, encoding="utf-8")
    return folder / "main.js"


def run(script: str) -> str:
    node = shutil.which("node")
    if not node:
        pytest.skip("Node is not installed")
    return subprocess.run([node, "-e", script], capture_output=True, text=True, check=True).stdout.strip()


def test_modules_run_once_and_in_their_own_scopes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "user.js").write_text(
        'import { next } from "../shared.js";\nconst hidden = 10;\nexport const first = next() + hidden;\n'
    )
    main = write(
        tmp_path,
        shared=SHARED,
        main='import { first } from "./deep/user.js";\nimport {\n  Box,\n  next,\n} from "./shared.js";\n'
        "export async function total() {\n  return [first, next(5), typeof Box];\n}\n",
    )
    assert run(bundle(main, "total().then((all) => console.log(...all));")) == "12 7 function"


def test_what_only_people_read_is_left_out(tmp_path: Path) -> None:
    main = write(tmp_path, main="/**\n * A text.\n */\nexport const a = /** @type {any} */ (1);\n")
    script = bundle(main, "a;")
    assert "A text" not in script
    assert script.startswith('"use strict";')


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('import all from "./shared.js";', "form of import"),  # default
        ('import * as all from "./shared.js";', "form of import"),  # namespace
        ('import { next as following } from "./shared.js";', "does not export"),  # renamed
        ('import { hidden } from "./shared.js";', "does not export hidden"),
        ('const all = await import("./shared.js");', "form of import"),  # dynamic
        ("export default 1;", "form of import or export"),
        ("export let count = 0;", "form of import or export"),  # would change later
        ('export { next } from "./shared.js";', "form of import or export"),
        ('import { main } from "./main.js";', "in a circle: main.js → main.js"),
    ],
)
def test_other_forms_are_refused(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bundle(write(tmp_path, shared=SHARED, main=source), "")
