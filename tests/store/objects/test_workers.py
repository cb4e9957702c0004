"""Worker processes on a home in an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.model.hours import Hour
from hourtally.settings import Settings
from hourtally.store.layout import Home
from hourtally.verify import runner, verify_hours
from tests.support.buckets import sample_in


def test_workers_verify_what_one_process_does(
    bucket: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_in(bucket, tmp_path / "sample")
    assert call(["run", "--now", "2026-11-02T12:15:00Z", "--home", bucket.place]) == 3
    monkeypatch.setattr(runner, "HOURS_TOGETHER", 1)
    hours = [Hour.parse(f"2026-11-02T{number:02}") for number in (9, 10, 11)]

    alone = verify_hours(bucket, hours, Settings(threads=1))
    together = verify_hours(bucket, hours, Settings(threads=2))
    assert (alone.hours, alone.listed) == (3, [])
    assert together == alone
