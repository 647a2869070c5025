"""Other mask generators to compare ours with, on the same weights, picture and thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image
from segment_anything.modeling import ImageEncoderViT, Sam

from automask_ui.engine.bench.authors import authors_generator
from automask_ui.engine.decoder.heads import is_decoded_by_upstream
from automask_ui.engine.loading.hugging_face import meta_names
from automask_ui.engine.loading.load import SamModel
from automask_ui.engine.pipeline.generator import MaskEngine
from automask_ui.errors import OptionError
from automask_ui.masks import MaskResult, rle
from automask_ui.options import GeneratorOptions

__all__ = ["RIVALS", "Rival"]


@dataclass(frozen=True)
class Rival:
    """Another mask generator, ready to run."""

    generate: Callable[[], Any]
    #: Compares its result with ours: number of masks, and their distance from ours, as plain values.
    compare: Callable[[Any, MaskResult], dict[str, Any]]


def _upstream(model: SamModel, image: np.ndarray, options: GeneratorOptions) -> Rival:
    """The generator of the model's authors."""
    generate = authors_generator(model, options)
    return Rival(
        lambda: generate(image),
        lambda theirs, ours: _difference(ours, [record["segmentation"] for record in theirs]),
    )


def _transformers(model: SamModel, image: np.ndarray, options: GeneratorOptions) -> Rival:
    """The ``mask-generation`` pipeline of Hugging Face's transformers, which has no clean-up of small regions."""
    if type(model.sam.image_encoder) is not ImageEncoderViT or not is_decoded_by_upstream(model.sam.mask_decoder):
        raise OptionError(f"--against transformers knows SAM with a ViT only, which {model.name} is not: take vit_b.")
    try:
        from transformers import SamImageProcessor, pipeline
    except ImportError as error:
        raise OptionError("--against transformers needs that package: pip install transformers") from error
    theirs = _as_transformers(model.sam)
    # Left to itself, the pipeline takes a GPU where there is one.
    pipe = pipeline("mask-generation", model=theirs, image_processor=SamImageProcessor(), device=model.device)
    flat = options.flat()
    same = ("points_per_batch", "pred_iou_thresh", "stability_score_thresh", "stability_score_offset")
    settings = {name: flat[name] for name in same} | {
        "points_per_crop": flat["points_per_side"],
        "crops_nms_thresh": flat["box_nms_thresh"],
    }
    picture = Image.fromarray(image)
    return Rival(
        lambda: pipe(picture, **settings),
        lambda theirs, ours: _difference(ours, [np.asarray(mask) for mask in theirs["masks"]]),
    )


def _as_transformers(sam: Sam) -> Any:
    """A ViT SAM as transformers' ``SamModel`` with the same weights."""
    from transformers import SamConfig, SamModel, SamVisionConfig

    encoder = sam.image_encoder
    vision = SamVisionConfig(
        hidden_size=encoder.patch_embed.proj.out_channels,
        num_hidden_layers=len(encoder.blocks),
        num_attention_heads=encoder.blocks[0].attn.num_heads,
        global_attn_indexes=[index for index, block in enumerate(encoder.blocks) if block.window_size == 0],
        mlp_dim=encoder.blocks[0].mlp.lin1.out_features,
    )
    theirs = SamModel(SamConfig(vision_config=vision)).eval()
    weights = sam.state_dict()
    theirs.load_state_dict({key: weights[name] for key, name in meta_names(theirs.state_dict()).items()})
    return theirs


def _exact(model: SamModel, image: np.ndarray, options: GeneratorOptions) -> Rival:
    """Our engine in float32."""
    engine = MaskEngine(replace(model, precision="float32", key=f"{model.key} float32"))

    def compare(exact: MaskResult, ours: MaskResult) -> dict[str, Any]:
        """Compare candidates of the same point and level, since which of them are kept is close to chance."""
        pairs = [
            (left, right)
            for left, right in zip(exact.candidates.rle, ours.candidates.rle, strict=True)
            if left is not None and right is not None and rle.area(left)
        ]
        ious = [rle.iou_matrix([left], [right])[0, 0] for left, right in pairs]
        return {
            "masks": len(exact.masks),
            "candidates_compared": len(pairs),
            "mean_iou": float(np.mean(ious)) if ious else 1.0,
        }

    return Rival(lambda: engine.generate(image, options), compare)


RIVALS: Mapping[str, Callable[[SamModel, np.ndarray, GeneratorOptions], Rival]] = {
    "upstream": _upstream,
    "transformers": _transformers,
    "float32": _exact,
}


def _difference(ours: MaskResult, theirs: list[np.ndarray]) -> dict[str, Any]:
    """Compare two results: for each of their masks (H×W bool), the IoU with the best of ours."""
    closest = []
    mine = [mask.rle for mask in ours.masks]
    for their in theirs:
        encoded = rle.encode(their)
        ious = rle.iou_matrix([encoded], mine)[0] if mine else np.zeros(1)
        best = int(ious.argmax())
        differing = np.mean(rle.decode(mine[best]) != their) if mine else 1.0
        closest.append((float(ious[best]), float(differing)))
    return {
        "masks": len(theirs),
        "mean_iou": float(np.mean([iou for iou, _ in closest])) if closest else 1.0,
        "not_found": sum(iou < 0.5 for iou, _ in closest),
        "worst_pixels_differing": max((differing for _, differing in closest), default=0.0),
    }
