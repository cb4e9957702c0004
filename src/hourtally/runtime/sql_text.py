"""Quoting of text in SQL statements."""

from __future__ import annotations

from pathlib import Path


def quoted_path(path: Path) -> str:
    """A path as an SQL literal that names exactly this file: quotes and wildcards are escaped."""
    literal = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    return "'" + literal.replace("'", "''") + "'"


def literal(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
