from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.model.hours import Hour
from hourtally.store.layout import Home
from hourtally.store.manifests import is_built

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
    assert home.records_with_slices(HOUR) == []
    home.slices(HOUR, "b").parent.mkdir(parents=True)
    for name in ("b.parquet", "a.parquet", "c.parquet.tmp", ".d"):
        (home.slices(HOUR, "b").parent / name).touch()
    assert home.records_with_slices(HOUR) == ["a", "b"]


@pytest.mark.parametrize(
    ("names", "is_one"),
    [
        ((), False),
        (("rev-000001-0123abcd", ".000001.json.tmp"), False),
        (("000001.json",), True),
        (("000002.json",), True),
        (("1234567.json",), True),
    ],
)
def test_an_hour_is_built_if_it_has_any_manifest(
    tmp_path: Path, names: tuple[str, ...], *, is_one: bool
) -> None:
    home = Home(tmp_path)
    folder = home.hour(HOUR)
    assert not is_built(home, HOUR.name)
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    assert is_built(home, HOUR.name) == is_one
