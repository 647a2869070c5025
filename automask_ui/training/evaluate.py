"""Measure the built-in checkpoint: every figure of its model card comes from here.

`python -m automask_ui.training.evaluate` measures the committed weights on drawn scenes and the sample photographs,
with `--photographs FOLDER` on validation photographs too. `--from-state` takes the averaged weights of the training run
instead. `--pictures FOLDER` writes overlays. `python -m automask_ui.training.export` writes the committed file.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from segment_anything.modeling import Sam

from automask_ui.engine.encoders.builtin import build_tiny_sam
from automask_ui.engine.pipeline.generator import AutomaticMaskGenerator
from automask_ui.training.drawn.pool import default_state_dir, held_out_scenes
from automask_ui.training.drawn.scenes import UNKNOWN
from automask_ui.training.measures import best_ious, calibration_error, islands
from automask_ui.training.photographs import Photograph, read_manifest, read_scene, validation_photographs
from automask_ui.training.prompted import Measured, masks_of, measure_picture, measure_scenes
from automask_ui.training.reference import COINS_LABELS, COINS_PHOTO, read_things
from automask_ui.training.weights import WEIGHTS_PATH, Defaults, load_weights, read_defaults

logger = logging.getLogger(__name__)

SCENE_HW = (384, 512)
MIN_INSTANCE_SHARE = 0.01
# Parts of validation photographs are small: at least a pupil in a portrait.
MIN_PHOTO_SHARE = 0.001
MIN_SEGMENT_SHARE = 0.005
COIN_IOU, THING_IOU = 0.8, 0.75
SAMPLES = ("coffee.jpg", "chelsea.jpg", "astronaut.jpg", "rocket.jpg", "coins.png")
SPEED_HW = (534, 800)

Records = Sequence[dict[str, Any]]


def measure_prompts(sam: Sam, photographs: Sequence[Photograph]) -> Measured:
    """Log what clicks and boxes give on validation photographs: each thing and part of at least 0.1 % is asked for."""
    measured = Measured()
    for row in photographs:
        scene = read_scene(row)
        masks, is_part = masks_of(scene, MIN_PHOTO_SHARE, with_ground=False)
        if masks:
            measure_picture(sam, scene.image, masks, measured)
            measured.is_part += is_part
    is_large = np.array(measured.share) >= MIN_INSTANCE_SHARE
    of_parts = np.array(measured.is_part)
    for title, chosen in (
        ("of at least 1 %", is_large),
        ("of these, things", is_large & ~of_parts),
        ("of these, parts", is_large & of_parts),
        ("smaller", ~is_large),
    ):
        logger.info("validation photographs (%d), %d masks %s:", len(photographs), chosen.sum(), title)
        log_prompts(measured, chosen)
    return measured


def log_prompts(measured: Measured, chosen: np.ndarray) -> None:
    """Log the figures of some of the wanted masks, (N,) bool."""
    if not chosen.any():
        return
    click = Measured.joined(measured.click).rows(chosen)
    logger.info(
        "  one click: best of three %.3f, preferred %.3f (as any labelled mask %.3f), boundary F-score %.3f",
        click.iou.max(axis=1).mean(), click.of_preferred.mean(), click.any_of_preferred.mean(),
        np.array(measured.boundary)[chosen].mean(),
    )  # fmt: skip
    # For their IoU with any labelled mask, as the correlation is.
    calibration = calibration_error(click.scores.max(axis=1), click.any_of_preferred)
    logger.info("  its scores: correlation %.3f, expected calibration error %.3f", click.correlation, calibration)
    for name, answers in (
        ("three clicks", measured.three_clicks),
        ("three clicks and the mask before", measured.three_with_mask),
        ("a box", measured.box),
    ):
        some = Measured.joined(answers).rows(chosen)
        preferred, best = some.of_preferred.mean(), some.iou.max(axis=1).mean()
        logger.info("  %s: preferred %.3f, best of three %.3f", name, preferred, best)


def measure_segments(generator: AutomaticMaskGenerator, photographs: Sequence[Photograph]) -> None:
    """Log how well default masks cover the labelled things (level 1) of validation photographs."""
    best, counts, pieces = [], [], []
    for row in photographs:
        scene = read_scene(row)
        wholes = scene.parents[scene.ids]
        labels = [label for label in np.unique(wholes) if label and label != UNKNOWN]
        wanted = [wholes == label for label in labels]
        wanted = [mask for mask in wanted if mask.mean() >= MIN_SEGMENT_SHARE]
        found = [record["segmentation"] for record in generator.generate(scene.image)]
        best += best_ious(found, wanted).tolist()
        counts.append(len(found))
        pieces += [islands(mask) for mask in found]
    logger.info(
        "default masks on %d validation photographs: mean best IoU %.3f of %d things, %.0f masks, %.2f islands a mask",
        len(photographs), np.mean(best), len(best), np.mean(counts), np.mean(pieces) if pieces else 0.0,
    )  # fmt: skip


def count_coins(found: Records) -> tuple[int, list[float]]:
    """How many reference coins have a mask of IoU at least `COIN_IOU`, and each coin's best IoU.

    Args:
        found: Masks of the coins photograph, dicts as upstream's generator returns them.
    """
    labels = np.asarray(Image.open(COINS_LABELS))
    coins = [labels == coin for coin in range(1, int(labels.max()) + 1)]
    best = best_ious([record["segmentation"] for record in found], coins).tolist()
    return sum(iou >= COIN_IOU for iou in best), best


def overlay(image: np.ndarray, found: Records, seed: int = 0) -> np.ndarray:
    """The photograph with each mask tinted and outlined, large ones below. (H, W, 3) uint8."""
    colours = np.random.default_rng(seed).integers(40, 256, (len(found), 3))
    picture = image.astype(np.float32)
    for record, colour in zip(sorted(found, key=lambda one: -one["area"]), colours, strict=True):
        mask = record["segmentation"]
        picture[mask] = picture[mask] * 0.5 + colour * 0.5
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, tuple(float(v) for v in colour), 1)
    return picture.clip(0, 255).astype(np.uint8)


def log_scenes(sam: Sam, count: int) -> None:
    """Log the figures on held-out drawn scenes."""
    clicks = measure_scenes(sam, held_out_scenes(count, SCENE_HW), MIN_INSTANCE_SHARE)
    logger.info(
        "held-out drawn scenes (%d, %d clicks): best of three %.3f, preferred %.3f, correlation of scores %.3f",
        count, len(clicks.iou), clicks.iou.max(axis=1).mean(), clicks.of_preferred.mean(), clicks.correlation,
    )  # fmt: skip


def measure_samples(generator: AutomaticMaskGenerator, pictures: Path | None, beside: Path | None = None) -> None:
    """Log what default masks the samples get, and which named things and coins have one; write overlays if asked to."""
    all_best: list[float] = []
    for name in SAMPLES:
        image = np.asarray(Image.open(COINS_PHOTO.parent / name).convert("RGB"))
        found = generator.generate(image)
        masks = [record["segmentation"] for record in found]
        cover = np.any(masks, axis=0).mean() if masks else 0.0
        pieces = np.mean([islands(mask) for mask in masks]) if masks else 0.0
        logger.info("%s: %d masks covering %.0f %%, %.2f islands a mask", name, len(found), 100 * cover, pieces)
        things = read_things(name, (image.shape[0], image.shape[1]))
        if things:
            best = best_ious(masks, list(things.values()))
            all_best += best.tolist()
            logger.info("  %s", ", ".join(f"{thing} {iou:.2f}" for thing, iou in zip(things, best, strict=True)))
        if name == COINS_PHOTO.name:
            number, best_coins = count_coins(found)
            logger.info("  coins found: %d of %d (mean best IoU %.3f)", number, len(best_coins), np.mean(best_coins))
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            picture, file_name = overlay(image, found), f"{Path(name).stem}.jpg"
            if beside is not None:
                picture = np.hstack([np.asarray(Image.open(beside / file_name).convert("RGB")), picture])
            Image.fromarray(picture).save(pictures / file_name, quality=85)
    found_things = sum(iou >= THING_IOU for iou in all_best)
    logger.info("named things with a mask of IoU >= %.2f: %d of %d", THING_IOU, found_things, len(all_best))


def measure_speed(generator: AutomaticMaskGenerator) -> None:
    """Log the time of a whole run with the standard grid on a photograph of 800 x 534."""
    photo = Image.open(COINS_PHOTO.parent / "coffee.jpg").convert("RGB").resize(SPEED_HW[::-1])
    started = time.perf_counter()
    generator.generate(np.asarray(photo))
    logger.info("32 x 32 clicks on %d x %d: %.1f s", *SPEED_HW[::-1], time.perf_counter() - started)


def spread_over_sources(photographs: Sequence[Photograph], count: int) -> list[Photograph]:
    """Some photographs, of each source about as many."""
    rank: dict[str, int] = {}
    order = []
    for row in photographs:
        rank[row.source] = rank.get(row.source, -1) + 1
        order.append((rank[row.source], row.source, row))
    return [row for _, _, row in sorted(order, key=lambda one: one[:2])][:count]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_PATH)
    parser.add_argument("--from-state", action="store_true", help="measure the training run's averaged weights")
    parser.add_argument("--state-dir", type=Path, default=default_state_dir())
    parser.add_argument("--photographs", type=Path, help="folder with manifest.csv; its held-out part is measured")
    parser.add_argument("--at-most", type=int, default=1000, help="how many photographs are prompted")
    parser.add_argument("--segmented", type=int, default=20, help="how many photographs are segmented whole")
    parser.add_argument("--scenes", type=int, default=24, help="how many held-out drawn scenes")
    parser.add_argument("--pred-iou-thresh", type=float, help="instead of the weights' own")
    parser.add_argument("--stability-score-thresh", type=float, help="instead of the weights' own")
    parser.add_argument("--pictures", type=Path, help="write overlays of the samples into this folder")
    parser.add_argument("--beside", type=Path, help="folder with overlays of an earlier version, to put to their left")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sam = build_tiny_sam()
    if options.from_state:
        state = torch.load(options.state_dir / "state.pt", weights_only=True)
        sam.load_state_dict(state["average"])
        defaults = Defaults()
        logger.info("after %(step)d steps, %(seconds).0f s", state["progress"])
    else:
        defaults = read_defaults(load_weights(sam, options.weights))
    given = {name: getattr(options, name) for name in ("pred_iou_thresh", "stability_score_thresh")}
    given = {name: value for name, value in given.items() if value is not None}
    measure(sam, replace(defaults, **given), options)


def measure(sam: Sam, defaults: Defaults, options: argparse.Namespace) -> None:
    """Log every figure."""
    logger.info("%s", defaults)
    generator = AutomaticMaskGenerator(sam, **asdict(defaults))
    if options.photographs:
        rows = validation_photographs(read_manifest(options.photographs))
        measure_prompts(sam, spread_over_sources(rows, options.at_most))
        measure_segments(generator, spread_over_sources(rows, options.segmented))
    if options.scenes:
        log_scenes(sam, options.scenes)
    measure_samples(generator, options.pictures, options.beside)
    measure_speed(generator)


if __name__ == "__main__":
    main()
