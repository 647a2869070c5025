"""The README's Python examples, run as they stand there, and what comes out of them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from sams import picture, small_sam
from segment_anything import SamAutomaticMaskGenerator

from automask_ui import MaskResult

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


def example(part: str) -> str:
    """The one example with ``part`` in it."""
    (found,) = [text for text in EXAMPLES if part in text]
    return found


def run(text: str, **names: Any) -> dict[str, Any]:
    """The names that an example leaves behind."""
    exec(compile(text, "README.md", "exec"), names)
    return names


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The photo of the examples, in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "assets" / "samples" / "coffee.jpg", "photo.jpg")
    return tmp_path / "photo.jpg"


def test_every_example_is_run_here() -> None:
    parts = ("MaskEngine", "AutomaticMaskGenerator(sam", "gradio_client", "build_service")
    assert sorted(EXAMPLES) == sorted({example(part) for part in parts})


def test_engine(photo: Path) -> None:
    left = run(example("MaskEngine"))
    result, looser = left["result"], left["looser"]
    assert isinstance(result, MaskResult)
    model = left["engine"].model
    own = (model.pred_iou_thresh, model.stability_score_thresh)
    assert (result.options.filter.pred_iou_thresh, result.options.filter.stability_score_thresh) == own
    assert len(result.masks) >= 5
    assert len(looser.masks) >= len(result.masks)
    assert looser.masks.to_sam_dicts("coco_rle")[0].keys() >= {"segmentation", "area", "bbox", "predicted_iou"}
    height, width = np.asarray(Image.open(photo)).shape[:2]
    for found in (left["found"], left["better"]):
        mask = found.masks[found.best].segmentation()
        assert mask.shape == (height, width)
        assert mask[240, 320]
    assert not left["better"].masks[left["better"].best].segmentation()[60, 90]


def test_generator() -> None:
    sam, image = small_sam(), picture(60, 80)
    text = example("AutomaticMaskGenerator(sam")
    # The same thing with fewer points: this is a test of the example, not of the generator.
    masks = run(text.replace("points_per_side=32", "points_per_side=6"), sam=sam, image=image)["masks"]
    upstream = SamAutomaticMaskGenerator(sam, points_per_side=6, crop_n_layers=1).generate(image)
    assert len(masks) > 0
    assert [mask["area"] for mask in masks] == [mask["area"] for mask in upstream]
    assert all(np.array_equal(a["segmentation"], b["segmentation"]) for a, b in zip(masks, upstream, strict=True))


@pytest.fixture
def page(photo: Path, tmp_path: Path) -> Iterator[str]:
    """The address of the page that an example starts, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT)}
    environment |= {"AUTOMASK_AUTOSAVE": "0", "AUTOMASK_OFFLINE": "1"}
    log = tmp_path / "log"
    with log.open("wb") as said:
        command = [sys.executable, "-c", example("build_service")]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=said, stderr=said)
        try:
            yield answering(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def answering(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """``url``, once the process answers there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return url
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no page at {url}: {log.read_text()}")


def test_page_and_its_endpoints(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import gradio_client

    answers: dict[str, Any] = {}
    predict = gradio_client.Client.predict

    def noted(client: gradio_client.Client, *values: Any, api_name: str, **named: Any) -> Any:
        answers[api_name] = predict(client, *values, api_name=api_name, **named)
        return answers[api_name]

    monkeypatch.setattr(gradio_client.Client, "predict", noted)
    text = example("gradio_client")
    assert "http://127.0.0.1:7860" in text
    run(text.replace("http://127.0.0.1:7860", page))["page"].close()
    assert answers["/find_masks"]["image_size"] == [400, 600]
    assert len(answers["/find_masks"]["masks"]) >= 5
    assert len(answers["/predict_mask"]["masks"]) >= 1
