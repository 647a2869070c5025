"""``bench --start`` on stand-ins for the page's program."""

import json
from pathlib import Path

import pytest

from automask_ui.cli import bench_start, main

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc on this system")

ANSWERS = """
import http.server, sys, threading, time
port = int(sys.argv[sys.argv.index("--port") + 1])
assert sys.argv[1:5] == ["--model", "tiny", "--device", "cpu"]
end = time.process_time() + 0.1
while time.process_time() < end: pass
server = http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
end = time.process_time() + 0.3
while time.process_time() < end: pass
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Make ``app.py`` a program of this text."""

    def become(text: str) -> None:
        (tmp_path / "app.py").write_text(text)

    monkeypatch.setattr(bench_start, "PROGRAM", tmp_path / "app.py")
    monkeypatch.chdir(tmp_path)
    return become


def test_bench_tells_cpu_and_time_of_both_parts(program, capsys):
    program(f'{ANSWERS}print("INFO: The sample photo is ready", file=sys.stderr, flush=True)\ntime.sleep(60)')
    arguments = ["bench", "--start", "--device", "cpu"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["arguments"] == ["--model", "tiny", "--device", "cpu"]
    assert 0.1 <= report["page"]["cpu"] < 0.1 + 0.3
    assert 0 < report["first_sample"]["cpu"] < 0.3 + 0.1
    assert report["page"]["cpu"] + report["first_sample"]["cpu"] >= 0.1 + 0.3
    assert all(report[part]["wall"] > 0 for part in ("page", "first_sample"))
    assert main(arguments) == 0
    assert "until the page answers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit('error: no room')", "The page did not start. error: no room"),
        (f"{ANSWERS}raise SystemExit('error: no weights')", "before its sample photo had masks. error: no weights"),
    ],
    ids=["before the page", "after the page"],
)
def test_bench_tells_why_the_page_did_not_start(program, capsys, text, said):
    program(text)
    assert main(["bench", "--start", "--device", "cpu"]) == 3
    assert said in capsys.readouterr().err


def test_bench_starts_the_page_as_it_runs(capsys):
    assert main(["bench", "--start", "--precision", "bf16"]) == 2
    assert "--precision" in capsys.readouterr().err
    assert main(["bench", "--start", "--page"]) == 2
    assert "leave one out" in capsys.readouterr().err
