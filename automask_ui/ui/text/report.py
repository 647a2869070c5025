"""What a finished download holds, in the visitor's language, to be read before it is saved."""

from __future__ import annotations

from typing import Any

from automask_ui.export import ExportReport
from automask_ui.ui.text import Words

__all__ = ["proof_of", "proof_sentence"]

_NAMED = 2000  # masks that are listed one by one


def proof_sentence(words: Words, report: ExportReport) -> str:
    """How many masks came back as they were, and what became of the others."""
    total, unit = len(report.checks), report.exporter.unit
    if report.exact == total:
        return words.count(f"proof.exact.{unit}", total, masks=total)
    parts = [words.count("proof.some", total, masks=total, exact=report.exact)]
    if report.changed:
        parts.append(words.say("proof.changed", n=len(report.changed), iou=rounded_down(report.changed[0].iou)))
    if report.lost:
        parts.append(words.say("proof.lost", n=len(report.lost)))
    if report.merged:
        parts.append(words.say("proof.merged", n=len(report.merged)))
    return f"{', '.join(parts)}."


def proof_of(words: Words, report: ExportReport, unlabelled: int) -> dict[str, Any]:
    """For the viewer's ``proof``: sentences, and every mask that is not as it was.

    Args:
        words: of the visitor.
        report: of the finished file.
        unlabelled: masks in it without a label, among others that have one.
    """
    exporter = report.exporter
    is_exact = report.exact == len(report.checks)
    not_exact = [*report.lost, *report.changed]
    # What is drawn counts as right if it can be made out: what the format does to it is said all the same.
    says_loss = not is_exact or (exporter.unit == "overlay" and exporter.loses)
    sentences = [words.say(f"format.{exporter.name}.loses")] if says_loss else []
    sentences.append(words.say("proof.reader", reader=words.sentence(exporter.reader)))
    if unlabelled and exporter.has_classes:
        sentences.append(words.count("proof.unlabelled", unlabelled, masks=unlabelled))
    return {
        "exact": is_exact,
        "sentence": proof_sentence(words, report),
        "more": sentences,
        "masks": [{"id": check.id, "iou": rounded_down(check.iou)} for check in not_exact[:_NAMED]],
        "count": len(not_exact),
        "file": report.path.name,
        "size": _size(report.path.stat().st_size),
    }


def rounded_down(iou: float) -> str:
    """To three digits: 0.9999 is not 1."""
    return f"{int(iou * 1000) / 1000:.3f}"


def _size(count: int) -> str:
    """Bytes as people say them."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{max(1, round(count / 1e3)):,} kB"
