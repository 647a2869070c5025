"""The memory of models that visitors switch between."""

import gc
import weakref
from pathlib import Path

import numpy as np
from checkpoint_files import save, small_sam

from automask_ui.files.images import LoadedImage
from automask_ui.options import checked_options
from automask_ui.serving.start import build_service
from automask_ui.session import Session

HELD = 2  # models on the CPU at a time


def test_switching_holds_no_more_models_than_the_pool(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    for name in names:
        save(small_sam().state_dict(), tmp_path / f"{name}.pth")
    service = build_service(model="a", device="cpu", folders=[tmp_path])
    session = Session(LoadedImage(np.zeros((64, 64, 3), np.uint8), "grey.png", ()), "ann")
    weights = []
    for turn in range(len(names) + 1):
        name = names[turn % len(names)]
        weights.append(weakref.ref(service.models.load(name).model.sam))
        list(service.runs.find(session, name, checked_options({"points_per_side": 2})))
        assert session.result is not None
        gc.collect()
        assert sum(one() is not None for one in weights) == min(turn + 1, HELD)
    # What they told stays: the page names their devices and takes their thresholds.
    assert [str(service.models.loaded[name].device) for name in names] == ["cpu"] * 3
    assert all(service.models.thresholds(name) for name in names)
