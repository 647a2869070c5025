"""Measure the built-in checkpoint: every figure of its model card comes from here.

`python -m automask_ui.training.evaluate` measures the committed weights. `--from-state` takes the averaged weights of
the training run instead, and `--export VERSION` then writes them as the committed file. `--pictures FOLDER` writes
overlays.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from automask_ui.engine.encoders.builtin import build_tiny_sam
from automask_ui.engine.pipeline.generator import AutomaticMaskGenerator
from automask_ui.training.pool import default_state_dir, held_out_scenes
from automask_ui.training.reference import COINS_LABELS, COINS_PHOTO
from automask_ui.training.scenes import Scene
from automask_ui.training.weights import WEIGHTS_PATH, load_weights, save_weights

logger = logging.getLogger(__name__)

SCENE_HW = (384, 512)
MIN_INSTANCE_SHARE = 0.01
COIN_IOU = 0.8
SAMPLES = ("coffee.jpg", "chelsea.jpg", "astronaut.jpg", "rocket.jpg", "coins.png")
SPEED_HW = (534, 800)


@dataclass(frozen=True, eq=False)
class ClickScores:
    """One row for each click: `iou` and `scores`, (N, 3) float32, are measured and predicted IoU of its three masks."""

    iou: np.ndarray
    scores: np.ndarray

    @property
    def best(self) -> float:
        """Mean IoU of the best of the three masks."""
        return float(self.iou.max(axis=1).mean())

    @property
    def preferred(self) -> float:
        """Mean IoU of the mask that the model scores highest."""
        return float(np.take_along_axis(self.iou, self.scores.argmax(axis=1)[:, None], axis=1).mean())

    @property
    def correlation(self) -> float:
        """Pearson's correlation of predicted with measured IoU."""
        return float(np.corrcoef(self.iou.ravel(), self.scores.ravel())[0, 1])

    def calibration(self, edges: Sequence[float]) -> list[tuple[float, int, float]]:
        """For each lower edge: how many masks are scored at or above it, and their mean measured IoU."""
        rows = []
        for edge in edges:
            above = self.scores >= edge
            rows.append((edge, int(above.sum()), float(self.iou[above].mean()) if above.any() else float("nan")))
        return rows


def score_clicks(sam: Sam, scenes: Sequence[Scene]) -> ClickScores:
    """Click once at the centre of each instance of at least `MIN_INSTANCE_SHARE` of its scene.

    Wholes are instances with their parts; parts are instances too. The centre is the pixel farthest from the outline.
    """
    measured, predicted = [], []
    for scene in scenes:
        masks, centres = instances_of(scene)
        if not len(masks):
            continue
        logits, scores = predict_clicks(sam, scene.image, centres)
        found = (logits > sam.mask_threshold).flatten(2).float()
        wanted = torch.from_numpy(masks).flatten(1).float()[:, None]
        both = (found * wanted).sum(dim=2)
        measured.append(both / (found.sum(dim=2) + wanted.sum(dim=2) - both))
        predicted.append(scores)
    return ClickScores(torch.cat(measured).numpy(), torch.cat(predicted).numpy())


def instances_of(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The instances of a scene that are large enough, (N, H, W) bool, and their centres, (N, 2) float64 xy."""
    wholes = scene.parents[scene.ids]
    candidates = [wholes == label for label in np.unique(wholes)]
    candidates += [scene.ids == label for label in np.unique(scene.ids) if scene.parents[label] != label]
    least = MIN_INSTANCE_SHARE * scene.ids.size
    masks = [mask for mask in candidates if mask.sum() >= least]
    centres = []
    for mask in masks:
        depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
        centres.append(np.unravel_index(depth.argmax(), depth.shape)[::-1])
    return np.asarray(masks), np.asarray(centres, dtype=np.float64)


@torch.no_grad()
def predict_clicks(sam: Sam, image: np.ndarray, points_xy: np.ndarray) -> tuple[Tensor, Tensor]:
    """Three masks for each click: (N, 3, H, W) float32 logits at the image's size, and (N, 3) float32 scores.

    Args:
        sam: The model.
        image: (H, W, 3) uint8 RGB.
        points_xy: (N, 2) float64, pixels of the image.
    """
    resize = ResizeLongestSide(sam.image_encoder.img_size)
    small = torch.from_numpy(resize.apply_image(image)).permute(2, 0, 1)[None]
    embedding = sam.image_encoder(sam.preprocess(small.float()))
    clicks = torch.from_numpy(resize.apply_coords(points_xy, image.shape[:2])).float()[:, None]
    sparse, dense = sam.prompt_encoder(points=(clicks, torch.ones(len(clicks), 1)), boxes=None, masks=None)
    logits, scores = sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    return sam.postprocess_masks(logits, tuple(small.shape[-2:]), image.shape[:2]), scores


def count_coins(found: Sequence[dict]) -> tuple[int, list[float]]:
    """How many reference coins have a mask of IoU at least `COIN_IOU`, and each coin's best IoU.

    Args:
        found: Masks of the coins photograph, dicts as upstream's generator returns them.
    """
    labels = np.asarray(Image.open(COINS_LABELS))
    best = []
    for coin in range(1, int(labels.max()) + 1):
        mask = labels == coin
        overlaps = ((record["segmentation"] & mask).sum() / (record["segmentation"] | mask).sum() for record in found)
        best.append(float(max(overlaps, default=0.0)))
    return sum(iou >= COIN_IOU for iou in best), best


def overlay(image: np.ndarray, found: Sequence[dict], seed: int = 0) -> np.ndarray:
    """The photograph with each mask tinted and outlined, large ones below. (H, W, 3) uint8."""
    colours = np.random.default_rng(seed).integers(40, 256, (len(found), 3))
    picture = image.astype(np.float32)
    for record, colour in zip(sorted(found, key=lambda one: -one["area"]), colours, strict=True):
        mask = record["segmentation"]
        picture[mask] = picture[mask] * 0.5 + colour * 0.5
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, tuple(float(v) for v in colour), 1)
    return picture.clip(0, 255).astype(np.uint8)


def measure_scenes(sam: Sam, count: int) -> ClickScores:
    """Log the figures on held-out scenes."""
    clicks = score_clicks(sam, list(held_out_scenes(count, SCENE_HW)))
    logger.info(
        "held-out scenes (%d, %d clicks): best of three %.3f, preferred %.3f, correlation of scores %.3f",
        count, len(clicks.iou), clicks.best, clicks.preferred, clicks.correlation,
    )  # fmt: skip
    for edge, number, mean in clicks.calibration((0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)):
        logger.info("  scored at least %.1f: %d masks, mean IoU %.3f", edge, number, mean)
    return clicks


def measure_photographs(generator: AutomaticMaskGenerator, pictures: Path | None) -> None:
    """Log how many coins are found and how many masks the other samples get; write overlays if asked to."""
    for name in SAMPLES:
        image = np.asarray(Image.open(COINS_PHOTO.parent / name).convert("RGB"))
        found = generator.generate(image)
        cover = np.any([record["segmentation"] for record in found], axis=0).mean() if found else 0.0
        logger.info("%s: %d masks covering %.0f %%", name, len(found), 100 * cover)
        if name == COINS_PHOTO.name:
            number, best = count_coins(found)
            logger.info("coins found: %d of %d (mean best IoU %.3f)", number, len(best), np.mean(best))
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            Image.fromarray(overlay(image, found)).save(pictures / f"{Path(name).stem}.jpg", quality=85)


def measure_speed(generator: AutomaticMaskGenerator) -> None:
    """Log the time of a whole run with the standard grid on a photograph of 800 x 534."""
    photo = Image.open(COINS_PHOTO.parent / "coffee.jpg").convert("RGB").resize(SPEED_HW[::-1])
    started = time.perf_counter()
    generator.generate(np.asarray(photo))
    logger.info("32 x 32 clicks on %d x %d: %.1f s", *SPEED_HW[::-1], time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and export if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_PATH)
    parser.add_argument("--from-state", action="store_true", help="measure the training run's averaged weights")
    parser.add_argument("--state-dir", type=Path, default=default_state_dir())
    parser.add_argument("--scenes", type=int, default=60, help="how many held-out scenes")
    parser.add_argument("--pred-iou-thresh", type=float, help="instead of the weights' own")
    parser.add_argument("--stability-score-thresh", type=float, help="instead of the weights' own")
    parser.add_argument("--pictures", type=Path, help="write overlays of the samples into this folder")
    parser.add_argument("--export", metavar="VERSION", help="write the measured weights and thresholds to --weights")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sam = build_tiny_sam()
    if options.from_state:
        state = torch.load(options.state_dir / "state.pt", weights_only=True)
        sam.load_state_dict(state["average"])
        own = {"pred_iou_thresh": "0.7", "stability_score_thresh": "0.8"}
        logger.info("after %(step)d steps, %(seconds).0f s", state["progress"])
    else:
        own = load_weights(sam, options.weights)
    pred_iou_thresh = options.pred_iou_thresh or float(own["pred_iou_thresh"])
    stability_score_thresh = options.stability_score_thresh or float(own["stability_score_thresh"])
    if options.export:
        save_weights(sam, options.weights, options.export, pred_iou_thresh, stability_score_thresh)
    measure_scenes(sam, options.scenes)
    generator = AutomaticMaskGenerator(
        sam, pred_iou_thresh=pred_iou_thresh, stability_score_thresh=stability_score_thresh
    )
    measure_photographs(generator, options.pictures)
    measure_speed(generator)


if __name__ == "__main__":
    main()
