"""Every schema is that of real output, and every real output has a schema."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hourtally.cli.app import app, call
from hourtally.model.json_schemas import schema_names, schema_text
from hourtally.published.export import export_hours
from hourtally.store.layout import Home
from tests.support.command_line import ROOT
from tests.support.homes import eventful_home as eventful
from tests.support.homes.golden_hour import FIRST_FILE, SECOND_FILE
from tests.support.json_schemas import assert_valid, problems

NOW = ["--now", eventful.NOW]
HOUR = "2026-11-22T13"
ACME = ["--customer", "acme"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return eventful.eventful_home(tmp_path)


@pytest.fixture
def late(home: Home, tmp_path: Path) -> Path:
    """An event file that is not ingested yet, with a line for quarantine."""
    path = tmp_path / "late.ndjson"
    event = eventful.resource("l", "14:00:00", "15:00:00", "acme", "late", cpuMillicores=3, odd=1)
    path.write_text(f"{event}\n{{}}\n")
    home.inbox.mkdir()
    (home.inbox / "later.ndjson").write_text(event.replace('"l"', '"m"') + "\n[]\n")
    (home.inbox / "notes.txt").write_text("")
    # Of clusters it has no rate, so globex would be held.
    other = home.rates.read_text().replace('"1200"', '"1440"')
    (home.root / "other.toml").write_text(other[: other.index('\n[[rate]]\nid = "cluster"')])
    return path


CASES: list[tuple[str, list[str], int]] = [
    ("ingest", ["ingest", "{late}", *NOW], 3),
    ("ingest", ["ingest", "{late}", "--again", *NOW], 3),
    ("withdraw", ["withdraw", "{home}/first.ndjson", "--reason", "x", *NOW], 0),
    ("run", ["run", *NOW, "--export", "{home}/tree"], 1),
    ("run", ["run", *NOW, "--rates", "{home}/nothing.toml"], 1),
    ("backfill", ["backfill", "--from", HOUR, "--to", "2026-11-22T16", "--force", *NOW], 1),
    ("backfill", ["backfill", "--from", HOUR, "--to", "2026-11-22T16", *NOW], 1),
    (
        "backfill",
        ["backfill", "--from", HOUR, "--to", "2026-11-22T16", "--force", "--dry-run", *NOW],
        0,
    ),
    ("status", ["status", *NOW], 0),
    ("status", ["status", "--hours", *NOW], 0),
    ("status", ["status", "--rates", "{home}/nothing.toml", *NOW], 1),
    ("prune", ["prune", "--keep", "1", *NOW], 0),
    ("withdraw", ["withdraw", "{home}/nothing.ndjson", "--reason", "x", *NOW], 1),
    ("tokens", ["tokens", "list", "--tokens", "{home}/first.ndjson"], 1),
    ("rates-at", ["rates", "at", "2026-11-22", "--rates", "{home}/first.ndjson"], 1),
    ("rates-diff", ["rates", "diff", "{home}/rates.toml", "{home}/nothing.toml"], 1),
    ("export", ["export", "{home}/first.ndjson"], 1),
    ("document", ["show", HOUR, *ACME, *NOW], 0),
    ("document", ["show", HOUR, *ACME, "--type", "service", *NOW], 0),
    ("usage", ["show", HOUR, *ACME, "--usage", *NOW], 0),
    ("usage", ["show", HOUR, "--customer", "globex", "--usage", *NOW], 0),
    ("usage", ["show", HOUR, *ACME, "--project", "shop", "--usage", *NOW], 0),
    ("rates-check", ["rates", "check", "{home}/rates.toml", "--from", HOUR, *NOW], 1),
    ("rates-check", ["rates", "check", "{home}/first.ndjson", *NOW], 1),
    ("rates-at", ["rates", "at", "2026-11-22", "--rates", "{home}/rates.toml"], 0),
    ("rates-diff", ["rates", "diff", "{home}/rates.toml", "{home}/other.toml"], 0),
    (
        "rates-preview",
        [
            *("rates", "preview", "{home}/other.toml", "--by", "resource", *NOW),
            *("--from", HOUR, "--to", "2026-11-22T16"),
        ],
        0,
    ),
    ("list", ["list"], 0),
    ("list", ["list", *ACME, "--from", "2026-11-22T10", "--to", "2026-11-22T20"], 0),
    ("list", ["list", "--by", "resource", "--granularity", "day", "--units", "currency"], 0),
    ("list", ["list", "--by", "team", "--type", "service"], 0),
    ("sql", ["sql", "FROM charges"], 0),
    ("sql", ["sql", "FROM batches"], 0),
    ("sql", ["sql", "--out", "{home}/out.duckdb"], 0),
    ("sql", ["sql", "SELECT CAST(customer_id AS INT) FROM customers"], 1),
    ("explain", ["explain", HOUR, *ACME, "--resource", "api", *NOW], 0),
    ("explain", ["explain", HOUR, *ACME, "--resource", "gone", *NOW], 0),
    ("explain", ["explain", HOUR, "--customer", "globex", "--resource", "k1", *NOW], 0),
    ("explain", ["explain", HOUR, "--customer", "initech", "--resource", "gpu", *NOW], 1),
    ("explain", ["explain", HOUR, *ACME, "--resource", "nothing", *NOW], 1),
    ("diff", ["diff", HOUR, *NOW], 0),
    ("diff", ["diff", "2026-11-22T10", *NOW], 1),
    ("verify", ["verify"], 0),
    ("verify", ["verify", "--from-files"], 0),
    ("verify", ["verify", "--from", "2027-01-01"], 1),
    ("export", ["export", "{home}/tree"], 0),
    ("tokens", ["tokens", "list"], 0),
]


def document_of(text: bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.parametrize(("schema", "arguments", "status"), CASES, ids=lambda one: str(one))
def test_what_a_command_prints_is_as_its_schema_says(
    home: Home,
    late: Path,
    schema: str,
    arguments: list[str],
    status: int,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    given = [
        one.replace("{home}", str(home.root)).replace("{late}", str(late)) for one in arguments
    ]
    if schema == "tokens":
        call(["tokens", "add", *ACME, "--home", str(home.root)])
        capfdbinary.readouterr()
    assert call([*given, "--json", "--home", str(home.root)]) == status
    assert_valid(schema, document_of(capfdbinary.readouterr().out))


def test_an_error_is_a_document_but_wrong_use_and_show_print_none(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    at = ["--home", str(home.root)]
    assert call(["list", "--json", "--home", str(home.root / "nowhere")]) == 1
    printed = json.loads(capfd.readouterr().out)
    assert printed["exit_status"] == 1
    assert printed["error"].endswith("no such home folder; give --home or set HOURTALLY_HOME")
    for wrong, status in (
        (["show", HOUR, "--customer", "initech", "--json"], 1),
        (["list", "--json", "--csv"], 2),
        (["list", "--json", "--by", "nothing"], 2),
    ):
        assert call([*wrong, *at]) == status
        assert capfd.readouterr().out == ""


def test_every_command_with_json_has_a_case_here() -> None:
    cases = {tuple(arguments[:2]) for _, arguments, _ in CASES} | {
        tuple(arguments[:1]) for _, arguments, _ in CASES
    }
    with_json: list[tuple[str, ...]] = []
    for name in app.resolved_commands():
        if name.startswith("-"):
            continue
        group = app[name]
        inner = [one for one in group.resolved_commands() if not one.startswith("-")]
        commands: list[tuple[str, ...]] = [(name, one) for one in inner] or [(name,)]
        for command in commands:
            shown = app
            for part in command:
                shown = shown[part]
            arguments = shown.assemble_argument_collection()
            if any("--json" in argument.names for argument in arguments):
                with_json.append(command)
    assert [one for one in with_json if one not in cases] == []
    assert len(with_json) >= 18


def test_every_schema_of_a_command_has_a_case_here() -> None:
    files = {"event", "held", "manifest", "quarantined", "record"}
    assert set(schema_names()) - files == {schema for schema, _, _ in CASES}


@pytest.mark.parametrize("name", schema_names())
def test_the_command_prints_the_schema(
    name: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert call(["schema", name]) == 0
    printed = json.loads(capsysbinary.readouterr().out)
    assert printed == json.loads(schema_text(name))
    assert printed["$id"] == f"hourtally:{name}"
    assert printed["title"]


def test_an_unknown_schema_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["schema", "nothing"]) == 2
    assert "there are document, event" in capsys.readouterr().err


def test_the_help_names_every_schema(capsys: pytest.CaptureFixture[str]) -> None:
    call(["schema", "--help"])
    text = capsys.readouterr().out
    assert [name for name in schema_names() if name not in text] == []


def test_stored_files_are_as_their_schemas_say(home: Home) -> None:
    manifests = [p for p in home.hours.glob("*/*.json") if p.stem.isdigit()]
    assert len(manifests) == 4
    for path in manifests:
        assert_valid("manifest", json.loads(path.read_bytes()))
    records = list(home.batches.glob("*.json"))
    assert len(records) == 4
    for path in records:
        assert_valid("record", json.loads(path.read_bytes()))
    lines = [line for p in home.quarantine("x").parent.iterdir() for line in lines_of(p)]
    assert len(lines) == 1
    for line in lines:
        assert_valid("quarantined", json.loads(line))
    documents = [line for p in home.hours.glob("*/rev-*/documents.ndjson") for line in lines_of(p)]
    assert documents
    for line in documents:
        assert_valid("document", json.loads(line)["document"])
    of_usage = [line for p in home.hours.glob("*/rev-*/usage.ndjson") for line in lines_of(p)]
    assert len(of_usage) == len(documents)
    for line in of_usage:
        assert_valid("usage", json.loads(line)["document"])
    tree = home.root / "tree"
    from hourtally.published.reader import published_hours

    export_hours(home, tree, published_hours(home))
    held = (tree / "@held.ndjson").read_text().splitlines()
    assert len(held) == 1
    assert_valid("held", json.loads(held[0]))


def test_events_that_are_ingested_are_as_the_schema_says() -> None:
    good = [*FIRST_FILE, *SECOND_FILE, *(line.encode() for line in eventful.SECOND)]
    sample = ROOT / "data" / "sample" / "inbox"
    good += [line for p in sorted(sample.glob("*.ndjson")) for line in p.read_bytes().splitlines()]
    events = [json.loads(line) for line in good if line.startswith(b'{"')]
    assert len(events) > 40
    wrong = [event for event in events if problems("event", event)]
    # The sample has one line that is bad on purpose.
    assert len(wrong) <= 1


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"type": "metering.other.v1"},
        {"data": None},
        {"data": {"customerId": ""}},
        {"data": {"customerId": None}},
        {"data": {"resourceType": "server"}},
        {"data": {"cpuMillicores": 1.5}},
        {"data": {"cpuMillicores": -1}},
        {"data": {"cpuMillicores": 10**10 + 1}},
        {"data": {"gpuMilli": 1}},
        {"data": {"gpuCapacity": "reserved"}},
    ],
    ids=str,
)
def test_events_that_break_a_rule_are_not(change: dict[str, Any]) -> None:
    event = json.loads(eventful.FIRST[0])
    assert problems("event", event) == []
    data = change.pop("data", {})
    broken = {**event, **change, "data": data and {**event["data"], **data}}
    assert problems("event", broken) != []
