"""The benchmark measures like against like: the same events, the same documents."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.benches.bench import (
    FIRST_TIMESTAMP,
    Bench,
    Input,
    backfill,
    fresh_home,
    hourtally,
    sql,
)
from tests.benches.check import differences
from tests.benches.generator import Events, blocks, lines
from tests.benches.lines import stages
from tests.benches.measure import CommandFailed, run_once
from tests.benches.report import Row, verdict


def frame(wanted: Events) -> pl.DataFrame:
    return pl.concat(block for file in range(wanted.files) for block in blocks(wanted, file))


def test_the_same_events_come_out_however_many_files_they_are_divided_into() -> None:
    one = frame(Events(1_000, resources=50, customers=5))
    seven = frame(Events(1_000, resources=50, customers=5, files=7))
    assert one.equals(seven)
    assert one["event_id"].n_unique() == 1_000


def test_each_file_but_the_first_sends_a_hundredth_of_the_one_before_it_again() -> None:
    sent = frame(Events(1_000, resources=50, customers=5, files=5, resent=True))
    assert len(sent) == 1_000 + 4 * 2  # files of 200 events, and 2 of each of the first four
    assert sent.unique().height == 1_000


def test_every_hour_has_its_share_of_the_events_and_none_crosses_its_end() -> None:
    events = frame(Events(1_000, resources=50, customers=5, hours=4))
    hours = events.group_by(pl.col("start").dt.truncate("1h")).len()
    assert hours["len"].to_list() == [250, 250, 250, 250]
    last_ms = pl.col("end") - pl.duration(milliseconds=1)
    assert events.select(pl.col("start").dt.hour() == last_ms.dt.hour()).to_series().all()


def test_a_line_leaves_out_what_its_event_does_not_have() -> None:
    cluster = frame(Events(1_000, resources=50, customers=5)).filter(
        pl.col("event_type") == "metering.cluster.v1"
    )
    line = lines(cluster)[0, 0]
    assert '"clusterId":"cluster-0"' in line
    assert "resourceId" not in line
    assert "null" not in line


@pytest.mark.parametrize("suffix", ["parquet", "ndjson"])
def test_the_yardstick_makes_the_same_documents_as_the_product(tmp_path: Path, suffix: str) -> None:
    bench = Bench(tmp_path, runs=1, scale=1, say=lambda _: None)
    wanted = Input(2_000, resources=100, customers=10)
    if suffix == "parquet":
        home = bench.home(wanted)
        source, events = ["slices.sql"], home / "events/*/*.parquet"
    else:
        home = tmp_path / "home"
        fresh_home(home)
        source, events = ["columns.sql", "lines.sql"], bench.lines(wanted)
        bench.do(*hourtally("ingest", str(events), "--home", str(home)))
    bench.do(*backfill(home))
    theirs = tmp_path / "documents.ndjson"
    bench.do(
        *sql(
            *source,
            "documents.sql",
            events=events,
            documents=theirs,
            timestamp=FIRST_TIMESTAMP,
        )
    )
    (ours,) = home.glob("hours/*/rev-*/documents.ndjson")
    assert len(ours.read_bytes().splitlines()) == 10
    assert differences(ours, theirs) == []


def test_documents_differ_that_part_by_more_than_a_rounding_or_lack_a_customer(
    tmp_path: Path,
) -> None:
    def documents(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines))
        return path

    # Neither customer has a resource: one nanocent is allowed, two are not.
    ours = documents("ours", _line("a", "0"), _line("b", "0"))
    theirs = documents("theirs", _line("a", "0.000000001"), _line("b", "0.000000002"))
    assert differences(ours, theirs) == ["b: byocUsage total 0 and 2E-9"]
    fewer = documents("fewer", _line("a", "0"))
    assert differences(ours, fewer) == ["b: not in both"]


def _line(customer: str, byoc_total: str) -> str:
    paas = '"paasUsage":{"price":{"total":0},"teams":[]}'
    data = f'{{{paas},"byocUsage":{{"price":{{"total":{byoc_total}}}}}}}'
    return f'{{"customerId":"{customer}","document":{{"data":{data}}}}}'


def test_a_command_that_fails_is_not_measured() -> None:
    with pytest.raises(CommandFailed, match="exit status 1 of false"):
        run_once(["false"], {"PATH": "/usr/bin:/bin"})


def test_each_stage_has_its_seconds_and_the_whole_has_its_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path, runs=1, scale=0.001, say=lambda _: None)
    measured = {(one.command, one.stage): one.seconds for one in stages(bench)}
    assert 0 < measured["ingest", "encode Parquet"] < measured["ingest", "whole"]
    assert 0 < measured["build", "rating"] < measured["build", "whole"]


def test_missed_bounds_are_named_and_met_ones_are_counted() -> None:
    met = Row("build", "an hour", 3, 2, "(a):", limit=1.5)
    assert verdict([met]) == "All 1 measured bounds are met."
    missed = Row("ingest", "a file", 5, 2, "(c):", limit=2)
    assert verdict([met, missed]) == (
        "1 of 2 bounds are missed: ingest (a file: 2.50 (c), bound 2)."
    )


def test_a_bound_is_met_at_its_very_limit() -> None:
    assert Row("build", "an hour", 3, 2, "(a):", limit=1.5).met
    assert not Row("build", "an hour", 3.1, 2, "(a):", limit=1.5).met
