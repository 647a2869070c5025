"""Every object in a picture as a clean mask.

    from automask_ui import MaskEngine, load_model, open_image

    result = MaskEngine(load_model()).generate(open_image("photo.jpg"))
    result.masks.to_sam_dicts()

Importing this package is cheap: what a name needs, PyTorch above all, is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automask_ui.engine.loading.load import load_model
    from automask_ui.engine.pipeline.generator import AutomaticMaskGenerator, MaskEngine
    from automask_ui.errors import AutoMaskError
    from automask_ui.files.images import open_image
    from automask_ui.masks import Candidates, MaskResult, MaskSet, Prediction, Verdict
    from automask_ui.options import GeneratorOptions

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

_MODULES = {
    "AutoMaskError": "automask_ui.errors",
    "AutomaticMaskGenerator": "automask_ui.engine.pipeline.generator",
    "Candidates": "automask_ui.masks",
    "GeneratorOptions": "automask_ui.options",
    "MaskEngine": "automask_ui.engine.pipeline.generator",
    "MaskResult": "automask_ui.masks",
    "MaskSet": "automask_ui.masks",
    "Prediction": "automask_ui.masks",
    "Verdict": "automask_ui.masks",
    "load_model": "automask_ui.engine.loading.load",
    "open_image": "automask_ui.files.images",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
