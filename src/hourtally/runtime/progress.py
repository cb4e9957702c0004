"""How a job reports its progress to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with what is done, of how much, and the last of it: bytes and a file, or hours."""
