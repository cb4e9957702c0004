"""Commands of the HTTP server: serve, and tokens add, list, remove."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hourtally.cli.options import (
    CustomerId,
    HomeOption,
    Id,
    LocalFile,
    NowOption,
    Place,
    minutes_ms,
)
from hourtally.errors import InvalidArgument

TokensPath = Annotated[LocalFile | None, Parameter(name="--tokens")]


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    tokens: LocalFile | None = None,
    customer: Id | None = None,
    metrics_port: int | None = None,
    rates: Place | None = None,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Serve published hours over HTTP until SIGTERM or SIGINT: the API, and pages for people.

    Prints its address once ready, and logs each request to standard error.

    Needs `pip install hourtally[server]`.

    Example: hourtally serve --customer acme

    Parameters
    ----------
    host
        Address to listen on. Without a tokens file it must be a loopback address.
    port
        Port to listen on; 0 picks a free one.
    tokens
        Tokens file; default: tokens.ndjson in the home folder, if it exists.
    customer
        Serve this customer's usage to everybody on this machine, without tokens.
    metrics_port
        Loopback port of GET /metrics for Prometheus; 0 picks a free one.
    rates
        Rate card by which pages mark hours as stale; default: rates.toml in the home folder.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally import server
    from hourtally.store.durable import has_folders

    home = (home_option or HomeOption()).open()
    # A dangling link counts as a tokens file: with it nobody gets in, without it everybody would.
    if tokens is None and has_folders(home.root) and os.path.lexists(home.tokens):
        if customer is not None:
            message = (
                f"--customer would show everybody on this machine what {home.tokens} protects; "
                "leave out --customer, or move the tokens file away"
            )
            raise InvalidArgument(message)
        tokens = home.tokens
    return server.serve(
        server.Serving(
            home,
            (now_option or NowOption()).read_ms,
            host=host,
            port=port,
            customer=customer,
            tokens=tokens,
            rates=rates,
            settle_ms=minutes_ms(settle),
            metrics_port=metrics_port,
        )
    )


def ui(
    *,
    port: int = 8081,
    open: Annotated[bool, Parameter(negative="")] = False,
    rates: Place | None = None,
    settle: float = 10,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Show the home in a browser: all hours and customers, for whoever is on this machine.

    Listens on loopback only, without tokens. Prints its address once ready, and logs each request
    to standard error.

    Needs `pip install hourtally[server]`.

    Example: hourtally ui --open

    Parameters
    ----------
    port
        Port to listen on; 0 picks a free one.
    open
        Open the browser.
    rates
        Rate card; default: rates.toml in the home folder.
    settle
        Minutes after its end at which an hour closes.
    """
    from hourtally import server

    return server.serve(
        server.Serving(
            (home_option or HomeOption()).existing(),
            (now_option or NowOption()).read_ms,
            port=port,
            is_operator=True,
            opens_browser=open,
            rates=rates,
            settle_ms=minutes_ms(settle),
        )
    )


def _tokens_path(tokens: Path | None, home_option: HomeOption | None) -> Path:
    """The tokens file that is named, or that of the home.

    Raises:
        InvalidArgument: the home is in an object store, where two edits at once would lose one.
    """
    from hourtally.store.durable import has_folders

    if tokens is not None:
        return tokens
    home = (home_option or HomeOption()).open()
    if not has_folders(home.root):
        message = f"tokens of {home.place} are kept in a local file: name it with --tokens FILE"
        raise InvalidArgument(message)
    return Path(home.tokens)


def add_token(
    *,
    customer: CustomerId,
    tokens: TokensPath = None,
    home_option: HomeOption | None = None,
    now_option: NowOption | None = None,
) -> int:
    """Create a token for a customer and print it; only its SHA-256 is stored.

    Example: hourtally tokens add --customer acme

    Parameters
    ----------
    tokens
        Tokens file; default: tokens.ndjson in the home folder.
    """
    from hourtally.server import tokens as tokens_file

    path = _tokens_path(tokens, home_option)
    print(tokens_file.add_token(path, customer, (now_option or NowOption()).read_ms()))
    return 0


def list_tokens(
    *,
    tokens: TokensPath = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    home_option: HomeOption | None = None,
) -> int:
    """List the valid tokens: start of the SHA-256, creation time, customer.

    Example: hourtally tokens list

    Parameters
    ----------
    tokens
        Tokens file; default: tokens.ndjson in the home folder.
    json
        Print one JSON document.
    """
    from hourtally.cli.output.json_text import print_json
    from hourtally.cli.output.tables import print_tokens
    from hourtally.server.tokens import read_tokens

    found = read_tokens(_tokens_path(tokens, home_option))
    if json:
        print_json(
            {
                "tokens": [
                    {"sha256": one.sha256, "created": one.created, "customer_id": one.customer}
                    for one in found
                ]
            }
        )
    else:
        print_tokens(found)
    return 0


def remove_token(
    sha256: str, /, *, tokens: TokensPath = None, home_option: HomeOption | None = None
) -> int:
    """Revoke a token; a running server rejects it from then on.

    Example: hourtally tokens remove 5e884898da28

    Parameters
    ----------
    sha256
        Start of its SHA-256, as printed by `hourtally tokens list`.
    tokens
        Tokens file; default: tokens.ndjson in the home folder.
    """
    from hourtally.server import tokens as tokens_file

    removed = tokens_file.remove_token(_tokens_path(tokens, home_option), sha256)
    print(f"hourtally: revoked a token of customer {removed.customer!r}", file=sys.stderr)
    return 0
