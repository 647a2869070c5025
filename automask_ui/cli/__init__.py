"""The command line: ``python -m automask_ui generate|batch|models|formats|bench``.

Exit codes: 0 done, 1 some pictures failed, 2 the command line is wrong, 3 nothing could be done; 130 interrupted, which
``__main__`` takes care of.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from automask_ui.cli import batch, bench, formats, generate, models
from automask_ui.cli.output import make_forgiving, say
from automask_ui.errors import AutoMaskError, OptionError

__all__ = ["main"]

COMMANDS = {"generate": generate, "batch": batch, "models": models, "formats": formats, "bench": bench}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    make_forgiving()
    parser = argparse.ArgumentParser(
        prog="python -m automask_ui", description="Every object in a picture as a clean mask."
    )
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        summary = (command.__doc__ or "").partition("\n")[0]
        command.add_arguments(commands.add_parser(name, help=summary, description=summary))
    settings = parser.parse_args(arguments)
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    try:
        return COMMANDS[settings.command].run(settings)
    except OptionError as error:
        say(f"error: {error}", sys.stderr)
        return 2
    except AutoMaskError as error:
        say(f"error: {error}", sys.stderr)
        return 3
