"""The local cache of small objects that never change, shared by all processes of this machine.

A copy is found by the object's key and its ETag, so a bucket that was emptied and filled anew has
none of the copies of before. Each copy has its own digest: one that was torn is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

_DIGEST_BYTES: Final = 32
# A copy of a larger object costs as much disk as it saves requests.
MOST_BYTES: Final = 8 << 20


class RecordCache:
    """Copies of objects in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str, etag: str) -> bytes | None:
        """The copy of an object; None if there is none."""
        try:
            stored = self._path(key, etag).read_bytes()
        except OSError:
            return None
        content = stored[_DIGEST_BYTES:]
        return content if hashlib.sha256(content).digest() == stored[:_DIGEST_BYTES] else None

    def put(self, key: str, etag: str, content: bytes) -> None:
        """Keep a copy. That the disk is full, or refuses, is no reason to fail."""
        if len(content) > MOST_BYTES:
            return
        path = self._path(key, etag)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
            temporary.replace(path)

    def _path(self, key: str, etag: str) -> Path:
        name = hashlib.sha256(os.fsencode(f"{key}\0{etag}")).hexdigest()[:40]
        return self._folder / name[:2] / name[2:]
