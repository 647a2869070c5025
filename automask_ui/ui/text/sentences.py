"""Sentences about runs, results and forecasts, in the visitor's language."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from automask_ui.errors import AutoMaskError
from automask_ui.masks import MaskResult, Verdict
from automask_ui.masks.explain import Reason
from automask_ui.models.checkpoints import AvailableModel, size_text
from automask_ui.models.registry import BUILT_IN_MODEL, CHECKPOINTS, Checkpoint
from automask_ui.protocol import LoadedModel
from automask_ui.serving.runs import Models
from automask_ui.session import Difference, Session
from automask_ui.session.run import Forecast, Progress, Workload, workload
from automask_ui.ui.components.model_menu import MenuGroup
from automask_ui.ui.components.status_line import Status, status
from automask_ui.ui.components.viewer import ViewerSuggestion
from automask_ui.ui.controls import controls_of
from automask_ui.ui.text import TEXTS, Words, short_name

__all__ = [
    "candidates_line",
    "changed_line",
    "device_name",
    "empty_sentence",
    "empty_suggestion",
    "forecast_line",
    "found_with",
    "given_up_line",
    "model_groups",
    "model_line",
    "model_title",
    "opened_line",
    "progress_line",
    "restored_line",
    "stopped_line",
    "why_sentence",
    "why_suggestion",
]

# Which option a verdict depends on, and whether it would have to be lowered.
_OPTION_OF = {
    Verdict.LOW_PREDICTED_IOU: "pred_iou_thresh",
    Verdict.LOW_STABILITY: "stability_score_thresh",
    Verdict.CROP_EDGE: "crop_overlap_ratio",
    Verdict.DUPLICATE: "box_nms_thresh",
    Verdict.CROP_DUPLICATE: "crop_nms_thresh",
    Verdict.CLEANED_AWAY: "box_nms_thresh",
}
_BEST = 20  # candidates that a suggestion lets pass, before duplicates go
_USUAL_BYTES_A_SECOND = 100e6 / 8  # of a line of 100 Mbit/s
_THRESHOLDS = (Verdict.LOW_PREDICTED_IOU, Verdict.LOW_STABILITY)


def progress_line(words: Words, progress: Progress, session: Session, seconds: float) -> Status:
    """The status line of a run that has taken ``seconds`` so far."""
    masks = len(session.current_masks().ids)
    counts = {"masks": masks, "done": progress.done, "total": progress.total}
    if progress.stage == "encode" and not progress.done:
        if progress.seconds_left:
            return status(words.say("status.encode.time", time=words.time(progress.seconds_left)), "busy", -1)
        return status(words.say("status.encode"), "busy", -1)
    if progress.stage == "fetch":
        sizes = {"done": progress.done / 1e6, "total": progress.total / 1e6}
        parts = [words.say("status.fetch", **sizes), *_time_left(words, progress)]
        return status(" · ".join(parts), "busy", progress.done / progress.total if progress.total else -1)
    if progress.stage == "load":
        return status(words.say("status.load", model=progress.model), "busy", -1)
    if progress.stage == "stopped":
        return stopped_line(words, session)
    if progress.stage == "done":
        parts = [words.count("status.done", masks, masks=masks, time=words.time(seconds)), *_notes(words, session)]
        return status(" · ".join(parts), "done")
    if progress.stage == "clean":
        return status(words.count("status.clean", masks, **counts), "busy", 1.0)
    parts = [words.count("status.decode", masks, **counts), *_time_left(words, progress)]
    return status(" · ".join(parts), "busy", progress.done / max(1, progress.total))


def _time_left(words: Words, progress: Progress) -> list[str]:
    if progress.seconds_left is None:
        return []
    return [words.say("status.left", time=words.time(progress.seconds_left))]


def stopped_line(words: Words, session: Session) -> Status:
    """A run that was stopped: how far it got, and with what."""
    result, masks = session.result, len(session.current_masks().ids)
    if result is None or not result.partial:
        return status(words.say("status.stopped.none"))
    # Every point has one row for each of the model's masks.
    rows_a_point = int(result.candidates.level.max(initial=0)) + 1
    done, total = int(result.candidates.decoded.sum()) // rows_a_point, workload(result.options.grid).points
    return status(words.count("status.stopped", masks, masks=masks, done=done, total=total))


def _notes(words: Words, session: Session) -> list[str]:
    return [words.sentence(note) for note in session.result.notes] if session.result else []


def changed_line(words: Words, change: Difference) -> Status:
    """What moving a slider did to the masks that are shown."""
    parts = [words.count("status.masks", change.total, masks=change.total)]
    parts += [words.say("status.more", n=change.more)] if change.more else []
    parts += [words.say("status.fewer", n=change.fewer)] if change.fewer else []
    if len(parts) == 1:
        parts.append(words.say("status.same"))
    return status(", ".join(parts), "done")


def given_up_line(words: Words, change: Difference, told: Status) -> Status:
    """A slider's work that gives way to the next move, after its line ``told``.

    It is as old as that: what comes instead has told of itself since, unless the slider is where it was.
    """
    return {**changed_line(words, change), "said_at": told["said_at"]}


def unkept_warning(words: Words, refusal: AutoMaskError | None) -> tuple[str, str] | None:
    """Heading and sentence on work that is too large to be there after a reload; None where it is not."""
    if refusal is None:
        return None
    return words.say("unkept.title"), words.say("unkept", why=words.error(refusal))


def opened_line(words: Words, session: Session) -> Status:
    """A photo that was just opened, with what was done to it."""
    height, width = session.image.rgb.shape[:2]
    sentence = words.say("status.opened", name=short_name(session.image.name), width=width, height=height)
    return status(" ".join([sentence, *map(words.sentence, session.image.notes)]))


def restored_line(words: Words, session: Session, is_complete: bool, key: str = "restore.done") -> Status:
    """Work that was taken up, said with ``key``; ``is_complete`` says whether its model is here."""
    masks, name = len(session.current_masks().ids), short_name(session.image.name)
    if session.result is None:
        return opened_line(words, session)
    parts = [words.count(key, masks, name=name, masks=masks)]
    if not is_complete:
        parts.append(words.say("restore.no_model", model=session.model))
    elif session.result.partial:
        parts.append(words.say("restore.partial"))
    else:
        parts.append(words.say("restore.sliders"))
    return status(" ".join(parts), "done")


def candidates_line(words: Words, result: MaskResult | None) -> str:
    """How many candidates of a result pass."""
    if result is None:
        return words.say("candidates.none")
    if not result.has_candidates:
        return words.say("candidates.unknown")
    decoded = int(result.candidates.decoded.sum())
    return words.say("candidates", passing=len(result.masks), all=decoded)


def empty_sentence(words: Words, session: Session) -> str:
    """Why there is nothing to see of a result, and what to do; "" where there is."""
    result = session.result
    if result is None or result.partial or len(session.current_masks().ids):
        return ""
    if len(result.masks):
        return words.say("empty.show", all=len(result.masks))
    counts = result.candidates.counts()
    first = words.say("empty.none", all=int(result.candidates.decoded.sum()))
    lost = {verdict: n for verdict, n in counts.items() if n and verdict not in (Verdict.KEPT, Verdict.SKIPPED)}
    worst = max(lost, key=lambda verdict: lost[verdict], default=None)
    if worst is None or worst not in (*_THRESHOLDS, Verdict.CROP_EDGE):
        return f"{first} {words.say('empty.other')}"
    name = _OPTION_OF[worst]
    key = "empty.threshold" if worst in _THRESHOLDS else "empty.edge"
    title, value = words.say(f"parameter.{name}"), result.options.flat()[name]
    return f"{first} {words.say(key, n=lost[worst], title=title, value=value)}"


def empty_suggestion(words: Words, session: Session) -> ViewerSuggestion | None:
    """The threshold at which the best candidates of an empty result pass, where a threshold keeps them out."""
    result = session.result
    if result is None or result.partial or len(result.masks) or not result.has_candidates:
        return None
    counts = {verdict: result.candidates.counts().get(verdict, 0) for verdict in _THRESHOLDS}
    worst = max(counts, key=lambda verdict: counts[verdict])
    scores = result.candidates.predicted_iou
    if worst is Verdict.LOW_STABILITY:
        scores = result.candidates.stability_score
    scores = np.sort(scores[(result.candidates.verdict == worst) & np.isfinite(scores)])
    if not len(scores):
        return None
    return _lower(words, _OPTION_OF[worst], float(scores[-min(_BEST, len(scores))]), scores)


def why_suggestion(words: Words, reason: Reason) -> ViewerSuggestion | None:
    """The threshold at which the mask of a place would pass, where a threshold keeps it out."""
    if reason.kind == "kept" or reason.verdict not in _THRESHOLDS:
        return None
    return _lower(words, _OPTION_OF[reason.verdict], reason.score)


def _lower(words: Words, option: str, score: float, scores: np.ndarray | None = None) -> ViewerSuggestion | None:
    """Lower ``option`` until ``score`` passes, on the slider's steps; ``scores`` are all that it keeps out."""
    value = math.floor(score * 100) / 100
    if not 0 <= value <= 1:
        return None
    title = words.say(f"parameter.{option}")
    if scores is None:
        label = words.say("suggest.lower", title=title, value=value)
    else:
        # At most: another threshold may keep some of them out, and doubles go.
        most = int((scores >= value).sum())
        label = words.count("suggest.lower_all", most, title=title, value=value, most=most)
    return {"label": label, "option": option, "value": value}


def why_sentence(words: Words, result: MaskResult, reason: Reason) -> str:
    """Why there is no mask at a place, and what to do."""
    if reason.verdict is None or reason.verdict not in _OPTION_OF:
        return words.say("why.kept" if reason.kind == "kept" else "why.none")
    name = _OPTION_OF[reason.verdict]
    key = "why.near" if reason.kind == "near" else "why.dropped"
    if reason.verdict not in _THRESHOLDS:
        key = "why.edge" if reason.verdict is Verdict.CROP_EDGE else "why.duplicate"
    title, value = words.say(f"parameter.{name}"), result.options.flat()[name]
    return words.say(key, score=reason.score, title=title, value=value)


def forecast_line(words: Words, work: Workload, forecast: Forecast | None, models: Models) -> str:
    """What a run will cost; the time only where something that was measured says it."""
    if work.crops > 1:
        parts = [words.say("forecast.crops", points=work.points, crops=work.crops)]
    else:
        parts = [words.count("forecast.points", work.points, points=work.points)]
    if forecast is not None and forecast.judged_by is None:
        parts.append(words.say("forecast.time", time=words.time(forecast.seconds)))
    elif forecast is not None:
        judge = model_title(words, models[str(forecast.judged_by)])
        parts.append(words.say("forecast.judged", time=words.time(forecast.seconds), model=judge))
    return " · ".join(parts)


def model_title(words: Words, model: AvailableModel) -> str:
    """What a model is called: names of published ones are the same everywhere."""
    return TEXTS[words.language].get(f"model.{model.name}.title", model.title)


def model_groups(words: Words, models: Models, forecasts: Mapping[str, Forecast | None]) -> list[MenuGroup]:
    """The menu of models: those on this machine, then those to fetch, with their size, by family.

    ``forecasts`` says by name what a run takes here, as far as that is known.
    """
    groups: dict[str, list[tuple[str, str]]] = {words.say("model.here"): []}
    for name, model in models.items():
        label, forecast = [model_title(words, model)], forecasts.get(name)
        if model.path is None:
            label.append(words.say("model.choice", size=size_text(model.size_bytes or 0)))
        if forecast is not None:
            label.append(words.say("model.choice.time", time=words.time(forecast.seconds)))
        heading = model.family if model.path is None else words.say("model.here")
        groups.setdefault(heading, []).append((" · ".join(label), name))
    return [{"label": heading, "choices": choices} for heading, choices in groups.items() if choices]


def found_with(words: Words, session: Session, models: Models) -> str:
    """With which model and preset the masks of ``session`` were found; "" before there are any."""
    if session.result is None:
        return ""
    row, thresholds = models.get(session.model), models.thresholds(session.model)
    preset = controls_of(session.model, session.result.options, session.show, thresholds).preset
    model = session.model if row is None else model_title(words, row)
    return words.say("found_with", model=model, preset=words.say(f"preset.{preset}"))


def model_line(words: Words, models: Models, name: str, forecast: Forecast | None) -> str:
    """What model ``name`` is good for, and where it runs; of one that is not here, what it takes to have and to run it.

    Of one that could not be had when it was last asked for, it says why.
    """
    model, loaded, failed = models[name], models.loaded.get(name), models.failed.get(name)
    if failed is not None:
        offer = "" if model.path is not None or not model.size_bytes else f" {_size_and_time(words, model)}"
        return words.say("model.failed", why=words.error(failed)) + offer
    good_for = TEXTS[words.language].get(f"model.{model.name}.good_for", model.good_for)
    if model.name == BUILT_IN_MODEL:
        small, larger = (CHECKPOINTS[name] for name in ("vit_t", "sam2_t"))
        named = {"small": _with_size(small), "larger": _with_size(larger)}
        offer = words.say("model.finer", **named)
        good_for = f"{good_for}. {offer}".removesuffix(".")
    if loaded is not None:
        return words.say("model.info", good_for=good_for, device=device_name(loaded))
    if model.path is None and model.size_bytes:
        told = words.say("model.download", good_for=good_for, size=_size_and_time(words, model))
        return told if forecast is None else f"{told} {_run_time(words, models, forecast)}"
    return words.say("model.unloaded", good_for=good_for)


def _run_time(words: Words, models: Models, forecast: Forecast) -> str:
    time = words.time(forecast.seconds)
    if forecast.judged_by is None:
        return words.say("model.run", time=time)
    return words.say("model.run.judged", time=time, model=model_title(words, models[str(forecast.judged_by)]))


def _with_size(row: Checkpoint) -> str:
    return f"{row.title} ({size_text(row.size_bytes or 0)})"


def _size_and_time(words: Words, model: AvailableModel) -> str:
    """What it takes to fetch a model, and under what licence it is."""
    time = words.time((model.size_bytes or 0) / _USUAL_BYTES_A_SECOND)
    return words.say("model.size", size=size_text(model.size_bytes or 0), licence=model.licence, time=time)


def device_name(model: LoadedModel) -> str:
    """The device as people call it."""
    names = {"cpu": "CPU", "cuda": "GPU", "mps": "Apple GPU"}
    return names.get(model.device.split(":")[0], model.device)
