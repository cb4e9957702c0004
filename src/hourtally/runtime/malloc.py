"""How the C library keeps memory."""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_MAPPED_APART_BYTES: Final = 128 << 10


def give_back_blocks() -> None:
    """Have each large block of memory given back once it is free. Of the whole process.

    glibc maps what is large apart, and raises the size for that to what was freed last, up to
    32 MB; the next blocks then lie between smaller ones, and what is freed among them is kept:
    60 MB, while a million lines are read. Set to where it begins (mallopt(3)), that size stays.
    Other C libraries have no such setting and no such habit.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_APART_BYTES)
