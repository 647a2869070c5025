"""The README tells what is true of the code: parameters, formats, models, commands, links."""

import re
from pathlib import Path

import pytest

from automask_ui.cli import COMMANDS
from automask_ui.export import EXPORTERS
from automask_ui.models.registry import CHECKPOINTS
from automask_ui.options import PARAMETERS, PRESETS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", PARAMETERS.values(), ids=PARAMETERS)
def test_every_parameter_is_explained(row):
    limits = f"{row.minimum:g} to {row.maximum:g} | {row.default:.4g}"
    if row.is_switch:
        limits = f"on or off | {'on' if row.default else 'off'}"
    assert f"| {row.title} | `{row.field}` | {limits} | {row.help} |" in README


def test_presets_formats_models_and_commands_are_named():
    for preset in PRESETS.values():
        assert f"- **{preset.title}**: {preset.description}" in README
    for exporter in EXPORTERS.values():
        assert f"| {exporter.title} | `{exporter.name}` | {exporter.hint} |" in README
        assert f"| {exporter.title} | {exporter.reader} |" in README
    for name in CHECKPOINTS:
        assert f"| `{name}` |" in README
    for name in COMMANDS:
        assert f"python -m automask_ui {name}" in README


@pytest.mark.parametrize("marker", ["start command", "test command"])
def test_the_two_commands_stand_behind_their_markers(marker):
    block = re.search(rf"<!-- {marker} -->\n+```bash\n(.+?)\n```", README)
    assert block is not None
    assert "\n" not in block.group(1)
    for requirements in re.findall(r"-r (\S+)", block.group(1)):
        assert (ROOT / requirements).exists()


def test_the_start_says_what_an_install_weighs_and_how_it_weighs_less():
    start = README.split("## What you can do")[0]
    heavy, light = (float(size) for size in re.findall(r"([\d.]+) GB", start))
    assert heavy > 3 * light
    assert "pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu" in start


def test_python_examples_compile():
    blocks = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        compile(block, "README.md", "exec")


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    headings = {f"#{title.lower().replace(' ', '-')}" for title in re.findall(r"^#+ (.+)$", README, re.MULTILINE)}
    for link in links:
        assert link in headings if link.startswith("#") else (ROOT / link).exists(), link


def test_front_matter_is_what_spaces_needs():
    front = README.split("---\n")[1]
    requirements = (ROOT / "requirements.txt").read_text()
    version = re.search(r"sdk_version: (\S+)", front)
    assert version is not None
    assert f"gradio>={'.'.join(version.group(1).split('.')[:2])}" in requirements
    assert "app_file: app.py" in front
