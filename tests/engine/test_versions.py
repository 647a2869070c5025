"""What is told of the machine for a bug report."""

from __future__ import annotations

import platform

import pytest
import torch
import torchvision

from automask_ui.engine.runtime import versions as module
from automask_ui.engine.runtime.versions import versions


def test_versions_are_those_that_run() -> None:
    told = versions()
    assert told["Python"] == platform.python_version()
    assert (told["PyTorch"], told["torchvision"]) == (torch.__version__, torchvision.__version__)
    assert told["CUDA"].startswith("no CUDA: ") != torch.cuda.is_available()


def test_without_cuda_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert versions()["CUDA"] == "no CUDA: this PyTorch is built without it"

    def init() -> None:
        raise RuntimeError("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU")

    monkeypatch.setattr(torch.version, "cuda", "12.4")
    monkeypatch.setattr(torch.cuda, "init", init)
    assert versions()["CUDA"] == "no CUDA: Found no NVIDIA driver on your system"


def test_cuda_with_its_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: "A GPU")
    monkeypatch.setattr(module, "_driver", lambda: "550.54")
    assert versions()["CUDA"] == "12.4, driver 550.54, A GPU"
