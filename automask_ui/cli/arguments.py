"""Arguments that several commands share, made from the same table as the page's sliders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from automask_ui.errors import LabelError, OptionError
from automask_ui.export import EXPORTERS
from automask_ui.export.base import UNLABELLED, ClassList, classes_in_file
from automask_ui.files.point_grids import parse_point_grids, read_point_grids
from automask_ui.options import PARAMETERS, PRESETS, GeneratorOptions, checked_options
from automask_ui.protocol import EngineModel, own_thresholds

ALIASES = {alias: row.name for row in EXPORTERS.values() for alias in row.aliases}

__all__ = ["add_find_arguments", "add_model_arguments", "add_precision", "classes_of", "formats_of", "options_of"]


def add_find_arguments(parser: argparse.ArgumentParser, default_format: str) -> None:
    """Add what every command takes that finds masks and writes them: formats, class list, model, generator.

    ``default_format`` is only named in the help.
    """
    _add_format(parser, default_format)
    _add_classes(parser)
    add_model_arguments(parser)
    _add_generator_arguments(parser)


def formats_of(settings: argparse.Namespace) -> list[str]:
    """Registry names of the formats that the command line asks for, in its order; none where it names none."""
    return [ALIASES.get(name, name) for name in settings.format or []]


def _add_format(parser: argparse.ArgumentParser, default: str) -> None:
    titles = "; ".join(f"{row.name}: {row.title}" for row in EXPORTERS.values())
    text = f"may be given more than once (default: {default}); {titles}"
    parser.add_argument("--format", action="append", choices=[*ALIASES, *EXPORTERS], help=text)


def _add_classes(parser: argparse.ArgumentParser) -> None:
    able = ", ".join(row.name for row in EXPORTERS.values() if row.has_classes)
    parser.add_argument(
        "--classes",
        type=Path,
        metavar="FILE",
        help="class list with its numbers, as COCO JSON, YOLO's data.yaml, a table or a name a line: it goes into "
        f"{able}, and the masks found, which have no class yet, are the class after all others",
    )


def classes_of(settings: argparse.Namespace) -> ClassList:
    """The class list that the command line names, with the class of masks without a label; only that by default.

    Raises:
        OptionError: there is no class list in the file.
    """
    if settings.classes is None:
        return UNLABELLED
    try:
        return classes_in_file(settings.classes)
    except LabelError as error:
        raise OptionError(f"--classes {settings.classes}: {error}") from error


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose the model, its file, the device and the precision."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", "--model-type", default=None, help="name from the list of models (default: built-in)")
    group.add_argument("--checkpoint", type=Path, help="a checkpoint file; its architecture is read from the file")
    group.add_argument("--models-dir", type=Path, action="append", default=[], help="folder to look for checkpoints in")
    group.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best that works)")
    add_precision(group)


def add_precision(group: argparse._ActionsContainer) -> None:
    """Add ``--precision``."""
    text = "default: float32; bf16 is for CPUs with instructions for it, and for GPUs; float16 for GPUs alone"
    group.add_argument("--precision", choices=["float32", "bf16", "float16"], help=text)


def _add_generator_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every parameter of the generator, under the names of upstream's ``scripts/amg.py`` where that has it."""
    group = parser.add_argument_group("what to look for (names and meanings as in segment-anything)")
    group.add_argument("--preset", choices=list(PRESETS), default="balanced", help="what the flags below start from")
    for row in PARAMETERS.values():
        flag = "--" + row.field.replace("_", "-")
        if row.is_switch:
            text = f"{row.title} (default: {'on' if row.default else 'off'}). {row.help}"
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
            continue
        kind: Any = int if row.is_integer else float
        metavar = "N" if row.is_integer else "X"
        text = f"{row.title}, {row.minimum:g} to {row.maximum:g}. {row.help}"
        group.add_argument(flag, type=kind, metavar=metavar, help=text.replace("%", "%%"))
    group.add_argument(
        "--point-grids", type=Path, metavar="FILE", help="x,y a line in 0 to 1, an empty line between layers; or JSON"
    )


def options_of(settings: argparse.Namespace, model: EngineModel) -> GeneratorOptions:
    """Make the options that the command line asks for, with the default thresholds of ``model``.

    Raises:
        OptionError: for a value outside its range, or a file of points that cannot be read.
    """
    values: dict[str, Any] = PRESETS[settings.preset].options(**own_thresholds(model)).flat()
    given = {name: getattr(settings, name) for name in PARAMETERS}
    values.update({name: value for name, value in given.items() if value is not None})
    if settings.point_grids is not None:
        points = parse_point_grids(read_point_grids(settings.point_grids))
        # Without points the grid would be looked at, which nobody asked for.
        if points is None:
            raise OptionError(f"The point list {settings.point_grids.name} is empty: write one x, y a line.")
        values["point_grids"] = points
    return checked_options(values)
