"""How many requests a command made to object stores: of its home, its files and its exports."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from hourtally.cli.options import told_of
from hourtally.model.printable import counted
from hourtally.store.files import all_requests

_NOUNS: Final = {
    "list": "listing",
    "get": "read",
    "head": "look",
    "put": "write",
    "delete": "removal",
}
# Of commands that this process ran before.
_before: Final[Counter[str]] = Counter()


def begin_counting() -> None:
    """Count from here on."""
    _before.clear()
    _before.update(all_requests())
    told_of.clear()


def requests_made() -> dict[str, int]:
    """How many requests of each kind the command made so far; empty if it needed none."""
    return dict(all_requests() - _before)


def tell_requests() -> None:
    """Say on standard error how many requests were made, if --verbose wants to know."""
    if told_of:
        told_of.clear()
        print(f"hourtally: object store: {requests_sentence()}", file=sys.stderr)


def requests_sentence() -> str:
    """How many requests of each kind, such as `12 requests: 10 listings, 2 reads`."""
    made = requests_made()
    kinds = ", ".join(counted(made[kind], noun) for kind, noun in _NOUNS.items() if made.get(kind))
    return f"{counted(sum(made.values()), 'request')}{f': {kinds}' if kinds else ''}."
