"""Records as JSON, sealed with a digest of their own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from hourtally.errors import Damaged
from hourtally.store.files import files_at

# The end of a record, without and with a digest.
_END: Final = b"\n}\n"
_SEALED_END: Final = b',\n "digest": "%b"\n}\n'
_DIGEST_DIGITS: Final = 64


def to_json(record: dict[str, Any]) -> bytes:
    """A record as readable JSON; numbers of any size stay exact."""
    return (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode()


def to_sealed_json(record: dict[str, Any]) -> bytes:
    """As `to_json`, with a last field `digest`: the SHA-256 of the record without that field."""
    return _seal(to_json(record))


def _seal(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return content.removesuffix(_END) + _SEALED_END % digest.encode()


def read_sealed_json(path: Path) -> dict[str, Any]:
    """A record written by `to_sealed_json`, without its digest; every byte of it is checked.

    Raises:
        FileNotFoundError: there is no such file.
        Damaged: it is not a sealed record, or differs from what was written.
    """
    sealed = files_at(path).read(path)
    content = sealed[: -len(_SEALED_END % (b"0" * _DIGEST_DIGITS))] + _END
    if sealed != _seal(content):
        raise Damaged(path, "its digest does not match its content; restore the file from a copy")
    try:
        record: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise Damaged(path, f"it is not JSON: {error}") from error
    return record
