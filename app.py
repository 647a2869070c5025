"""Start the page: ``python app.py``. Also what Hugging Face Spaces runs."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from automask_ui.streams import open_missing_streams

if TYPE_CHECKING:
    from automask_ui.serving.service import Service


def parse_flags() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Find every object in a picture, in the browser.")
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    parser.add_argument("--host", default=host, help="0.0.0.0 opens the page to the network (default: %(default)s)")
    # Read here, since Gradio lets numbers pass that are no port.
    port = os.environ.get("GRADIO_SERVER_PORT") or None
    parser.add_argument(
        "--port", type=port_number, default=port, help="port (default: the first free one from 7860 on)"
    )
    parser.add_argument("--model", help="model to begin with (default: the best that is here)")
    parser.add_argument("--checkpoint", type=Path, help="a .pth, .pt or .safetensors file of your own to begin with")
    parser.add_argument("--models-dir", type=Path, action="append", default=[], help="further folder with model files")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best that works)")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser.parse_args()


def port_number(text: str) -> int:
    """``text`` as a TCP port.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 1 to 65535")
    return int(text)


def main() -> None:
    """Parse flags, build, launch."""
    flags = parse_flags()
    # Other packages' own talk would drown a run's line.
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("automask_ui").setLevel(flags.log_level.upper())
    # Only here: it takes seconds, in which Ctrl+C is pressed, too.
    from httpx import InvalidURL

    from automask_ui import limits
    from automask_ui.cli.models import fetch_visibly
    from automask_ui.errors import AutoMaskError
    from automask_ui.serving.start import SAMPLES, build_service
    from automask_ui.ui import build_app, launch_options

    try:
        # Before anybody waits for a page that would refuse every picture.
        limits.max_pixels(), limits.max_points()
        service = build_service(flags.model, flags.checkpoint, flags.models_dir, flags.device, SAMPLES)
        end_on_signals(service)
        model = service.models[service.models.default]
        if model.path is None:
            fetch_visibly(model.name)
    except AutoMaskError as error:
        raise SystemExit(f"error: {error}") from error
    # Uploads go with this process, instead of to a folder that outlives it.
    os.environ.setdefault("GRADIO_TEMP_DIR", str(service.store.scratch / "uploads"))
    page = build_app(service, keeps_work=True)
    trust_own_address(flags.host)
    try:
        page.launch(
            server_name=in_url(flags.host), server_port=flags.port, prevent_thread_lock=True, **launch_options(service)
        )
    except (OSError, ValueError, InvalidURL) as error:
        port = "a port from 7860 on" if flags.port is None else f"port {flags.port}"
        raise SystemExit(
            f"error: the page cannot listen on {flags.host}, {port}: {error} Choose another with --port or --host."
        ) from error
    # Only now: it imports PyTorch, which takes as long as all before, and Gradio gives up where it does not get an
    # answer from its own page in time.
    try:
        service.models.load(model.name)
    except AutoMaskError as error:
        print(f"error: {error}", file=sys.stderr)
        end(service, 1)
    threading.Thread(target=service.samples.prepare, daemon=True).start()
    page.block_thread()
    end(service)


def in_url(host: str) -> str:
    """``host`` as it stands in a URL, and as Gradio takes it: an IPv6 address in brackets."""
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host


def end_on_signals(service: Service | None = None) -> None:
    """End quietly by SIGTERM (containers, service managers), Ctrl+C, and when the terminal is closed."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        # Ignored by whoever started this: nohup, say.
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: end(service))


def end(service: Service | None, exit_code: int = 0) -> NoReturn:
    """Remove temporary files and end at once: a run in another thread would stumble over what ends before it."""
    if service is not None:
        shutil.rmtree(service.store.scratch, ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(exit_code)


def trust_own_address(host: str) -> None:
    """Ask this machine without a proxy: Gradio looks whether its page answers, and a proxy does not know the page."""
    for name in ("no_proxy", "NO_PROXY"):
        known = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join(dict.fromkeys([*known, "127.0.0.1", "localhost", host]))


if __name__ == "__main__":
    open_missing_streams()
    end_on_signals()
    main()
