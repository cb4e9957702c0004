from __future__ import annotations

from pathlib import Path

from hourtally.home import Home
from hourtally.hours import Hour

HOUR = Hour.parse("2026-11-22T13")


def test_everything_lies_where_the_contract_says() -> None:
    home = Home(Path("/h"))
    assert [
        str(path)
        for path in (
            home.rates,
            home.inbox,
            home.slices(HOUR, "0123456789abcdef"),
            home.batch_record("0123456789abcdef"),
            home.quarantine("0123456789abcdef"),
            home.manifest(HOUR, 1),
        )
    ] == [
        "/h/rates.toml",
        "/h/inbox",
        "/h/events/hour=2026-11-22T13/0123456789abcdef.parquet",
        "/h/batches/0123456789abcdef.json",
        "/h/quarantine/0123456789abcdef.ndjson",
        "/h/hours/2026-11-22T13/000001.json",
    ]


def test_the_batches_of_an_hour_are_its_slices_files_by_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.batches_with_slices(HOUR) == []
    home.slices(HOUR, "b").parent.mkdir(parents=True)
    for name in ("b.parquet", "a.parquet", "c.parquet.tmp", ".d"):
        (home.slices(HOUR, "b").parent / name).touch()
    assert home.batches_with_slices(HOUR) == ["a", "b"]
