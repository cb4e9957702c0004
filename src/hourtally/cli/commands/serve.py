"""Commands of the HTTP server: serve, and tokens add, list, remove."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hourtally.cli.options import CustomerId, HomeOption, NowOption
from hourtally.errors import WrongUse

TokensPath = Annotated[Path | None, Parameter(name="--tokens")]


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    tokens: Path | None = None,
    customer: str | None = None,
    place: HomeOption | None = None,
) -> int:
    """Serve published hours over HTTP until SIGTERM or SIGINT; needs hourtally[server].

    Prints its address when it is ready, and a line a request on standard error.

    Example: hourtally serve --customer acme

    Parameters
    ----------
    host
        Address to listen on; without a tokens file only a loopback address.
    port
        Port to listen on; 0: any that is free.
    tokens
        File of the tokens that let customers in; default: tokens.ndjson in the home folder,
        if it is there.
    customer
        Without any tokens file: the customer whose usage everybody on this machine may see.
    """
    from hourtally import server

    home = (place or HomeOption()).open()
    # A link to a file that is away at present counts: nobody is let in with it, but all without.
    if tokens is None and os.path.lexists(home.tokens):
        if customer is not None:
            message = (
                f"{home.tokens}: this tokens file says who may see what, and --customer would let "
                "everybody on this machine in; leave out --customer, or move that file away"
            )
            raise WrongUse(message)
        tokens = home.tokens
    return server.serve(home, host=host, port=port, customer=customer, tokens=tokens)


def add_token(
    *,
    customer: CustomerId,
    tokens: TokensPath = None,
    place: HomeOption | None = None,
    clock: NowOption | None = None,
) -> int:
    """Make a token for a customer and print it; only its SHA-256 is kept.

    Example: hourtally tokens add --customer acme

    Parameters
    ----------
    tokens
        Tokens file; default: tokens.ndjson in the home folder.
    """
    from hourtally.server import tokens as tokens_file

    path = tokens or (place or HomeOption()).open().tokens
    print(tokens_file.add_token(path, customer, (clock or NowOption()).read_ms()))
    return 0


def list_tokens(*, tokens: TokensPath = None, place: HomeOption | None = None) -> int:
    """List the tokens that count: start of the SHA-256, when made, customer.

    Example: hourtally tokens list

    Parameters
    ----------
    tokens
        Tokens file; default: tokens.ndjson in the home folder.
    """
    from hourtally.cli.output.tables import print_tokens
    from hourtally.server.tokens import read_tokens

    print_tokens(read_tokens(tokens or (place or HomeOption()).open().tokens))
    return 0


def remove_token(
    sha256: str, /, *, tokens: TokensPath = None, place: HomeOption | None = None
) -> int:
    """Take a token back; a running server lets nobody in with it from then on.

    Example: hourtally tokens remove 5e884898da28

    Parameters
    ----------
    sha256
        The start of its SHA-256, as `hourtally tokens list` prints it.
    tokens
        Tokens file; default: tokens.ndjson in the home folder.
    """
    from hourtally.server import tokens as tokens_file

    removed = tokens_file.remove_token(tokens or (place or HomeOption()).open().tokens, sha256)
    print(f"hourtally: a token of customer {removed.customer!r} was taken back", file=sys.stderr)
    return 0
