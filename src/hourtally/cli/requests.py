"""How many requests a command made to an object store."""

from __future__ import annotations

import sys
from typing import Any, Final

from hourtally.cli.options import told_of
from hourtally.model.printable import counted

_NOUNS: Final = {
    "list": "listing",
    "get": "read",
    "head": "look",
    "put": "write",
    "delete": "removal",
}


def tell_requests() -> None:
    """Say on standard error what was asked of the homes of which --verbose wants to know."""
    while told_of:
        home = told_of.pop()
        print(f"hourtally: {home.place}: {requests_sentence(home)}", file=sys.stderr)


def requests_sentence(home: Any) -> str:
    """How many requests of each kind, such as `12 requests: 10 listings, 2 reads`."""
    from hourtally.store.files import files_at

    made = files_at(home.root).requests()
    kinds = ", ".join(counted(made[kind], noun) for kind, noun in _NOUNS.items() if made.get(kind))
    return f"{counted(sum(made.values()), 'request')}{f': {kinds}' if kinds else ''}."
