"""The limits that whoever runs the page can move."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from automask_ui.errors import ImageTooLargeError, OptionError
from automask_ui.files.images import open_image
from automask_ui.limits import MAX_PIXELS, MAX_POINTS, max_pixels, max_points
from automask_ui.options import GeneratorOptions
from automask_ui.session.run import check_workload


def png(size_hw: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros(size_hw, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_limits_of_a_machine_that_says_nothing() -> None:
    assert (max_pixels(), max_points()) == (MAX_PIXELS, MAX_POINTS)


def test_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMASK_MAX_MEGAPIXELS", "0.002")
    assert open_image(png((40, 50))).shape == (40, 50, 3)
    with pytest.raises(ImageTooLargeError, match=r"50 × 41 = 2,050 pixels, but the limit is 2,000\."):
        open_image(png((41, 50)))


def test_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMASK_MAX_POINTS", "1024")
    assert check_workload(GeneratorOptions()).points == 1024
    with pytest.raises(OptionError, match="1,089 points in 1 crops, but at most 1,024 points"):
        check_workload(GeneratorOptions(points_per_side=33))


@pytest.mark.parametrize("text", ["many", "-3", "0", "nan", "inf", "1e400"])
def test_no_limit_at_all(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("AUTOMASK_MAX_POINTS", text)
    with pytest.raises(OptionError, match=rf"AUTOMASK_MAX_POINTS must be a number above 0, but is '{text}'"):
        max_points()
