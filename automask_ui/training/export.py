"""Write the committed weights file from a training run: averaged weights, calibrated scores, the model's own defaults.

`python -m automask_ui.training.export --photographs FOLDER --version 0.8` takes the state folder's run. Scores are
calibrated on every second validation photograph; `evaluate --calibrated-on-rest` measures them on the others.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam

from automask_ui.engine.encoders.builtin import build_tiny_sam
from automask_ui.training.drawn.pool import default_state_dir
from automask_ui.training.evaluate import MIN_PHOTO_SHARE
from automask_ui.training.photographs import Photograph, read_manifest, read_scene, validation_photographs
from automask_ui.training.prompted import Answers, Measured, masks_of, measure_picture
from automask_ui.training.weights import WEIGHTS_PATH, Defaults, save_weights

logger = logging.getLogger(__name__)


def clicks_on(sam: Sam, photographs: Sequence[Photograph]) -> Answers:
    """What single clicks give on photographs."""
    measured = Measured()
    for row in photographs:
        scene = read_scene(row)
        masks, _ = masks_of(scene, MIN_PHOTO_SHARE, with_ground=False)
        if masks:
            measure_picture(sam, scene.image, masks, measured, only_clicks=True)
    return Measured.joined(measured.click)


@torch.no_grad()
def calibrate_scores(sam: Sam, answers: Answers) -> tuple[float, float]:
    """Fold a straight line into the last layer of the score head, so that scores mean measured IoU.

    Args:
        sam: The model.
        answers: Its answers to single clicks on photographs that it was not trained on.

    Returns:
        The line's slope and offset. It is the same for all masks, so that their order stays, and it is fitted to the
        preferred masks, whose scores people see.
    """
    slope, offset = np.polyfit(answers.scores.max(axis=1), answers.any_of_preferred, 1)
    last = sam.mask_decoder.iou_prediction_head.layers[-1]
    last.weight.mul_(float(slope))
    last.bias.mul_(float(slope)).add_(float(offset))
    return float(slope), float(offset)


def main(arguments: Sequence[str] | None = None) -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--version", required=True)
    parser.add_argument("--state-dir", type=Path, default=default_state_dir())
    parser.add_argument("--weights", type=Path, default=WEIGHTS_PATH, help="the file to write")
    parser.add_argument("--pred-iou-thresh", type=float, default=Defaults.pred_iou_thresh)
    parser.add_argument("--stability-score-thresh", type=float, default=Defaults.stability_score_thresh)
    parser.add_argument("--min-mask-region-area", type=int, default=Defaults.min_mask_region_area)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sam = build_tiny_sam()
    state = torch.load(options.state_dir / "state.pt", weights_only=True)
    sam.load_state_dict(state["average"])
    held_out = validation_photographs(read_manifest(options.photographs))
    slope, offset = calibrate_scores(sam, clicks_on(sam, held_out[::2]))
    logger.info("scores times %.3f plus %.3f", slope, offset)
    defaults = Defaults(options.pred_iou_thresh, options.stability_score_thresh, options.min_mask_region_area)
    save_weights(sam, options.weights, options.version, defaults)
    logger.info("wrote %s, %d bytes", options.weights, options.weights.stat().st_size)


if __name__ == "__main__":
    main()
