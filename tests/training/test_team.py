"""Training in several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLEEPERS = """
import os, time
from automask_ui.training.team import run_team

def sleep(team):
    print(os.getpid(), flush=True)
    time.sleep(120)

if __name__ == "__main__":
    run_team(2, sleep)
"""


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process that its parent is gone")
def test_a_team_ends_with_the_program_that_began_it_in_the_background(tmp_path: Path) -> None:
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # As a shell does with "&" and with nohup.
    ignores = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, **ignores
    ) as program:
        assert program.stdout is not None
        team = [int(program.stdout.readline()) for _ in range(2)]
        program.kill()
        until = time.monotonic() + 60
        while any(map(lives, team)) and time.monotonic() < until:
            time.sleep(0.1)
        assert not [process for process in team if lives(process)]
