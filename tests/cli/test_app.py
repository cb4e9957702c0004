"""Every command: help, documentation, exit statuses, no tracebacks."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from hourtally.cli.app import app, call
from tests.support.command_line import NOW, ROOT, hourtally

COMMANDS = [
    [name]
    for name in app.resolved_commands()
    if not name.startswith("-") and name not in {"rates", "tokens"}
] + [
    *(["rates", name] for name in ("check", "preview", "diff", "at")),
    *(["tokens", name] for name in ("add", "list", "remove")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_and_describes_every_parameter(
    command: list[str],
) -> None:
    done = hourtally(*command, "--help")
    assert done.returncode == 0
    assert f"Example: hourtally {' '.join(command)}" in done.stdout
    boxed = [line.strip("│ *") for line in done.stdout.splitlines() if line.startswith("│")]
    parameters = [line for line in boxed if re.match("--[a-z]|[A-Z]{3}", line)]
    assert parameters
    # Its name, its type, and after at least two blanks a sentence.
    undescribed = [one for one in parameters if not re.fullmatch(r"\S+( [A-Z]+)?  +[A-Z].*", one)]
    assert undescribed == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_is_documented(command: list[str]) -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    documentation = "\n".join(page.read_text() for page in pages)
    assert re.search(rf"\bhourtally {' '.join(command)}\b", documentation)


@pytest.mark.parametrize("group", ["rates", "tokens"])
def test_every_group_of_commands_has_help_with_an_example(group: str) -> None:
    done = hourtally(group, "--help")
    assert done.returncode == 0
    assert f"Example: hourtally {group} " in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing-of-the-kind"],
        ["ingest"],
        ["backfill", "--from", "2026-11-02T09"],
        ["backfill", "--from", "yesterday", "--to", "2026-11-02T09"],
        ["backfill", "--from", "2026-11-02T09", "--to", "2026-11-02T09"],
        ["backfill", "--from", "2026-11-02T09", "--to", "2026-11-02T10", "--workers", "0"],
        ["run", "--now", "noon"],
        ["run", "--settle", "-1"],
        # There is no Prefect server named here.
        ["schedule"],
        ["show", "1793610001", "--customer", "acme"],
        ["show", "2026-11-02T09"],
        ["show", "2026-11-02T09", "--customer", "acme", "--unknown"],
        ["show", "2026-11-02T09", "--customer", "acme", "--type", "server"],
        ["diff", "2026-11-02T09", "1"],
    ],
    ids=" ".join,
)
def test_wrong_use_gives_a_message_and_exit_status_2(tmp_path: Path, arguments: list[str]) -> None:
    home = [] if arguments[0] == "nothing-of-the-kind" else ["--home", str(tmp_path)]
    done = hourtally(*arguments, *home)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hourtally: ")


@pytest.mark.parametrize(
    ("arguments", "said", "helped"),
    [
        (["show", "2026-11-02T09"], "--customer is missing.", "show "),
        (["show", "--customer", "acme"], "HOUR is missing.", "show "),
        (["show", "2026-11-02T09", "--customer"], "--customer needs a value.", "show "),
        (
            ["show", "2026-11-02T09", "--custmer", "acme"],
            "--customer is missing. Did you mean --customer instead of --custmer?",
            "show ",
        ),
        (["tokens", "add"], "--customer is missing.", "tokens add "),
        (
            ["rates", "nix"],
            'Unknown command "nix". Available commands: check, preview, diff, at.',
            "rates ",
        ),
        (["list", "acme"], "Unexpected argument: 'acme'.", "list "),
        (
            ["diff", "2026-11-02T09", "x"],
            'Invalid value for FIRST: "x" is not a whole number.',
            "diff ",
        ),
        (
            ["run", "--settle", "x"],
            'Invalid value for --settle: "x" is not a number.',
            "run ",
        ),
        (["--nix"], 'Unknown command "--nix". Available commands: demo, ingest', ""),
        (
            ["--home", "data", "status"],
            'Unknown command "--home". Available commands: demo, ingest, withdraw, run, schedule, '
            "backfill, status, prune, ... Options come after the command: "
            "hourtally COMMAND --option.",
            "",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_missing_argument_is_named_with_the_help_to_read(
    arguments: list[str], said: str, helped: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"hourtally: {said}")
    assert lines[1:] == [f"  See hourtally {helped}--help."]


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "2026-11-02T09", "--customer", ""],
        ["explain", "2026-11-02T09", "--customer=", "--resource", "api"],
        ["list", "--customer", ""],
        ["export", "tree", "--customer", ""],
        ["tokens", "add", "--customer", ""],
    ],
    ids=" ".join,
)
def test_an_empty_id_is_refused_as_of_a_shell_variable_that_is_not_set(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(arguments) == 2
    said = capsys.readouterr().err
    assert said == "hourtally: --customer is empty: give an id, exactly as in the events\n"


@pytest.mark.parametrize("text", ["yesterday", "2026-11", "2026-11-22T24", "2026-11-22T13:30"])
def test_an_invalid_hour_is_rejected_with_the_valid_forms(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["show", text, "--customer", "acme"]) == 2
    assert capsys.readouterr().err == (
        f"hourtally: {text!r} is not an hour: use 2026-11-22T13, 2026-11-22, 2026-11-22T13:00:00Z "
        "or Unix seconds\n"
    )


@pytest.mark.parametrize(
    ("command", "usage"),
    [("ingest", "[OPTIONS] FILES..."), ("diff", "[OPTIONS] HOUR [FIRST SECOND]")],
)
def test_the_usage_line_names_arguments_as_the_help_does(command: str, usage: str) -> None:
    help_lines = hourtally(command, "--help").stdout.splitlines()
    assert help_lines[0] == f"Usage: hourtally {command} {usage}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "rates.toml"),
        (["backfill", "--from", "2026-11-02T09", "--to", "2026-11-02T10"], "rates.toml"),
        (["ingest", "/no/such/file.ndjson"], "no such file"),
        (["ingest", str(ROOT / "README.md")], "its name does not end in"),
        (["show", "2026-11-02T09", "--customer", "acme"], "was never built"),
        (["show", "2026-11-22T01", "--customer", "acme"], "in the future"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_gives_a_message_and_exit_status_1(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = hourtally(*arguments, "--home", tmp_path, "--now", NOW)
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "2026-11-02T09", "--customer", "acme"],
        ["list", "--customer", "acme"],
        ["export", "{tree}"],
        ["explain", "2026-11-02T09", "--customer", "acme", "--resource", "api"],
        ["diff", "2026-11-02T09"],
        ["status"],
        ["verify"],
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_a_missing_home_is_named_and_not_created(tmp_path: Path, arguments: list[str]) -> None:
    tree, nowhere = tmp_path / "tree", tmp_path / "nowhere"
    done = hourtally(*(a.format(tree=tree) for a in arguments), "--home", nowhere)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"hourtally: {nowhere}: no such home folder; give --home or set HOURTALLY_HOME\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_all_problems_of_a_rate_card_are_listed(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        'currency = "USD"\n'
        '[[rate]]\nid = "a"\nmeter = "paas.cpu"\nprice_cents = 1.5\nper = "vcpu-hour"\n'
        "active_from = 2026-01-01T00:00:00Z\n"
        '[[rate]]\nid = "b"\nmeter = "paas.cpus"\nprice_cents = "1"\nper = "vcpu-hour"\n'
        "active_from = 2026-01-01T00:00:00Z\n"
    )
    done = hourtally("rates", "check", wrong)
    assert (done.returncode, done.stdout) == (1, "")
    assert "2 problems" in done.stderr
    assert "a" in done.stderr
    assert "paas.cpus" in done.stderr


def test_a_missing_rate_card_is_named_with_the_way_to_choose_another(
    tmp_path: Path,
) -> None:
    none = tmp_path / "none.toml"
    why = f"hourtally: {none}: the rate card cannot be read: No such file or directory"
    checked = hourtally("rates", "check", none)
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr == f"{why}; put a card there, or name another FILE\n"
    run = hourtally("run", "--home", tmp_path, "--rates", none)
    assert run.stderr == f"{why}; put a card there, or name another with --rates FILE\n"


def test_the_rates_of_a_valid_card_are_printed() -> None:
    done = hourtally("rates", "check", ROOT / "data" / "rates.toml", "--now", NOW)
    assert done.returncode == 0
    assert "paas-cpu-2025" in done.stdout
    assert "1200 cents per vcpu-month" in done.stdout


def test_quarantined_lines_give_exit_status_3_also_where_they_are_skipped(tmp_path: Path) -> None:
    inbox = ROOT / "data" / "sample" / "inbox"
    first = hourtally("ingest", inbox, "--home", tmp_path, "--now", NOW)
    assert first.returncode == 3
    assert "see quarantine/ddf63842213b6287.ndjson" in first.stdout
    again = hourtally("ingest", inbox, "--home", tmp_path, "--now", NOW)
    assert again.returncode == 3
    assert again.stdout.count("already ingested, skipped") == 7


def test_a_folder_without_event_files_is_named_with_the_accepted_suffixes(tmp_path: Path) -> None:
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    other.mkdir()
    (other / "events.csv").touch()
    done = hourtally("ingest", empty, other, "--home", tmp_path / "home", "--now", NOW)
    assert (done.returncode, done.stdout) == (1, "")
    suffixes = ".ndjson, .jsonl or .json (also with .gz or .zst), or .parquet"
    reason = (
        f"rejected, none of its events count: it has no event files, whose names end in {suffixes}"
    )
    assert done.stderr.splitlines() == [
        f"hourtally: {empty}: {reason}",
        f"hourtally: {other}: {reason}; passed over: 1, such as {other / 'events.csv'}",
    ]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_home_without_write_permission_is_named_with_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    def refused(folder: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(folder))

    monkeypatch.setattr(Path, "mkdir", refused)
    inbox = str(ROOT / "data" / "sample" / "inbox")
    home = tmp_path / "home"
    assert call(["ingest", inbox, "--home", str(home), "--now", NOW]) == 1
    assert capsys.readouterr().err == (
        f"hourtally: {home}: ingesting failed: {os.strerror(number)}. Everything published before "
        "is intact; give this user permission, or use another --home, then run the same command "
        "again.\n"
    )
