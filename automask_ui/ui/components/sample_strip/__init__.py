"""A strip of sample photos: buttons with thumbnails, which tell Python the name of the one that was chosen."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from automask_ui.ui.components.output import OutputComponent
from automask_ui.ui.text import TEXTS

__all__ = ["SampleStrip"]

HERE = Path(__file__).parent
THUMBNAIL_PX = (112, 80)  # twice what is shown, for sharp screens


class SampleStrip(OutputComponent):
    """The samples, by name; event ``pick`` with ``{name}``."""

    def __init__(self, samples: Mapping[str, Path], **kwargs: Any) -> None:
        super().__init__(
            value=[{"name": name, "picture": _thumbnail(path)} for name, path in samples.items()],
            html_template='<div class="samples" role="group"></div>',
            css_template=(HERE / "sample_strip.css").read_text(encoding="utf-8"),
            js_on_load=(HERE / "sample_strip.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            texts={code: {key: texts[key] for key in ("samples", "sample.open")} for code, texts in TEXTS.items()},
            **kwargs,
        )


def _thumbnail(path: Path) -> str:
    """The photo cut to one shape, small enough to travel with the page itself."""
    with Image.open(path) as photo:
        width, height = photo.size
        target_width, target_height = THUMBNAIL_PX
        scale = max(target_width / width, target_height / height)
        small = photo.convert("RGB").resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    left, top = (small.width - target_width) // 2, (small.height - target_height) // 2
    data = io.BytesIO()
    small.crop((left, top, left + target_width, top + target_height)).save(data, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode("ascii")
