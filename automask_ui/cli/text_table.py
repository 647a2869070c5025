"""Format rows of text as a table, for the terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["as_columns", "as_markdown"]


def as_columns(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Format ``rows`` under a header of the ``columns``, padded to a common width."""
    lines = [[*columns], *([str(row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def as_markdown(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Format ``rows`` as a Markdown table."""
    lines = [[*columns], ["---"] * len(columns), *([str(row[name]) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
