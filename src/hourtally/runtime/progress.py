"""How a job reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with the amount done, the total, and a name: bytes of a file, or hours and the last."""
