"""The page: parts put together, and how it is launched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from automask_ui.export import EXPORTERS
from automask_ui.export.base import PURPOSES
from automask_ui.project.autosave import autosave_for
from automask_ui.serving.service import Service
from automask_ui.ui import panels
from automask_ui.ui.api import find_masks_endpoint, predict_mask_endpoint
from automask_ui.ui.components.photo_upload import UploadFile
from automask_ui.ui.components.picture_table import PictureTable
from automask_ui.ui.components.status_line import StatusLine
from automask_ui.ui.components.viewer import DownloadFormat, MaskViewer
from automask_ui.ui.handlers import Handlers
from automask_ui.ui.http import REFUSALS, WHOLE_CHARACTERS, Heartbeats, health_route
from automask_ui.ui.parts import Parts
from automask_ui.ui.text import I18N, TEXTS, Words
from automask_ui.ui.text.sentences import model_groups
from automask_ui.ui.theme import THEME
from automask_ui.ui.wiring import MODEL_QUEUE, wire

__all__ = ["build_app", "launch_options"]

HERE = Path(__file__).parent

# Uploads, which are read once: looked through every ten minutes, removed after two hours, however long the queue was.
_CACHE_SECONDS = (600, 7200)
# Events of all kinds together, of pages and programs: room for a full house of visitors besides those who wait to run.
_QUEUE_SIZE = 80


def build_app(service: Service, *, keeps_work: bool = False) -> gr.Blocks:
    """The whole page on ``service``; launch it with :func:`launch_options`.

    Args:
        keeps_work: whether work in progress is kept on this machine's disk, to be there after a reload.
    """
    gr.set_static_paths([service.store.scratch])
    thresholds = service.models.thresholds(service.models.default)
    autosave = autosave_for(service.projects) if keeps_work else None
    with gr.Blocks(title="AutoMask", fill_width=True, delete_cache=_CACHE_SECONDS, analytics_enabled=False) as page:
        with gr.Row(elem_id="header"):
            gr.HTML("<h1>AutoMask</h1>", elem_id="name")
            device = gr.Markdown("", elem_id="device")
        with gr.Row(elem_id="work", equal_height=False):
            with gr.Column(elem_id="controls", scale=0, min_width=320):
                with gr.Column(elem_id="open"):
                    photo = panels.photo_panel(service.samples)
                # First for the keyboard, which so reaches it in a few steps; the style sheet puts it below.
                run = panels.run_panel()
                with gr.Column(elem_id="settings"):
                    model = panels.model_panel(model_groups(Words("en"), service.models, {}), service.models.default)
                    sliders, show = panels.sliders_panel(thresholds)
                    about = panels.about_panel()
            with gr.Column(elem_id="stage", min_width=320):
                pictures = PictureTable(_formats(), elem_id="pictures")
                line = StatusLine(elem_id="status")
                viewer = MaskViewer(formats=_formats(), offer_sample=bool(service.samples), elem_id="viewer")
        download = gr.DownloadButton(visible="hidden", elem_id="download")
        # One of its own: a list is written for minutes, while pictures of it are downloaded.
        dataset = gr.DownloadButton(visible="hidden", elem_id="dataset")
        token = gr.Textbox(visible="hidden", elem_id="token")
        unsettled = gr.Textbox(visible="hidden", elem_id="unsettled")
        unfinished = gr.Textbox(visible="hidden", elem_id="unfinished")
        shown = gr.Textbox(visible="hidden", elem_id="shown")
        types = [".txt", ".json", ".yaml", ".yml", ".names", ".csv"]
        classes = UploadFile(file_types=types, visible="hidden", elem_id="classes-file")
        hidden = (download, dataset, classes, about, token, unsettled, unfinished, shown)
        parts = Parts(photo, model, sliders, show, run, pictures, viewer, line, device, *hidden)
        wire(page, parts, Handlers(service, autosave))
        find_masks_endpoint(service, **MODEL_QUEUE)
        predict_mask_endpoint(service, **MODEL_QUEUE)
    # Nothing that waits for its turn can be had past the queue, which Gradio allows outside of Spaces.
    page.queue(max_size=_QUEUE_SIZE, api_open=False)
    return page


def launch_options(service: Service | None = None) -> dict[str, Any]:
    """Arguments of ``Blocks.launch`` that belong to the page, wherever it runs.

    Args:
        service: whose health is told at ``/health``, and which hears whose pages are open; None leaves that out.
    """
    hearing = [Middleware(Heartbeats, presence=service.presence)] if service else []
    return {
        "app_kwargs": {
            "middleware": [REFUSALS, WHOLE_CHARACTERS, *hearing],
            "routes": [health_route(service)] if service else [],
        },
        "theme": THEME,
        "css": (HERE / "page.css").read_text(encoding="utf-8"),
        "js": _script(),
        # In the head, so that it is there before the first event.
        "head": f"<script>{(HERE / 'stream.js').read_text(encoding='utf-8')}</script>",
        "i18n": I18N,
        # Of an archive with many pictures; photos are bounded where they are opened.
        "max_file_size": "1gb",
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        "ssr_mode": False,
        # Half a megabyte a visitor, kept for an hour after they have left. A tab beyond these loses nothing but that.
        "state_session_capacity": 32,
        "footer_links": ["api"],
    }


def _script() -> str:
    """What the browser runs when the page is there, with the words that it says itself."""
    keys = ("photo.address", "photo.address.page", "photo.address.busy", "error.title", "error.close", "warning.title")
    texts = {code: {key: texts[key] for key in keys} for code, texts in TEXTS.items()}
    return (HERE / "page.js").read_text(encoding="utf-8").replace("__TEXTS__", json.dumps(texts, ensure_ascii=False))


def _formats() -> list[DownloadFormat]:
    def in_each(key: str) -> dict[str, str]:
        return {code: texts[key] for code, texts in TEXTS.items() if key in texts}

    return [
        {
            "id": row.name,
            "label": in_each(f"format.{row.name}"),
            "hint": in_each(f"format.{row.name}.hint"),
            "purpose": in_each(f"purpose.{row.purpose}"),
        }
        for row in sorted(EXPORTERS.values(), key=lambda row: PURPOSES.index(row.purpose))
    ]
