"""Quoting of text in SQL statements."""

from __future__ import annotations

from pathlib import Path


def pattern_of(path: Path) -> str:
    """The pattern that names exactly this file to a reader of DuckDB: wildcards are escaped."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


def quoted_path(path: Path) -> str:
    """A path as an SQL literal that names exactly this file: quotes and wildcards are escaped."""
    return literal(pattern_of(path))


def literal(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
