"""Start the page: ``python app.py``. Also what Hugging Face Spaces runs."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from automask_ui.checkpoints import available_models, default_model, fetch
from automask_ui.download import TransferText
from automask_ui.errors import AutoMaskError
from automask_ui.service import Service

SAMPLES = [
    Path(__file__).parent / "assets" / "samples" / name
    for name in ("coffee.jpg", "coins.png", "chelsea.jpg", "rocket.jpg", "astronaut.jpg")
]


def parse_flags() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Find every object in a picture, in the browser.")
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    parser.add_argument("--host", default=host, help="0.0.0.0 opens the page to the network (default: %(default)s)")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860 on)")
    parser.add_argument("--model", help="model to begin with (default: the best that is here)")
    parser.add_argument("--checkpoint", type=Path, help="a .pth, .pt or .safetensors file of your own to begin with")
    parser.add_argument("--models-dir", type=Path, action="append", default=[], help="further folder with model files")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best that works)")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser.parse_args()


def build_service(flags: argparse.Namespace) -> Service:
    """The service on real engines. PyTorch is loaded here, so that ``--help`` answers at once."""
    from automask_ui.engine.generator import MaskEngine
    from automask_ui.engine.pool import ModelPool, free_gpu_bytes

    folders = [*flags.models_dir, *([flags.checkpoint] if flags.checkpoint else [])]
    models = available_models(folders)
    name = flags.model
    if flags.checkpoint is not None:
        name = next(model.name for model in models if model.path and model.path.samefile(flags.checkpoint))
    if name is None:
        choice = default_model(free_gpu_bytes(flags.device), folders)
        name = choice.name
        logging.getLogger("automask").info("Beginning with %s. %s", name, choice.note)
    pool = ModelPool(MaskEngine)
    return Service(lambda name: pool.get(name, device=flags.device, folders=folders), models, name, SAMPLES)


def main() -> None:
    """Parse flags, build, launch."""
    flags = parse_flags()
    logging.basicConfig(level=flags.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from automask_ui.ui import build_app, launch_options

    try:
        service = build_service(flags)
        model = service.models.get(service.default_model)
        if model is not None and model.path is None:
            text = TransferText()
            fetch(model.name, lambda *told: print(f"\r\x1b[K{model.title}: {text(*told)}", end="", flush=True))
        service.load(service.default_model)
    except AutoMaskError as error:
        raise SystemExit(f"error: {error}") from error
    # Ended like this by containers and service managers: with temporary files removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    page = build_app(service, keeps_work=True)
    threading.Thread(target=service.prepare_sample, daemon=True).start()
    page.launch(server_name=flags.host, server_port=flags.port, **launch_options(service))


if __name__ == "__main__":
    main()
