"""Both languages say the same things, and everything that can be said."""

from __future__ import annotations

import string

import pytest

from automask_ui import errors
from automask_ui.errors import (
    BatchError,
    DownloadError,
    EditError,
    ImageError,
    ImageTooLargeError,
    NoImageError,
    SessionError,
    UnreadableImageError,
)
from automask_ui.options import PARAMETERS, PRESETS
from automask_ui.ui.components.viewer import VIEWER_TEXTS
from automask_ui.ui.text import I18N, TEXTS, Words, words_for
from automask_ui.ui.text.ko_errors import KO_ERRORS

NOT_DOWNLOADED = "{}: 내려받지 못했습니다. 다시 해 보거나, 파일을 직접 올리거나, 내장 모델을 쓰세요."


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("texts", [TEXTS, VIEWER_TEXTS], ids=["page", "viewer"])
def test_languages_have_the_same_keys(texts: dict[str, dict[str, str]]) -> None:
    assert texts["ko"].keys() == texts["en"].keys()
    assert all(text.strip() for language in texts.values() for text in language.values())


def test_languages_fill_in_the_same_values() -> None:
    different = [key for key, text in TEXTS["en"].items() if places(text) != places(TEXTS["ko"][key])]
    assert different == []


def test_korean_errors_are_errors_of_ours() -> None:
    assert KO_ERRORS.keys() <= set(errors.__all__)


def test_korean_is_korean() -> None:
    # Names of formats, and an arrow with a size, are the same everywhere.
    same = {"format.coco", "format.voc", "format.cvat", "format.geojson", "model.choice"}
    untranslated = [key for key in TEXTS["en"].keys() - same if TEXTS["en"][key] == TEXTS["ko"][key]]
    assert untranslated == []


@pytest.mark.parametrize("language", TEXTS)
def test_every_parameter_and_preset_has_its_texts(language: str) -> None:
    wanted = {f"parameter.{name}{part}" for name in PARAMETERS for part in ("", ".help")}
    wanted |= {f"preset.{name}{part}" for name in PRESETS for part in ("", ".help")}
    assert wanted <= TEXTS[language].keys()
    labels = I18N.translations[language]
    assert all(f"`{name}`" in labels[f"parameter.{name}.info"] for name in PARAMETERS)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),  # no header
        ("", "en"),  # an empty one
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),  # a Korean browser
        ("en-US,en;q=0.9,ko;q=0.8", "en"),  # Korean as second language
        ("fr, ko;q=0.5, en;q=0.4", "ko"),  # the best that we have
        ("de-DE,de;q=0.9", "en"),  # none that we have
        ("en;q=0.1, ko;q=0.2", "ko"),  # order does not count, quality does
        ("ko;q=1.2.3, ;;;, *", "en"),  # nonsense
    ],
)
def test_language_of_a_request(header: str | None, language: str) -> None:
    headers = {} if header is None else {"accept-language": header}
    assert words_for(headers).language == language


@pytest.mark.parametrize(
    ("error", "said"),
    [
        # Its own sentence, with its values.
        (
            ImageTooLargeError("a.png has 9,000 × 9,000 = 81,000,000 pixels, but the limit is 40,000,000. Shrink it."),
            "a.png: 9,000 × 9,000 px로 한도(40,000,000픽셀)보다 큽니다. 크기를 줄이거나 필요한 부분만 잘라 주세요.",
        ),
        (
            UnreadableImageError("a.tga is damaged: as TGA it cannot be read: no header. Save it again."),
            "a.tga: 손상된 파일입니다. 다시 복사하거나 저장하세요.",
        ),
        # With its size, and without one where the hub, which knows it, does not answer.
        (
            DownloadError("SAM ViT-H (2.6 GB) could not be downloaded: it was stopped."),
            NOT_DOWNLOADED.format("SAM ViT-H"),
        ),
        (DownloadError("SAM-HQ light could not be downloaded: no answer."), NOT_DOWNLOADED.format("SAM-HQ light")),
        (
            EditError("Nothing of mask 7 would be left: it is too small or too thin for 3 px."),
            "마스크 7번은 너무 작거나 얇아서 남는 픽셀이 없습니다.",
        ),
        # Not for a file of the name "There".
        (
            BatchError("There is no picture among these files (2 other files). Pictures are known by their names."),
            "이 파일들 가운데 사진이 없습니다(다른 파일 2개).",
        ),
        (
            NoImageError("There is no picture yet: open a photo."),
            "아직 사진이 없습니다. 사진을 열거나 예시를 고르세요. 사진이 보인다면 서버와 연결이 끊어진 것입니다. "
            "페이지를 새로 고치면 작업이 돌아옵니다.",
        ),
        (
            UnreadableImageError("There.jpg is no picture: it holds text."),
            "There.jpg: 사진 파일이 아닙니다. JPEG, PNG, TIFF, WebP 같은 사진을 여세요.",
        ),
        (ImageTooLargeError("40 MP"), KO_ERRORS["ImageTooLargeError"]),  # what its kind means
        (SessionError("gone"), KO_ERRORS["AutoMaskError"]),  # that of its base
    ],
)
def test_errors_in_korean(error: Exception, said: str) -> None:
    assert Words("ko").error(error) == said
    assert Words("en").error(error) == str(error)


@pytest.mark.parametrize(
    ("english", "said"),
    [
        (r"a.tga is damaged: not a TGA file b'\x00\x00\x1f'. Save it.", "a.tga is damaged: not a TGA file …. Save it."),
        (r"a.png has the mark '\x89PNG'.", "a.png has the mark …."),
        ("“it's” is no label", "“it's” is no label"),
    ],
)
def test_bytes_are_not_shown(english: str, said: str) -> None:
    assert Words("en").error(ImageError(english)) == said


def test_korean_has_one_word_for_one_thing() -> None:
    texts = [*TEXTS["ko"].values(), *VIEWER_TEXTS["ko"].values(), *KO_ERRORS.values()]
    for other in ("객체", "라벨", "다운로드", "안정성", "(를)", "(가)", "(는)", "(으)", "(와)"):
        assert [text for text in texts if other in text] == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (1.46, "1.5 s"), (12.4, "12 s"), (119.0, "119 s"), (120.0, "2 min"), (3599.0, "60 min")],
)
def test_time(seconds: float, said: str) -> None:
    assert words_for({}).time(seconds) == said
