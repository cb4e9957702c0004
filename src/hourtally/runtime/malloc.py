"""When the C library returns memory to the system."""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_MAPPED_APART_BYTES: Final = 128 << 10


def give_back_blocks() -> None:
    """Return each large block of memory to the system once it is free, in the whole process.

    glibc maps large blocks separately, but raises the threshold for that to the size freed last,
    up to 32 MB. Later blocks then lie between smaller ones, and memory freed among them is kept:
    60 MB while a million lines are read. Setting the threshold to its initial value (mallopt(3))
    fixes it. Other C libraries neither have this setting nor do this.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_APART_BYTES)
