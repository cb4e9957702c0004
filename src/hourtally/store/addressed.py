"""Files named by the SHA-256 of their content: written once, shared by all that name them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from hourtally.store import durable


def digest_of(content: bytes) -> str:
    """The SHA-256, in hex, that names a file of this content."""
    return hashlib.sha256(content).hexdigest()


def read_addressed(path: Path) -> bytes | None:
    """The content of a file named by its digest; None if it is missing or damaged."""
    try:
        content = durable.read_file(path)
    except FileNotFoundError:
        return None
    return content if digest_of(content) == path.stem else None


def write_addressed(path: Path, content: bytes, staging: Path) -> None:
    """Store a content durably under its digest, unless it is there intact.

    Args:
        path: where; named by the digest.
        content: the content.
        staging: a folder of the home for temporary files.
    """
    if read_addressed(path) is not None:
        # `prune` removes old files that no manifest names; if it is quicker, write the file anew.
        # In an object store, where nothing can be touched, the same bytes are put again.
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
            # Its writer may have been killed before the name was durable.
            durable.fsync_folder(path.parent)
            return
    durable.make_folder(path.parent)
    with durable.undo_on_failure(path.unlink):
        durable.replace_file(path, content, staging=staging)
