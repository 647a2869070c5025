"""What computes here: versions of Python, PyTorch and CUDA, or why there is no CUDA."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import torch
import torchvision

__all__ = ["versions"]

_DRIVER = Path("/proc/driver/nvidia/version")


def versions() -> dict[str, str]:
    """Name and version of everything that a run's result may depend on, without places on this machine's disk."""
    return {
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.machine()}",
        "PyTorch": torch.__version__,
        "torchvision": torchvision.__version__,
        "CUDA": _cuda(),
    }


def _cuda() -> str:
    """CUDA, its driver and the GPUs; or why there is none."""
    if torch.version.cuda is None:
        return "no CUDA: this PyTorch is built without it"
    try:
        torch.cuda.init()
    # As said by PyTorch: no driver, an old one, no device.
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return f"no CUDA: {reason.split('. Please')[0].rstrip('.')}"
    names = ", ".join(torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count()))
    return f"{torch.version.cuda}, driver {_driver()}, {names}"


def _driver() -> str:
    """The version of NVIDIA's driver; Windows and others do not tell it in a file."""
    if sys.platform == "linux" and _DRIVER.exists():
        match = re.search(r"\b\d+\.\d+(?:\.\d+)?\b", _DRIVER.read_text(encoding="utf-8", errors="replace"))
        if match:
            return match[0]
    return "of unknown version"
