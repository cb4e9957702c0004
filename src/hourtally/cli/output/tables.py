"""Human-readable tables: rich on a terminal, plain when piped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hourtally.cli.output.text_table import (
    console,
    lines_of,
    print_lines,
    print_text,
    texts,
)

if TYPE_CHECKING:
    from hourtally.server.tokens import Token


def print_tokens(tokens: Sequence[Token]) -> None:
    """Tokens by the start of their SHA-256, by which they are revoked."""
    out = console()
    if not tokens:
        print_text(out, "No tokens yet: create one with `hourtally tokens add`.")
        return
    columns = [
        texts("created", [token.created for token in tokens]),
        texts("customer", [token.customer for token in tokens]),
    ]
    print_lines(out, lines_of(["sha256", *(token.sha256[:12] for token in tokens)], columns, None))
