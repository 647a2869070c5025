"""Each model's own authors' mask generator, with the weights of a model of ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from segment_anything import SamAutomaticMaskGenerator

from automask_ui.engine.encoders.sam2.model import SAM2MaskDecoder
from automask_ui.engine.encoders.sam_hq import HQMaskDecoder
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.loading.sam2_tensor_names import to_sam_names
from automask_ui.errors import OptionError
from automask_ui.options import GeneratorOptions

__all__ = ["authors_generator"]

Generate = Callable[[np.ndarray], list[dict[str, Any]]]

_SAM2_CONFIGS = {"sam2_t": "t", "sam2_s": "s", "sam2_b": "b+", "sam2_l": "l"}


def authors_generator(model: SamModel, options: GeneratorOptions) -> Generate:
    """Make the generator of ``model``'s authors: it takes H×W×3 uint8 pictures and returns SAM's dicts.

    Raises:
        OptionError: their package is not installed, or has no model of these sizes.
    """
    if isinstance(model.sam.mask_decoder, HQMaskDecoder):
        return _sam_hq(model, options)
    if isinstance(model.sam.mask_decoder, SAM2MaskDecoder):
        return _sam2(model, options)
    return SamAutomaticMaskGenerator(model.sam, **options.upstream()).generate


def _sam_hq(model: SamModel, options: GeneratorOptions) -> Generate:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old names of timm's modules
            import segment_anything_hq as upstream
            from segment_anything_hq.build_sam import sam_model_registry
    except ImportError as error:
        raise OptionError("The authors' SAM-HQ is not installed: pip install segment-anything-hq timm") from error
    build = sam_model_registry.get(model.name.removeprefix("hq_").replace("vit_t", "vit_tiny"))
    if build is None:
        raise OptionError(f"{model.name} is none of the published sizes of SAM-HQ. Take hq_vit_t, _b, _l or _h.")
    theirs = build()
    theirs.load_state_dict(model.sam.state_dict())
    return upstream.SamAutomaticMaskGenerator(theirs.to(model.device), **options.upstream()).generate


def _sam2(model: SamModel, options: GeneratorOptions) -> Generate:
    try:
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
        from sam2.build_sam import build_sam2
    except ImportError as error:
        raise OptionError("Meta's SAM 2 is not installed: README.md, For contributors, says how.") from error
    if model.name not in _SAM2_CONFIGS:
        raise OptionError(f"{model.name} is none of the published sizes of SAM 2. Take sam2_t, _s, _b or _l.")
    config = f"configs/sam2.1/sam2.1_hiera_{_SAM2_CONFIGS[model.name]}.yaml"
    theirs = build_sam2(config, device=str(model.device))
    state, ours = theirs.state_dict(), model.sam.state_dict()
    for key, tensor in state.items():
        for name in to_sam_names({key: tensor}):
            state[key] = ours[name]
    theirs.load_state_dict(state)
    flat = options.flat()
    own = {name: flat[name] for name in ("use_m2m", "multimask_output")}
    return SAM2AutomaticMaskGenerator(theirs, **options.upstream(), **own).generate
