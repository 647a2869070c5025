"""The viewer's texts by language code.

``{name}`` is filled in by the browser. Where a text depends on a number, ``one|many`` gives both forms.
"""

from __future__ import annotations

from automask_ui.ui.components.viewer.texts_en import ENGLISH
from automask_ui.ui.components.viewer.texts_ko import KOREAN

__all__ = ["VIEWER_TEXTS"]

VIEWER_TEXTS: dict[str, dict[str, str]] = {"en": ENGLISH, "ko": KOREAN}
