"""Every object in a picture as a clean mask.

    from automask_ui import MaskEngine, load_model, open_image

    result = MaskEngine(load_model()).generate(open_image("photo.jpg"))
    result.masks.to_sam_dicts()

Importing this package is cheap: PyTorch is imported when a name that needs it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from automask_ui.errors import AutoMaskError
from automask_ui.files.images import open_image
from automask_ui.masks import Candidates, MaskResult, MaskSet, Prediction, Verdict
from automask_ui.options import GeneratorOptions

if TYPE_CHECKING:
    from automask_ui.engine.loading.load import load_model
    from automask_ui.engine.pipeline.generator import AutomaticMaskGenerator, MaskEngine

__all__ = [
    "AutoMaskError",
    "AutomaticMaskGenerator",
    "Candidates",
    "GeneratorOptions",
    "MaskEngine",
    "MaskResult",
    "MaskSet",
    "Prediction",
    "Verdict",
    "load_model",
    "open_image",
]

__version__ = "0.1.0"

_NEEDS_TORCH = {
    "AutomaticMaskGenerator": "automask_ui.engine.pipeline.generator",
    "MaskEngine": "automask_ui.engine.pipeline.generator",
    "load_model": "automask_ui.engine.loading.load",
}


def __getattr__(name: str) -> Any:
    if name in _NEEDS_TORCH:
        return getattr(import_module(_NEEDS_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
