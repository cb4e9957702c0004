"""Usage keys: what has one key has the same texts, and usage by keys is usage by texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from hourtally.cli.app import call
from hourtally.ingest.slices.cutting import slices_of
from hourtally.ingest.slices.usage_keys import usage_keys
from hourtally.model.components import QUANTITIES
from hourtally.model.hours import Hour
from hourtally.model.schemas import USAGE, USAGE_KEY, USAGE_TEXTS
from hourtally.stages.deduplication import decide
from tests.support.command_line import documents, hourtally
from tests.support.events.random_events import HOUR as MIDDLE
from tests.support.events.random_events import Json, event_sets
from tests.support.events.validated import validated_frame
from tests.support.examples import examples
from tests.support.homes.damaged_home import golden_home, rewrite_slices
from tests.support.homes.damaged_home import slices_of as slices_file_of
from tests.support.homes.golden_hour import HOUR
from tests.support.ingest.encoded_slices import sorted_slices, write_slices
from tests.support.ingest.metered_files import HourFiles, meter_files

# What lengths, marks and ends could be taken for.
_CONFUSING = ("", "-", ":", "1", "1:", "0:", "-0:", "a", "\0", "a\0b", "é", "\U0001f600")
texts = st.none() | st.sampled_from(_CONFUSING) | st.text(st.sampled_from("01:-\0é"), max_size=4)


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, dict.fromkeys(USAGE_TEXTS, pl.String))


@given(st.lists(st.tuples(*(texts for _ in USAGE_TEXTS)), min_size=1, max_size=20))
def test_keys_are_equal_where_all_texts_are_and_nowhere_else(rows: list[tuple[Any, ...]]) -> None:
    table = pl.DataFrame(rows, dict.fromkeys(USAGE_TEXTS, pl.String), orient="row")
    keys = usage_keys(table).rows()
    assert len(set(keys)) == len(set(rows)) == len(set(zip(keys, rows, strict=True)))


def test_a_key_is_the_blake2b_digest_of_the_texts_behind_their_lengths() -> None:
    table = frame(
        {"event_type": "é", "customer_id": "12", "team_id": "", "team_name": "a\0b"},
        {"gpu_model": "-"},
    )
    # In the order of `USAGE_TEXTS`: type, customer, team, project, type, id, three names, two more.
    encoded = (b"2:\xc3\xa92:120:---3:a\0b----", b"-" * 10 + b"1:-")
    expected = []
    for text in encoded:
        digest = hashlib.blake2b(text, digest_size=16).digest()
        expected.append((int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")))
    assert usage_keys(table).rows() == expected


def test_no_texts_have_no_keys() -> None:
    assert usage_keys(frame()).schema == dict.fromkeys(USAGE_KEY, pl.UInt64)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as connection:
        yield connection


BY_TEXTS = """
    SELECT {texts}, period, max(slice_end_ms) AS last_end_ms, {sums}
    FROM (
        SELECT *, least(slice_end_ms, until_ms) - greatest(slice_start_ms, from_ms) AS piece_ms
        FROM standing, periods
    )
    WHERE piece_ms > 0
    GROUP BY ALL
"""


def usage_by_texts(
    connection: duckdb.DuckDBPyConnection,
    slices: pl.DataFrame,
    periods: list[tuple[int, int]],
    timestamp: int,
) -> pl.DataFrame:
    """Whole rows of an hour decided, whole texts grouped."""
    rows = [(number, *period) for number, period in enumerate(periods)]
    named = pl.DataFrame(rows, ["period", "from_ms", "until_ms"], orient="row")
    connection.register("periods", named.to_arrow())
    standing = decide(slices.with_row_index("slice_row")).slices
    connection.register("standing", standing.to_arrow())
    sums = ", ".join(f"sum({name} * piece_ms) AS {name}_ms" for name in QUANTITIES)
    found = connection.sql(BY_TEXTS.format(texts=", ".join(USAGE_TEXTS), sums=sums))
    usage = pl.DataFrame(found.to_arrow_table()).with_columns(timestamp=timestamp)
    return usage.select(pl.col(column).cast(of) for column, of in USAGE.items())


period_starts = st.sets(st.integers(1, 3_599_999), max_size=2)


@examples(60, fast=20)
@given(
    st.lists(event_sets(), min_size=1, max_size=3),
    st.lists(period_starts, min_size=1, max_size=4),
    st.data(),
)
def test_usage_by_keys_is_usage_by_texts_of_each_hour_by_itself(
    connection: duckdb.DuckDBPyConnection,
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[Json]],
    changes: list[set[int]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("usage")
    cut = []
    for events in files:
        # What another file says, too; and names that could be taken for two.
        again = data.draw(st.lists(st.sampled_from(files[0]), max_size=3))
        for event in events:
            event["data"] |= data.draw(st.sampled_from(({}, {}, {"teamName": "a\0b"})))
        cut.append(slices_of(validated_frame([*events, *again])))

    hours: list[HourFiles] = []
    expected, numbered = [], 0
    # Events reach from the hour before to two hours after it.
    for timestamp, of_hour in zip(
        range(MIDDLE - 3_600, MIDDLE + 10_800, 3_600), changes, strict=False
    ):
        starts = [timestamp * 1_000 + ms for ms in (0, *sorted(of_hour), 3_600_000)]
        periods = list(pairwise(starts))
        paths, stored = [], []
        for number, slices in enumerate(cut):
            if len(here := slices.filter(hour=timestamp)):
                paths.append(write_slices(folder / f"{timestamp}-{number}.parquet", here))
                stored.append(sorted_slices(here)[0])
        hours.append((Hour(timestamp), paths, periods))
        if stored:
            usage = usage_by_texts(connection, pl.concat(stored), periods, timestamp)
            expected.append(usage.with_columns(pl.col("period") + numbered))
        numbered += len(periods)
    metered = meter_files(connection, *hours)
    assert_frame_equal(
        metered.usage, pl.concat([pl.DataFrame(schema=USAGE), *expected]), check_row_order=False
    )
    alone = [meter_files(connection, hour) for hour in hours]
    for together, [by_itself] in zip(metered.counts, (one.counts for one in alone), strict=True):
        assert (together.counted, together.duplicates) == (by_itself.counted, by_itself.duplicates)
        assert_frame_equal(together.conflicts, by_itself.conflicts)


def test_slices_of_an_earlier_version_are_refused_and_ingested_again(tmp_path: Path) -> None:
    home = golden_home(tmp_path)
    before = documents(home.root)
    rewrite_slices(home, "a1", lambda rows: rows.drop(USAGE_KEY))
    slices, _ = slices_file_of(home, "a1")
    build = ("backfill", "--from", HOUR, "--to", "2026-11-22T14", "--force", "--home", home.root)
    now = ("--now", "2026-11-22T16:00:00Z")

    refused = hourtally(*build, *now)
    assert refused.returncode == 1
    file = home.root / "first.ndjson"
    assert f"{slices}: damaged: it has no usage keys" in refused.stderr
    named = re.search(r"`hourtally ingest --again (\S+)` writes it anew", refused.stderr)
    assert named is not None
    assert Path(named[1]).name == file.name

    assert hourtally("ingest", "--again", file, "--home", home.root, *now).returncode in (0, 3)
    assert hourtally(*build, *now).returncode == 0
    assert documents(home.root) == before


def test_slices_of_an_earlier_version_are_refused_among_many_small_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hourtally.store.slice_files._MANY_FILES", 1)
    home = golden_home(tmp_path)
    rewrite_slices(home, "a1", lambda rows: rows.drop(USAGE_KEY))
    slices, _ = slices_file_of(home, "a1")
    build = ("backfill", "--from", HOUR, "--to", "2026-11-22T14", "--force", "--home", home.root)
    assert call([*map(str, build), "--now", "2026-11-22T16:00:00Z"]) == 1
    assert f"{slices}: damaged: it has no usage keys" in capsys.readouterr().err
