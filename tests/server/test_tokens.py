"""Tokens: created, listed and revoked by commands, stored as SHA-256 only."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from pathlib import Path

import pytest

from hourtally.errors import TokensError
from hourtally.server.tokens import TokensFile, add_token
from tests.support.command_line import hourtally

# SHA-256 of "hello", as sha256sum prints it.
HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def line(customer: str, digest: str) -> str:
    return f'{{"customer":"{customer}","sha256":"{digest}"}}\n'


def test_a_token_is_printed_once_and_only_its_sha256_is_stored(tmp_path: Path) -> None:
    done = hourtally(
        *("tokens", "add", "--customer", "acme", "--home", tmp_path),
        *("--now", "2026-11-22T13:00:00Z"),
    )

    token = done.stdout.removesuffix("\n")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    kept = (tmp_path / "tokens.ndjson").read_text()
    assert json.loads(kept) == {
        "customer": "acme",
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        "created": "2026-11-22T13:00:00Z",
    }
    assert token not in kept + done.stderr
    assert stat.S_IMODE((tmp_path / "tokens.ndjson").stat().st_mode) == 0o600


def test_tokens_are_listed_and_revoked_by_the_start_of_their_sha256(
    tmp_path: Path,
) -> None:
    file = tmp_path / "tokens"
    file.write_text(line("acme", HELLO) + line("globex", "ab" * 32))

    listed = hourtally("tokens", "list", "--tokens", file).stdout.splitlines()
    removed = hourtally("tokens", "remove", "2cf24dba5fb0", "--tokens", file)

    assert [one.split() for one in listed[1:]] == [
        ["2cf24dba5fb0", "acme"],
        ["abababababab", "globex"],
    ]
    assert (removed.returncode, removed.stdout) == (0, "")
    assert "acme" in removed.stderr
    assert file.read_text() == line("globex", "ab" * 32)


def test_an_empty_list_says_how_to_create_a_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("\n")

    done = hourtally("tokens", "list", "--tokens", tmp_path / "tokens")

    assert done.returncode == 0
    assert done.stdout.startswith("No tokens yet")


@pytest.mark.parametrize(
    ("start", "status", "said"),
    [
        ("ffff", 1, "no token has a SHA-256 that starts with 'ffff'"),
        ("2cf2", 2, "2 tokens have a SHA-256 that starts with '2cf2'"),
        ("", 2, "2 tokens have a SHA-256 that starts with ''"),
    ],
)
def test_a_start_that_matches_no_token_or_several_revokes_none(
    tmp_path: Path, start: str, status: int, said: str
) -> None:
    file = tmp_path / "tokens"
    file.write_text(line("acme", HELLO) + line("acme", "2cf2" + "00" * 30))
    before = file.read_bytes()

    done = hourtally("tokens", "remove", start, "--tokens", file)

    assert done.returncode == status
    assert said in done.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("customer", ["a\nb", "a" * 257, "\x7f"])
def test_no_token_is_created_for_an_invalid_customer_id(tmp_path: Path, customer: str) -> None:
    done = hourtally("tokens", "add", "--customer", customer, "--home", tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a customer id" in done.stderr
    assert not (tmp_path / "tokens.ndjson").exists()


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ("acme\n", 1),
        ("[]\n", 1),
        (line("acme", HELLO) + "\n" + line("acme", HELLO.upper()), 3),
        (line("acme", HELLO[1:]), 1),
        (line("acme", HELLO) + line("globex", HELLO), 2),
        (line("", HELLO), 1),
        (f'{{"sha256":"{HELLO}"}}\n', 1),
        (f'{{"customer":1,"sha256":"{HELLO}"}}\n', 1),
    ],
)
def test_a_malformed_line_is_named_and_every_token_is_rejected(
    tmp_path: Path, content: str, number: int
) -> None:
    file = tmp_path / "tokens"
    file.write_text(content)

    done = hourtally("tokens", "list", "--tokens", file)

    assert done.returncode == 1
    assert f"{file}: line {number} " in done.stderr
    with pytest.raises(TokensError):
        TokensFile(file).customer_of(b"hello")


def test_a_token_is_valid_from_adding_to_revoking(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    first = add_token(file, "acme", 0)
    tokens = TokensFile(file)
    assert tokens.customer_of(first.encode()) == "acme"

    second = add_token(file, "globex", 0)
    assert tokens.customer_of(second.encode()) == "globex"
    digest = hashlib.sha256(first.encode()).hexdigest()
    assert hourtally("tokens", "remove", digest, "--tokens", file).returncode == 0

    assert tokens.customer_of(first.encode()) is None
    assert tokens.customer_of(second.encode()) == "globex"


@pytest.mark.parametrize("how", ["written over later", "moved into place with the same times"])
def test_a_token_is_revoked_by_a_file_of_the_same_size(tmp_path: Path, how: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(line("acme", HELLO))
    before = file.stat()
    tokens = TokensFile(file)
    assert tokens.customer_of(b"hello") == "acme"

    if how == "written over later":
        file.write_text(line("acme", "ab" * 32))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    else:
        other = tmp_path / "other"
        other.write_text(line("acme", "ab" * 32))
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.rename(file)
    assert file.stat().st_size == before.st_size

    assert tokens.customer_of(b"hello") is None


def test_the_sha256_of_a_token_is_not_a_token(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(line("acme", HELLO))

    assert TokensFile(file).customer_of(b"hello") == "acme"
    assert TokensFile(file).customer_of(HELLO.encode()) is None


def test_hashes_are_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tokens"
    file.write_text(line("acme", HELLO))
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)

    # compare_digest decides: it says no, so the token is rejected though the hashes are equal.
    assert TokensFile(file).customer_of(b"hello") is None
    assert compared == [(HELLO, HELLO)]
