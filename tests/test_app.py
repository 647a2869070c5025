"""The starter: its flags, and what it says when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import app
from automask_ui.serving.start import SAMPLES

ROOT = Path(__file__).resolve().parents[1]


def flags(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    return app.parse_flags()


def test_stays_on_this_machine_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    assert vars(flags(monkeypatch))["host"] == "127.0.0.1"
    assert vars(flags(monkeypatch, "--host", "0.0.0.0"))["host"] == "0.0.0.0"


def test_spaces_say_where_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert vars(flags(monkeypatch))["host"] == "0.0.0.0"


def test_port_of_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for text, port in (("8123", 8123), ("", None)):
        monkeypatch.setenv("GRADIO_SERVER_PORT", text)
        assert vars(flags(monkeypatch))["port"] == port
    for text in ("99999", "0", "http"):  # 99999 was a traceback, and with 0 the page said that it listens on port 0
        monkeypatch.setenv("GRADIO_SERVER_PORT", text)
        assert vars(flags(monkeypatch, "--port", "8123"))["port"] == 8123
        with pytest.raises(SystemExit):
            flags(monkeypatch)
        assert f"'{text}' is no port: give a number from 1 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["AUTOMASK_MAX_MEGAPIXELS", "AUTOMASK_MAX_POINTS"])
def test_limits_that_are_none_are_said_at_the_start(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "many")
    monkeypatch.setattr(sys, "argv", ["app.py", "--device", "cpu"])
    with pytest.raises(SystemExit, match=f"{variable} must be a number above 0, but is 'many'"):
        app.main()


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_ends_quietly_and_leaves_no_uploads(tmp_path: Path, name: str) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    program = starts("--port", str(port), TMPDIR=str(tmp_path))
    try:
        said = ""
        assert program.stdout is not None
        for line in program.stdout:
            said += line
            if "Running on" in line:
                break
        assert list(tmp_path.glob("automask-*"))
    finally:
        program.send_signal(getattr(signal, name))
        said += program.communicate(timeout=60)[0]
    assert program.returncode == 0
    assert "Traceback" not in said
    assert not list(tmp_path.glob("automask-*"))


@pytest.mark.skipif(os.name != "posix", reason="shells of other systems close no streams")
def test_starts_and_ends_without_any_stream() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    command = [sys.executable, "app.py", "--device", "cpu", "--port", str(port)]
    process = subprocess.Popen(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *command], cwd=ROOT)
    try:
        answer = None
        while answer is None and process.poll() is None:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as page:
                answer = json.load(page)
        assert answer is not None
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize("arguments", [["--share"], ["--port", "x"], ["--log-level", "loud"]], ids=" ".join)
def test_unknown_flags_are_refused(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        flags(monkeypatch, *arguments)


@pytest.mark.parametrize(
    ("program", "exit_code", "said"),
    [(["app.py"], 0, ""), (["-m", "automask_ui", "formats"], 130, "interrupted: files that were finished are")],
)
def test_interrupted_while_it_is_imported(program: list[str], exit_code: int, said: str) -> None:
    """Imports take seconds: Ctrl+C in them was a traceback of forty lines."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", *program],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "numpy" in line:
                break
    finally:
        process.send_signal(signal.SIGINT)
        after = process.communicate(timeout=60)[1]
    assert process.returncode == exit_code
    assert "Traceback" not in after
    assert said in after


def test_samples_are_there() -> None:
    assert all(sample.is_file() for sample in SAMPLES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "vit_x"], "There is no model 'vit_x'"),  # unknown
        (["--checkpoint", "nowhere.pth"], "The checkpoint file nowhere.pth is not there"),
        (["--checkpoint", "."], "The folder . holds neither model.safetensors nor pytorch_model.bin"),
        (["--models-dir", "nowhere"], "The models folder nowhere is not there"),
        (["--device", "abacus"], "'abacus' is no device"),  # no such device
    ],
)
def test_cannot_start(monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", "--device", "cpu", *arguments])
    with pytest.raises(SystemExit, match=message):
        app.main()


def test_the_page_is_built_without_what_only_models_need() -> None:
    """PyTorch and what is built on it take as long to import as all else until the page answers."""
    code = """if True:
        import sys
        from automask_ui.serving.start import SAMPLES, build_service
        from automask_ui.ui import build_app, launch_options
        service = build_service("tiny", device="cpu", samples=SAMPLES)
        build_app(service, keeps_work=True), launch_options(service)
        late = {"torch", "torchvision", "segment_anything", "transformers", "timm", "matplotlib", "pycocotools.coco"}
        print("imported:", *sorted(late & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1].split() == ["imported:"]


def test_a_file_that_is_no_model_ends_the_program_in_a_sentence(tmp_path: Path) -> None:
    """It is read when the page is there already."""
    (tmp_path / "none.safetensors").write_bytes(b"no weights")
    program = starts("--checkpoint", str(tmp_path / "none.safetensors"), TMPDIR=str(tmp_path))
    said, _ = program.communicate(timeout=300)
    assert program.returncode == 1
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert "none.safetensors" in line
    assert not list(tmp_path.glob("automask-*"))


def starts(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The page on its built-in model, as a program of its own."""
    model = [] if "--checkpoint" in arguments else ["--model", "tiny"]
    command = [sys.executable, str(ROOT / "app.py"), *model, "--device", "cpu", *arguments]
    return subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that starts the tests in the background has Ctrl+C ignored, by their children too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_port_that_is_none_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: str
) -> None:
    with pytest.raises(SystemExit):
        flags(monkeypatch, f"--port={port}")
    assert f"'{port}' is no port: give a number from 1 to 65535" in capsys.readouterr().err


def test_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = starts("--port", str(port))
        said, _ = program.communicate(timeout=300)
    assert program.returncode == 1
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert line.startswith(f"error: the page cannot listen on 127.0.0.1, port {port}: ")
    assert "--port" in line


def test_starts_behind_a_proxy_that_does_not_know_it() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    nowhere = "http://127.0.0.1:9"
    program = starts("--port", str(port), http_proxy=nowhere, https_proxy=nowhere, no_proxy="", NO_PROXY="")
    try:
        assert program.stdout is not None
        for line in program.stdout:
            if f"http://127.0.0.1:{port}" in line:
                break
        else:
            pytest.fail("the page did not start")
    finally:
        program.terminate()
        said, _ = program.communicate(timeout=60)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("host", "in_url"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("localhost", "localhost"),
        ("::1", "[::1]"),
        ("::", "[::]"),
        ("[::1]", "[::1]"),  # as people copy it from a browser
    ],
)
def test_hosts_as_gradio_takes_them(host: str, in_url: str) -> None:
    assert app.in_url(host) == in_url


def test_starts_on_ipv6_and_ends_quietly_in_the_middle_of_its_first_run() -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python knows no IPv6")
    with socket.socket(socket.AF_INET6) as unused:
        try:
            unused.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = unused.getsockname()[1]
    program = starts("--port", str(port), "--host", "::1")
    try:
        said = ""
        assert program.stdout is not None
        for line in program.stdout:
            said += line
            if f"http://[::1]:{port}" in line:
                break
        with urlopen(f"http://[::1]:{port}/health", timeout=60) as answer:
            health = json.load(answer)
        while health["runs"] == 0 and program.poll() is None:
            with urlopen(f"http://[::1]:{port}/health", timeout=60) as answer:
                health = json.load(answer)
        assert health["busy"]
    finally:
        program.terminate()
        said += program.communicate(timeout=60)[0]
    assert program.returncode == 0
    assert "Traceback" not in said
    assert "ERROR" not in said
