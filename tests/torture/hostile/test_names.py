"""Ids, file names and texts that could mislead a path, a terminal or a reader."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.cli.output import progress_bar
from hourtally.published.export.tree import folder_name
from tests.support.command_line import ROOT
from tests.support.quarantine.structure_cases import PLAIN, resource

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
def test_messages_contain_no_control_characters(
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


def test_an_evil_file_name_is_printed_escaped_and_recorded_exactly(
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


def test_progress_prints_file_names_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar.progress_bar("ingesting", "bytes") as advance:
        assert advance is not None
        advance(1, 2, "\x1b]0;owned\x07\u202e[bold]")
    assert "\x1b]0;" not in terminal.getvalue()
    assert "\\u{1b}]0;owned\\u{7}\\u{202e}[bold]" in terminal.getvalue()


# Each is an id of its own, whatever a path, a pattern, SQL or a terminal would make of it.
IDS = [
    *("../../etc/passwd", ".", "..", "...", "/", "//", "a/", "/a", "a/../b", "~", "~root", "-rf"),
    *("a", "A", "caf\u00e9", "cafe\u0301", "\u212a", "K", "\ufb01", "fi", "\u00df", "ss"),
    *("\U0001f600", "\U0001f468\u200d\U0001f469", "\u202egnp.exe", "\u200e", "\u200b", "\ufeff"),
    *("%2F", "%2f", "%252F", "%", "%00", "a%", "*", "?", "[a]", "{a}", "$HOME", "`id`", "$(id)"),
    *(
        "a b",
        " a",
        "a ",
        " ",
        "a.",
        "CON",
        "nul.txt",
        "a:b",
        "a\\b",
        '"',
        "'",
        "'; DROP TABLE x; --",
    ),
    *("=1+1", "@hourtally", "null", "true", "0", "-1", "NaN", "a,b", "a=b", "hour=1", "#", "a;b"),
    *("x" * 256, "\u00e9" * 128, "/" * 256, "%" * 256, "\U0001f600" * 64, "\u2028", "\u00a0"),
]


def test_similar_ids_stay_distinct_in_documents_lists_and_exported_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    home, tree = tmp_path / "home", tmp_path / "tree"
    (home / "inbox").mkdir(parents=True)
    shutil.copy(ROOT / "data" / "rates.toml", home / "rates.toml")
    lines = [
        resource(f"e{n}", customerId=id_, teamId=id_, projectId=id_, resourceId=id_).line
        for n, id_ in enumerate(IDS)
    ]
    (home / "inbox" / "e.ndjson").write_bytes(b"\n".join(lines))
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(home)}
    assert call(["run", "--home", str(home), "--export", str(tree), *NOW]) == 0
    capsysbinary.readouterr()

    # A folder each, one file in each, and nothing but the tree beside the home.
    folders = {path.name for path in tree.iterdir() if not path.name.startswith("@")}
    assert len(folders) == len(set(IDS)) == len(IDS)
    files = [path for path in tree.glob("[!@]*/**/*") if path.is_file()]
    assert sorted(path.parent.name for path in files) == sorted(folders)
    beside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(home)} - before
    assert all(path.is_relative_to(tree) for path in beside)
    exported = {path.parent.name: path.read_bytes() for path in files}
    show = ["show", "2026-11-22T13", "--json", "--home", str(home), *NOW]
    for id_ in IDS:
        assert call([*show, f"--customer={id_}", f"--team={id_}", f"--project={id_}"]) == 0
        shown = capsysbinary.readouterr().out
        [team] = json.loads(shown)["data"]["paasUsage"]["teams"]
        [project] = team["projects"]
        [of_type] = project["resourceTypes"]
        ids = [team["id"], project["id"], of_type["resources"][0]["id"]]
        assert ids == [id_] * 3
        assert exported[folder_name(id_)] + b"\n" == shown
        # For people, nothing that a terminal would obey.
        assert call([*[part for part in show if part != "--json"], f"--customer={id_}"]) == 0
        assert_harmless(capsysbinary.readouterr().out.decode())


@pytest.mark.parametrize("id_", ["", "x" * 257, "a\0b", "\n", "\x7f", "\x85", "\x1b[31m"])
def test_an_invalid_id_is_quarantined_and_rejected_as_an_argument(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], id_: str
) -> None:
    path = tmp_path / "e.ndjson"
    path.write_bytes(resource("e", customerId=id_).line)
    assert call(["ingest", str(path), "--home", str(tmp_path / "home"), *NOW]) == 3
    [kept] = (tmp_path / "home" / "quarantine").iterdir()
    assert json.loads(kept.read_bytes())["rule"] == "bad_identifier"
    capsys.readouterr()
    tokens = str(tmp_path / "tokens")
    assert call(["tokens", "add", f"--customer={id_}", "--tokens", tokens]) == 2
    assert_harmless(capsys.readouterr().err)
