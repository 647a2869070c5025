"""Measure the speed and memory of the engine here, also against others."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from automask_ui.batch.pictures import SUFFIXES
from automask_ui.cli.arguments import add_precision
from automask_ui.errors import OptionError
from automask_ui.files.images import load_image

__all__ = ["add_arguments", "run"]

DEFAULT_IMAGE = Path(__file__).parents[2] / "assets" / "samples" / "coffee.jpg"
MAX_SIDE = 800  # px, of the pictures of --adaptive: the built-in model sees 512 of them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--model", default="tiny", help="name of a model; without its file, ViTs get random weights")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--image", type=Path, default=DEFAULT_IMAGE, help="default: a sample photo")
    parser.add_argument("--size", default="1800x1200", help="WIDTHxHEIGHT that the picture is brought to, px")
    parser.add_argument("--grid", type=int, default=32, help="points per side (default: 32)")
    parser.add_argument(
        "--against",
        choices=["upstream", "transformers", "float32"],
        help="run SamAutomaticMaskGenerator, Hugging Face's pipeline or our exact engine too, on the same weights",
    )
    parser.add_argument(
        "--predict", action="store_true", help="measure what clicks take instead, on a picture that has been read"
    )
    parser.add_argument(
        "--adaptive",
        type=Path,
        metavar="FOLDER",
        help="measure what shares of the grid's points find of what all find instead, in the pictures of a folder",
    )
    parser.add_argument("--device")
    add_precision(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(settings: argparse.Namespace) -> int:
    """Measure and print; returns 0."""
    from automask_ui.engine.bench.adaptive import run_adaptive_bench
    from automask_ui.engine.bench.clicks import run_click_bench
    from automask_ui.engine.bench.speed import BenchSettings, run_bench, sample_picture

    if sum(map(bool, (settings.predict, settings.against, settings.adaptive))) > 1:
        raise OptionError("--predict, --against and --adaptive measure different things: take one of them.")
    what = BenchSettings(
        model=settings.model,
        checkpoint=settings.checkpoint,
        device=settings.device,
        precision=settings.precision,
        grid=settings.grid,
        against=settings.against,
    )
    if settings.adaptive:
        report, as_text = run_adaptive_bench(what, _pictures(settings.adaptive)), _shares_as_text
    else:
        image = sample_picture(settings.image, _size(settings.size))
        measure, as_text = (run_click_bench, _clicks_as_text) if settings.predict else (run_bench, _as_text)
        report = measure(what, image)
    print(json.dumps(report, indent=2) if settings.json else as_text(report))
    return 0


def _pictures(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The pictures of a folder by name, as H×W×3 uint8, made smaller where they are larger than 800 px.

    Raises:
        OptionError: there is no such folder.
    """
    if not folder.is_dir():
        raise OptionError(f"--adaptive is {str(folder)!r}, but must be a folder of pictures.")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            picture = Image.fromarray(load_image(path).rgb)
            picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BICUBIC)
            yield path.name, np.asarray(picture)


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise OptionError(f"--size is {text!r}, but must be WIDTHxHEIGHT in pixels, such as 1800x1200.")
    return int(width), int(height)


def _setting(report: dict[str, Any]) -> str:
    height, width = report["image_hw"]
    return (
        f"{report['model']} ({report['weights']} weights, {report['precision']}) on {report['device']}, "
        f"{report['threads']} threads, {width}×{height} px"
    )


def _clicks_as_text(report: dict[str, Any]) -> str:
    lines = [_setting(report), "", f"{'from prompt to masks':<28}{'median':>9}{'longest':>9}"]
    lines += [f"{kind:<28}{m:>6.0f} ms{most:>6.0f} ms" for kind, (m, most) in report["milliseconds"].items()]
    return "\n".join(lines)


def _shares_as_text(report: dict[str, Any]) -> str:
    shares, pictures = report["shares"], report["pictures"]
    lines = [
        f"{report['model']} ({report['weights']} weights, {report['precision']}) on {report['device']}, "
        f"{report['grid']}×{report['grid']} points, {len(pictures)} pictures, "
        f"{sum(picture['masks'] for picture in pictures)} masks with all points",
        f"found again, with an IoU of at least {report['found_iou']:g}:",
        "",
        f"{'points':>8}{'recall':>8}{'IoU 0.75':>10}" + "".join(f"{_class(row):>14}" for row in _classes(shares[0])),
    ]
    for share in shares:
        classes = "".join(f"{row['found']:>8} of{row['masks']:>4}"[:14].rjust(14) for row in _classes(share))
        lines.append(
            f"{share['points_share']:>8.1%}{share['recall']:>8.3f}{share['recall_at_iou_0.75']:>10.3f}{classes}"
        )
    names = max(len(picture["name"]) for picture in pictures)
    lines += ["", f"{'':<{names}}{'masks':>7}" + "".join(f"{share['share']:>7.0%}" for share in shares)]
    for picture in pictures:
        values = "".join(f"{recall:>7.2f}" for recall in picture["recall"].values())
        lines.append(f"{picture['name']:<{names}}{picture['masks']:>7}{values}")
    return "\n".join(lines)


def _classes(share: dict[str, Any]) -> list[dict[str, Any]]:
    """Classes of masks by score and by size, each with its sign."""
    signed = [("score", row) for row in share["by_score"]] + [("size", row) for row in share["by_size"]]
    return [{"sign": sign, **row} for sign, row in signed]


def _class(row: dict[str, Any]) -> str:
    """Name a class of masks, such as ``score < 0.5``."""
    number = "{:g}" if row["sign"] == "score" else "{:.3g}"
    low, high = row["low"], row["high"]
    return f"{row['sign']} ≥{number.format(low)}" if high is None else f"{row['sign']} <{number.format(high)}"


def _as_text(report: dict[str, Any]) -> str:
    ours, limits = report["ours"], report["limits"]
    lines = [
        f"{_setting(report)}, {report['grid']}×{report['grid']} points",
        f"{ours['passing_iou']} of {ours['candidates']} candidates pass the IoU threshold; {ours['masks']} masks",
        "machine: " + ", ".join(f"{value:.0f} {name.replace('_', ' ')}" for name, value in limits.items()),
        "",
        f"{'stage':<12}{'seconds':>9}{'share':>8}",
    ]
    lines += [f"{stage:<12}{s:>9.2f}{s / ours['seconds']:>8.0%}" for stage, s in ours["stages"].items()]
    lines += [
        f"{'whole run':<12}{ours['seconds']:>9.2f}",
        "",
        f"threshold change: {report['threshold_change_s']:.3f} s",
    ]
    if ours["peak_extra_mb"] is not None:
        lines.append(f"peak extra memory: {ours['peak_extra_mb']:.0f} MB")
    if "other" in report:
        other = report["other"]
        memory = "" if other["peak_extra_mb"] is None else f", {other['peak_extra_mb']:.0f} MB extra"
        lines += [
            "",
            f"{other['name']}: {other['seconds']:.1f} s{memory}, {other['masks']} masks: "
            f"ours is {other['ratio']:.1f} times as fast",
            f"mean IoU with its masks: {other['mean_iou']:.6f}",
        ]
    if "other" in report and "not_found" in other:
        lines[-1] += (
            f"; {other['not_found']} of them not found, "
            f"at most {other['worst_pixels_differing']:.4%} of the picture's pixels differ in one"
        )
    return "\n".join(lines)
