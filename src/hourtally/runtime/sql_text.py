"""Text of SQL statements."""

from __future__ import annotations

from pathlib import Path


def quoted_path(path: Path) -> str:
    """A path as an SQL text that names this one file: without quotes or wildcards in force."""
    literal = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    return "'" + literal.replace("'", "''") + "'"


def literal(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
