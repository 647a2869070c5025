"""All words of the page by language, and how sentences are made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import gradio as gr

from automask_ui.options import PARAMETERS
from automask_ui.ui.text.en import EN
from automask_ui.ui.text.ko import KO
from automask_ui.ui.text.ko_errors import KO_ERRORS, in_korean

__all__ = ["I18N", "TEXTS", "Words", "short_name", "words_for"]

TEXTS: dict[str, dict[str, str]] = {"en": EN, "ko": KO}
_LONG_NAME = 40  # characters
_LANGUAGE = re.compile(r"([a-zA-Z]+)(?:[-_][-\w]*)?(?:\s*;\s*q=(\d(?:\.\d+)?))?")
# Bytes that Python has put into a sentence as '\\x00\\x1f…': nobody can read them.
_ESCAPED = re.compile(r"""(?<!\s)\s*b?(['"])(?:(?!\1).)*\\x[0-9a-f]{2}(?:(?!\1).)*\1|(?:\\x[0-9a-f]{2})+""")


def _labels(texts: dict[str, str]) -> dict[str, str]:
    """The texts that the browser chooses: all without values, and what stands below each slider (Markdown)."""
    labels = {key: text for key, text in texts.items() if "{" not in text}
    return labels | {f"parameter.{name}.info": f"`{name}` {texts[f'parameter.{name}.help']}" for name in PARAMETERS}


I18N = gr.I18n(**{code: _labels(texts) for code, texts in TEXTS.items()})


class Words:
    """Sentences of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = TEXTS[language]

    def say(self, key: str, **values: Any) -> str:
        """The text ``key`` with its values filled in."""
        return self._texts[key].format(**values)

    def error(self, error: Exception) -> str:
        """What happened, wholly in this language: in the error's own words, or by what its kind means."""
        meaning = next((KO_ERRORS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in KO_ERRORS), "")
        return self.sentence(str(error), meaning)

    def sentence(self, english: str, otherwise: str = "") -> str:
        """A sentence that others have worded in English, in this language; ``otherwise`` where it has none for it."""
        plain = _ESCAPED.sub(" …", english)
        return plain if self.language == "en" else in_korean(plain) or otherwise or plain

    def count(self, key: str, n: int, **values: Any) -> str:
        """The text ``key`` in the form that fits the number ``n``."""
        return self.say(f"{key}.one" if n == 1 else key, **values)

    def time(self, seconds: float) -> str:
        """A time as people say it: whole seconds, minutes from two on."""
        if seconds >= 120:
            return self.say("minutes", n=round(seconds / 60))
        rounded = f"{seconds:.1f}" if seconds < 2 else f"{seconds:.0f}"
        return self.say("seconds", n=rounded)


def short_name(name: str) -> str:
    """A file's name for a sentence that stands in one line: of a long one the start and the end."""
    return name if len(name) <= _LONG_NAME else f"{name[: _LONG_NAME - 17]}…{name[-16:]}"


def words_for(headers: Mapping[str, str]) -> Words:
    """The words in the first language of ``Accept-Language`` that we have, else English."""
    ranked = []
    for place, part in enumerate(headers.get("accept-language", "").split(",")):
        match = _LANGUAGE.fullmatch(part.strip())
        if match and match[1].lower() in TEXTS:
            ranked.append((-float(match[2] or 1), place, match[1].lower()))
    return Words(min(ranked)[2] if ranked else "en")
