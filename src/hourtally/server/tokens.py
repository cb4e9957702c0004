"""The tokens file: which bearer token belongs to which customer.

One JSON object per line, one line per token:

    {"customer": "acme", "sha256": "5e88…", "created": "2026-11-22T13:00:00Z"}

It stores the SHA-256 of a token only, so reading the file gives no access. Tokens are 256 random
bits, which cannot be guessed, so a plain hash without salt or stretching is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hourtally.errors import InvalidArgument, NotFound, TokensError
from hourtally.model.hours import format_instant
from hourtally.store.durable import replace_file, storage_faults
from hourtally.store.locking import locked_folder

_FILE_MODE = 0o600
_RANDOM_BYTES = 32
# Lets secret scanners recognise a leaked token.
_PREFIX = "hourtally_"
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
# No control characters, and no lone surrogates, which stand for arguments that are not UTF-8.
_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_MAX_CUSTOMER_BYTES = 256
_INDEXED_DIGITS = 16


class Token(NamedTuple):
    """A valid token: its customer, its SHA-256 in hex, when it was created ("" if unknown)."""

    customer: str
    sha256: str
    created: str


class TokensFile:
    """The tokens that are valid now: the file is read again whenever it has changed.

    While it cannot be read every token is rejected: a revoked token must not stay valid because
    of a typo in the line above it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, ...] | None = None
        self._problem: str | None = None
        self._by_start: dict[str, list[Token]] = {}

    def customer_of(self, token: bytes) -> str | None:
        """The customer of a token; None if the token is invalid.

        Raises:
            TokensError: the file cannot be read or a line of it is wrong.
        """
        self._reload()
        if self._problem is not None:
            raise TokensError(self._problem)
        digest = hashlib.sha256(token).hexdigest()
        # A client cannot choose the digest of its token, so the time of the lookup reveals
        # nothing; the whole digests are compared in constant time.
        for known in self._by_start.get(digest[:_INDEXED_DIGITS], ()):
            if hmac.compare_digest(known.sha256, digest):
                return known.customer
        return None

    def _reload(self) -> None:
        """Read the file again if it has changed."""
        state: tuple[int, ...] = ()
        with suppress(OSError):
            status = self._path.stat()
            state = (status.st_mtime_ns, status.st_size, status.st_ino)
        if state == self._state:
            return
        tokens: list[Token] = []
        self._problem = None
        try:
            tokens = read_tokens(self._path)
        except TokensError as error:
            self._problem = str(error)
        self._by_start = {}
        for token in tokens:
            self._by_start.setdefault(token.sha256[:_INDEXED_DIGITS], []).append(token)
        self._state = state


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a file, in file order.

    Raises:
        TokensError: the file cannot be read, or a line is malformed; names the line.
    """
    return [token for _, token in _parsed(path, _read_lines(path))]


def add_token(path: Path, customer: str, now_ms: int) -> str:
    """Create a token and add its SHA-256 to the file, which is created if needed.

    Returns:
        The token, which is stored nowhere.

    Raises:
        InvalidArgument: the customer id is invalid.
        TokensError: the file has a malformed line.
    """
    check_customer(customer)
    token = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    digest = hashlib.sha256(token.encode()).hexdigest()
    record = {"customer": customer, "sha256": digest, "created": format_instant(now_ms)}
    line = json.dumps(record, ensure_ascii=False)
    _edit(path, lambda lines: [*lines, line], may_be_new=True)
    return token


def remove_token(path: Path, sha256_start: str) -> Token:
    """Revoke a token.

    Args:
        path: the tokens file.
        sha256_start: enough of its SHA-256 to tell it from the others.

    Raises:
        InvalidArgument: several tokens match.
        NotFound: no token matches.
        TokensError: the file has a malformed line.
    """
    removed: list[Token] = []

    def without(lines: list[str]) -> list[str]:
        found = [(i, t) for i, t in _parsed(path, lines) if t.sha256.startswith(sha256_start)]
        if not found:
            message = f"{path}: no token has a SHA-256 that starts with {sha256_start!r}"
            raise NotFound(message)
        if len(found) > 1 or not sha256_start:
            message = (
                f"{len(found)} tokens have a SHA-256 that starts with {sha256_start!r}; "
                "give more digits"
            )
            raise InvalidArgument(message)
        [(index, token)] = found
        removed.append(token)
        return lines[:index] + lines[index + 1 :]

    _edit(path, without, may_be_new=False)
    return removed[0]


def check_customer(customer: str) -> None:
    """Check a customer id (contract, section 2).

    Raises:
        InvalidArgument: it is not 1 to 256 bytes of UTF-8, or has control characters.
    """
    if not _ID.fullmatch(customer) or len(customer.encode()) > _MAX_CUSTOMER_BYTES:
        message = (
            f"{customer!r} is not a customer id: use 1 to {_MAX_CUSTOMER_BYTES} bytes of UTF-8 "
            "without control characters"
        )
        raise InvalidArgument(message)


def _edit(path: Path, change: Callable[[list[str]], list[str]], *, may_be_new: bool) -> None:
    """Replace the lines of the file; one process at a time."""
    with (
        storage_faults(path, "writing the tokens file", "another file"),
        locked_folder(path.absolute().parent),
    ):
        lines = [] if may_be_new and not path.exists() else _read_lines(path)
        _parsed(path, lines)
        content = "".join(f"{line}\n" for line in change(lines))
        replace_file(path, content.encode(), mode=_FILE_MODE)


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError:
        message = f"{path}: no such tokens file; create it with `hourtally tokens add`"
        raise TokensError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        message = f"{path}: the tokens file cannot be read: {reason}"
        raise TokensError(message) from error


def _parsed(path: Path, lines: list[str]) -> list[tuple[int, Token]]:
    """The tokens with the indices of their lines."""
    found: dict[str, tuple[int, Token]] = {}
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        token = _parse(line)
        if token is None or token.sha256 in found:
            problem = "is malformed" if token is None else "repeats the SHA-256 of an earlier line"
            message = (
                f"{path}: line {index + 1} {problem}; every token is rejected until it is fixed. "
                'Expected {"customer": "<id>", "sha256": "<64 hex digits>", "created": "<when>"}'
            )
            raise TokensError(message)
        found[token.sha256] = (index, token)
    return list(found.values())


def _parse(line: str) -> Token | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    customer, digest, created = (record.get(n, "") for n in ("customer", "sha256", "created"))
    if not (isinstance(customer, str) and isinstance(digest, str) and isinstance(created, str)):
        return None
    try:
        check_customer(customer)
    except InvalidArgument:
        return None
    return Token(customer, digest, created) if _DIGEST.fullmatch(digest) else None
