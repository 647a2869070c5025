"""Measure how long the page takes to start: until it answers, and until the first sample has its masks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from automask_ui.errors import EngineError, OptionError

__all__ = ["run_start_bench", "start_as_text"]

PROGRAM = Path(__file__).parents[2] / "app.py"
ROUNDS = 3
_POLL_SECONDS = 0.02
_MAX_SECONDS = 300  # until the page answers, on a slow machine
_SAMPLE_READY = "The sample photo"  # how the line begins that says so, see serving/samples.py


class _Spent(NamedTuple):
    cpu: float  # s, of all threads, in the program and in the kernel for it
    wall: float  # s


def run_start_bench(model: str, checkpoint: Path | None, device: str | None) -> dict[str, Any]:
    """Start the page several times, each as a program of its own on a free port.

    Args:
        model: name of the model to begin with.
        checkpoint: a model file of one's own instead.
        device: such as "cpu"; None is the best that works.

    Returns:
        Plain values: the settings, and seconds of CPU and of time until the page answers ("page"), and from then on
        until the masks of the first sample are found ("first_sample"); medians of the rounds.

    Raises:
        OptionError: this system does not tell the CPU time of a program that runs.
        EngineError: the page did not start, or not in time.
    """
    if not Path("/proc/self/stat").exists():
        raise OptionError("--start reads a program's CPU time from /proc, which this system has not: use Linux.")
    chosen = ["--checkpoint", str(checkpoint)] if checkpoint else ["--model", model]
    arguments = [*chosen, *(["--device", device] if device else [])]
    pages, samples = zip(*(_start(arguments) for _ in range(ROUNDS)), strict=True)
    return {
        "arguments": arguments,
        "rounds": ROUNDS,
        "page": _medians(pages),
        "first_sample": _medians(samples),
    }


def start_as_text(report: dict[str, Any]) -> str:
    """Lay out the report of :func:`run_start_bench`."""
    rows = {"until the page answers": report["page"], "then the sample’s masks": report["first_sample"]}
    return "\n".join(
        [
            f"app.py {' '.join(report['arguments'])}, median of {report['rounds']}",
            "",
            f"{'':<28}{'CPU':>9}{'time':>11}",
            *(f"{name:<28}{spent['cpu']:>7.2f} s{spent['wall']:>9.2f} s" for name, spent in rows.items()),
        ]
    )


def _start(arguments: list[str]) -> tuple[_Spent, _Spent]:
    """Start the page once; what it took until it answered, and from then on until the sample's masks."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    command = [sys.executable, str(PROGRAM), *arguments, "--host", "127.0.0.1", "--port", str(port)]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as program:
        try:
            _wait_for_page(program, f"http://127.0.0.1:{port}/")
            page = _Spent(_cpu_seconds(program.pid), time.monotonic() - began)
            _wait_for_sample(program)
            both = _Spent(_cpu_seconds(program.pid), time.monotonic() - began)
        finally:
            program.terminate()
    return page, _Spent(both.cpu - page.cpu, both.wall - page.wall)


def _wait_for_page(program: subprocess.Popen[str], url: str) -> None:
    ask = build_opener(ProxyHandler({})).open  # without a proxy, which does not know the page
    end = time.monotonic() + _MAX_SECONDS
    while program.poll() is None and time.monotonic() < end:
        try:
            with ask(url, timeout=_MAX_SECONDS) as answer:
                answer.read()
                return
        except URLError:  # nobody listens yet
            time.sleep(_POLL_SECONDS)
    raise EngineError(f"The page did not start. {_last_words(program)}")


def _wait_for_sample(program: subprocess.Popen[str]) -> None:
    assert program.stderr is not None
    said = ""
    for said in program.stderr:
        if _SAMPLE_READY in said:
            return
    raise EngineError(f"The page ended before its sample photo had masks. {said.strip()}")


def _last_words(program: subprocess.Popen[str]) -> str:
    program.terminate()
    return program.communicate()[1].strip().rpartition("\n")[2]


def _cpu_seconds(process_id: int) -> float:
    """CPU seconds of all threads of a program so far."""
    # After its name, which may have spaces, and ends at the last bracket: utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / float(os.sysconf("SC_CLK_TCK"))


def _medians(spent: tuple[_Spent, ...]) -> dict[str, float]:
    return {name: median(values) for name, values in zip(_Spent._fields, zip(*spent, strict=True), strict=True)}
