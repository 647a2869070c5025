"""Consoles that cannot show a name, readers that go away, full disks: the work goes on."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sams import picture, small_sam

from automask_ui.cli import main
from automask_ui.cli.output import say
from automask_ui.engine.loading import load as models
from automask_ui.engine.loading.load import SamModel

FLAGS = ["--points-per-side=6", "--pred-iou-thresh=0.75", "--stability-score-thresh=0.88", "--box-nms-thresh=0.97"]
NAMES = ("写真.png", "Bücher 🚀.png")


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(models, "load_model", lambda *names, **places: SamModel.wrap(small_sam()))
    paths = [tmp_path / name for name in NAMES]
    for path in paths:
        Image.fromarray(picture(53, 80)).save(path)
    return paths


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_names_that_the_console_cannot_show(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    console = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", console)
    assert main(["generate", *map(str, photos), "--out", str(tmp_path / "out"), *FLAGS]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Bücher 🚀-masks.zip", "写真-masks.zip"]
    console.flush()
    assert "\\u5199\\u771f.png" in console.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("error", [BrokenPipeError, OSError, ValueError])
def test_output_that_fails_stops_nothing(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    monkeypatch.setattr(sys, "stdout", Closed())
    assert main(["generate", *map(str, photos), "--out", str(tmp_path / "out"), *FLAGS]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize("error", [BrokenPipeError, OSError, ValueError])
def test_no_command_ends_otherwise_for_output_that_fails(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    (photos[0].parent / "none.jpg").write_text("no picture")
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", Closed())
    batch = ["batch", str(photos[0].parent), "--out", str(tmp_path.with_name("dataset")), *FLAGS]
    assert main(batch) == 1
    assert main([*batch, "--points-per-side=0"]) == 2
    assert main(["models"]) == 0
    assert main(["models", "download"]) == 2
    assert main(["formats"]) == 0


def test_no_console_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    say("nobody hears it")


def test_a_reader_that_went_away_leaves_no_traceback() -> None:
    code = (
        "from automask_ui.cli.output import say\nfor n in range(20_000): say(f'line {n}')\nopen(2, 'w').write('done')"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"line 0" + os.linesep.encode()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b"done"
    assert process.wait() == 0


def closed_streams(*command: str) -> list[str]:
    """``command`` as it is started where nobody gives it standard streams."""
    if os.name != "posix":
        pytest.skip("shells of other systems close no streams")
    return ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *command]


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library writes to standard error landed in the first file that was opened."""
    target = tmp_path / "file"
    code = (
        "import os, sys\nfrom automask_ui.streams import open_missing_streams\nopen_missing_streams()\n"
        f"file = open({str(target)!r}, 'wb')\nos.write(1, b'talk')\nos.write(2, b'talk')\n"
        "sys.exit(7 if sys.stderr.isatty() else 0)"
    )
    assert subprocess.run(closed_streams(sys.executable, "-c", code), cwd=Path(__file__).parents[2]).returncode == 0
    assert target.read_bytes() == b""


def test_pictures_are_done_without_any_stream(tmp_path: Path) -> None:
    """With standard error closed, a traceback that nobody saw ended it before the first picture."""
    photo = tmp_path / "photo.png"
    Image.fromarray(picture(37, 53)).save(photo)
    flags = ["--model=tiny", "--points-per-side=2", "--pred-iou-thresh=0", "--stability-score-thresh=0"]
    command = [sys.executable, "-m", "automask_ui", "generate", str(photo), "--out", str(tmp_path / "out"), *flags]
    assert subprocess.run(closed_streams(*command), cwd=Path(__file__).parents[2]).returncode == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo-masks.zip"]


def test_help_on_an_old_console() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "automask_ui", "generate", "--help"]
    done = subprocess.run(command, capture_output=True, env=environment, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (0, b"")
