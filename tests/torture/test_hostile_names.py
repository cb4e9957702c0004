"""Ids, names of files and texts that would lead a path, a terminal or a reader astray."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from hourtally import progress
from hourtally.cli import call
from tests.quarantine_lines import PLAIN

NOW = ("--now", "2026-11-22T15:00:00Z")
# Escape, a line break with a line of its own, C1's CSI, a right-to-left override, a NEL.
EVIL = "x\x1b[31m\nhourtally: all is well\x9b\u202e\x85"
SHOWN = "x\\u{1b}[31m\\u{a}hourtally: all is well\\u{9b}\\u{202e}\\u{85}"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def assert_harmless(said: str) -> None:
    assert said
    assert all(c == "\n" or c.isprintable() for c in said), ascii(said)
    assert not any(line.startswith("hourtally: all is well") for line in said.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", f"{EVIL}.ndjson"],
        ["ingest", f"{EVIL}.txt"],
        ["ingest", f"{EVIL}.ndjson.gz"],
        ["rates", "check", f"{EVIL}.toml"],
        ["run", "--home", EVIL],
        ["show", EVIL, "--customer", "acme"],
        ["show", "2026-11-22T13", "--customer", "acme", "--now", EVIL],
        ["ingest", f"--{EVIL}", "x"],
        [EVIL],
        ["serve", "--host", EVIL, "--customer", "acme"],
        ["tokens", "list", "--tokens", EVIL],
    ],
    ids=lambda arguments: arguments[0][:10] + str(len(arguments)),
)
def test_a_message_has_no_character_that_a_terminal_would_obey(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[-1].endswith(".gz"):
        Path(arguments[-1]).write_bytes(b"no gzip")

    assert call(arguments) in {1, 2}
    out, err = capsys.readouterr()
    assert out == ""
    assert_harmless(err)


def test_a_file_of_an_evil_name_is_told_visibly_and_recorded_exactly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{EVIL}.ndjson"
    path.write_bytes(PLAIN.line + b"\nhello\n")
    assert call(["ingest", str(path), "--home", str(tmp_path / "home"), *NOW]) == 3
    out, err = capsys.readouterr()
    assert_harmless(out)
    assert SHOWN in out
    assert err == ""
    [kept] = (tmp_path / "home" / "quarantine").iterdir()
    assert json.loads(kept.read_bytes())["file"] == str(path)


def test_progress_shows_the_name_of_a_file_visibly(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.shown("ingesting", "bytes") as advance:
        assert advance is not None
        advance(1, 2, "\x1b]0;owned\x07\u202e[bold]")
    assert "\x1b]0;" not in terminal.getvalue()
    assert "\\u{1b}]0;owned\\u{7}\\u{202e}[bold]" in terminal.getvalue()
