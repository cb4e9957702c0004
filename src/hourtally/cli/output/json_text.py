"""JSON documents of the commands: `--json` prints the same facts as the tables, for programs.

Keys are in snake_case, as in records. Money is a number of cents, exact.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from hourtally.errors import with_urls
from hourtally.model.money import format_cents, format_decimal

_INDENT: Final = " "


@dataclass(frozen=True)
class Cents:
    """An amount, printed as an exact JSON number of cents: `Cents(1_500_000_000)` is `1.5`."""

    nanocents: int


@dataclass(frozen=True)
class Scaled:
    """`number / 10^digits`, printed as an exact JSON number."""

    number: int
    digits: int


class _Printed:
    """Whether this process has printed a document: a command prints one at most."""

    is_printed = False


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on standard output, in UTF-8 whatever the terminal's encoding."""
    _Printed.is_printed = True
    text = with_urls(to_json_text(document)) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def expect_json() -> None:
    """Begin a command: it has printed no document."""
    _Printed.is_printed = False


def print_error_json(message: str) -> None:
    """Print the error that ends a command as its document, unless it has printed one."""
    if not _Printed.is_printed:
        print_json({"error": message, "exit_status": 1})


def to_json_text(value: Any, indent: str = "") -> str:
    """A document as readable JSON.

    Python's encoder prints decimals only as floats, which are not exact, so containers are
    printed here, and everything else by it.
    """
    if isinstance(value, Cents):
        return format_cents(value.nanocents)
    if isinstance(value, Scaled):
        return format_decimal(value.number, value.digits)
    if isinstance(value, Decimal):
        return format(value, "f")
    inner = indent + _INDENT
    if isinstance(value, Mapping):
        parts = [f"{_text(str(key))}: {to_json_text(one, inner)}" for key, one in value.items()]
        opening, closing = "{", "}"
    elif isinstance(value, list | tuple):
        parts = [to_json_text(one, inner) for one in value]
        opening, closing = "[", "]"
    else:
        return _text(value)
    if not parts:
        return opening + closing
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
