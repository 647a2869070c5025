"""Measure the speed and memory of the engine here, also against others."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask_ui.cli.arguments import add_precision
from automask_ui.cli.bench_adaptive import shares_as_text, small_pictures
from automask_ui.cli.bench_batch import batch_as_text, run_batch_bench
from automask_ui.cli.bench_start import run_start_bench, start_as_text
from automask_ui.cli.output import say
from automask_ui.errors import OptionError

if TYPE_CHECKING:  # PyTorch takes seconds to import
    from automask_ui.engine.bench.speed import BenchSettings

__all__ = ["add_arguments", "run"]

DEFAULT_IMAGE = Path(__file__).parents[2] / "assets" / "samples" / "coffee.jpg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument(
        "--model", default="tiny", help="name of a model; without its file, published ones get random weights"
    )
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--image", type=Path, default=DEFAULT_IMAGE, help="default: a sample photo")
    parser.add_argument("--size", default="1800x1200", help="WIDTHxHEIGHT that the picture is brought to, px")
    parser.add_argument("--grid", type=int, default=32, help="points per side (default: 32)")
    parser.add_argument(
        "--against",
        choices=["upstream", "transformers", "float32"],
        help="run the authors' own generator, Hugging Face's pipeline or our exact engine too, on the same weights",
    )
    parser.add_argument(
        "--predict", action="store_true", help="measure what clicks take instead, on a picture that has been read"
    )
    parser.add_argument(
        "--stage",
        choices=["decoder"],
        help="measure instead what each stage of the decoder takes for a point, beside the machine's own rates",
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="measure instead what a run costs in the page, next to the same run here, and the picture after a slider",
    )
    parser.add_argument(
        "--start",
        action="store_true",
        help="measure instead how long app.py takes until the page answers, and until the first sample has its masks",
    )
    parser.add_argument(
        "--adaptive",
        type=Path,
        metavar="FOLDER",
        help="measure instead how many of the whole grid's masks fewer points find, in the pictures of a folder",
    )
    parser.add_argument(
        "--batch",
        type=Path,
        metavar="FOLDER",
        help="measure instead how many pictures of a folder a second become a dataset",
    )
    parser.add_argument("--device")
    add_precision(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(settings: argparse.Namespace) -> int:
    """Measure and print; returns 0."""
    given = [
        flag
        for flag in ("predict", "against", "stage", "page", "start", "adaptive", "batch")
        if getattr(settings, flag)
    ]
    if len(given) > 1:
        raise OptionError(f"--{given[0]} and --{given[1]} measure different things: leave one out.")
    if settings.page:
        return _run_page(settings)
    if settings.start:
        return _run_start(settings)
    if settings.adaptive:
        return _run_adaptive(settings)
    if settings.batch:
        return _run_batch(settings)
    from automask_ui.engine.bench.clicks import run_click_bench
    from automask_ui.engine.bench.decoder import run_decoder_bench
    from automask_ui.engine.bench.speed import run_bench, sample_picture

    image = sample_picture(settings.image, _size(settings.size))
    measure, as_text = run_bench, _as_text
    if settings.predict:
        measure, as_text = run_click_bench, _clicks_as_text
    elif settings.stage:
        measure, as_text = run_decoder_bench, _stages_as_text
    report = measure(_bench_settings(settings), image)
    say(json.dumps(report, indent=2) if settings.json else as_text(report))
    return 0


def _run_adaptive(settings: argparse.Namespace) -> int:
    from automask_ui.engine.bench.adaptive import run_adaptive_bench

    report = run_adaptive_bench(_bench_settings(settings), small_pictures(settings.adaptive))
    say(json.dumps(report, indent=2) if settings.json else shares_as_text(report))
    return 0


def _bench_settings(settings: argparse.Namespace) -> BenchSettings:
    from automask_ui.engine.bench.speed import BenchSettings

    return BenchSettings(
        model=settings.model,
        checkpoint=settings.checkpoint,
        device=settings.device,
        precision=settings.precision,
        grid=settings.grid,
        against=settings.against,
    )


def _run_page(settings: argparse.Namespace) -> int:
    from automask_ui.engine.bench.speed import sample_picture
    from automask_ui.ui.bench import run_page_bench

    if settings.precision:
        raise OptionError("--page measures the page as it runs, which takes no --precision: leave it out.")
    image = sample_picture(settings.image, _size(settings.size))
    report = run_page_bench(settings.model, settings.checkpoint, settings.device, image, settings.grid)
    say(json.dumps(report, indent=2) if settings.json else _page_as_text(report))
    return 0


def _run_start(settings: argparse.Namespace) -> int:
    if settings.precision:
        raise OptionError("--start measures the page as it runs, which takes no --precision: leave it out.")
    report = run_start_bench(settings.model, settings.checkpoint, settings.device)
    say(json.dumps(report, indent=2) if settings.json else start_as_text(report))
    return 0


def _run_batch(settings: argparse.Namespace) -> int:
    from automask_ui.engine.loading.load import load_model
    from automask_ui.engine.pipeline.generator import MaskEngine

    name = None if settings.checkpoint else settings.model
    model = load_model(name, settings.checkpoint, settings.device, settings.precision)
    report = run_batch_bench(MaskEngine(model, cache_bytes=0), settings.batch, settings.grid)
    say(json.dumps(report, indent=2) if settings.json else batch_as_text(report))
    return 0


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


def _machine(report: dict[str, Any]) -> str:
    return "machine: " + ", ".join(f"{value:.0f} {name.replace('_', ' ')}" for name, value in report["limits"].items())


def _clicks_as_text(report: dict[str, Any]) -> str:
    lines = [_setting(report), "", f"{'from prompt to masks':<28}{'median':>9}{'longest':>9}"]
    lines += [f"{kind:<28}{m:>6.0f} ms{most:>6.0f} ms" for kind, (m, most) in report["milliseconds"].items()]
    return "\n".join(lines)


def _stages_as_text(report: dict[str, Any]) -> str:
    lines = [
        _setting(report),
        f"{report['points']} points, {report['masks_decoded']} masks; medians of {report['runs']} runs",
        _machine(report),
        "",
        f"{'stage':<12}{'seconds':>9}{'a point':>12}",
    ]
    for stage, seconds in report["stages"].items():
        each = report["ms_per_point"].get(stage)
        lines.append(f"{stage:<12}{seconds:>9.2f}" + ("" if each is None else f"{each:>9.2f} ms"))
    return "\n".join(lines)


def _page_as_text(report: dict[str, Any]) -> str:
    (height, width), grid, slider = report["image_hw"], report["grid"], report["slider"]
    lines = [
        f"{report['model']} on {report['device']}, {width}×{height} px, {grid}×{grid} points",
        "",
        f"{'a run':<28}{'CPU':>9}{'time':>11}",
    ]
    runs = {"by the command line": report["command_line"], "in the page": report["page"]}
    lines += [f"{name:<28}{spent['cpu']:>7.2f} s{spent['wall']:>9.2f} s" for name, spent in runs.items()]
    fewest, most = slider["masks"]
    lines += [
        f"{'ratio':<28}{report['cpu_ratio']:>9.2f}   ({report['page']['updates']} updates)",
        "",
        f"{'a slider’s picture':<28}{'median':>9}{'longest':>11}   ({fewest} to {most} masks)",
    ]
    titles = {"cpu": "CPU", "wall": "time"}
    lines += [
        f"{titles[kind]:<28}{median:>6.0f} ms{longest:>8.0f} ms"
        for kind, (median, longest) in slider["milliseconds"].items()
    ]
    return "\n".join(lines)


def _as_text(report: dict[str, Any]) -> str:
    ours = report["ours"]
    lines = [
        f"{_setting(report)}, {report['grid']}×{report['grid']} points",
        f"{ours['passing_iou']} of {ours['candidates']} candidates pass the IoU threshold; {ours['masks']} masks",
        _machine(report),
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
