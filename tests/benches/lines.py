"""The lines of the benchmark: what each measures, and the bounds that it is held to."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.benches.bench import (
    FIRST_HOUR,
    FIRST_TIMESTAMP,
    Bench,
    Input,
    backfill,
    events_of,
    floor,
    fresh_home,
    hourtally,
    sql,
    usual,
)
from tests.benches.measure import Command, CommandFailed
from tests.benches.report import Growth, Row, Stage
from tests.benches.work_lines import WORK_LINES

MILLION = 1_000_000
_CUSTOMER = "customer-000000"


def build(bench: Bench) -> list[Row]:
    """An hour of 10 million events that came as one batch."""
    home = bench.home(_hour_of_10_million(bench))
    documents = bench.scratch / "documents.ndjson"
    measured, read, script = bench.measure(
        Command("build 10 M events", [backfill(home)], bench.forget_builds(home)),
        Command("(a) of 10 M events", [floor(home, documents)]),
        Command("(b) of 10 M events", [_documents_sql("slices.sql", events_of(home), documents)]),
    )
    _check(bench, home, documents)
    what = "an hour of 10 M events in one batch"
    return [
        Row("build", what, measured.seconds, script.seconds, "(b):", 0.15),
        Row("build", what, measured.seconds, read.seconds, "(a):", 3.5),
        Row("build", "its memory", measured.peak_gb, 1.5, "allowed:", 1, "GB"),
    ]


def batches(bench: Bench) -> list[Row]:
    """The same events in 60 batches, each with 1 % of the events of the one before it."""
    once = bench.home(_hour_of_10_million(bench))
    home = bench.home(usual(bench.scaled(10 * MILLION), files=60, resent=True))
    one, sixty = bench.measure(
        Command("build 10 M events, 1 batch", [backfill(once)], bench.forget_builds(once)),
        Command("build 10 M events, 60 batches", [backfill(home)], bench.forget_builds(home)),
    )
    if _documents_digest(once) != _documents_digest(home):
        message = f"{home}: the documents are not those of the same events in one batch"
        raise CommandFailed(message)
    what = "the same in 60 batches, 1 % sent twice"
    return [Row("batches", what, sixty.seconds, one.seconds, "one batch:", 1.5)]


def ingest(bench: Bench) -> list[Row]:
    """NDJSON into the event store, beside DuckDB's bare copy of it."""
    lines = bench.lines(usual(bench.scaled(MILLION)))
    measured, copy = bench.measure(
        _ingest(bench, "ingest 1 M lines", lines),
        Command(
            "(c) of 1 M lines",
            [
                sql(
                    "columns.sql",
                    "copy.sql",
                    events=lines,
                    parquet=bench.scratch / "copy.parquet",
                )
            ],
        ),
    )
    return [
        Row("ingest", "1 M lines of NDJSON", measured.seconds, copy.seconds, "(c):", 2),
        Row("ingest", "its memory", measured.peak_gb, 1, "allowed:", 1, "GB"),
    ]


def ingest_large(bench: Bench) -> list[Row]:
    """Ten times the lines in ten times the time, in the same memory."""
    few, many = bench.measure(
        _ingest(bench, "ingest 1 M lines", bench.lines(usual(bench.scaled(MILLION)))),
        _ingest(bench, "ingest 10 M lines", bench.lines(usual(bench.scaled(10 * MILLION)))),
    )
    return [
        Row("ingest-large", "10 M lines of NDJSON", many.seconds, few.seconds, "1 M lines:", 10.5),
        Row("ingest-large", "its memory", many.peak_gb, 1, "allowed:", 1, "GB"),
    ]


def whole(bench: Bench) -> list[Row]:
    """From NDJSON to documents: two commands of ours, one script."""
    lines = bench.lines(usual(bench.scaled(MILLION)))
    ingesting = _ingest(bench, "ingest 1 M lines and build", lines)
    home = bench.scratch / "home"
    documents = bench.scratch / "documents.ndjson"
    measured, script = bench.measure(
        Command(ingesting.name, [*ingesting.steps, backfill(home)], ingesting.before),
        Command(
            "(b) of 1 M lines",
            [_documents_sql("columns.sql", "lines.sql", str(lines), documents)],
        ),
    )
    _check(bench, home, documents)
    what = "1 M lines of NDJSON to documents"
    return [Row("whole", what, measured.seconds, script.seconds, "(b):", 1.3)]


def build_large(bench: Bench) -> list[Row]:
    """An hour of 50 million events, which came as five batches."""
    home = bench.home(usual(bench.scaled(50 * MILLION), files=5))
    (measured,) = bench.measure(
        Command("build 50 M events", [backfill(home)], bench.forget_builds(home))
    )
    what = "memory for an hour of 50 M events"
    return [Row("build-large", what, measured.peak_gb, 1.5, "allowed:", 1, "GB")]


def backfills(bench: Bench) -> list[Row]:
    """720 hours of 20,000 events, beside one hour of all those events."""
    hours = bench.scaled(720)
    many = bench.home(usual(hours * 20_000, hours=hours))
    one = bench.home(usual(hours * 20_000))
    to = _hour_after(hours)
    serial, parallel, single = bench.measure(
        Command("backfill 720 hours", [backfill(many, to=to)], bench.forget_builds(many)),
        Command(
            "backfill 720 hours, 2 workers",
            [backfill(many, "--workers", "2", to=to)],
            bench.forget_builds(many),
        ),
        Command("build all of it as one hour", [backfill(one)], bench.forget_builds(one)),
    )
    overhead_ms = (serial.seconds - single.seconds) / hours * 1_000
    return [
        Row("backfill", "an hour more, its events aside", overhead_ms, 40, "allowed:", 1, "ms"),
        Row(
            "backfill",
            "720 hours by 2 workers",
            parallel.seconds,
            serial.seconds,
            "one:",
            round(1 / 1.6, 3),
        ),
    ]


def staleness(bench: Bench) -> list[Row]:
    """A year of hours: finding out whether a card makes any of them stale."""
    hours = bench.scaled(8_760)
    home = bench.home(Input(20 * hours, resources=10, customers=5, hours=hours))
    to = _hour_after(hours)
    bench.say(f"building {hours} hours")
    bench.do(*backfill(home, "--workers", "2", to=to))
    rates = (home / "rates.toml").read_text()
    # Allowed seconds, and the card. Minutes of usage at random: no two hours ask the same.
    cards = {
        "all current": (2, rates),
        "a rate that nothing selects is new": (3, rates + added_rate("paas.gpu", gpu_model="b200")),
        "all stale by a price": (3, rates.replace('"1200"', '"1300"')),
        "a customer is newly named": (30, rates + added_rate("paas.cpu", customer=_CUSTOMER)),
    }
    commands = []
    for number, (what, (_, text)) in enumerate(cards.items()):
        card = bench.scratch / f"card-{number}.toml"
        card.write_text(text)
        looking = backfill(home, "--dry-run", "--rates", str(card), to=to)
        commands.append(Command(f"backfill --dry-run, 8,760 hours, {what}", [looking]))
    return [
        Row("staleness", f"8,760 hours, {what}", measured.seconds, allowed, "allowed:", 1)
        for (what, (allowed, _)), measured in zip(
            cards.items(), bench.measure(*commands), strict=True
        )
    ]


def added_rate(meter: str, **selectors: str) -> str:
    """One more rate, from the first hour on, as TOML."""
    per = "gpu-hour" if meter == "paas.gpu" else "vcpu-month"
    fields = {"id": "added", "meter": meter, "price_cents": "40", "per": per, **selectors}
    lines = [f'{key} = "{value}"' for key, value in fields.items()]
    return "\n".join(["", "[[rate]]", *lines, "active_from = 2025-01-01T00:00:00Z", ""])


def start(bench: Bench) -> list[Row]:
    """Commands that people wait for."""
    home = bench.home(_hour_of_10_million(bench))
    bench.do(*backfill(home))
    where = (FIRST_HOUR, "--customer", "customer-000000", "--home", str(home))
    helped, shown = bench.measure(
        Command("hourtally --help", [hourtally("--help")]),
        Command("hourtally show", [hourtally("show", *where)]),
    )
    return [
        Row("start", "hourtally --help", helped.seconds, 0.3, "allowed:", 1),
        Row("start", "hourtally show", shown.seconds, 0.7, "allowed:", 1),
    ]


def growth(bench: Bench) -> list[Growth]:
    """An hour's build where only the events grow, and where only the customers do."""
    resources, many, few = (bench.scaled(n) for n in (200_000, 20_000, 2_000))
    sizes = {
        "events, from 1 M": [
            (times, Input(bench.scaled(times * MILLION), resources, many)) for times in (1, 3, 10)
        ],
        "customers, from 2,000": [
            (1, Input(bench.scaled(10 * MILLION), resources, few)),
            (10, Input(bench.scaled(10 * MILLION), resources, many)),
        ],
    }
    rows = []
    for what, steps in sizes.items():
        homes = [bench.home(wanted) for _, wanted in steps]
        measured = bench.measure(
            *(
                Command(f"growth of {what} ×{times}", [backfill(home)], bench.forget_builds(home))
                for (times, _), home in zip(steps, homes, strict=True)
            )
        )
        for (times, _), one in zip(steps, measured, strict=True):
            ratio = one.seconds / measured[0].seconds
            exponent = math.log(ratio) / math.log(times) if times > 1 else None
            rows.append(Growth(what, times, one, exponent))
    return rows


def stages(bench: Bench) -> list[Stage]:
    """An ingest and a build of a million lines: the seconds of each stage, by `stages.py`."""
    lines = bench.lines(usual(bench.scaled(MILLION)))
    found: list[dict[str, dict[str, float]]] = []
    for number in range(min(bench.runs, 3)):
        bench.say(f"measuring by stage, {number + 1}")
        home = bench.scratch / "home"
        fresh_home(home)
        said = bench.said("-m", "tests.benches.stages", str(lines), str(home))
        found.append(json.loads(said))
    return [
        Stage(command, stage, median(one[command][stage] for one in found))
        for command in ("ingest", "build")
        for stage in found[0][command]
    ]


LINES: dict[str, Callable[[Bench], list[Row]]] = {
    "build": build,
    "batches": batches,
    "ingest": ingest,
    "ingest-large": ingest_large,
    "whole": whole,
    "build-large": build_large,
    "backfill": backfills,
    "staleness": staleness,
    "start": start,
    **WORK_LINES,
}


def _hour_of_10_million(bench: Bench) -> Input:
    return usual(bench.scaled(10 * MILLION))


def _hour_after(hours: int) -> str:
    first = dt.datetime.fromtimestamp(FIRST_TIMESTAMP, dt.UTC)
    return f"{first + dt.timedelta(hours=hours):%Y-%m-%dT%H}"


def _ingest(bench: Bench, name: str, lines: Path) -> Command:
    """An ingest into an empty home."""
    home = bench.scratch / "home"
    ingesting = hourtally("ingest", str(lines), "--home", str(home))
    return Command(name, [ingesting], lambda: fresh_home(home))


def _documents_sql(*scripts_events_documents: str | Path) -> list[str]:
    *scripts, events, documents = scripts_events_documents
    return sql(
        *map(str, scripts),
        "documents.sql",
        events=events,
        documents=documents,
        timestamp=FIRST_TIMESTAMP,
    )


def _check(bench: Bench, home: Path, documents: Path) -> None:
    """Hold the yardstick's documents against ours."""
    bench.say("comparing the documents")
    bench.do(sys.executable, "-m", "tests.benches.check", str(home), str(documents))


def _documents_digest(home: Path) -> str:
    (manifest,) = (home / "hours").glob("*/000001.json")
    return str(json.loads(manifest.read_bytes())["files"]["documents.ndjson"]["sha256"])
