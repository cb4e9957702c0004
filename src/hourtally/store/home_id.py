"""The home's id: random, made once, and kept in the home. Trees of exports bear it."""

from __future__ import annotations

import secrets

from hourtally.errors import Damaged
from hourtally.store import durable
from hourtally.store.layout import Home


def home_id(home: Home) -> str:
    """The home's id, 32 hex digits; the first call makes it.

    Raises:
        Damaged: the file that keeps it differs from what was written.
        OSError: the system refused to read or write it.
    """
    if not durable.file_exists(home.id_file):
        record = {"id": secrets.token_hex(16)}
        # Of two commands that make it at once, both take what the first one wrote.
        durable.create_file(home.id_file, durable.to_sealed_json(record))
    try:
        return str(durable.read_sealed_json(home.id_file)["id"])
    except KeyError:
        raise Damaged(home.id_file, "it has no id; restore the file from a copy") from None
